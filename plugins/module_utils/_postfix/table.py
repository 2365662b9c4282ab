# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of lookup tables (postmap(1)): text to rows, rows to text. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .lines import BLANKS, ConfigError, clean, logical_lines

# What postmap(1) writes beside the source, per map type.
COMPILED = {"lmdb": ".lmdb", "cdb": ".cdb", "hash": ".db", "btree": ".db", "dbm": ".pag", "sdbm": ".pag"}
# Types that Postfix reads from a text file as it stands.
TEXT = ("texthash", "cidr", "regexp", "pcre")
# Types whose source says how to reach a server, in the syntax of main.cf (mysql_table(5) and others).
CONNECTED = ("ldap", "memcache", "mongodb", "mysql", "pgsql", "sqlite")


def _key_end(line: str) -> int:
    """Position behind the key: the first blank outside double quotes, -1 when a quote is open."""
    quoted = escaped = False
    for position, char in enumerate(line):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char in BLANKS and not quoted:
            return position
    return -1 if quoted else len(line)


def _is_utf8(text: str) -> bool:
    """Whether no byte was kept as a surrogate when the text was read."""
    return text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text)


def parse(text: str, *, file: str = "") -> list[tuple[str, str]]:
    """Return the rows in file order, keys as written (quotes stay, as in Postfix).

    For every type made of ``key value`` lines: lmdb, cdb, hash, texthash, cidr.
    """
    rows = []
    for line in logical_lines(text, file=file):
        if not _is_utf8(line.text):
            raise ConfigError("a row is not UTF-8, and postmap(1) drops it", file=file, line=line.start)
        end = _key_end(line.text)
        if end < 0:
            raise ConfigError("a key has an open '\"'", file=file, line=line.start)
        key, value = line.text[:end], line.text[end:].strip(BLANKS)
        if not value:
            # Without the row, which may be a credential.
            raise ConfigError("a row is a key, blanks and a value", file=file, line=line.start)
        rows.append((key, value))
    return rows


def render(rows: Iterable[tuple[str, str]], *, file: str = "") -> str:
    """Return the rows as ``key<TAB>value`` lines, in the given order."""
    lines = []
    for key, value in rows:
        name, result = clean(key, file=file, subject=key), clean(value, file=file, subject=key)
        if not name or not result:
            raise ConfigError("a row is a key and a value", file=file, subject=name)
        if name.startswith("#"):
            raise ConfigError("a key starts with '#', which makes it a comment", file=file, subject=name)
        if not _is_utf8(name + result):
            raise ConfigError("a row is not UTF-8, and postmap(1) drops it", file=file, subject=name)
        if _key_end(name) != len(name):
            raise ConfigError("a key holds blanks outside double quotes", file=file, subject=name)
        lines.append(f"{name}\t{result}\n")
    return "".join(lines)


def duplicates(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return keys that occur twice: postmap(1) keeps the first row and warns, texthash the last."""
    seen: set[str] = set()
    twice: list[str] = []
    for key, _value in rows:
        folded = key.casefold()
        if folded in seen:
            twice.append(key)
        seen.add(folded)
    return twice


def compiled_name(name: str, kind: str) -> str | None:
    """The file that a lookup opens beside ``name``, or None where it opens the source itself."""
    suffix = COMPILED.get(kind)
    return name + suffix if suffix else None
