# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that somebody configured by hand is adopted, taken over and moved off Berkeley DB, and goes on as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.mailcluster.postfix.plugins.filter.verify import postfix_report
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf
from ansible_collections.mailcluster.postfix.plugins.modules import postfix_info
from conftest import Machine

EXAMPLES = {task["name"]: task for task in yaml.safe_load(postfix_info.EXAMPLES)}
FILES = {
    "/etc/postfix/virtual": """\
# Written by hand, in no order.
sales@shop.test     bob
shop.test           a virtual domain

Info@Shop.test      bob,
    archive@files.test
""",
    "/etc/postfix/transport": "files.test   archive:\n",
    "/etc/postfix/access": "refused@shop.test\tREJECT not here\n",
    "/etc/postfix/clients.cidr": "127.0.0.1 DUNNO\n",
    "/etc/aliases": '# See man 5 aliases\npostmaster: root\nroot:   bob\n"with blank": bob\n',
    "/usr/local/bin/archive": "#!/bin/sh\nexec cat >/var/lib/archive/$$\n",
    "/etc/postfix/credentials": "[mail.isp.test]:587 user:geheim-4711\n",
}
TABLES = ["/etc/postfix/virtual", "/etc/postfix/transport", "/etc/postfix/access", "/etc/postfix/credentials"]
ADDED = {
    "/etc/postfix/main.cf": """
# --- ours, do not touch! (Kurt, 2019)
myhostname = hand.test
relay_domains = files.test
indexed = hash:${config_directory}/
virtual_alias_maps = ${indexed}virtual
transport_maps = proxy:hash:/etc/postfix/transport
smtpd_client_restrictions =
    # who may not
    check_client_access cidr:/etc/postfix/clients.cidr,
  permit_mynetworks
smtpd_recipient_restrictions = check_recipient_access hash:/etc/postfix/access,
\treject_unauth_destination
smtp_sasl_password_maps = hash:/etc/postfix/credentials
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
archive_destination_recipient_limit = 1
header_size_limit = 102400
delay_warning_time = 4h
""",
    "/etc/postfix/master.cf": """\
# the side door
127.0.0.1:2525 inet n - y - 10 smtpd
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
# no virus scanner here
  -o { smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/access, permit }
archive    unix  -       n       n       -       1       pipe
  flags=R user=nobody argv=/usr/local/bin/archive ${sender} ${recipient}
""",
}
MAILS = [
    (25, "sales@shop.test"),
    (25, "info@shop.test"),
    (25, "postmaster@hand.test"),
    (25, "anybody@files.test"),
    (25, "refused@shop.test"),
    (25, "nobody@elsewhere.test"),
    (2525, "refused@shop.test"),
]
LOOKUPS = [
    ("hash:/etc/postfix/virtual", "info@shop.test"),
    ("hash:/etc/postfix/transport", "files.test"),
    ("hash:/etc/aliases", "root"),
    ("hash:/etc/postfix/access", "sales@shop.test"),
    ("cidr:/etc/postfix/clients.cidr", "127.0.0.1"),
]
ROUTED = ["/var/mail", "/var/mail, /var/lib/archive", "/var/mail", "/var/lib/archive"]
SECRET = "geheim-4711"
# What makes an instance of its own.
IDENTITY = {"queue_directory", "data_directory", "syslog_name"}


def look(machine: Machine, run: str, *, config: str = "/etc/postfix", kind: str = "hash") -> dict[str, Any]:
    lookups = [(name.replace("hash:", f"{kind}:"), key) for name, key in LOOKUPS]
    seen = machine.ask("ask_adoption.py", {"do": "look", "run": run, "config": config, "mails": MAILS, "lookups": lookups})
    assert isinstance(seen, dict)
    return seen


@pytest.fixture(scope="session")
def hand(machine: Machine) -> dict[str, Any]:
    """The server as its owner left it."""
    assert machine.ask("ask_adoption.py", {"do": "configure", "files": FILES, "added": ADDED, "tables": TABLES}) == []
    return look(machine, "hand")


@pytest.fixture(scope="session")
def adopted(machine: Machine, hand: dict[str, Any]) -> dict[str, Any]:
    """What the examples of postfix_info do."""
    read = machine.play(EXAMPLES["Read the default instance"], EXAMPLES["Write it to the inventory"])
    keep = [EXAMPLES[name] for name in ("Keep the tables compiled", "Keep the configuration")]
    kept = machine.play(*keep, options=["--diff"])
    again = machine.play(*keep, EXAMPLES["Read the default instance"])
    return {"read": read, "kept": kept, "again": again, "seen": look(machine, "adopted")}


@pytest.fixture(scope="session")
def taken_over(machine: Machine, adopted: dict[str, Any]) -> dict[str, Any]:
    """The last of the examples, and the way back."""
    stop = {"ansible.builtin.systemd_service": {"name": "postfix.service", "state": "stopped", "enabled": False}}
    variables = machine.inventory / "host_vars/server/adopted_postfix.yml"
    elsewhere = machine.play(EXAMPLES["Run the same configuration from generations"], options=["--check"])
    variables.write_text(variables.read_text(encoding="utf-8").replace("${config_directory}", "/etc/postfix"), encoding="utf-8")
    done = machine.play(stop, EXAMPLES["Run the same configuration from generations"])
    assert failures(done) == []
    seen = look(machine, "taken", config="/etc/postfix-mx")
    read = [{"mailcluster.postfix.postfix_info": {"names": ["postfix-mx"]}}, {"mailcluster.postfix.postfix_info": {}}]
    info = machine.play(*read, EXAMPLES["Run the same configuration from generations"])
    absent = {"mailcluster.postfix.postfix_instance": {"name": "postfix-mx", "state": "absent"}}
    start = {"ansible.builtin.systemd_service": {"name": "postfix.service", "state": "started", "enabled": True}}
    back = machine.play(absent, start)
    return {"elsewhere": elsewhere, "seen": seen, "info": info, "back": back}


@pytest.fixture(scope="session")
def migrated(machine: Machine, taken_over: dict[str, Any]) -> dict[str, Any]:
    """Tables and caches of the same server, moved off Berkeley DB."""
    migrate = {"mailcluster.postfix.postmap": {"migrate": {"unit": "postfix.service"}}}
    checked = machine.play(migrate, options=["--check", "--diff"])
    assert failures(checked) == []
    between = look(machine, "checked")
    done = machine.play(migrate, migrate, options=["--diff"])
    assert failures(done) == []
    return {"checked": checked[0], "between": between, "done": done[0], "again": done[1], "seen": look(machine, "migrated", kind="lmdb")}


def set_by(text: str) -> dict[str, str]:
    """What main.cf sets, of the output of postconf -n."""
    return {name: " ".join(value.split()) for name, value in main_cf.parameters(text).items() if name != "config_directory"}


def failures(results: list[dict[str, Any]]) -> list[str]:
    return [str(result.get("msg")) for result in results if result.get("failed")]


def test_the_server_of_the_test_routes_as_its_owner_meant(hand: dict[str, Any]) -> None:
    assert hand["routed"][:4] == ROUTED
    assert [reply[:3] for reply in hand["routed"][4:6]] == ["554", "454" if hand["routed"][5].startswith("454") else "554"]
    assert hand["queue"] == ""


def test_adoption_by_the_examples_changes_nothing(adopted: dict[str, Any]) -> None:
    assert failures(adopted["read"] + adopted["kept"] + adopted["again"]) == []
    assert [result["changed"] for result in adopted["kept"]] == [False, False], [(result.get("steps"), result.get("diff")) for result in adopted["kept"]]
    assert [result.get("diff") for result in adopted["kept"] if result.get("diff")] == []


def test_an_adopted_server_has_every_byte_that_it_had(hand: dict[str, Any], adopted: dict[str, Any]) -> None:
    assert adopted["seen"]["files"] == hand["files"]


@pytest.mark.parametrize("what", ["main", "services", "lookups", "routed", "queue"])
def test_an_adopted_server_goes_on_as_it_was(hand: dict[str, Any], adopted: dict[str, Any], what: str) -> None:
    assert adopted["seen"][what] == hand[what]


def test_the_inventory_has_all_that_postconf_tells(hand: dict[str, Any], adopted: dict[str, Any]) -> None:
    instance = adopted["read"][0]["instances"][0]
    told = set_by(hand["main"])
    # postconf -n leaves out what nothing uses.
    assert {name: " ".join(instance["variables"]["main"][name].split()) for name in told} == told
    assert len(instance["variables"]["services"]) == len(hand["services"].splitlines())
    assert instance["parameters"]["myhostname"] == "hand.test"
    assert "header_size_limit" not in instance["parameters"]


def test_tables_are_counted_and_caches_told_apart(adopted: dict[str, Any]) -> None:
    tables = {entry["path"]: entry for entry in adopted["read"][0]["instances"][0]["tables"]}
    assert {path: entry["entries"] for path, entry in tables.items() if not entry["cache"]} == {
        "/etc/aliases": 3,
        "/etc/postfix/access": 1,
        "/etc/postfix/clients.cidr": 1,
        "/etc/postfix/credentials": 1,
        "/etc/postfix/transport": 1,
        "/etc/postfix/virtual": 3,
    }
    assert tables["/var/lib/postfix/smtp_scache"]["cache"]
    assert tables["/etc/postfix/access"]["parameters"] == ["smtpd_recipient_restrictions", "127.0.0.1:2525/inet: smtpd_sender_restrictions"]


def test_what_master_loaded_is_told_until_a_file_changes(machine: Machine, adopted: dict[str, Any]) -> None:
    told = adopted["again"][-1]["instances"][0]
    assert (told["running"], told["managed"], told["loaded_shared"]) == (True, False, told["shared"])
    machine.run("touch", "/etc/postfix/master.cf")
    edited = machine.play(EXAMPLES["Read the default instance"])[0]["instances"][0]
    machine.run("systemctl", "restart", "postfix.service")
    loaded = machine.play(EXAMPLES["Read the default instance"])[0]["instances"][0]
    assert (edited["shared"], edited["loaded_shared"], loaded["loaded_shared"]) == (told["shared"], "", told["shared"])


def test_an_instance_of_its_own_takes_over(hand: dict[str, Any], taken_over: dict[str, Any]) -> None:
    assert failures(taken_over["info"] + taken_over["back"]) == []
    seen = taken_over["seen"]
    assert {name: value for name, value in set_by(seen["main"]).items() if name not in IDENTITY} == set_by(
        hand["main"].replace("${config_directory}", "/etc/postfix")
    )
    assert seen["services"].split() == hand["services"].split()
    assert (seen["routed"], seen["queue"]) == (hand["routed"], "")


def test_a_table_that_the_other_directory_lacks_is_named(taken_over: dict[str, Any]) -> None:
    (message,) = failures(taken_over["elsewhere"])
    assert "virtual_alias_maps: table hash:/etc/postfix-mx/virtual is not part of the generation" in message


def test_an_instance_that_is_read_can_be_made_of_what_was_read(taken_over: dict[str, Any]) -> None:
    told, again = taken_over["info"][0]["instances"][0], taken_over["info"][-1]
    assert (told["managed"], told["proven"], again["changed"], again["generation"]) == (True, True, False, told["active"])


def test_verify_judges_the_instance_and_leaves_the_default_one_alone(taken_over: dict[str, Any]) -> None:
    told = taken_over["info"][1]
    assert [(entry["name"], entry["managed"], entry["running"]) for entry in told["instances"]] == [("postfix", False, False), ("postfix-mx", True, True)]
    assert postfix_report({"server": told}, {"server": ["postfix-mx"]}) == {"errors": [], "differences": []}
    assert postfix_report({"server": told}, {"server": ["postfix"]})["errors"] == ["postfix (server): the node lacks the instance"]


def test_check_mode_of_the_migration_changes_nothing(hand: dict[str, Any], migrated: dict[str, Any]) -> None:
    assert (migrated["checked"]["changed"], migrated["checked"]["steps"]) == (True, migrated["done"]["steps"])
    assert migrated["between"]["files"] == hand["files"]


def test_a_migrated_server_goes_on_as_it_was(hand: dict[str, Any], migrated: dict[str, Any]) -> None:
    seen = migrated["seen"]
    assert (seen["lookups"], seen["routed"], seen["queue"], seen["services"].replace("lmdb:", "hash:")) == (
        hand["lookups"],
        hand["routed"],
        "",
        hand["services"],
    )
    assert "hash:" not in seen["main"] + seen["services"] + seen["expanded"]
    assert "btree:" not in seen["main"] + seen["services"]


def test_only_types_of_tables_changed(hand: dict[str, Any], migrated: dict[str, Any]) -> None:
    def settled(text: str) -> dict[str, str]:
        return {name: value.replace("lmdb:", "hash:").replace("btree:", "hash:") for name, value in set_by(text).items()}

    before, after = settled(hand["main"]), settled(migrated["seen"]["main"])
    assert {name: value for name, value in after.items() if before.get(name) != value} == {
        "address_verify_map": "hash:$data_directory/verify_cache",
        "default_database_type": "lmdb",
        "postscreen_cache_map": "hash:$data_directory/postscreen_cache",
    }


def test_no_file_of_berkeley_db_is_left_and_no_source_is_touched(hand: dict[str, Any], migrated: dict[str, Any]) -> None:
    assert migrated["seen"]["compiled"] == sorted(f"{path}.lmdb" for path in [*TABLES, "/etc/aliases"])
    assert {path: digest for path, digest in migrated["seen"]["files"].items() if path in FILES} == {
        path: digest for path, digest in hand["files"].items() if path in FILES
    }


def test_a_second_migration_finds_nothing_to_do(migrated: dict[str, Any]) -> None:
    assert (migrated["again"]["changed"], migrated["again"]["steps"]) == (False, [])


def test_no_password_is_told(adopted: dict[str, Any], migrated: dict[str, Any]) -> None:
    assert SECRET not in json.dumps([adopted, migrated])
