# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Native settings as the text that their daemon reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError

Scalar = str | int | float | bool


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (str, int, float)):
        raise AnsibleFilterError(f"directives: {name}: a {type(value).__name__} is no value of a directive")
    if "\n" in str(value):
        raise AnsibleFilterError(f"directives: {name}: a value is one line")
    return str(value)


def directives(settings: Mapping[str, Scalar | Sequence[Scalar]]) -> str:
    """Return one C(name value) line per setting, one per element of a list (clamd.conf(5), valkey.conf)."""
    return "".join(f"{name} {_word(name, value)}\n" for name, values in settings.items() for value in (values if isinstance(values, list) else [values]))


def ucl(section: Mapping[str, object]) -> str:
    """Return the inside of a UCL section: C(key = JSON;) lines, which libucl reads as they are."""
    return "".join(f"{json.dumps(key)} = {json.dumps(value, indent=2)};\n" for key, value in section.items())


class FilterModule:
    """Filters from native settings to text."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"directives": directives, "ucl": ucl}
