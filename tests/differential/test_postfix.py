# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the unit ring, judged by the postconf and postmap of both releases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, master_cf, table, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.macros import expand
from conftest import Container

# postconf(1) lets these pass, and the daemon dies of them.
UNSEEN = ("an override without a value", "an override with an open brace")
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "main_cf": {
        **{name: text for name, (text, _seen) in cases.MAIN_TEXTS.items()},
        **{f"rendered: {name}": main_cf.render(given) for name, (given, _text) in cases.MAIN_VALUES.items()},
        **{f"wrong: {name}": text for name, (text, _message) in cases.MAIN_ERRORS.items()},
    },
    "edited": {
        # postconf -e of 3.7 appends to a last line without a newline.
        name: {
            "text": text if text.endswith("\n") else text + "\n",
            "changes": {key: None if value is None else main_cf.value_text(value) for key, value in changes.items()},
        }
        for name, (text, changes, _after) in cases.MAIN_EDITS.items()
    },
    "master_cf": {
        **{name: text for name, (text, _services) in cases.MASTER_TEXTS.items()},
        **{f"rendered: {name}": master_cf.render(services) for name, (_text, services) in cases.MASTER_TEXTS.items()},
        **{f"wrong: {name}": text for name, (text, _message) in cases.MASTER_ERRORS.items()},
    },
    "table": {
        **{name: text for name, (text, _rows) in cases.TABLE_TEXTS.items()},
        **{f"rendered: {name}": table.render(rows) for name, (_text, rows) in cases.TABLE_TEXTS.items()},
        **{f"wrong: {name}": text for name, (text, _message) in cases.TABLE_ERRORS.items()},
    },
    "expansion": {name: {"text": text, "values": cases.EXPAND_VALUES} for name, (text, _expanded) in cases.EXPANSIONS.items()},
    "known_words": {
        "restrictions": sorted({*values._PLAIN_RESTRICTIONS, *values._TABLE_RESTRICTIONS, *values._WORD_RESTRICTIONS}),
        "milter options": sorted(values._MILTER_OPTIONS),
        "enumerations": sorted({word for allowed in [*values.ENUMERATIONS.values(), *values.ENUMERATION_LISTS.values()] for word in allowed if word}),
    },
    "defaults": {"all": None},
}


@pytest.fixture(scope="session")
def postfix(container: Container) -> dict[str, dict[str, Any]]:
    """All answers of one release, asked in one go: ``postfix[kind][case]``."""
    answers = container.ask("ask_postfix.py", {kind: list(asked.values()) for kind, asked in QUESTIONS.items()})
    return {kind: dict(zip(asked, answers[kind], strict=True)) for kind, asked in QUESTIONS.items()}


def one_blank(text: str) -> str:
    return " ".join(text.split())


def seen(answer: Mapping[str, Any]) -> dict[str, str]:
    found = main_cf.parameters(answer["out"])
    return {name: value for name, value in found.items() if name != "config_directory"}


@pytest.mark.parametrize("name", cases.MAIN_TEXTS)
def test_main_cf_is_read_as_postconf_reads_it(postfix: dict[str, Any], name: str) -> None:
    ours = main_cf.parameters(cases.MAIN_TEXTS[name][0])
    assert {key: one_blank(value) for key, value in ours.items()} == seen(postfix["main_cf"][name])


@pytest.mark.parametrize("name", cases.MAIN_VALUES)
def test_rendered_values_arrive_in_postconf(postfix: dict[str, Any], name: str) -> None:
    given = cases.MAIN_VALUES[name][0]
    answer = postfix["main_cf"][f"rendered: {name}"]
    assert seen(answer) == {key: main_cf.value_text(value) for key, value in given.items() if value is not None}
    assert "warning" not in answer["err"].replace("warning: /", "/") or not given


@pytest.mark.parametrize("name", cases.MAIN_ERRORS)
def test_postconf_refuses_what_we_refuse_in_main_cf(postfix: dict[str, Any], name: str) -> None:
    assert postfix["main_cf"][f"wrong: {name}"]["rc"] != 0


@pytest.mark.parametrize("name", cases.MAIN_EDITS)
def test_an_edit_has_the_effect_of_postconf(postfix: dict[str, Any], name: str) -> None:
    text, changes, _after = cases.MAIN_EDITS[name]
    answer = postfix["edited"][name]
    assert [done["rc"] for done in answer["done"]] == [0] * len(answer["done"])
    assert main_cf.parameters(main_cf.edit(text, changes)) == main_cf.parameters(answer["text"])


@pytest.mark.parametrize("name", [*cases.MASTER_TEXTS, *(f"rendered: {name}" for name in cases.MASTER_TEXTS)])
def test_master_cf_is_read_as_postconf_reads_it(postfix: dict[str, Any], name: str) -> None:
    ours = master_cf.parse(QUESTIONS["master_cf"][name])
    answer = postfix["master_cf"][name]
    assert answer["services"]["rc"] == 0
    theirs = master_cf.parse(answer["services"]["out"])
    assert [master_cf.as_dict(entry) for entry in theirs] == [master_cf.as_dict(entry) for entry in ours]
    options = {f"{entry.subject}/{key}": one_blank(value) for entry in ours for key, value in entry.options}
    assert main_cf.parameters(answer["options"]["out"]) == options


@pytest.mark.parametrize("name", cases.MASTER_ERRORS)
def test_postconf_refuses_what_we_refuse_in_master_cf(postfix: dict[str, Any], name: str) -> None:
    assert (postfix["master_cf"][f"wrong: {name}"]["services"]["rc"] == 0) == (name in UNSEEN)


@pytest.mark.parametrize("name", [*cases.TABLE_TEXTS, *(f"rendered: {name}" for name in cases.TABLE_TEXTS)])
def test_a_table_is_read_as_postmap_reads_it(postfix: dict[str, Any], name: str) -> None:
    rows = table.parse(QUESTIONS["table"][name])
    answer = postfix["table"][name]
    assert (answer["made"]["rc"], answer["made"]["err"]) == (0, "")
    theirs = [(key, one_blank(value)) for key, _tab, value in (line.partition("\t") for line in answer["rows"]["out"].splitlines())]
    assert sorted(theirs) == sorted((key.lower(), one_blank(value)) for key, value in rows)


@pytest.mark.parametrize("name", cases.TABLE_ERRORS)
def test_postmap_warns_of_what_we_refuse_in_a_table(postfix: dict[str, Any], name: str) -> None:
    assert "warning" in postfix["table"][f"wrong: {name}"]["made"]["err"]


@pytest.mark.parametrize("name", cases.EXPANSIONS)
def test_names_are_expanded_as_postconf_expands_them(postfix: dict[str, Any], name: str) -> None:
    text, expanded = cases.EXPANSIONS[name]
    assert postfix["expansion"][name]["out"].strip() == expanded == expand(text, cases.EXPAND_VALUES)


def test_every_default_is_expanded_as_postconf_expands_it(postfix: dict[str, Any]) -> None:
    answer = postfix["defaults"]["all"]
    plain, theirs = (main_cf.parameters(answer[kind]["out"]) for kind in ("plain", "expanded"))
    # What postconf leaves as it is, a daemon expands with names of its own ($rbl_code, $home).
    ours = {name: expand(value, plain) for name, value in plain.items() if theirs[name] != value and name != "process_id"}
    assert len(ours) > 100
    # A name that nobody knows is empty for postconf and stays visible for us.
    emptied = {name: one_blank(re.sub(r"\$\w+", "", value)) for name, value in ours.items()}
    assert {name: value for name, value in emptied.items() if value != one_blank(theirs[name])} == {}


def test_no_default_is_refused(postfix: dict[str, Any]) -> None:
    answer = postfix["defaults"]["all"]
    defaults = main_cf.parameters(answer["plain"]["out"])
    services = "".join(f"{name} unix - - n - - {name}\n" for name in (*values._ESSENTIAL, "smtp", "local", "virtual", "relay"))
    found = values.check(
        main=defaults,
        services=master_cf.parse(services),
        directory="/etc/postfix-x",
        node=values.Node(defaults=defaults, map_types=frozenset(answer["types"]["out"].split())),
    )
    # Services that a default names and a smaller master.cf lacks are no fault of the values.
    assert [str(problem) for problem in found if "is not in master.cf" not in problem.reason] == []


def test_every_installed_table_type_is_known(postfix: dict[str, Any]) -> None:
    assert set(postfix["defaults"]["all"]["types"]["out"].split()) - values.MAP_TYPES == set()


@pytest.mark.parametrize("kind", ["restrictions", "milter options", "enumerations"])
def test_every_word_that_we_accept_is_in_the_programs(postfix: dict[str, Any], kind: str) -> None:
    known = postfix["known_words"][kind]
    assert sorted(word for word, found in known.items() if not found) == []
