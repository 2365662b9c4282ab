# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that ask first: their questions are run by a real sh(1), on real files, beside the module that they spare."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.mailcluster.postfix.plugins.action import file_set, nftables_table, packages, postconf, release_facts
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _file_set
from ansible_collections.mailcluster.postfix.plugins.modules import file_set as module
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import QuickAction

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "mode": "0644"}
MODULE = {"changed": True, "by": "module"}
MASTER = "smtp      inet  n       -       y       -       -       smtpd\n"


class Host:
    """A host whose sh(1) is the real one; its systemctl shows what it is told."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.root = folder / "programs", folder / "etc dir"
        self.programs.mkdir()
        self.root.mkdir()
        self.commands: list[str] = []
        self.program("systemctl", f"cat '{folder}/shown'")
        self.shown = folder / "shown"
        self.unit()

    def program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.programs / name).chmod(0o755)

    def unit(self, *, active: str = "active", enabled: str = "enabled", age: float = 60, outdated: str = "no") -> None:
        since = int((time.monotonic() - age) * 1e6)
        self.shown.write_text(
            f"ActiveState={active}\nUnitFileState={enabled}\nActiveEnterTimestampMonotonic={since}\n"
            f"StateChangeTimestampMonotonic={since}\nNeedDaemonReload={outdated}\n"
        )

    def write(self, name: str, text: str = "x\n", *, age: float = 3600, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        os.utime(path, (past := time.time() - age, past))
        return path

    def low_level(self, command: str, in_data: bytes, **_options: Any) -> dict[str, Any]:
        self.commands.append(in_data.decode())
        command = command.replace("PATH=", f"PATH={self.programs}:", 1)
        done = subprocess.run(["/bin/sh", "-c", command], input=in_data, capture_output=True, check=False)
        said = {name: getattr(done, name).decode("utf-8", "surrogateescape") for name in ("stdout", "stderr")}
        return {"rc": done.returncode, **said}

    def act(self, action: type[QuickAction | release_facts.ActionModule], arguments: dict[str, Any], **task: Any) -> dict[str, Any]:
        made = action(MagicMock(args=arguments, **{"async_val": 0, "check_mode": False, **task}), MagicMock(), MagicMock(), DataLoader(), MagicMock(), None)
        made._low_level_execute_command = self.low_level
        made._execute_module = lambda **_call: MODULE
        return made.run(task_vars={})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(_file_set, "PUBLISHED", tmp_path / "published")
    _file_set.PUBLISHED.mkdir()
    made = Host(tmp_path)
    made.write("a b.conf")
    made.write("key", "hush\n", mode=0o600)
    made.write("also", "?")
    record(arguments(made))
    return made


def record(given: dict[str, Any]) -> None:
    """Record a set as the module does that has published it."""
    files = [{"content": None, "secret": None, **entry} for entry in given["files"]]
    wanted = _file_set.Wanted.of({"unit_state": "started", "read_at_start": [], **given, "files": files})
    published = _file_set.Published.of(wanted.root, wanted.files)
    published.place.write_text(published.text)


def arguments(host: Host, **given: Any) -> dict[str, Any]:
    files = [{"path": "a b.conf", "content": "x\n", **ME}, {"path": "key", "secret": "hush\n", **ME, "mode": "0600"}]
    return {"root": str(host.root), "files": files, "owned": ["*.conf"], "unit": "daemon.service", "also_read": [str(host.root / "also")], **given}


def by_module(host: Host, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(_commands, "run", lambda *_command, **_options: _commands.Outcome(0, host.shown.read_text(), ""))
    defaults: dict[str, Any] = {"validate": None, "unit_state": "started", "read_at_start": []}
    files = [{"content": None, "secret": None, **entry} for entry in given["files"]]
    return module.run(SimpleNamespace(params={**defaults, **given, "files": files}, check_mode=True))  # type: ignore[arg-type]


STATES: dict[str, Any] = {
    "all is as declared": (False, lambda host: None, {}),
    "there is no unit": (False, lambda host: None, {"unit": None}),
    "no glob matches": (False, lambda host: None, {"owned": ["*.none", "no dir/*"]}),
    "a text differs": (True, lambda host: host.write("a b.conf", "y\n"), {}),
    "a secret differs": (True, lambda host: host.write("key", "hash\n", mode=0o600), {}),
    "a text has one more end of line": (True, lambda host: host.write("a b.conf", "x\n\n"), {}),
    "a mode differs": (True, lambda host: host.write("key", "hush\n", mode=0o644), {}),
    "a file is missing": (True, lambda host: (host.root / "key").unlink(), {}),
    "a file is too many": (True, lambda host: host.write("c.conf"), {}),
    "a dangling link is too many": (True, lambda host: (host.root / "c.conf").symlink_to("none"), {}),
    "a hidden file does not match": (False, lambda host: host.write(".c.conf"), {}),
    "the unit is stopped": (True, lambda host: host.unit(active="inactive"), {}),
    "the unit has failed": (True, lambda host: host.unit(active="failed"), {}),
    "the unit is disabled": (True, lambda host: host.unit(enabled="disabled"), {}),
    "the unit is not known": (True, lambda host: host.unit(active="inactive", enabled=""), {}),
    "the unit is older than a file": (True, lambda host: host.write("a b.conf", age=30), {}),
    "the unit is older than a file of others": (True, lambda host: host.write("also", age=30), {}),
    "a file is from the future": (False, lambda host: host.write("also", age=-600), {}),
    "the unit's own file is not loaded": (True, lambda host: host.unit(outdated="yes"), {}),
    "the unit has just started": (False, lambda host: host.unit(age=1), {}),
    "the unit shall be stopped and runs": (True, lambda host: None, {"unit_state": "stopped"}),
    "the unit shall be stopped and is": (False, lambda host: host.unit(active="inactive", enabled="disabled"), {"unit_state": "stopped"}),
}


@pytest.mark.parametrize("state", STATES)
def test_the_quick_way_and_the_module_judge_alike(state: str, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, change, given = STATES[state]
    change(host)
    quick = host.act(file_set.ActionModule, arguments(host, **given))
    assert by_module(host, arguments(host, **given), monkeypatch)["changed"] is changed
    assert quick == (MODULE if changed else {"changed": False, "changed_files": [], "unit_steps": [], "diff": []})
    assert len(host.commands) == 1


@pytest.mark.parametrize("text", [None, "y\n"])
def test_a_set_that_is_not_recorded_as_it_lies_there_is_left_to_the_module(text: str | None, host: Host) -> None:
    given = arguments(host)
    if text is None:
        next(_file_set.PUBLISHED.iterdir()).unlink()
    else:
        host.write("a b.conf", text)
        given["files"][0]["content"] = text
    assert host.act(file_set.ActionModule, given) == MODULE


def test_a_set_of_no_files_is_recognised_too(host: Host) -> None:
    given = arguments(host, files=[], owned=["*.none"])
    record(given)
    assert not host.act(file_set.ActionModule, given)["changed"]


def test_another_owner_is_left_to_the_module(host: Host) -> None:
    given = arguments(host)
    given["files"][0]["owner"] = "nobody"
    assert host.act(file_set.ActionModule, given) == MODULE


@pytest.mark.parametrize(
    "given",
    [
        {"owned": ["[ab].conf"]},
        {"owned": ["?.conf"]},
        {"also_read": ["~/certificate"]},
        {"root": "$HOME/daemon"},
        {"files": [{"path": "a"}]},
        {"files": [{"path": "a", "content": "", "mode": "rw"}]},
        {"unknown": 1},
    ],
)
def test_what_only_the_module_can_judge_is_not_asked(given: dict[str, Any], host: Host) -> None:
    assert host.act(file_set.ActionModule, arguments(host, **given)) == MODULE
    assert host.commands == []


def test_a_task_that_runs_alone_is_the_modules(host: Host) -> None:
    assert host.act(file_set.ActionModule, arguments(host), async_val=60) == MODULE
    assert host.commands == []


def test_no_secret_and_no_digest_of_one_is_in_the_question(host: Host) -> None:
    host.act(file_set.ActionModule, arguments(host))
    digest = module.File("hush\n", "", "", 0).digest
    assert not [word for word in ("hush", digest, base64.b64encode(b"hush\n").decode()) if word in host.commands[0]]


@pytest.mark.parametrize("answer", ["", "garbage\n", "0\n\n", "\n\n"])
def test_an_answer_that_makes_no_sense_is_left_to_the_module(answer: str, host: Host) -> None:
    host.low_level = lambda *_args, **_options: {"rc": 0, "stdout": answer, "stderr": ""}  # type: ignore[method-assign]
    for action, given in (
        (file_set.ActionModule, arguments(host)),
        (postconf.ActionModule, {"main": {"relayhost": "[a]"}}),
        (nftables_table.ActionModule, {"name": "t", "path": "/t"}),
    ):
        assert host.act(action, given) == MODULE
    assert host.act(release_facts.ActionModule, {}) == MODULE


def test_an_answer_of_a_terminal_is_understood(host: Host) -> None:
    def with_returns(command: str, **options: Any) -> dict[str, Any]:
        answer = Host.low_level(host, command, **options)
        return answer | {"stdout": answer["stdout"].replace("\n", "\r\n")}

    host.low_level = with_returns  # type: ignore[method-assign]
    assert not host.act(file_set.ActionModule, arguments(host))["changed"]


@pytest.mark.parametrize(
    ("given", "running", "changed"),
    [
        ({"main": {"relayhost": "[a]"}}, True, False),
        ({"main": {"relayhost": "[b]"}}, True, True),
        ({"main": {"relayhost": None}}, True, True),
        ({"services": [{"service": "smtp", "type": "inet"}]}, True, False),
        ({"services": [{"service": "smtp", "type": "inet", "state": "disabled"}]}, True, True),
        ({"services": [{"service": "none", "type": "inet"}]}, True, True),
        ({"main": {"relayhost": "[a]"}}, False, True),
        ({"append": {"mydestination": []}}, True, True),
    ],
)
def test_postfix_is_left_alone_when_its_files_hold_what_is_asked_and_it_runs(given: dict[str, Any], running: bool, changed: bool, host: Host) -> None:
    host.write("main.cf", "# ours: \udce9\n".encode("utf-8", "surrogateescape").decode("latin-1") + "relayhost = [a]\n")
    host.write("master.cf", MASTER)
    host.program("postfix", f"exit {int(not running)}")
    result = host.act(postconf.ActionModule, {"config_directory": str(host.root), "unit": "postfix.service", **given})
    assert result == (MODULE if changed else {"changed": False, "steps": [], "diff": []})


@pytest.mark.parametrize(("kernel", "changed"), [("table t", False), ("table u", True), ("", True)])
def test_a_table_that_the_kernel_has_is_not_loaded(kernel: str, changed: bool, host: Host) -> None:
    host.program("nft", f"test -n '{kernel}' && echo '{kernel}'")
    host.program("unshare", "echo 'table t'")
    result = host.act(nftables_table.ActionModule, {"name": "t", "path": "/rules"})
    assert result == (MODULE if changed else {"changed": False, "loaded": True, "diff": []})


def test_the_release_is_a_fact_and_setup_tells_of_other_systems(host: Host) -> None:
    def of(answer: str) -> dict[str, Any]:
        host.low_level = lambda *_args, **_options: {"rc": 0, "stdout": answer, "stderr": ""}  # type: ignore[method-assign]
        return host.act(release_facts.ActionModule, {})

    assert of("debian 13\n") == {"changed": False, "ansible_facts": {"distribution_major_version": "13"}}
    assert [of(answer) for answer in ("debian \n", "ubuntu 24.04\n")] == [MODULE, MODULE]


@pytest.mark.parametrize(
    ("names", "changed", "asked"),
    [
        (["dpkg", "base-files"], False, 1),
        (["dpkg", "no-such-package"], True, 1),
        (["dpkg", "dpkg=1"], True, 0),
        (["dpkg:amd64"], True, 0),
        ([], True, 0),
    ],
)
def test_apt_is_called_where_a_package_is_missing(names: list[str], changed: bool, asked: int, host: Host) -> None:
    """By the real dpkg-query(1) of this host, where there is one; what came along with another there is not asked."""
    host.program("grep", "exit 1")
    if not Path("/usr/bin/dpkg-query").exists():
        host.program("dpkg-query", "for name; do case $name in dpkg|base-files) echo $name ok installed;; no-*) exit 1;; esac; done")
    assert host.act(packages.ActionModule, {"name": names}) == (MODULE if changed else {"changed": False})
    assert len(host.commands) == asked


@pytest.mark.parametrize("state", ["ok config-files", "ok half-configured", "reinstreq installed", "ok triggers-pending", "ok not-installed"])
def test_a_package_that_is_not_whole_is_apts(state: str, host: Host) -> None:
    host.program("dpkg-query", f"echo aa ok installed; echo bb {state}")
    assert host.act(packages.ActionModule, {"name": ["aa", "bb"]}) == MODULE


@pytest.mark.parametrize(("automatic", "changed"), [("bb", True), ("cc", False)])
def test_a_package_that_came_along_with_another_is_apts(automatic: str, changed: bool, host: Host) -> None:
    """apt-mark(8) keeps what was installed along in a file, of which grep(1) here shows a stanza."""
    host.program("dpkg-query", "echo aa ok installed; echo bb ok installed")
    states = host.write("states", f"Package: aa\nArchitecture: amd64\nAuto-Installed: 0\n\nPackage: {automatic}\nArchitecture: amd64\nAuto-Installed: 1\n")
    host.program("grep", f'case "$*" in *extended_states) set -- "$1" "$2" "$3" "{states}";; esac; exec /bin/grep "$@"')
    assert host.act(packages.ActionModule, {"name": ["aa", "bb"]}) == (MODULE if changed else {"changed": False})


def test_apt_starts_no_daemon_of_a_package(host: Host) -> None:
    given: dict[str, Any] = {}
    action = packages.ActionModule(MagicMock(args={"name": ["no-such-package"]}, async_val=0), MagicMock(), MagicMock(), DataLoader(), MagicMock(), None)
    action._low_level_execute_command = host.low_level
    action._execute_module = lambda **call: given.update(call) or MODULE
    action.run(task_vars={})
    assert given["module_name"] == "ansible.builtin.apt"
    assert given["module_args"] | {"policy_rc_d": 101, "state": "present", "name": ["no-such-package"]} == given["module_args"]
