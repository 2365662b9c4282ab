# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a node's answer: sh(1) and the files are real, the node's systemctl is a script."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.action import file_set

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "mode": "0644"}


class Node:
    """A directory with two files and a unit that has read them."""

    def __init__(self, place: Path) -> None:
        self.root = place / "a root"
        self.root.mkdir()
        self.programs = place / "bin"
        self.programs.mkdir()
        self.certificate = place / "it's.pem"
        self.unit = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
        self.loaded = time.time() - 30
        for path, text in ((self.root / "a.conf", "x\n"), (self.root / "b c.conf", "secret\n"), (self.certificate, "pem\n")):
            path.write_text(text)
            path.chmod(0o644)
            os.utime(path, (self.loaded - 60, self.loaded - 60))
        self.arguments: dict[str, Any] = {
            "root": str(self.root) + "/",
            "files": [{"path": "a.conf", "content": "x\n", **ME}, {"path": str(self.root / "b c.conf"), "secret": "secret\n", **ME}],
            "owned": ["*.conf"],
            "unit": "daemon.service",
            "also_read": [str(self.certificate)],
        }

    def verdict(self) -> bool:
        """Ask as the action does."""
        boot = time.time() - float(Path("/proc/uptime").read_text().split()[0])
        since = int((self.loaded - boot) * 1e6)
        shown = {**self.unit, "ActiveEnterTimestampMonotonic": since, "StateChangeTimestampMonotonic": since}
        told = "".join(f"{name}={value}\\n" for name, value in shown.items())
        (self.programs / "systemctl").write_text(f"#!/bin/sh\nprintf '{told}'\n")
        (self.programs / "systemctl").chmod(0o755)
        root, arguments = str(self.root), self.arguments
        files = [os.path.join(root, entry["path"]) for entry in arguments["files"]]
        owned = [os.path.join(root, pattern) for pattern in arguments["owned"]]
        script = file_set.question(files, owned, arguments["also_read"], arguments.get("unit"))
        assert "secret\n" not in script
        path = f"{self.programs}:{os.environ['PATH']}"
        answer = subprocess.run(["/bin/sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True).stdout
        return file_set.unchanged(arguments, answer)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_set_that_is_as_it_shall_be_is_known(node: Node) -> None:
    assert node.verdict()


def test_a_set_without_a_unit_is_known(node: Node) -> None:
    del node.arguments["unit"]
    node.unit["ActiveState"] = "inactive"
    assert node.verdict()


def test_a_unit_that_shall_be_stopped_is_known_when_it_is(node: Node) -> None:
    node.arguments["unit_state"] = "stopped"
    assert not node.verdict()
    node.unit.update(ActiveState="inactive", UnitFileState="disabled")
    assert node.verdict()


def younger(path: Path) -> None:
    os.utime(path, (time.time() - 1, time.time() - 1))


DIFFERENCES: dict[str, Callable[[Node], object]] = {
    "another content": lambda node: (node.root / "a.conf").write_text("y\n"),
    "another secret": lambda node: (node.root / "b c.conf").write_text("secret2\n"),
    "another mode": lambda node: (node.root / "a.conf").chmod(0o600),
    "another owner": lambda node: node.arguments["files"][0].update(owner="nobody"),
    "a missing file": lambda node: (node.root / "a.conf").unlink(),
    "a directory in its place": lambda node: ((node.root / "a.conf").unlink(), (node.root / "a.conf").mkdir()),
    "a file that is declared no more": lambda node: (node.root / "old.conf").write_text(""),
    "a link to nothing that is declared no more": lambda node: (node.root / "old.conf").symlink_to("/nonexistent"),
    "a unit that does not run": lambda node: node.unit.update(ActiveState="failed"),
    "a unit that is not enabled": lambda node: node.unit.update(UnitFileState="disabled"),
    "a unit that systemd has not read": lambda node: node.unit.update(NeedDaemonReload="yes"),
    "a file younger than the unit": lambda node: younger(node.root / "a.conf"),
    "a certificate younger than the unit": lambda node: younger(node.certificate),
}


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_what_the_module_would_change_is_left_to_it(node: Node, difference: Callable[[Node], object]) -> None:
    assert node.verdict()
    difference(node)
    assert not node.verdict()


def test_an_answer_that_breaks_off_is_not_trusted(node: Node) -> None:
    assert not file_set.unchanged(node.arguments, "clock 1 1\n")


def test_a_class_in_a_glob_is_left_to_the_module() -> None:
    with pytest.raises(ValueError, match="classes"):
        file_set.question([], ["/etc/[ab]"], [], None)
