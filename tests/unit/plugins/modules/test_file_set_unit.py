# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of files and its unit: a systemd of the test's own, real files in a directory of its own."""

from __future__ import annotations

import grp
import os
import pwd
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _serving
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.modules import file_set

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "mode": "0644"}


class Node:
    """A node with one unit, which is loaded when systemctl says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.active, self.enabled = "inactive", "disabled"
        self.started = self.loaded = 0.0
        self.done: list[str] = []
        self.validated: list[str] = []
        self.refused = ""

    def run(self, *command: str, timeout: float = 0) -> _commands.Outcome:
        if command[0] == "checker":
            self.validated.append(Path(command[1], "a.conf").read_text())
            return _commands.Outcome(0, "", "")
        verb = command[1]
        if verb == "show":
            return _commands.Outcome(0, self._shown(), "")
        if command[0] == "journalctl":
            return _commands.Outcome(0, "cannot bind to port 25\n", "")
        if verb == self.refused:
            return _commands.Outcome(1, "", "Job failed.")
        self.done.append(verb)
        now = time.time()
        match verb:
            case "start" | "restart":
                self.active, self.started, self.loaded = "active", now, now
            case "reload":
                self.loaded = now
            case "stop":
                self.active = "inactive"
            case "enable" | "disable":
                self.enabled = f"{verb}d"
        return _commands.Outcome(0, "", "")

    def _shown(self) -> str:
        boot = time.time() - time.monotonic()
        return (
            f"ActiveState={self.active}\nUnitFileState={self.enabled}\nNeedDaemonReload=no\n"
            f"ActiveEnterTimestampMonotonic={int((self.started - boot) * 1e6)}\n"
            f"StateChangeTimestampMonotonic={int((self.loaded - boot) * 1e6)}\n"
        )

    def call(self, *names: str, check_mode: bool = False, content: str = "x\n", **params: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "root": str(self.root),
            "files": [{"path": name, "content": content, "secret": None, **ME} for name in names],
            "owned": ["*.conf"],
            "validate": "checker %s",
            "unit": "daemon.service",
            "unit_state": "started",
            "read_at_start": ["start.conf"],
            "also_read": [],
            "restart": "always",
            **params,
        }
        self.done.clear()
        try:
            return file_set.run(SimpleNamespace(params=given, check_mode=check_mode))  # type: ignore[arg-type]
        finally:
            self._let_time_pass()

    def _let_time_pass(self) -> None:
        """Make all so far a minute older: times of files are coarser than the clock."""
        self.started -= 60
        self.loaded -= 60
        for path in self.root.iterdir():
            os.utime(path, (past := path.stat().st_mtime - 60, past))

    def killed_before_systemctl(self, *names: str, **params: Any) -> None:
        """Leave the files as a run does that publishes them and ends then."""
        self.call(*names, unit=None, **params)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path)
    monkeypatch.setattr(_commands, "run", made.run)
    return made


def test_a_first_run_enables_and_starts_and_a_second_changes_nothing(node: Node) -> None:
    assert node.call("a.conf", "start.conf")["unit_steps"] == ["enable", "start"]
    second = node.call("a.conf", "start.conf")
    assert (second["changed"], second["unit_steps"], node.done) == (False, [], [])


def test_a_change_is_loaded_in_the_same_run(node: Node) -> None:
    node.call("a.conf")
    assert node.call("a.conf", content="y\n")["unit_steps"] == node.done == ["reload"]


def test_what_is_read_at_start_asks_for_a_restart(node: Node) -> None:
    node.call("a.conf", "start.conf")
    assert node.call("a.conf", "start.conf", content="y\n")["unit_steps"] == ["restart"]


def test_a_reload_that_was_lost_is_made_up_for(node: Node) -> None:
    node.call("a.conf")
    node.killed_before_systemctl("a.conf", content="y\n")
    assert node.call("a.conf", content="y\n")["unit_steps"] == ["reload"]
    assert not node.call("a.conf", content="y\n")["changed"]


def test_a_restart_that_was_lost_is_made_up_for_although_somebody_reloaded(node: Node) -> None:
    node.call("a.conf", "start.conf")
    node.killed_before_systemctl("a.conf", "start.conf", content="y\n")
    node.loaded = time.time()
    assert node.call("a.conf", "start.conf", content="y\n")["unit_steps"] == ["restart"]


def test_the_reload_after_a_removal_is_made_up_for(node: Node) -> None:
    node.call("a.conf", "b.conf")
    node.killed_before_systemctl("a.conf")
    assert not (node.root / "b.conf").exists()
    assert node.call("a.conf")["unit_steps"] == ["reload"]


def test_a_file_that_something_else_publishes_is_loaded(node: Node, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate"
    certificate.write_text("old")
    node.call("a.conf", also_read=[str(certificate)])
    assert not node.call("a.conf", also_read=[str(certificate)])["changed"]
    certificate.write_text("new")
    result = node.call("a.conf", also_read=[str(certificate)])
    assert (result["changed_files"], result["unit_steps"]) == ([], ["reload"])


def test_check_mode_foretells_and_changes_nothing(node: Node) -> None:
    result = node.call("a.conf", check_mode=True)
    assert (result["changed"], result["unit_steps"], node.done, list(node.root.iterdir())) == (True, ["enable", "start"], [], [])
    assert node.validated == ["x\n"]


def test_check_mode_does_not_ask_a_checker_that_lacks_a_file_of_others(node: Node) -> None:
    assert node.call("a.conf", also_read=[str(node.root / "missing")], check_mode=True)["changed"]
    assert node.validated == []


def test_without_a_file_of_others_a_real_run_asks_the_checker_all_the_same(node: Node) -> None:
    node.call("a.conf", also_read=[str(node.root / "missing")])
    assert node.validated == ["x\n"]


def test_a_unit_that_is_not_wanted_is_stopped_and_disabled_once(node: Node) -> None:
    node.call("a.conf")
    assert node.call(unit_state="stopped", validate=None)["unit_steps"] == ["stop", "disable"]
    assert not node.call(unit_state="stopped", validate=None)["changed"]


def test_a_unit_that_is_not_installed_need_not_be_stopped(node: Node) -> None:
    node.active, node.enabled = "inactive", ""
    assert not node.call(unit_state="stopped", validate=None)["changed"]


def test_a_set_without_a_unit_asks_systemd_nothing(node: Node) -> None:
    assert (node.call("a.conf", unit=None)["unit_steps"], node.done) == ([], [])


def test_a_unit_that_does_not_start_is_an_error_with_its_last_words_and_the_next_run_tries_again(node: Node) -> None:
    node.refused = "start"
    with pytest.raises(file_set.FileSetError, match=r"systemctl start daemon.service: Job failed\. .*cannot bind to port 25"):
        node.call("a.conf")
    assert node.call("a.conf", check_mode=True)["unit_steps"] == ["start"]


def test_what_a_killed_run_left_aside_is_swept(node: Node) -> None:
    left = node.root / ".a.conf.4194305.k2j3h4g5"
    left.write_text("half")
    node.call("a.conf")
    assert not left.exists()


def test_a_restart_is_refused_while_the_node_serves(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call("a.conf", "start.conf")
    monkeypatch.setattr(_serving, "services", lambda: ["mx", "internal"])
    with pytest.raises(ConfigError) as error:
        node.call("a.conf", "start.conf", content="y\n", restart="drained")
    assert (str(error.value).partition(";")[0], node.done) == (f"daemon.service: {node.root}/a.conf", [])
    assert f"{node.root}/start.conf needs a restart, and the node serves mx, internal" in str(error.value)
    assert (node.root / "start.conf").read_text() == "x\n"


@pytest.mark.parametrize(
    ("serving", "restart", "name"),
    [
        pytest.param([], "drained", "start.conf", id="on a drained node"),
        pytest.param(["mx"], "always", "start.conf", id="where that was asked for"),
        pytest.param(["mx"], "drained", "a.conf", id="when a reload does"),
    ],
)
def test_a_change_is_made(node: Node, monkeypatch: pytest.MonkeyPatch, serving: list[str], restart: str, name: str) -> None:
    node.call("a.conf", "start.conf")
    monkeypatch.setattr(_serving, "services", lambda: serving)
    wanted = [{"path": each, "content": "y\n" if each == name else "x\n", "secret": None, **ME} for each in ("a.conf", "start.conf")]
    assert node.call(files=wanted, restart=restart)["changed_files"] == [str(node.root / name)]


def test_a_restart_that_a_killed_run_left_undone_is_made_up_for_on_a_node_that_serves(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call("a.conf", "start.conf")
    node.killed_before_systemctl("a.conf", "start.conf", content="y\n")
    monkeypatch.setattr(_serving, "services", lambda: ["mx"])
    assert node.call("a.conf", "start.conf", content="y\n", restart="drained")["unit_steps"] == ["restart"]
