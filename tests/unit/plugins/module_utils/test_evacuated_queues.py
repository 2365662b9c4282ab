# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queues in directories: packed on one node, unpacked on another, with a kill at every step."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _evacuation, _files, _instance
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import evacuation
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.evacuation import MESSAGES, MOVED, Evacuation
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Paths
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

NEXT_ATTEMPT = 4102444800
FILES = {
    "deferred/A/4bFz7Q2kXNz9wA": 0o700,
    "defer/A/4bFz7Q2kXNz9wA": 0o600,
    "hold/4bFz7Q2kXNz9wB": 0o700,
    "maildrop/4bFz7Q2kXNz9wC": 0o744,
    "active/4bFz7Q2kXNz9wD": 0o700,
}
UNACCEPTED = "incoming/4bFz7Q2kXNz9wE"


class KilledError(BaseException):
    """Stands for SIGKILL: nothing that catches errors catches it."""


def node(root: Path, *, files: bool) -> Paths:
    paths = Paths("postfix-mx", root)
    for name in MOVED:
        (paths.queue / name).mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    for path, mode in FILES.items() if files else ():
        target = paths.queue / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(path)
        target.chmod(mode)
        os.utime(target, (NEXT_ATTEMPT, NEXT_ATTEMPT))
    if files:
        (paths.queue / UNACCEPTED).write_text("half a mess")
        (paths.queue / UNACCEPTED).chmod(0o600)
    return paths


@pytest.fixture
def mx1(tmp_path: Path) -> Paths:
    return node(tmp_path / "mx1", files=False)


@pytest.fixture
def mx2(tmp_path: Path) -> Paths:
    return node(tmp_path / "mx2", files=True)


@pytest.fixture(autouse=True)
def _postfix_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evacuation, "_account", lambda: (os.getuid(), os.getgid()))


def pack(mx2: Paths, archive: Path, to: str = "mx1", name: str = "a" * 32) -> list[Evacuation]:
    _evacuation.apply(mx2, evacuation.fence(_evacuation.read(mx2), node="mx2", to=to, name=name), grace=0)
    marker = _evacuation.read(mx2).marker
    assert marker
    if marker.stage == evacuation.HANDED_OVER:
        return []
    _evacuation.pack(mx2.root, [marker], archive)
    return [marker]


def receive(mx1: Paths, archive: Path) -> None:
    _evacuation.unpack(archive, _evacuation.lacking([entry for entry, _count in _evacuation.contents(archive)], mx1.root), mx1.root)


def hand_over(mx2: Paths) -> None:
    _evacuation.apply(mx2, evacuation.hand_over(_evacuation.read(mx2)), grace=0)


def take_back(mx2: Paths) -> None:
    _evacuation.apply(mx2, evacuation.give_back(_evacuation.read(mx2)), grace=0)


def evacuate(mx2: Paths, mx1: Paths, archive: Path) -> None:
    if pack(mx2, archive):
        receive(mx1, archive)
        hand_over(mx2)


def held_by(paths: Paths) -> dict[str, str]:
    return {
        str(path.relative_to(paths.queue)): path.read_text()
        for name in MOVED
        for path, _status in _evacuation._walk(paths.queue / name)
        if str(path.relative_to(paths.queue)) != UNACCEPTED
    }


def brought(mx1: Paths) -> Paths:
    return Paths("postfix-mx-evacuated-mx2", mx1.root)


def test_every_accepted_message_arrives_with_its_mode_and_time_and_its_log(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    there = brought(mx1)
    assert held_by(there) == {path: path for path in FILES}
    assert {path: (there.queue / path).stat().st_mode & 0o777 for path in FILES} == FILES
    assert {(there.queue / path).stat().st_mtime for path in FILES} == {NEXT_ATTEMPT}
    assert _evacuation.arrived("mx2", mx1.root)[0].queues == {"maildrop": 1, "incoming": 0, "active": 1, "deferred": 1, "hold": 1}


def test_the_node_is_left_without_them_and_masked(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    assert held_by(mx2) == {}
    assert os.readlink(mx2.mask) == "/dev/null"


def test_a_second_run_brings_nothing(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    (brought(mx1).queue / "hold/4bFz7Q2kXNz9wB").unlink()
    evacuate(mx2, mx1, tmp_path / "archive")
    assert "hold/4bFz7Q2kXNz9wB" not in held_by(brought(mx1))


def test_received_again_after_it_was_not_written_down_it_is_there_once(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    pack(mx2, tmp_path / "archive")
    receive(mx1, tmp_path / "archive")
    receive(mx1, tmp_path / "archive")
    assert held_by(brought(mx1)) == {path: path for path in FILES}


def counted(function: Callable[..., object], left: list[int]) -> Callable[..., object]:
    """The function, until it is called for the last time that is left."""

    def call(*arguments: object, **options: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return function(*arguments, **options)

    return call


def test_killed_at_every_change_of_the_disk_each_message_is_deliverable_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = 0
    finished = False
    while not finished:
        step += 1
        place = tmp_path / str(step)
        first, second = node(place / "mx1", files=False), node(place / "mx2", files=True)
        with monkeypatch.context() as patched:
            left = [step]

            # A real one is what makes the test slow.
            patched.setattr(os, "fsync", lambda _descriptor: None)
            for owner, name in ((Path, "rename"), (Path, "mkdir"), (Path, "symlink_to"), (os, "fsync"), (os, "utime"), (os, "fchmod")):
                patched.setattr(owner, name, counted(getattr(owner, name), left))
            try:
                evacuate(second, first, place / "archive")
                finished = True
            except KilledError:
                deliverable = {} if _evacuation.read(second).marker is None else held_by(brought(first)) if handed(second) else {}
                assert deliverable in ({}, {path: path for path in FILES})
        evacuate(second, first, place / "archive")
        assert held_by(brought(first)) == {path: path for path in FILES}, step
        assert held_by(second) == {}, step
    assert step > 40


def handed(paths: Paths) -> bool:
    marker = _evacuation.read(paths).marker
    return marker is not None and marker.stage == evacuation.HANDED_OVER


def test_returned_before_it_was_handed_over_the_node_has_its_queue_again(mx2: Paths, tmp_path: Path) -> None:
    before = held_by(mx2)
    pack(mx2, tmp_path / "archive")
    take_back(mx2)
    assert held_by(mx2) == before
    assert not mx2.evacuated.exists()
    assert not mx2.mask.is_symlink()


def test_returned_afterwards_it_has_an_empty_one(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    take_back(mx2)
    assert held_by(mx2) == {}
    assert not mx2.evacuated.exists()
    assert not mx2.mask.is_symlink()


def test_taken_back_after_it_was_received_the_copy_is_never_delivered_even_if_the_other_node_kept_it(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    pack(mx2, tmp_path / "archive")
    receive(mx1, tmp_path / "archive")
    take_back(mx2)
    for path in FILES:
        (mx2.queue / path).unlink()
    pack(mx2, tmp_path / "archive", name="b" * 32)
    assert _evacuation.arrived("mx2", mx1.root, ids={"b" * 32}) == []
    assert [one.evacuation.id for one in _evacuation.arrived("mx2", mx1.root)] == ["a" * 32]


def test_what_a_node_takes_back_is_removed_from_the_other_and_can_be_evacuated_there_again(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    pack(mx2, tmp_path / "archive")
    receive(mx1, tmp_path / "archive")
    assert [entry.id for entry in _evacuation.unclaimed("mx2", {"b" * 32}, mx1.root)] == []
    assert [entry.id for entry in _evacuation.unclaimed("mx2", {"a" * 32}, mx1.root)] == ["a" * 32]
    _evacuation.forget(_evacuation.unclaimed("mx2", {"a" * 32}, mx1.root), mx1.root)
    assert not brought(mx1).queue.exists()
    take_back(mx2)
    evacuate(mx2, mx1, tmp_path / "archive")
    assert held_by(brought(mx1)) == {path: path for path in FILES}


def test_what_an_instance_delivers_is_not_removed(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    brought(mx1).config.symlink_to("mailcluster")
    with pytest.raises(ConfigError, match="has an instance that delivers it"):
        _evacuation.unclaimed("mx2", {"a" * 32}, mx1.root)


def test_a_node_that_is_busy_with_another_evacuation_refuses_before_there_is_an_archive(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    entry = Evacuation(id="a" * 32, node="mx2", instance="postfix-mx", to="")
    _evacuation.lacking([entry], mx1.root)
    with pytest.raises(ConfigError, match="an earlier evacuation brought"):
        _evacuation.lacking([replace(entry, id="b" * 32)], mx1.root)


@pytest.fixture
def late(mx2: Paths) -> Path:
    """A file that sendmail(1) still writes when the queue is packed."""
    path = mx2.evacuated / "maildrop/4bFz7Q2kXNz9wF"
    before = mx2.queue / "maildrop" / path.name
    before.write_text("half a mess")
    before.chmod(0o644)
    # So old that nobody waits for it.
    os.utime(before, (0, 0))
    return path


def test_a_message_that_was_finished_after_packing_is_not_left_behind(mx1: Paths, mx2: Paths, late: Path, tmp_path: Path) -> None:
    pack(mx2, tmp_path / "archive")
    receive(mx1, tmp_path / "archive")
    late.chmod(0o744)
    with pytest.raises(ConfigError, match="1 message was finished after it had been packed"):
        hand_over(mx2)
    evacuate(mx2, mx1, tmp_path / "archive")
    assert set(held_by(brought(mx1))) == {*FILES, f"maildrop/{late.name}"}


def test_a_message_that_was_finished_in_an_empty_queue_is_not_left_behind(mx2: Paths, late: Path) -> None:
    for path in FILES:
        (mx2.queue / path).unlink()
    _evacuation.apply(mx2, evacuation.fence(_evacuation.read(mx2), node="mx2", to="mx1", name="a" * 32), grace=0)
    late.chmod(0o744)
    with pytest.raises(ConfigError, match="1 message was finished"):
        hand_over(mx2)


def test_a_message_that_was_finished_after_handing_over_is_not_removed(mx1: Paths, mx2: Paths, late: Path, tmp_path: Path) -> None:
    evacuate(mx2, mx1, tmp_path / "archive")
    late.chmod(0o744)
    with pytest.raises(ConfigError, match="1 message was finished after it had been handed over"):
        take_back(mx2)
    late.rename(tmp_path / late.name)
    take_back(mx2)
    assert not mx2.evacuated.exists()


def test_a_message_that_is_still_being_written_is_not_removed(mx1: Paths, mx2: Paths, late: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evacuation, "_WRITING", 0.0)
    evacuate(mx2, mx1, tmp_path / "archive")
    os.utime(late)
    with pytest.raises(ConfigError, match="is still written"):
        take_back(mx2)
    assert late.exists()


@pytest.fixture
def qmgr(mx2: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A process of that name below a running master; the state that the kernel has it in."""
    (tmp_path / "qmgr").symlink_to("/bin/sleep")
    (mx2.queue / "pid").mkdir()
    # Whoever stops an instance looks for this one on the host's own disk.
    monkeypatch.setattr(_evacuation, "ROOT", mx2.root)
    master = os.getpid()
    monkeypatch.setattr(_instance, "master", lambda _paths: master)
    with (mx2.queue / "pid/master.pid").open("w") as stream, subprocess.Popen([tmp_path / "qmgr", "60"]) as process:

        def state() -> str:
            return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]

        fcntl.flock(stream, fcntl.LOCK_EX)
        yield state
        process.kill()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize(
    ("name", "error"), [pytest.param("_until", KilledError, id="while deliveries are waited for"), pytest.param("_run", ConfigError, id="systemd cannot")]
)
def test_an_instance_that_could_not_be_stopped_goes_on(
    mx2: Paths, qmgr: Callable[[], str], monkeypatch: pytest.MonkeyPatch, name: str, error: type[BaseException]
) -> None:
    seen = []

    def fail(*_arguments: object) -> None:
        seen.append(within(5, lambda: qmgr() == "T"))
        raise error("no")

    monkeypatch.setattr(_evacuation, name, fail)
    with pytest.raises(error):
        _evacuation.apply(mx2, evacuation.fence(_evacuation.read(mx2), node="mx2", to="mx1", name="a" * 32), grace=0)
    assert seen == [True]
    assert within(5, lambda: qmgr() == "S")


def test_taken_back_after_the_run_was_killed_while_it_waited_the_instance_goes_on(mx2: Paths, qmgr: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = held_by(mx2)
    plan = evacuation.fence(_evacuation.read(mx2), node="mx2", to="mx1", name="a" * 32)
    with monkeypatch.context() as patched:
        patched.setattr(_evacuation, "_until", lambda *_arguments: os._exit(9))
        # A kill that nothing catches needs a process of its own.
        if (child := os.fork()) == 0:
            _evacuation.apply(mx2, plan, grace=0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert within(5, lambda: qmgr() == "T")
    take_back(mx2)
    assert within(5, lambda: qmgr() == "S")
    assert held_by(mx2) == before


def test_a_disk_on_which_a_postfix_of_this_host_still_runs_is_refused(mx2: Paths) -> None:
    (mx2.queue / "pid").mkdir()
    with (mx2.queue / "pid/master.pid").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="still runs on this queue"):
            _evacuation.read(mx2)


def archive_of(path: Path, members: dict[str, str], files: int) -> Path:
    entry = Evacuation(id="a" * 32, node="mx2", instance="postfix-mx", to="mx1")
    with tarfile.open(path, "w") as tar:
        for name, text in {evacuation.MANIFEST: evacuation.manifest([(entry, files)]), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({}, "has 0 files of postfix-mx instead of 1", id="one is missing"),
        pytest.param({"postfix-mx/../../etc/cron.d/evil": "x"}, "is no file of a queue", id="one leads elsewhere"),
        pytest.param({"postfix-mx/hold/4bFz7Q2kXNz9wB": "x", "postfix-mx/hold/4bFz7Q2kXNz9wC": "x"}, "has 2 files", id="one too many"),
    ],
)
def test_an_archive_that_is_not_what_it_says_leaves_nothing(mx1: Paths, tmp_path: Path, members: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        receive(mx1, archive_of(tmp_path / "archive", members, 1))
    assert sorted(path.name for path in (mx1.root / "var/spool").iterdir()) == ["postfix-mx"]


def test_an_archive_that_ends_early_is_refused(mx1: Paths, mx2: Paths, tmp_path: Path) -> None:
    pack(mx2, tmp_path / "archive")
    whole = (tmp_path / "archive").read_bytes()
    (tmp_path / "archive").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ConfigError):
        receive(mx1, tmp_path / "archive")
    assert not brought(mx1).queue.exists()


def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_nothing_aside(mx2: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    pack(mx2, tmp_path / "first")
    monkeypatch.setattr(_evacuation.os, "fsync", full)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(OSError, match="No space left") as caught:
        pack(mx2, tmp_path / "scratch/archive")
    assert _files.told(caught.value) == f"{tmp_path}/scratch/archive: No space left on device"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_counts_are_of_accepted_messages_only(mx2: Paths) -> None:
    assert _evacuation.read(mx2).messages == {**dict.fromkeys(MESSAGES, 1), "incoming": 0}


def test_what_is_put_off_is_tried_again_and_what_is_held_is_not_waited_for(mx2: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, ...]] = []

    def flush(*command: str) -> None:
        tried.append(command)
        if len(tried) == 3:
            for name in ("deferred/A/4bFz7Q2kXNz9wA", "maildrop/4bFz7Q2kXNz9wC", "active/4bFz7Q2kXNz9wD", UNACCEPTED):
                (mx2.queue / name).unlink()

    monkeypatch.setattr(_evacuation, "_run", flush)
    monkeypatch.setattr(_evacuation, "_AGAIN", 0.01)
    monkeypatch.setattr(_evacuation, "_POLL", 0.01)
    _evacuation.deliver(["postfix-mx"], 30, mx2.root)
    assert tried == [("postqueue", "-c", str(mx2.config), "-f")] * 3
    assert list(held_by(mx2)) == ["hold/4bFz7Q2kXNz9wB", "defer/A/4bFz7Q2kXNz9wA"]
