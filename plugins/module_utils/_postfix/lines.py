# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the Postfix core, and the reading of logical lines that its files share."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

# isspace(3) of the C locale, which Postfix uses throughout; Python's own notion would eat U+00A0 and others.
BLANKS = " \t\n\v\f\r"
# CHARS_SPACE of Postfix (sys_defs.h), between the words of a line.
SEPARATORS = " \t\r\n"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ConfigError(Exception):
    """A configuration that Postfix would refuse, misread or die of.

    ``file`` is a short name such as ``main.cf``; ``line`` is 1-based, 0 when
    the value comes from variables and has no line; ``subject`` is the
    parameter, service or key at fault.
    """

    def __init__(self, reason: str, *, file: str = "", line: int = 0, subject: str = "") -> None:
        self.reason, self.file, self.line, self.subject = reason, file, line, subject
        place = file + (f", line {line}" if line else "")
        super().__init__(": ".join(part for part in (place, subject, reason) if part))

    def at(self, line: int) -> ConfigError:
        """The same of something on this line, unless it has one already."""
        return type(self)(self.reason, file=self.file, line=self.line or line, subject=self.subject)


@dataclass(frozen=True)
class LogicalLine:
    """A logical line: ``start`` and ``end`` are the 1-based first and last physical lines with text."""

    text: str
    start: int
    end: int


def is_comment(line: str) -> bool:
    """Whether a physical line says nothing: it is blank or a comment."""
    stripped = line.strip(BLANKS)
    return not stripped or stripped[0] == "#"


def logical_lines(text: str, *, file: str = "") -> Iterator[LogicalLine]:
    """Join continuation lines as postconf(5) describes.

    Blank lines and comments are skipped, also between a line and its
    continuation; the separators where pieces meet become one blank. Refused is what Postfix
    skips with a warning, and a NUL byte, behind which it ignores the logical
    line (from 3.9 with a warning).
    """
    pieces: list[str] = []
    start = end = 0
    for number, line in enumerate(text.split("\n"), 1):
        if is_comment(line):
            continue
        if "\0" in line:
            raise ConfigError("a NUL byte: Postfix ignores what follows it", file=file, line=number)
        if line[0] in BLANKS:
            if not pieces:
                raise ConfigError("continuation of nothing: the first line starts with white space", file=file, line=number)
        else:
            if pieces:
                yield LogicalLine(_joined(pieces), start, end)
            pieces, start = [], number
        pieces.append(line)
        end = number
    if pieces:
        yield LogicalLine(_joined(pieces), start, end)


def _joined(lines: list[str]) -> str:
    """Join the physical lines; a form feed, which continues a line but separates nothing, stays where it is."""
    text = lines[0].rstrip(SEPARATORS)
    if len(lines) == 1:
        return text
    parts = [text]
    for before, line in itertools.pairwise(lines):
        apart = before[-1:] in SEPARATORS or line[0] in SEPARATORS
        parts.append((" " if apart else "") + line.strip(SEPARATORS))
    return "".join(parts)


def clean(value: str, *, file: str, subject: str) -> str:
    """Return ``value`` without surrounding blanks; refuse what cannot stand on one line of a Postfix file."""
    found = _CONTROL.search(value)
    if found:
        raise ConfigError(f"control character {found.group()!r} at position {found.start()}", file=file, subject=subject)
    return value.strip(BLANKS)


def split_groups(text: str, separators: str = SEPARATORS) -> list[str]:
    """Split at blanks, but not inside balanced ``{ }`` (mystrtokq(3) with CHARS_BRACE)."""
    found: list[str] = []
    word, depth = "", 0
    for char in text:
        if char in separators and not depth:
            if word:
                found.append(word)
            word = ""
            continue
        depth += (char == "{") - (char == "}" and depth > 0)
        word += char
    return [*found, word] if word else found


def balanced(text: str) -> bool:
    """Whether every brace has its partner, in order."""
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def unspellable(value: object, *, file: str, subject: str) -> ConfigError:
    """The error of a value whose type has no spelling in Postfix."""
    return ConfigError(f"a value cannot be {type(value).__name__}: {value!r}", file=file, subject=subject)


def words(value: str) -> list[str]:
    """Split a list value at blanks and commas, but not inside ``{ }``."""
    return split_groups(value, SEPARATORS + ",")
