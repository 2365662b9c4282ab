# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites for the tests of DNS records, and the golden zones made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cluster_cases as cases
from ansible_collections.mailcluster.postfix.plugins.module_utils import _dns

EAST = tuple(cases.REGIONS[0]["vips"])
WEST = tuple(cases.REGIONS[1]["vips"])
SERVICES = {"submissions": 465, "submission": 587, "imaps": 993}
# Longer than one string of a TXT record, as a key of 2048 bits is.
KEYS = (
    _dns.Key("example.test", "rsa", "rsa", "MIIBIjAN" + "A" * 384),
    _dns.Key("example.test", "ed25519", "ed25519", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
)


def records(
    *,
    regions: Sequence[Mapping[str, Any]] | None = None,
    vips: bool = True,
    without: Sequence[str] = (),
    public: Mapping[str, Sequence[str]] | None = None,
    withdrawn: Sequence[str] = (),
    zones: Sequence[str] = ("example.test", "example.net"),
    senders: Sequence[_dns.Sender] | None = None,
) -> list[_dns.Record]:
    """The records of the cluster of `cluster_cases`; `without` leaves edges out, `public` gives nodes a public address."""
    entries = [region if vips else {**region, "vips": []} for region in (cases.REGIONS if regions is None else regions)]
    hostvars = {host: {**values, "mailcluster_public_addresses": (public or {}).get(host)} for host, values in cases.HOSTVARS.items()}
    members = {**cases.MEMBERS, "edge": [edge for edge in cases.MEMBERS["edge"] if edge.name not in without]}
    return _dns.records(
        domain="example.test",
        domains=["Example.test", "example.net"],
        zones=zones,
        regions=_dns.regions(entries, members, hostvars, withdrawn),
        senders=_dns.senders(members["relay"], hostvars, "example.test") if senders is None else senders,
        keys=KEYS,
        services=SERVICES,
    )


def zone_text(name: str) -> str:
    sites: dict[str, dict[str, Any]] = {"two_regions": {}, "west_withdrawn": {"withdrawn": ["west"]}, "cloud": {"vips": False}}
    return _dns.zone_text(record for record in records(**sites[name]) if record.zone == "example.test")
