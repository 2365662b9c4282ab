# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change so that a set of files is there as declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ._plan import Difference, difference


@dataclass(frozen=True)
class File:
    """A regular file: its text, owner and group as names, mode as an integer."""

    content: str
    owner: str
    group: str
    mode: int
    secret: bool = False

    @property
    def access(self) -> tuple[str, str, int]:
        return self.owner, self.group, self.mode


@dataclass(frozen=True)
class Step:
    """One file that changes: C(before) is None when it is made, C(after) when it is removed."""

    path: str
    before: File | None
    after: File | None

    @property
    def secret(self) -> bool:
        return any(side is not None and side.secret for side in (self.before, self.after))


def plan(before: Mapping[str, File], desired: Mapping[str, File], owned: Iterable[str] = ()) -> list[Step]:
    """Return the steps from the files found to the files declared.

    C(owned) are paths that exist and belong to the set: those not declared are removed, after all
    others were written, and never shown.
    """
    written = [
        Step(path, found, file)
        for path, file in desired.items()
        for found in [before.get(path)]
        if found is None or (found.content, found.access) != (file.content, file.access)
    ]
    return written + [Step(path, File("", "", "", 0, secret=True), None) for path in sorted(set(owned) - desired.keys())]


def diff(step: Step) -> list[Difference]:
    """Return a step as Ansible's diff: its text, and a line on owner and mode; of a secret only that it changes."""
    before, after = (None if file is None else file.content for file in (step.before, step.after))
    access_before, access_after = (_access(file) for file in (step.before, step.after))
    return difference(step.path, before, after, secret=step.secret) + difference(f"{step.path} (owner and mode)", access_before, access_after)


def _access(file: File | None) -> str | None:
    return None if file is None or not file.owner else f"{file.owner}:{file.group} {file.mode:04o}\n"


def relocate(text: str, root: str, candidate: str) -> str:
    """Return text with every path below C(root) moved below C(candidate)."""
    return text.replace(f"{root}/", f"{candidate}/")


def stale(loaded: float | None, changed: Iterable[float], now: float) -> bool:
    """Tell whether a file is younger than what a running unit loaded (seconds; a future time is no evidence)."""
    return loaded is not None and any(loaded < time <= now for time in changed)
