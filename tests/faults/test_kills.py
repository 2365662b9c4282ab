# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the module is killed at every step of its work and at random, on a real node, while mail flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from conftest import KILLS, STRIDE, TURNS, Box, told

# How often a run is killed at least when no step is left out, by what it does.
GENTLE = {"by_reload": 100, "of_tables": 50} | {f"at_random-{turn}": KILLS // 2 for turn in range(1, TURNS + 1)}
RESTARTING = {"by_restart": 4, "of_an_edit": 30, "of_a_return": 15}
SILENT = {"of_a_beginning": 60, "of_an_end": 50, "of_a_migration": 60}
RINGS = GENTLE | RESTARTING | SILENT
Seen = Mapping[str, Any]


@pytest.fixture(scope="session")
def rings(box: Box, base: dict[str, Any]) -> Mapping[str, Seen]:
    """What each ring saw, gone through when it is first wanted."""

    class Asked(dict[str, Seen]):
        def __missing__(self, name: str) -> Seen:
            ring, _dash, seed = name.partition("-")
            self[name] = box.ask("ask_kills.py", {"base": base, "ring": ring, "stride": STRIDE, "kills": KILLS, "seed": seed})
            told(box, name, self[name])
            return self[name]

    return Asked()


@pytest.mark.parametrize("ring", RINGS)
def test_postfix_serves_and_the_next_run_finishes_what_was_killed(rings: Mapping[str, Seen], ring: str) -> None:
    assert rings[ring]["problems"] == []


@pytest.mark.parametrize("ring", RINGS)
def test_runs_were_killed(rings: Mapping[str, Seen], ring: str) -> None:
    assert rings[ring]["kills"] >= (RINGS[ring] if ring.startswith("at_random") else max(1, RINGS[ring] // STRIDE))


@pytest.mark.parametrize("ring", GENTLE | RESTARTING)
def test_no_reader_misses_a_table(rings: Mapping[str, Seen], ring: str) -> None:
    lookups = rings[ring]["lookups"]
    assert (lookups["missing"], lookups["lookups"] > 10) == ([], True)


@pytest.mark.parametrize("ring", GENTLE | RESTARTING)
def test_no_message_is_lost_or_comes_twice(rings: Mapping[str, Seen], ring: str) -> None:
    mail = rings[ring]["mail"]
    assert (mail["lost"], mail["twice"], mail["unowed"], mail["queued"], mail["returned"]) == ([], [], [], [], [])
    assert mail["delivered"]


@pytest.mark.parametrize("ring", GENTLE)
def test_mail_flows_on_where_nothing_is_restarted(rings: Mapping[str, Seen], ring: str) -> None:
    mail = rings[ring]["mail"]
    assert (mail["answers"], mail["gap"]["seconds"] < 5.0) == ({}, True)


@pytest.mark.parametrize("ring", GENTLE)
def test_no_daemon_complains(rings: Mapping[str, Seen], ring: str) -> None:
    assert not rings[ring]["complaints"], "\n".join(rings[ring]["complaints"])
