# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether certificates on the controller are fit to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:  # pragma: no cover - the requirement is named in the error
    HAS_CRYPTOGRAPHY = False


def _expiry(certificate: x509.Certificate) -> datetime:
    # cryptography before 42 has the naive attribute only.
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    return certificate.not_valid_after.replace(tzinfo=UTC)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _canonical(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower()


def _reasons(certificate: Path, key: Path | None, issuer: Path | None, names: Iterable[str], days: int) -> list[str]:
    missing = [f"{path} is missing" for path in (certificate, key, issuer) if path is not None and not path.is_file()]
    if missing:
        return missing
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        authority = chain[0] if issuer is None else x509.load_pem_x509_certificate(issuer.read_bytes())
    except ValueError as error:
        return [f"{certificate}: {error}"]
    leaf = chain[0]
    reasons: list[str] = []
    left = _expiry(leaf) - datetime.now(UTC)
    if left < timedelta(days=0):
        reasons.append(f"{certificate} expired on {_expiry(leaf):%Y-%m-%d}")
    elif left < timedelta(days=days):
        reasons.append(f"{certificate} expires on {_expiry(leaf):%Y-%m-%d}, within {days} days")
    absent = sorted({_canonical(name) for name in names} - _names(leaf))
    if absent:
        reasons.append(f"{certificate} is not valid for {', '.join(absent)}")
    if key is not None:
        reasons += _key_reasons(key, certificate, leaf)
    if issuer is not None:
        if _expiry(authority) < datetime.now(UTC):
            reasons.append(f"{issuer} expired on {_expiry(authority):%Y-%m-%d}")
        try:
            leaf.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            reasons.append(f"{certificate} was not issued by {issuer}")
    return reasons


def _key_reasons(key: Path, certificate: Path, leaf: x509.Certificate) -> list[str]:
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (TypeError, ValueError):
        return [f"{key} is no private key in PEM without a passphrase"]
    return [] if private.public_key() == leaf.public_key() else [f"{key} does not match {certificate}"]


def certificate_reasons(
    certificate: str, key: str = "", issuer: str = "", names: Iterable[str] = (), days: int = 0
) -> list[str]:
    """Return why a certificate on the controller is not fit to serve; empty when it is.

    Missing files, expiry within C(days), names that are not among the subject alternative names (RFC 6125),
    a key that does not match, another issuer than C(issuer), an issuer that has expired itself.
    """
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("certificate_reasons: the controller lacks the Python package cryptography")
    return _reasons(Path(certificate), Path(key) if key else None, Path(issuer) if issuer else None, list(names), int(days))


class FilterModule:
    """Filters over certificates."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"certificate_reasons": certificate_reasons}
