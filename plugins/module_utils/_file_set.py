# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change so that a set of files is there as declared. Pure."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import unified_diff
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ._plan import Difference, difference

# What each set holds, by the last run that published it, without secrets.
PUBLISHED = Path("/var/lib/mailcluster/published")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "root": {"type": "path", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0644"},
        },
        "required_one_of": [["content", "secret"]],
        "mutually_exclusive": [["content", "secret"]],
    },
    "owned": {"type": "list", "elements": "str", "default": []},
    "validate": {"type": "str"},
    "unit": {"type": "str"},
    "unit_state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "read_at_start": {"type": "list", "elements": "str", "default": []},
    "restart": {"type": "str", "choices": ["always", "drained"], "default": "always"},
    "also_read": {"type": "list", "elements": "path", "default": []},
}


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

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def disguised(self) -> File:
        """The file with its digest for content."""
        return replace(self, content=self.digest, secret=True)

    def found(self, digest: str, owner: str, group: str, mode: int) -> File:
        """Return the file of which only that much is known, as far as a comparison with this one goes."""
        return replace(self, content=self.content if digest == self.digest else f"sha256 {digest}", owner=owner, group=group, mode=mode)


@dataclass(frozen=True)
class Wanted:
    """What a call of the module asks for, with absolute paths."""

    root: str
    files: Mapping[str, File]
    owned: tuple[str, ...]
    unit: str
    stopped: bool
    read_at_start: tuple[str, ...]
    also_read: tuple[str, ...]

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Wanted:
        root = parameters["root"].rstrip("/")
        return cls(
            root=root,
            files={
                os.path.join(root, entry["path"]): File(
                    entry["content"] if entry["secret"] is None else entry["secret"],
                    entry["owner"],
                    entry["group"],
                    int(entry["mode"], 8),
                    entry["secret"] is not None,
                )
                for entry in parameters["files"]
            },
            owned=tuple(os.path.join(root, pattern) for pattern in parameters["owned"]),
            unit=parameters["unit"] or "",
            stopped=parameters["unit_state"] == "stopped",
            read_at_start=tuple(os.path.join(root, pattern) for pattern in parameters["read_at_start"]),
            also_read=tuple(parameters["also_read"]),
        )


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


@dataclass(frozen=True)
class Published:
    """What a set holds since it was published. A secret file has its digest for content."""

    root: str
    files: Mapping[str, File]

    @classmethod
    def of(cls, root: str, files: Mapping[str, File]) -> Published:
        return cls(root, {path: file.disguised if file.secret else file for path, file in files.items()})

    @property
    def place(self) -> Path:
        return PUBLISHED / f"{slug(self.root)}.json"

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def from_text(cls, text: str) -> Published:
        value = json.loads(text)
        return cls(value["root"], {path: File(**file) for path, file in value["files"].items()})

    def after(self, steps: Sequence[Step]) -> Published:
        """Return what the set holds after some steps more."""
        new = Published.of(self.root, {step.path: step.after for step in steps if step.after})
        gone = {step.path for step in steps if not step.after}
        return replace(self, files={path: file for path, file in {**self.files, **new.files}.items() if path not in gone})

    def edits(self, present: Mapping[str, File]) -> list[Step]:
        """Return the steps from the files that were published to those that are C(present)."""
        now = {path: found.disguised if self.files[path].secret else found for path, found in present.items()}
        return [Step(path, file, now.get(path)) for path, file in sorted(self.files.items()) if now.get(path) != file]


def told_edit(edit: Step) -> dict[str, Any]:
    """An edit as the module file_set_info returns it."""
    before, after = edit.before, edit.after
    if before is None or after is None:
        return {"path": edit.path, "what": ["missing"], "diff": ""}
    what = {"content": before.content != after.content, "owner and mode": before.access != after.access}
    lines = [
        line
        for entry in diff(edit)
        for line in unified_diff(
            # Of a changed end of line or of the file, splitlines() would show nothing.
            entry["before"].split("\n"),
            entry["after"].split("\n"),
            f"published: {entry['before_header']}",
            f"found: {entry['after_header']}",
            lineterm="",
            n=0,
        )
    ]
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return {"path": edit.path, "what": [name for name, differs in what.items() if differs], "diff": text}


@dataclass(frozen=True)
class Previous:
    """What a set held before its last change, which was at C(time) (seconds since the epoch).

    C(files) has None for a file that was not there; C(withheld) are files that cannot be put back: those that the set no longer
    declares, and all of a set in which a secret changed, for the others may belong to it as a certificate does to its key.
    """

    root: str
    unit: str
    read_at_start: tuple[str, ...]
    time: float
    files: Mapping[str, File | None]
    withheld: tuple[str, ...] = ()

    @classmethod
    def of(cls, root: str, steps: Sequence[Step], *, unit: str, read_at_start: Sequence[str], time: float) -> Previous:
        secret = any(step.secret and step.after is not None for step in steps)
        files = {} if secret else {step.path: step.before for step in steps if not step.secret}
        withheld = tuple(step.path for step in steps if step.path not in files)
        return cls(root=root, unit=unit, read_at_start=tuple(read_at_start), time=time, files=files, withheld=withheld)

    @property
    def slug(self) -> str:
        return slug(self.root)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Previous:
        files = {path: None if file is None else File(**file) for path, file in value["files"].items()}
        return cls(**{**value, "files": files, "read_at_start": tuple(value["read_at_start"]), "withheld": tuple(value["withheld"])})

    def steps_back(self, present: Mapping[str, File]) -> list[Step]:
        """Return the steps from the files that are C(present) to those that were before."""
        return [Step(path, present.get(path), file) for path, file in self.files.items() if present.get(path) != file]


def slug(root: str) -> str:
    """Return the name of what is kept of the set of a directory."""
    return root.strip("/").replace("/", "-")


def relocate(text: str, root: str, candidate: str) -> str:
    """Return text with every path below C(root) moved below C(candidate)."""
    return text.replace(f"{root}/", f"{candidate}/")


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit (systemctl(1), show). Times are seconds since the epoch.

    C(started) is when it last became active, C(loaded) when it last started or ended a reload.
    """

    active: str
    enabled: str
    started: float
    loaded: float
    outdated: bool


def parse_unit(text: str, *, boot: float) -> Unit:
    """Read what systemctl shows of L(PROPERTIES); C(boot) is when its monotonic clock began."""
    shown = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def time(name: str) -> float:
        return boot + int(shown.get(name) or 0) / 1e6

    return Unit(
        active=shown.get("ActiveState", ""),
        enabled=shown.get("UnitFileState", ""),
        started=time("ActiveEnterTimestampMonotonic"),
        loaded=time("StateChangeTimestampMonotonic"),
        outdated=shown.get("NeedDaemonReload") == "yes",
    )


PROPERTIES = ("ActiveState", "UnitFileState", "ActiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic", "NeedDaemonReload")
UNIT_FILES = "/etc/systemd/system/"


def unit_steps(unit: Unit, published: Collection[str], times: Mapping[str, float], *, read_at_start: Collection[str], now: float, stopped: bool) -> list[str]:
    """Return what systemctl has to do so that the unit runs with its files, or is C(stopped)."""
    return stop_steps(unit, published) if stopped else start_steps(unit, published, times, read_at_start=read_at_start, now=now)


def start_steps(unit: Unit, published: Collection[str], times: Mapping[str, float], *, read_at_start: Collection[str], now: float) -> list[str]:
    """Return what systemctl has to do so that the unit is enabled and runs with its files.

    C(published) are the files that this run writes or removes, C(times) the times of all others: one that is
    younger than the unit (and not from the future) was left by a run that ended before its reload.
    """

    def unread(since: float) -> set[str]:
        return {*published, *(path for path, time in times.items() if since < time <= now)}

    at_start = {path for path in unread(unit.started) if any(fnmatchcase(path, pattern) for pattern in read_at_start)}
    return [
        *(["daemon-reload"] if _manager_reads(unit, unread(unit.loaded)) else []),
        *(["enable"] if unit.enabled in ("", "disabled") else []),
        *_load(unit, published=bool(published), at_start=bool(at_start), later=bool(unread(unit.loaded))),
    ]


def _load(unit: Unit, *, published: bool, at_start: bool, later: bool) -> list[str]:
    """Return the verb that lets the unit read its files: those that this run publishes, and those that it has not read C(at_start) or C(later)."""
    if unit.active == "activating":
        # It may have read the old files already, or die of them again and again.
        return ["restart"] if published else []
    if unit.active not in ("active", "reloading"):
        return ["start"]
    return ["restart"] if at_start else ["reload"] if later else []


def stop_steps(unit: Unit, published: Collection[str]) -> list[str]:
    """Return what systemctl has to do so that the unit neither runs nor starts at boot; its own files count to the end."""
    return [
        *(["stop"] if unit.active not in ("", "inactive", "failed") else []),
        *(["disable"] if unit.enabled == "enabled" else []),
        *(["daemon-reload"] if _manager_reads(unit, published) else []),
    ]


def _manager_reads(unit: Unit, published: Iterable[str]) -> bool:
    return unit.outdated or any(path.startswith(UNIT_FILES) for path in published)
