# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS records of a site, and which region of it serves what."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster, _dns

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:  # pragma: no cover - the requirement is named in the error
    HAS_CRYPTOGRAPHY = False

Tiers = Mapping[str, Sequence[Mapping[str, Any]]]
Hostvars = Mapping[str, Mapping[str, Any]]


def _key(entry: Mapping[str, Any]) -> _dns.Key:
    """Return the public half of an entry of C(rspamd_dkim_keys); no error shows the private one."""
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("dns_records: the controller lacks the Python package cryptography")
    domain, selector = str(entry["domain"]), str(entry["selector"])
    pem = "\n".join(line.strip() for line in str(entry["key"]).strip().splitlines())
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError):
        private = None
    if isinstance(private, Ed25519PrivateKey):
        kind, public = "ed25519", private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    elif isinstance(private, RSAPrivateKey):
        kind, public = "rsa", private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        raise AnsibleFilterError(f"rspamd_dkim_keys (site): the key of selector {selector} of {domain} is no RSA or Ed25519 key in PEM without a passphrase")
    return _dns.Key(domain, selector, kind, base64.b64encode(public).decode())


def _names(value: object) -> list[str]:
    """Return a list of names; the command line makes text of it."""
    listed = value.split(",") if isinstance(value, str) else value
    return [str(name).strip() for name in listed] if isinstance(listed, Iterable) else []


def _regions(of_tier: _cluster.Members, regions: Sequence[Mapping[str, Any]], hostvars: Hostvars, withdrawn: object) -> tuple[_dns.Region, ...]:
    try:
        return _dns.regions(regions, of_tier, hostvars, [name for name in _names(withdrawn) if name])
    except _cluster.ClusterError as error:
        raise AnsibleFilterError("\n".join(error.errors)) from error


def dns_records(
    members: Tiers,
    hostvars: Hostvars,
    *,
    domain: str,
    domains: Sequence[str],
    zones: Sequence[str],
    regions: Sequence[Mapping[str, Any]],
    ports: Mapping[str, Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]] = (),
    keys: Sequence[Mapping[str, Any]] = (),
    withdrawn: object = (),
    ttl: int = _dns.Policy.ttl,
    static_ttl: int = _dns.Policy.static_ttl,
    spf: Sequence[str] = _dns.Policy.spf,
    dmarc: str = _dns.Policy.dmarc,
) -> list[dict[str, Any]]:
    """Return the DNS records of a site as data."""
    of_tier = _cluster.members_from_dicts(members)
    services = {name: int(ports[name]["public"]) for name in _dns.SRV_SERVICES if ports.get(name, {}).get("public") and of_tier.get(ports[name]["tier"])}
    try:
        found = _dns.records(
            domain=domain,
            domains=domains,
            zones=zones,
            regions=_regions(of_tier, regions, hostvars, withdrawn),
            senders=_dns.senders(of_tier.get("relay", ()), hostvars, domain, instances),
            keys=[_key(entry) for entry in keys],
            services=services,
            policy=_dns.Policy(int(ttl), int(static_ttl), tuple(map(str, spf)), str(dmarc)),
        )
    except _cluster.ClusterError as error:
        raise AnsibleFilterError("\n".join(error.errors)) from error
    return [record.as_dict() for record in found]


def to_zone(records: Iterable[Mapping[str, Any]], zone: str | None = None) -> str:
    """Return records as text of a zone file, those of one zone if it is named."""
    return _dns.zone_text(record for record in map(_dns.Record.from_dict, records) if zone in (None, record.zone))


def _drained(asked: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the services that each node does not serve, from what M(mailcluster.postfix.haproxy_server) answered in check mode."""
    return {
        node: [server.removeprefix("serving/") for server, state in answer["states"].items() if state != "ready"]
        if answer.get("available")
        else ["all services"]
        for node, answer in asked.items()
    }


def drill_errors(
    region: str,
    members: Tiers,
    hostvars: Hostvars,
    *,
    regions: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Mapping[str, Any]],
    withdrawn: object = (),
) -> list[str]:
    """Return why a region cannot be taken out of service."""
    of_tier = _cluster.members_from_dicts(members)
    return _dns.drill_errors(str(region), _regions(of_tier, regions, hostvars, withdrawn), of_tier, _drained(asked))


def region_report(
    members: Tiers,
    hostvars: Hostvars,
    *,
    regions: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Mapping[str, Any]],
    withdrawn: object = (),
) -> list[str]:
    """Return a table of who serves what."""
    of_tier = _cluster.members_from_dicts(members)
    return _dns.region_report(_regions(of_tier, regions, hostvars, withdrawn), of_tier, _drained(asked))


class FilterModule:
    """Filters over DNS and regions."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "dns_records": dns_records,
            "drill_errors": drill_errors,
            "region_report": region_report,
            "to_zone": to_zone,
        }
