# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``$name`` in values (postconf(5), first section): expansion as mac_expand(3) does it. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z0-9_]+")
_COMPARISON = re.compile(r"\{(.*?)\}\s*([<>=!]=?|[<>=!]=?level)\s*\{(.*?)\}\s*\Z", re.DOTALL)
_OPERATORS: Mapping[str, Callable[[tuple[int, ...] | str, tuple[int, ...] | str], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DEPTH = 20


def expand(text: str, values: Mapping[str, str], *, depth: int = 0) -> str:
    """Replace every ``$name`` that ``values`` knows; an unknown one stays as it is written."""
    if "$" not in text or depth > _DEPTH:
        return text
    result, position = "", 0
    while position < len(text):
        char = text[position]
        if char != "$" or position + 1 == len(text):
            result, position = result + char, position + 1
            continue
        follower = text[position + 1]
        if follower == "$":
            result, position = result + "$$", position + 2
        elif follower in "{(":
            end = _closing(text, position + 1)
            result += _group(text[position:end], text[position + 2 : end - 1], values, depth)
            position = end
        else:
            name = _NAME.match(text, position + 1)
            end = name.end() if name else position + 1
            known = values.get(name.group()) if name else None
            result += text[position:end] if known is None else expand(known, values, depth=depth + 1)
            position = end
    return result


def _closing(text: str, start: int) -> int:
    """Position behind the bracket that closes the one at ``start``."""
    opening = text[start]
    closing = "}" if opening == "{" else ")"
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == opening) - (text[position] == closing)
        if not depth:
            return position + 1
    return len(text)


def _group(whole: str, inner: str, values: Mapping[str, str], depth: int) -> str:
    condition, mark, rest = _split(inner)
    compared = _COMPARISON.match(condition.strip())
    if compared:
        truth = _compare(expand(compared[1], values, depth=depth + 1), compared[2], expand(compared[3], values, depth=depth + 1))
        if truth is None:
            return whole
        value = ""
    else:
        known = values.get(condition.strip())
        if known is None and not mark:
            return whole
        value = expand(known or "", values, depth=depth + 1)
        truth = bool(value)
    if not mark:
        return value
    yes, no = _branches(rest) if mark == "?" else ("", rest)
    if mark == ":" and truth:
        return value
    return expand(_unbraced(yes if truth else no), values, depth=depth + 1)


def _split(inner: str) -> tuple[str, str, str]:
    """Part ``name?text`` or ``name:text`` at the first mark outside braces."""
    depth = 0
    for position, char in enumerate(inner):
        depth += (char == "{") - (char == "}")
        if not depth and char in "?:":
            return inner[:position], char, inner[position + 1 :]
    return inner, "", ""


def _branches(rest: str) -> tuple[str, str]:
    text = rest.strip()
    if not text.startswith("{"):
        return rest, ""
    end = _closing(text, 0)
    return text[:end], text[end:].strip().removeprefix(":")


def _unbraced(text: str) -> str:
    stripped = text.strip()
    return stripped[1:-1].strip() if stripped.startswith("{") and stripped.endswith("}") else text


def _compare(left: str, sign: str, right: str) -> bool | None:
    function = _OPERATORS.get(sign.removesuffix("level"))
    if function is None or "$" in left + right:
        return None
    if all(re.fullmatch(r"\d+(?:\.\d+)*", side.strip()) for side in (left, right)):
        sides = [tuple(int(part) for part in side.strip().split(".")) for side in (left, right)]
        return function(sides[0], sides[1])
    return function(left, right)
