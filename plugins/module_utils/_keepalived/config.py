# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keepalived's view of an edge: the VRRP instances of its region, and the text of keepalived.conf. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_network
from itertools import combinations
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster

# Far enough apart that an edge without a working balancer is below every edge with one.
HIGHEST_PRIORITY = 200
PRIORITY_STEP = 5
UNHEALTHY_WEIGHT = -100
MAX_EDGES = -UNHEALTHY_WEIGHT // PRIORITY_STEP - 1


@dataclass(frozen=True)
class Instance:
    """One VRRP instance: one virtual address of one region, seen from one edge."""

    name: str
    virtual_router_id: int
    priority: int
    unicast_src_ip: str
    unicast_peer: tuple[str, ...]
    virtual_ipaddress: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "unicast_peer": list(self.unicast_peer)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Instance:
        """Raises ClusterError for a key that is not a field, and for a missing one."""
        known = {field.name for field in fields(cls)}
        if wrong := sorted(value.keys() ^ known):
            raise _cluster.ClusterError(
                f"keepalived_instances: {value.get('name', '?')} must have exactly the keys {', '.join(sorted(known))}; wrong or missing: {', '.join(wrong)}"
            )
        return cls(**{**value, "unicast_peer": tuple(value["unicast_peer"])})


def router_ids(region: Mapping[str, Any]) -> range:
    """The router ids of a region: as many as it has VIPs of one family, from its vrid on. The families have a space each."""
    families = [address.version for vip in region.get("vips") or () if (address := _cluster.parse_address(str(vip)))]
    first = region.get("vrid")
    return range(first, first + max(map(families.count, families), default=0)) if isinstance(first, int) else range(0)


def region_errors(regions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What VRRP cannot serve: a VIP outside its networks, a router id out of range or used twice."""
    with_vips = [region for region in regions if region.get("vips")]
    return [
        *(error for region in with_vips for error in _region_errors(region)),
        *(
            f"mailcluster_regions: {other['name']} has vrid {other['vrid']}, but router id {min(same)} is taken:"
            f" {one['name']} has {len(router_ids(one))} from {one['vrid']} on, one for each VIP of a family"
            for one, other in combinations(sorted(with_vips, key=lambda region: str(region.get("vrid")).rjust(3)), 2)
            if (same := {*router_ids(one)} & {*router_ids(other)})
        ),
    ]


def _region_errors(region: Mapping[str, Any]) -> list[str]:
    networks = [ip_network(network) for network in region["networks"]]
    addresses = {str(vip): _cluster.parse_address(str(vip)) for vip in region["vips"]}
    vrid, ids = region.get("vrid"), router_ids(region)
    return [
        *(f"mailcluster_regions: VIP {vip} of {region['name']} is not an IP address" for vip, address in addresses.items() if address is None),
        *(
            f"mailcluster_regions: VIP {vip} of {region['name']} is in none of its networks ({', '.join(map(str, networks))})"
            for vip, address in addresses.items()
            if address and not any(address in network for network in networks)
        ),
        *([f"mailcluster_regions: vrid of {region['name']} must be 1 to 255, it is {vrid}"] if not isinstance(vrid, int) or not 1 <= vrid <= 255 else []),
        *(
            [f"mailcluster_regions: vrid {vrid} of {region['name']} leaves no router id for each of its VIPs: the last would be {ids[-1]}, 255 is possible"]
            if isinstance(vrid, int) and vrid <= 255 and ids and ids[-1] > 255
            else []
        ),
    ]


def _of_family(member: _cluster.Member, version: int) -> str | None:
    return next(
        (text for text in member.addresses if (address := _cluster.parse_address(text)) and address.version == version),
        None,
    )


def instances(regions: Sequence[Mapping[str, Any]], of_tier: _cluster.Members, node: str) -> list[Instance]:
    """One instance for each VIP of the node's region. The k-th VIP of a family prefers the k-th edge of the inventory, then those after it.

    Raises ClusterError with everything that is wrong.
    """
    me = _cluster.find_member(of_tier, node)
    edges = [member for member in of_tier.get("edge", ()) if member.region == me.region]
    region = next(region for region in regions if region["name"] == me.region)
    vips = [str(vip) for vip in region.get("vips") or ()]
    if errors := region_errors(regions):
        raise _cluster.ClusterError(*errors)
    if len(edges) > MAX_EDGES:
        raise _cluster.ClusterError(f"mailcluster_members: {me.region} has {len(edges)} edges, {MAX_EDGES} are possible")
    versions = {vip: address.version for vip in vips if (address := _cluster.parse_address(vip))}
    if errors := [
        f"mailcluster_addresses of {edge.name}: an IPv{version} address is required for VIP {vip} of {me.region}"
        for vip, version in versions.items()
        for edge in edges
        if _of_family(edge, version) is None
    ]:
        raise _cluster.ClusterError(*errors)
    seen = {version: [vip for vip, other in versions.items() if other == version] for version in versions.values()}
    return [
        Instance(
            name=f"{me.region}-ipv{version}" + (f"-{turn + 1}" if turn else ""),
            virtual_router_id=int(region["vrid"]) + turn,
            priority=HIGHEST_PRIORITY - PRIORITY_STEP * ((edges.index(me) - turn) % len(edges)),
            unicast_src_ip=_of_family(me, version) or "",
            unicast_peer=tuple(_of_family(edge, version) or "" for edge in edges if edge != me),
            virtual_ipaddress=vip,
        )
        for vip, version in versions.items()
        for turn in [seen[version].index(vip)]
    ]


def _with_prefix(address: str) -> str:
    # A host prefix keeps the VIP from being the source of the edge's own connections; keepalived
    # deprecates an IPv6 VIP of /128 for the same reason (keepalived.conf(5), preferred_lft).
    parsed = _cluster.parse_address(address)
    return f"{address}/{parsed.max_prefixlen}" if parsed else address


def _block(header: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{header} {{", *(f"    {line}" for line in lines), "}"]) + "\n"


def _inner(header: str, lines: Sequence[str]) -> tuple[str, ...]:
    return (f"{header} {{", *(f"    {line}" for line in lines), "}") if lines else ()


def _check(port: int) -> str:
    """Ask the balancer of this edge whether it serves, with what every Debian has (bash(1), REDIRECTION).

    One that was killed is back within half a second: to wait for it is the shorter gap. Whoever writes to a connection that has ended
    gets SIGPIPE; and where standard error were closed, the socket would have its place and get the message that it was refused.
    """
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo GET /edge HTTP/1.0 >&3 && echo >&3 && grep -q ^HTTP/1...200 <&3"
    return f"/usr/bin/bash -c 'trap : PIPE; for try in 1 2 3; do {ask} && exit; sleep 0.25; done 2>/dev/null; exit 1'"


def render(found: Iterable[Instance], *, router_id: str, interface: str, health_port: int, user: str, notify: str = "", extra: str = "") -> str:
    """The whole keepalived.conf (keepalived 2.2 and later). C(notify) is a command line without double quotes."""
    blocks = [
        _block(
            "global_defs",
            (
                f"router_id {router_id}",
                "vrrp_version 3",
                # An edge that is only busy must not fall silent.
                "vrrp_priority -10",
                # Who has lost the first announcements of a new owner hears of him soon.
                "vrrp_garp_master_delay 1",
                "vrrp_garp_master_refresh 5",
                # After a split, who gives an address up says so once more; the other one, who hears it, tells the neighbours that he has it.
                "vrrp_higher_prio_send_advert",
                "enable_script_security",
                f"script_user {user}",
            ),
        ),
        _block(
            "vrrp_script balancer",
            (
                f'script "{_check(health_port)}"',
                "interval 1",
                # A balancer that is gone refuses at once; one that is only slow keeps its addresses.
                "timeout 2",
                "fall 1",
                "rise 2",
                f"weight {UNHEALTHY_WEIGHT}",
                "init_fail",
            ),
        ),
        *(
            _block(
                f"vrrp_instance {instance.name}",
                (
                    "state BACKUP",
                    f"interface {interface}",
                    f"virtual_router_id {instance.virtual_router_id}",
                    f"priority {instance.priority}",
                    "advert_int 0.3",
                    # An edge without a peer has nobody to talk to; keepalived refuses an empty list.
                    *((f"unicast_src_ip {instance.unicast_src_ip}", *_inner("unicast_peer", instance.unicast_peer)) if instance.unicast_peer else ()),
                    *_inner("virtual_ipaddress", [f"{_with_prefix(instance.virtual_ipaddress)} dev {interface}"]),
                    *_inner("track_script", ["balancer"]),
                    # keepalived appends INSTANCE, name, state and priority.
                    *([f'notify "{notify} {instance.virtual_ipaddress}"'] if notify else []),
                ),
            )
            for instance in found
        ),
    ]
    return "\n".join([*blocks, *([extra.rstrip("\n") + "\n"] if extra.strip() else [])])


def unit_drop_in(found: Iterable[Instance], *, interface: str) -> str:
    """The drop-in of keepalived.service: come back from every crash, and leave no VIP behind a killed keepalived."""
    flush = [f"ExecStopPost=-/usr/sbin/ip address del {_with_prefix(instance.virtual_ipaddress)} dev {interface}" for instance in found]
    return "\n".join(["[Unit]", "StartLimitIntervalSec=0", "", "[Service]", "Restart=always", "RestartSec=1", *flush]) + "\n"
