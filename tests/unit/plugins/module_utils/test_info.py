# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _info
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

DEFAULTS = {"queue_directory": "/nonexistent", "biff": "yes", "mail_version": "3.10.5", "alias_maps": "hash:/nonexistent/aliases"}


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A default instance with two messages, a table and a cache."""
    config = tmp_path / "etc/postfix"
    config.mkdir(parents=True)
    (tmp_path / "spool/deferred/A").mkdir(parents=True)
    for name in ("deferred/A/A1", "deferred/A/A2"):
        (tmp_path / "spool" / name).touch()
    (config / "main.cf").write_text(
        f"# by hand\nqueue_directory = {tmp_path}/spool\nbiff = yes\nvirtual_alias_maps = hash:{config}/virtual\n"
        f"x_cache_map = btree:{tmp_path}/cache\nsmtp_sasl_password_maps = texthash:{config}/passwords\n"
    )
    (config / "master.cf").write_text("smtp inet n - y - - smtpd\n -o biff=no\n")
    (config / "virtual").write_text("# c\na b\nc d\n")
    (config / "virtual").chmod(0o644)
    (config / "passwords").write_text("isp user:geheim\n")
    (config / "passwords").chmod(0o600)
    return tmp_path


def read(root: Path, **options: bool) -> dict[str, Any]:
    return _info.instance("postfix", all_defaults=DEFAULTS, **{"defaults": False, "content": False, **options}, root=root)


def test_a_server_that_others_made_is_no_generation(server: Path) -> None:
    told = read(server)
    assert (told["managed"], told["active"], told["running"], told["proven"], told["generations"]) == (False, "", False, False, [])
    assert (len(told["shared"]), told["loaded_shared"]) == (12, "")


def test_what_equals_the_default_is_set_and_does_not_differ(server: Path) -> None:
    told = read(server)
    assert ("biff" in told["parameters"], told["variables"]["main"]["biff"]) == (False, "yes")
    assert read(server, defaults=True)["parameters"] == {**DEFAULTS, **told["variables"]["main"]}


def test_tables_are_counted_and_what_is_not_there_is_told(server: Path) -> None:
    tables = {Path(entry["path"]).name: entry for entry in read(server)["tables"]}
    seen = {name: (entry["entries"], bool(entry["digest"]), entry["compiled"], entry["cache"]) for name, entry in tables.items()}
    assert seen == {"virtual": (2, True, False, False), "passwords": (1, True, None, False), "cache": (None, False, None, True)}


def test_a_table_of_a_default_counts_once_it_is_there(server: Path) -> None:
    aliases = server / "aliases"
    defaults = {**DEFAULTS, "alias_maps": f"hash:{aliases}"}
    without = _info.instance("postfix", all_defaults=defaults, defaults=False, content=False, root=server)
    aliases.write_text("root: bob\n")
    with_it = _info.instance("postfix", all_defaults=defaults, defaults=False, content=False, root=server)
    assert {entry["path"] for entry in with_it["tables"]} - {entry["path"] for entry in without["tables"]} == {str(aliases)}
    assert [entry["aliases"] for entry in with_it["variables"]["data"] if entry["path"] == str(aliases)] == [True]


def test_messages_are_counted_by_queue(server: Path) -> None:
    assert {name: count for name, count in read(server)["queues"].items() if count} == {"deferred": 2}


@pytest.mark.parametrize("content", [False, True])
def test_rows_are_told_when_asked_for_and_credentials_never(server: Path, content: bool) -> None:
    told = read(server, content=content)
    data = {Path(entry["path"]).name: entry for entry in told["variables"]["data"]}
    assert (data["virtual"].get("content"), data["virtual"]["mode"]) == ("# c\na b\nc d\n" if content else None, "0644")
    assert (data["passwords"]["secret"], data["passwords"]["mode"]) == (True, "0600")
    assert "geheim" not in str(told)
    assert "cache" not in data


def test_services_are_told_with_every_field(server: Path) -> None:
    assert read(server)["variables"]["services"] == [
        {
            "service": "smtp",
            "type": "inet",
            "private": "n",
            "unpriv": "-",
            "chroot": "y",
            "wakeup": "-",
            "maxproc": "-",
            "command": "smtpd",
            "args": {"biff": "no"},
        }
    ]


@pytest.mark.parametrize(("age", "known"), [(60.0, False), (-60.0, True)])
def test_files_that_are_younger_than_the_last_load_may_be_loaded_or_not(server: Path, monkeypatch: pytest.MonkeyPatch, age: float, known: bool) -> None:
    monkeypatch.setattr(_info._instance, "master_of", lambda _queue, _ours: 1)
    monkeypatch.setattr(_info._instance, "children", lambda _parent, command: {2} if command == "qmgr" else {3})
    monkeypatch.setattr(_info, "_started", lambda process: time.time() - age if process == 2 else time.time() + 1000)
    told = read(server)
    assert (told["running"], told["loaded_shared"] == told["shared"]) == (True, known)


def test_the_start_of_a_process_is_a_time_of_today() -> None:
    assert time.time() - 86400 < _info._started(os.getpid()) <= time.time()
    assert _info._started(2**22 + 1) == 0.0


def test_an_instance_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"etc/postfix/main\.cf: there is no such instance"):
        read(tmp_path)


def test_instances_are_found_by_generations_and_by_what_the_default_one_lists(server: Path) -> None:
    (server / "etc/mailcluster/postfix-mx/generations").mkdir(parents=True)
    (server / "etc/mailcluster/tls").mkdir()
    (server / "etc/postfix/main.cf").write_text("multi_instance_directories = /etc/postfix-hand /srv/elsewhere /etc/Wrong_Name\n")
    assert _info.found(server) == ["postfix", "postfix-hand", "postfix-mx"]


def test_a_directory_in_the_place_of_an_instance_of_generations_is_not_taken_for_it(server: Path) -> None:
    (server / "etc/mailcluster/postfix-mx/generations").mkdir(parents=True)
    (server / "etc/postfix-mx").mkdir()
    with pytest.raises(ConfigError, match="postfix-mx is not a symlink"):
        _info.instance("postfix-mx", all_defaults=DEFAULTS, defaults=False, content=False, root=server)


def test_versions_are_those_of_installed_packages(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: postfix\nStatus: hold ok installed\nVersion: 3.10.5-1\nDescription: mail\n Version: 9\n\n"
        "Package: haproxy\nStatus: deinstall ok config-files\nVersion: 3.0\n\nPackage: vim\nStatus: install ok installed\nVersion: 9\n"
    )
    assert _info.packages(["postfix", "haproxy", "dovecot-imapd"], tmp_path) == {"postfix": "3.10.5-1"}


def test_digests_are_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    one, other, missing = _info.file_digests([f"{tmp_path}/{name}" for name in "abc"]).values()
    assert (one == other, len(one), missing) == (True, 64, "")
