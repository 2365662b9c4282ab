# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of node lets in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _firewall
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import ClusterError, Member

PORTS: dict[str, dict[str, Any]] = {
    "mx": {"tier": "mx", "public": 25, "daemon": 10025, "peer": 12025, "from": ["edge"], "world": True},
    "submissions": {"tier": "submission", "public": 465, "daemon": 10465, "peer": 12465, "from": ["edge"], "world": True},
    "imap": {"tier": "mailbox", "public": 143, "daemon": 10143, "peer": 12143, "from": ["edge"], "world": False},
    "lmtp": {"tier": "mailbox", "daemon": 10024, "peer": 12024, "from": ["mx"]},
    "milter": {"tier": "filter", "daemon": 11332, "peer": 12332, "from": ["mx", "submission"]},
}
EDGE1 = Member("edge1", "east", ("10.1.0.11", "fd01::11"))
EDGE2 = Member("edge2", "east", ("10.1.0.12", "fd01::12"))
FAR = Member("far", "west", ("10.2.0.11",))
MX1 = Member("mx1", "east", ("10.1.0.21", "fd01::21"))
MX2 = Member("mx2", "east", ("10.1.0.22",))
BOX = Member("box", "east", ("10.1.0.61",))
MEMBERS = {"edge": [EDGE1, EDGE2, FAR], "mx": [MX1, MX2], "mailbox": [BOX], "filter": [], "submission": [], "relay": []}
REGIONS = [
    {"name": "east", "networks": ["10.1.0.0/24", "fd01::/64"], "vips": ["10.1.0.10", "fd01::10"]},
    {"name": "west", "networks": ["10.2.0.0/24"], "vips": []},
]


def rules(node: str, **changes: Any) -> list[str]:
    options: dict[str, Any] = {"health_port": 12026, "admin_networks": ["0.0.0.0/0", "::/0"], "admin_ports": [22], **changes}
    found = _firewall.rules(PORTS, MEMBERS, node, REGIONS, **options)
    return found[6:]


def test_an_mx_node_lets_edges_call_its_door_and_every_node_ask_for_its_health() -> None:
    assert rules("mx1") == [
        "meta nfproto ipv4 tcp dport 22 accept",
        "meta nfproto ipv6 tcp dport 22 accept",
        "ip saddr { 10.1.0.11, 10.1.0.12, 10.2.0.11 } tcp dport 12025 accept",
        "ip6 saddr { fd01::11, fd01::12 } tcp dport 12025 accept",
        "ip saddr { 10.1.0.11, 10.1.0.12, 10.1.0.22, 10.1.0.61, 10.2.0.11 } tcp dport 12026 accept",
        "ip6 saddr { fd01::11, fd01::12 } tcp dport 12026 accept",
    ]


def test_an_edge_serves_the_world_on_its_vips_and_hears_its_neighbour() -> None:
    assert rules("edge1", admin_ports=[])[2:] == [
        "ip daddr 10.1.0.10 tcp dport 25 accept",
        "ip6 daddr fd01::10 tcp dport 25 accept",
        "ip saddr { 10.1.0.0/24, 10.2.0.0/24 } tcp dport 143 accept",
        "ip6 saddr fd01::/64 tcp dport 143 accept",
        "ip saddr 10.1.0.12 meta l4proto 112 accept",
        "ip6 saddr { fd01::12, fe80::/10 } meta l4proto 112 accept",
    ]


def test_an_edge_without_vips_serves_on_its_own_addresses_and_has_no_vrrp() -> None:
    assert [rule for rule in rules("far") if "25 accept" in rule or "112" in rule] == ["ip daddr 10.2.0.11 tcp dport 25 accept"]


def test_a_mailbox_node_tells_edges_from_mail_exchangers() -> None:
    assert [rule for rule in rules("box") if rule.startswith("ip saddr")] == [
        "ip saddr { 10.1.0.11, 10.1.0.12, 10.2.0.11 } tcp dport 12143 accept",
        "ip saddr { 10.1.0.21, 10.1.0.22 } tcp dport 12024 accept",
        "ip saddr { 10.1.0.11, 10.1.0.12, 10.1.0.21, 10.1.0.22, 10.2.0.11 } tcp dport 12026 accept",
    ]


@pytest.mark.parametrize(("node", "last"), [("mx1", "tcp dport 25 accept"), ("box", "ip6 saddr { fd01::11, fd01::12, fd01::21 } tcp dport 12026 accept")])
def test_direct_opens_the_public_port_of_the_nodes_own_services_only(node: str, last: str) -> None:
    assert rules(node, direct=["mx"])[-1] == last


def test_administration_can_be_limited_to_networks() -> None:
    assert rules("mx2", admin_networks=["192.0.2.0/24", "2001:db8::/64"], admin_ports=[2222, 22])[:2] == [
        "ip saddr 192.0.2.0/24 tcp dport { 22, 2222 } accept",
        "ip6 saddr 2001:db8::/64 tcp dport { 22, 2222 } accept",
    ]


def test_extra_rules_come_last() -> None:
    assert rules("mx1", extra=["udp dport 161 accept"])[-1] == "udp dport 161 accept"


@pytest.mark.parametrize("port", [10025, 10024, 11332])
def test_no_daemon_port_is_ever_open(port: int) -> None:
    assert not any(str(port) in rule for node in ("edge1", "mx1", "box", "far") for rule in rules(node, direct=["mx"]))


def test_a_host_in_no_tier_is_an_error() -> None:
    with pytest.raises(ClusterError, match="nobody"):
        rules("nobody")


def test_the_file_replaces_its_own_table_only() -> None:
    text = _firewall.table("mailcluster", ["accept"])
    assert "flush ruleset" not in text
    assert text.splitlines()[1:4] == ["table inet mailcluster", "delete table inet mailcluster", "table inet mailcluster {"]


@pytest.mark.parametrize(("name", "bad"), [("10.0.0.0/8", []), ("::/0", []), ("10.0.0.1/8", ["10.0.0.1/8"]), ("x", ["x"])])
def test_network_errors_are_what_is_no_network(name: str, bad: list[str]) -> None:
    assert _firewall.network_errors([name]) == bad
