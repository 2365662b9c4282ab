# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters over DNS: keys, what the command line makes of names, and a zone file read back."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter import dns as filters

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
NODES = [
    {"name": f"{region}1", "region": region, "address": address, "addresses": [address]} for region, address in (("east", "10.0.0.1"), ("west", "10.0.1.1"))
]
MEMBERS = dict.fromkeys(("edge", "mx", "submission", "relay", "filter", "mailbox"), NODES)
HOSTVARS: dict[str, dict[str, Any]] = {"east1": {}, "west1": {}}
PORTS = {"mx": {"tier": "mx", "public": 25}, "imaps": {"tier": "mailbox", "public": 1993}, "imap": {"tier": "mailbox"}}
REGIONS = [{"name": "east"}, {"name": "west"}]


def pem(key: Any) -> str:
    text: str = key.private_bytes(*PEM).decode()
    return text


def found(**more: Any) -> list[dict[str, Any]]:
    site = {"domain": "example.org", "domains": ["example.org"], "zones": ["example.org"], "regions": REGIONS, "ports": PORTS}
    return filters.dns_records(MEMBERS, HOSTVARS, **{**site, **more})


def value(records: list[dict[str, Any]], name: str) -> str:
    return next(record["value"] for record in records if record["name"] == name)


def test_the_record_of_an_ed25519_key_is_the_bare_key() -> None:
    records = found(keys=[{"domain": "example.org", "selector": "ed", "key": pem(ED25519)}])
    public = ED25519.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert value(records, "ed._domainkey.example.org") == f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


@pytest.mark.parametrize("indent", ["", "  "], ids=["as written", "indented"])
def test_the_record_of_an_rsa_key_is_what_openssl_calls_its_public_key(indent: str) -> None:
    records = found(keys=[{"domain": "example.org", "selector": "rsa", "key": "\n".join(indent + line for line in pem(RSA).splitlines())}])
    public = value(records, "rsa._domainkey.example.org").removeprefix("v=DKIM1; k=rsa; p=")
    assert serialization.load_der_public_key(base64.b64decode(public)).public_numbers() == RSA.public_key().public_numbers()


@pytest.mark.parametrize(
    "key", ["no key", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", pem(EC)], ids=["a word", "a broken key", "another kind"]
)
def test_a_key_that_cannot_sign_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^rspamd_dkim_keys \(site\): the key of selector s of example.org is no RSA or Ed25519 key") as caught:
        found(keys=[{"domain": "example.org", "selector": "s", "key": key}])
    assert key not in str(caught.value)


@pytest.mark.parametrize("withdrawn", [["west"], "west", " west ,"], ids=["a list", "a text of the command line", "a text with commas"])
def test_a_region_is_withdrawn_by(withdrawn: object) -> None:
    assert [record["value"] for record in found(withdrawn=withdrawn) if record["type"] == "MX"] == ["10 mail.east.example.org."]


def test_a_client_finds_the_port_of_the_port_map() -> None:
    assert value(found(), "_imaps._tcp.example.org") == "0 1 1993 mail.example.org."


def test_no_client_is_led_to_a_tier_without_nodes() -> None:
    records = filters.dns_records(
        {**MEMBERS, "mailbox": []}, HOSTVARS, domain="example.org", domains=["example.org"], zones=["example.org"], regions=REGIONS, ports=PORTS
    )
    assert [record for record in records if record["type"] == "SRV"] == []


def test_an_error_of_the_site_is_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="north is no region"):
        found(withdrawn=["north"])


def test_a_zone_file_is_read_back_as_the_same_records() -> None:
    zone = pytest.importorskip("dns.zone")
    records = found(keys=[{"domain": "example.org", "selector": "rsa", "key": pem(RSA)}], dmarc='v=DMARC1; p=none; rua="odd\\one"')
    head = "example.org. 60 IN SOA ns. h. 1 1 1 1 1\nexample.org. 60 IN NS ns.\n"
    read = zone.from_text(head + filters.to_zone(records), origin="example.org", relativize=False)
    texts = {
        (str(name)[:-1], rdata.rdtype.name, ttl, b"".join(rdata.strings).decode() if rdata.rdtype.name == "TXT" else rdata.to_text())
        for name, ttl, rdata in read.iterate_rdatas()
        if rdata.rdtype.name not in ("SOA", "NS")
    }
    assert texts == {(record["name"], record["type"], record["ttl"], record["value"]) for record in records}


def test_only_the_zone_that_was_named_is_written() -> None:
    records = found(domains=["example.org", "example.net"], zones=["example.org", "example.net"])
    text = filters.to_zone(records, "example.net")
    assert text
    assert {line.split()[0] for line in text.splitlines()} <= {f"{prefix}example.net." for prefix in ("", "_dmarc.", "_imaps._tcp.")}


READY = {"available": True, "states": {"serving/mx": "ready"}}
DRAINED = {"available": True, "states": {"serving/mx": "maint", "serving/internal": "ready"}}


@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (READY, []),
        (DRAINED, ["east1: mx drained or not answering"]),
        ({"available": False, "states": {}}, ["east1: all services drained or not answering"]),
        ({"unreachable": True}, ["east1: all services drained or not answering"]),
    ],
    ids=["serves", "is drained", "has no balancer", "is dead"],
)
def test_a_region_cannot_go_unless_a_node_elsewhere(answer: dict[str, Any], errors: list[str]) -> None:
    assert filters.drill_errors("west", MEMBERS, HOSTVARS, regions=REGIONS, asked={"east1": answer, "west1": DRAINED}) == errors


def test_a_dead_node_serves_nothing_in_the_report() -> None:
    lines = filters.region_report(MEMBERS, HOSTVARS, regions=REGIONS, asked={"east1": READY, "west1": {"unreachable": True}}, withdrawn="west")
    assert [line.split()[:3] for line in lines[1:]] == [["east", "MX", "10"], ["west", "out", "0/1"]]
