# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instance is known as unchanged: the question is run by a real sh(1), on real files, beside a process that is called master."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.action import postfix_instance as action
from ansible_collections.mailcluster.postfix.plugins.module_utils import _instance
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import UNIT, Paths, plan

ARGUMENTS: dict[str, Any] = {
    "name": "postfix-x",
    "state": "present",
    "main": {"relayhost": "[mx.test]"},
    "local": {"myhostname": "x.test"},
    "services": [{"service": "smtp", "type": "unix", "command": "smtp"}],
    "local_services": [],
    "tables": [{"name": "checks", "type": "texthash", "content": "a b\n"}],
    "data": [
        {"name": "rows", "type": "lmdb", "content": "b 2\na 1\n", "src": None, "state": "present", "mode": None, "secret": False},
        {"name": "text", "type": "texthash", "content": "a b\n", "src": None, "state": "present", "mode": "0600", "secret": False},
    ],
    "generation": None,
    "owner": "mailcluster.postfix.relay",
}


class Node:
    """An instance that runs what it shall."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths("postfix-x", root)
        _made, self.wanted = _instance.desired(ARGUMENTS, self.paths)
        self.folder = self.paths.generations / self.wanted.target
        self.folder.mkdir(parents=True)
        for name, text in self.wanted.files.items():
            (self.folder / name).write_text(text)
        self.paths.config.symlink_to(self.folder)
        for path, text in (
            (self.paths.loaded, f"{self.folder}\n"),
            (self.paths.owner, "mailcluster.postfix.relay\n"),
            (self.paths.unit, UNIT),
            (self.paths.default_main, f"alternate_config_directories = /etc/other, {self.paths.config}\n"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.paths.data.mkdir(parents=True)
        for name, text, mode in (("rows", "a 1\nb 2\n", 0o644), ("rows.lmdb", "compiled", 0o644), ("text", "a b\n", 0o600)):
            (self.paths.data / name).write_text(text)
            (self.paths.data / name).chmod(mode)
        self.paths.enabled.parent.mkdir(parents=True)
        self.paths.enabled.symlink_to(self.paths.unit)
        program = root / "master"
        shutil.copy("/bin/sleep", program)
        self.master = subprocess.Popen([program, "60"])
        self.pid = self.paths.queue / "pid/master.pid"
        self.pid.parent.mkdir(parents=True)
        self.pid.write_text(f"{self.master.pid:>10}\n")

    def verdicts(self) -> tuple[bool, bool]:
        """Whether the action takes the instance for unchanged, and whether the module would."""
        asked = subprocess.run(["/bin/sh", "-c", action.script(self.paths, self.wanted.target, self.wanted.data)], capture_output=True, text=True, check=False)
        quick = not asked.returncode and action.judge(ARGUMENTS, self.paths, self.wanted, asked.stdout) is not None
        steps = plan(self.paths, _instance.read(self.paths, self.wanted.data), self.wanted)
        return quick, not (steps.changed or steps.prove)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.master.kill()
    made.master.wait()


def test_an_instance_that_runs_its_generation_is_known(node: Node) -> None:
    assert node.verdicts() == (True, True)


def test_products_of_postmap_and_the_absence_of_an_owner_are_no_difference(node: Node) -> None:
    (node.folder / "checks.lmdb").write_text("compiled")
    node.paths.owner.unlink()
    assert node.verdicts() == (True, True)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


DIFFERENCES: dict[str, Callable[[Node], object]] = {
    "another generation is active": lambda node: relink(node.paths.config, "/etc/mailcluster/postfix-x/generations/000000000000-000000000000"),
    "none is active": lambda node: node.paths.config.unlink(),
    "another generation is loaded": lambda node: node.paths.loaded.write_text("/x/000000000000-000000000000\n"),
    "nobody knows what is loaded": lambda node: node.paths.loaded.unlink(),
    "main.cf was edited": lambda node: (node.folder / "main.cf").write_text("relayhost =\n"),
    "a table is gone": lambda node: (node.folder / "checks").unlink(),
    "a file too many": lambda node: (node.folder / "more").write_text(""),
    "no probe has seen it": lambda node: node.paths.journal.write_text(f'{{"generation": "{node.wanted.target}"}}'),
    "the unit is another one": lambda node: node.paths.unit.write_text(UNIT + "\n"),
    "it is not enabled": lambda node: node.paths.enabled.unlink(),
    "it is not registered": lambda node: node.paths.default_main.write_text("alternate_config_directories =\n"),
    "a data table was edited": lambda node: (node.paths.data / "text").write_text("a c\n"),
    "a data table is gone": lambda node: (node.paths.data / "text").unlink(),
    "a data table has another mode": lambda node: (node.paths.data / "text").chmod(0o644),
    "a data table is not compiled": lambda node: (node.paths.data / "rows.lmdb").unlink(),
    "a compiled data table has another mode": lambda node: (node.paths.data / "rows.lmdb").chmod(0o600),
    "a compiled data table is older": lambda node: os.utime(node.paths.data / "rows.lmdb", (1, 1)),
    "a data table was of another type": lambda node: (node.paths.data / "rows.cdb").write_text(""),
    "a text was compiled": lambda node: (node.paths.data / "text.db").write_text(""),
    "master is dead": lambda node: (node.master.kill(), node.master.wait()),
    "its number is another process": lambda node: node.pid.write_text("1\n"),
}


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_what_the_module_would_change_is_left_to_it(node: Node, difference: Callable[[Node], object]) -> None:
    difference(node)
    assert node.verdicts() == (False, False)


def test_an_instance_of_another_owner_is_left_to_the_module_which_refuses_it(node: Node) -> None:
    node.paths.owner.write_text("somebody.else\n")
    asked = subprocess.run(["/bin/sh", "-c", action.script(node.paths, node.wanted.target, node.wanted.data)], capture_output=True, text=True, check=True)
    assert action.judge(ARGUMENTS, node.paths, node.wanted, asked.stdout) is None


@pytest.mark.parametrize("more", [{"secret": True}, {"state": "absent"}, {"content": None, "src": "/rows"}])
def test_data_tables_that_the_controller_does_not_know_are_the_modules(node: Node, more: dict[str, Any]) -> None:
    asked = action.ActionModule.question(None, {**ARGUMENTS, "data": [{**ARGUMENTS["data"][0], **more}]})  # type: ignore[arg-type]
    assert asked is None
