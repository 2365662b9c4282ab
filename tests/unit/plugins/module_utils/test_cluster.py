# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of tiers and the doors of nodes, as tables."""

from __future__ import annotations

from typing import Any

import cluster_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster


def test_of_hosts_of_other_tiers_no_variables_are_read() -> None:
    groups = {"mx": ["a"], "mailbox": ["b"], "east": ["b"]}
    found = _cluster.members(groups, {"b": {"mailcluster_addresses": ["10.0.0.1"]}}, cases.REGIONS, ["mailbox"])
    assert {tier: [member.name for member in members] for tier, members in found.items()} == {"mailbox": ["b"]}


def test_members_keep_the_order_of_the_inventory() -> None:
    assert [member.name for member in cases.MEMBERS["mx"]] == ["east-mx1", "east-mx2", "west-mx1"]


def test_a_member_survives_the_way_through_variables() -> None:
    as_variables = {tier: [member.as_dict() for member in found] for tier, found in cases.MEMBERS.items()}
    assert _cluster.members_from_dicts(as_variables) == cases.MEMBERS


@pytest.mark.parametrize(
    ("groups", "addresses", "error"),
    [
        ({"mx": ["a"], "east": []}, ["10.0.0.1"], "host a must be in the group of exactly one region"),
        ({"mx": ["a"], "east": ["a"], "west": ["a"]}, ["10.0.0.1"], "it is in east, west"),
        ({"mx": ["a"], "east": ["a"]}, None, "mailcluster_addresses of a: a list"),
        ({"mx": ["a"], "east": ["a"]}, "10.0.0.1", "mailcluster_addresses of a: a list"),
        ({"mx": ["a"], "east": ["a"]}, ["10.0.0.256"], "mailcluster_addresses of a: 10.0.0.256 is not an IP address"),
        ({"mx": ["a"], "east": ["a"]}, ["fd91::1", "10.0.0.1"], "mailcluster_addresses of a: fd91::1 comes first"),
    ],
)
def test_a_host_without_a_place_is_refused_by_name(groups: dict[str, list[str]], addresses: Any, error: str) -> None:
    with pytest.raises(_cluster.ClusterError, match=error):
        _cluster.members(groups, {"a": {"mailcluster_addresses": addresses}}, cases.REGIONS)


def test_every_wrong_host_is_named_at_once() -> None:
    with pytest.raises(_cluster.ClusterError) as caught:
        _cluster.members({"mx": ["a", "b"], "east": ["a", "b"]}, {"a": {}, "b": {}}, cases.REGIONS)
    assert len(caught.value.errors) == 2


def doors(node: str) -> dict[str, _cluster.Door]:
    return {door.name: door for door in _cluster.doors(cases.PORTS, cases.MEMBERS, node, cases.REGIONS)}


@pytest.mark.parametrize(
    ("node", "names"),
    [
        ("east-edge1", ["mx", "submissions", "submission", "relay-out", "imaps"]),
        ("east-mx1", ["mx-in", "internal-in", "relay-out", "lmtp-out-east-mailbox1", "lmtp-out-west-mailbox1", "milter-out"]),
        ("west-submission1", ["submissions-in", "submission-in", "relay-out", "milter-out"]),
        ("east-relay1", ["internal-out", "relay-in", "relay-out"]),
        ("east-filter1", ["relay-out", "milter-in", "valkey-in", "valkey-out"]),
        (
            "west-mailbox1",
            ["relay-out", "imaps-in", "imap-in", "imap-out-east-mailbox1", "imap-out-west-mailbox1", "lmtp-in"],
        ),
    ],
)
def test_a_node_opens_the_doors_of_its_tiers_and_no_other(node: str, names: list[str]) -> None:
    assert list(doors(node)) == names


def test_an_edge_serves_on_the_vips_of_its_region() -> None:
    assert doors("west-edge1")["mx"].addresses == ("10.91.2.10", "fd91:0:0:2::10")


def test_an_edge_without_a_vip_serves_on_its_own_addresses() -> None:
    regions = [{**region, "vips": []} for region in cases.REGIONS]
    public = [door for door in _cluster.doors(cases.PORTS, cases.MEMBERS, "east-edge1", regions) if door.kind == "public"]
    assert {door.addresses for door in public} == {("10.91.1.11", "fd91:0:0:1::11")}


def test_a_peer_door_is_on_the_addresses_of_the_node_only() -> None:
    assert doors("east-mx1")["mx-in"].addresses == ("10.91.1.21", "fd91:0:0:1::21")


def test_the_own_region_serves_first() -> None:
    servers = [(server.member.name, server.backup) for server in doors("west-edge1")["mx"].servers]
    assert servers == [("west-mx1", False), ("east-mx1", True), ("east-mx2", True)]


def test_a_region_without_the_tier_uses_the_others_as_equals() -> None:
    found = _cluster.servers_for(cases.MEMBERS["edge"][0], [cases.MEMBERS["mx"][2]])
    assert [server.backup for server in found] == [False]


def test_a_door_to_one_member_has_an_address_of_its_own() -> None:
    assert doors("east-mx1")["lmtp-out-west-mailbox1"].addresses == ("127.91.2.61",)


def test_two_members_with_one_door_are_refused() -> None:
    twins = [_cluster.Member("a", "east", ("10.1.2.3",)), _cluster.Member("b", "east", ("172.1.2.3",))]
    of_tier = {**cases.MEMBERS, "mailbox": twins}
    with pytest.raises(_cluster.ClusterError, match=r"of b: 172\.1\.2\.3 ends like that of a, both doors to lmtp would be 127\.1\.2\.3"):
        _cluster.doors(cases.PORTS, of_tier, "east-mx1", cases.REGIONS)


def test_a_tier_without_members_gets_no_door() -> None:
    of_tier = {**cases.MEMBERS, "filter": []}
    found = _cluster.doors(cases.PORTS, of_tier, "east-mx1", cases.REGIONS)
    assert "milter-out" not in [door.name for door in found]


def test_a_stranger_to_the_cluster_is_refused() -> None:
    with pytest.raises(_cluster.ClusterError, match="host nobody is in none of the tiers"):
        _cluster.find_member(cases.MEMBERS, "nobody")


def test_tiers_come_in_the_order_of_the_playbooks() -> None:
    assert _cluster.tiers_of(cases.ALONE, "alone") == ("mailbox", "filter", "relay", "submission", "mx", "edge")


def test_every_port_but_the_public_ones_is_an_inner_one() -> None:
    found = _cluster.inner_ports(cases.PORTS, 12026)
    # As numbers of the map, so that a new kind of port is missed here first.
    values = [value for port in cases.PORTS.values() for value in [*port.values(), *port.get("health", {}).values()]]
    numbers = {number for number in values if isinstance(number, int) and number > 2}
    assert set(found) == numbers - {port["public"] for port in cases.PORTS.values() if "public" in port} | {12026}


def test_inner_ports_are_listed_once() -> None:
    assert _cluster.inner_ports({"a": {"peer": 2, "daemon": 1, "health": {"type": "tcp", "port": 1}}, "b": {"local": 2}}, 3) == [1, 2, 3]


BULK = {"name": "bulk", "tier": "relay", "offset": 3000, "main": {"biff": True}}


def test_a_further_instance_has_the_ports_of_its_tier_moved() -> None:
    port = _cluster.all_ports(cases.PORTS, [BULK])["relay-bulk"]
    own = cases.PORTS["relay"]
    assert {key: port[key] - own[key] for key in ("daemon", "peer", "local")} == {"daemon": 3000, "peer": 3000, "local": 3000}
    assert port["health"]["port"] == own["health"]["port"] + 3000


def test_a_further_instance_asks_the_dovecot_of_its_node() -> None:
    port = _cluster.all_ports(cases.PORTS, [{**BULK, "tier": "submission"}])["submission-bulk"]
    assert port["health"]["sasl_port"] == cases.PORTS["submission"]["health"]["sasl_port"]


@pytest.mark.parametrize(("public", "ports"), [({}, {}), ({"submission": 2587}, {"submission-bulk": 2587})])
def test_only_what_was_asked_for_of_a_further_instance_is_public(public: dict[str, int], ports: dict[str, int]) -> None:
    further = _cluster.all_ports(cases.PORTS, [{**BULK, "tier": "submission", "public": public}])
    assert {service: port["public"] for service, port in further.items() if service not in cases.PORTS and "public" in port} == ports


def test_every_caller_of_a_tier_has_a_door_to_its_further_instance() -> None:
    ports = _cluster.all_ports(cases.PORTS, [BULK])
    opened = {node: [door.name for door in _cluster.doors(ports, cases.MEMBERS, node, cases.REGIONS)] for node in ("east-mx1", "east-relay1")}
    assert ("relay-bulk-out" in opened["east-mx1"], "relay-bulk-in" in opened["east-relay1"], "relay-bulk-in" in opened["east-mx1"]) == (True, True, False)


def test_a_tier_runs_its_own_instance_before_the_further_ones() -> None:
    found = _cluster.tier_instances(cases.PORTS, [BULK], {"mx": "postfix-mx", "relay": "postfix-out"})
    assert {tier: [each["name"] for each in instances] for tier, instances in found.items()} == {
        "mx": ["postfix-mx"],
        "relay": ["postfix-out", "postfix-out-bulk"],
    }
    assert [each["main"] for each in found["relay"]] == [{}, {"biff": True}]
    assert [each["ports"]["relay"]["daemon"] for each in found["relay"]] == [cases.PORTS["relay"]["daemon"], cases.PORTS["relay"]["daemon"] + 3000]


INSTANCES = {"mx": [{"name": "postfix-mx"}], "relay": [{"name": "postfix-relay"}, {"name": "postfix-relay-bulk"}]}


@pytest.mark.parametrize(
    ("node", "names", "targets"),
    [
        pytest.param("east-mx2", ["postfix-mx"], ["east-mx1", "west-mx1"], id="own region first"),
        pytest.param("west-mx1", ["postfix-mx"], ["east-mx1", "east-mx2"], id="no other in its region"),
        pytest.param("east-relay1", ["postfix-relay", "postfix-relay-bulk"], ["west-relay1"], id="two instances of a tier"),
        pytest.param("east-mx1", ["postfix-mx", "postfix-relay"], [], id="nobody is in both tiers"),
        pytest.param("east-mx1", [], [], id="no instance"),
    ],
)
def test_queues_go_to_a_node_that_has_all_the_instances(node: str, names: list[str], targets: list[str]) -> None:
    assert _cluster.evacuation_targets(cases.MEMBERS, INSTANCES, node, names) == targets


def test_an_instance_of_no_tier_goes_nowhere() -> None:
    with pytest.raises(_cluster.ClusterError, match="no tier has an instance postfix-own"):
        _cluster.evacuation_targets(cases.MEMBERS, INSTANCES, "east-mx1", ["postfix-own"])
