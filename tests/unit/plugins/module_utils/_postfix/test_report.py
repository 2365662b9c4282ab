# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, master_cf, references, report
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Before


def made(*, main: dict[str, Any] | None = None, local: dict[str, Any] | None = None, maxproc: str = "-") -> generation.Generation:
    services = [master_cf.service({"service": "10025", "type": "inet", "command": "smtpd", "maxproc": maxproc})]
    tables = [generation.Table("checks", "texthash", "a REJECT\n")]
    return generation.build(main=main or {"mynetworks": ""}, local=local or {"myhostname": "mx1.test"}, services=services, tables=tables)


def state(made_of: generation.Generation, /, **more: Any) -> Before:
    defaults: dict[str, Any] = {
        "active": made_of.name,
        "loaded": made_of.name,
        "running": True,
        "enabled": True,
        "files": made_of.files,
        "loaded_files": made_of.files,
    }
    return Before(**{**defaults, **more})


def describe(before: Before, generations: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    flags = {name: more.pop(name) for name in ("defaults", "content") if name in more and isinstance(more[name], bool)}
    return report.describe("postfix-mx", before, generations, report.Node(**{"config": "/etc/postfix-mx", **more}), **flags)


def node(before: Before, *, release: str = "13") -> dict[str, Any]:
    return {"release": release, "instances": [describe(before, [before.active])]}


PLAIN = made()
EDITED = {**PLAIN.files, "main.cf": PLAIN.files["main.cf"].replace("mynetworks =", "mynetworks = 0.0.0.0/0")}


def test_digests_come_from_the_files() -> None:
    told = describe(state(PLAIN, active="0-0", loaded="0-0"))
    assert (told["shared"], told["local"]) == (PLAIN.shared, PLAIN.local)


def test_shared_parameters_have_what_a_node_overrides_but_not_its_own() -> None:
    told = describe(state(made(main={"a": "1", "b": "2"}, local={"b": "3", "c": "4"})))
    assert (told["variables"]["main"], told["variables"]["local"]) == ({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    assert told["parameters"] == {"a": "1", "b": "3", "c": "4"}


@pytest.mark.parametrize(
    ("owner", "names", "errors"),
    [
        pytest.param("mailcluster.postfix.mx", ["postfix-relay"], 1, id="a profile's"),
        pytest.param("mailcluster.postfix.mx", ["postfix-mx"], 0, id="claimed"),
        pytest.param("acme.mail.mx", [], 0, id="of a role of the site"),
        pytest.param("mx", [], 0, id="of a role of the site beside the playbook"),
        pytest.param("", [], 0, id="of nobody"),
    ],
)
def test_an_instance_that_its_profile_claims_no_more_is_reported(owner: str, names: list[str], errors: int) -> None:
    found = report.compare({"mx1": node(state(PLAIN, owner=owner))}, {"mx1": names})["errors"]
    assert len([error for error in found if error.startswith("postfix-mx (mx1): no role claims the instance")]) == errors


def test_equal_nodes_with_their_own_names_are_one_tier() -> None:
    nodes = {"mx1": node(state(PLAIN)), "mx2": node(state(made(local={"myhostname": "mx2.test"})))}
    assert report.compare(nodes, {}) == {"errors": [], "differences": []}


@pytest.mark.parametrize(
    ("before", "error"),
    [
        pytest.param(state(PLAIN, files=EDITED), "postfix-mx (mx1): edited by hand: generation " + PLAIN.name, id="edited by hand"),
        pytest.param(state(PLAIN, running=False), "postfix-mx (mx1): master is not running", id="dead"),
        pytest.param(state(PLAIN, loaded="old", loaded_files=made(maxproc="1").files), "master runs old, not", id="not loaded"),
        pytest.param(state(PLAIN, loaded="", loaded_files=None), "master runs an unknown generation", id="unknown"),
        pytest.param(state(PLAIN, unproven=True), "no probe has seen", id="killed before the probe"),
        pytest.param(Before(), "postfix-mx (mx1): no generation is active", id="none"),
    ],
)
def test_fault_of_a_node_is_named(before: Before, error: str) -> None:
    assert any(error in line for line in report.compare({"mx1": node(before)}, {})["errors"])


def test_stopped_instance_is_no_error() -> None:
    assert report.compare({"mx1": node(state(PLAIN, running=False, enabled=False))}, {})["errors"] == []


def test_drift_names_instance_release_digests_and_nodes() -> None:
    other = made(main={"mynetworks": "10.0.0.0/8"})
    nodes = {"mx1": node(state(PLAIN)), "mx2": node(state(other)), "mx3": node(state(PLAIN))}
    assert report.compare(nodes, {})["errors"] == [f"postfix-mx on Debian 13: the shared digest differs: {PLAIN.shared} on mx1, mx3; {other.shared} on mx2"]


def test_releases_may_differ_and_it_is_shown() -> None:
    older = made(main={"mynetworks": "", "smtpd_forbid_bare_newline": "normalize"}, maxproc="9")
    found = report.compare({"mx1": node(state(PLAIN)), "mx2": node(state(older), release="12")}, {})
    assert found["errors"] == []
    assert [line.split(";")[0] for line in found["differences"]] == [
        "postfix-mx: smtpd_forbid_bare_newline: Debian 12: normalize",
        found["differences"][1].split(";")[0],
    ]
    assert found["differences"][1].startswith("postfix-mx: service 10025/inet: Debian 12: ")


@pytest.mark.parametrize(
    ("wanted", "errors"),
    [
        pytest.param({"mx1": ["postfix-mx"], "mx2": []}, [], id="as wanted"),
        pytest.param({"mx2": ["postfix-mx"]}, ["postfix-mx (mx2): the node lacks the instance"], id="none"),
        pytest.param({"mx1": ["postfix-mx", "postfix-relay"]}, ["postfix-relay (mx1): the node lacks the instance"], id="one of two"),
        pytest.param({"gone": ["postfix-mx"]}, [], id="a node that did not answer"),
    ],
)
def test_an_instance_that_a_node_lacks_is_named(wanted: dict[str, list[str]], errors: list[str]) -> None:
    nodes = {"mx1": node(state(PLAIN)), "mx2": {"release": "13", "instances": []}}
    assert report.compare(nodes, wanted)["errors"] == errors


def test_policy_tables_have_the_type_that_the_configuration_names() -> None:
    built = generation.build(
        main={"smtpd_client_restrictions": "check_client_access cidr:$config_directory/a"},
        local={},
        services=[],
        tables=[generation.Table("a", "cidr", "192.0.2.1 OK\n"), generation.Table("b", "texthash", "x y\n")],
    )
    named = references.of_files(built.files, directory="/etc/postfix-mx", defaults={})
    told = describe(state(built), tables=[report.TableFile(references=named, digest="d", mode=0o644)])
    assert [(entry["name"], entry["type"]) for entry in told["variables"]["tables"]] == [("a", "cidr"), ("b", "texthash")]
    assert told["variables"]["data"] == []


def test_an_instance_is_made_again_of_its_variables() -> None:
    built = made(main={"mynetworks": "", "b": "1"}, local={"b": "2", "myhostname": "mx1.test"})
    told = describe(state(built))["variables"]
    again = generation.build(
        main=told["main"],
        local=told["local"],
        services=[master_cf.service(entry) for entry in told["services"]],
        tables=[generation.Table(entry["name"], entry["type"], entry["content"]) for entry in told["tables"]],
    )
    assert again.name == built.name


def test_what_does_not_run_from_generations_is_not_compared() -> None:
    nodes = {"mx1": {"release": "13", "instances": [describe(state(PLAIN), managed=False)]}, "mx2": node(state(made(maxproc="7")))}
    assert report.compare(nodes, {}) == {"errors": [], "differences": []}


def test_what_others_made_is_not_the_instance_that_a_node_must_have() -> None:
    nodes = {"mx1": {"release": "13", "instances": [describe(state(PLAIN), managed=False)]}}
    assert report.compare(nodes, {"mx1": ["postfix-mx"]})["errors"] == ["postfix-mx (mx1): the node lacks the instance"]
