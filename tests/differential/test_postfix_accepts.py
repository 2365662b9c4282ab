# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix' own checks accept and its daemons die of, seen on a running Postfix of both releases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import postfix_accepts as accepts
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, values
from conftest import Container

GOOD = {
    "smtpd serves": accepts.Case("", ""),
    "postscreen serves": accepts.Case("", "", port=accepts.SCREEN),
    "mail for others is taken": accepts.Case("", "", main={"default_transport": "smtp:[127.0.0.1]:@SINK@"}, recipient="a@other.test"),
}
CASES = {**GOOD, **accepts.CASES}
# What the probe of the engine takes for broken: no greeting, 421 and 451 4.3.5 up to RCPT, a master that died.
PROBED = re.compile(r"\(|421 |451 4\.3\.5 ")


@pytest.fixture(scope="session")
def seen(container: Container) -> dict[str, dict[str, Any]]:
    """All cases of one release, several at a time."""
    asked = [{"files": case.texts, "port": case.port, "recipient": case.recipient} for case in CASES.values()]
    return dict(zip(CASES, container.ask("ask_postfix_accepts.py", asked), strict=True))


@pytest.fixture(scope="session")
def node(container: Container) -> values.Node:
    answer = container.ask("ask_postfix.py", {"defaults": [None]})["defaults"][0]
    defaults = main_cf.parameters(answer["plain"]["out"])
    directory = defaults["daemon_directory"]

    def exists(path: str) -> bool:
        return path in answer["programs"] if path.startswith(directory) else not path.startswith(accepts.MISSING)

    return values.Node(defaults=defaults, map_types=frozenset(answer["types"]["out"].split()), exists=exists)


def how(answer: Mapping[str, Any]) -> str:
    """How a configuration breaks, empty when it does not."""
    if answer["start"]["rc"] or not answer["alive"]:
        return accepts.MASTER
    log = "\n".join(answer["log"])
    if "ignoring the remainder of this access list" in log:
        return accepts.IGNORED
    last = answer["talk"][-1]
    if last.startswith("250 2.0.0 Ok"):
        return "" if re.findall(r"status=(\w+)", log) == ["sent"] else accepts.DELIVERY
    if last[:1] in "45":
        return accepts.REPLY
    return accepts.GREETING if len(answer["talk"]) == 1 else accepts.SILENCE


def told(answer: Mapping[str, Any]) -> str:
    return "\n".join([str(answer.get("talk")), *answer["log"]])


@pytest.mark.parametrize("name", GOOD)
def test_the_configuration_that_all_cases_change_serves(seen: dict[str, Any], node: values.Node, name: str) -> None:
    assert how(seen[name]) == "", told(seen[name])
    assert accepts.problems(CASES[name], node) == []


@pytest.mark.parametrize("name", accepts.CASES)
def test_postfix_accepts_it(seen: dict[str, Any], name: str) -> None:
    answer = seen[name]
    assert [answer[check]["rc"] for check in ("check", "parameters", "services")] == [0, 0, 0]
    assert not re.search(r"unused parameter|undefined parameter", answer["parameters"]["text"])


@pytest.mark.parametrize("name", accepts.CASES)
def test_it_breaks_all_the_same(seen: dict[str, Any], name: str) -> None:
    assert how(seen[name]) == accepts.CASES[name].breaks, told(seen[name])


@pytest.mark.parametrize("name", [name for name, case in accepts.CASES.items() if case.refused != accepts.PROBE])
def test_the_validator_refuses_it(node: values.Node, name: str) -> None:
    case = accepts.CASES[name]
    found = accepts.problems(case, node)
    assert [text for text in found if case.refused in text], found


@pytest.mark.parametrize("name", [name for name, case in accepts.CASES.items() if case.refused == accepts.PROBE])
def test_the_probe_sees_the_rest(seen: dict[str, Any], name: str) -> None:
    answer = seen[name]
    assert how(answer) == accepts.MASTER or PROBED.match(answer["talk"][-1])
    assert len(answer.get("talk", ())) <= 4
