# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, main_cf, master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.generation import Generation, Table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

SMTPD = master_cf.parse("10025 inet n - n - - smtpd\n")


def built(**changes: Any) -> Generation:
    arguments: dict[str, Any] = {"main": {"relayhost": "a", "biff": False}, "local": {"myhostname": "n1.test"}, "services": SMTPD, "tables": []}
    return generation.build(**{**arguments, **changes})


def test_a_generation_is_named_by_its_shared_and_its_local_digest() -> None:
    made = built()
    assert made.name == f"{made.shared}-{made.local}"
    assert generation.NAME.match(made.name)


def test_the_same_content_has_the_same_name_whatever_the_order() -> None:
    assert built().name == built(main={"biff": "no", "relayhost": "a"}).name


@pytest.mark.parametrize(
    "changes",
    [
        {"main": {"relayhost": "b", "biff": False}},
        {"services": master_cf.parse("10026 inet n - n - - smtpd\n")},
        {"tables": [Table("t", "texthash", "a b\n")]},
    ],
    ids=["a parameter", "a service", "a table"],
)
def test_what_the_tier_shares_changes_only_the_shared_digest(changes: dict[str, Any]) -> None:
    assert built(**changes).shared != built().shared
    assert built(**changes).local == built().local


def test_a_parameter_of_the_node_changes_only_the_local_digest() -> None:
    other = built(local={"myhostname": "n2.test"})
    assert (other.shared, other.local == built().local) == (built().shared, False)


def test_a_node_that_overrides_a_shared_parameter_keeps_the_shared_digest() -> None:
    long = {"smtpd_recipient_restrictions": ["permit_mynetworks", "reject_unauth_destination", "reject_unlisted_recipient", "reject"]}
    plain = built(main=long)
    own = built(main=long, local={"myhostname": "n1.test", "smtpd_recipient_restrictions": "reject"})
    assert own.shared == plain.shared
    assert main_cf.parameters(own.files["main.cf"])["smtpd_recipient_restrictions"] == "reject"


@pytest.mark.parametrize(
    "own", ["10025 inet n - n - 7 smtpd -o biff=no\n", "10030 inet n - n - - smtpd\n"], ids=["in place of one of the tier", "beside those of the tier"]
)
def test_a_service_of_the_node_changes_only_the_local_digest(own: str) -> None:
    made = built(local_services=master_cf.parse(own))
    assert (made.shared, made.local == built().local) == (built().shared, False)


def test_a_service_of_the_node_takes_the_place_of_the_one_of_the_tier() -> None:
    shared = master_cf.parse("10025 inet n - n - - smtpd -o biff=no -o mynetworks=\n10026 inet n - n - - smtpd\n")
    made = built(services=shared, local_services=master_cf.parse("10025 inet n - n - 7 smtpd\n"))
    runs = master_cf.parse(made.files["master.cf"])
    assert sorted((entry.service, entry.maxproc, entry.options) for entry in runs) == [("10025", "7", ()), ("10026", "-", ())]
    assert [entry.maxproc for entry in master_cf.parse(generation.shared_files(made.files)["master.cf"])] == ["-", "-"]


def test_an_edit_by_hand_of_an_overridden_service_changes_the_shared_digest() -> None:
    made = built(local_services=master_cf.parse("10025 inet n - n - 7 smtpd\n"))
    files = {**made.files, "master.cf": made.files["master.cf"].replace("#= 10025", "#= 10029")}
    assert (generation.digests(files)[0] != made.shared, generation.digests(files)[1]) == (True, made.local)


@pytest.mark.parametrize("where", ["services", "local_services"])
def test_a_service_that_occurs_twice_is_refused(where: str) -> None:
    with pytest.raises(ConfigError, match="occurs twice"):
        built(**{where: SMTPD * 2})


def test_an_edit_by_hand_changes_the_digest_of_the_files() -> None:
    files = dict(built().files)
    files["main.cf"] = files["main.cf"].replace("relayhost = a", "relayhost = b")
    assert generation.digests(files)[0] != built().shared


def test_no_parameter_is_written_twice() -> None:
    names = [entry.name for entry in main_cf.parse(built(local={"relayhost": "c"}).files["main.cf"])]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["main.cf", "master.cf", "../x", ".x", "", "a/b"])
def test_a_table_cannot_take_the_place_of_another_file(name: str) -> None:
    with pytest.raises(ConfigError, match="not a name for a table"):
        Table(name, "texthash", "")


def test_a_table_of_a_type_without_a_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be of type 'mysql'"):
        Table("t", "mysql", "")


def test_a_table_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="t: the table occurs twice"):
        built(tables=[Table("t", "texthash", ""), Table("t", "cidr", "")])


def test_products_of_postmap_are_not_content() -> None:
    assert generation.own_files(["main.cf", "t", "t.lmdb", ".t.1.x", "alone.db"]) == ["alone.db", "main.cf", "t"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("smtp inet n - n - - smtpd\n", [("", 25)]),
        ("127.0.0.1:10025 inet n - n - - smtpd\n", [("127.0.0.1", 10025)]),
        ("[::1]:submission inet n - n - - smtpd\n", [("::1", 587)]),
        ("smtp unix - - n - - smtp\n", []),
    ],
)
def test_listeners_are_read_from_inet_services(text: str, found: list[tuple[str, int]]) -> None:
    assert [(entry.host, entry.port) for entry in generation.listeners(master_cf.parse(text))] == found


@pytest.mark.parametrize("port", ["0", "65536", "nosuch"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match="not a port"):
        generation.listeners(master_cf.parse(f"{port} inet n - n - - smtpd\n"))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"main": {"relayhost": "b"}}, []),
        ({"main": {"inet_protocols": "ipv4"}}, ["inet_protocols changed"]),
        ({"services": master_cf.parse("127.0.0.1:10025 inet n - n - - smtpd\n")}, ["port 10025 moves to another address"]),
        ({"services": [*SMTPD, *master_cf.parse("10026 inet n - n - - smtpd\n")]}, []),
        ({"services": []}, []),
    ],
    ids=["a parameter", "the protocols", "a listener that moves", "a listener more", "a listener less"],
)
def test_a_restart_has_a_reason(changes: dict[str, Any], reasons: list[str]) -> None:
    assert generation.restart_reasons(built().files, built(**changes).files) == reasons


def test_changes_name_parameters_services_and_tables() -> None:
    new = built(
        main={"relayhost": "b"},
        services=[*SMTPD, *master_cf.parse("x unix - - n - - smtp\n")],
        tables=[Table("t", "texthash", "a b\n")],
    )
    assert generation.changes(built().files, new.files) == ["biff", "relayhost", "x/unix", "t"]
