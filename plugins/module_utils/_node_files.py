# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of files on this node: read, publish and load them, and what they were before."""

from __future__ import annotations

import grp
import json
import os
import pwd
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from . import _commands, _file_set, _files
from ._file_set import PROPERTIES, File, Previous, Published, Step, parse_unit

# What each set held before its last change, without secrets.
PREVIOUS = Path("/var/lib/mailcluster/previous")
# As long as systemd waits for a start or a stop, and a little more (systemd-system.conf(5), DefaultTimeoutStartSec).
PATIENCE = 100.0


class FileSetError(Exception):
    """What keeps a set from being published."""


def read(path: str) -> File | None:
    """Return the file as it is, None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            content, status = stream.read(), os.fstat(stream.fileno())
    except FileNotFoundError:
        return None
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return File(content, owner, group, status.st_mode & 0o7777)


def _write(path: str, file: File) -> None:
    try:
        owner = pwd.getpwnam(file.owner).pw_uid, grp.getgrnam(file.group).gr_gid
    except KeyError as error:
        raise FileSetError(f"{path}: {error.args[0]}") from error
    _files.write(Path(path), file.content, mode=file.mode, owner=owner)


def publish(steps: Sequence[Step], desired: Iterable[str], record: Published | None) -> None:
    """Write and remove the files, and record what the set holds then; C(desired) are the paths of the whole set."""
    if steps and record:
        # Who is killed before the end leaves no record rather than a wrong one; without, the next run calls the module, which makes it.
        record.place.unlink(missing_ok=True)
    if any(step.after is None for step in steps):
        # What is removed has no time any more; until the unit has seen it, another file of the set is as young.
        for path in [path for path in desired if os.path.exists(path)][:1]:
            os.utime(path)
    for directory in {Path(step.path).parent for step in steps}:
        _files.sweep(directory)
    for step in steps:
        if step.after is None:
            os.unlink(step.path)
        else:
            _write(step.path, step.after)
    if record and _files.read(record.place) != record.text:
        _remember(record.place, record.text)


def _remember(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _files.write(place, text, mode=0o600)


def recorded() -> list[Published]:
    """Return what is recorded of each set. Raises FileSetError with the name of a record that cannot be read."""
    return [_record(path) for path in sorted(_file_set.PUBLISHED.glob("*.json"))]


def _record(path: Path) -> Published:
    try:
        return Published.from_text(_files.read(path) or "")
    except (ValueError, KeyError, TypeError) as error:
        raise FileSetError(f"{path}: not a record of file_set ({error}); the next run makes another when it is removed") from error


def unit_steps(name: str, published: set[str], read_by_unit: set[str], *, read_at_start: Sequence[str], stopped: bool = False) -> list[str]:
    """Return what systemctl has to do with a unit, by what systemd and the times of its files say."""
    shown = _commands.run("systemctl", "show", name, f"--property={','.join(PROPERTIES)}")
    unit = parse_unit(shown.stdout, boot=time.time() - time.monotonic())
    times = {path: os.stat(path).st_mtime for path in read_by_unit - published if os.path.exists(path)}
    return _file_set.unit_steps(unit, published, times, read_at_start=read_at_start, now=time.time(), stopped=stopped)


def systemctl(verb: str, unit: str) -> None:
    """Do one thing with a unit. Raises FileSetError with its last words."""
    outcome = _commands.run("systemctl", verb, *([] if verb == "daemon-reload" else [unit]), timeout=PATIENCE)
    if outcome.rc:
        said = _commands.run("journalctl", f"--unit={unit}", "--lines=5", "--output=cat", "--no-pager")
        raise FileSetError(f"systemctl {verb} {unit}: {outcome.text} The unit's last words: {said.text}")


def keep(root: str, steps: Sequence[Step], unit: str, read_at_start: Sequence[str]) -> None:
    """Remember what the files of a change were before it."""
    kept = Previous.of(root, steps, unit=unit, read_at_start=read_at_start, time=time.time())
    _remember(PREVIOUS / f"{kept.slug}.json", json.dumps(kept.as_dict()))


def kept_since(since: float) -> Iterator[Previous]:
    """Yield what was kept of each set that changed since a time, the last change first."""
    found = [Previous.from_dict(json.loads(_files.read(path) or "{}")) for path in PREVIOUS.glob("*.json")]
    yield from sorted((each for each in found if each.time >= since), key=lambda each: -each.time)


def put_back(kept: Previous, steps: Sequence[Step]) -> list[str]:
    """Publish what a set held before and let its unit read it; return what systemctl did."""
    publish(steps, [], next((each.after(steps) for each in recorded() if each.root == kept.root), None))
    done = unit_steps(kept.unit, {step.path for step in steps}, set(), read_at_start=kept.read_at_start) if kept.unit and steps else []
    for verb in done:
        systemctl(verb, kept.unit)
    (PREVIOUS / f"{kept.slug}.json").unlink(missing_ok=True)
    return done


def present(paths: Iterable[str]) -> Mapping[str, File]:
    """Return those of the files that are there."""
    return {path: found for path in paths for found in [read(path)] if found is not None}
