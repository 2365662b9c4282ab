# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a site: names of variables, and facts across its hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from itertools import combinations
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _accounts as _directory
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import TIERS, door_address, instance_services

# ansible-test judges by the oldest Python of Ansible; the nodes have 3.11.
Address = IPv4Address | IPv6Address  # pylint: disable=unsupported-binary-operation
Network = IPv4Network | IPv6Network  # pylint: disable=unsupported-binary-operation

SITE = "site"
MAX_EDITS = 2
_SHOWN = 4
# A shorter prefix is a network that no site owns alone: to trust it is to trust strangers.
SHORTEST_PREFIX = {4: 8, 6: 32}
NEEDS = {
    "edge": ("relay",),
    "mx": ("mailbox", "filter", "relay"),
    "submission": ("mailbox", "filter", "relay"),
    "filter": ("relay",),
    "mailbox": ("relay",),
}
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_INSTANCE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# net.ipv4.ip_local_port_range begins behind it.
_LARGEST_PORT = 32767
# What tries out a change is not what serves: most clients stay where they are.
_LARGEST_SHARE = 50
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")


@dataclass(frozen=True, order=True)
class Error:
    """One reason to refuse an inventory: the variable, the host (or the whole site) and why."""

    variable: str
    host: str
    reason: str

    def __str__(self) -> str:
        return f"{self.variable} ({self.host}): {self.reason}"


@dataclass(frozen=True)
class Region:
    """An entry of C(mailcluster_regions)."""

    name: str
    networks: tuple[str, ...]
    vips: tuple[str, ...] = ()
    vrid: int | None = None


@dataclass(frozen=True)
class Node:
    """A host that is a member of a tier or of a region."""

    name: str
    tiers: tuple[str, ...]
    regions: tuple[str, ...]
    addresses: tuple[str, ...]
    direct: bool = False
    instances: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Site:
    """The facts of a site that must agree with each other."""

    domain: str
    domains: tuple[str, ...]
    regions: tuple[Region, ...]
    nodes: tuple[Node, ...]
    networks: tuple[str, ...] = ()
    valkey_primary: str = ""
    hosts: tuple[str, ...] = field(default=(), repr=False)
    accounts: str | None = field(default=None, repr=False)
    aliases: str = field(default="", repr=False)
    unresolved: tuple[Error, ...] = ()
    ports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    instances: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    health_port: int = 0

    def tier(self, name: str) -> list[Node]:
        return [node for node in self.nodes if name in node.tiers]


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _networks(region: Region) -> list[Network]:
    return [network for network in map(_network, region.networks) if network is not None]


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _repeated(values: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({value for value in values if value in seen or seen.add(value)})  # type: ignore[func-returns-value]


def nodes(
    hostvars: Mapping[str, Mapping[str, object]], groups: Mapping[str, Iterable[str]], regions: Sequence[Region]
) -> tuple[tuple[Node, ...], tuple[Error, ...]]:
    """Return the hosts that are in a tier or a region, and the errors met when their variables were read."""
    tiers = {name: set(groups.get(name, ())) for name in TIERS}
    homes = {region.name: set(groups.get(region.name, ())) for region in regions}
    found: list[Node] = []
    errors: list[Error] = []
    for name in sorted(set().union(*tiers.values(), *homes.values())):
        values: dict[str, object] = {}
        for variable in ("mailcluster_addresses", "mx_direct", "mailcluster_instances"):
            try:
                values[variable] = hostvars[name].get(variable)
            except Exception as error:
                errors.append(Error(variable, name, f"cannot be evaluated: {error}"))
        addresses = values.get("mailcluster_addresses") or []
        if isinstance(addresses, str) or not isinstance(addresses, Sequence):
            errors.append(Error("mailcluster_addresses", name, "is no list of addresses"))
            addresses = []
        found.append(
            Node(
                name=name,
                tiers=tuple(tier for tier in TIERS if name in tiers[tier]),
                regions=tuple(region for region, members in homes.items() if name in members),
                addresses=tuple(str(address) for address in addresses),
                direct=values.get("mx_direct") is True,
                instances=_entries(values.get("mailcluster_instances")),
            )
        )
    return tuple(found), tuple(errors)


def _entries(value: object) -> tuple[Mapping[str, Any], ...]:
    """The dictionaries of a list; what else it holds is for its specification to refuse."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return tuple(entry for entry in listed if isinstance(entry, Mapping))


def _domains(site: Site) -> Iterator[Error]:
    if not _DOMAIN.fullmatch(site.domain.lower()):
        yield Error("mailcluster_domain", SITE, f"{site.domain!r} is no domain name")
    for name in site.domains:
        if not _DOMAIN.fullmatch(name.lower()):
            yield Error("mailcluster_domains", SITE, f"{name!r} is no domain name")
    for name in _repeated(name.lower() for name in site.domains):
        yield Error("mailcluster_domains", SITE, f"{name} is listed twice")


def _inventory(site: Site) -> Iterator[Error]:
    lines = [name for name in site.hosts if "@" in name or (":" in name and _address(name) is None)]
    if lines:
        # Such a name holds a password hash, so it is not repeated.
        reason = "of its hosts look like lines of accounts: -i names a folder, and Ansible reads every file below it; name the file hosts.yml in it"
        yield Error("inventory", SITE, f"{len(lines)} {reason}")


def _mapped(network: Network) -> bool:
    return isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None


def _together(networks: Sequence[Network]) -> list[Network]:
    """Return the shortest list that holds the same addresses."""
    of_4 = [network for network in networks if isinstance(network, IPv4Network)]
    of_6 = [network for network in networks if isinstance(network, IPv6Network)]
    return [*collapse_addresses(of_4), *collapse_addresses(of_6)]


def trust_errors(names: Iterable[str]) -> list[str]:
    """Return why networks must not be trusted: what is none, and what is larger than a site, alone or together."""
    parsed = {name: _network(name) for name in names}
    errors = [f"{name!r} is no network address in CIDR notation" for name, network in parsed.items() if network is None]
    errors += [f"{name} is IPv4 in the form of IPv6, which no client has" for name, network in parsed.items() if network and _mapped(network)]
    networks = {name: network for name, network in parsed.items() if network is not None}
    for network in _together(list(networks.values())):
        shortest = SHORTEST_PREFIX[network.version]
        if network.prefixlen >= shortest:
            continue
        whole = [f"{name} trusts" for name, part in networks.items() if part == network][:1]
        parts = [name for name, part in networks.items() if _inside(part.network_address, [network])]
        together = f"{', '.join(parts[:_SHOWN])}{', ...' * (len(parts) > _SHOWN)} together trust"
        errors.append(f"{(whole or [together])[0]} half the world: the prefix of {network} is shorter than /{shortest}")
    return errors


def _trust(site: Site) -> Iterator[Error]:
    yield from (Error("mailcluster_networks", SITE, reason) for reason in trust_errors(site.networks))
    yield from (Error("mailcluster_regions", region.name, reason) for region in site.regions for reason in trust_errors(region.networks))


def _regions(site: Site) -> Iterator[Error]:
    variable = "mailcluster_regions"
    for name in _repeated(region.name for region in site.regions):
        yield Error(variable, name, "the region is listed twice")
    for one, other in combinations(site.regions, 2):
        if taken := {*_router_ids(one)} & {*_router_ids(other)}:
            reason = f"of which each has one for every VIP of a family, from vrid {one.vrid} and {other.vrid} on"
            yield Error(variable, other.name, f"VRRP router id {min(taken)} is that of region {one.name} too, {reason}")
        for network in _networks(one):
            for same in _networks(other):
                if network.version == same.version and network.overlaps(same):
                    yield Error(variable, other.name, f"network {same} overlaps {network} of region {one.name}")
    for region in site.regions:
        if region.vips and region.vrid is None:
            yield Error(variable, region.name, "a region with VIPs needs a vrid")
        if region.vrid is not None and not 1 <= region.vrid <= 255:
            yield Error(variable, region.name, f"vrid {region.vrid} is outside 1 to 255")
        elif (ids := _router_ids(region)) and ids[-1] > 255:
            yield Error(variable, region.name, f"vrid {region.vrid} leaves no router id for the last of its VIPs, which would have {ids[-1]}")
        if region.vrid is not None and not region.vips:
            reason = "list its VIPs, or leave vrid out, and the edges serve on their own addresses"
            yield Error(variable, region.name, f"a region without VIPs has no use for vrid {region.vrid}: {reason}")
        if not any(region.name in node.regions for node in site.nodes):
            yield Error(variable, region.name, "the inventory has no group of this name with a node in it")
        elif region.vips and not any(region.name in node.regions for node in site.tier("edge")):
            yield Error(variable, region.name, "a region with VIPs needs a node in tier edge")


def _router_ids(region: Region) -> range:
    """The VRRP router ids of a region: as many as it has VIPs of one family."""
    versions = [vip.version for text in region.vips if (vip := _address(text))]
    return range(region.vrid, region.vrid + max(map(versions.count, versions), default=0)) if region.vrid is not None else range(0)


def _vips(site: Site) -> Iterator[Error]:
    variable = "mailcluster_regions"
    owners = {_address(text): node.name for node in site.nodes for text in node.addresses}
    for region in site.regions:
        for text in region.vips:
            vip = _address(text)
            if vip is None:
                yield Error(variable, region.name, f"VIP {text!r} is no address")
                continue
            if not _inside(vip, _networks(region)):
                yield Error(variable, region.name, f"VIP {vip} is outside the region's networks {', '.join(region.networks)}")
            if vip in owners:
                yield Error(variable, region.name, f"VIP {vip} is the address of node {owners[vip]}")
    for text in _repeated(str(_address(text)) for region in site.regions for text in region.vips if _address(text)):
        yield Error(variable, SITE, f"VIP {text} is listed twice")


def _nodes(site: Site) -> Iterator[Error]:
    variable = "mailcluster_addresses"
    networks = {region.name: region for region in site.regions}
    first: dict[Address, str] = {}
    for node in site.nodes:
        if not node.tiers:
            yield Error("groups", node.name, f"is in region {node.regions[0]}, but in no tier")
        if not node.regions:
            yield Error("groups", node.name, f"is in tier {node.tiers[0]}, but in the group of no region")
        elif len(node.regions) > 1:
            yield Error("groups", node.name, f"is in two regions, {' and '.join(node.regions)}")
        if not node.addresses:
            yield Error(variable, node.name, "is not set; a node needs its IPv4 address, and its IPv6 address after it")
        parsed = [_address(text) for text in node.addresses]
        for text, address in zip(node.addresses, parsed, strict=True):
            if address is None:
                yield Error(variable, node.name, f"{text!r} is no address")
                continue
            if address in first:
                yield Error(variable, node.name, f"{address} is the address of {first[address]} too")
            first.setdefault(address, node.name)
            if len(node.regions) == 1 and not _inside(address, _networks(networks[node.regions[0]])):
                yield Error(variable, node.name, f"{address} is outside the networks of region {node.regions[0]}")
        versions = [address.version for address in parsed if address is not None]
        if versions and None not in parsed and versions not in ([4], [4, 6]):
            yield Error(variable, node.name, "lists one IPv4 address first and at most one IPv6 address after it")
        if node.direct and "edge" in node.tiers:
            yield Error("mx_direct", node.name, "the node is in tier edge, whose balancer has port 25 already")


def _tiers(site: Site) -> Iterator[Error]:
    for needed in sorted({name for names in NEEDS.values() for name in names}):
        callers = [tier for tier, names in NEEDS.items() if needed in names and site.tier(tier)]
        if callers and not site.tier(needed):
            yield Error("groups", SITE, f"tier {needed} has no node, but {', '.join(callers)} cannot work without")


def _members(site: Site) -> Iterator[Error]:
    doors: dict[str, Node] = {}
    for node in site.tier("mailbox"):
        address = _address(node.addresses[0]) if node.addresses else None
        if isinstance(address, IPv4Address):
            other = doors.setdefault(door_address(str(address)), node)
            if other is not node:
                reason = f"{address} has the last three octets of {other.addresses[0]} of {other.name}, on which their local doors depend"
                yield Error("mailcluster_addresses", node.name, reason)
    if site.valkey_primary and site.valkey_primary not in {node.name for node in site.tier("filter")}:
        yield Error("valkey_primary", SITE, f"{site.valkey_primary!r} is no node of tier filter")


def _numbers(port: Mapping[str, Any], *, moved: bool = False) -> set[int]:
    """The ports of a service; with C(moved), those only that a further instance has to itself."""
    health = port.get("health", {})
    found = [port.get(name) for name in ("public", "probe", "peer", "daemon", "local", "admin")]
    found += [health.get("port"), None if moved else health.get("sasl_port")]
    return {int(number) for number in found if number}


def _instances(site: Site) -> Iterator[Error]:
    variable = "mailcluster_instances"
    for node in site.nodes:
        if node.instances != site.instances:
            yield Error(variable, node.name, "is not what it is on other hosts; a fact of the site belongs in group_vars/all")
    holders = {number: service for service, port in site.ports.items() for number in _numbers(port)} | {site.health_port: "mailcluster_health_port"}
    for each in site.instances:
        reasons = list(_form(each, site.ports))
        yield from (Error(variable, SITE, reason) for reason in reasons)
        if reasons:
            continue
        name, services = f"{each['name']} of tier {each['tier']}", instance_services(site.ports, each)
        numbers = {number: service for service, port in services.items() for number in _numbers(port, moved=True)}
        for number, service in sorted(numbers.items()):
            if number in holders:
                yield Error(variable, SITE, f"{name}: port {number} of {service} is that of {holders[number]} too")
            elif number > _LARGEST_PORT:
                yield Error(variable, SITE, f"{name}: port {number} of {service} is above {_LARGEST_PORT}, where the kernel finds ports for connections")
        holders = {number: f"{service}-{each['name']}" for number, service in numbers.items()} | holders
    yield from (Error(variable, SITE, reason) for reason in _shares(site.instances))
    for name in _repeated(f"{each.get('name')} of tier {each.get('tier')}" for each in site.instances):
        yield Error(variable, SITE, f"{name} is listed twice")


def _form(each: Mapping[str, Any], ports: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Say what an entry of C(mailcluster_instances) lacks to be one."""
    missing = [key for key in ("name", "tier", "offset") if key not in each]
    if missing:
        yield f"an entry lacks {', '.join(missing)}"
        return
    name = f"{each['name']} of tier {each['tier']}"
    services = [service for service, port in ports.items() if port["tier"] == each["tier"]]
    # A proxy of HAProxy is <service>, <service>-in or <service>-out, as it is a service of an instance.
    if not _INSTANCE.fullmatch(str(each["name"])) or each["name"] in ("in", "out"):
        yield f"{each['name']!r} is no name for an instance; lower-case words joined by '-', such as bulk, but not in or out"
    yield from (f"{name}: mailcluster_ports has {service}-{each['name']} already" for service in services if f"{service}-{each['name']}" in ports)
    if not isinstance(each["offset"], int) or each["offset"] < 1:
        yield f"{name}: offset {each['offset']!r} does not move the ports of the tier, it must be a number above 0"
    share = each.get("share") or 0
    if not isinstance(share, int) or not 0 <= share <= _LARGEST_SHARE:
        yield f"{name}: share {share!r} is no percentage from 1 to {_LARGEST_SHARE}"
    elif share and not any(ports[service].get("public") for service in services):
        yield f"{name}: share {share} of the clients of a tier that has no service for clients"
    public = each.get("public") or {}
    for service, number in public.items() if isinstance(public, Mapping) else [("public", public)]:
        if not ports.get(service, {}).get("public") or service not in services:
            offered = [service for service in services if ports[service].get("public")]
            yield f"{name}: public names {service}; the tier's services for clients are {', '.join(offered) or 'none'}"
        elif not isinstance(number, int) or not 0 < number <= _LARGEST_PORT:
            yield f"{name}: public port {number!r} of {service} is no number from 1 to {_LARGEST_PORT}"


def _shares(instances: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say where the instances of a tier leave its own too little."""
    together: dict[str, int] = {}
    for each in instances:
        share = each.get("share") or 0
        if isinstance(share, int) and share > 0:
            together[str(each.get("tier"))] = together.get(str(each.get("tier")), 0) + share
    for tier, share in together.items():
        if share > _LARGEST_SHARE:
            yield f"the instances of tier {tier} have a share of {share} percent of its clients together, {_LARGEST_SHARE} are possible"


def _accounts(site: Site) -> Iterator[Error]:
    if site.accounts is None:
        return
    homes = {node.name: "" for node in site.tier("mailbox")}
    known = _directory.Site(domains=tuple(name.lower() for name in site.domains), homes=homes, lmtp_port=0, imap_port=0, internal_port=0)
    try:
        found = _directory.directory(site.accounts, site.aliases, site=known)
    except _directory.AccountsError as error:
        for line in str(error).splitlines():
            yield Error("mailcluster_aliases" if line.startswith("aliases") else "mailcluster_accounts", SITE, line)
        return
    domain = site.domain.lower()
    if site.tier("mx") and domain in known.domains and not _directory.takes(f"postmaster@{domain}", found):
        # smtpd(8) takes RCPT TO:<postmaster> without asking any table, and completes it by $myorigin.
        reason = "is neither an account nor an alias, but mail to <postmaster> is always accepted (RFC 5321 section 4.5.1) and would bounce"
        yield Error("mailcluster_aliases", SITE, f"postmaster@{domain} {reason}")


RULES: Sequence[Callable[[Site], Iterator[Error]]] = (_inventory, _domains, _trust, _regions, _vips, _nodes, _tiers, _members, _instances, _accounts)


def site_errors(site: Site) -> list[Error]:
    """Return everything that is wrong with the site, in the order of the rules, each error once."""
    found = [*site.unresolved, *(error for rule in RULES for error in rule(site))]
    return list(dict.fromkeys(found))


def distance(one: str, other: str) -> int:
    """Return the Damerau-Levenshtein distance (optimal string alignment) of two names."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def _letters(name: str) -> int:
    """Return a set of bits, one per letter in the name; an edit flips at most two of them."""
    bits = 0
    for letter in name:
        bits |= 1 << (ord(letter) & 31)
    return bits


class Vocabulary:
    """The public variables of the collection, able to find the one that a misspelt name meant."""

    def __init__(self, names_of_prefix: Mapping[str, Iterable[str]]) -> None:
        """Take the names by prefix, such as C({'mx': ['mx_main']})."""
        self.prefixes = tuple(f"{prefix}_" for prefix in names_of_prefix)
        self.names = frozenset(name for names in names_of_prefix.values() for name in names)
        self._index = [(name, len(name), _letters(name), f"{prefix}_") for prefix, names in sorted(names_of_prefix.items()) for name in sorted(names)]

    def meant(self, name: str) -> str | None:
        """Return the known variable within two edits of an unknown name, the nearest first.

        Where the prefix itself is misspelt the rest must be right, and a prefix of up to three letters must
        have the same letters: C(my_main) and C(tx_main) belong to somebody else, C(xm_main) does not.
        """
        length, letters = len(name), _letters(name)
        found: list[tuple[int, str]] = []
        for known, known_length, known_letters, prefix in self._index:
            if abs(length - known_length) > MAX_EDITS or (letters ^ known_letters).bit_count() > 2 * MAX_EDITS:
                continue
            if not name.startswith(prefix):
                rest = known[len(prefix) - 1 :]
                if not name.endswith(rest):
                    continue
                if len(prefix) <= 4 and sorted(name) != sorted(known):
                    continue
            edits = distance(name, known)
            if edits <= MAX_EDITS:
                found.append((edits, known))
        return min(found)[1] if found else None

    def errors(self, host: str, names: Iterable[str], *, strict: bool = False) -> list[Error]:
        """Return an error for each name that is a misspelt variable of the collection.

        With C(strict), also for each unknown name that has the prefix of a role.
        """
        errors = []
        for name in sorted(names):
            if name in self.names or name.startswith(("_", "ansible_")):
                continue
            known = self.meant(name)
            if known is not None:
                errors.append(Error(name, host, f"is no variable of the collection; did you mean {known}?"))
            elif strict and name.startswith(self.prefixes):
                errors.append(Error(name, host, "is no variable of the collection (mailcluster_strict)"))
        return errors
