# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes when a set of files is published."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import File, Step, diff, plan, relocate, stale

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


@pytest.mark.parametrize(
    ("loaded", "changed", "answer"),
    [
        pytest.param(10.0, [9.0], False, id="a file older than the load was read"),
        pytest.param(10.0, [9.0, 11.0], True, id="a younger file was not"),
        pytest.param(None, [11.0], False, id="what does not run has loaded nothing"),
        pytest.param(10.0, [99.0], False, id="a time to come proves nothing"),
    ],
)
def test_stale(loaded: float | None, changed: list[float], answer: bool) -> None:
    assert stale(loaded, changed, now=20.0) is answer
