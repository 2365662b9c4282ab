# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is changed by hand: verify names it, and what differs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from client import podman_exec
from testing import ansible

pytestmark = pytest.mark.operation
NODE = "west-mx1"
TABLE = "/etc/mailcluster/postfix-mx/data/recipients"
HAPROXY = ("/etc/haproxy/haproxy.cfg", "/etc/default/haproxy")
CHANGED = ("/etc/postfix-mx/main.cf", TABLE, f"{TABLE}.lmdb", "/etc/mailcluster/tls/ca.pem", "/var/lib/dpkg/status", *HAPROXY)
EDIT = f"""
mkdir /root/drift
cp -aL {" ".join(CHANGED)} /root/drift
sed -i 's/^smtpd_helo_required = .*/smtpd_helo_required = no/' /etc/postfix-mx/main.cf
echo 'eve@example.test secret-value' >>{TABLE}
postmap lmdb:{TABLE}
echo '# by hand' >>/etc/mailcluster/tls/ca.pem
echo '# by hand' >>{HAPROXY[0]}
echo '# secret-value' >>{HAPROXY[1]}
sed -i '/^Package: haproxy$/,/^$/s/^Version: .*/Version: 0.1-1/' /var/lib/dpkg/status
"""
RESTORE = "\n".join(f"cp -a /root/drift/{path.rpartition('/')[2]} {path}" for path in CHANGED) + "\nrm -r /root/drift"


def verify() -> str:
    """What verify says of the mail exchangers."""
    done = ansible("ansible-playbook", "mailcluster.postfix.verify", "-i", "inventories/lab", "--limit", "mx")
    return done.stdout


@pytest.fixture(scope="module")
def said() -> Iterator[str]:
    """What verify says while a parameter, a table, a certificate, the version of a package and the balancer's files of one node are others."""
    podman_exec(NODE, "sh", "-ec", EDIT)
    try:
        yield verify()
    finally:
        podman_exec(NODE, "sh", "-ec", RESTORE)


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        pytest.param(
            "a parameter", ["postfix-mx on Debian 13: the shared digest differs: ", "  smtpd_helo_required: east-mx1: yes; west-mx1: no"], id="parameter"
        ),
        pytest.param("that it was done by hand", ["postfix-mx (west-mx1): edited by hand: "], id="hand"),
        pytest.param("a row of a table", [f"postfix-mx: data table {TABLE} differs: ", "  west-mx1 alone has eve@example.test"], id="table"),
        pytest.param("a certificate", ["/etc/mailcluster/tls/ca.pem differs: "], id="certificate"),
        pytest.param("a line of a daemon's file", [f"{HAPROXY[0]} ({NODE}): edited by hand: content", "  +# by hand"], id="file"),
        pytest.param("a secret file", [f"{HAPROXY[1]} ({NODE}): edited by hand: content", "  +(content is secret and differs)"], id="secret"),
        pytest.param("the version of a package", ["mx on Debian 13: package haproxy differs: ", "0.1-1 on west-mx1"], id="package"),
    ],
)
def test_named(said: str, what: str, lines: list[str]) -> None:
    """verify names {what} in which one node differs from the others"""
    assert [line for line in lines if line not in said] == [], said


def test_values_of_a_table_and_secrets_are_not_shown(said: str) -> None:
    """It shows keys of a table and no values, and nothing of a secret file"""
    assert "secret-value" not in said


def test_nothing_when_put_back(said: str) -> None:
    """Equal nodes differ in nothing, and nothing was done to them by hand"""
    podman_exec(NODE, "sh", "-ec", RESTORE)
    try:
        told = verify()
        assert [word for word in (" differs: ", "edited by hand: ", "removed by hand") if word in told] == [], told
    finally:
        podman_exec(NODE, "sh", "-ec", EDIT)
