# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that are sorted with the real sort(1), and where keys are found to ask a table for."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands as core
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

ROWS = [b"user%06d x\n" % number for number in range(200_000)]


def in_pieces(rows: list[bytes]) -> list[bytes]:
    return [b"".join(rows[start : start + 5000]) for start in range(0, len(rows), 5000)]


def test_lines_are_sorted_by_their_bytes_and_nothing_is_left(tmp_path: Path) -> None:
    shuffled = [*ROWS, b"\xc3\xa4 x\n", b"Z x\n", b"a x\n"]
    random.Random(1).shuffle(shuffled)
    sorted_pieces = list(core.in_order(in_pieces(shuffled), scratch=tmp_path))
    assert b"".join(sorted_pieces) == b"".join(sorted(shuffled))
    assert all(piece.endswith(b"\n") for piece in sorted_pieces)
    assert list(tmp_path.iterdir()) == []


def test_no_lines_are_sorted_to_none(tmp_path: Path) -> None:
    assert list(core.in_order([], scratch=tmp_path)) == []


def test_what_sort_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sort: .*No such file or directory"):
        list(core.in_order(in_pieces(ROWS) * 20, scratch=tmp_path / "none"))


def test_an_error_in_a_row_ends_the_sort(tmp_path: Path) -> None:
    def lines() -> Iterator[bytes]:
        yield ROWS[0]
        raise ConfigError("bad")

    with pytest.raises(ConfigError, match="bad"):
        list(core.in_order(lines(), scratch=tmp_path))


def test_what_is_made_ahead_comes_in_order_and_ends_with_its_error() -> None:
    def made() -> Iterator[bytes]:
        yield from (b"%d" % number for number in range(100))
        raise ConfigError("bad")

    assert list(core.ahead(b"%d" % number for number in range(100))) == [b"%d" % number for number in range(100)]
    pieces = core.ahead(made())
    assert len([next(pieces) for _number in range(100)]) == 100
    with pytest.raises(ConfigError, match="bad"):
        next(pieces)


def test_nothing_is_made_any_more_for_who_has_given_up() -> None:
    made: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(1)
            yield b"x"

    threads = threading.active_count()
    pieces = core.ahead(endless())
    assert next(pieces) == b"x"
    del pieces
    assert threading.active_count() == threads
    assert len(made) < 100


def test_of_a_large_table_the_first_and_the_last_row_are_found(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"".join(ROWS))
    assert [(row.key, row.line) for row in core.ends(path, file="rows")] == [("user000000", 0), ("user199999", 0)]
    path.write_bytes(b"".join(ROWS[:10]))
    assert [(row.key, row.line) for row in core.ends(path, file="rows")] == [("user000000", 1), ("user000009", 10)]


@pytest.fixture
def postmap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A postmap(1) that copies what it is to compile, or does what a test writes there."""
    program = tmp_path / "bin/postmap"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ntable=${3#*:}\ncat "$table" > "$table.lmdb"\n')
    program.chmod(0o755)
    monkeypatch.setattr(core, "PATH", f"{program.parent}:{core.PATH}")
    return program


def fed(directory: Path) -> bool:
    directory.mkdir()
    with core.feeding(directory / "rows", "lmdb", config="/none") as feed:
        for piece in in_pieces(ROWS) * 5:
            feed.write(piece)
        return feed.end()


def test_a_table_is_compiled_of_rows_that_are_in_no_file(tmp_path: Path, postmap: Path) -> None:
    assert fed(tmp_path / "t")
    assert (tmp_path / "t/rows.lmdb").read_bytes() == b"".join(ROWS) * 5
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["rows.lmdb"]


@pytest.mark.parametrize("does", ["exit 1", 'cat "${3#*:}" > /dev/null; echo duplicate entry >&2', "echo warning; exit 0", "kill -9 $$"])
def test_what_is_not_compiled_without_a_word_is_to_be_compiled_again(tmp_path: Path, postmap: Path, does: str) -> None:
    postmap.write_text(f"#!/bin/sh\n{does}\n")
    assert not fed(tmp_path / "t")


def test_an_error_in_a_row_ends_the_compilation(tmp_path: Path, postmap: Path) -> None:
    def compile_rows() -> None:
        with core.feeding(tmp_path / "rows", "lmdb", config="/none") as feed:
            feed.write(ROWS[0])
            raise ConfigError("bad")

    with pytest.raises(ConfigError):
        compile_rows()
    assert not (tmp_path / "rows").is_symlink()
