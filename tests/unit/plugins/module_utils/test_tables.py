# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import io
import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands
from ansible_collections.mailcluster.postfix.plugins.module_utils import _tables as core
from ansible_collections.mailcluster.postfix.plugins.module_utils._commands import Outcome
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
ACCESS = {"/t": ("root", "root", 0o640), "/t.lmdb": ("root", "root", 0o640)}


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(core, "ORIGINS", tmp_path / "cache/postmap.json")


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
    defaults: dict[str, Any] = {"digest": "" if text is None else core.digest(text), "compiled": True, "access": ACCESS}
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


def difference(table: core.Wanted, before: str, after: str) -> Any:
    return core.difference(step(table, found(before)), *(lambda text=text: text.encode().splitlines(keepends=True) for text in (before, after)))


def test_the_diff_counts_rows_and_shows_those_that_come_and_go() -> None:
    after = "".join(f"k{number} 1\n" for number in range(10, 30))
    diff = difference(wanted(after), "a 1\nk10 1\n", after)
    assert diff["before"] == "2 rows, root:root 0640\na 1\n"
    assert diff["after"].splitlines()[:2] == ["20 rows, root:root 0640, to be published", "k11 1"]
    assert diff["after"].splitlines()[-1] == "... and 9 more"


def test_the_diff_of_a_secret_table_shows_no_row() -> None:
    diff = difference(wanted("k geheim\n", secret=True), "k alt\n", "k geheim\n")
    assert "geheim" not in str(diff)
    assert "alt" not in str(diff)


@pytest.mark.parametrize(("mode", "secret", "number"), [(None, False, 0o640), (None, True, 0o600), ("0644", True, 0o644)])
def test_a_secret_is_for_its_owner_unless_said_otherwise(mode: str | None, secret: bool, number: int) -> None:
    assert core.mode_of(mode, secret=secret) == number


@pytest.mark.parametrize("mode", ["rw", "1777", "0o8", "-1"])
def test_a_mode_that_is_none_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match="mode must be an octal string"):
        core.mode_of(mode, secret=False)


def unpacked(contents: dict[str, str]) -> dict[str, str]:
    stream = io.BytesIO()
    assert core.pack(contents, stream) == {}
    with core.zipfile.ZipFile(stream) as archive:
        arrived = core.Contents(archive)
        return {path: arrived.text(path) for path in archive.namelist()}


def test_contents_arrive_as_they_were_sent() -> None:
    contents = {"/t": "ä b\n" * 1000, "/u": "", "/v": "\udcff x\n"}
    assert unpacked(contents) == contents


def test_a_file_arrives_as_it_is_and_its_digest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"\xff\x00" * 2_000_000)
    stream = io.BytesIO()
    assert core.pack({"/t": path}, stream) == {"/t": core.digest_of(path)}
    with core.zipfile.ZipFile(stream) as archive:
        assert core.Contents(archive).text("/t").encode("utf-8", "surrogateescape") == path.read_bytes()
        assert core.Contents(archive).size("/t") == path.stat().st_size


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


def parameters(*tables: core.Wanted, contents: Mapping[str, str | Path] | None = None, tmp_path: Path) -> dict[str, Any]:
    bundle = tmp_path / "bundle"
    with bundle.open("wb") as stream:
        core.pack(contents or {}, stream)
    return {"wanted": [vars(table) for table in tables], "bundle": None, "bundle_path": str(bundle)}


def plain(path: Path, text: str, **arguments: Any) -> core.Wanted:
    return wanted(text, path=str(path), type="plain", owner=OWNER, group=GROUP, **arguments)


def run(tmp_path: Path, table: core.Wanted, content: str | Path | None = None, *, check_mode: bool = False) -> dict[str, Any]:
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


ROWS = "b 2\n# c\nA 1,\n  one\n"


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A postmap(1) that compiles nothing and believes everything; the sources that it was given."""
    given: list[Path] = []

    def compile_table(path: Path, kind: str, **_options: Any) -> list[str]:
        given.append(path)
        path.with_name(f"{path.name}.{kind}").write_bytes(path.read_bytes())
        return []

    monkeypatch.setattr(core, "compile_table", compile_table)
    monkeypatch.setattr(core, "_samples", lambda *_arguments, **_options: [])
    return given


def raw(tmp_path: Path, text: str, **arguments: Any) -> tuple[core.Wanted, Path]:
    """A table of a large file of the controller, and the file."""
    src = tmp_path / "src"
    src.write_text(text)
    path = tmp_path / "data" / "table"
    return core.replace(plain(path, "", **arguments), type="lmdb", digest="", entries=0, origin=core.digest_of(src), src="files/src"), src


def test_the_node_asks_for_a_file_once_and_makes_the_source_of_it(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    assert run(tmp_path, table) == {"changed": False, "missing": [table.path]}
    made = run(tmp_path, table, src)
    assert (made["changed"], Path(table.path).read_text()) == (True, "A 1, one\nb 2\n")
    assert made["tables"] == [{"path": table.path, "changed": True, "entries": 2, "digest": core.digest("A 1, one\nb 2\n")}]
    again = run(tmp_path, table)
    assert (again["changed"], again["tables"][0]["entries"], len(compiler)) == (False, 2, 1)
    assert sorted(entry.name for entry in Path(table.path).parent.iterdir()) == ["table", "table.lmdb"]


@pytest.mark.parametrize("change", [{"type": "cdb"}, {"aliases": True}, {"origin": "another"}])
def test_the_node_asks_again_for_what_it_would_make_otherwise(tmp_path: Path, compiler: list[Path], change: dict[str, Any]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    assert "missing" in run(tmp_path, core.replace(table, **change))


def test_a_hand_edit_of_a_large_table_is_repaired(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    Path(table.path).write_text("b 3\n")
    assert "missing" in run(tmp_path, table)
    assert run(tmp_path, table, src)["changed"]
    assert Path(table.path).read_text() == "A 1, one\nb 2\n"


def test_another_order_of_rows_in_a_large_file_changes_nothing(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    table, src = raw(tmp_path, "A 1, one\nb 2\n")
    assert not run(tmp_path, table, src)["changed"]
    assert (run(tmp_path, table)["changed"], len(compiler)) == (False, 1)


def test_check_mode_makes_a_large_table_elsewhere(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    told = run(tmp_path, table, src, check_mode=True)
    assert (told["changed"], told["diff"][0]["after"].splitlines()[1:]) == (True, ["A 1, one", "b 2"])
    assert (Path(table.path).parent.exists(), core.ORIGINS.exists(), compiler) == (False, False, [])


def test_a_large_file_with_a_key_twice_is_refused_with_both_lines_and_nothing_is_left(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    filler = "".join(f"user{number} x\n" for number in range(200_000))
    table, src = raw(tmp_path, f"z 1\nB 1\n{filler}# c\nb 2\nZ 2\n")
    with pytest.raises(ConfigError, match=r"^files/src, line 200004: b: the key occurs twice \(first on line 2\)"):
        run(tmp_path, table, src)
    assert sorted(entry.name for entry in Path(table.path).parent.iterdir()) == ["table", "table.lmdb"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"geheim\n", "a row is a key, blanks and a value"),
        (b"k \xff\n", "is not UTF-8"),
        (b"k v\xff\n", "is not UTF-8"),
        (b"k a\0b\n", "a NUL byte"),
    ],
)
def test_a_bad_row_of_a_large_file_has_its_line_and_is_not_shown(tmp_path: Path, compiler: list[Path], bad: bytes, message: str) -> None:
    table, src = raw(tmp_path, "")
    src.write_bytes(b"".join(b"user%d x\n" % number for number in range(200_000)) + bad)
    with pytest.raises(ConfigError, match=f"^files/src, line 200001: {message}") as error:
        run(tmp_path, table, src)
    assert "geheim" not in str(error.value)


def test_a_large_file_that_is_no_table_is_copied(tmp_path: Path) -> None:
    table, src = raw(tmp_path, "b:{x}\na:{y}\n# c\nc:{z}")
    made = run(tmp_path, core.replace(table, type="plain"), src)
    assert (Path(table.path).read_text(), made["tables"][0]["entries"]) == ("b:{x}\na:{y}\n# c\nc:{z}\n", 3)


def test_a_compiled_file_that_is_gone_is_made_of_the_source_that_lies_there(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    Path(f"{table.path}.lmdb").unlink()
    assert (run(tmp_path, table)["changed"], Path(f"{table.path}.lmdb").exists(), len(compiler)) == (True, True, 2)


def test_memory_of_a_broken_cache_is_none(tmp_path: Path, compiler: list[Path]) -> None:
    table, src = raw(tmp_path, ROWS)
    run(tmp_path, table, src)
    core.ORIGINS.write_text("{")
    assert "missing" in run(tmp_path, table)


@pytest.mark.parametrize(
    ("does", "compiled_again"),
    [('cat "${3#*:}" > "${3#*:}.lmdb"', 0), ("exit 1", 1), ('cat "${3#*:}" > "${3#*:}.lmdb"; echo duplicate', 1)],
)
def test_a_large_table_is_compiled_while_it_is_sorted_or_else_of_its_file(
    tmp_path: Path, compiler: list[Path], monkeypatch: pytest.MonkeyPatch, does: str, compiled_again: int
) -> None:
    program = tmp_path / "bin/postmap"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncase $3 in -q) exit 0; esac\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(_commands, "PATH", f"{program.parent}:{_commands.PATH}")
    table, src = raw(tmp_path, ROWS)
    assert run(tmp_path, table, src)["changed"]
    assert (Path(f"{table.path}.lmdb").read_text(), len(compiler)) == ("A 1, one\nb 2\n", compiled_again)
    assert sorted(entry.name for entry in Path(table.path).parent.iterdir()) == ["table", "table.lmdb"]
    assert not run(tmp_path, table)["changed"]
