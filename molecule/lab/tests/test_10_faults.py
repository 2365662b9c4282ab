# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under load, a node of every tier dies and two regions lose each other; a change is rolled, and a bad one stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace

import faults
import pytest
from faults import Case, Row
from testing import the_site

pytestmark = pytest.mark.operation
CASES = {case.name: case for case in faults.cases(the_site())}
# One of each tier; of the filter tier the one that holds the primary of what the filters share.
DEATHS = ("kill-east-edge1", "kill-east-mx1", "kill-east-submission1", "kill-east-relay1", "kill-east-filter2", "kill-east-mailbox1")
FAULTS = (*DEATHS, "cut-region-from-region")
CHANGES = ("roll-canary", "bad-change")
# A build server may be slower than what `make faults` judges: 3 s.
PATIENCE = 10.0


def sample(name: str) -> Case:
    """The matrix takes its time; all of this shall end within four minutes."""
    return faults.shortened(CASES[name], calm=3.0, hold=5.0, after=2.0)


@pytest.fixture(scope="module")
def rows() -> Iterator[Mapping[str, Row]]:
    """All of it under one load."""
    site = the_site()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with faults.cleaned(site):
        chosen = [sample(name) for name in (*FAULTS, *CHANGES) if not CASES[name].missing]
        found = faults.run(site, chosen)
        print("", *map(faults.told, found), sep="\n")
        yield {row.name: row for row in found}
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("name", FAULTS)
def test_fault(rows: Mapping[str, Row], name: str) -> None:
    """{name} under load: nothing lost, refused or returned, nothing twice but what was in flight, no later message waits 10 s longer"""
    assert replace(rows[name], patience=PATIENCE).problems == [], faults.told(rows[name])


@pytest.mark.parametrize("name", CHANGES)
def test_change(rows: Mapping[str, Row], name: str) -> None:
    """{name} under load: it ends as it should, nothing is lost, refused or returned, and no message waits 10 s longer"""
    if CASES[name].missing:
        pytest.skip(f"there is no playbook {CASES[name].needs} yet")
    assert replace(rows[name], patience=PATIENCE).problems == [], faults.told(rows[name])
