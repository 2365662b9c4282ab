# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rspamd's sections and keys as files."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.filter import rspamd

# The example of RFC 8410, section 10.3.
ED25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
RSA = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
KEYS = [
    {"domain": "example.test", "selector": "rsa", "key": RSA},
    {"domain": "example.net", "selector": "rsa", "key": RSA},
    {"domain": "example.test", "selector": "ed", "key": ED25519},
]


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("options", "override.d/options.inc"),
        ("logging", "override.d/logging.inc"),
        ("worker-proxy", "override.d/worker-proxy.inc"),
        ("greylist", "override.d/greylist.conf"),
        ("classifier-bayes", "override.d/classifier-bayes.conf"),
    ],
)
def test_a_section_is_written_where_rspamd_includes_it(section: str, path: str) -> None:
    assert [file["path"] for file in rspamd.rspamd_files({section: {}})] == [path]


def test_secret_sections_are_closed_and_hidden() -> None:
    plain, secret = rspamd.rspamd_files({"greylist": {"timeout": 1}, "redis": {"password": "p"}}, ["redis"])
    assert "secret" not in plain
    assert secret == {"path": "override.d/redis.conf", "secret": '"password" = "p";\n', "group": "_rspamd", "mode": "0440"}


def test_every_key_is_a_closed_hidden_file() -> None:
    assert {(file["mode"], "content" in file) for file in rspamd.rspamd_key_files(KEYS)} == {("0440", False)}


@pytest.mark.parametrize(
    ("pem", "native"),
    [
        pytest.param(RSA, RSA, id="RSA stays PEM"),
        pytest.param(RSA.rstrip("\n"), RSA, id="a missing end of line is added"),
        pytest.param(ED25519, "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=\n", id="Ed25519 is the bare seed"),
    ],
)
def test_a_key_is_what_rspamd_reads(pem: str, native: str) -> None:
    (file,) = rspamd.rspamd_key_files([{"domain": "d", "selector": "s", "key": pem}])
    assert file["secret"] == native


def test_all_keys_of_a_domain_sign_and_are_where_they_were_written() -> None:
    domains: dict[str, Any] = rspamd.rspamd_signing_domains(KEYS, "/etc/rspamd")
    assert [entry["selector"] for entry in domains["example.test"]["selectors"]] == ["rsa", "ed"]
    assert {entry["path"] for domain in domains.values() for entry in domain["selectors"]} == {
        f"/etc/rspamd/{file['path']}" for file in rspamd.rspamd_key_files(KEYS)
    }


@pytest.mark.parametrize(
    ("entry", "table"),
    [
        ({"name": "own", "rbl": "z"}, {"symbol": "OWN", "checks": ["from"], "rbl": "z"}),
        ({"name": "own", "rbl": "z", "symbol": None, "returncodes": {}}, {"symbol": "OWN", "checks": ["from"], "rbl": "z"}),
        ({"name": "own", "rbl": "z", "symbol": "S", "checks": ["urls"]}, {"symbol": "S", "checks": ["urls"], "rbl": "z"}),
    ],
)
def test_rbls(entry: dict[str, object], table: dict[str, object]) -> None:
    assert rspamd.rspamd_rbls([entry]) == {"own": table}


def test_weights() -> None:
    assert rspamd.rspamd_weights({"A": 1.5}) == {"A": {"weight": 1.5}}
