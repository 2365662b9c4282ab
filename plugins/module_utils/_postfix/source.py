# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large table sources: rows with their lines, sorted for publication, duplicates refused. Pure.

A text is handled as a whole by L(normal), a file of any size chunk by chunk: L(sortable) makes lines of which the order of their bytes
is the order of the rows, and L(sorted_rows) makes the rows of these lines once they are sorted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from .lines import ConfigError, logical_lines
from .table import COMPILED, CONNECTED, TEXT

PLAIN = "plain"
TYPES = (*COMPILED, *TEXT, *CONNECTED, PLAIN)
# A key ends at the first blank outside double quotes (postmap(1), key and value).
_ROW = re.compile(r'((?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+)\s+(\S.*)')
# aliases(5): the key is a local part, which may be quoted, and ends at the colon.
_ALIAS = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s:"](?:[^:"]*[^\s:"])?)\s*:\s*(\S.*)')
# Lines that are published as they are: a key without capitals, one blank, a value; no comment goes on with the row before it.
_PLAIN = re.compile(rb"(?:[!$-@\[\]-~][!#-@\[\]-~]*+ [!-~][\t -~\x80-\xff]*+\n)*+")
_COMMENT = re.compile(rb"^(?:#.*)?\n", re.MULTILINE)
_BEGIN = re.compile(rb"\n(?=[^\s#])")
# What postmap -q would take for something else than the key that postmap made of it.
_UNASKED = re.compile(r'["\\]|\A-\Z')
# A text of more characters is shown as a few of its rows.
_LONG = 100_000
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One C(key value) of a table source; C(line) is its 1-based first line."""

    line: int
    key: str
    value: str


def rows(text: str, *, file: str, aliases: bool = False) -> Iterator[Row]:
    """Yield the rows in file order, keys as written. Raises L(ConfigError)."""
    match = (_ALIAS if aliases else _ROW).fullmatch
    for line in logical_lines(text, file=file):
        found = match(line.text)
        if found is None:
            # Without the row, which may be a credential.
            raise ConfigError(f"a row is a key, {'a colon' if aliases else 'blanks'} and a value", file=file, line=line.start)
        yield Row(line.start, *found.groups())


def normal(text: str, *, kind: str, file: str, aliases: bool = False) -> tuple[str, int]:
    """Return the text to publish and its number of rows.

    A compiled table is sorted by folded key (postmap takes half the time and memory, and an order
    of rows in variables is no change), without comments, and a key that occurs twice is refused:
    postmap(1) would keep the first and only warn. Every other text stays as it is.
    """
    if aliases and kind not in COMPILED:
        raise ConfigError(f"aliases are compiled, and a table of type {kind} is not", file=file)
    if kind in COMPILED:
        return _sorted(text, file=file, aliases=aliases)
    if kind in CONNECTED:
        _settings(text, file=file)
    if kind == "texthash":
        _unique(rows(text, file=file), file=file)
    return _ended(text), count(text)


def ends(text: str, *, file: str, aliases: bool = False) -> list[Row]:
    """The first and the last row whose key can be asked for as it is written; fewer when there are fewer.

    Reads no more of the text than it takes to find them.
    """
    found: list[Row] = []
    end = 0
    while not found and end < len(text):
        start, end = end, _row_end(text, end)
        found = _askable(text, start, end, file=file, aliases=aliases)
    start = len(text)
    while found and start > end:
        stop, start = start, text.rfind("\n", 0, start - 1) + 1
        if _begins(text, start):
            last = _askable(text, start, len(text) if stop == len(text) else _row_end(text, start), file=file, aliases=aliases)
            if last:
                return [*found, *last]
    return found


def excerpt(text: str, other: str) -> str:
    """What a diff shows of a text: all of it, or, of more than ``_LONG`` characters on either side, a few of the rows that only it has."""
    if max(len(text), len(other)) <= _LONG:
        return text
    only = sorted(set(text.splitlines()) - set(other.splitlines()))
    more = [f"... and {len(only) - _SHOWN} more"] if only[_SHOWN:] else []
    return "\n".join([f"{count(text)} rows", *only[:_SHOWN], *more, ""])


def _begins(text: str, position: int) -> bool:
    """Whether a row begins here; what begins with a blank goes on with the row before."""
    return position < len(text) and not text[position].isspace() and text[position] != "#"


def _row_end(text: str, start: int) -> int:
    """Where the next row begins, and what lies before it ends."""
    end = start
    while end < len(text):
        end = text.find("\n", end) + 1 or len(text)
        if _begins(text, end):
            break
    return end


def _askable(text: str, start: int, end: int, *, file: str, aliases: bool) -> list[Row]:
    before = text.count("\n", 0, start)
    return [Row(row.line + before, row.key, row.value) for row in rows(text[start:end], file=file, aliases=aliases) if not _UNASKED.search(row.key)]


def cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a file anew where a row begins, so that each piece can be read by itself."""
    rest = b""
    for chunk in chunks:
        begun = _begin(piece := rest + chunk)
        if begun:
            yield piece[:begun]
        rest = piece[begun:]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _begin(piece: bytes) -> int:
    """Where the last row begins; 0 if no row ends before it."""
    end = len(piece)
    while (end := piece.rfind(b"\n", 0, end)) >= 0:
        if _BEGIN.match(piece, end):
            return end + 1
    return 0


def sortable(pieces: Iterable[bytes], *, file: str, aliases: bool = False) -> Iterator[bytes]:
    """Make lines of rows: the folded key, a blank, the value and, if it is not the folded one, behind a NUL the key. Raises L(ConfigError)."""
    above = 0
    for piece in pieces:
        yield piece if not aliases and _is_plain(piece) else _uncommented(piece, above, file=file, aliases=aliases)
        above += piece.count(b"\n")


def _is_plain(piece: bytes) -> bool:
    if not _PLAIN.fullmatch(piece) or b" \n" in piece or b"\t\n" in piece:
        return False
    return piece.isascii() or _is_utf8(piece)


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _uncommented(piece: bytes, above: int, *, file: str, aliases: bool) -> bytes:
    rest = _COMMENT.sub(b"", piece)
    if not aliases and _is_plain(rest):
        return rest
    return b"".join(_line(row) for row in _rows_of(piece, above, file=file, aliases=aliases))


def _rows_of(piece: bytes, above: int, *, file: str, aliases: bool) -> Iterator[Row]:
    """The rows of a piece, of which ``above`` lines precede it in the file."""
    try:
        text = piece.decode()
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8", file=file, line=above + piece.count(b"\n", 0, error.start) + 1) from error
    try:
        for row in rows(text, file=file, aliases=aliases):
            yield Row(row.line + above, row.key, row.value)
    except ConfigError as error:
        raise ConfigError(error.reason, file=file, line=error.line + above, subject=error.subject) from error


def _line(row: Row) -> bytes:
    folded = row.key.lower()
    # The blank behind the key is the first one.
    name = folded.replace(" ", "\x1f")
    return (f"{name} {row.value}\n" if name == row.key else f"{name} {row.value}\0{row.key}\n").encode()


@dataclass
class Sorted:
    """What is known of a file once all its pieces went through L(sorted_rows)."""

    entries: int
    twice: set[bytes]


def sorted_rows(pieces: Iterable[bytes], told: Sorted, *, aliases: bool = False) -> Iterator[bytes]:
    """Make rows of sorted lines, and tell ``told`` how many there are and which keys occur twice."""
    last = b""
    for piece in pieces:
        lines = piece.split(b"\n")
        del lines[-1]
        names = [line[: line.find(b" ")] for line in lines]
        if names[0] == last or len(set(names)) < len(names):
            told.twice.update(name for before, name in zip([last, *names], names, strict=False) if before == name)
        last = names[-1]
        told.entries += len(names)
        yield piece if not aliases and b"\0" not in piece else b"".join(_row(line, b":" if aliases else b"") for line in lines)


def _row(line: bytes, colon: bytes) -> bytes:
    row, _nul, key = line.partition(b"\0")
    name, _blank, value = row.partition(b" ")
    return b"%s%s %s\n" % (key or name, colon, value)


def twice(pieces: Iterable[bytes], names: Collection[bytes], *, file: str, aliases: bool = False) -> ConfigError:
    """The error of the first key in the file that occurs twice, of those that do."""
    first: dict[bytes, int] = {}
    above = 0
    for piece in pieces:
        for row in _rows_of(piece, above, file=file, aliases=aliases):
            name = _line(row).partition(b" ")[0]
            if name in names and first.setdefault(name, row.line) != row.line:
                return _occurs_twice(row, first[name], file=file)
        above += piece.count(b"\n")
    return ConfigError("the file changed while it was read", file=file)


def _occurs_twice(row: Row, first: int, *, file: str) -> ConfigError:
    return ConfigError(f"the key occurs twice (first on line {first})", file=file, line=row.line, subject=row.key)


def count(text: str) -> int:
    """Number of lines that are neither blank, comment nor continuation."""
    return sum(1 for line in text.split("\n") if line and not line[0].isspace() and line[0] != "#")


def count_rows(pieces: Iterable[bytes]) -> int:
    """The same of a file."""
    return sum(len(_BEGIN.findall(b"\n" + piece)) for piece in cut(pieces))


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _sorted(text: str, *, file: str, aliases: bool) -> tuple[str, int]:
    found = _unique(rows(text, file=file, aliases=aliases), file=file)
    colon = ":" if aliases else ""
    return "".join(f"{found[key].key}{colon} {found[key].value}\n" for key in sorted(found)), len(found)


def _settings(text: str, *, file: str) -> None:
    """Refuse what is no parameter, as in main.cf; Postfix would say so with the line, which may be a password."""
    for line in logical_lines(text, file=file):
        name, equals, _value = line.text.partition("=")
        if not equals or len(name.split()) != 1:
            raise ConfigError("a line is the name of a parameter, '=' and a value", file=file, line=line.start)


def _unique(source: Iterator[Row], *, file: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in source:
        first = found.setdefault(row.key.lower(), row)
        if first is not row:
            raise _occurs_twice(row, first.line, file=file)
    return found
