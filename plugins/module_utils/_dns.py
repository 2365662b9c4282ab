# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS records of a site: as data, as zone text, as what a name server has to change. Pure: inventory values in, data out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster

# Services of the port map with a name of their own in DNS (RFC 6186, RFC 8314).
SRV_SERVICES = ("submissions", "submission", "imaps")
ADDRESS_TYPES = ("A", "AAAA")
DEFAULT_PREFERENCE = 10
# Octets of one string of a TXT record (RFC 1035, 3.3).
LONGEST_STRING = 255
_SPF = "v=spf1"


@dataclass(frozen=True)
class Record:
    """One record; `zone` and `name` without a final dot, names in `value` with it. The value of a TXT record is its text, unquoted."""

    zone: str
    name: str
    type: str
    ttl: int
    value: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Record:
        return cls(str(value["zone"]), str(value["name"]), str(value["type"]), int(value["ttl"]), str(value["value"]))


@dataclass(frozen=True)
class Region:
    """A region as the world meets it; without addresses it serves no client."""

    name: str
    addresses: tuple[str, ...]
    preference: int = DEFAULT_PREFERENCE
    withdrawn: bool = False

    @property
    def serves(self) -> bool:
        return bool(self.addresses) and not self.withdrawn


@dataclass(frozen=True)
class Sender:
    """A name that relays say in EHLO, and the addresses from which they say it."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """The public half of a DKIM key: `type` is the tag k of its record, `public` the tag p (RFC 6376, RFC 8463)."""

    domain: str
    selector: str
    type: str
    public: str


@dataclass(frozen=True)
class Policy:
    """What the site chooses: TTLs in seconds, the terms of SPF records after the relays' addresses, the text of DMARC records."""

    ttl: int = 60
    static_ttl: int = 3600
    spf: tuple[str, ...] = ("~all",)
    dmarc: str = "v=DMARC1; p=none"


@dataclass(frozen=True)
class RecordSet:
    """The records of one name and type: TTL in seconds, and values as in `Record`. Without values there is none."""

    ttl: int = 0
    values: frozenset[str] = frozenset()


# Zone, name, type.
SetName = tuple[str, str, str]


@dataclass(frozen=True)
class Change:
    """What one record set is and has to become."""

    zone: str
    name: str
    type: str
    before: RecordSet
    after: RecordSet


def public_addresses(member: _cluster.Member, hostvars: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the addresses under which the world sees a node."""
    return tuple(map(str, hostvars[member.name].get("mailcluster_public_addresses") or member.addresses))


def regions(
    entries: Sequence[Mapping[str, Any]],
    of_tier: _cluster.Members,
    hostvars: Mapping[str, Mapping[str, Any]],
    withdrawn: Iterable[str] = (),
) -> tuple[Region, ...]:
    """Return the regions of C(mailcluster_regions) as the world meets them.

    Clients come to the public addresses of the region's edges where some are set, to its virtual addresses, or to its edges themselves.
    Raises ClusterError for a withdrawn region that is none, for a preference that is none, and when no region is left.
    """
    out = set(withdrawn)
    found = tuple(_region(entry, of_tier.get("edge", ()), hostvars, out) for entry in entries)
    unknown = sorted(out - {region.name for region in found})
    errors = [
        *(f"mailcluster_dns_withdrawn (site): {name} is no region" for name in unknown),
        *(
            f"mailcluster_regions ({region.name}): mx_preference {region.preference} is outside 0 to 65535"
            for region in found
            if not 0 <= region.preference <= 65535
        ),
        *(
            f"mailcluster_regions ({region.name}): {address} is no address"
            for region in found
            for address in region.addresses
            if _cluster.parse_address(address) is None
        ),
    ]
    if not any(region.addresses for region in found):
        errors.append("mailcluster_regions (site): no region has a virtual address or an edge, under which the world could reach it")
    elif not any(region.serves for region in found):
        errors.append(f"mailcluster_dns_withdrawn (site): without {', '.join(sorted(out))} no region takes mail")
    if errors:
        raise _cluster.ClusterError(*errors)
    return found


def _region(entry: Mapping[str, Any], edges: Sequence[_cluster.Member], hostvars: Mapping[str, Mapping[str, Any]], out: set[str]) -> Region:
    name = str(entry["name"])
    own = [edge for edge in edges if edge.region == name]
    translated = [address for edge in own for address in hostvars[edge.name].get("mailcluster_public_addresses") or ()]
    addresses = translated or entry.get("vips") or [address for edge in own for address in edge.addresses]
    preference = entry.get("mx_preference")
    return Region(name, tuple(dict.fromkeys(map(str, addresses))), DEFAULT_PREFERENCE if preference is None else int(preference), name in out)


def senders(
    relays: Sequence[_cluster.Member],
    hostvars: Mapping[str, Mapping[str, Any]],
    domain: str,
    instances: Sequence[Mapping[str, Any]] = (),
) -> tuple[Sender, ...]:
    """Return the names and addresses of the relay tier, its further instances included.

    An instance connects from its smtp_bind_address and smtp_bind_address6 where they are set, else from the node's addresses.
    """
    further: list[tuple[str, Mapping[str, Any]]] = [(str(each["name"]), each.get("main") or {}) for each in instances if each["tier"] == "relay"]
    found: dict[str, list[str]] = {}
    for relay in relays:
        variables = hostvars[relay.name]
        for suffix, own_main in [("", {}), *further]:
            here = (variables.get("relay_host_instances") or {}).get(suffix) or {}
            main = {
                **(variables.get("relay_main") or {}),
                **(variables.get("relay_group_main") or {}),
                **own_main,
                "myhostname": variables.get("mailcluster_hostname", f"{relay.name}.{domain}"),
                **(variables.get("relay_host_main") or {}),
                **(here.get("main") or {}),
            }
            name = str(main.get("smtp_helo_name") or "$myhostname").replace("$myhostname", str(main["myhostname"]))
            found.setdefault(name.lower(), []).extend(_outgoing(main, public_addresses(relay, hostvars)))
    return tuple(Sender(name, tuple(dict.fromkeys(addresses))) for name, addresses in found.items())


def _outgoing(main: Mapping[str, Any], own: Sequence[str]) -> Iterator[str]:
    for version, parameter in ((4, "smtp_bind_address"), (6, "smtp_bind_address6")):
        bound = main.get(parameter)
        yield from [str(bound)] if bound else [address for address in own if ip_address(address).version == version]


def zone_of(name: str, zones: Iterable[str]) -> str | None:
    """Return the longest zone that a name is in."""
    return max((zone for zone in zones if name == zone or name.endswith(f".{zone}")), key=len, default=None)


def records(
    *,
    domain: str,
    domains: Sequence[str],
    zones: Sequence[str],
    regions: Sequence[Region],
    senders: Sequence[Sender] = (),
    keys: Sequence[Key] = (),
    services: Mapping[str, int] | None = None,
    policy: Policy = Policy(),
) -> list[Record]:
    """Return all records of a site, zone by zone.

    `services` has the public port of each service that clients may find by DNS. A name in no zone is left out
    if others may own it (relays, keys); ClusterError names it if it is the site's.
    """
    known = [zone.lower() for zone in zones]
    own = domain.lower()
    mail_domains = list(dict.fromkeys(name.lower() for name in domains))
    site = [
        *_entrances(own, regions, policy.ttl),
        *(row for name in mail_domains for row in _mail_domain(name, own, regions, senders, services or {}, policy)),
    ]
    names = {name for name, *_rest in site}
    others = [
        *(row for sender in senders for row in _sender(sender, names, mail_domains, policy)),
        *((f"{key.selector}._domainkey.{key.domain}".lower(), "TXT", policy.static_ttl, f"v=DKIM1; k={key.type}; p={key.public}") for key in keys),
    ]
    placed = [(zone_of(row[0], known), row) for row in dict.fromkeys([*site, *others])]
    homeless = sorted({row[0] for zone, row in placed if zone is None and row[0] in names})
    if homeless:
        raise _cluster.ClusterError(*(f"mailcluster_dns_zones (site): {name} is in none of the zones {', '.join(known)}" for name in homeless))
    return [Record(zone, *row) for wanted in dict.fromkeys(known) for zone, row in placed if zone == wanted]


_Row = tuple[str, str, int, str]


def _addresses(name: str, addresses: Iterable[str], ttl: int) -> list[_Row]:
    parsed = sorted({ip_address(address) for address in addresses}, key=lambda address: (address.version, int(address)))
    return [(name, ADDRESS_TYPES[address.version == 6], ttl, str(address)) for address in parsed]


def _entrances(domain: str, known: Sequence[Region], ttl: int) -> list[_Row]:
    """The name that clients use, which follows what serves, and the names of the regions, which stay."""
    return [
        *_addresses(f"mail.{domain}", (address for region in known if region.serves for address in region.addresses), ttl),
        *(row for region in known for row in _addresses(f"mail.{region.name}.{domain}".lower(), region.addresses, ttl)),
    ]


def _mail_domain(name: str, domain: str, known: Sequence[Region], relays: Sequence[Sender], services: Mapping[str, int], policy: Policy) -> list[_Row]:
    return [
        *((name, "MX", policy.ttl, f"{region.preference} mail.{region.name}.{domain}.".lower()) for region in known if region.serves),
        (name, "TXT", policy.static_ttl, _spf((address for relay in relays for address in relay.addresses), policy.spf)),
        *([(f"_dmarc.{name}", "TXT", policy.static_ttl, policy.dmarc)] if policy.dmarc else []),
        *((f"_{service}._tcp.{name}", "SRV", policy.static_ttl, f"0 1 {port} mail.{domain}.") for service, port in services.items()),
    ]


def _sender(sender: Sender, taken: set[str], mail_domains: Sequence[str], policy: Policy) -> list[_Row]:
    """A name said in EHLO leads back to its addresses, and has a policy of its own for mail without a sender (RFC 7208, 2.3)."""
    own = [] if sender.name in taken else _addresses(sender.name, sender.addresses, policy.static_ttl)
    # Two policies under one name would be an error to everybody.
    terms = [] if sender.name in mail_domains else [(sender.name, "TXT", policy.static_ttl, _spf(sender.addresses, ["-all"]))]
    return own + terms


def _spf(addresses: Iterable[str], terms: Iterable[str]) -> str:
    return " ".join([_SPF, *(f"ip{ip_address(address).version}:{address}" for address in dict.fromkeys(addresses)), *terms])


def quoted(text: str) -> str:
    """Return a text as the strings of a TXT record in a zone file (RFC 1035, 3.3 and 5.1); what is not ASCII as octets of UTF-8."""
    octets = text.encode()
    strings = [octets[start : start + LONGEST_STRING] for start in range(0, len(octets), LONGEST_STRING)] or [b""]
    return " ".join('"' + "".join(map(_escaped, string)) + '"' for string in strings)


def _escaped(octet: int) -> str:
    if chr(octet) in '"\\':
        return f"\\{chr(octet)}"
    return chr(octet) if 32 <= octet < 127 else f"\\{octet:03}"


def zone_text(found: Iterable[Record]) -> str:
    """Return records in master file syntax (RFC 1035, 5.1): every name whole, every TTL written, no SOA and no NS."""
    return "".join(_line(record.name, record.type, record.ttl, record.value) for record in found)


def _line(name: str, kind: str, ttl: int, value: str) -> str:
    return f"{name}. {ttl} IN {kind} {quoted(value) if kind == 'TXT' else value}\n"


def set_text(name: str, kind: str, records_of: RecordSet) -> str:
    """Return a record set as lines of a zone file, in a fixed order."""
    return "".join(_line(name, kind, records_of.ttl, value) for value in sorted(records_of.values))


def wanted_sets(found: Iterable[Record]) -> dict[SetName, RecordSet]:
    """Return the record sets that records make. A name with an address of one family has an empty set of the other: an old one goes."""
    sets: dict[SetName, RecordSet] = {}
    for record in found:
        name = (record.zone, record.name, record.type)
        before = sets.get(name, RecordSet(record.ttl))
        sets[name] = RecordSet(min(before.ttl, record.ttl) if before.values else record.ttl, before.values | {record.value})
        if record.type in ADDRESS_TYPES:
            for kind in ADDRESS_TYPES:
                sets.setdefault((record.zone, record.name, kind), RecordSet())
    return sets


def _shared(value: str) -> bool:
    return value.lower().split(" ", 1)[0] == _SPF


def changes(wanted: Mapping[SetName, RecordSet], present: Mapping[SetName, RecordSet]) -> list[Change]:
    """Return what has to change. TXT records of others beside an SPF record, such as proofs of ownership, stay."""
    found = []
    for name, want in wanted.items():
        before = present.get(name, RecordSet())
        others = {value for value in before.values if not _shared(value)} if name[2] == "TXT" and any(map(_shared, want.values)) else set()
        after = RecordSet(want.ttl, want.values | others) if want.values else RecordSet()
        if before != after:
            found.append(Change(*name, before, after))
    return found


def drill_errors(
    region: str,
    known: Sequence[Region],
    of_tier: _cluster.Members,
    drained: Mapping[str, Sequence[str]],
) -> list[str]:
    """Return why a region cannot be taken out: it is none or the last, has the only nodes of a tier, or others are drained already.

    `drained` has, for each node that was asked, the services that it does not serve.
    """
    if region not in [each.name for each in known]:
        return [f"drill_region: {region!r} is no region; there are {', '.join(each.name for each in known)}"]
    others = {each.name for each in known if each.name != region and each.serves}
    if not others:
        return [f"drill_region: without {region} no region takes mail"]
    missing = [
        f"drill_region: without {region} nobody is left in tier {tier}"
        for tier, nodes in of_tier.items()
        # A mailbox is on one node; those of the region go on serving.
        if tier != "mailbox" and any(node.region == region for node in nodes) and not any(node.region in others for node in nodes)
    ]
    elsewhere = {node.name for nodes in of_tier.values() for node in nodes if node.region in others}
    return missing + [f"{node}: {', '.join(services)} drained or not answering" for node, services in drained.items() if node in elsewhere and services]


def region_report(known: Sequence[Region], of_tier: _cluster.Members, drained: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a table of who serves what: for each region its place in DNS, and for each tier how many of its nodes serve."""
    header = ["region", "in DNS", *_cluster.TIERS, "addresses"]
    rows = [
        [
            region.name,
            f"MX {region.preference}" if region.serves else "out",
            *(_serving([node for node in of_tier.get(tier, ()) if node.region == region.name], drained) for tier in _cluster.TIERS),
            " ".join(region.addresses) or "none",
        ]
        for region in known
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]


def _serving(nodes: Sequence[_cluster.Member], drained: Mapping[str, Sequence[str]]) -> str:
    return f"{sum(not drained.get(node.name) for node in nodes)}/{len(nodes)}" if nodes else "-"
