# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contradictions within a site, and misspelt names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._checks import (
    Node,
    Region,
    Site,
    Vocabulary,
    distance,
    nodes,
    site_errors,
    trust_errors,
)

EAST = Region("east", ("10.1.0.0/24", "fd01::/64"), ("10.1.0.10", "fd01::10"), 51)
WEST = Region("west", ("10.2.0.0/24",), ("10.2.0.10",), 52)
NODES = (
    Node("e-edge", ("edge",), ("east",), ("10.1.0.11", "fd01::11")),
    Node("e-all", ("mx", "submission", "relay", "filter", "mailbox"), ("east",), ("10.1.0.21",)),
    Node("w-edge", ("edge",), ("west",), ("10.2.0.11",)),
)
SITE = Site(
    domain="example.org",
    domains=("example.org", "example.net"),
    regions=(EAST, WEST),
    nodes=NODES,
    networks=("10.1.0.0/24", "10.2.0.0/24", "fd01::/64"),
    hosts=("e-edge", "e-all", "w-edge", "192.0.2.1", "2001:db8::1"),
    accounts="# people\nalice@example.org:e-all:{SHA512-CRYPT}x\n",
    aliases="postmaster@example.org alice@example.org\n",
)


def with_node(name: str, **changes: Any) -> dict[str, Any]:
    return {"nodes": tuple(replace(node, **changes) if node.name == name else node for node in NODES)}


def with_east(**changes: Any) -> dict[str, Any]:
    return {"regions": (replace(EAST, **changes), WEST)}


PORTS = {
    "relay": {"tier": "relay", "daemon": 10125, "local": 11125, "peer": 12125, "health": {"port": 10325}},
    "submission": {"tier": "submission", "public": 587, "daemon": 10587, "peer": 12587, "health": {"port": 10265, "sasl_port": 10266}},
}


def with_instances(*instances: dict[str, Any]) -> dict[str, Any]:
    defaults = {"name": "bulk", "tier": "relay", "offset": 3000}
    entries = tuple({**defaults, **each} for each in instances)
    return {"ports": PORTS, "health_port": 12026, "instances": entries, "nodes": tuple(replace(node, instances=entries) for node in NODES)}


def test_a_good_site_has_no_errors() -> None:
    assert site_errors(SITE) == []


def test_a_site_with_two_pools_has_no_errors() -> None:
    assert site_errors(replace(SITE, **with_instances({}, {"name": "slow", "offset": 6000}))) == []


@pytest.mark.parametrize(
    ("instances", "reason"),
    [
        pytest.param([{"name": "Bulk_1"}], "'Bulk_1' is no name for an instance; lower-case words joined by '-', such as bulk, but not in or out", id="name"),
        pytest.param([{"name": "in"}], "'in' is no name for an instance; lower-case words joined by '-', such as bulk, but not in or out", id="a proxy"),
        pytest.param([{"offset": 0}], "bulk of tier relay: offset 0 does not move the ports of the tier, it must be a number above 0", id="no offset"),
        pytest.param([{"offset": "x"}], "bulk of tier relay: offset 'x' does not move the ports of the tier, it must be a number above 0", id="a word"),
        pytest.param([{"offset": 1000}], "bulk of tier relay: port 11125 of relay is that of relay too", id="a port of the tier"),
        pytest.param([{"offset": 1901}], "bulk of tier relay: port 12026 of relay is that of mailcluster_health_port too", id="the health port"),
        pytest.param([{}, {"name": "slow"}], "slow of tier relay: port 13125 of relay is that of relay-bulk too", id="a port of another"),
        pytest.param(
            [{"offset": 22000}],
            "bulk of tier relay: port 34125 of relay is above 32767, where the kernel finds ports for connections",
            id="a port of connections",
        ),
        pytest.param([{}, {"offset": 6000}], "bulk of tier relay is listed twice", id="twice"),
        pytest.param([{"public": {"smtp": 2525}}], "bulk of tier relay: public names smtp; the tier's services for clients are none", id="public of nothing"),
        pytest.param([{"public": {"relay": 2525}}], "bulk of tier relay: public names relay; the tier's services for clients are none", id="not for clients"),
        pytest.param(
            [{"tier": "submission", "public": {"submission": "smtps"}}],
            "bulk of tier submission: public port 'smtps' of submission is no number from 1 to 32767",
            id="public port",
        ),
        pytest.param([{"tier": "mx", "share": 51}], "bulk of tier mx: share 51 is no percentage from 1 to 50", id="more than half"),
        pytest.param([{"tier": "mx", "share": "5%"}], "bulk of tier mx: share '5%' is no percentage from 1 to 50", id="a share in words"),
        pytest.param([{"share": 5}], "bulk of tier relay: share 5 of the clients of a tier that has no service for clients", id="a share of none"),
        pytest.param(
            [{"tier": "submission", "public": {"submission": 587}}], "bulk of tier submission: port 587 of submission is that of submission too", id="taken"
        ),
    ],
)
def test_an_instance_that_cannot_run_is_refused(instances: list[dict[str, Any]], reason: str) -> None:
    assert f"mailcluster_instances (site): {reason}" in [str(error) for error in site_errors(replace(SITE, **with_instances(*instances)))]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({"domain": "example"}, "mailcluster_domain (site): 'example' is no domain name", id="domain"),
        pytest.param({"domains": ("a_b.org",)}, "mailcluster_domains (site): 'a_b.org' is no domain name", id="domain of a list"),
        pytest.param({"domains": ("example.org", "Example.ORG")}, "mailcluster_domains (site): example.org is listed twice", id="domain listed twice"),
        pytest.param(
            with_east(vips=("10.3.0.10",)),
            "mailcluster_regions (east): VIP 10.3.0.10 is outside the region's networks 10.1.0.0/24, fd01::/64",
            id="VIP outside its region",
        ),
        pytest.param(with_east(vips=("10.1.0.256",)), "mailcluster_regions (east): VIP '10.1.0.256' is no address", id="VIP no address"),
        pytest.param(with_east(vips=("10.1.0.21",)), "mailcluster_regions (east): VIP 10.1.0.21 is the address of node e-all", id="VIP of a node"),
        pytest.param(
            with_east(vips=("10.1.0.10", "10.1.0.9")),
            "mailcluster_regions (west): VRRP router id 52 is that of region east too,"
            " of which each has one for every VIP of a family, from vrid 51 and 52 on",
            id="two VIPs reach into the next region's ids",
        ),
        pytest.param(
            with_east(vrid=52),
            "mailcluster_regions (west): VRRP router id 52 is that of region east too,"
            " of which each has one for every VIP of a family, from vrid 52 and 52 on",
            id="duplicate vrid",
        ),
        pytest.param(
            with_east(vips=("10.1.0.10", "10.1.0.9"), vrid=255),
            "mailcluster_regions (east): vrid 255 leaves no router id for the last of its VIPs, which would have 256",
            id="no id left",
        ),
        pytest.param(
            with_east(vips=()),
            "mailcluster_regions (east): a region without VIPs has no use for vrid 51: list its VIPs, or leave vrid out, and the edges"
            " serve on their own addresses",
            id="vrid without VIPs",
        ),
        pytest.param(with_east(vrid=None), "mailcluster_regions (east): a region with VIPs needs a vrid", id="vrid missing"),
        pytest.param(with_east(vrid=256), "mailcluster_regions (east): vrid 256 is outside 1 to 255", id="vrid too large"),
        pytest.param(
            with_east(networks=("10.1.0.0/24", "fd01::/64", "10.2.0.0/16")),
            "mailcluster_regions (west): network 10.2.0.0/24 overlaps 10.2.0.0/16 of region east",
            id="regions overlap",
        ),
        pytest.param(
            {"regions": (EAST, WEST, Region("north", ("10.9.0.0/24",)))},
            "mailcluster_regions (north): the inventory has no group of this name with a node in it",
            id="region without nodes",
        ),
        pytest.param({"regions": (EAST, WEST, EAST)}, "mailcluster_regions (east): the region is listed twice", id="region listed twice"),
        pytest.param(with_node("w-edge", tiers=("relay",)), "mailcluster_regions (west): a region with VIPs needs a node in tier edge", id="VIP, no edge"),
        pytest.param(
            with_east(networks=("10.1.0.1/24", "fd01::/64")),
            "mailcluster_regions (east): '10.1.0.1/24' is no network address in CIDR notation",
            id="network with host bits",
        ),
        pytest.param(
            {"networks": ("0.0.0.0/0",)},
            "mailcluster_networks (site): 0.0.0.0/0 trusts half the world: the prefix of 0.0.0.0/0 is shorter than /8",
            id="the world, IPv4",
        ),
        pytest.param(
            {"networks": ("2000::/3",)},
            "mailcluster_networks (site): 2000::/3 trusts half the world: the prefix of 2000::/3 is shorter than /32",
            id="the world, IPv6",
        ),
        pytest.param(
            with_east(networks=("10.0.0.0/8", "11.0.0.0/8", "fd01::/64")),
            "mailcluster_regions (east): 10.0.0.0/8, 11.0.0.0/8 together trust half the world: the prefix of 10.0.0.0/7 is shorter than /8",
            id="half the world in pieces",
        ),
        pytest.param(
            {"hosts": ("e-edge", "alice@example.org:e-all:{SHA512-CRYPT}hidden", "bob:e-all:hidden")},
            "inventory (site): 2 of its hosts look like lines of accounts: -i names a folder, and Ansible reads every file below it; "
            "name the file hosts.yml in it",
            id="accounts read as an inventory",
        ),
        pytest.param(
            {"aliases": "info@example.org alice@example.org\npostmaster@example.net alice@example.org\n"},
            "mailcluster_aliases (site): postmaster@example.org is neither an account nor an alias, but mail to <postmaster> is always accepted "
            "(RFC 5321 section 4.5.1) and would bounce",
            id="no postmaster",
        ),
        pytest.param(with_node("e-edge", tiers=()), "groups (e-edge): is in region east, but in no tier", id="no tier"),
        pytest.param(with_node("e-all", regions=()), "groups (e-all): is in tier mx, but in the group of no region", id="no region"),
        pytest.param(with_node("e-all", regions=("east", "west")), "groups (e-all): is in two regions, east and west", id="two regions"),
        pytest.param(
            with_node("e-all", addresses=()),
            "mailcluster_addresses (e-all): is not set; a node needs its IPv4 address, and its IPv6 address after it",
            id="no address",
        ),
        pytest.param(
            with_node("e-all", addresses=("10.2.0.21",)),
            "mailcluster_addresses (e-all): 10.2.0.21 is outside the networks of region east",
            id="address outside its region",
        ),
        pytest.param(
            with_node("e-all", addresses=("10.1.0.11",)),
            "mailcluster_addresses (e-all): 10.1.0.11 is the address of e-edge too",
            id="duplicate address",
        ),
        pytest.param(with_node("e-all", addresses=("ten",)), "mailcluster_addresses (e-all): 'ten' is no address", id="no address at all"),
        pytest.param(
            with_node("e-all", addresses=("fd01::21", "10.1.0.21")),
            "mailcluster_addresses (e-all): lists one IPv4 address first and at most one IPv6 address after it",
            id="IPv6 first",
        ),
        pytest.param(
            with_node("e-edge", direct=True),
            "mx_direct (e-edge): the node is in tier edge, whose balancer has port 25 already",
            id="port 25 twice",
        ),
        pytest.param(
            with_node("e-all", tiers=("mx", "relay", "mailbox")),
            "groups (site): tier filter has no node, but mx cannot work without",
            id="empty tier",
        ),
        pytest.param(
            {"accounts": "alice@example.org:w-mailbox:{SHA512-CRYPT}x"},
            "mailcluster_accounts (site): accounts, line 1: alice@example.org: home w-mailbox is not a mailbox node (e-all)",
            id="home unknown",
        ),
        pytest.param(
            {"aliases": "info@example.org nobody@example.org"},
            "mailcluster_aliases (site): aliases, line 1: info@example.org: destination nobody@example.org is neither an account nor an alias",
            id="alias to nowhere",
        ),
        pytest.param(
            {"nodes": (*NODES, Node("w-box", ("mailbox",), ("west",), ("11.1.0.21",)))},
            "mailcluster_addresses (w-box): 11.1.0.21 has the last three octets of 10.1.0.21 of e-all, on which their local doors depend",
            id="one door for two nodes",
        ),
        pytest.param({"valkey_primary": "e-edge"}, "valkey_primary (site): 'e-edge' is no node of tier filter", id="primary elsewhere"),
    ],
)
def test_a_contradiction_names_variable_host_and_reason(changes: dict[str, Any], line: str) -> None:
    assert line in map(str, site_errors(replace(SITE, **changes)))


def test_all_errors_are_reported_at_once() -> None:
    bad = replace(SITE, domain="example", networks=("0.0.0.0/0",), valkey_primary="nobody")
    assert [error.variable for error in site_errors(bad)] == ["mailcluster_domain", "mailcluster_networks", "valkey_primary"]


def test_no_error_shows_a_password_hash() -> None:
    bad = replace(SITE, hosts=("alice@example.org:e-all:hidden",), accounts="alice@example.org:e-all:{SHA512-CRYPT}hidden:x\nbob@example.org:hidden\nhidden\n")
    assert "hidden" not in "\n".join(map(str, site_errors(bad)))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"accounts": "postmaster@example.org:e-all:{SHA512-CRYPT}x", "aliases": ""}, id="an account"),
        pytest.param({"domain": "Example.ORG"}, id="another case"),
        pytest.param({"aliases": "@example.org alice@example.org"}, id="a catch-all"),
        pytest.param({"domain": "example.com", "aliases": ""}, id="a domain that is served elsewhere"),
        pytest.param({"accounts": None, "aliases": ""}, id="accounts that are not judged"),
    ],
)
def test_a_postmaster_who_is_reached_is_no_error(changes: dict[str, Any]) -> None:
    assert site_errors(replace(SITE, **changes)) == []


@pytest.mark.parametrize(
    "networks",
    [
        pytest.param([], id="nobody"),
        pytest.param(["10.0.0.0/8", "192.168.0.0/16", "10.1.0.0/24"], id="private networks"),
        pytest.param(["2001:db8::/32", "fd01::/64", "::1", "127.0.0.1"], id="IPv6 and addresses"),
    ],
)
def test_networks_of_a_site_may_be_trusted(networks: list[str]) -> None:
    assert trust_errors(networks) == []


@pytest.mark.parametrize(
    ("networks", "error"),
    [
        pytest.param(["0.0.0.0/0"], "0.0.0.0/0 trusts half the world", id="the world"),
        pytest.param(["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1, 128.0.0.0/1 together trust half the world: the prefix of 0.0.0.0/0", id="two halves"),
        pytest.param([f"{n}.0.0.0/8" for n in range(256)], "0.0.0.0/8, 1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8, ... together", id="256 parts"),
        pytest.param(["2001:db8::/32", "2001:db9::/32"], "together trust half the world: the prefix of 2001:db8::/31", id="IPv6 in pieces"),
        pytest.param(["10.0.0.0/8", "0.0.0.0/0"], "0.0.0.0/0 trusts", id="a part and the world"),
        pytest.param(["10.1.0.1/24"], "'10.1.0.1/24' is no network address in CIDR notation", id="host bits"),
        pytest.param(["all"], "'all' is no network address in CIDR notation", id="a word"),
        pytest.param(["[fd01::]/64"], "'[fd01::]/64' is no network address in CIDR notation", id="brackets"),
        pytest.param(["::ffff:0:0/96"], "::ffff:0:0/96 is IPv4 in the form of IPv6, which no client has", id="IPv4-mapped"),
    ],
)
def test_networks_of_the_world_are_named(networks: list[str], error: str) -> None:
    found = trust_errors(networks)
    assert len(found) == 1
    assert found[0].startswith(error) or error in found[0]


def test_nodes_are_the_members_of_tiers_and_regions() -> None:
    found, errors = nodes(
        {"a": {"mailcluster_addresses": ["10.1.0.11"], "mx_direct": True}, "b": {}, "c": {}},
        {"all": ["a", "b", "c"], "mx": ["a"], "east": ["a", "b"]},
        [EAST],
    )
    assert found == (Node("a", ("mx",), ("east",), ("10.1.0.11",), direct=True), Node("b", (), ("east",), ()))
    assert errors == ()


def test_only_true_makes_an_exchanger_direct() -> None:
    found, _errors = nodes({"a": {"mx_direct": "false"}, "b": {"mx_direct": "true"}}, {"mx": ["a", "b"]}, [EAST])
    assert [node.direct for node in found] == [False, False]


def test_addresses_that_are_no_list_are_an_error() -> None:
    _nodes, errors = nodes({"a": {"mailcluster_addresses": "10.1.0.11"}}, {"mx": ["a"]}, [EAST])
    assert [str(error) for error in errors] == ["mailcluster_addresses (a): is no list of addresses"]


@pytest.mark.parametrize(
    ("word", "name", "edits"),
    [
        ("mx_main", "mx_main", 0),
        ("mx_mian", "mx_main", 1),
        ("mx_man", "mx_main", 1),
        ("mx_maain", "mx_main", 1),
        ("mx_nain", "mx_main", 1),
        ("mx_mni", "mx_main", 2),
        ("", "ab", 2),
        ("relay_main", "mx_main", 5),
    ],
)
def test_distance_counts_insertions_deletions_substitutions_and_swaps(word: str, name: str, edits: int) -> None:
    assert distance(word, name) == distance(name, word) == edits


VOCABULARY = Vocabulary(
    {
        "mx": ["mx_main", "mx_group_main", "mx_direct"],
        "mailcluster": ["mailcluster_domain", "mailcluster_domains", "mailcluster_regions"],
        "resolver": ["resolver_forwards"],
    }
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mx_mian", "mx_main"),
        ("mx_domain", "mx_main"),
        ("mx_domains_of_mine", None),
        ("mx_gruop_main", "mx_group_main"),
        ("mailcluster_domian", "mailcluster_domain"),
        ("mailclustre_domains", "mailcluster_domains"),
        ("maillcluster_region", None),
        ("mailcluster_region", "mailcluster_regions"),
        ("resolver_forward", "resolver_forwards"),
        ("xm_main", "mx_main"),
        ("my_main", None),
        ("tx_main", None),
        ("main", None),
        ("groups", None),
        ("inventory_hostname", None),
        ("molecule_yml", None),
        ("lab_regions", None),
    ],
)
def test_a_name_within_two_edits_of_a_known_one_is_misspelt(name: str, meant: str | None) -> None:
    assert VOCABULARY.meant(name) == meant


def test_known_private_and_foreign_names_are_no_errors() -> None:
    names = ["mx_main", "__mx_mian", "_mx_mian", "ansible_mx", "mx_network_of_mine", "lab_domain", "postgresql_main"]
    assert VOCABULARY.errors("mx1", names) == []


def test_strict_refuses_unknown_names_with_the_prefix_of_a_role() -> None:
    errors = VOCABULARY.errors("mx1", ["mx_network_of_mine", "lab_domain"], strict=True)
    assert [str(error) for error in errors] == ["mx_network_of_mine (mx1): is no variable of the collection (mailcluster_strict)"]


def test_a_misspelt_name_says_what_was_meant() -> None:
    assert [str(error) for error in VOCABULARY.errors("mx1", ["mx_mian"])] == ["mx_mian (mx1): is no variable of the collection; did you mean mx_main?"]


def test_an_instance_that_only_some_hosts_know_is_refused() -> None:
    site = replace(SITE, **with_instances({}))
    node = replace(site.nodes[0], instances=())
    errors = [str(error) for error in site_errors(replace(site, nodes=(node, *site.nodes[1:])))]
    assert errors == [f"mailcluster_instances ({node.name}): is not what it is on other hosts; a fact of the site belongs in group_vars/all"]


def test_an_entry_that_is_no_instance_is_refused() -> None:
    site = replace(SITE, **with_instances({}))
    entries: tuple[dict[str, Any], ...] = ({"name": "bulk"},)
    nodes_ = tuple(replace(node, instances=entries) for node in NODES)
    assert [str(error) for error in site_errors(replace(site, instances=entries, nodes=nodes_))] == [
        "mailcluster_instances (site): an entry lacks tier, offset"
    ]
