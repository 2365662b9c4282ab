# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a certificate on the controller is not fit to serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from ansible_collections.mailcluster.postfix.plugins.filter.certificates import certificate_reasons
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, certificates that it issued for mx1 and 10.1.0.21, and a CA that issued none of them."""
    directory = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    keys = {file: ec.generate_private_key(ec.SECP256R1()) for file in ("ca", "other", "node")}
    for file, key in keys.items():
        (directory / f"{file}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def issue(file: str, subject: str, issuer: str, key: str, days: float) -> None:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(keys[key].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
        )
        if file in ("node", "old"):
            names = x509.SubjectAlternativeName([x509.DNSName("mx1"), x509.IPAddress(ip_address("10.1.0.21"))])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(keys[issuer], hashes.SHA256())
        (directory / f"{file}.crt").write_bytes(signed.public_bytes(Encoding.PEM))

    issue("ca", "ca", "ca", "ca", 3650)
    issue("other", "other", "other", "other", 3650)
    issue("node", "mx1", "ca", "node", 60)
    issue("old", "mx1", "ca", "node", -1)
    issue("old-ca", "ca", "ca", "ca", -1)
    (directory / "broken.crt").write_text("no certificate\n")
    return directory


@pytest.mark.parametrize(
    ("certificate", "key", "issuer", "names", "days", "reason"),
    [
        pytest.param("node", "node", "ca", ["mx1", "10.1.0.21"], 30, None, id="fit"),
        pytest.param("node", "node", "", [], 0, None, id="fit, whoever issued it"),
        pytest.param("old", "node", "ca", [], 0, "old.crt expired on ", id="expired"),
        pytest.param("node", "node", "ca", [], 90, "within 90 days", id="ends soon"),
        pytest.param("node", "node", "ca", ["MX1", "mx2", "10.1.0.22"], 0, "is not valid for 10.1.0.22, mx2", id="other names"),
        pytest.param("node", "ca", "ca", [], 0, "ca.key does not match ", id="another key"),
        pytest.param("node", "node", "other", [], 0, "was not issued by ", id="another CA"),
        pytest.param("node", "nothing", "ca", [], 0, "nothing.key is missing", id="no key"),
        pytest.param("broken", "node", "ca", [], 0, "broken.crt: ", id="no certificate in the file"),
        pytest.param("node", "node", "old-ca", [], 0, "old-ca.crt expired on ", id="an expired CA"),
        pytest.param("ca", "", "", [], 3640, None, id="fit, whatever its key"),
        pytest.param("ca", "", "", [], 3660, "within 3660 days", id="a CA that ends soon"),
        pytest.param("old-ca", "", "", [], 0, "old-ca.crt expired on ", id="a CA that has ended"),
    ],
)
def test_the_reason_says_what_is_wrong(
    folder: Path, certificate: str, key: str, issuer: str, names: list[str], days: int, reason: str | None
) -> None:
    reasons = certificate_reasons(
        str(folder / f"{certificate}.crt"), str(folder / f"{key}.key") if key else "", str(folder / f"{issuer}.crt") if issuer else "", names, days
    )
    assert reasons == [] if reason is None else len(reasons) == 1 and reason in reasons[0]
