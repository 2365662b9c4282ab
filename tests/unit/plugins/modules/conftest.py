# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _file_set, _node_files
from test_file_set_unit import Node


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where file sets keep what they were and record what they are, instead of the machine's own place."""
    place = tmp_path_factory.mktemp("kept") / "previous"
    monkeypatch.setattr(_node_files, "PREVIOUS", place)
    monkeypatch.setattr(_file_set, "PUBLISHED", place.with_name("published"))
    return place


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose file sets are below a directory of their own."""
    root = tmp_path / "root"
    root.mkdir()
    made = Node(root)
    monkeypatch.setattr(_commands, "run", made.run)
    return made
