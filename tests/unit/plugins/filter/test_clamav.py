# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of a site's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter.clamav import clamav_signature


def test_a_signature_file_keeps_its_suffix_and_is_marked_as_ours(tmp_path: Path) -> None:
    (tmp_path / "own.ndb").write_text("Own:0:0:41\n")
    assert clamav_signature(str(tmp_path / "own.ndb"), "/db") == {"path": "/db/mailcluster-own.ndb", "content": "Own:0:0:41\n"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_is_missing_or_not_text_is_named(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "own.ndb"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(AnsibleFilterError, match=f"clamav_signatures: {source}: "):
        clamav_signature(str(source), "/db")
