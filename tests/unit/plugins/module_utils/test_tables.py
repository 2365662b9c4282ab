# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _tables as core
from ansible_collections.mailcluster.postfix.plugins.module_utils._commands import Outcome
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
ACCESS = {"/t": ("root", "root", 0o640), "/t.lmdb": ("root", "root", 0o640)}


@pytest.fixture(autouse=True)
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core, "LOCK", tmp_path / "lock")


def wanted(text: str = "a 1\n", **arguments: Any) -> core.Wanted:
    defaults: dict[str, Any] = {
        "path": "/t",
        "type": "lmdb",
        "digest": core.digest(text),
        "entries": 1,
        "owner": "root",
        "group": "root",
        "mode": 0o640,
        "secret": False,
    }
    return core.Wanted(**{**defaults, **arguments})


def found(text: str | None = "a 1\n", **arguments: Any) -> core.Found:
    defaults: dict[str, Any] = {"text": text, "digest": core.digest(text or ""), "compiled": True, "access": ACCESS}
    return core.Found(**{**defaults, **arguments})


def step(table: core.Wanted, state: core.Found) -> core.Step:
    return core.plan([table], {table.path: state})[0]


@pytest.mark.parametrize(
    ("table", "state", "expected"),
    [
        (wanted(), found(), (False, False, ())),
        (wanted("a 2\n"), found(), (True, True, ())),
        (wanted(""), found(None, access={}), (True, True, ())),
        (wanted(), found(compiled=False), (False, True, ())),
        (wanted(type="plain"), found(compiled=False), (False, False, ())),
        (wanted(mode=0o600), found(), (False, False, ("/t", "/t.lmdb"))),
        (wanted(), found(access={**ACCESS, "/t.lmdb": ("root", "root", 0o644)}), (False, False, ("/t.lmdb",))),
        (wanted(group="dovecot"), found(), (False, False, ("/t", "/t.lmdb"))),
    ],
)
def test_a_table_is_published_compiled_or_given_away_as_it_differs(table: core.Wanted, state: core.Found, expected: tuple[Any, ...]) -> None:
    made = step(table, state)
    assert (made.content, made.compile, made.access) == expected
    assert made.changed == any(expected)


def test_the_diff_counts_rows_and_shows_those_that_come_and_go() -> None:
    after = "".join(f"k{number} 1\n" for number in range(10, 30))
    diff = core.difference(step(wanted(after), found("a 1\nk10 1\n")), after)
    assert diff["before"] == "2 rows, root:root 0640\na 1\n"
    assert diff["after"].splitlines()[:2] == ["20 rows, root:root 0640, to be published", "k11 1"]
    assert diff["after"].splitlines()[-1] == "... and 9 more"


def test_the_diff_of_a_secret_table_shows_no_row() -> None:
    diff = core.difference(step(wanted("k geheim\n", secret=True), found("k alt\n")), "k geheim\n")
    assert "geheim" not in str(diff)
    assert "alt" not in str(diff)


@pytest.mark.parametrize(("mode", "secret", "number"), [(None, False, 0o640), (None, True, 0o600), ("0644", True, 0o644)])
def test_a_secret_is_for_its_owner_unless_said_otherwise(mode: str | None, secret: bool, number: int) -> None:
    assert core.mode_of(mode, secret=secret) == number


@pytest.mark.parametrize("mode", ["rw", "1777", "0o8", "-1"])
def test_a_mode_that_is_none_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match="mode must be an octal string"):
        core.mode_of(mode, secret=False)


def test_contents_arrive_as_they_were_sent() -> None:
    contents = {"/t": "ä b\n" * 1000, "/u": ""}
    assert core.unpack(core.pack(contents)) == contents


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Outcome(0, "1\n", ""), None),
        (Outcome(1, "", ""), "the compiled table does not say of a what its source says"),
        (Outcome(0, "2\n", ""), "the compiled table does not say of a what its source says"),
        (Outcome(1, "", "postmap: fatal: open database"), "postmap: fatal: open database"),
    ],
)
def test_a_table_that_answers_wrongly_is_refused(answer: Outcome, problem: str | None) -> None:
    assert core._wrong(answer, "a", "1") == problem


def parameters(*tables: core.Wanted, contents: dict[str, str] | None = None, tmp_path: Path) -> dict[str, Any]:
    bundle = tmp_path / "bundle"
    bundle.write_bytes(core.pack(contents or {}))
    return {"wanted": [vars(table) for table in tables], "bundle": None, "bundle_path": str(bundle)}


def plain(path: Path, text: str, **arguments: Any) -> core.Wanted:
    return wanted(text, path=str(path), type="plain", owner=OWNER, group=GROUP, **arguments)


def run(tmp_path: Path, table: core.Wanted, content: str | None = None, *, check_mode: bool = False) -> dict[str, Any]:
    sent = {} if content is None else {table.path: content}
    return core.run_module(parameters(table, contents=sent, tmp_path=tmp_path), check_mode=check_mode, diff=True)


def test_the_node_asks_for_what_it_lacks_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    assert run(tmp_path, plain(path, "x\n")) == {"changed": False, "missing": [str(path)]}
    assert not path.parent.exists()


def test_check_mode_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    assert run(tmp_path, plain(path, "x\n"), "x\n", check_mode=True)["changed"]
    assert not path.parent.exists()


def test_what_was_published_is_not_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    assert run(tmp_path, plain(path, "x\n"), "x\n")["changed"]
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("x\n", 0o640)
    assert not run(tmp_path, plain(path, "x\n"))["changed"]
    assert [entry.name for entry in path.parent.iterdir()] == ["users"]


def test_a_hand_edit_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    run(tmp_path, plain(path, "x\n"), "x\n")
    path.write_text("y\n")
    assert run(tmp_path, plain(path, "x\n"), "x\n")["changed"]
    assert path.read_text() == "x\n"


def test_a_file_of_the_same_size_gets_another_second(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    run(tmp_path, plain(path, "x\n"), "x\n")
    before = int(path.stat().st_mtime)
    run(tmp_path, plain(path, "y\n"), "y\n")
    assert int(path.stat().st_mtime) > before


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    leftover = path.parent / ".publish-abc" / "configuration"
    leftover.mkdir(parents=True)
    (leftover / "main.cf").write_text("")
    run(tmp_path, plain(path, "x\n"), "x\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["users"]


def test_an_unknown_group_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    run(tmp_path, plain(path, "x\n"), "x\n")
    table = wanted("y\n", path=str(path), type="plain", owner=OWNER, group="no-such-group")
    with pytest.raises(ConfigError, match="no-such-group"):
        run(tmp_path, table, "y\n")
    assert path.read_text() == "x\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["users"]


@pytest.mark.skipif(not shutil.which("postmap", path="/usr/sbin:/usr/bin"), reason="needs Postfix")
@pytest.mark.parametrize("kind", ["lmdb", "hash", "texthash", "cidr"])
def test_the_real_postmap_publishes_and_answers(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data" / "table"
    table = wanted("192.0.2.1 1\n", path=str(path), type=kind, owner=OWNER, group=GROUP)
    assert run(tmp_path, table, "192.0.2.1 1\n")["changed"]
    assert not run(tmp_path, table)["changed"]


def test_rows_that_lie_on_the_node_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "data" / "users"
    path.parent.mkdir()
    path.write_text("# by hand\nx 1\n")
    path.chmod(0o600)
    table = core.replace(plain(path, ""), digest="", entries=0)
    first, second = run(tmp_path, table), run(tmp_path, table)
    assert (first["changed"], second["changed"], path.read_text()) == (True, False, "# by hand\nx 1\n")
    assert second["tables"] == [{"path": str(path), "changed": False, "entries": 1, "digest": core.digest(path.read_text())}]


def test_rows_that_lie_nowhere_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file on the node, and neither content nor src"):
        run(tmp_path, core.replace(plain(tmp_path / "none", ""), digest=""))


@pytest.mark.parametrize(
    ("kind", "text", "said", "shown"),
    [
        ("mysql", "password = geheim\n", "denied for a with geheim", "denied for a with (secret)"),
        ("ldap", "bind_pw = geheim\nserver_host = x\n", "geheim x", "(secret) x"),
        ("pgsql", "hosts = a\n", "connect to postgresql://u:geheim@db/x", "connect to postgresql://(secret)@db/x"),
        ("mongodb", "uri = mongodb://u:geheim@db\n", "no mongodb://u:geheim@db", "no (secret)"),
        ("lmdb", "password geheim\n", "geheim", "geheim"),
    ],
)
def test_what_a_server_says_is_told_without_credentials(kind: str, text: str, said: str, shown: str) -> None:
    assert core._concealed(said, text, kind) == shown


@pytest.mark.parametrize(
    ("main", "left"),
    [
        ("virtual_alias_maps = hash:{path}\n", [".cdb"]),
        ("virtual_alias_maps = lmdb:{path}\n", [".cdb", ".db"]),
        ("virtual_alias_maps = cdb:{path} hash:{path}\n", []),
    ],
)
def test_a_compiled_file_that_a_configuration_names_is_no_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: str, left: list[str]) -> None:
    monkeypatch.setattr(core, "run", lambda *_command: Outcome(127, "", ""))
    path = tmp_path / "t"
    for suffix in (".lmdb", ".db", ".cdb"):
        (tmp_path / f"t{suffix}").touch()
    config = tmp_path / "etc/postfix-x"
    config.mkdir(parents=True)
    (config / "main.cf").write_text(main.format(path=path))
    assert [product.suffix for product in core.former(str(path), "lmdb", tmp_path)] == left


def test_what_cannot_be_read_may_name_any_compiled_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "run", lambda *_command: Outcome(127, "", ""))
    (tmp_path / "t.db").touch()
    config = tmp_path / "etc/postfix-x"
    config.mkdir(parents=True)
    (config / "main.cf").touch()
    assert core.former(str(tmp_path / "t"), "lmdb", tmp_path)
    (config / "master.cf").write_text("smtp inet\n")
    assert not core.former(str(tmp_path / "t"), "lmdb", tmp_path)


@pytest.mark.parametrize(("said", "value", "right"), [("a,  b\n", "a, b", True), ("a, c\n", "a, b", False)])
def test_blanks_of_a_continuation_are_no_difference(said: str, value: str, right: bool) -> None:
    assert (core._wrong(Outcome(0, said, ""), "k", value) is None) == right
