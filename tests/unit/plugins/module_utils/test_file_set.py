# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes when a set of files is published."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import (
    File,
    Step,
    Unit,
    diff,
    parse_unit,
    plan,
    relocate,
    start_steps,
    stop_steps,
)

FILE = File("a\n", "root", "root", 0o644)
SECRET = replace(FILE, content="hunter2\n", secret=True, mode=0o440)


@pytest.mark.parametrize(
    ("before", "desired", "owned", "steps"),
    [
        pytest.param({}, {"/f": FILE}, [], [("/f", True)], id="a missing file is written"),
        pytest.param({"/f": FILE}, {"/f": FILE}, ["/f"], [], id="a file that is there stays"),
        pytest.param({"/f": replace(FILE, content="b\n")}, {"/f": FILE}, [], [("/f", True)], id="other content is replaced"),
        pytest.param({"/f": replace(FILE, mode=0o600)}, {"/f": FILE}, [], [("/f", True)], id="another mode is put right"),
        pytest.param({"/f": replace(FILE, group="adm")}, {"/f": FILE}, [], [("/f", True)], id="another group is put right"),
        pytest.param({"/f": replace(SECRET, secret=False)}, {"/f": SECRET}, [], [], id="a secret that is there stays"),
        pytest.param({}, {"/f": FILE}, ["/old"], [("/f", True), ("/old", False)], id="what is not declared goes last"),
    ],
)
def test_plan(before: dict[str, File], desired: dict[str, File], owned: list[str], steps: list[tuple[str, bool]]) -> None:
    assert [(step.path, step.after is not None) for step in plan(before, desired, owned)] == steps


def test_diff_shows_text_and_mode() -> None:
    content, access = diff(Step("/f", None, FILE))
    assert (content["after"], access["after"]) == ("a\n", "root:root 0644\n")


@pytest.mark.parametrize("found", [None, replace(SECRET, content="hunter1\n", secret=False), SECRET])
def test_diff_never_shows_a_secret(found: File | None) -> None:
    assert "hunter" not in repr(diff(Step("/f", found, replace(SECRET, content="hunter3\n"))))


def test_diff_of_a_removed_file_shows_nothing_of_it() -> None:
    (step,) = plan({}, {}, ["/dkim.key"])
    assert [entry["before"] for entry in diff(step)] == ["(content is secret)\n"]


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("include /etc/d/x.conf", "include /tmp/c/x.conf"),
        ("/etc/d/a /etc/d/b", "/tmp/c/a /tmp/c/b"),
        ("/etc/daemon/x", "/etc/daemon/x"),
    ],
)
def test_relocate_moves_what_is_below_the_root(text: str, moved: str) -> None:
    assert relocate(text, "/etc/d", "/tmp/c") == moved


RUNS = Unit(active="active", enabled="enabled", started=10.0, loaded=20.0, outdated=False)


def test_a_unit_is_read_from_what_systemctl_shows() -> None:
    shown = (
        "ActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n"
        "ActiveEnterTimestampMonotonic=9000000\nStateChangeTimestampMonotonic=19500000\n"
    )
    assert parse_unit(shown, boot=1.0) == replace(RUNS, loaded=20.5)


def test_a_unit_that_systemd_does_not_know_is_neither_active_nor_enabled() -> None:
    unit = parse_unit("ActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n", boot=1.0)
    assert (unit.active, unit.enabled, unit.outdated) == ("inactive", "", False)


@pytest.mark.parametrize(
    ("unit", "published", "times", "steps"),
    [
        pytest.param(RUNS, [], {"/f": 19.0}, [], id="a file older than the load was read"),
        pytest.param(RUNS, [], {"/f": 21.0}, ["reload"], id="a younger file was not"),
        pytest.param(RUNS, [], {"/f": 99.0}, [], id="a time to come proves nothing"),
        pytest.param(RUNS, ["/f"], {}, ["reload"], id="a file of this run is loaded"),
        pytest.param(RUNS, ["/start"], {}, ["restart"], id="a file that is read at start asks for a restart"),
        pytest.param(RUNS, ["/f"], {"/start": 9.0}, ["reload"], id="one that was read at the start does not"),
        pytest.param(RUNS, [], {"/start": 15.0}, ["restart"], id="a reload after it was not enough"),
        pytest.param(RUNS, ["/f"], {"/start": 15.0}, ["restart"], id="a restart loads everything"),
        pytest.param(RUNS, ["/etc/systemd/system/d.service.d/m.conf"], {}, ["daemon-reload", "reload"], id="systemd reads its own files first"),
        pytest.param(RUNS, [], {"/etc/systemd/system/other.service.d/m.conf": 21.0}, ["daemon-reload", "reload"], id="of a killed run, too"),
        pytest.param(replace(RUNS, outdated=True), [], {}, ["daemon-reload"], id="and those that it was not told of"),
        pytest.param(replace(RUNS, active="reloading"), ["/f"], {}, ["reload"], id="a reload under way may have come too early"),
        pytest.param(replace(RUNS, active="activating"), ["/f"], {}, ["restart"], id="a start under way, too"),
        pytest.param(replace(RUNS, active="activating"), [], {"/f": 21.0}, [], id="but it is left alone without a change"),
        pytest.param(replace(RUNS, active="failed"), [], {}, ["start"], id="what failed is started"),
        pytest.param(replace(RUNS, active="inactive", enabled="disabled"), ["/f"], {}, ["enable", "start"], id="a start loads everything"),
        pytest.param(replace(RUNS, active="inactive", enabled=""), ["/f"], {}, ["enable", "start"], id="a unit that is not installed yet will be"),
        pytest.param(replace(RUNS, enabled="static"), [], {}, [], id="a static unit cannot be enabled"),
    ],
)
def test_a_unit_is_started(unit: Unit, published: list[str], times: dict[str, float], steps: list[str]) -> None:
    assert start_steps(unit, published, times, read_at_start=["/start"], now=30.0) == steps


@pytest.mark.parametrize(
    ("unit", "published", "steps"),
    [
        pytest.param(RUNS, [], ["stop", "disable"], id="a running unit is stopped"),
        pytest.param(RUNS, ["/etc/systemd/system/d.service.d/m.conf"], ["stop", "disable", "daemon-reload"], id="while its own files still count"),
        pytest.param(replace(RUNS, active="failed", enabled="disabled"), [], [], id="what does not run is left alone"),
        pytest.param(replace(RUNS, active="activating", enabled="disabled"), [], ["stop"], id="what will run is stopped"),
        pytest.param(replace(RUNS, active="inactive", enabled=""), [], [], id="what is not installed is no news"),
    ],
)
def test_a_unit_is_stopped(unit: Unit, published: list[str], steps: list[str]) -> None:
    assert stop_steps(unit, published) == steps
