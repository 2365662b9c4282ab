# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from typing import Any

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

WORD = st.from_regex(r"[A-Za-z0-9\[\]_][A-Za-z0-9.:/_-]{0,12}", fullmatch=True)
CHARACTERS = st.characters(min_codepoint=33, exclude_characters="{}\x7f", exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
VALUE = st.recursive(
    st.lists(st.text(CHARACTERS, min_size=1, max_size=10), max_size=4).map(" ".join),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{" + " ".join(parts) + "}"),
)
SERVICES = st.builds(
    master_cf.Service,
    service=WORD,
    type=st.sampled_from(master_cf.TYPES),
    command=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    private=st.sampled_from("n-"),
    unpriv=st.sampled_from("yn-"),
    chroot=st.sampled_from("yn-"),
    wakeup=st.sampled_from(["-", "60", "1000?"]),
    maxproc=st.sampled_from(["-", "0", "17"]),
    options=st.lists(st.tuples(st.from_regex(r"[A-Za-z0-9_]{1,10}", fullmatch=True), VALUE), max_size=3).map(tuple),
    arguments=st.lists(st.from_regex(r"[a-z]{1,5}=[!-z]{1,5}|\{[a-z ]{0,5}\}", fullmatch=True), max_size=2).map(tuple),
).filter(lambda entry: entry.type != "inet" or entry.private == "n")


@pytest.mark.parametrize(("text", "services"), cases.MASTER_TEXTS.values(), ids=cases.MASTER_TEXTS)
def test_text_is_read_as_master_reads_it(text: str, services: list[dict[str, Any]]) -> None:
    described = [master_cf.as_dict(entry) for entry in master_cf.parse(text)]
    assert described == services


@pytest.mark.parametrize(("text", "services"), cases.MASTER_TEXTS.values(), ids=cases.MASTER_TEXTS)
def test_a_description_is_rendered_to_the_same_services(text: str, services: list[dict[str, Any]]) -> None:
    rendered = master_cf.parse(master_cf.render(services))
    assert [master_cf.as_dict(entry) for entry in rendered] == services


@pytest.mark.parametrize(("text", "message"), cases.MASTER_ERRORS.values(), ids=cases.MASTER_ERRORS)
def test_a_field_that_master_refuses_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        master_cf.parse(text)


@pytest.mark.parametrize(("text", "message"), cases.MASTER_UNSEEN.values(), ids=cases.MASTER_UNSEEN)
def test_what_postconf_accepts_and_a_daemon_dies_of_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        master_cf.parse(text)


@given(st.lists(SERVICES, unique_by=lambda entry: entry.key, max_size=4))
@settings(deadline=None)
def test_rendered_services_are_read_back(services: list[master_cf.Service]) -> None:
    read = master_cf.parse(master_cf.render(services))
    assert [dataclasses.replace(entry, line=0) for entry in read] == services
    assert [master_cf.service(master_cf.as_dict(entry)) for entry in services] == services


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ({}, "smtp       inet       n  -  n  -      -    smtpd\n"),
        ({"private": False, "chroot": True, "maxproc": 1}, "smtp       inet       n  -  y  -      1    smtpd\n"),
        ({"args": {"x": True}}, "smtp       inet       n  -  n  -      -    smtpd\n    -o x=yes\n"),
        ({"args": {"x": None}}, "smtp       inet       n  -  n  -      -    smtpd\n"),
        ({"args": {"x": ["a b", "c"]}}, "smtp       inet       n  -  n  -      -    smtpd\n    -o { x = a b, c }\n"),
        ({"args": ["-v", "-o x=y"]}, "smtp       inet       n  -  n  -      -    smtpd\n    -o x=y\n    -v\n"),
    ],
)
def test_a_service_in_variables_has_one_spelling(source: dict[str, Any], line: str) -> None:
    assert master_cf.render([{"service": "smtp", "type": "inet", "command": "smtpd", **source}]) == line


A = {"service": "a", "type": "unix", "command": "smtp", "args": {"biff": False}}
B = {"service": "b", "type": "unix", "command": "smtp"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"command": "/bin/sh"}, "command must be a program name"),
        ({"command": "a b"}, "command must be one word"),
        ({"private": "y"}, "an inet service cannot be private"),
        ({"args": {"x y": 1}}, "not a parameter name"),
        ({"args": {"x": "a\nb"}}, "control character"),
        ({"args": {"x": "}{ a"}}, "unbalanced braces"),
        ({"args": ["a", "#b"]}, "an argument starts with '#'"),
        ({"args": 7}, "a value cannot be int"),
        ({"args": [7]}, "a value cannot be int"),
    ],
)
def test_a_service_that_has_no_spelling_is_refused(source: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        master_cf.render([{"service": "smtp", "type": "inet", "command": "smtpd", **source}])


def test_a_service_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="smtp/inet: the service occurs twice"):
        master_cf.render(master_cf.parse("smtp inet n - n - - smtpd\n" * 2))


def test_a_later_layer_replaces_a_service_in_its_place() -> None:
    layers = [A, B, {**A, "maxproc": 5}]
    assert [(entry.service, entry.maxproc) for entry in master_cf.services(layers)] == [("a", "5"), ("b", "-")]


@pytest.mark.parametrize(
    ("sources", "place"),
    [
        ([{**A, "maxproc": "many"}], "line 3: a/unix: maxproc"),
        ([A, {**B, "wakeup": "soon"}], "line 5: b/unix: wakeup"),
        ([A, B, {**A, "chroot": "perhaps"}], "line 3: a/unix: chroot"),
        ([A, {**B, "args": 7}], "line 5: b/unix: a value cannot be int"),
        ([{"service": "c"}], "line 3: c/: type"),
    ],
)
def test_a_wrong_field_has_the_line_on_which_it_would_stand(sources: list[dict[str, Any]], place: str) -> None:
    with pytest.raises(ConfigError, match=f"^master.cf, {place}"):
        master_cf.services(sources, head="# one\n# two\n")
