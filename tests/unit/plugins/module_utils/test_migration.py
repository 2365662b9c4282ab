# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a migration, with programs that are played."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _migration, _postconf, _tables
from ansible_collections.mailcluster.postfix.plugins.module_utils._commands import Outcome
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

UNIT = "postfix.service"


class Server:
    """A configuration with one table and one cache; ``rows`` is what the old table says, ``says`` what the new one does."""

    def __init__(self, root: Path) -> None:
        self.config = root / "etc/postfix"
        self.config.mkdir(parents=True)
        self.table, self.cache = self.config / "virtual", root / "cache"
        self.main = f"virtual_alias_maps = hash:{self.table}\nsmtp_tls_session_cache_database = btree:{self.cache}\n"
        (self.config / "main.cf").write_text(self.main)
        (self.config / "master.cf").write_text("smtp inet n - n - - smtpd\n")
        self.table.write_text("# c\na 1\n")
        for path in (f"{self.table}.db", f"{self.cache}.db"):
            Path(path).touch()
        self.rows = self.says = "a\t1\n"
        self.failure, self.loaded = "", self.main

    def run(self, *command: str, **options: Any) -> Outcome:
        if command[:2] == ("postmap", "-s"):
            return Outcome(0, self.rows + "@\t@\nYP_LAST_MODIFIED\t7\n", "")
        if command[:2] == ("postmap", "-q"):
            assert options["stdin"] == "".join(row.partition("\t")[0] + "\n" for row in self.rows.splitlines())
            return Outcome(0, self.says, "")
        return Outcome(0, "default_database_type = lmdb\n", "") if command == ("postconf", "-d") else Outcome(127, "", "")

    def build(self, aside: Path, wanted: _tables.Wanted) -> None:
        assert (aside / Path(wanted.path).name).read_text() == "# c\na 1\n"
        (aside / f"{Path(wanted.path).name}.{wanted.type}").write_text("compiled")

    def edit(self, parameters: dict[str, Any], *, check_mode: bool, load: bool) -> dict[str, Any]:
        if not check_mode:
            assert Path(f"{self.table}.lmdb").exists(), "the configuration names a table that is not there"
            if self.failure:
                raise ConfigError(self.failure)
            with (self.config / "main.cf").open("a") as stream:
                stream.writelines(f"{name} = {value}\n" for name, value in parameters["main"].items())
            if parameters["unit"]:
                self.loaded = (self.config / "main.cf").read_text()
        return {"steps": [f"restart {UNIT}"] if parameters["unit"] and (parameters["main"] or load) else [], "diff": []}

    def migrate(self, *, check_mode: bool = False, unit: str | None = UNIT) -> dict[str, Any]:
        return _migration.run_module({"config_directory": str(self.config), "type": "lmdb", "unit": unit}, check_mode=check_mode)

    @property
    def there(self) -> set[str]:
        return {path.name for folder in (self.config, self.cache.parent) for path in folder.iterdir() if path.is_file()} - {"main.cf", "master.cf"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    monkeypatch.setattr(_migration, "run", made.run)
    monkeypatch.setattr(_tables, "run", made.run)
    monkeypatch.setattr(_migration, "build", made.build)
    monkeypatch.setattr(_postconf, "run_module", made.edit)
    monkeypatch.setattr(_migration, "LOCK", tmp_path / "run/lock")
    return made


def test_the_new_table_is_there_before_it_is_named_and_the_old_one_goes_after(server: Server) -> None:
    answer = server.migrate()
    assert answer["steps"] == [
        f"compile lmdb:{server.table}",
        f"start the cache {server.cache} anew",
        f"restart {UNIT}",
        f"remove {server.table}.db",
        f"remove {server.cache}.db",
    ]
    assert server.there == {"virtual", "virtual.lmdb"}
    assert (server.table.read_text(), server.migrate()["steps"]) == ("# c\na 1\n", [])


def test_check_mode_compiles_and_removes_nothing(server: Server) -> None:
    answer = server.migrate(check_mode=True)
    assert (answer["changed"], server.there, (server.config / "main.cf").read_text()) == (True, {"virtual", "virtual.db", "cache.db"}, server.main)


def test_what_does_not_run_leaves_the_old_tables(server: Server) -> None:
    server.failure = "postfix.service: does not run; the former configuration is back"
    with pytest.raises(ConfigError, match="is back"):
        server.migrate()
    assert {"virtual.db", "cache.db"} < server.there


def test_what_is_not_loaded_leaves_the_old_tables_until_it_is(server: Server) -> None:
    assert not [step for step in server.migrate(unit=None)["steps"] if step.startswith("remove")]
    assert server.there == {"virtual", "virtual.db", "virtual.lmdb", "cache.db"}
    assert server.migrate()["steps"] == [f"restart {UNIT}", f"remove {server.table}.db", f"remove {server.cache}.db"]
    assert "hash:" not in server.loaded.splitlines()[-2]
    assert server.there == {"virtual", "virtual.lmdb"}


@pytest.mark.parametrize(("rows", "says"), [("a\t1\nb\t2\n", "a\t1\n"), ("a\t2\n", "a\t1\n")])
def test_a_source_that_says_something_else_than_what_serves_is_refused(server: Server, rows: str, says: str) -> None:
    server.rows, server.says = rows, says
    with pytest.raises(ConfigError, match="virtual: the source says something else of 1 keys") as error:
        server.migrate()
    assert (server.there, "\t" in str(error.value)) == ({"virtual", "virtual.db", "cache.db"}, False)


def test_a_table_without_a_source_is_named(server: Server) -> None:
    server.table.unlink()
    with pytest.raises(ConfigError, match="virtual: virtual_alias_maps: the table has no source"):
        server.migrate()


def test_an_instance_of_generations_is_refused(server: Server) -> None:
    server.config.rename(server.config.with_name("generation"))
    server.config.symlink_to("generation")
    with pytest.raises(ConfigError, match="runs from generations"):
        server.migrate()


def test_the_new_table_belongs_to_whom_the_old_one_did(server: Server) -> None:
    Path(f"{server.table}.db").chmod(0o604)
    server.migrate()
    state = Path(f"{server.table}.lmdb").stat()
    assert (state.st_mode & 0o777, pwd.getpwuid(state.st_uid).pw_uid, grp.getgrgid(state.st_gid).gr_gid) == (0o604, os.getuid(), os.getgid())
