# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world around the cluster: its keys, accounts and signed DNS zones, all made from the inventory."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from inventory import Site
from steps import LabError, run

FOREIGN_DOMAIN = "foreign.test"
DNSBL = "dnsbl.test"
# By which the site's zones take updates; inventories/lab names it too.
UPDATE_KEY = "mailcluster"
TTL = 60
YEAR = 365 * 86400
# Selector -> arguments of `openssl genpkey`.
DKIM_KEYS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed25519": ["-algorithm", "ED25519"]}


def keep_secret(path: Path, text: str) -> None:
    """Write a file that only root may read, from its first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def make_keys(site: Site) -> None:
    """The SSH key, the key of DNS updates and the DKIM keys of every domain, unless they are there."""
    ssh_key = site.state / "id_ed25519"
    site.state.mkdir(parents=True, exist_ok=True)
    if not ssh_key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mailcluster-lab", "-f", ssh_key])
    if not update_key(site).exists():
        keep_secret(update_key(site), base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    for path, arguments in ((dkim_key(site, d, s), a) for d in site.domains for s, a in DKIM_KEYS.items()):
        if not path.exists():
            keep_secret(path, run(["openssl", "genpkey", *arguments]))


def dkim_key(site: Site, domain: str, selector: str) -> Path:
    return site.state / "dkim" / f"{domain}.{selector}.key"


def update_key(site: Site) -> Path:
    return site.state / "secrets" / "dns_update_key"


def make_accounts(site: Site) -> None:
    """Passwords, drawn once per site, the accounts file with their hashes, and the aliases."""
    passwords_file = site.state / "passwords.json"
    known = json.loads(passwords_file.read_text(encoding="utf-8")) if passwords_file.exists() else {}
    passwords = {address: known.get(address) or secrets.token_urlsafe(15) for address in site.accounts}
    keep_secret(passwords_file, json.dumps(known | passwords, indent=2) + "\n")
    rows = [f"{address}:{home}:{_hash(address, passwords[address])}" for address, home in site.accounts.items()]
    keep_secret(site.state / "accounts", "\n".join(["# address:home:hash", *rows, ""]))
    aliases = "".join(f"{address}  {', '.join(targets)}\n" for address, targets in site.aliases.items())
    (site.state / "aliases").write_text(aliases, encoding="utf-8")


def _hash(address: str, password: str) -> str:
    # A salt that stays, so that the file changes only when an account does.
    salt = hashlib.sha256(f"{address}:{password}".encode()).hexdigest()[:16]
    return "{SHA512-CRYPT}" + run(["openssl", "passwd", "-6", "-salt", salt, "-stdin"], data=password + "\n").strip()


def make_zones(site: Site) -> None:
    """Zone files in the state's node/zones, knot.conf and the signing key beside them, and the root's trust anchor.

    The zones of the site's domains change by DNS update, so that knot signs them, with the key that has signed the others here.
    """
    records = zone_records(site)
    key = _signing_key(site)
    anchors = {origin: _anchor(origin, key) for origin in records}
    for origin, anchor in anchors.items():
        if origin != ".":
            records["."].append(f"{origin} DS {anchor}")
    node = site.state / "node"
    folder = node / "zones"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    updated = {f"{domain}." for domain in site.domains}
    template = (Path(__file__).parent / "node" / "knot.conf.in").read_text(encoding="utf-8")
    entries = []
    for origin, lines in records.items():
        file = f"{origin.rstrip('.') or 'root'}.zone"
        text = _zone_text(origin, lines)
        (folder / file).write_text(text if origin in updated else _signed(origin, text, key), encoding="ascii")
        entries.append(f'  - domain: "{origin}"\n    file: "{file}"\n' + "    template: updated\n" * (origin in updated))
    secret = update_key(site).read_text(encoding="ascii").strip()
    keep_secret(node / "knot.conf", template.replace("@KEY@", UPDATE_KEY).replace("@SECRET@", secret) + "".join(entries))
    keep_secret(node / "dnssec.pem", _signing_key_file(site).read_text(encoding="ascii"))
    (node / "updated").write_text("".join(f"{origin}\n" for origin in sorted(updated)), encoding="ascii")
    (site.state / "trust-anchor").write_text(f". {TTL} IN DS {anchors['.']}\n", encoding="ascii")


def zone_records(site: Site) -> dict[str, list[str]]:
    """Zone origin -> its records in master file syntax, without the SOA, unsigned."""
    server = site.name_server.hostname + "."
    zones = {f"{domain}.": _mail_domain(site, domain) for domain in site.domains}
    zones[f"{FOREIGN_DOMAIN}."] = _foreign_domain(site)
    zones[f"{DNSBL}."] = [f"{_reversed(address)}.{DNSBL}. A 127.0.0.2" for address in ("127.0.0.2", *site.listed)]
    hosts = _hosts(site)
    for name, address in hosts:
        zone = next((z for z in zones if f"{name}.".endswith(f".{z}")), None)
        if zone is None:
            raise LabError(f"{name}: in no zone of the lab")
        zones[zone].append(f"{name}. {_address_type(address)} {address}")
        zones.setdefault(_reverse_zone(address), []).append(f"{ip_address(address).reverse_pointer}. PTR {name}.")
    glue = [f"{server} {_address_type(a)} {a}" for a in site.name_server.addresses]
    root = [f"{origin} NS {server}" for origin in zones] + glue
    return {origin: [f"{origin} NS {server}", *lines] for origin, lines in ({".": root} | zones).items()}


def _hosts(site: Site) -> list[tuple[str, str]]:
    """Every name with an address: the nodes, and one name for the VIPs of each region."""
    nodes = [(node.hostname, address) for node in site.nodes for address in node.addresses]
    return nodes + [(f"mail.{region}.{site.domains[0]}", address) for region, vips in site.vips.items() for address in vips]


def _mail_domain(site: Site, domain: str) -> list[str]:
    regions = [region for region, vips in site.vips.items() if vips]
    exchangers = [f"mail.{region}.{site.domains[0]}" for region in regions] or [n.hostname for n in site.members("mx")]
    senders = _spf(address for node in site.members("relay") for address in node.addresses)
    return [
        *(f"{domain}. MX {10 * (i + 1)} {exchanger}." for i, exchanger in enumerate(exchangers)),
        f"{domain}. TXT {senders}",
        f'_dmarc.{domain}. TXT "v=DMARC1; p=reject; adkim=s; aspf=s"',
        *(f"{selector}._domainkey.{domain}. TXT {_dkim_record(dkim_key(site, domain, selector), selector)}" for selector in DKIM_KEYS),
    ]


def _foreign_domain(site: Site) -> list[str]:
    world = site.members("world")
    return [
        *(f"{FOREIGN_DOMAIN}. MX 10 {node.hostname}." for node in world if node.name == "foreign-mx"),
        f"{FOREIGN_DOMAIN}. TXT {_spf(address for node in world for address in node.addresses)}",
    ]


def _spf(addresses: Iterable[str]) -> str:
    return _text(" ".join(["v=spf1", *(f"ip{ip_address(a).version}:{a}" for a in addresses), "-all"]))


def _dkim_record(key: Path, selector: str) -> str:
    der = _public_der(key)
    # RFC 8463: the bare 32 bytes; RFC 6376: the whole SubjectPublicKeyInfo.
    public = der[-32:] if selector == "ed25519" else der
    return _text(f"v=DKIM1; k={selector}; p={base64.b64encode(public).decode()}")


def _public_der(key: Path) -> bytes:
    """The public half of a PEM key as DER SubjectPublicKeyInfo."""
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    return private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _text(value: str) -> str:
    """A TXT value cut into strings of at most 255 octets (RFC 1035, 3.3)."""
    return " ".join(f'"{value[i : i + 255]}"' for i in range(0, len(value), 255))


def _address_type(address: str) -> str:
    return {4: "A", 6: "AAAA"}[ip_address(address).version]


def _reversed(address: str) -> str:
    return ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _reverse_zone(address: str) -> str:
    """The reverse zone of the /16 or /48 that holds an address."""
    labels = ip_address(address).reverse_pointer.split(".")
    return ".".join(labels[-4:] if ip_address(address).version == 4 else labels[-14:]) + "."


def _signing_key_file(site: Site) -> Path:
    return site.state / "dnssec.key"


def _signing_key(site: Site) -> ec.EllipticCurvePrivateKey:
    path = _signing_key_file(site)
    if not path.exists():
        keep_secret(path, run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]))
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _dnskey(key: ec.EllipticCurvePrivateKey) -> DNSKEY:
    return dns.dnssec.make_dnskey(key.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)


def _anchor(origin: str, key: ec.EllipticCurvePrivateKey) -> str:
    return dns.dnssec.make_ds(dns.name.from_text(origin), _dnskey(key), "SHA256").to_text()


def _zone_text(origin: str, lines: list[str]) -> str:
    soa = f"{origin} SOA {lines[0].split()[-1]} hostmaster.{FOREIGN_DOMAIN}. {int(time.time())} 3600 600 {YEAR} {TTL}"
    return "\n".join([f"$TTL {TTL}", soa, *lines, ""])


def _signed(origin: str, text: str, key: ec.EllipticCurvePrivateKey) -> str:
    zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
    with zone.writer() as transaction:
        dns.dnssec.sign_zone(zone, transaction, keys=[(key, _dnskey(key))], inception=time.time() - 86400, lifetime=YEAR)
    return zone.to_text(relativize=False)
