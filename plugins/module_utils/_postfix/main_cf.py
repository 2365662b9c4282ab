# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""main.cf: text to entries, values to text (postconf(5)). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .lines import BLANKS, ConfigError, balanced, clean, is_comment, logical_lines, unspellable

FILE = "main.cf"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\[\]/-]*\Z")
_WIDTH = 78


@dataclass(frozen=True)
class Entry:
    """One ``name = value``; ``start`` and ``end`` are its 1-based first and last lines."""

    name: str
    value: str
    start: int
    end: int


def parse(text: str, *, file: str = FILE) -> list[Entry]:
    """Return the entries in file order, duplicates included (the last one counts)."""
    entries = []
    for line in logical_lines(text, file=file):
        name, equals, value = line.text.partition("=")
        name = name.strip(BLANKS)
        if not equals:
            raise ConfigError(f"missing '=' after attribute name: {line.text!r}", file=file, line=line.start)
        if not name or any(char in BLANKS for char in name):
            raise ConfigError(f"not a parameter name: {name!r}", file=file, line=line.start)
        entries.append(Entry(name, value.strip(BLANKS), line.start, line.end))
    return entries


def parameters(text: str, *, file: str = FILE) -> dict[str, str]:
    """Return what Postfix sees: one value per name, the last one."""
    return {entry.name: entry.value for entry in parse(text, file=file)}


def scalar(value: Any, *, file: str = FILE, subject: str = "") -> str:
    """Spell one boolean, integer or string as Postfix reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return clean(value, file=file, subject=subject)
    raise unspellable(value, file=file, subject=subject)


def items(value: list[Any] | tuple[Any, ...], *, file: str = FILE, subject: str = "") -> list[str]:
    """Spell the members of a list; each must survive at the start of a continuation line."""
    words = [scalar(item, file=file, subject=subject) for item in value]
    for word in words:
        if not word:
            raise ConfigError("a list member is empty", file=file, subject=subject)
        if word.startswith("#"):
            raise ConfigError(f"a list member starts with '#', which makes it a comment: {word!r}", file=file, subject=subject)
    return words


def value_text(value: Any, *, file: str = FILE, subject: str = "") -> str:
    """Return the value on one line, as :func:`parse` gives it back."""
    if isinstance(value, (list, tuple)):
        return ", ".join(items(value, file=file, subject=subject))
    return scalar(value, file=file, subject=subject)


def render_entry(name: str, value: Any, *, file: str = FILE) -> str:
    """Return ``name = value`` with its newline; a long list gets a line per member."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigError("not a parameter name", file=file, subject=str(name))
    text = value_text(value, file=file, subject=name)
    if not balanced(text):
        raise ConfigError(f"unbalanced braces: {text!r}", file=file, subject=name)
    line = f"{name} = {text}".rstrip(BLANKS)
    if isinstance(value, (list, tuple)) and len(line) > _WIDTH:
        line = f"{name} =\n    " + ",\n    ".join(items(value, file=file, subject=name))
    return line + "\n"


def render(values: Mapping[str, Any], *, file: str = FILE) -> str:
    """Return the text of ``values`` in name order; ``None`` leaves a parameter at Postfix' default."""
    return "".join(render_entry(name, values[name], file=file) for name in sorted(values) if values[name] is not None)


def edit(text: str, changes: Mapping[str, Any], *, file: str = FILE) -> str:
    """Return ``text`` with the named parameters set, or removed where the value is ``None``.

    The last entry of a name that changes is replaced in place and earlier ones are dropped;
    comments (those inside a value too), order and every other line stay, as with
    postconf(1). New names go to the end.
    """
    entries = parse(text, file=file)
    last = {entry.name: entry for entry in entries}
    wanted = {name: None if value is None else value_text(value, file=file, subject=name) for name, value in changes.items()}
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")] if text else []
    replaced: dict[int, str] = {}
    for entry in entries:
        is_last = entry is last[entry.name]
        if entry.name not in wanted or wanted[entry.name] == last[entry.name].value:
            continue
        replaced.update({number: "" for number in range(entry.start, entry.end + 1) if not is_comment(lines[number - 1])})
        if is_last and wanted[entry.name] is not None:
            replaced[entry.start] = render_entry(entry.name, changes[entry.name], file=file)
    kept = [replaced.get(number, line) for number, line in enumerate(lines, 1)]
    new = [render_entry(name, value, file=file) for name, value in changes.items() if value is not None and name not in last]
    return "".join([*kept, *new])
