# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import references
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

DEFAULTS = {
    "default_database_type": "hash",
    "data_directory": "/var/lib/postfix",
    "alias_maps": "hash:/etc/aliases, nis:mail.aliases",
    "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps",
    "address_verify_map": "btree:$data_directory/verify_cache",
    "proxy_read_maps": "$local_recipient_maps",
}
SMTPD = "smtp inet n - n - - smtpd\n"


def found(main: str, services: str = "", defaults: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    files = {"main.cf": main, "master.cf": services}
    return [(entry.place, entry.kind, entry.path) for entry in references.of_files(files, directory="/etc/postfix", defaults=defaults or {})]


@pytest.mark.parametrize(
    ("value", "tables"),
    [
        ("hash:/a", ["hash:/a"]),
        ("proxy:hash:/a, cidr:/b regexp:/c", ["hash:/a", "cidr:/b", "regexp:/c"]),
        ("unionmap:{lmdb:/a, inline:{x=y}, proxy:pgsql:/b}", ["lmdb:/a", "pgsql:/b"]),
        ("check_client_access !hash:/a", ["hash:/a"]),
        ("hash:$config_directory/a ${x}b", ["hash:/etc/postfix/a", "btree:/etc/b"]),
        ("hash:/a hash:/a", ["hash:/a"]),
        ("inet:/a static:/b nohash:/c my-hash:/d hash:relative hash:$unknown/e $x", []),
        ("inline:{a=b} unix:passwd.byname socketmap:unix:/a:b", []),
    ],
)
def test_tables_in_files_are_found_wherever_they_are_named(value: str, tables: list[str]) -> None:
    assert [f"{kind}:{path}" for place, kind, path in found(f"some_maps = {value}\nx = btree:/etc/\n") if place == "some_maps"] == tables


def test_an_override_is_read_with_the_values_of_its_service() -> None:
    services = SMTPD + " -o d=/b -o smtpd_sender_restrictions=check_sender_access,hash:$d/x\n"
    assert found("d = /a\nmaps = hash:$d/x\n", services) == [("maps", "hash", "/a/x"), ("smtp/inet: smtpd_sender_restrictions", "hash", "/b/x")]


def test_defaults_count_and_their_repetitions_do_not() -> None:
    assert found("alias_maps = lmdb:/etc/aliases\n", defaults=DEFAULTS) == [
        ("alias_maps", "lmdb", "/etc/aliases"),
        ("local_recipient_maps", "lmdb", "/etc/aliases"),
        ("address_verify_map", "btree", "/var/lib/postfix/verify_cache"),
    ]


def migrate(main: str, services: str = SMTPD, *, to: str = "lmdb", there: bool = True, defaults: dict[str, str] | None = None) -> references.Migration:
    files = {"main.cf": main, "master.cf": services}
    known = {"default_database_type": "lmdb"} if defaults is None else defaults
    return references.migration(files, directory="/etc/postfix", defaults=known, to=to, present=lambda _entry: there)


@pytest.mark.parametrize(
    ("main", "to", "changes"),
    [
        ("virtual_alias_maps = hash:/v, btree:/w\n", "cdb", {"virtual_alias_maps": "cdb:/v, cdb:/w"}),
        ("transport_maps = proxy:hash:$config_directory/t\n", "lmdb", {"transport_maps": "proxy:lmdb:$config_directory/t"}),
        ("indexed = hash:/etc/\nrelay_domains = ${indexed}r\n", "lmdb", {"indexed": "lmdb:/etc/"}),
        ("smtp_tls_session_cache_database = btree:/c\n", "cdb", {"smtp_tls_session_cache_database": "lmdb:/c"}),
        ("default_database_type = btree\nvirtual_alias_maps = $default_database_type:/v\n", "cdb", {"default_database_type": "cdb"}),
        ("virtual_alias_maps = lmdb:/v cidr:/w\n", "lmdb", {}),
        ("smtpd_banner = hash:wood\n", "lmdb", {}),
    ],
)
def test_only_the_type_of_tables_changes(main: str, to: str, changes: dict[str, str]) -> None:
    assert migrate(main, to=to).main == changes


def test_overrides_move_with_their_service() -> None:
    services = SMTPD + " -o biff=no -o smtpd_client_restrictions=check_client_access,hash:/a\nx unix - n n - - pipe user=a argv=hash:/b\n"
    args = {"smtpd_client_restrictions": "check_client_access,lmdb:/a"}
    assert migrate("", services).services == [{"service": "smtp", "type": "inet", "args": args}]


@pytest.mark.parametrize(
    ("there", "set_"), [(True, ["address_verify_map", "alias_maps", "default_database_type"]), (False, ["address_verify_map", "default_database_type"])]
)
def test_a_default_is_set_where_it_means_something(there: bool, set_: list[str]) -> None:
    steps = migrate("", there=there, defaults=DEFAULTS)
    assert sorted(steps.main) == set_
    assert [entry.path for entry in steps.caches] == ["/var/lib/postfix/verify_cache"]


def test_a_table_of_aliases_is_told_by_any_parameter_that_says_so() -> None:
    (entry,) = migrate("zz_maps = hash:/etc/aliases\n", defaults=DEFAULTS).tables
    assert entry.aliases


@pytest.mark.parametrize(
    ("main", "place"),
    [
        ("kind = hash\nvirtual_alias_maps = $kind:/v\n", "virtual_alias_maps"),
        ("d = hash:/var/\nlmtp_tls_session_cache_database = ${d}c\n", "lmtp_tls_session_cache_database"),
    ],
)
def test_what_cannot_be_moved_by_its_type_is_named(main: str, place: str) -> None:
    with pytest.raises(ConfigError, match=f"main.cf: {place}: the type of hash:/v.* is made of other parameters"):
        migrate(main, to="cdb")


def test_a_second_migration_finds_nothing() -> None:
    first = migrate("virtual_alias_maps = hash:/v\n", defaults=DEFAULTS)
    main = "".join(f"{name} = {value}\n" for name, value in first.main.items())
    again: Any = migrate(main, defaults=DEFAULTS)
    assert (again.main, again.services, again.tables, again.caches) == ({}, [], [], [])
