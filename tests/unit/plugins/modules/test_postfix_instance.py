# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over a node of files alone: systemd, Postfix and the probe are played."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _files, _instance, _probe
from ansible_collections.mailcluster.postfix.plugins.module_utils._commands import Outcome
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, main_cf, master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Paths
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.values import _ESSENTIAL
from ansible_collections.mailcluster.postfix.plugins.modules import postfix_instance

SERVICES = [
    # Of a program that demands nothing of its line.
    *({"service": name, "type": "unix", "command": "error"} for name in _ESSENTIAL),
    {"service": "10025", "type": "inet", "command": "smtpd"},
]
BAD = "will not serve"


class Killed(BaseException):
    """The run ends here, without a chance to clean up."""


def kill(*_arguments: object, **_named: object) -> Any:
    raise Killed


class Node:
    """A host under a temporary root. ``running`` is what master(8) has loaded.

    So many of the jobs for systemd as ``merged`` says are taken for one that is under way.
    While ``throttled``, master(8) starts no daemon again, whatever it has loaded since; ``said`` is in the log.
    """

    def __init__(self, root: Path) -> None:
        self.paths = Paths("postfix-mx", root=root)
        self.running = ""
        self.throttled = False
        self.said = ""
        self.deprecated = ""
        self.merged = 0
        self.commands: list[tuple[str, ...]] = []
        self.installed = True
        main = self.paths.default_main
        main.parent.mkdir(parents=True)
        main.write_text("compatibility_level = 3.6\n")

    def run(self, *command: str, timeout: float = 0.0) -> Outcome:
        self.commands.append(command)
        if command[0] == "systemctl":
            self._systemctl(command[1])
        elif command[0] == "postmap" and "-q" not in command:
            kind, _colon, source = command[-1].partition(":")
            Path(f"{source}.{kind}").write_text("product of " + Path(source).read_text())
        elif command[0] == "journalctl":
            return Outcome(0, self.said, "")
        elif command[:2] == ("postconf", "-m"):
            return Outcome(0, "lmdb\ntexthash\n", "")
        elif command[0] == "postconf" and command[-1] == "-n":
            return Outcome(0, "", f"postconf: {self.deprecated}\n" if self.deprecated else "")
        return Outcome(0, "", "")

    def _systemctl(self, verb: str) -> None:
        if verb in ("restart", "reload-or-restart") and self.merged:
            self.merged -= 1
        elif verb in ("start", "restart", "reload-or-restart"):
            target = os.readlink(self.paths.config)
            self.paths.loaded.parent.mkdir(parents=True, exist_ok=True)
            self.paths.loaded.write_text(target + "\n")
            self.running = Path(target).name
            self.throttled = self.bad or (self.throttled and verb == "reload-or-restart")
        elif verb == "stop":
            self.running = ""
        elif verb == "enable":
            self.paths.enabled.parent.mkdir(parents=True, exist_ok=True)
            self.paths.enabled.symlink_to(self.paths.unit)
        elif verb == "disable":
            self.paths.enabled.unlink()

    def probe(self, *_arguments: object, **_named: object) -> tuple[list[str], list[str]]:
        return ([BAD] if self.bad or self.throttled else []), []

    @property
    def bad(self) -> bool:
        return "smtpd_banner = bad" in (self.paths.generations / self.running / "main.cf").read_text()

    @property
    def active(self) -> str:
        return Path(os.readlink(self.paths.config)).name

    def call(self, *, check_mode: bool = False, **parameters: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in postfix_instance.ARGUMENTS.items()}
        given = {**defaults, "name": "postfix-mx", "services": SERVICES, **parameters}
        given["data"] = [{"type": "lmdb", "src": None, "mode": None, "secret": False, "state": "present", **entry} for entry in given["data"]]
        module = SimpleNamespace(params=given, check_mode=check_mode, warn=lambda _text: None)
        function = postfix_instance.absent if given["state"] == "absent" else postfix_instance.present
        return function(module, self.paths)  # type: ignore[arg-type]


def main(banner: str = "good", **more: Any) -> dict[str, Any]:
    return {"smtpd_banner": banner, "smtpd_relay_restrictions": "reject", **more}


BEFORE: dict[str, Any] = {
    "main": main(),
    "data": [{"name": "t", "content": "a b\n"}, {"name": "typed", "content": "a b\n"}, {"name": "gone", "content": "a b\n"}],
}
# By reload, and by stop and start; a table changes its content, one its type, one goes.
AFTER: dict[str, dict[str, Any]] = {
    load: {
        "main": main("better", **more),
        "data": [
            {"name": "t", "content": "a c\n"},
            {"name": "typed", "content": "a b\n", "type": "cdb"},
            {"name": "gone", "content": None, "state": "absent"},
        ],
    }
    for load, more in (("reload", {}), ("restart", {"inet_protocols": "ipv4"}))
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(_commands, "run", made.run)
    monkeypatch.setattr(_commands, "installed", lambda _program: made.installed)
    monkeypatch.setattr(_probe, "probe", made.probe)
    monkeypatch.setattr(_instance, "master", lambda _paths: 1 if made.running else 0)
    monkeypatch.setattr(_instance, "_held", lambda _host, _port: False)
    monkeypatch.setattr(_instance.pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=os.getuid(), pw_gid=os.getgid()))
    return made


def test_a_first_run_starts_and_a_second_changes_nothing(node: Node) -> None:
    assert node.call(main=main())["load"] == "start"
    node.commands.clear()
    second = node.call(main=main())
    assert (second["changed"], second["diff"], node.commands) == (False, [], [])


def test_what_is_of_this_node_only_is_named(node: Node) -> None:
    own = {"service": "10026", "type": "inet", "command": "smtpd"}
    assert node.call(main=main(), local={"myhostname": "mx1.test"}, local_services=[own])["per_node"] == ["myhostname", "10026/inet"]


def test_what_postconf_says_of_a_parameter_is_returned_when_it_is_new(node: Node) -> None:
    node.deprecated = "warning: support for parameter smtpd_use_tls will be removed; instead, specify smtpd_tls_security_level"
    first, second = (node.call(main=main(smtpd_use_tls="no"))["deprecated"] for _time in (1, 2))
    assert (first, second) == ([node.deprecated], [])


def test_check_mode_changes_no_file(node: Node, tmp_path: Path) -> None:
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    result = node.call(main=main(), data=[{"name": "t", "content": "a b\n"}], check_mode=True)
    assert result["changed"]
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_check_mode_says_what_it_cannot_validate_without_postfix(node: Node) -> None:
    node.installed = False
    assert "postfix is not installed yet" in node.call(main=main(), check_mode=True)["unvalidated"][0]


def test_without_postfix_nothing_is_activated(node: Node) -> None:
    node.installed = False
    with pytest.raises(ConfigError, match="postfix is not installed"):
        node.call(main=main())
    assert not node.paths.home.exists()


def test_a_parameter_is_changed_by_a_reload(node: Node) -> None:
    node.call(main=main())
    assert node.call(main=main("better"))["load"] == "reload"
    assert node.running == node.active


def test_a_configuration_that_is_refused_leaves_the_old_one_alone(node: Node) -> None:
    old = node.call(main=main())["generation"]
    with pytest.raises(ConfigError, match="must be one of empty, none, may, encrypt, not 'mya'"):
        node.call(main=main(smtpd_tls_security_level="mya"))
    assert (node.active, node.running, os.listdir(node.paths.generations)) == (old, old, [old])


def test_a_configuration_that_does_not_serve_is_taken_back(node: Node) -> None:
    old = node.call(main=main())["generation"]
    with pytest.raises(ConfigError, match=f"{BAD}.*Generation {old} is back and serves"):
        node.call(main=main("bad"))
    assert (node.active, node.running, os.listdir(node.paths.generations)) == (old, old, [old])
    assert not node.call(main=main())["changed"]


def test_a_first_configuration_that_does_not_serve_leaves_nothing_active(node: Node) -> None:
    with pytest.raises(ConfigError, match="There is no previous generation; the instance is stopped"):
        node.call(main=main("bad"))
    assert (node.running, node.paths.config.is_symlink()) == ("", False)


def leave_broken(node: Node) -> None:
    """A run is killed when it has seen that its configuration does not serve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_instance, "_go_back", kill)
        with pytest.raises(Killed):
            node.call(main=main("bad"))


def test_what_was_killed_before_it_could_be_taken_back_is_never_gone_back_to(node: Node) -> None:
    old = node.call(main=main())["generation"]
    leave_broken(node)
    broken = node.active
    with pytest.raises(ConfigError, match=f"Generation {old} is back and serves"):
        node.call(main=main("bad as well"))
    with pytest.raises(ConfigError, match="there is no generation 'previous'"):
        node.call(generation="previous")
    assert broken not in _instance.proven(node.paths)


@pytest.mark.parametrize("load", AFTER)
def test_a_job_that_is_taken_for_one_under_way_is_repeated(node: Node, load: str) -> None:
    node.call(**BEFORE)
    node.merged = 1
    made = node.call(**AFTER[load])
    assert (made["load"], node.running) == (load, made["generation"])
    assert not node.call(**AFTER[load])["changed"]


def test_a_run_that_was_killed_before_the_rename_leaves_no_trace(node: Node) -> None:
    node.call(main=main())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_files, "link", kill)
        with pytest.raises(Killed):
            node.call(main=main("better"))
    node.call(main=main(), data=[{"name": "t", "content": "a b\n"}])
    assert not node.paths.journal.exists()


def test_the_one_before_is_served_again_after_one_that_was_never_seen_serving(node: Node) -> None:
    old = node.call(main=main())["generation"]
    leave_broken(node)
    assert node.call(main=main())["load"] == "restart"
    assert (node.active, node.running, node.throttled) == (old, old, False)


@pytest.mark.parametrize("said", ["master[1]: warning: smtpd: bad command startup -- throttling", "smtpd[2]: fatal: Invalid TLS level"])
def test_a_daemon_that_died_before_the_change_is_no_fault_of_the_new_configuration(node: Node, said: str) -> None:
    node.call(main=main())
    node.throttled, node.said = True, f"Jan 01 00:00:00 mx postfix-mx/{said}\n"
    new = node.call(main=main("better"))
    assert (new["load"], node.running, node.throttled) == ("reload", new["generation"], False)


def test_what_died_under_an_earlier_master_is_not_asked_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call(main=main())
    pid = node.paths.queue / "pid/master.pid"
    pid.parent.mkdir(parents=True)
    pid.touch()
    os.utime(pid, (4e9, 4e9))
    monkeypatch.setattr(_instance, "_go_back", lambda *_arguments: "")
    monkeypatch.setattr(_instance, "log", lambda _paths, since, until=None: seen.append((since, until)) or [])
    seen: list[tuple[float, float | None]] = []
    with pytest.raises(ConfigError, match=BAD):
        node.call(main=main("bad"))
    assert seen[0][0] == 4e9


def test_a_configuration_is_started_afresh_for_no_other_fault(node: Node) -> None:
    node.call(main=main())
    node.throttled = True
    with pytest.raises(ConfigError, match=BAD):
        node.call(main=main("better"))


def test_an_edit_by_hand_is_repaired(node: Node) -> None:
    made = node.call(main=main())["generation"]
    path = node.paths.generations / made / "main.cf"
    path.write_text(path.read_text() + "relayhost = evil\n")
    (path.parent / "stray").write_text("x")
    assert node.call(main=main())["steps"][0] == f"repair generation {made}"
    assert (path.parent / "stray").exists() is False
    assert not node.call(main=main())["changed"]


def test_previous_goes_back_and_touches_no_data(node: Node) -> None:
    old = node.call(main=main())["generation"]
    node.call(main=main("better"), data=[{"name": "t", "content": "a b\n"}])
    os.utime(node.paths.generations / old, (1, 1))
    os.utime(node.paths.generations / node.active, (2, 2))
    assert node.call(generation="previous")["generation"] == old
    assert (node.active, (node.paths.data / "t").read_text()) == (old, "a b\n")


def test_a_generation_that_is_not_there_is_refused(node: Node) -> None:
    made = node.call(main=main())["generation"]
    with pytest.raises(ConfigError, match=f"there is no generation '0-0'; there are {made}"):
        node.call(generation="0-0")


def test_only_the_last_generations_stay(node: Node) -> None:
    for number in range(5):
        last = node.call(main=main(f"number {number}"), keep=3)["generation"]
    kept = os.listdir(node.paths.generations)
    assert (len(kept), last in kept) == (3, True)


def test_data_is_published_without_a_reload(node: Node) -> None:
    node.call(main=main())
    result = node.call(main=main(), data=[{"name": "t", "content": "a b\n", "secret": True}])
    assert (result["steps"], result["load"]) == (["publish data table t"], "")
    assert [(node.paths.data / name).stat().st_mode & 0o777 for name in ("t", "t.lmdb")] == [0o600, 0o600]


def test_a_secret_is_neither_in_the_diff_nor_in_the_returned_parameters(node: Node) -> None:
    parameters = [{"name": "t", "content": "user password\n", "secret": True}]
    result = node.call(main=main(), data=parameters)
    assert "password" not in str(result)


def test_a_data_table_that_shall_go_goes_with_its_product(node: Node) -> None:
    node.call(main=main(), data=[{"name": "t", "content": "a b\n"}])
    node.call(main=main(), data=[{"name": "t", "content": None, "state": "absent"}])
    assert os.listdir(node.paths.data) == []


def test_ordinary_users_may_name_the_instance_until_it_is_gone(node: Node) -> None:
    node.call(main=main())
    assert main_cf.parameters(node.paths.default_main.read_text())["alternate_config_directories"] == str(node.paths.config)
    node.call(state="absent")
    assert "alternate_config_directories" not in main_cf.parameters(node.paths.default_main.read_text())


def test_removal_is_refused_while_mail_is_queued(node: Node) -> None:
    node.call(main=main())
    (node.paths.queue / "deferred/A").mkdir(parents=True)
    (node.paths.queue / "deferred/A/message").write_text("x")
    with pytest.raises(ConfigError, match="holds 1 message: deliver or evacuate first"):
        node.call(state="absent")
    assert node.running


def test_removal_leaves_nothing_and_is_done_once(node: Node) -> None:
    node.call(main=main())
    assert node.call(state="absent")["changed"]
    assert not any(os.path.lexists(path) for path in (node.paths.config, node.paths.home, node.paths.queue, node.paths.state, node.paths.enabled))
    assert not node.call(state="absent")["changed"]


def test_a_second_role_cannot_claim_the_instance(node: Node) -> None:
    node.call(main=main(), owner="mx")
    with pytest.raises(ConfigError, match="belongs to mx on this host, relay cannot claim it too"):
        node.call(main=main("other"), owner="relay")


def test_a_directory_of_somebody_else_is_not_replaced(node: Node) -> None:
    node.paths.config.mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not a symlink"):
        node.call(main=main())


def test_another_queue_directory_is_refused(node: Node) -> None:
    with pytest.raises(ConfigError, match=r"main\.cf: queue_directory: must be"):
        node.call(main=main(queue_directory="/var/spool/postfix"))


def _killing(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Raise before and after the ``at``-th operation; returns how many there were."""
    count = 0

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise Killed
            result = function(*arguments, **named)
            count += 1
            if count == at:
                raise Killed
            return result

        return call

    for owner, name in ((_files, "write"), (_files, "link"), (_commands, "run"), (Path, "rename"), (Path, "unlink"), (os, "chown")):
        monkeypatch.setattr(owner, name, wrapped(getattr(owner, name)))
    return lambda: count


OPERATIONS = 80


@pytest.mark.parametrize("load", AFTER)
def test_every_operation_of_a_run_is_a_place_to_be_killed(node: Node, load: str) -> None:
    node.call(**BEFORE)
    with pytest.MonkeyPatch.context() as patch:
        counted = _killing(patch, 0)
        assert node.call(**AFTER[load])["load"] == load
    assert OPERATIONS - 20 < counted() <= OPERATIONS


@pytest.mark.parametrize("load", AFTER)
@pytest.mark.parametrize("at", range(1, OPERATIONS + 1))
def test_a_killed_run_is_finished_by_the_next(node: Node, load: str, at: int) -> None:
    old = node.call(**BEFORE)["generation"]
    with pytest.MonkeyPatch.context() as patch:
        _killing(patch, at)
        try:
            new = node.call(**AFTER[load])["generation"]
        except Killed:
            new = ""
    served = node.paths.generations / node.active
    assert sorted(name for name in os.listdir(served) if not name.startswith(".")) == ["main.cf", "master.cf"]
    assert node.running in (old, node.active)
    looked_up = {"t.lmdb", "typed.lmdb", "gone.lmdb"} if node.running == old else {"t.lmdb", "typed.cdb"}
    assert looked_up <= set(os.listdir(node.paths.data))
    finished = node.call(**AFTER[load])["generation"]
    assert new in ("", finished)
    assert (node.active, node.running, (node.paths.data / "t.lmdb").read_text()) == (finished, finished, "product of a c\n")
    assert sorted(os.listdir(node.paths.data)) == ["t", "t.lmdb", "typed", "typed.cdb"]
    assert not node.paths.journal.exists()
    assert not node.call(**AFTER[load])["changed"]


def test_a_configuration_that_is_taken_back_finds_its_tables(node: Node) -> None:
    node.call(**BEFORE)
    with pytest.raises(ConfigError, match="is back and serves"):
        node.call(**{**AFTER["reload"], "main": main("bad")})
    assert {"typed.lmdb", "gone.lmdb"} <= set(os.listdir(node.paths.data))


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_killed_run_left_in_foreign_directories_goes(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    node.call(main=main("before"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    paths = node.paths
    places = {paths.config: "link", paths.unit: "x", paths.default_main: "x", tmp_path / "etc/postfix/other": "x"}
    if state == "present":
        places[tmp_path / "tmp/postfix-mx"] = "x"
    left = [place.with_name(f".{place.name}.99999999.{end}") for place, end in places.items()]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(tmp_path)
    (tmp_path / "tmp").mkdir(exist_ok=True)
    node.call(main=main(), state=state)
    assert [path.name for path in left if path.is_symlink()] == [".other.99999999.x"]


def test_a_second_run_that_had_to_wait_takes_what_the_first_one_made(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call(main=main())
    held = _files.locked

    @contextlib.contextmanager
    def locked(path: Path) -> Iterator[None]:
        monkeypatch.setattr(_files, "locked", held)
        first = node.call(main=main("better"))
        inode = (node.paths.generations / first["generation"]).stat().st_ino
        with held(path):
            yield
        assert (node.paths.generations / first["generation"]).stat().st_ino == inode

    monkeypatch.setattr(_files, "locked", locked)
    assert node.call(main=main("better"))["changed"] is False


def test_listeners_of_a_run_beside_it_are_not_those_of_another_program(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call(main=main())
    wanted = {"main": main("better"), "services": [*SERVICES, {"service": "10026", "type": "inet", "command": "smtpd"}]}
    read = _instance.read

    def overtaken(*arguments: Any) -> Any:
        before = read(*arguments)
        monkeypatch.setattr(_instance, "read", read)
        assert node.call(**wanted)["changed"] is True
        return before

    monkeypatch.setattr(_instance, "read", overtaken)
    monkeypatch.setattr(_instance, "_held", lambda _host, port: port == 10026 and "10026" in (node.paths.config / "master.cf").read_text())
    assert node.call(**wanted)["changed"] is False


def test_a_directory_that_a_killed_run_left_to_root_is_given_to_postfix(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Path, int, int]] = []
    node.paths.state.mkdir(parents=True)
    monkeypatch.setattr(_instance.pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=os.getuid() + 1, pw_gid=7))
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((path, uid, gid)))
    node.call(main=main())
    assert given == [(node.paths.state, os.getuid() + 1, 7)]


def test_own_ports_are_free_although_it_is_unknown_what_is_loaded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call(main=main())
    node.paths.loaded.unlink()
    monkeypatch.setattr(_instance, "_held", lambda _host, _port: True)
    assert node.call(main=main("better"))["load"] == "restart"


def test_a_process_that_ends_while_it_is_looked_at_is_gone() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, Path("/proc", str(process.pid), "comm").open() as stream:
        process.kill()
        process.wait()
        with pytest.raises(ProcessLookupError):
            stream.read()
        path = SimpleNamespace(read_text=lambda **_how: stream.read())
        assert _files.read(path) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["data", "tables"])
def test_a_table_that_a_full_disk_left_without_rows_is_not_published(node: Node, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    entry = {"name": "t", "type": "lmdb"}
    old = node.call(main=main(), **{place: [{**entry, "content": "a b\nc d\n"}]})["generation"]
    run = node.run

    def empty(*command: str, timeout: float = 0.0) -> Outcome:
        return Outcome(1, "", "") if command[0] == "postmap" and "-q" in command else run(*command, timeout=timeout)

    monkeypatch.setattr(_commands, "run", empty)
    with pytest.raises(ConfigError, match=r"t, line 1: a: the compiled table does not know this key .* bytes are free"):
        node.call(main=main(), **{place: [{**entry, "content": "a b\nc e\n"}]})
    there = node.paths.data if place == "data" else node.paths.config
    assert (node.active, node.running, (there / "t.lmdb").read_text()) == (old, old, "product of a b\nc d\n")


def test_a_link_that_cannot_be_set_leaves_no_journal(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.call(main=main())

    def read_only(path: Path, _target: str) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(_files, "link", read_only)
    with pytest.raises(OSError, match="Read-only"):
        node.call(main=main("better"))
    assert not node.paths.journal.exists()


def test_what_a_full_disk_interrupts_leaves_nothing_aside(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    old = node.call(main=main())["generation"]
    write = _files.write

    def full(path: Path, text: str, **named: Any) -> None:
        if path.name == "master.cf" and node.paths.generations in path.parents:
            raise OSError(28, "No space left on device", str(path))
        write(path, text, **named)

    monkeypatch.setattr(_files, "write", full)
    with pytest.raises(OSError, match="No space left"):
        node.call(main=main("better"))
    assert (node.active, node.running, os.listdir(node.paths.generations)) == (old, old, [old])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"data": [{"name": "t", "content": "b 1\na 1\n\nA 2\n"}]}, "t, line 4: A: the key occurs twice (first on line 2)"),
        ({"data": [{"name": "t", "content": "a\n"}]}, "t, line 1: a row is a key, blanks and a value"),
        ({"tables": [{"name": "t", "type": "texthash", "content": "a 1\na 2\n"}]}, "t, line 2: a: the key occurs twice (first on line 1)"),
        ({"data": [{"name": "t", "content": None, "src": "/nonexistent/t"}]}, "data table t: /nonexistent/t does not exist"),
    ],
)
def test_a_table_that_would_not_say_what_it_seems_to_say_is_refused(node: Node, parameters: dict[str, Any], message: str) -> None:
    node.call(main=main())
    with pytest.raises(ConfigError) as caught:
        node.call(main=main(), **parameters)
    assert str(caught.value) == message
    assert os.listdir(node.paths.data) == []


@pytest.mark.parametrize(
    ("said", "placed"),
    [
        ("main.cf: unused parameter: smtpd_bannr=x", "main.cf, line 2: smtpd_bannr: unused parameter"),
        ("master.cf: unused parameter: smtpd_bannr=x", "master.cf, line 2: 10025/inet: smtpd_bannr: unused parameter"),
        ("something else", "postconf: something else"),
    ],
)
def test_a_parameter_that_postconf_does_not_know_is_named_with_its_line(said: str, placed: str) -> None:
    made = generation.build(
        main={"smtpd_bannr": "x"},
        local={},
        services=[master_cf.service({"service": "10025", "type": "inet", "command": "smtpd", "args": {"smtpd_bannr": "x"}})],
    )
    assert str(_instance._placed(said, made)) == placed
