# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration directory of Postfix edited in place, and the unit that runs it."""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ._commands import installed, run
from ._files import read, settle, sweep, write
from ._plan import Difference, Plan, difference
from ._postfix import edit, main_cf, master_cf
from ._postfix.lines import ConfigError

# A unit named here has not loaded its files yet. A boot loads them, and empties the directory.
PENDING = Path("/run/mailcluster/postconf")
_COLUMNS = ("private", "unpriv", "chroot", "wakeup", "maxproc", "command")
_BLIND = ("unused parameter", "undefined parameter", "overriding earlier entry")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "config_directory": {"type": "path", "default": "/etc/postfix"},
    "main": {"type": "dict", "default": {}},
    "append": {"type": "dict", "default": {}},
    "remove": {"type": "dict", "default": {}},
    "services": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "service": {"type": "str", "required": True},
            "type": {"type": "str", "required": True, "choices": list(master_cf.TYPES)},
            "state": {"type": "str", "default": "enabled", "choices": ["enabled", "disabled"]},
            "private": {"type": "raw"},
            "unpriv": {"type": "raw"},
            "chroot": {"type": "raw"},
            "wakeup": {"type": "str"},
            "maxproc": {"type": "str"},
            "command": {"type": "str"},
            "args": {"type": "raw", "default": {}},
        },
    },
    "unit": {"type": "str"},
}


@dataclass(frozen=True, kw_only=True)
class Before:
    """Texts of main.cf and master.cf (None: no such file), defaults of parameters, and the unit's state.

    On a virgin host Postfix is not installed yet, and what its package brings cannot be planned.
    """

    files: Mapping[str, str | None]
    defaults: Mapping[str, str]
    enabled: bool = True
    running: bool = True
    pending: bool = False
    virgin: bool = False


def plan(before: Before, parameters: Mapping[str, Any]) -> tuple[Plan, dict[str, str]]:
    """Return what has to be done, and the files that change. Raises ConfigError."""
    wanted = {main_cf.FILE: _main(before, parameters), master_cf.FILE: _master(before, parameters)}
    changed = {name: text for name, text in wanted.items() if text != (before.files[name] or "")}
    unit = parameters["unit"]
    load = unit and (changed or before.pending or not before.running)
    steps = (
        *(f"write {name}" for name in changed),
        *([f"enable {unit}"] if unit and not before.enabled else []),
        *([f"{'restart' if before.running else 'start'} {unit}"] if load else []),
    )
    diff: list[Difference] = [
        entry for name, text in changed.items() for entry in difference(f"{parameters['config_directory']}/{name}", before.files[name], text)
    ]
    return Plan(steps, tuple(diff)), changed


def _main(before: Before, parameters: Mapping[str, Any]) -> str:
    return edit.main(
        before.files[main_cf.FILE] or "",
        values=parameters["main"],
        append=_lists(parameters["append"], "append"),
        remove=_lists(parameters["remove"], "remove"),
        defaults=before.defaults,
    )


def _lists(values: Mapping[str, Any], option: str) -> dict[str, list[str]]:
    for name, value in values.items():
        if not isinstance(value, list):
            raise ConfigError(f"{option} takes lists, not {value!r}", file=main_cf.FILE, subject=name)
    return {name: main_cf.items(value, subject=name) for name, value in values.items()}


def _master(before: Before, parameters: Mapping[str, Any]) -> str:
    edits = [
        edit.ServiceEdit(
            service=entry["service"],
            type=entry["type"],
            enabled=entry["state"] == "enabled",
            fields={name: _column(entry[name]) for name in _COLUMNS if entry.get(name) is not None},
            args=entry["args"],
        )
        for entry in parameters["services"]
    ]
    text = before.files[master_cf.FILE]
    if text is None and before.virgin:
        return ""
    if text is None and any(change.enabled for change in edits):
        raise ConfigError("there is none to edit; is the package installed?", file=master_cf.FILE)
    return edit.services(text or "", edits)


def _column(value: object) -> str:
    return {True: "y", False: "n"}[value] if isinstance(value, bool) else str(value)


def look(parameters: Mapping[str, Any], *, check_mode: bool) -> Before:
    """Read files, defaults and unit."""
    directory = Path(parameters["config_directory"])
    files = {name: read(directory / name) for name in (main_cf.FILE, master_cf.FILE)}
    present = main_cf.parameters(files[main_cf.FILE] or "")
    lists = [name for name in {*parameters["append"], *parameters["remove"]} if name not in present]
    defaults = main_cf.parameters(run("postconf", "-d", *lists).stdout) if lists else {}
    unit = parameters["unit"]
    virgin = check_mode and not installed("postconf")
    if not unit:
        return Before(files=files, defaults=defaults, virgin=virgin)
    return Before(
        virgin=virgin,
        files=files,
        defaults=defaults,
        enabled=run("systemctl", "is-enabled", unit).rc == 0,
        running=run("systemctl", "is-active", unit).rc == 0 and _serving(directory),
        pending=(PENDING / unit).exists(),
    )


def _serving(directory: Path) -> bool:
    # Debian 12's postfix.service is a wrapper that is active whatever its instances do.
    return run("postfix", "-c", str(directory), "status").rc == 0


def validate(directory: Path, before: Mapping[str, str | None], changed: Mapping[str, str]) -> None:
    """Have postconf(1) read the candidate. Raises ConfigError for every complaint that is new."""
    if not changed or not installed("postconf"):
        return
    old = {_placeless(line) for line in _complaints({name: text for name, text in before.items() if text is not None})}
    complaints = _complaints({**{name: text or "" for name, text in before.items()}, **changed})
    new = [line for line in dict.fromkeys(complaints) if _placeless(line) not in old]
    if new:
        raise ConfigError("; ".join(new), file=str(directory))


def _placeless(line: str) -> str:
    """A complaint without the line that it is about, which a change may move."""
    return re.sub(r", line [0-9]+", "", line)


def _complaints(files: Mapping[str, str]) -> list[str]:
    if main_cf.FILE not in files:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in files.items():
            write(Path(scratch, name), text)
            settle(Path(scratch, name))
        answers = [run("postconf", "-c", scratch, option) for option in ("-n", *(["-M"] if files.get(master_cf.FILE) else []))]
    said = [line for answer in answers for line in answer.stderr.splitlines() if answer.rc or any(word in line for word in _BLIND)]
    return [line.replace(f"{scratch}/", "").removeprefix("postconf: ") for line in said]


def apply(directory: Path, unit: str | None, before: Before, changed: Mapping[str, str], steps: Sequence[str]) -> None:
    """Write, enable, load. A configuration with which the unit does not run is taken back. Raises ConfigError."""
    for name in (main_cf.FILE, master_cf.FILE):
        sweep(directory, name)
    if unit and changed:
        PENDING.mkdir(parents=True, exist_ok=True)
        (PENDING / unit).touch()
    for name, text in changed.items():
        _put(directory / name, text)
    if not unit or not steps:
        return
    for problem in [answer.text for answer in [run("systemctl", "enable", unit)] if answer.rc]:
        raise ConfigError(problem, subject=unit)
    if steps[-1].endswith(f"start {unit}"):
        problem = _restart(unit, directory)
        if problem and changed and before.running:
            for name in changed:
                _put(directory / name, before.files[name] or "")
            again = _restart(unit, directory)
            if not again:
                (PENDING / unit).unlink(missing_ok=True)
            problem += f"; the former configuration {'is back' if not again else 'does not run either: ' + again}"
        if problem:
            raise ConfigError(problem, subject=unit)
        (PENDING / unit).unlink(missing_ok=True)


def _put(path: Path, text: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    write(path, text, mode=mode)
    settle(path)


def _restart(unit: str, directory: Path) -> str:
    """Return what went wrong, nothing when the unit runs."""
    answer = run("systemctl", "restart", unit)
    if answer.rc:
        return answer.text
    return "" if _serving(directory) else f"{unit} was started, but Postfix does not run; see its log"


def run_module(parameters: Mapping[str, Any], *, check_mode: bool, load: bool = False) -> dict[str, Any]:
    """Read, plan, validate, apply, answer; with ``load``, the unit is restarted even if nothing changes."""
    directory = Path(parameters["config_directory"])
    before = look(parameters, check_mode=check_mode)
    before = replace(before, pending=before.pending or load)
    steps, changed = plan(before, parameters)
    validate(directory, before.files, changed)
    if not check_mode:
        apply(directory, parameters["unit"], before, changed, steps.steps)
    return {"changed": steps.changed, "steps": list(steps.steps), "diff": list(steps.diff)}
