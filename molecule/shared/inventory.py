# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's plan, read from the same inventory that the playbooks use."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from host import STATE
from steps import ROOT, LabError, run


@dataclass(frozen=True)
class Node:
    """One container: name, FQDN, addresses (IPv4 first), image tag and inventory groups."""

    name: str
    hostname: str
    addresses: tuple[str, ...]
    image: str
    groups: frozenset[str]


@dataclass(frozen=True)
class Site:
    """What the lab makes of `inventories/<name>`."""

    name: str
    nodes: tuple[Node, ...]
    domains: tuple[str, ...]
    # Region name -> VIPs, in the order of preference of the MX records.
    vips: dict[str, tuple[str, ...]]
    # Network name -> its IPv4 and IPv6 prefix.
    networks: dict[str, tuple[str, ...]]
    accounts: dict[str, str]
    aliases: dict[str, list[str]]
    listed: tuple[str, ...]

    @property
    def state(self) -> Path:
        """Where the lab keeps the keys, accounts and zones of this site."""
        return STATE / self.name

    @property
    def prefixes(self) -> list[str]:
        return [prefix for prefixes in self.networks.values() for prefix in prefixes]

    def network_of(self, node: Node) -> str:
        """The network that holds the node's first address."""
        address = ip_address(node.addresses[0])
        for name, prefixes in self.networks.items():
            if any(address in ip_network(prefix) for prefix in prefixes):
                return name
        raise LabError(f"{node.name}: mailcluster_addresses {address} is in no network of the inventory")

    @property
    def name_server(self) -> Node:
        """The node that serves the zones of the lab."""
        for node in self.nodes:
            if node.name == "dns":
                return node
        raise LabError(f"inventories/{self.name}: no host named dns, and the lab has no other name server")

    def members(self, group: str) -> list[Node]:
        return [node for node in self.nodes if group in node.groups]


def load(name: str) -> Site:
    """The plan of `inventories/<name>`; LabError when the inventory does not describe a lab."""
    path = ROOT / "inventories" / name
    if not path.is_dir():
        sites = sorted(p.name for p in (ROOT / "inventories").iterdir() if p.is_dir())
        raise LabError(f"SITE={name}: no such inventory; there are {', '.join(sites)}")
    tool = Path(sys.executable).with_name("ansible-inventory")
    listed = json.loads(run([tool, "-i", path, "--list"]))
    return _site(name, listed["_meta"]["hostvars"], {group: body.get("hosts", []) for group, body in listed.items()})


def _site(name: str, hostvars: dict[str, dict[str, Any]], groups: dict[str, list[str]]) -> Site:
    containers = {host: variables for host, variables in hostvars.items() if "lab_image" in variables}
    if not containers:
        raise LabError(f"inventories/{name}: no host has lab_image, so there is nothing to create")
    facts = next(variables for variables in containers.values() if "mailcluster_domain" in variables)
    domain = facts["mailcluster_domain"]
    regions = facts["mailcluster_regions"]
    return Site(
        name=name,
        nodes=tuple(
            Node(
                name=host,
                hostname=variables.get("mailcluster_hostname", f"{host}.{domain}"),
                addresses=tuple(variables["mailcluster_addresses"]),
                image=variables["lab_image"],
                groups=frozenset(group for group, hosts in groups.items() if host in hosts),
            )
            for host, variables in containers.items()
        ),
        domains=tuple(facts.get("mailcluster_domains", [domain])),
        vips={region["name"]: tuple(region.get("vips", [])) for region in regions},
        networks={region["name"]: tuple(region["networks"]) for region in regions}
        | {network: tuple(prefixes) for network, prefixes in facts.get("lab_networks", {}).items()},
        accounts=facts.get("lab_accounts", {}),
        aliases=facts.get("lab_aliases", {}),
        listed=tuple(facts.get("lab_listed", [])),
    )
