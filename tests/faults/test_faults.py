# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails around the module, and what it is handed, on a real node, while mail flows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import ROWS, Box, told

LISTENER = {"service": "127.0.0.1:2649", "type": "inet", "command": "smtpd"}
# What is handed over besides configuration B, and what the module must say of it.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a parameter that Postfix does not know": ({"main": {"smtpd_bannr": "x"}}, r"main\.cf, line \d+: smtpd_bannr: unused parameter"),
    "a parameter of a service that Postfix does not know": (
        {"services": [{**LISTENER, "args": {"smtpd_bannr": "x"}}]},
        r"master\.cf, line \d+: 127\.0\.0\.1:2649/inet: .*smtpd_bannr",
    ),
    "a value that Postfix dies of": ({"main": {"smtpd_tls_security_level": "mya"}}, r"main\.cf: smtpd_tls_security_level: .*'mya'"),
    "a misspelt restriction": ({"main": {"smtpd_helo_restrictions": ["reject_invalid_helo"]}}, r"main\.cf: smtpd_helo_restrictions: .*reject_invalid_helo"),
    "a program that is not there": ({"services": [{**LISTENER, "command": "smptd"}]}, r"master\.cf, line \d+: 127\.0\.0\.1:2649/inet: .*smptd"),
    "a field that is none": ({"services": [{**LISTENER, "maxproc": "many"}]}, r"master\.cf, line \d+: 127\.0\.0\.1:2649/inet: .*'many'"),
    "a port that is none": ({"services": [{**LISTENER, "service": "127.0.0.1:99999"}]}, r"master\.cf, line \d+: .*99999"),
    "a key twice in a policy table": (
        {"tables": [{"name": "more", "content": "a OK\nb OK\nA REJECT\n"}]},
        r"more, line 3: A: the key occurs twice \(first on line 1\)",
    ),
    "a key twice in a data table": (
        {"data": [{"name": "more", "content": "a 1\n\na 2\n"}]},
        r"more, line 3: a: the key occurs twice \(first on line 1\)",
    ),
    "a row without a value": ({"data": [{"name": "more", "content": "a 1\nb\n"}]}, r"more, line 2: a row is a key, blanks and a value"),
    "a table that is not there": ({"main": {"virtual_alias_maps": "lmdb:/etc/nowhere/t"}}, r"main\.cf: virtual_alias_maps: .*/etc/nowhere/t"),
    "a source that never was": ({"data": [{"name": "more", "src": "/nonexistent/t"}]}, r"data table more: /nonexistent/t does not exist"),
    "another queue": ({"main": {"queue_directory": "/var/spool/postfix"}}, r"main\.cf: queue_directory: must be /var/spool/faults-e"),
}
SCENES = ("disk", "inputs", "sizes", "neighbours")
Seen = Mapping[str, Any]


@pytest.fixture(scope="session")
def scenes(box: Box, base: dict[str, Any]) -> Seen:
    """What each scene saw, played when it is first wanted."""

    class Played(dict[str, Any]):
        def __missing__(self, scene: str) -> Any:
            question = {"base": base, "scene": scene, "rows": ROWS, "cases": {name: case for name, (case, _message) in CASES.items()}}
            self[scene] = box.ask("ask_faults.py", question)
            told(box, scene, self[scene]["traffic"])
            return self[scene]

    return Played()


def serving(letter: str, *, data: str | None = None) -> dict[str, str]:
    return {"banner": letter, "policy": letter, "compiled": letter, "data": data or letter, "error": ""}


def refused(seen: Mapping[str, Any], message: str, *, letter: str = "A", data: str | None = None) -> None:
    """The run failed with a sentence, the old configuration serves, whole, and nothing is left aside."""
    assert (seen["failed"], seen["traceback"]) == (True, "")
    assert re.search(message, seen["msg"]), seen["msg"]
    assert {**seen["served"], "after": 0} == {**serving(letter, data=data), "after": 0}
    assert (seen["lacks"], seen["left"]) == ("", [])


def done(seen: Mapping[str, Any], letter: str) -> None:
    assert (seen["failed"], seen["msg"], seen["traceback"], seen["lacks"], seen["left"]) == (False, "", "", "", [])
    assert {**seen["served"], "after": 0} == {**serving(letter), "after": 0}


# -- no room, no rights


def test_a_full_disk_is_named_and_the_old_configuration_serves(scenes: Seen) -> None:
    failures = [seen for seen in scenes["disk"]["full"] if seen["failed"]]
    for seen in failures:
        # The tables are published first: from some amount of room on, those of B are there.
        refused(seen, r"No space left on device|does not know this key .* bytes are free", data=seen["served"]["data"])
        assert seen["served"]["data"] in ("A", "B")
    assert len({seen["msg"].rpartition("/")[2] for seen in failures}) >= 3


def test_with_enough_room_the_change_is_made(scenes: Seen) -> None:
    done(scenes["disk"]["full"][-1], "B")
    done(scenes["disk"]["back"], "A")


@pytest.mark.parametrize(
    ("fault", "message", "data"),
    [
        ("read-only", r"/etc/mailcluster/faults-d/.*: Read-only file system", "A"),
        ("full /tmp", r"/tmp/.*: No space left on device", "A"),
        ("read-only /etc", r"/etc/faults-d: Read-only file system", "B"),
    ],
)
def test_a_file_system_that_takes_nothing_is_named(scenes: Seen, fault: str, message: str, data: str) -> None:
    refused(scenes["disk"][fault], message, data=data)


# -- bad input


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_with_its_place(scenes: Seen, name: str) -> None:
    refused(scenes["inputs"][name], CASES[name][1])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("postfix is not installed", "faults-e: postfix is not installed"),
        ("postmap is not installed", "more: lmdb: postmap is not installed"),
        ("its source has vanished", r"data table more: /run/faults/vanishing does not exist"),
    ],
)
def test_what_is_missing_is_named(scenes: Seen, fault: str, message: str) -> None:
    refused(scenes["inputs"][fault], message)


@pytest.mark.parametrize("scene", ["disk", "inputs"])
def test_once_the_cause_is_gone_the_change_is_made(scenes: Seen, scene: str) -> None:
    done(scenes[scene]["cured"], "B")


# -- sizes


@pytest.mark.parametrize("rows", [1, ROWS])
def test_a_table_of_any_size_is_published_and_served(scenes: Seen, rows: int) -> None:
    seen = scenes["sizes"][str(rows)]
    done(seen, "B")
    assert (seen["looked up"], seen["again"]) == ("ledger@sink.test", False)
    # What goes back to the controller does not grow with the table.
    assert seen["said"] < 100_000


def test_a_key_twice_in_a_large_table_is_found(scenes: Seen) -> None:
    refused(scenes["sizes"]["twice"], rf"/run/faults/large, line {ROWS + 1}: user0000001@sink.test: the key occurs twice \(first on line 1\)", letter="B")


# -- neighbours


@pytest.mark.parametrize(
    "event", ["its service is restarted", "its service is stopped and started", "its package is configured again", "its package is upgraded"]
)
def test_what_happens_to_the_host_s_own_postfix_does_not_touch_the_instance(scenes: Seen, event: str) -> None:
    seen = scenes["neighbours"][event]
    assert seen["rc"] == [0] * len(seen["rc"]), seen["said"]
    assert (seen["same"], seen["registered"], seen["changed"]) == (True, True, False)
    assert {**seen["served"], "after": 0} == {**serving("A"), "after": 0}


def test_the_upgrade_restarts_the_host_s_own_postfix(scenes: Seen) -> None:
    assert scenes["neighbours"]["its package is upgraded"]["own restarted"]


def test_two_runs_at_once_do_the_work_once(scenes: Seen) -> None:
    seen = scenes["neighbours"]["two runs at once"]
    assert (seen["failed"], seen["changed"], seen["lacks"]) == ([], [False, True], "")
    assert seen["served"]["banner"] == "B"


def test_a_killed_master_comes_back(scenes: Seen) -> None:
    seen = scenes["neighbours"]["the master is killed"]
    assert (seen["served"]["error"], seen["served"]["banner"], seen["changed"]) == ("", "B", False)


def test_another_instance_s_master_is_not_taken_for_its_own(scenes: Seen) -> None:
    seen = scenes["neighbours"]["its pid is now another master's"]
    assert (seen["load"], seen["msg"], seen["served"]["error"]) == ("start", None, "")


# -- mail


def traffic(scenes: Seen, scene: str) -> Seen:
    return (scenes["neighbours"][scene] if scene == "two runs at once" else scenes[scene])["traffic"]


@pytest.mark.parametrize("scene", [*SCENES, "two runs at once"])
def test_mail_flows_throughout_and_every_message_arrives_once(scenes: Seen, scene: str) -> None:
    mail = traffic(scenes, scene)["mail"]
    assert (mail["answers"], mail["lost"], mail["twice"], mail["unowed"], mail["queued"], mail["returned"]) == ({}, [], [], [], [], [])
    assert len(mail["delivered"]) == mail["transactions"] > 0
    assert mail["gap"]["seconds"] < 5.0


@pytest.mark.parametrize("scene", [*SCENES, "two runs at once"])
def test_no_reader_misses_a_table_meanwhile(scenes: Seen, scene: str) -> None:
    assert traffic(scenes, scene)["lookups"]["missing"] == []
