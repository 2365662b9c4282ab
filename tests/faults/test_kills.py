# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the module is killed at every step of its work, on a real node of both releases, while mail flows."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Box, number

# How many places to be killed at there are at least; how long mail may wait, in seconds, where it must not stop.
RINGS = {
    "by_reload": (100, 5.0),
    "by_restart": (5, 0.0),
    "of_tables": (50, 5.0),
    "of_an_edit": (30, 0.0),
    "of_a_return": (15, 0.0),
    "of_a_beginning": (60, 0.0),
    "of_an_end": (50, 0.0),
    "at_random": (1, 5.0),
}
QUIET = ("of_a_beginning", "of_an_end")


@pytest.fixture(scope="session")
def seen(box: Box, base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each ring saw, asked when it is first wanted."""
    question = {"base": base, "stride": number("STRIDE", 1), "random": number("RANDOM", 10), "seed": number("SEED", 1)}
    found: dict[str, dict[str, Any]] = {}

    class Asked(dict[str, dict[str, Any]]):
        def __missing__(self, ring: str) -> dict[str, Any]:
            found[ring] = self[ring] = box.ask("ask_kills.py", {**question, "ring": ring})
            return found[ring]

    return Asked()


@pytest.mark.parametrize("ring", RINGS)
def test_what_was_killed_is_finished_by_the_next_run(seen: dict[str, dict[str, Any]], ring: str) -> None:
    assert seen[ring]["problems"] == []


@pytest.mark.parametrize("ring", RINGS)
def test_runs_were_killed(seen: dict[str, dict[str, Any]], ring: str) -> None:
    least = number("RANDOM", 10) // 2 if ring == "at_random" else RINGS[ring][0] // number("STRIDE", 1)
    assert seen[ring]["kills"] >= least


@pytest.mark.parametrize("ring", [ring for ring in RINGS if ring not in QUIET])
def test_no_reader_misses_a_table(seen: dict[str, dict[str, Any]], ring: str) -> None:
    assert seen[ring]["lookups"]["missing"] == []
    assert seen[ring]["lookups"]["lookups"] > 10


@pytest.mark.parametrize("ring", [ring for ring in RINGS if ring not in QUIET])
def test_no_message_is_lost_or_comes_twice(seen: dict[str, dict[str, Any]], ring: str) -> None:
    mail = seen[ring]["mail"]
    assert (mail["lost"], mail["twice"], mail["unowed"], mail["queued"], mail["returned"]) == ([], [], [], [], [])
    assert len(mail["delivered"]) > 10


@pytest.mark.parametrize("ring", [ring for ring, (_kills, gap) in RINGS.items() if gap])
def test_mail_flows_on_where_nothing_is_restarted(seen: dict[str, dict[str, Any]], ring: str) -> None:
    mail = seen[ring]["mail"]
    assert (mail["answers"], mail["in_doubt"]) == ({}, [])
    assert mail["gap"]["seconds"] < RINGS[ring][1]
