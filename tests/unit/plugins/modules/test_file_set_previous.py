# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of files held before its last change: kept without secrets, put back with its unit."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _node_files
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import File
from test_file_set_unit import ME, Node


def back(since: float = 0.0) -> dict[str, Any]:
    """Put everything back; what systemctl did, and which files cannot be put back, by set."""
    kept = list(_node_files.kept_since(since))
    return {each.root: (_node_files.put_back(each, each.steps_back(_node_files.present(each.files))), each.withheld) for each in kept}


def test_the_files_before_a_change_come_back_and_are_loaded(node: Node) -> None:
    node.call("a.conf", "b.conf")
    node.call("a.conf", "b.conf", content="y\n")
    assert back() == {str(node.root): (["reload"], ())}
    assert [(node.root / name).read_text() for name in ("a.conf", "b.conf")] == ["x\n", "x\n"]


def test_what_is_read_at_start_comes_back_by_a_restart(node: Node) -> None:
    node.call("a.conf", "start.conf")
    node.call("a.conf", "start.conf", content="y\n")
    assert back()[str(node.root)][0] == ["restart"]


def test_a_file_that_the_change_made_is_removed(node: Node) -> None:
    node.call("a.conf")
    node.call("a.conf", "b.conf")
    back()
    assert sorted(path.name for path in node.root.iterdir()) == ["a.conf"]


def test_a_change_is_put_back_once(node: Node) -> None:
    node.call("a.conf")
    node.call("a.conf", content="y\n")
    back()
    assert back() == {}


def test_a_run_without_a_change_keeps_what_was_before_the_last_one(node: Node) -> None:
    node.call("a.conf")
    node.call("a.conf", content="y\n")
    node.call("a.conf", content="y\n")
    back()
    assert (node.root / "a.conf").read_text() == "x\n"


def test_an_earlier_change_is_left_alone(node: Node) -> None:
    node.call("a.conf")
    node.call("a.conf", content="y\n")
    assert (back(time.time() + 1), (node.root / "a.conf").read_text()) == ({}, "y\n")


def test_secrets_are_not_kept(node: Node) -> None:
    secret = {"files": [{"path": "a.conf", "content": None, "secret": "hush-1", "owner": "root", "group": "root", "mode": "0600"}]}
    node.call(**secret, owned=[])
    node.call(files=[{**secret["files"][0], "secret": "hush-2"}], owned=[])
    assert "hush" not in "".join(path.read_text() for path in _node_files.PREVIOUS.iterdir())
    assert back() == {str(node.root): ([], (str(node.root / "a.conf"),))}
    assert (node.root / "a.conf").read_text() == "hush-2"


def test_what_is_kept_is_closed_to_others(node: Node) -> None:
    node.call("a.conf")
    modes = [path.stat().st_mode & 0o777 for path in (_node_files.PREVIOUS, *_node_files.PREVIOUS.iterdir())]
    assert modes == [0o700, 0o600]


def test_owner_and_mode_come_back(node: Node) -> None:
    node.call("a.conf")
    mine = _node_files.read(str(node.root / "a.conf"))
    assert mine is not None
    node.call(files=[{"path": "a.conf", "content": "x\n", "secret": None, "owner": mine.owner, "group": mine.group, "mode": "0600"}])
    back()
    assert _node_files.read(str(node.root / "a.conf")) == File("x\n", mine.owner, mine.group, 0o644)


def test_what_changed_together_with_a_secret_is_not_put_back_without_it(node: Node) -> None:
    secret = {"path": "key.conf", "content": None, "secret": "hush-1", "owner": ME["owner"], "group": ME["group"], "mode": "0600"}
    certificate = {"path": "a.conf", "content": "one\n", "secret": None, **ME}
    node.call(files=[certificate, secret])
    node.call(files=[{**certificate, "content": "two\n"}, {**secret, "secret": "hush-2"}])
    assert back() == {str(node.root): ([], (str(node.root / "a.conf"), str(node.root / "key.conf")))}
    assert (node.root / "a.conf").read_text() == "two\n"
