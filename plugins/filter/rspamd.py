# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rspamd's sections and DKIM keys as files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.mailcluster.postfix.plugins.filter.daemon_config import ucl

# These sections of rspamd.conf include an .inc file, all others a .conf file.
INCLUDED = ("options", "logging", "lang_detection")


def _file(section: str) -> str:
    return f"{section}.inc" if section in INCLUDED or section.startswith("worker-") else f"{section}.conf"


def rspamd_files(sections: Mapping[str, Mapping[str, object]], secret: Collection[str] = ()) -> list[dict[str, str]]:
    """Return a file of C(override.d) per section, for the module file_set; C(secret) names sections to hide."""
    return [
        {"path": f"override.d/{_file(name)}", "secret": ucl(section), "group": "_rspamd", "mode": "0440"}
        if name in secret
        else {"path": f"override.d/{_file(name)}", "content": ucl(section)}
        for name, section in sections.items()
    ]


def _key_path(key: Mapping[str, str]) -> str:
    return f"dkim/{key['domain']}.{key['selector']}.key"


# PKCS #8 of an Ed25519 key is this and the 32 octets of its seed (RFC 8410).
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")


def _native_key(pem: str) -> str:
    """Return a key as rspamd reads it: PEM for RSA, the bare seed in base64 for Ed25519."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    try:
        der = base64.b64decode("".join(line for line in lines if not line.startswith("-----")), validate=True)
    except ValueError:
        der = b""
    if der.startswith(_ED25519) and len(der) == len(_ED25519) + 32:
        return base64.b64encode(der.removeprefix(_ED25519)).decode()
    return "\n".join(lines)


def rspamd_key_files(keys: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the file of each DKIM key, for the module file_set."""
    return [{"path": _key_path(key), "secret": _native_key(key["key"]) + "\n", "group": "_rspamd", "mode": "0440"} for key in keys]


def rspamd_signing_domains(keys: Sequence[Mapping[str, str]], directory: str) -> dict[str, dict[str, object]]:
    """Return C(dkim_signing.domain): every key of a domain signs its mail."""
    return {
        domain: {"selectors": [{"selector": key["selector"], "path": f"{directory}/{_key_path(key)}"} for key in keys if key["domain"] == domain]}
        for domain in dict.fromkeys(key["domain"] for key in keys)
    }


def rspamd_rbls(lists: Sequence[Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Return C(rbl.rbls) from a list of blocklists that each carry their name."""
    return {
        str(entry["name"]): {"symbol": str(entry["name"]).upper(), "checks": ["from"]} | {key: value for key, value in entry.items() if key != "name" and value}
        for entry in lists
    }


def rspamd_weights(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return C(symbols) from a score per symbol."""
    return {symbol: {"weight": score} for symbol, score in scores.items()}


class FilterModule:
    """Filters for rspamd."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "rspamd_files": rspamd_files,
            "rspamd_rbls": rspamd_rbls,
            "rspamd_weights": rspamd_weights,
            "rspamd_key_files": rspamd_key_files,
            "rspamd_signing_domains": rspamd_signing_domains,
        }
