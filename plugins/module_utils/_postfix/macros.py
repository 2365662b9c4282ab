# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``$name`` in values (postconf(5), first section): expansion as mac_parse(3) and mac_expand(3) do it. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .lines import SEPARATORS

_NAME = re.compile(r"[A-Za-z0-9_]*")
_SIGN = re.compile(r"[<>!=?+*/~&|%-]*")
_SUFFIX = re.compile(r"[A-Za-z0-9]*")
_LEVEL = re.compile(r"[ \t]*\+?[0-9]+(?:\.[0-9]+){0,2}\Z")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DEPTH = 100
_LARGEST = 2**63 - 1
_DIGITS = 20


class MacroError(ValueError):
    """A value that mac_expand(3) refuses; every Postfix program that reads it ends with "macro processing error"."""


class _UndecidedError(Exception):
    """A comparison with a name that is not known here."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace every ``$name`` that ``values`` knows.

    An unknown one stays as it is written (a daemon may know it), and so does a text that Postfix refuses.
    """
    try:
        return _expand(text, values, 0)
    except MacroError:
        return text


def check(text: str, values: Mapping[str, str]) -> None:
    """Raise MacroError for what mac_expand(3) refuses, also in branches that are not taken now."""
    for literal, inner, _raw in _parts(text):
        if not literal:
            _check(inner, values)
    _expand(text, values, 0)


def _parts(text: str) -> Iterator[tuple[str, str, str]]:
    """Part text into literals and expressions, as mac_parse(3) does: ``(literal, "", raw)`` and ``("", expression, raw)``."""
    position = 0
    while position < len(text):
        start = text.find("$", position)
        if start < 0:
            yield text[position:], "", text[position:]
            return
        if start > position:
            yield text[position:start], "", text[position:start]
        follower = text[start + 1 : start + 2]
        if follower == "$":
            yield "$", "", "$$"
            position = start + 2
            continue
        if follower and follower in "({":
            position = _closing(text, start + 1)
            inner = text[start + 2 : position - 1]
        else:
            inner = _NAME.match(text, start + 1)[0]  # type: ignore[index]
            position = start + 1 + len(inner)
        if not inner:
            raise MacroError(f"no name behind '$' in {text!r} ('$$' is a dollar sign)")
        yield "", inner, text[start:position]


def _closing(text: str, start: int) -> int:
    """Position behind the bracket that closes the one at ``start``."""
    opening = text[start]
    closing = "}" if opening == "{" else ")"
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == opening) - (text[position] == closing)
        if not depth:
            return position + 1
    raise MacroError(f"no {closing!r} for {text[start:]!r}")


def _expand(text: str, values: Mapping[str, str], depth: int) -> str:
    if depth > _DEPTH:
        raise MacroError("names that refer to each other without an end")
    result = ""
    for literal, inner, raw in _parts(text):
        try:
            found = literal or _expression(inner, values, depth)
        except _UndecidedError:
            found = None
        result += raw if found is None else found
    return result


def _expression(inner: str, values: Mapping[str, str], depth: int) -> str | None:
    """What ``${inner}`` stands for, None for a name that is not known."""
    start = _skip(inner, 0)
    if inner[start : start + 1] == "{":
        truth, position = _relation(inner, start, values, depth)
        known: str | None = "true" if truth else ""
        raw = False
    else:
        name, position = _named(inner)
        known, raw = values.get(name), True
        truth = bool(known)
    if position == len(inner):
        return _expand(known, values, depth + 1) if raw and known else known
    yes, no = _branches(inner, position)
    branch = yes if truth else no
    return _expand(branch, values, depth + 1) if branch else ""


def _check(inner: str, values: Mapping[str, str]) -> None:
    start = _skip(inner, 0)
    if inner[start : start + 1] == "{":
        left, _sign, right, position = _operands(inner, start)
        parts = [left, right]
    else:
        _name, position = _named(inner)
        parts = []
    if position < len(inner):
        parts += [part for part in _branches(inner, position) if part]
    for part in parts:
        check(part, values)


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] and text[position] in SEPARATORS:
        position += 1
    return position


def _named(inner: str) -> tuple[str, int]:
    """Read ``name`` up to the mark or the end."""
    start = _skip(inner, 0)
    name = _NAME.match(inner, start)[0]  # type: ignore[index]
    position = _skip(inner, start + len(name))
    if position < len(inner) and inner[position] not in "?:":
        raise MacroError(f"not a name: {inner!r}")
    return name, position


def _payload(text: str, position: int) -> tuple[str, int]:
    """Read ``{text}`` and the blanks behind it; those inside stay."""
    end = _closing(text, position)
    return text[position + 1 : end - 1], _skip(text, end)


def _branches(inner: str, position: int) -> tuple[str, str]:
    """Read ``?yes``, ``:no``, ``?{yes}`` or ``?{yes}:{no}``; only braces make an end that something can follow."""
    yes = no = ""
    if inner[position] == "?":
        yes, position = _result(inner, position + 1)
        if position == len(inner):
            return yes, no
        if inner[position] != ":":
            raise MacroError(f"':' expected before {inner[position:]!r} in {inner!r}")
    no, position = _result(inner, position + 1)
    if position < len(inner):
        raise MacroError(f"nothing can follow in {inner!r}: {inner[position:]!r}")
    return yes, no


def _result(inner: str, position: int) -> tuple[str, int]:
    start = _skip(inner, position)
    return _payload(inner, start) if inner[start : start + 1] == "{" else (inner[position:], len(inner))


def _operands(inner: str, position: int) -> tuple[str, str, str, int]:
    left, position = _payload(inner, position)
    sign = _SIGN.match(inner, position)[0]  # type: ignore[index]
    position += len(sign)
    suffix = _SUFFIX.match(inner, position)[0]  # type: ignore[index]
    position = _skip(inner, position + len(suffix))
    if sign not in _OPERATORS or suffix not in ("", "level"):
        raise MacroError(f"not an operator: {sign + suffix!r} in {inner!r}")
    if inner[position : position + 1] != "{":
        raise MacroError(f"'{{' expected behind {sign + suffix!r} in {inner!r}")
    right, position = _payload(inner, position)
    if position < len(inner) and inner[position] not in "?:":
        raise MacroError(f"'?' or ':' expected before {inner[position:]!r} in {inner!r}")
    return left, sign + suffix, right, position


def _relation(inner: str, position: int, values: Mapping[str, str], depth: int) -> tuple[bool, int]:
    left, sign, right, position = _operands(inner, position)
    sides = [_expand(side, values, depth + 1) for side in (left, right)]
    if any("$" in side for side in sides):
        raise _UndecidedError
    return _compare(sides, sign), position


def _compare(sides: list[str], sign: str) -> bool:
    function = _OPERATORS[sign.removesuffix("level")]
    if sign.endswith("level"):
        return function(*(_level(side) for side in sides))
    # alldig(3): an empty text is no number.
    if all(re.fullmatch(r"[0-9]+", side) for side in sides):
        numbers = [int(side[-_DIGITS:]) if len(side.lstrip("0")) < _DIGITS else _LARGEST + 1 for side in sides]
        if max(numbers) > _LARGEST:
            raise MacroError(f"a number is too large: {max(sides, key=len)!r}")
        return function(*numbers)
    return function(*(side.encode(errors="surrogateescape") for side in sides))


def _level(text: str) -> tuple[int, ...]:
    """Spell a compatibility level as numbers; 3 is 3.0.0 (compat_level_from_string(3))."""
    if not _LEVEL.match(text):
        raise MacroError(f"not a compatibility level: {text!r}")
    numbers = [int(number) for number in text.split(".")]
    return (*numbers, *[0] * (3 - len(numbers)))
