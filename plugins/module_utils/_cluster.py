# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the cluster, and which doors each node opens. Pure: inventory values in, data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal

# In the order in which the playbooks provision them: who is called comes before who calls.
TIERS = ("mailbox", "filter", "relay", "submission", "mx", "edge")

# ansible-test judges by the oldest Python of Ansible; the nodes have 3.11.
Address = IPv4Address | IPv6Address  # pylint: disable=unsupported-binary-operation


class ClusterError(ValueError):
    """What is wrong with the inventory; every finding names variable, host and reason."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


@dataclass(frozen=True)
class Member:
    """A node as the others see it: `addresses` has the IPv4 address first."""

    name: str
    region: str
    addresses: tuple[str, ...]

    @property
    def address(self) -> str:
        return self.addresses[0]

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "region": self.region,
            "address": self.address,
            "addresses": list(self.addresses),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Member:
        return cls(value["name"], value["region"], tuple(value["addresses"]))


Members = Mapping[str, Sequence[Member]]


@dataclass(frozen=True)
class Server:
    """One server behind a door; a `backup` serves when no other does."""

    member: Member
    backup: bool = False


@dataclass(frozen=True)
class Door:
    """One listening place of one node.

    `public`: clients to the cluster, on the VIPs of an edge. `peer`: other nodes to the
    daemon of this one. `local`: daemons of this node to another tier. `servers` is empty
    for a peer door, which leads to the node's own daemon.
    """

    kind: Literal["public", "peer", "local"]
    name: str
    service: str
    addresses: tuple[str, ...]
    port: int
    servers: tuple[Server, ...] = ()


def parse_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _address_errors(host: str, value: object) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return [f"mailcluster_addresses of {host}: a list [IPv4, IPv6] is required"]
    addresses = [parse_address(str(item)) for item in value]
    errors = [f"mailcluster_addresses of {host}: {item!s} is not an IP address" for item, address in zip(value, addresses, strict=True) if address is None]
    if not errors and not isinstance(addresses[0], IPv4Address):
        errors.append(f"mailcluster_addresses of {host}: {value[0]!s} comes first but is no IPv4 address")
    return errors


def members(
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    regions: Sequence[Mapping[str, Any]],
    tiers: Sequence[str] = TIERS,
) -> dict[str, list[Member]]:
    """The members of every tier, or of some, in the order of the inventory.

    Raises ClusterError with every host that is in no region or in two, or lacks an address.
    """
    region_names = [str(region["name"]) for region in regions]
    hosts = dict.fromkeys(host for tier in tiers for host in groups.get(tier, ()))
    values = {host: hostvars[host].get("mailcluster_addresses") for host in hosts}
    of_host = {host: [name for name in region_names if host in groups.get(name, ())] for host in hosts}
    errors = [
        *(
            f"mailcluster_regions: host {host} must be in the group of exactly one region"
            f" ({', '.join(region_names) or 'none is defined'}), it is in {', '.join(names) or 'none'}"
            for host, names in of_host.items()
            if len(names) != 1
        ),
        *(error for host, value in values.items() for error in _address_errors(host, value)),
    ]
    if errors:
        raise ClusterError(*errors)
    known = {host: Member(host, of_host[host][0], tuple(str(item) for item in values[host] or ())) for host in hosts}
    return {tier: [known[host] for host in groups.get(tier, ())] for tier in tiers}


def members_from_dicts(value: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Member]]:
    """The inverse of `Member.as_dict` over all tiers."""
    return {tier: [Member.from_dict(item) for item in found] for tier, found in value.items()}


def find_member(of_tier: Members, node: str) -> Member:
    """The node itself. Raises ClusterError for a host that is in no tier."""
    for tier_members in of_tier.values():
        for member in tier_members:
            if member.name == node:
                return member
    raise ClusterError(f"mailcluster_members: host {node} is in none of the tiers {', '.join(TIERS)}")


def tiers_of(of_tier: Members, node: str) -> tuple[str, ...]:
    return tuple(tier for tier in TIERS if any(member.name == node for member in of_tier.get(tier, ())))


def door_address(address: str) -> str:
    """The loopback address of the door to one member: the last three octets of its IPv4 address."""
    return ".".join(["127", *address.split(".")[1:]])


def instance_services(ports: Mapping[str, Mapping[str, Any]], instance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the services of a further instance, by the name of the service of its tier.

    Their ports are those of the tier moved by the instance's offset. Only those of its C(public) are open to clients;
    with a C(share), the others get that percentage of the clients of the service that they C(joins).
    What a health check asks of Dovecot stays where it is: a node has one.
    """
    offset, public = int(instance["offset"]), instance.get("public") or {}
    moved: dict[str, dict[str, Any]] = {}
    for service, port in ports.items():
        if port["tier"] != instance["tier"]:
            continue
        own = {key: int(value) + offset if key in ("daemon", "peer", "local") else value for key, value in port.items() if key not in ("public", "probe")}
        own["health"] = {**port["health"], "port": int(port["health"]["port"]) + offset}
        joins = {"joins": service, "share": int(instance["share"])} if instance.get("share") and port.get("public") else {}
        moved[service] = {**own, **joins, **({"public": int(public[service])} if service in public else {})}
    return moved


def all_ports(ports: Mapping[str, Mapping[str, Any]], instances: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the port map with the services of further instances, called C(<service>-<name of the instance>)."""
    return {
        **{service: dict(port) for service, port in ports.items()},
        **{f"{service}-{each['name']}": port for each in instances for service, port in instance_services(ports, each).items()},
    }


def tier_instances(ports: Mapping[str, Mapping[str, Any]], instances: Sequence[Mapping[str, Any]], first: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return the Postfix instances of each tier, the one named in C(first) before the further ones.

    Each has its name, the directory of its data tables, the port map as it sees it, and what only it has of parameters, services and tables.
    """
    empty: dict[str, Any] = {"main": {}, "services": [], "tables": []}

    def described(name: str, suffix: str, own_ports: Mapping[str, Any], **own: Any) -> dict[str, Any]:
        # Listeners of the tier's variables are on ports of its first instance.
        without = "inet" if suffix else ""
        return {**empty, **own, "name": name, "suffix": suffix, "data": f"/etc/mailcluster/{name}/data", "ports": own_ports, "without": without}

    return {
        tier: [
            described(name, "", ports),
            *(
                described(
                    f"{name}-{each['name']}",
                    each["name"],
                    {**ports, **instance_services(ports, each)},
                    **{key: each[key] for key in empty if each.get(key)},
                )
                for each in instances
                if each["tier"] == tier
            ),
        ]
        for tier, name in first.items()
    }


def evacuation_targets(of_tier: Members, instances: Mapping[str, Sequence[Mapping[str, Any]]], node: str, names: Sequence[str]) -> list[str]:
    """Return the other nodes that have all these Postfix instances, those of the node's region first. Raises ClusterError."""
    tier_of = {entry["name"]: tier for tier, entries in instances.items() for entry in entries}
    if unknown := [name for name in names if name not in tier_of]:
        raise ClusterError(*(f"no tier has an instance {name}" for name in unknown))
    groups = [of_tier.get(tier_of[name], ()) for name in names]
    common = set.intersection(*({member.name for member in group} for group in groups)) - {node} if groups else set()
    region = find_member(of_tier, node).region
    return [member.name for member in sorted(groups[0], key=lambda member: member.region != region) if member.name in common] if groups else []


def inner_ports(ports: Mapping[str, Mapping[str, Any]], health_port: int) -> list[int]:
    """Every port of the map that no stranger may reach: all but the public ones."""
    own = [port[name] for port in ports.values() for name in ("peer", "daemon", "local", "probe", "admin") if name in port]
    health = [port["health"][name] for port in ports.values() for name in ("port", "sasl_port") if name in port.get("health", {})]
    return sorted({int(number) for number in (*own, *health, health_port)})


def servers_for(node: Member, tier_members: Sequence[Member]) -> tuple[Server, ...]:
    """The own region first; the others are its backup, if it has anyone of its own."""
    own = [member for member in tier_members if member.region == node.region]
    others = [member for member in tier_members if member.region != node.region]
    return (
        *(Server(member) for member in own),
        *(Server(member, backup=bool(own)) for member in others),
    )


def _local_doors(service: str, port: Mapping[str, Any], node: Member, tier_members: Sequence[Member]) -> list[Door]:
    if not tier_members:
        return []
    if port.get("scope", "any") == "any":
        servers = servers_for(node, tier_members)
        return [Door("local", f"{service}-out", service, ("127.0.0.1",), int(port["local"]), servers)]
    addresses = [door_address(member.address) for member in tier_members]
    errors = [
        f"mailcluster_addresses of {member.name}: {member.address} ends like that of"
        f" {tier_members[addresses.index(address)].name}, both doors to {service} would be {address}"
        for member, address in zip(tier_members, addresses, strict=True)
        if tier_members[addresses.index(address)] != member
    ]
    if errors:
        raise ClusterError(*errors)
    return [
        Door("local", f"{service}-out-{member.name}", service, (address,), int(port["local"]), (Server(member),))
        for member, address in zip(tier_members, addresses, strict=True)
    ]


def doors(
    ports: Mapping[str, Mapping[str, Any]],
    of_tier: Members,
    node: str,
    regions: Sequence[Mapping[str, Any]],
) -> list[Door]:
    """Every door of one node, from the port map. An edge of a region without VIPs serves on its own addresses."""
    me = find_member(of_tier, node)
    tiers = tiers_of(of_tier, node)
    vips = next((region.get("vips") or () for region in regions if region["name"] == me.region), ())
    public_addresses = tuple(str(vip) for vip in vips) or me.addresses
    return [
        door
        for service, port in ports.items()
        for tier_members in [of_tier.get(port["tier"], ())]
        for door in (
            *(
                [Door("public", service, service, public_addresses, int(port["public"]), servers_for(me, tier_members))]
                if port.get("public") and "edge" in tiers and tier_members
                else []
            ),
            *([Door("peer", f"{service}-in", service, me.addresses, int(port["peer"]))] if port.get("daemon") and port["tier"] in tiers else []),
            *(_local_doors(service, port, me, tier_members) if port.get("local") and set(port.get("from", ())) & set(tiers) else []),
        )
    ]
