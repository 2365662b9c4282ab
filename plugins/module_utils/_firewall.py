# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node lets in, as an nftables table of its own. Pure: port map and members in, rules out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import Member, Members, find_member, tiers_of

VRRP = 112
TABLE_ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "str", "required": True}, "path": {"type": "path", "required": True}}
# sh -c SCRIPT NAME PATH: what the kernel would list after the file was loaded.
REHEARSAL = 'nft -f "$1" && nft -s list table inet "$0"'
_ESSENTIALS = (
    "ct state established,related accept",
    "ct state invalid drop",
    'iifname "lo" accept',
    "icmp type { destination-unreachable, echo-request, parameter-problem, time-exceeded } accept",
    (
        "icmpv6 type { destination-unreachable, echo-request, packet-too-big, parameter-problem, time-exceeded, "
        "nd-neighbor-advert, nd-neighbor-solicit, nd-router-advert, nd-redirect, "
        "mld-listener-query, mld-listener-done, mld-listener-reduction, mld-listener-report, mld2-listener-report } accept"
    ),
    # DHCPv6 answers a multicast from a unicast address, which the kernel does not take for a reply (RFC 8415 section 7.2).
    "ip6 saddr fe80::/10 udp dport 546 accept",
)


def _set(values: Iterable[object]) -> str:
    listed = [str(value) for value in values]
    return listed[0] if len(listed) == 1 else "{ " + ", ".join(listed) + " }"


def _by_family(side: str, networks: Iterable[str], match: str) -> list[str]:
    """Return one rule per family that has networks; a family open to everyone has no address match."""
    rules = []
    for name, version in (("ip", 4), ("ip6", 6)):
        mine = sorted({net for net in map(ip_network, networks) if net.version == version})
        if any(net.prefixlen == 0 for net in mine):
            rules.append(f"meta nfproto {'ipv4' if version == 4 else 'ipv6'} {match} accept")
        elif mine:
            shown = [net.network_address if net.prefixlen == net.max_prefixlen else net for net in mine]
            rules.append(f"{name} {side} {_set(shown)} {match} accept")
    return rules


def _ports_by_callers(doors: Iterable[tuple[frozenset[str], int]]) -> Iterator[tuple[frozenset[str], list[int]]]:
    """Yield ports that the same addresses may call together, so that the kernel has one rule to match."""
    together: dict[frozenset[str], list[int]] = {}
    for callers, port in doors:
        together.setdefault(callers, []).append(port)
    for callers, ports in together.items():
        if callers:
            yield callers, sorted(set(ports))


def _addresses(of_tier: Members, tiers: Iterable[str], but: Member) -> frozenset[str]:
    """Return the addresses of the nodes of some tiers; the node's own calls come over loopback."""
    return frozenset(address for tier in tiers for member in of_tier.get(tier, ()) if member != but for address in member.addresses)


def _peers(ports: Mapping[str, Mapping[str, Any]], of_tier: Members, node: Member, tiers: Sequence[str], health_port: int) -> list[str]:
    doors = [(_addresses(of_tier, port.get("from", ()), node), int(port["peer"])) for port in ports.values() if port.get("peer") and port["tier"] in tiers]
    doors.append((_addresses(of_tier, of_tier, node), health_port))
    return [rule for callers, numbers in _ports_by_callers(doors) for rule in _by_family("saddr", callers, f"tcp dport {_set(numbers)}")]


def _public(ports: Mapping[str, Mapping[str, Any]], of_tier: Members, places: Sequence[str], networks: Sequence[str]) -> list[str]:
    """Return the rules of an edge: what the world may call on C(places), and what only the cluster's networks may."""
    served = [port for port in ports.values() if port.get("public") and of_tier.get(port["tier"])]
    world = sorted(int(port["public"]) for port in served if port.get("world"))
    inside = sorted(int(port["public"]) for port in served if not port.get("world"))
    rules = _by_family("daddr", places, f"tcp dport {_set(world)}") if world else []
    return rules + (_by_family("saddr", networks, f"tcp dport {_set(inside)}") if inside else [])


def rules(
    ports: Mapping[str, Mapping[str, Any]],
    of_tier: Members,
    node: str,
    regions: Sequence[Mapping[str, Any]],
    *,
    health_port: int,
    admin_networks: Sequence[str],
    admin_ports: Sequence[int],
    monitoring_networks: Sequence[str] = (),
    direct: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> list[str]:
    """Return the rules of the input chain of one node, in order; what none of them accepts is dropped.

    C(monitoring_networks) may call what the port map has for administrators, C(direct) names services whose public port is open on the node itself.
    Raises ClusterError for a node in no tier, ValueError for what is no network.
    """
    me = find_member(of_tier, node)
    tiers = tiers_of(of_tier, node)
    region = next((region for region in regions if region["name"] == me.region), {})
    vips = [str(vip) for vip in region.get("vips") or ()]
    networks = [str(network) for each in regions for network in each.get("networks", ())]
    own_region = [member for member in of_tier.get("edge", ()) if member.region == me.region]
    found = list(_ESSENTIALS)
    if admin_ports:
        found += _by_family("saddr", admin_networks, f"tcp dport {_set(sorted(admin_ports))}")
    statistics = sorted(int(port["admin"]) for port in ports.values() if "admin" in port)
    if statistics:
        found += _by_family("saddr", monitoring_networks, f"tcp dport {_set(statistics)}")
    found += _peers(ports, of_tier, me, tiers, health_port)
    if "edge" in tiers:
        found += _public(ports, of_tier, vips or me.addresses, networks)
        others = _addresses({"edge": own_region}, ["edge"], me)
        if vips and others:
            found += _by_family("saddr", [*others, "fe80::/10"] if any(":" in vip for vip in vips) else others, f"meta l4proto {VRRP}")
    opened = sorted(int(port["public"]) for name, port in ports.items() if name in direct and port["tier"] in tiers)
    if opened:
        found.append(f"tcp dport {_set(opened)} accept")
    return [*found, *extra]


def table(name: str, chain: Iterable[str]) -> str:
    """Return the text of a file for nft(8) that replaces a table of the inet family, and only it, in one transaction."""
    lines = "\n".join(f"\t\t{rule}" for rule in chain)
    # To declare the table first makes its deletion succeed where there is none yet.
    return (
        "# Managed by Ansible; the port map of the cluster decides what is open.\n"
        f"table inet {name}\n"
        f"delete table inet {name}\n"
        f"table inet {name} {{\n"
        "\tchain input {\n"
        "\t\ttype filter hook input priority filter; policy drop;\n"
        f"{lines}\n"
        "\t}\n"
        "}\n"
    )


def network_errors(networks: Iterable[str]) -> list[str]:
    """Return what is no network address."""
    return [name for name in networks if not _is_network(name)]


def _is_network(name: str) -> bool:
    try:
        ip_network(name)
    except ValueError:
        return False
    return True
