# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix' files as variables, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter.postfix_config import (
    from_main_cf,
    from_master_cf,
    restriction_list,
    to_main_cf,
    to_master_cf,
)
from hypothesis import assume, given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[4] / "roles"
BLANKS = st.sampled_from(["", " ", "\t", "  "])
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
VALUE = st.lists(WORD, max_size=4).map(" ".join)
NOISE = st.sampled_from(["# a comment\n", "\n", "   # another\n", " \n"])


@st.composite
def main_texts(draw: st.DrawFn) -> str:
    """Texts as people write them: any blanks, comments, continuations, names twice."""
    text = ""
    for _entry in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["relayhost", "mydestination", "smtpd_banner", "smtpd_milters", "a:b", "x"]))
        text += draw(NOISE) * draw(st.integers(0, 1)) + f"{name}{draw(BLANKS)}={draw(BLANKS)}{draw(VALUE)}\n"
        for piece in draw(st.lists(VALUE, max_size=2)):
            text += draw(NOISE) * draw(st.integers(0, 1)) + f"  {piece}\n"
    return text


OPTION = st.builds("-o {}={}".format, st.sampled_from(["smtpd_banner", "relayhost", "x"]), WORD)
GROUP = st.builds("-o {{ {} = {} }}".format, st.sampled_from(["smtpd_banner", "relayhost", "x"]), VALUE)
ARGUMENT = st.one_of(WORD, st.builds("argv={}".format, WORD), st.just("-v"))


@st.composite
def master_texts(draw: st.DrawFn) -> str:
    text = ""
    for _entry in range(draw(st.integers(0, 4))):
        fields = [
            draw(st.sampled_from(["smtp", "25", "[::1]:26", "maildrop", "pickup"])),
            draw(st.sampled_from(["inet", "unix", "pass", "fifo"])),
            *(draw(st.sampled_from("yn-")) for _flag in range(3)),
            draw(st.sampled_from(["-", "60", "1000?"])),
            draw(st.sampled_from(["-", "0", "17"])),
            draw(st.sampled_from(["smtpd", "pipe", "smtp"])),
        ]
        text += draw(NOISE) * draw(st.integers(0, 1)) + draw(st.sampled_from([" ", "\t", "   "])).join(fields)
        for argument in draw(st.lists(st.one_of(OPTION, GROUP, ARGUMENT), max_size=4)):
            text += draw(st.sampled_from([" ", "\n  ", "\n\t"])) + argument
        text += "\n"
    return text


def read(read_text: Any, text: str) -> Any:
    """What a filter makes of the text, when it takes it."""
    try:
        return read_text(text)
    except AnsibleFilterError:
        return None


@given(main_texts())
def test_a_main_cf_that_is_read_is_written_and_read_the_same(text: str) -> None:
    parameters = read(from_main_cf, text)
    assume(parameters is not None)
    assert from_main_cf(to_main_cf(parameters)) == parameters


@given(master_texts())
def test_a_master_cf_that_is_read_is_written_and_read_the_same(text: str) -> None:
    services = read(from_master_cf, text)
    assume(services is not None)
    assert from_master_cf(to_master_cf(services)) == services


@given(main_texts(), master_texts())
def test_what_is_read_survives_a_file_of_variables(main: str, master: str) -> None:
    for found in (read(from_main_cf, main), read(from_master_cf, master)):
        assert yaml.safe_load(yaml.safe_dump(found)) == found


def test_a_main_cf_becomes_the_values_that_postfix_sees() -> None:
    text = "# head\nbiff = yes\nmydestination = a.test,\n# middle\n    b.test\nbiff = no\nrelayhost =\n"
    assert from_main_cf(text) == {"biff": "no", "mydestination": "a.test, b.test", "relayhost": ""}


def test_the_variables_of_the_role_become_a_main_cf() -> None:
    parameters = {"soft_bounce": True, "inet_protocols": ["ipv4", "ipv6"], "biff": None, "message_size_limit": 1024, "relayhost": ""}
    assert to_main_cf(parameters) == "inet_protocols = ipv4, ipv6\nmessage_size_limit = 1024\nrelayhost =\nsoft_bounce = yes\n"


def test_a_master_cf_becomes_services() -> None:
    assert from_master_cf("smtp inet n - - - 5 smtpd\n  -o x=1\n") == [
        {
            "service": "smtp",
            "type": "inet",
            "private": "n",
            "unpriv": "-",
            "chroot": "-",
            "wakeup": "-",
            "maxproc": "5",
            "command": "smtpd",
            "args": {"x": "1"},
        }
    ]


def test_the_variables_of_the_role_become_a_master_cf() -> None:
    service = {"service": "submission", "type": "inet", "private": False, "command": "smtpd", "args": {"smtpd_tls_wrappermode": True}}
    assert to_master_cf([service]).split() == ["submission", "inet", "n", "-", "n", "-", "-", "smtpd", "-o", "smtpd_tls_wrappermode=yes"]


@pytest.mark.parametrize(
    ("function", "value", "reason"),
    [
        pytest.param(from_main_cf, "a = b\nc\n", "from_main_cf: main.cf, line 2: missing '='", id="no parameter"),
        pytest.param(from_main_cf, "a = }\n", "from_main_cf: main.cf: a: unbalanced braces", id="a value that is read but not written"),
        pytest.param(from_main_cf, {"a": "b"}, "from_main_cf: wants the text of a main.cf, not dict", id="values for a text"),
        pytest.param(to_main_cf, "a = b\n", "to_main_cf: wants a dictionary of parameters, as postfix_main, not str", id="a text for values"),
        pytest.param(to_main_cf, {"a": "b\nc"}, "to_main_cf: main.cf: a: control character", id="two lines"),
        pytest.param(from_master_cf, "smtp inet\n", "from_master_cf: master.cf, line 1: a service has 8 fields", id="no service"),
        pytest.param(from_master_cf, "x unix n - n - - smtp\n" * 2, "from_master_cf: master.cf: x/unix: the service occurs twice", id="twice"),
        pytest.param(to_master_cf, {"smtp": {}}, "to_master_cf: wants a list of services, as postfix_services, not dict", id="services by name"),
        pytest.param(to_master_cf, ["smtp"], "to_master_cf: master.cf: a service is a dictionary, not str: 'smtp'", id="a text for a service"),
        pytest.param(
            to_master_cf,
            [{"service": "a", "type": "unix", "command": "smtp", "max_proc": 5}],
            "to_master_cf: master.cf: a/unix: a service has no 'max_proc' (did you mean 'maxproc'?)",
            id="a misspelt key",
        ),
        pytest.param(restriction_list, ["permit_dnswl"], "restriction_list: smtpd_recipient_restrictions: unknown restriction", id="a trap"),
        pytest.param(restriction_list, {"a": "b"}, "restriction_list: wants lists or texts, not dict", id="a dictionary for a list"),
    ],
)
def test_an_error_names_the_filter_and_the_place(function: Any, value: Any, reason: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        function(value)
    assert str(caught.value).startswith(reason)


def test_every_option_of_restriction_list_arrives() -> None:
    blocked = "check_client_access cidr:/etc/postfix/blocked"
    assert restriction_list(
        [blocked, "own", "reject_unauth_destination"],
        "smtpd_relay_restrictions",
        classes={"own": ["permit_mynetworks"]},
        vouched=[blocked],
        mynetworks=["192.0.2.0/24"],
        balancers=["198.51.100.7"],
    ) == [blocked, "own", "reject_unauth_destination"]
    assert restriction_list(["reject_non_fqdn_sender"], "smtpd_client_restrictions", delay_reject=True) == ["reject_non_fqdn_sender"]


@pytest.mark.parametrize("role", ["mx", "submission", "relay"])
def test_the_lists_of_the_roles_hold_no_trap(role: str) -> None:
    main = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text(encoding="utf-8"))[f"__{role}_main"]
    lists = {name: value for name, value in main.items() if name.endswith("_restrictions")}
    assert "smtpd_relay_restrictions" in lists
    assert {name: restriction_list(value, name) for name, value in lists.items()} == lists
