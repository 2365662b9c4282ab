# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes inside a main.cf and master.cf that somebody else owns: every line not concerned stays, byte for byte. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import main_cf, master_cf
from .lines import ConfigError, is_comment, logical_lines, words
from .master_cf import Service

_FIELDS = ("service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc", "command")
_FIRST_LINE = re.compile(r"(\S+)(\s*)")
_COMMENTED = re.compile(r"#(?=\S)")
_COMMENTED_ARGUMENT = re.compile(r"#(?=\s+(?:-\S|[a-z]+=))")


@dataclass(frozen=True, kw_only=True)
class ServiceEdit:
    """What shall be true of one service; C(fields) are columns.

    C(args) are overrides (None removes one), or all arguments as a list of strings.
    """

    service: str
    type: str
    enabled: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, Any] | Sequence[str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"{self.service}/{self.type}"


@dataclass(frozen=True)
class _Place:
    """A service and the half-open range of its physical lines, counted from 0."""

    entry: Service
    start: int
    end: int


def main(
    text: str,
    *,
    values: Mapping[str, Any],
    append: Mapping[str, Sequence[str]] | None = None,
    remove: Mapping[str, Sequence[str]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> str:
    """Return main.cf with values set (None: unset) and elements of lists appended or removed.

    A list that the file does not set starts from its entry in C(defaults). An element that is there
    is not appended, one that is not there is not removed. Raises ConfigError.
    """
    append, remove, defaults = append or {}, remove or {}, defaults or {}
    present = main_cf.parameters(text)
    both = sorted(values.keys() & (append.keys() | remove.keys()))
    if both:
        raise ConfigError("is set as a whole and element by element", file=main_cf.FILE, subject=both[0])
    lists = {
        name: _elements(present.get(name, defaults.get(name, "")), append.get(name, ()), remove.get(name, ()))
        for name in dict.fromkeys([*append, *remove])
    }
    return main_cf.edit(text, {**values, **{name: value for name, value in lists.items() if value is not None}})


def _elements(value: str, append: Sequence[str], remove: Sequence[str]) -> str | None:
    """Return the changed list in the separators of the old one, None when nothing changes."""
    old = words(value)
    kept = [word for word in old if word not in remove]
    new = [*kept, *(word for word in dict.fromkeys(append) if word not in kept)]
    separator = " " if len(old) > 1 and "," not in value else ", "
    return None if new == old else separator.join(new)


def services(text: str, edits: Sequence[ServiceEdit]) -> str:
    """Return master.cf with the services as they shall be. Raises ConfigError.

    A service is disabled as postconf(1) C(-M#) does, by commenting its lines, and enabled from such
    lines when there are any.
    """
    for edit in edits:
        text = _disable(text, edit) if not edit.enabled else _change(_enable(text, edit), edit)
    master_cf.parse(text)
    return text


def _places(text: str, edit: ServiceEdit) -> list[_Place]:
    spans = [(line.start - 1, line.end) for line in logical_lines(text, file=master_cf.FILE)]
    return [
        _Place(entry, start, end) for entry, (start, end) in zip(master_cf.parse(text), spans, strict=True) if entry.key == (edit.service, edit.type)
    ]


def _spliced(text: str, start: int, end: int, lines: Sequence[str]) -> str:
    present = text.split("\n")
    return "\n".join([*present[:start], *lines, *present[end:]])


def _disable(text: str, edit: ServiceEdit) -> str:
    for place in reversed(_places(text, edit)):
        lines = text.split("\n")[place.start : place.end]
        text = _spliced(text, place.start, place.end, [line if is_comment(line) else f"#{line}" for line in lines])
    return text


def _enable(text: str, edit: ServiceEdit) -> str:
    if _places(text, edit):
        return text
    lines = text.split("\n")
    for start, line in enumerate(lines):
        if _COMMENTED.match(line) and _is_service(line[1:].split(), edit):
            end = start + 1
            while end < len(lines) and _COMMENTED_ARGUMENT.match(lines[end]):
                end += 1
            return _spliced(text, start, end, [commented[1:] for commented in lines[start:end]])
    if "command" not in edit.fields:
        raise ConfigError("there is no such service, and no command to make it with", file=master_cf.FILE, subject=edit.subject)
    text += "" if not text or text.endswith("\n") else "\n"
    (made,) = master_cf.services([{"service": edit.service, "type": edit.type, **edit.fields}], head=text)
    return text + master_cf.render_service(made)


def _is_service(columns: Sequence[str], edit: ServiceEdit) -> bool:
    return len(columns) >= len(_FIELDS) and tuple(columns[:2]) == (edit.service, edit.type) and columns[7] == edit.fields.get("command", columns[7])


def _change(text: str, edit: ServiceEdit) -> str:
    place = _places(text, edit)[-1]
    wanted = replace(place.entry, **edit.fields)
    try:
        arguments = _arguments(place.entry, edit)
    except ConfigError as error:
        raise error.at(place.start + 1) from error
    changed = arguments != (place.entry.options, place.entry.arguments)
    wanted = replace(wanted, options=arguments[0], arguments=arguments[1])
    if wanted == place.entry:
        return text
    first, *rest = text.split("\n")[place.start : place.end]
    columns = first.split()
    if len(columns) < len(_FIELDS):
        return _spliced(text, place.start, place.end, master_cf.render_service(wanted).rstrip("\n").split("\n"))
    new_first = _with_columns(first, [getattr(wanted, name) for name in _FIELDS])
    if changed:
        rendered = master_cf.render_service(wanted).rstrip("\n").split("\n")
        kept = "".join(f"{word}{blank}" for word, blank in _FIRST_LINE.findall(new_first)[: len(_FIELDS)]).rstrip()
        return _spliced(text, place.start, place.end, [kept, *rendered[1:]])
    return _spliced(text, place.start, place.end, [new_first, *rest])


def _arguments(entry: Service, edit: ServiceEdit) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the overrides and other arguments that the service shall have."""
    if not isinstance(edit.args, Mapping):
        made = master_cf.service({"service": edit.service, "type": edit.type, "command": entry.command, "args": edit.args})
        return made.options, made.arguments
    overrides = {name: None if value is None else main_cf.value_text(value, file=master_cf.FILE, subject=name) for name, value in edit.args.items()}
    options = dict(entry.options)
    if all(options.get(name) == value for name, value in overrides.items()):
        return entry.options, entry.arguments
    return tuple((name, value) for name, value in {**options, **overrides}.items() if value is not None), entry.arguments


def _with_columns(line: str, columns: Sequence[str]) -> str:
    """Replace the leading columns and keep those behind them where they stand, as far as they fit."""
    found = _FIRST_LINE.findall(line)
    head = [
        (new, " " * max(1, len(old) + len(blank) - len(new)) if blank else "")
        for (old, blank), new in zip(found[: len(columns)], columns, strict=True)
    ]
    return "".join(f"{word}{blank}" for word, blank in [*head, *found[len(columns) :]])
