# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of two regions for the tests of members, doors and balancers, and the golden files made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import config as haproxy
from ansible_collections.mailcluster.postfix.plugins.module_utils._keepalived import config as keepalived

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests/unit/golden"
PORTS: dict[str, Any] = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["mailcluster_ports"]
REGIONS: list[dict[str, Any]] = [
    {"name": "east", "networks": ["10.91.1.0/24", "fd91:0:0:1::/64"], "vips": ["10.91.1.10", "fd91:0:0:1::10"], "vrid": 51},
    {"name": "west", "networks": ["10.91.2.0/24", "fd91:0:0:2::/64"], "vips": ["10.91.2.10", "fd91:0:0:2::10"], "vrid": 52},
]
HOSTS = {
    "edge": {"east-edge1": 11, "east-edge2": 12, "west-edge1": 11},
    "mx": {"east-mx1": 21, "east-mx2": 22, "west-mx1": 21},
    "submission": {"east-submission1": 31, "west-submission1": 31},
    "relay": {"east-relay1": 41, "west-relay1": 41},
    "filter": {"east-filter1": 51, "west-filter1": 51},
    "mailbox": {"east-mailbox1": 61, "west-mailbox1": 61},
}
GROUPS = {
    **{tier: list(hosts) for tier, hosts in HOSTS.items()},
    **{region["name"]: [host for hosts in HOSTS.values() for host in hosts if host.startswith(region["name"])] for region in REGIONS},
}
HOSTVARS: dict[str, dict[str, Any]] = {
    host: {"mailcluster_addresses": [f"10.91.{number}.{octet}", f"fd91:0:0:{number}::{octet}"]}
    for hosts in HOSTS.values()
    for host, octet in hosts.items()
    for number in ["12"["ew".index(host[0])]]
}
MEMBERS = _cluster.members(GROUPS, HOSTVARS, REGIONS)
ALONE = {tier: [_cluster.Member("alone", "east", ("10.91.1.99",))] for tier in _cluster.TIERS}

HAPROXY_GOLDEN = ("east-edge1", "east-mx1", "west-filter1", "east-mailbox1", "alone")
KEEPALIVED_GOLDEN = ("east-edge1", "east-edge2", "west-edge1")


def haproxy_text(node: str) -> str:
    of_tier = ALONE if node == "alone" else MEMBERS
    limits = haproxy.Limits(exempt=tuple(network for region in REGIONS for network in region["networks"]))
    return haproxy.render(haproxy.listens(PORTS, of_tier, node, REGIONS, valkey_password=True, limits=limits), haproxy.Settings(node=node))


def haproxy_chosen_text(node: str) -> str:
    """The node with everything that can be chosen: a beta with a share, another with a port too, offload, statistics for a network."""
    betas = [
        {"name": "beta", "tier": "mx", "offset": 3000, "share": 5},
        {"name": "beta", "tier": "submission", "offset": 3000, "share": 10, "public": {"submission": 2587}},
    ]
    found = haproxy.listens(
        _cluster.all_ports(PORTS, betas),
        MEMBERS,
        node,
        REGIONS,
        tls_offload=["imaps", "submissions"],
        monitoring_networks=["192.0.2.0/24", "2001:db8::/64"],
    )
    return haproxy.render(found, haproxy.Settings(node=node))


def keepalived_chosen_text(node: str) -> str:
    """The node with several addresses of a family, and a command that is told of them."""
    region = {**REGIONS[0], "vips": [*REGIONS[0]["vips"], "10.91.1.9", "fd91:0:0:1::9"]}
    found = keepalived.instances([region, {**REGIONS[1], "vrid": 60}], MEMBERS, node)
    return keepalived.render(found, router_id=node, interface="eth0", health_port=12026, user="nobody", notify="/usr/bin/logger --tag vrrp")


def keepalived_text(node: str) -> str:
    found = keepalived.instances(REGIONS, MEMBERS, node)
    return keepalived.render(found, router_id=node, interface="eth0", health_port=12026, user="nobody")
