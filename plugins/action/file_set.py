# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module file_set: an unchanged set is recognised by digests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import (
    ARGUMENTS,
    PROPERTIES,
    Published,
    Wanted,
    parse_unit,
    plan,
    unit_steps,
)
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction, words

# Ticks per second of /proc, the same on all of Debian's architectures (proc_pid_stat(5), starttime).
TICKS = 100
_UNCHANGED: dict[str, Any] = {"changed": False, "changed_files": [], "unit_steps": [], "diff": []}


class ActionModule(QuickAction):
    """Compare digests, owners and times; the module works on the sets that differ."""

    spec = ARGUMENTS

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        wanted = Wanted.of(arguments)
        given = str([self._task.args["root"], self._task.args.get("also_read")])
        # The node knows its own home directories; of globs, sh(1) and the module agree on the asterisk.
        if "~" in given or "$" in given or any(character in pattern for pattern in wanted.owned for character in "?[\\"):
            return None
        return script(wanted), partial(judge, wanted)


def script(wanted: Wanted) -> str:
    """Return the question; what is missing makes it fail."""
    paths = [*wanted.files, *wanted.also_read]
    owned = " ".join("*".join(shlex.quote(part) for part in pattern.split("*")) for pattern in wanted.owned)
    parts = [
        *([f"stat -L -c '%U %u %G %g %a %.9Y' -- {words(paths)}"] if paths else []),
        # The record of the set as well: what lies there as declared may be recorded otherwise, or not yet.
        f"sha256sum -- {words([str(_record(wanted).place), *wanted.files])}",
        # The clock before the process whose start tells how long the node is up: units seem older rather than younger.
        "date +%s.%N",
        "cat /proc/self/stat",
        *([f"systemctl show --property={','.join(PROPERTIES)} -- {shlex.quote(wanted.unit)}"] if wanted.unit else []),
        "echo",
        *([f'for path in {owned}; do if test -e "$path" || test -L "$path"; then printf "%s\\n" "$path"; fi; done'] if owned else []),
    ]
    return " && ".join(parts)


def judge(wanted: Wanted, answer: str) -> dict[str, Any] | None:
    """Return the result for an unchanged set, None when something is to do. Raises ValueError or LookupError."""
    paths = [*wanted.files, *wanted.also_read]
    head, separator, owned = answer.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    stats, (recorded, *digests), (clock, process, *shown) = (
        lines[: len(paths)],
        lines[len(paths) :][: 1 + len(wanted.files)],
        lines[len(paths) + 1 + len(wanted.files) :],
    )
    if not separator:
        raise ValueError("the answer has no end")
    known = [stat.split(" ") for stat in stats]
    before = {
        path: file.found(_digest(digest), _name(*stat[:2]), _name(*stat[2:4]), int(stat[4], 8))
        for (path, file), stat, digest in zip(wanted.files.items(), known, digests, strict=False)
    }
    if _digest(recorded) != _record(wanted).digest or plan(before, wanted.files, [path for path in owned.split("\n") if path]):
        return None
    if wanted.unit:
        now = float(clock)
        boot = now - (int(process.rpartition(")")[2].split()[19]) + 1) / TICKS
        if len(shown) != len(PROPERTIES):
            raise ValueError("systemctl shows something else")
        times = {path: float(stat[5]) for path, stat in zip(paths, known, strict=True)}
        unit = parse_unit("\n".join(shown), boot=boot)
        if unit_steps(unit, (), times, read_at_start=wanted.read_at_start, now=now, stopped=wanted.stopped):
            return None
    return dict(_UNCHANGED)


def _record(wanted: Wanted) -> Published:
    return Published.of(wanted.root, wanted.files)


def _digest(line: str) -> str:
    """Return the digest of a line of sha256sum(1), which marks an escaped name before it."""
    return line.lstrip("\\")[:64]


def _name(name: str, number: str) -> str:
    return number if name == "UNKNOWN" else name
