# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the unit ring, judged by the postconf and postmap of both releases."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import edit, main_cf, master_cf, table, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.generation import Table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.macros import expand
from conftest import HERE, Container

QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "main_cf": {
        **{name: text for name, (text, _seen) in {**cases.MAIN_TEXTS, **cases.MAIN_NULS}.items()},
        **{f"rendered: {name}": main_cf.render(given) for name, (given, _text) in cases.MAIN_VALUES.items()},
        **{f"wrong: {name}": text for name, (text, _message) in cases.MAIN_ERRORS.items()},
    },
    "edited": {
        **{
            name: {
                "text": text if not text or text.endswith("\n") else text + "\n",
                "changes": {key: None if value is None else main_cf.value_text(value) for key, value in changes.items()},
            }
            for name, (text, changes, _after) in cases.MAIN_EDITS.items()
        },
        "unended": {"text": "biff = no", "changes": {"relayhost": "a"}},
    },
    "master_cf": {
        **{name: text for name, (text, _services) in cases.MASTER_TEXTS.items()},
        **{f"rendered: {name}": master_cf.render(services) for name, (_text, services) in cases.MASTER_TEXTS.items()},
        **{f"wrong: {name}": text for name, (text, _message) in {**cases.MASTER_ERRORS, **cases.MASTER_UNSEEN}.items()},
    },
    "master_edited": {name: {"text": text, "commands": commands} for name, (text, _edit, commands) in cases.MASTER_EDITS.items()},
    "table": {
        **{name: text for name, (text, _rows) in cases.TABLE_TEXTS.items()},
        **{f"rendered: {name}": table.render(rows) for name, (_text, rows) in cases.TABLE_TEXTS.items()},
        **{f"wrong: {name}": text for name, (text, _message) in cases.TABLE_ERRORS.items()},
    },
    "expansion": {
        **{name: {"text": text, "values": cases.EXPAND_VALUES} for name, (text, _expanded) in cases.EXPANSIONS.items()},
        **{f"wrong: {name}": {"text": text, "values": cases.EXPAND_VALUES} for name, (text, _message) in cases.EXPANSION_ERRORS.items()},
    },
    "known_words": {
        "restrictions": sorted({*values._PLAIN_RESTRICTIONS, *values._TABLE_RESTRICTIONS, *values._WORD_RESTRICTIONS}),
        "milter options": sorted(values._MILTER_OPTIONS),
        "enumerations": sorted({word for allowed in [*values.ENUMERATIONS.values(), *values.ENUMERATION_LISTS.values()] for word in allowed if word}),
    },
    "defaults": {"all": None},
}
# An unused parameter is named in a warning, with '?' for every byte that is not printable ASCII.
_UNUSED = re.compile(r"postconf: warning: \S+/main\.cf: unused parameter: ([^=]*)=(.*)")
_UNPRINTABLE = re.compile(rb"[^ -~]")


@pytest.fixture(scope="session")
def postfix(container: Container) -> dict[str, dict[str, Any]]:
    """All answers of one release, asked in one go: ``postfix[kind][case]``."""
    answers = container.ask("ask_postfix.py", {kind: list(asked.values()) for kind, asked in QUESTIONS.items()})
    return {kind: dict(zip(asked, answers[kind], strict=True)) for kind, asked in QUESTIONS.items()}


def one_blank(text: str) -> str:
    """What postconf(1) prints for every run of blanks (CHARS_SPACE)."""
    return " ".join(word for word in re.split(r"[ \t\r\n]+", text) if word)


def printable(text: str) -> str:
    """What a warning of Postfix makes of a text."""
    return _UNPRINTABLE.sub(b"?", text.encode("utf-8", "surrogateescape")).decode("ascii")


def seen(answer: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that Postfix knows, as postconf(1) prints them: one a line."""
    found = dict(line.split(" =", 1) for line in answer["out"].removesuffix("\n").split("\n") if line)
    return {name: value.removeprefix(" ") for name, value in found.items() if name != "config_directory"}


def unused(answer: Mapping[str, Any]) -> dict[str, str]:
    return {found[1]: found[2] for line in answer["err"].split("\n") if (found := _UNUSED.fullmatch(line))}


def release(postfix: Mapping[str, Any]) -> tuple[int, ...]:
    version = main_cf.parameters(postfix["defaults"]["all"]["plain"]["out"])["mail_version"]
    return tuple(int(part) for part in version.split("."))


def assert_same(ours: Mapping[str, str], answer: Mapping[str, Any]) -> None:
    """Whether Postfix sees these parameters, and no other."""
    known = seen(answer)
    assert {name: one_blank(value) for name, value in ours.items() if name in known} == known
    assert {printable(name): printable(one_blank(value)) for name, value in ours.items() if name not in known} == {
        name: one_blank(value) for name, value in unused(answer).items()
    }


@pytest.mark.parametrize("name", cases.MAIN_TEXTS)
def test_main_cf_is_read_as_postconf_reads_it(postfix: dict[str, Any], name: str) -> None:
    answer = postfix["main_cf"][name]
    assert answer["rc"] == 0
    assert_same(main_cf.parameters(cases.MAIN_TEXTS[name][0]), answer)


@pytest.mark.parametrize("name", cases.MAIN_VALUES)
def test_rendered_values_arrive_in_postconf(postfix: dict[str, Any], name: str) -> None:
    given = cases.MAIN_VALUES[name][0]
    answer = postfix["main_cf"][f"rendered: {name}"]
    assert_same({key: main_cf.value_text(value) for key, value in given.items() if value is not None}, answer)
    # 3.10 warns of what looks like a comment; values.check() refuses it.
    assert answer["err"].count("warning") - answer["err"].count("#comment after other text") == len(unused(answer))


@pytest.mark.parametrize("name", cases.MAIN_ERRORS)
def test_postconf_refuses_or_warns_of_what_we_refuse_in_main_cf(postfix: dict[str, Any], name: str) -> None:
    answer = postfix["main_cf"][f"wrong: {name}"]
    assert answer["rc"] != 0 or "logical line must not start with whitespace" in answer["err"]


@pytest.mark.parametrize("name", cases.MAIN_NULS)
def test_postfix_ignores_what_follows_a_nul_byte(postfix: dict[str, Any], name: str) -> None:
    answer = postfix["main_cf"][name]
    assert (answer["rc"], seen(answer)) == (0, cases.MAIN_NULS[name][1])
    assert ("text after null byte may be ignored" in answer["err"]) == (release(postfix) >= (3, 9))


@pytest.mark.parametrize("name", cases.MAIN_EDITS)
def test_an_edit_has_the_effect_of_postconf(postfix: dict[str, Any], name: str) -> None:
    text, changes, _after = cases.MAIN_EDITS[name]
    answer = postfix["edited"][name]
    assert [done["rc"] for done in answer["done"]] == [0] * len(answer["done"])
    ours = main_cf.edit(text, changes)
    assert main_cf.parameters(ours) == main_cf.parameters(answer["text"])
    assert comments(ours) == comments(answer["text"])


def test_an_edit_of_ours_does_not_need_a_newline_at_the_end(postfix: dict[str, Any]) -> None:
    # pcf_next_cf_line() ends such a line from 3.7.15 and 3.10.2 on; Debian 12 has an older one.
    ended = release(postfix) >= ((3, 7, 15) if release(postfix) < (3, 8) else (3, 10, 2))
    theirs = {"biff": "no", "relayhost": "a"} if ended else {"biff": "norelayhost = a"}
    assert main_cf.parameters(postfix["edited"]["unended"]["text"]) == theirs
    assert main_cf.parameters(main_cf.edit("biff = no", {"relayhost": "a"})) == {"biff": "no", "relayhost": "a"}


def comments(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.lstrip().startswith("#")]


def described(text: str) -> list[dict[str, Any]]:
    """Services in variables, with arguments as postconf(1) prints them: in braces only where they hold blanks."""

    def bare(word: str) -> str:
        inner = word[1:-1].strip() if word.startswith("{") else word
        return f"{{{inner}}}" if " " in inner else inner

    entries = [master_cf.as_dict(entry) for entry in master_cf.parse(text)]
    return [{**entry, "args": [bare(word) for word in entry["args"]]} if isinstance(entry["args"], list) else entry for entry in entries]


@pytest.mark.parametrize("name", [*cases.MASTER_TEXTS, *(f"rendered: {name}" for name in cases.MASTER_TEXTS)])
def test_master_cf_is_read_as_postconf_reads_it(postfix: dict[str, Any], name: str) -> None:
    text = QUESTIONS["master_cf"][name]
    answer = postfix["master_cf"][name]
    assert answer["services"]["rc"] == 0
    assert described(answer["services"]["out"]) == described(text)
    ours = master_cf.parse(text)
    options = {f"{entry.subject}/{key}": one_blank(value) for entry in ours for key, value in entry.options}
    assert seen(answer["options"]) == options


@pytest.mark.parametrize("name", cases.MASTER_ERRORS)
def test_postconf_refuses_or_warns_of_what_we_refuse_in_master_cf(postfix: dict[str, Any], name: str) -> None:
    answer = postfix["master_cf"][f"wrong: {name}"]["services"]
    assert answer["rc"] != 0 or "logical line must not start with whitespace" in answer["err"]


@pytest.mark.parametrize("name", cases.MASTER_UNSEEN)
def test_postconf_lets_pass_what_only_a_daemon_refuses(postfix: dict[str, Any], name: str) -> None:
    assert postfix["master_cf"][f"wrong: {name}"]["services"]["rc"] == 0


@pytest.mark.parametrize("name", cases.MASTER_EDITS)
def test_an_edit_of_a_service_has_the_effect_of_postconf(postfix: dict[str, Any], name: str) -> None:
    text, change, _commands = cases.MASTER_EDITS[name]
    answer = postfix["master_edited"][name]
    assert [done["rc"] for done in answer["done"]] == [0] * len(answer["done"])
    ours = edit.services(text, [edit.ServiceEdit(service="smtp", type="inet", **change)])
    assert sorted(map(str, described(ours))) == sorted(map(str, described(answer["text"])))


@pytest.mark.parametrize("name", [*cases.TABLE_TEXTS, *(f"rendered: {name}" for name in cases.TABLE_TEXTS)])
def test_a_table_is_read_as_postmap_reads_it(postfix: dict[str, Any], name: str) -> None:
    rows = table.parse(QUESTIONS["table"][name])
    answer = postfix["table"][name]
    assert (answer["made"]["rc"], answer["made"]["err"]) == (0, "")
    theirs = [(key, one_blank(value)) for key, _tab, value in (line.partition("\t") for line in answer["rows"]["out"].removesuffix("\n").split("\n") if line)]
    assert sorted(theirs) == sorted((key.lower(), one_blank(value)) for key, value in rows)


@pytest.mark.parametrize("name", cases.TABLE_ERRORS)
def test_postmap_warns_of_what_we_refuse_in_a_table(postfix: dict[str, Any], name: str) -> None:
    assert "warning" in postfix["table"][f"wrong: {name}"]["made"]["err"]


@pytest.mark.parametrize("name", cases.EXPANSIONS)
def test_names_are_expanded_as_postconf_expands_them(postfix: dict[str, Any], name: str) -> None:
    text, expanded = cases.EXPANSIONS[name]
    answer = postfix["expansion"][name]
    assert (answer["rc"], answer["err"]) == (0, "")
    assert one_blank(answer["out"]) == one_blank(expanded)
    assert expand(text, cases.EXPAND_VALUES) == expanded


@pytest.mark.parametrize("name", cases.EXPANSION_ERRORS)
def test_postconf_refuses_what_we_refuse_to_expand(postfix: dict[str, Any], name: str) -> None:
    answer = postfix["expansion"][f"wrong: {name}"]
    assert answer["rc"] != 0
    assert "fatal" in answer["err"]


def test_every_default_is_expanded_as_postconf_expands_it(postfix: dict[str, Any]) -> None:
    answer = postfix["defaults"]["all"]
    plain, theirs = (main_cf.parameters(answer[kind]["out"]) for kind in ("plain", "expanded"))
    # What postconf leaves as it is, a daemon expands with names of its own ($rbl_code, $home).
    ours = {name: expand(value, plain) for name, value in plain.items() if theirs[name] != value and name != "process_id"}
    assert len(ours) > 100
    # A name that nobody knows is empty for postconf and stays visible for us.
    emptied = {name: one_blank(re.sub(r"\$\w+", "", value)) for name, value in ours.items()}
    assert {name: value for name, value in emptied.items() if value != one_blank(theirs[name])} == {}


def test_every_default_is_read_and_rendered_to_the_same(container: Container, postfix: dict[str, Any]) -> None:
    plain = postfix["defaults"]["all"]["plain"]["out"]
    assert {name: value for name, value in main_cf.parameters(plain).items() if name != "config_directory"} == seen({"out": plain})
    # Every program sets these three itself.
    defaults = {name: value for name, value in seen({"out": plain}).items() if name not in ("process_id", "process_name", "service_name")}
    assert len(defaults) > 800
    answer = container.ask("ask_postfix.py", {"main_cf": [main_cf.render(defaults)]})["main_cf"][0]
    assert answer["rc"] == 0
    assert {name: one_blank(value) for name, value in defaults.items()} == seen(answer)


def test_no_default_is_refused(postfix: dict[str, Any]) -> None:
    answer = postfix["defaults"]["all"]
    defaults = main_cf.parameters(answer["plain"]["out"])
    found = values.check(
        main={**defaults, "compatibility_level": "3.6"},
        services=master_cf.parse(answer["services"]),
        directory="/etc/postfix-x",
        node=values.Node(
            defaults=defaults,
            map_types=frozenset(answer["types"]["out"].split()),
            exists=lambda path: not path.startswith(defaults["daemon_directory"]) or path in answer["programs"],
        ),
    )
    # Services that a default names and Debian's master.cf lacks are no fault of the values.
    assert [str(problem) for problem in found if "is not in master.cf" not in problem.reason] == []


@pytest.fixture(scope="session")
def role_instances() -> dict[str, Any]:
    asked = subprocess.run([sys.executable, str(HERE / "role_instances.py")], capture_output=True, text=True, check=False)
    assert not asked.returncode, asked.stderr
    return json.loads(asked.stdout)


ROLE_INSTANCES = [f"postfix-{tier} of {site}" for tier in ("mx", "submission", "relay") for site in ("lab", "single", "two_regions")]


def test_every_instance_of_the_examples_is_judged(role_instances: dict[str, Any]) -> None:
    assert sorted(role_instances) == sorted([*ROLE_INSTANCES, "postfix-relay-bulk of lab"])


@pytest.mark.parametrize("name", [*ROLE_INSTANCES, "postfix-relay-bulk of lab"])
def test_nothing_that_the_roles_set_is_refused(postfix: dict[str, Any], role_instances: dict[str, Any], name: str) -> None:
    answer = postfix["defaults"]["all"]
    defaults = main_cf.parameters(answer["plain"]["out"])
    made = role_instances[name]
    assert len(made["main"]) > 30
    found = values.check(
        main=main_cf.parameters(main_cf.render({**made["main"], **made["local"]})),
        services=master_cf.services([*made["services"], *made["local_services"]]),
        directory=f"/etc/{made['name']}",
        tables=[Table(entry["name"], entry["type"], entry["content"]) for entry in made["tables"]],
        node=values.Node(
            defaults=defaults,
            map_types=frozenset(answer["types"]["out"].split()),
            exists=lambda path: not path.startswith(defaults["daemon_directory"]) or path in answer["programs"],
        ),
    )
    assert [str(problem) for problem in found] == []


def test_every_installed_table_type_is_known(postfix: dict[str, Any]) -> None:
    assert set(postfix["defaults"]["all"]["types"]["out"].split()) - values.MAP_TYPES == set()


@pytest.mark.parametrize("kind", ["restrictions", "milter options", "enumerations"])
def test_every_word_that_we_accept_is_in_the_programs(postfix: dict[str, Any], kind: str) -> None:
    known = postfix["known_words"][kind]
    assert sorted(word for word, found in known.items() if not found) == []
