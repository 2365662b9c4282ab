# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bench
import pytest
from bench import Figure
from fleet import Entry, Run
from steps import LabError


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        pytest.param(Figure("x", 1.3, against="floor", base=1.0, target=1.3), True, id="a ratio that is the target"),
        pytest.param(Figure("x", 1.31, against="floor", base=1.0, target=1.3), False, id="a ratio above it"),
        pytest.param(Figure("x", 20.0, against="floor", base=100.0, target=0.3), True, id="the ratio counts, not the value"),
        pytest.param(Figure("x", 0.9, target=1.0), True, id="without a ratio the value counts"),
        pytest.param(Figure("x", 1.1, target=1.0), False, id="a value above the target"),
        pytest.param(Figure("x", 1.1), None, id="no target"),
    ],
)
def test_a_target_is_missed_by_what_is_above_it(figure: Figure, verdict: bool | None) -> None:
    assert figure.met is verdict


def test_the_table_says_of_a_missed_target_that_it_is_missed() -> None:
    text = bench.table([Figure("slow", 2.0, against="floor", base=1.0, target=1.3), Figure("large", 100.4, "MB", target=150.0), Figure("seen", 12.34)])
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set(lines.pop(1)) == set("| -")
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["what", "median", "against", "ratio", "target", ""],
        ["slow", "2.00 s", "floor: 1.00 s", "2.00", "1.30", "NOT MET"],
        ["large", "100 MB", "", "", "150 MB", "met"],
        ["seen", "12.3 s", "", "", "", ""],
    ]


def test_the_slope_is_that_of_the_nearest_line() -> None:
    assert bench.slope({4: 3.0, 8: 5.0, 16: 9.0}) == pytest.approx(0.5)
    assert bench.slope({4: 1.0, 8: 1.0, 16: 1.0}) == 0.0
    # A point off the line pulls it: least squares of (0, 0), (1, 1), (2, 5).
    assert bench.slope({0: 0.0, 1: 1.0, 2: 5.0}) == pytest.approx(2.5)


@pytest.mark.parametrize(("times", "gap"), [([], 0.0), ([1.0], 0.0), ([1.0, 1.1, 3.0, 3.1], 1.9)])
def test_an_outage_is_the_longest_time_between_two_answers(times: list[float], gap: float) -> None:
    assert bench.longest_gap(times) == pytest.approx(gap)


def call(host: str, *, role: str = "mx", task: str = "Run", seconds: float = 1.0) -> Entry:
    return Entry(kind="call", host=host, role=role, task=task, module="ping", begun=0.0, seconds=seconds)


def test_what_runs_on_the_controller_is_no_call_of_a_node() -> None:
    assert bench.calls_per_node([call("mx1"), call("mx2"), call("mx1"), call("controller")]) == {"mx1": 2, "mx2": 1}


def test_the_calls_that_took_longest_come_first() -> None:
    entries = (call("mx1"), call("mx1", task="Install", seconds=3.0), call("mx2", task="Install", seconds=5.0), call("controller", role="", task="Ask"))
    assert [line.split() for line in bench.where_calls_go(Run(0.0, 0.0, entries, ""), 2).splitlines()[1:]] == [
        ["2", "1.00", "4.00", "mx:", "Install"],
        ["1", "0.50", "1.00", "mx:", "Run"],
        ["1", "0.50", "1.00", "-:", "Ask", "(on", "the", "controller)"],
    ]


def test_parameters_are_taken_from_all_over_the_alphabet_and_only_where_their_value_is_plain() -> None:
    fit = {f"p{number:03d}_limit": "5s" for number in range(300)}
    unfit = {"compatibility_level": "3", "queue_directory": "1", "smtp_use_tls": "no", "a_maps": "$b", "inet_protocols": "1", "c": "word", "d": ""}
    found = bench.fit_parameters("".join(f"{name} = {value}\n" for name, value in {**fit, **unfit}.items()), 150)
    assert list(found) == [f"p{number:03d}_limit" for number in range(0, 300, 2)]
    with pytest.raises(LabError):
        bench.fit_parameters("p = 5s\n", 2)


def test_two_sources_of_the_large_table_hold_the_same_keys_unsorted_and_differ_in_one_row() -> None:
    old, new = (bench.rows(number, count=1000).splitlines() for number in (0, 1))
    keys = [row.split()[0] for row in old]
    assert len(set(keys)) == 1000
    assert keys != sorted(keys)
    assert {len(row) for row in old} == {65}
    assert [(a.split()[0], b.split()[0]) for a, b in zip(old, new, strict=True) if a != b] == [(keys[500], keys[500])]
