# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import faults
import pytest
from faults import Failover, Row
from load import Account
from steps import LabError

GOOD = [(tick / 10, True) for tick in range(100)]


def failing(*spans: tuple[float, float]) -> list[tuple[float, bool]]:
    return [(when, not any(begin <= when < end for begin, end in spans)) for when, _good in GOOD]


@pytest.mark.parametrize(
    ("knocks", "seconds"),
    [
        pytest.param(GOOD, 0.0, id="none failed"),
        pytest.param(failing((2.0, 3.5)), 1.5, id="from the fault on"),
        pytest.param(failing((2.5, 3.5)), 1.5, id="the time until the first failure counts"),
        pytest.param(failing((2.0, 2.5), (3.0, 3.5)), 1.5, id="until the last failure is over"),
        pytest.param(failing((1.0, 1.5)), 0.0, id="before the fault"),
        pytest.param(failing((8.0, 9.0)), 0.0, id="after the heal"),
        pytest.param(failing((4.0, 99.0)), 7.9, id="to the end"),
    ],
)
def test_an_outage_lasts_from_the_fault_to_the_first_greeting_after_the_last_failure(knocks: list[tuple[float, bool]], seconds: float) -> None:
    assert round(faults.outage(knocks, 2.0, 7.0), 3) == seconds


@pytest.mark.parametrize(
    ("row", "mark"),
    [
        (Row(name="x"), "ok"),
        (Row(name="x", failures=("it broke",)), "FAILED"),
        (Row(name="x", account=Account(lost=("<1>",))), "FAILED"),
        (Row(name="x", skipped="no playbook rollout"), "skipped"),
    ],
)
def test_a_row_is_marked_by_what_it_showed(row: Row, mark: str) -> None:
    assert row.mark == mark
    assert faults.told(row).startswith(mark)


def test_every_row_of_the_table_has_every_column() -> None:
    rows = [Row(name="x"), Row(name="y", account=Account(home=3.0, lost=("<1>",))), Row(name="z", skipped="no time left")]
    assert {line.count("|") for line in faults.markdown(rows).splitlines()} == {len(faults.COLUMNS) + 1}


def test_the_table_of_failovers_has_every_column() -> None:
    text = faults.FAILOVER_HEAD + faults.failover_line(Failover(name="x", outages=(1.0, 2.0, 9.0), back=0.5, failed=3))
    assert {line.count("|") for line in text.splitlines()} == {8}
    assert "| x | 3 | 2.0 | 9.0 | 0.5 | 1.0 | met |" in text


@pytest.mark.parametrize(
    ("states", "dead"),
    [
        ("active\nactive\n", ""),
        ("active\nfailed\n", "edge1: .*: keepalived is failed$"),
        ("activating\ninactive\n", "edge1: .*: haproxy is activating, keepalived is inactive$"),
    ],
)
def test_a_killed_daemon_must_have_come_back_by_itself(monkeypatch: pytest.MonkeyPatch, states: str, dead: str) -> None:
    monkeypatch.setattr(faults, "podman_exec", lambda *_words: states)
    with pytest.raises(LabError, match=dead) if dead else contextlib.nullcontext():
        faults.expect_daemons("edge1", "haproxy", "keepalived")
