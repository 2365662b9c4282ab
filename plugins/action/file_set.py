# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module file_set: knows a set that is as it shall be without starting Python on the node."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import PROPERTIES, File, parse_unit, plan, start_steps, stop_steps

MODULE = "mailcluster.postfix.file_set"
_END = "end"
_FILE = re.compile(r"file ([0-7]+) (\S+) (\S+) (.*)")
_DIGEST = re.compile(r"([0-9a-f]{64})  (.*)")
_TIME = re.compile(r"time ([0-9.]+) (.*)")
UNCHANGED: Mapping[str, Any] = {"changed": False, "changed_files": [], "unit_steps": [], "diff": []}


def question(files: Sequence[str], owned: Sequence[str], also_read: Sequence[str], unit: str | None) -> str:
    """Return a script for sh(1) that tells what L(unchanged) reads: nothing of the files but owner, mode, time and digest."""
    quoted = " ".join(map(shlex.quote, files)) or "/nonexistent"
    others = " ".join(map(shlex.quote, [*files, *also_read])) or "/nonexistent"
    if any("[" in pattern for pattern in owned):
        raise ValueError("glob(7) has classes in two spellings")
    # A glob must not be quoted; what else the shell would read in it is.
    globs = " ".join(re.sub(r"[^\w./*?-]", r"\\\g<0>", pattern) for pattern in owned)
    lines = [
        "export LC_ALL=C",
        'echo "clock $(date +%s.%N) $(cut -d " " -f 1 /proc/uptime)"',
        f"stat -L -c 'file %a %U %G %n' -- {quoted} 2>/dev/null",
        f"sha256sum -- {quoted} 2>/dev/null",
        f"stat -L -c 'time %.9Y %n' -- {others} 2>/dev/null",
        *([f'for each in {globs}; do if [ -e "$each" ] || [ -L "$each" ]; then echo "owned $each"; fi; done'] if owned else []),
        *([f"systemctl show {shlex.quote(unit)} --property={','.join(PROPERTIES)}"] if unit else []),
        f"echo {_END}",
    ]
    return "\n".join(lines)


def unchanged(arguments: Mapping[str, Any], answer: str) -> bool:
    """Tell whether the module would find nothing to do, by the node's answer to L(question). Raises ValueError and KeyError for what it cannot read."""
    lines = answer.splitlines()
    if not lines or lines[-1] != _END:
        return False
    root = str(arguments["root"]).rstrip("/")
    digests = {found[2]: found[1] for line in lines if (found := _DIGEST.fullmatch(line))}
    access = {found[4]: (found[2], found[3], int(found[1], 8)) for line in lines if (found := _FILE.fullmatch(line))}
    times = {found[2]: float(found[1]) for line in lines if (found := _TIME.fullmatch(line))}
    before = {path: File(digests[path], *access[path]) for path in access if path in digests}
    desired = {
        os.path.join(root, entry["path"]): File(
            _digest(entry["content"] if entry.get("secret") is None else entry["secret"]),
            entry.get("owner", "root"),
            entry.get("group", "root"),
            int(entry.get("mode", "0644"), 8),
        )
        for entry in arguments["files"]
    }
    owned = [line.removeprefix("owned ") for line in lines if line.startswith("owned ")]
    if plan(before, desired, owned):
        return False
    if not arguments.get("unit"):
        return True
    now, uptime = (float(word) for word in next(line for line in lines if line.startswith("clock ")).split()[1:])
    unit = parse_unit(answer, boot=now - uptime)
    if arguments.get("unit_state", "started") == "stopped":
        return not stop_steps(unit, set())
    at_start = [os.path.join(root, pattern) for pattern in arguments.get("read_at_start") or ()]
    return not start_steps(unit, set(), times, read_at_start=at_start, now=now)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


class ActionModule(ActionBase):
    """Ask the node with what every Debian has; run the module only where there is something to do, or where the answer is not understood."""

    _supports_check_mode = True
    _supports_diff = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._finds_it_unchanged():
            return {**result, **UNCHANGED}
        result.update(self._execute_module(module_name=MODULE, module_args=self._task.args, task_vars=task_vars))
        return result

    def _finds_it_unchanged(self) -> bool:
        arguments = self._task.args
        try:
            root = str(arguments["root"]).rstrip("/")
            files = [os.path.join(root, entry["path"]) for entry in arguments["files"]]
            owned = [os.path.join(root, pattern) for pattern in arguments.get("owned") or ()]
            asked = question(files, owned, arguments.get("also_read") or (), arguments.get("unit"))
            answer = self._low_level_execute_command(asked)
            return not answer["rc"] and unchanged(arguments, answer["stdout"])
        except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
            # The module says what is wrong with its arguments.
            return False
