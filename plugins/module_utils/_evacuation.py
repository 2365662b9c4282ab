# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of a node on its way to another one: fence it, pack it, unpack it there, see it delivered."""

from __future__ import annotations

import contextlib
import io
import os
import pwd
import shutil
import signal
import stat
import tarfile
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from . import _commands, _files, _instance
from ._postfix import evacuation
from ._postfix.evacuation import LOGS, MANIFEST, MESSAGES, MOVED, Evacuation, Source, SourcePlan
from ._postfix.instance import Paths
from ._postfix.lines import ConfigError

ROOT = Path("/")
_MASK = "/dev/null"
_RECEIVED = "received"
# A sendmail(1) that was writing while the instance was stopped may take so many seconds to finish.
_WRITING = 5.0
_POLL = 0.25
# First pause between two attempts to deliver all of it.
_AGAIN = 2.0


# -- on the node, or on its disk


def read(paths: Paths) -> Source:
    """Look at a queue. Raises ConfigError."""
    if paths.root != ROOT and paths.queue.is_symlink():
        raise ConfigError("is a link, which leads out of the disk", file=str(paths.queue))
    held = _held(paths.queue / "pid/master.pid")
    if held and paths.root != ROOT:
        raise ConfigError("a Postfix of this host still runs on this queue", file=str(paths.queue))
    marker = evacuation.parse(_files.read(paths.evacuated / MANIFEST), file=str(paths.evacuated / MANIFEST))
    present, aside = ({name: _messages(place / name) for name in MOVED if (place / name).is_dir()} for place in (paths.queue, paths.evacuated))
    return Source(
        instance=paths.name,
        marker=marker,
        running=held,
        masked=_masked(paths),
        present=present,
        aside=aside,
    )


def _held(lock: Path) -> bool:
    """Whether a master(8) of this kernel runs on the queue: it locks its file for as long as it lives."""
    import fcntl

    try:
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _masked(paths: Paths) -> bool | None:
    if not paths.mask.parent.is_dir():
        return None
    return paths.mask.is_symlink() and os.readlink(paths.mask) == _MASK


def _messages(place: Path) -> int:
    return sum(1 for _path, status in _walk(place) if evacuation.complete(status.st_mode))


def _walk(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for directory, _subdirectories, names in os.walk(place):
        for name in names:
            path = Path(directory, name)
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield path, status


def apply(paths: Paths, plan: SourcePlan, *, grace: float) -> None:
    """Carry out a plan; killed anywhere, the next run finds what is left to do."""
    _files.sweep(paths.queue, paths.evacuated.name)
    if plan.resume:
        # A run that was killed while it waited has left it stopped.
        _signal(_managers(paths), signal.SIGCONT)
    if plan.mark:
        paths.evacuated.mkdir(mode=0o700, exist_ok=True)
        _files.write(paths.evacuated / MANIFEST, evacuation.render(plan.mark), mode=0o600)
    if plan.stop:
        _stop(paths, grace)
    if plan.mask:
        _files.link(paths.mask, _MASK)
        _reload_systemd(paths)
    if plan.move:
        if _held(paths.queue / "pid/master.pid"):
            raise ConfigError("master still runs", subject=paths.name)
        _move(paths.queue, paths.evacuated, plan.move)
        _wait_for_writers(paths.evacuated / "maildrop")
    _move(paths.evacuated, paths.queue, plan.put_back)
    if plan.discard:
        if not _wait_for_writers(paths.evacuated / "maildrop"):
            raise ConfigError("is still written by a sendmail: run this again when that has ended", file=str(paths.evacuated / "maildrop"))
        _files.discard(paths.evacuated)
    if plan.unmask:
        paths.mask.unlink()
        _reload_systemd(paths)


def _reload_systemd(paths: Paths) -> None:
    if paths.root == ROOT:
        _run("systemctl", "daemon-reload")


def _run(*command: str) -> None:
    outcome = _commands.run(*command)
    if outcome.rc:
        raise ConfigError(outcome.text, subject=" ".join(command))


def _move(origin: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        (origin / name).rename(target / name)
    if names:
        _files.sync_directory(target)
        _files.sync_directory(origin)


def _stop(paths: Paths, grace: float) -> None:
    """Stop the instance when no delivery is under way: one that is cut off after the last dot would be made twice."""
    managers = _managers(paths)
    try:
        _signal(managers, signal.SIGSTOP)
        # The manager hands nothing out any more, and an agent locks the file it delivers.
        _until(lambda: not any(_held(path) for path, _status in _walk(paths.queue / "active")), grace)
        _run("systemctl", "stop", paths.service)
    except BaseException:
        _signal(managers, signal.SIGCONT)
        raise


def _managers(paths: Paths) -> set[int]:
    return _instance.children(_instance.master(paths), "qmgr")


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _wait_for_writers(maildrop: Path) -> bool:
    recent = time.time() - 60
    return _until(lambda: not any(status.st_mtime > recent and not evacuation.complete(status.st_mode) for _path, status in _walk(maildrop)), _WRITING)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def pack(root: Path, entries: Sequence[Evacuation], archive: Path) -> None:
    """Write the queues that were moved aside into one file, and down how much it holds. Raises OSError."""
    _files.sweep(archive.parent, archive.name)
    handle, name = tempfile.mkstemp(dir=archive.parent, prefix=_files.aside_prefix(archive.name))
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            packed = _write_archive(root, entries, stream)
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(archive)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, error.filename or str(archive)) from error
    _files.sync_directory(archive.parent)
    for entry, messages in packed:
        _files.write(Paths(entry.instance, root).evacuated / MANIFEST, evacuation.render(replace(entry, packed=messages)), mode=0o600)


def _write_archive(root: Path, entries: Sequence[Evacuation], stream: IO[bytes]) -> list[tuple[Evacuation, int]]:
    """How many messages of each it holds."""
    queues = [(entry, _packed(Paths(entry.instance, root).evacuated)) for entry in entries]
    # A stream has no list of its members: ten thousand of them need no memory.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        text = evacuation.manifest([(entry, len(files)) for entry, files in queues]).encode()
        first = tarfile.TarInfo(MANIFEST)
        first.size = len(text)
        tar.addfile(first, io.BytesIO(text))
        for entry, files in queues:
            place = Paths(entry.instance, root).evacuated
            owner = _owner(place)
            for path in files:
                with open(os.open(place / path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
                    member = tar.gettarinfo(arcname=f"{entry.instance}/{path}", fileobj=source)
                    # Numbers differ between nodes: what belongs to Postfix is named.
                    member.uname, member.gname = "postfix" if member.uid == owner else "", ""
                    member.mtime = int(member.mtime)
                    tar.addfile(member, source)
                tar.members = []  # type: ignore[attr-defined]
    return [(entry, sum(evacuation.queue_of(path) in MESSAGES for path in files)) for entry, files in queues]


def _packed(place: Path) -> list[str]:
    """Every message that was accepted, and what is known of it, by its path in the queue directory."""
    found = [str(path.relative_to(place)) for name in MOVED for path, status in _walk(place / name) if name in LOGS or evacuation.complete(status.st_mode)]
    for path in found:
        evacuation.queue_of(path)
    return sorted(found)


def _owner(place: Path) -> int:
    return next(((place / name).stat().st_uid for name in ("incoming", "active", "deferred") if (place / name).is_dir()), -1)


# -- on the other node


@dataclass(frozen=True)
class Arrived:
    """A queue that was brought here, and what waits in it."""

    evacuation: Evacuation
    queues: Mapping[str, int]


def arrived(node: str, root: Path = ROOT, ids: Collection[str] | None = None) -> list[Arrived]:
    """What is here of a node, whether or not its instance runs yet: all, or what evacuations of these ids brought."""
    found = []
    for marker in sorted((root / "var/spool").glob(f"*/{_RECEIVED}")):
        entry = evacuation.parse(_files.read(marker), file=str(marker))
        if entry and entry.node == node and entry.temporary == marker.parent.name and (ids is None or entry.id in ids):
            sizes = _instance.queue_sizes(marker.parent)
            found.append(Arrived(entry, {name: sizes[name] for name in MESSAGES}))
    return found


def unclaimed(node: str, ids: Collection[str], root: Path = ROOT) -> list[Evacuation]:
    """What is here of a node that takes it back. Raises ConfigError when it is the one to be delivered."""
    found = [one.evacuation for one in arrived(node, root, ids)]
    for entry in found:
        if _delivered(Paths(entry.temporary, root)):
            raise ConfigError("has an instance that delivers it", subject=entry.temporary)
    return found


def forget(entries: Sequence[Evacuation], root: Path = ROOT) -> None:
    """Remove what was received and is another node's again."""
    for entry in entries:
        _files.discard(Paths(entry.temporary, root).queue)


def _delivered(paths: Paths) -> bool:
    """Whether a Postfix has, or had, the queue."""
    return os.path.lexists(paths.config)


def contents(archive: Path) -> list[tuple[Evacuation, int]]:
    """Whose queues are in an archive. Raises ConfigError."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return _first(tar)
    except tarfile.TarError as error:
        raise ConfigError(str(error), file=str(archive)) from error


def _first(tar: tarfile.TarFile) -> list[tuple[Evacuation, int]]:
    member = tar.next()
    if member is None or member.name != MANIFEST:
        raise ConfigError("does not begin with what is in it", file=MANIFEST)
    return evacuation.from_manifest(cast("IO[bytes]", tar.extractfile(member)).read().decode())


def lacking(entries: Sequence[Evacuation], root: Path = ROOT) -> list[Evacuation]:
    """Those of an archive that are still to be unpacked. Raises ConfigError."""
    missing = []
    for entry in entries:
        paths = Paths(entry.temporary, root)
        here = evacuation.parse(_files.read(paths.queue / _RECEIVED), file=str(paths.queue / _RECEIVED))
        if evacuation.to_receive(entry, here, exists=paths.queue.exists(), delivered=_delivered(paths)):
            missing.append(entry)
    return missing


def unpack(archive: Path, entries: Sequence[Evacuation], root: Path = ROOT) -> None:
    """Make the queues of an archive: each is there whole under its name, or not at all. Raises ConfigError."""
    asides: dict[str, Path] = {}
    counts = dict.fromkeys((entry.instance for entry in entries), 0)
    try:
        for entry in entries:
            queue = Paths(entry.temporary, root).queue
            _files.sweep(queue.parent, queue.name)
            asides[entry.instance] = Path(tempfile.mkdtemp(dir=queue.parent, prefix=_files.aside_prefix(queue.name)))
            _make_queues(asides[entry.instance], Paths(evacuation.model(entry.instance), root).queue)
        with tarfile.open(archive, "r:") as tar:
            expected = {entry.instance: files for entry, files in _first(tar)}
            while member := tar.next():
                instance, _slash, path = member.name.partition("/")
                if instance in asides:
                    _unpack(tar, member, asides[instance], path)
                    counts[instance] += 1
                tar.members = []  # type: ignore[attr-defined]
        for entry in entries:
            if counts[entry.instance] != expected[entry.instance]:
                raise ConfigError(f"has {counts[entry.instance]} files of {entry.instance} instead of {expected[entry.instance]}", file=str(archive))
        for entry in entries:
            _settle(entry, asides[entry.instance], Paths(entry.temporary, root).queue)
    except tarfile.TarError as error:
        raise ConfigError(str(error), file=str(archive)) from error
    finally:
        for aside in asides.values():
            shutil.rmtree(aside, ignore_errors=True)


def _settle(entry: Evacuation, aside: Path, queue: Path) -> None:
    """See everything on the disk before the queue gets its name."""
    for directory, _subdirectories, names in os.walk(aside):
        for name in names:
            with open(Path(directory, name), "rb") as stream:
                os.fsync(stream.fileno())
        _files.sync_directory(Path(directory))
    _files.write(aside / _RECEIVED, evacuation.render(entry), mode=0o600)
    # What an earlier try brought may lack what was packed since.
    _files.discard(queue)
    aside.rename(queue)
    _files.sync_directory(queue.parent)


def _make_queues(place: Path, like: Path) -> None:
    """Queues with the owners and modes of those beside them: what this node's Postfix is, its own queue shows."""
    place.chmod(0o755)
    for name in MOVED:
        try:
            status = (like / name).stat()
        except FileNotFoundError as error:
            raise ConfigError("this node has no such queue: it is no member of the tier", file=str(like / name)) from error
        (place / name).mkdir()
        os.chown(place / name, status.st_uid, status.st_gid)
        (place / name).chmod(stat.S_IMODE(status.st_mode))


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path, path: str) -> None:
    name = evacuation.queue_of(path)
    if not member.isreg():
        raise ConfigError("is no file", file=member.name)
    queue, target = place / name, place / path
    above = queue.stat()
    for parent in reversed(target.relative_to(place).parents[:-2]):
        with contextlib.suppress(FileExistsError):
            (place / parent).mkdir(mode=0o700)
            os.chown(place / parent, above.st_uid, above.st_gid)
    uid, gid = _account()
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        shutil.copyfileobj(cast("IO[bytes]", tar.extractfile(member)), stream)
        os.fchown(stream.fileno(), uid if member.uname == "postfix" else member.uid, above.st_gid if name == "maildrop" else gid)
        os.fchmod(stream.fileno(), stat.S_IMODE(member.mode) & 0o755)
    # Postfix keeps the time of the next attempt there.
    os.utime(target, (member.mtime, member.mtime))


def _account() -> tuple[int, int]:
    try:
        account = pwd.getpwnam("postfix")
    except KeyError as error:
        raise ConfigError("postfix is not installed") from error
    return account.pw_uid, account.pw_gid


def deliver(instances: Sequence[str], seconds: float, root: Path = ROOT) -> None:
    """Try all of it now, and again at growing intervals, and wait until nothing is left but what is held."""
    places = [Paths(name, root) for name in instances]

    def left(queues: Sequence[str]) -> list[Paths]:
        return [paths for paths in places if any(_instance.queue_sizes(paths.queue)[queue] for queue in queues)]

    unheld = [name for name in MESSAGES if name != "hold"]
    deadline, pause = time.monotonic() + seconds, _AGAIN
    while waiting := left(unheld):
        for paths in waiting:
            _run("postqueue", "-c", str(paths.config), "-f")
        # What a busy mailbox puts off need not wait for the next run of the queue.
        soon = min(time.monotonic() + pause, deadline)
        _until(lambda: not left(unheld), soon - time.monotonic())
        if time.monotonic() >= deadline:
            return
        pause *= 2
