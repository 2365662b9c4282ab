# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is going to do, and how it shows that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

HIDDEN = "(content is secret)\n"


class Difference(TypedDict):
    """One file of a diff, as Ansible prints it."""

    before_header: str
    after_header: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """``steps`` in the order of their doing, in words; ``diff`` what they change in files."""

    steps: tuple[str, ...] = ()
    diff: tuple[Difference, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def difference(path: str, before: str | None, after: str | None, *, secret: bool = False) -> list[Difference]:
    """Return the diff of one file; ``None`` means there is none. Secret content is never shown."""
    if before == after:
        return []

    def shown(text: str | None) -> str:
        return "" if text is None else HIDDEN if secret else text

    return [
        Difference(
            before_header=path if before is not None else f"{path} (absent)",
            after_header=path if after is not None else f"{path} (absent)",
            before=shown(before),
            after=shown(after).replace(HIDDEN, "(content is secret and differs)\n"),
        )
    ]


def differences(directory: str, before: dict[str, str], after: dict[str, str]) -> list[Difference]:
    """Return the diff of two sets of files in one directory."""
    names: Sequence[str] = sorted({*before, *after})
    return [entry for name in names for entry in difference(f"{directory}/{name}", before.get(name), after.get(name))]
