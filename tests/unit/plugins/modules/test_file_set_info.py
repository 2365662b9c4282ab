# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of published files, and what is told of those that were edited since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _file_set, _node_files
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import told_edit
from test_file_set_unit import ME, Node

SECRET: dict[str, Any] = {"path": "key.conf", "content": None, "secret": "hush-1\n", **ME, "mode": "0600"}


def edits() -> list[dict[str, Any]]:
    return [told_edit(edit) for each in _node_files.recorded() for edit in each.edits(_node_files.present(each.files))]


def what() -> list[tuple[str, list[str]]]:
    return [(Path(edit["path"]).name, edit["what"]) for edit in edits()]


def test_files_are_as_they_were_published(node: Node) -> None:
    node.call(files=[SECRET, {"path": "a.conf", "content": "x \udce9\n", "secret": None, **ME}], validate=None)
    assert ([each.root for each in _node_files.recorded()], edits()) == ([str(node.root)], [])


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        pytest.param(lambda path: path.write_text("y\n"), ["content"], id="its text"),
        pytest.param(lambda path: path.write_text("x"), ["content"], id="its end of line"),
        pytest.param(lambda path: path.chmod(0o666), ["owner and mode"], id="its mode"),
        pytest.param(lambda path: (path.write_text("y\n"), path.chmod(0o666)), ["content", "owner and mode"], id="both"),
        pytest.param(lambda path: path.unlink(), ["missing"], id="that it is there"),
    ],
)
@pytest.mark.parametrize("name", ["a.conf", "key.conf"])
def test_an_edit_is_told_by_what_it_changed_until_a_run_repairs_it(name: str, edit: Callable[[Path], object], told: list[str], node: Node) -> None:
    files = [SECRET, {"path": "a.conf", "content": "x\n", "secret": None, **ME}]
    node.call(files=files)
    edit(node.root / name)
    assert what() == [(name, told)]
    assert [edited["diff"] != "" for edited in edits()] == [told != ["missing"]]
    node.call(files=files)
    assert what() == []


def test_the_diff_goes_from_what_was_published_to_what_is_there(node: Node) -> None:
    node.call("a.conf", content="one\ntwo\n")
    path = node.root / "a.conf"
    path.write_bytes(b"one\nt\xe9o\r\n")
    path.chmod(0o600)
    (edit,) = edits()
    assert edit["diff"].splitlines() == [
        f"--- published: {path}",
        f"+++ found: {path}",
        "@@ -2 +2 @@",
        "-two",
        "+t\\xe9o",
        f"--- published: {path} (owner and mode)",
        f"+++ found: {path} (owner and mode)",
        "@@ -1 +1 @@",
        f"-{ME['owner']}:{ME['group']} 0644",
        f"+{ME['owner']}:{ME['group']} 0600",
    ]


def test_a_secret_is_neither_recorded_nor_told(node: Node) -> None:
    node.call(files=[SECRET], validate=None)
    (node.root / "key.conf").write_text("hush-2\n")
    (edit,) = edits()
    assert [line for line in edit["diff"].splitlines() if line[1:2] == "("] == ["-(content is secret)", "+(content is secret and differs)"]
    assert "hush" not in edit["diff"] + "".join(path.read_text() for path in _file_set.PUBLISHED.iterdir())


def test_what_is_recorded_is_closed_to_others(node: Node) -> None:
    node.call("a.conf")
    modes = [path.stat().st_mode & 0o777 for path in (_file_set.PUBLISHED, *_file_set.PUBLISHED.iterdir())]
    assert modes == [0o700, 0o600]


def test_a_file_that_the_set_has_no_more_is_recorded_no_more(node: Node) -> None:
    node.call("a.conf", "b.conf", "c.txt")
    node.call("a.conf")
    (node.root / "c.txt").unlink()
    assert what() == []


def test_an_edit_that_is_declared_later_is_one_no_more(node: Node) -> None:
    node.call("a.conf")
    (node.root / "a.conf").write_text("y\n")
    assert not node.call("a.conf", content="y\n")["changed_files"]
    assert what() == []


def test_what_lies_there_already_is_recorded(node: Node) -> None:
    node.call("a.conf")
    next(_file_set.PUBLISHED.iterdir()).unlink()
    assert not node.call("a.conf")["changed"]
    (node.root / "a.conf").write_text("y\n")
    assert what() == [("a.conf", ["content"])]


def test_check_mode_records_nothing(node: Node) -> None:
    node.call("a.conf", check_mode=True)
    assert not _file_set.PUBLISHED.exists()
    node.call("a.conf")
    node.call("a.conf", content="y\n", check_mode=True)
    assert what() == []


def kill(*_arguments: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", [pytest.param("_write", id="before the first file"), pytest.param("_remember", id="after the last one")])
@pytest.mark.parametrize("content", [pytest.param("y\n", id="which goes on"), pytest.param("x\n", id="which goes back")])
def test_a_run_that_is_killed_leaves_nothing_that_looks_like_an_edit(where: str, content: str, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call("a.conf")
    with monkeypatch.context() as patch:
        patch.setattr(_node_files, "keep", lambda *_arguments: None)
        patch.setattr(_node_files, where, kill)
        with pytest.raises(KeyboardInterrupt):
            node.call("a.conf", content="y\n")
    assert what() == []
    node.call("a.conf", content=content)
    assert what() == []
    (node.root / "a.conf").write_text("z\n")
    assert what() == [("a.conf", ["content"])]


def put_back() -> None:
    for each in _node_files.kept_since(0):
        _node_files.put_back(each, each.steps_back(_node_files.present(each.files)))


def test_what_was_put_back_is_no_edit(node: Node) -> None:
    node.call("a.conf", "start.conf")
    node.call("a.conf", "b.conf", "start.conf", content="y\n")
    put_back()
    assert ((node.root / "a.conf").read_text(), what()) == ("x\n", [])
    (node.root / "start.conf").write_text("y\n")
    assert what() == [("start.conf", ["content"])]


def test_a_secret_is_no_edit_after_the_files_beside_it_were_put_back(node: Node) -> None:
    for content in ("x\n", "y\n"):
        node.call(files=[SECRET, {"path": "a.conf", "content": content, "secret": None, **ME}])
    put_back()
    assert what() == []
    (node.root / "key.conf").write_text("y\n")
    assert what() == [("key.conf", ["content"])]


def test_a_damaged_record_is_named(node: Node) -> None:
    node.call("a.conf", "start.conf")
    (record,) = _file_set.PUBLISHED.iterdir()
    record.write_text('{"root": ')
    with pytest.raises(_node_files.FileSetError, match=str(record)):
        _node_files.recorded()


def test_of_a_set_that_was_not_recorded_putting_back_records_no_part(node: Node) -> None:
    node.call("a.conf", "start.conf")
    node.call("a.conf", "start.conf", content="y\n")
    next(_file_set.PUBLISHED.iterdir()).unlink()
    put_back()
    assert _node_files.recorded() == []


def test_a_node_without_records_tells_nothing() -> None:
    assert (_node_files.recorded(), edits()) == ([], [])
