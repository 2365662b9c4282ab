# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files replaced whole: written aside, synced, renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Postfix programs wait until a configuration file is 2 s old before they trust it.
SETTLED = 10.0


def read(path: Path) -> str | None:
    """Return the text of ``path``, ``None`` when there is no such file, or, below /proc, no such process any more."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None


def write(path: Path, text: str, *, mode: int = 0o644, age: float = 0.0, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` atomically; ``age`` sets its time back by so many seconds, ``owner`` is uid and gid."""
    try:
        _replace(path, text, mode=mode, age=age, owner=owner)
    except OSError as error:
        # Of a full disk the system names no file, or the one aside.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, text: str, *, mode: int, age: float, owner: tuple[int, int] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=aside_prefix(path.name))
    aside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if age:
            settle(aside, age=age)
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def aside_prefix(name: str) -> str:
    """How what is made aside for ``name`` is called, so that :func:`sweep` can tell whose it is."""
    return f".{name}.{os.getpid()}."


def sweep(directory: Path, name: str = "*") -> None:
    """Remove what killed processes left aside in ``directory``: all of it, or what was made for ``name``."""
    for left in directory.glob(f".{name}.*.*"):
        owner = left.name.split(".")[-2]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def settle(path: Path, *, age: float = SETTLED) -> None:
    """Set the modification time back, or every Postfix program that reads the file stalls for 2 s."""
    past = time.time() - age
    os.utime(path, (past, past))


def link(path: Path, target: str) -> None:
    """Point the symlink ``path`` at ``target`` with one rename."""
    aside = path.with_name(aside_prefix(path.name) + "link")
    try:
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.rename(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    sync_directory(path.parent)


def discard(directory: Path) -> None:
    """Remove a directory: it is there whole under its name, or not at all."""
    aside = directory.with_name(aside_prefix(directory.name) + "gone")
    with contextlib.suppress(OSError):
        directory.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def told(error: OSError) -> str:
    """What went wrong with which file, for people."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def sync_directory(path: Path) -> None:
    """Make renames in ``path`` survive a crash."""
    sync(path)


def sync(path: Path) -> None:
    """Make what is in a file or directory survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock for the block; a killed holder leaves none behind."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
