# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The day's work: a thousand accounts come and go, and no daemon notices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import podman_exec
from testing import HELLO, STRANGER, TIMEOUT, Site, ansible, codes, converse_all, the_site

pytestmark = pytest.mark.operation
NEW = [f"new{number:04d}" for number in range(1000)]
SECONDS = 15


def publish(accounts: Path) -> float:
    """Run the playbook data with this file of accounts; how many seconds it took."""
    start = time.monotonic()
    done = ansible("ansible-playbook", "mailcluster.postfix.data", "-i", the_site().inventory, "-e", f"mailcluster_accounts={accounts}")
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - start


def known(site: Site, user: str) -> set[int]:
    """What every entrance replies to RCPT for the user."""
    request = {"port": 25, "timeout": TIMEOUT, "hello": HELLO, "sender": "stranger@foreign.test", "recipients": [f"{user}@{site.domain}"]}
    answers = converse_all(STRANGER, [request | {"address": entrance.address} for entrance in site.entrances])
    return {code for answer in answers for code in codes(answer, "RCPT")}


def running(site: Site) -> dict[str, str]:
    """Node -> generations that serve, and the process ids of all masters and of Dovecot."""
    command = "readlink /etc/postfix-*; cat /var/spool/postfix*/pid/master.pid /run/dovecot/master.pid 2>/dev/null; true"
    return {node.name: podman_exec(node.name, "sh", "-c", command) for node in site.nodes}


@pytest.fixture(scope="module")
def grown(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], float]]:
    """A thousand accounts more: what ran before, and the seconds it took."""
    before = running(site)
    present = (site.state / "accounts").read_text()
    homes = [node.name for node in site.tier("mailbox")]
    password = present.splitlines()[-1].split(":", 2)[2]
    accounts = tmp_path_factory.mktemp("data") / "accounts"
    accounts.touch(mode=0o600)
    accounts.write_text(present + "".join(f"{user}@{site.domain}:{homes[n % len(homes)]}:{password}\n" for n, user in enumerate(NEW)))
    yield before, publish(accounts)
    publish(site.state / "accounts")


def test_the_last_is_known(site: Site, grown: tuple[dict[str, str], float]) -> None:
    """A thousand new accounts published by the playbook data: every entrance takes mail for the last one"""
    assert known(site, NEW[-1]) == {250}


def test_nothing_restarted(site: Site, grown: tuple[dict[str, str], float]) -> None:
    """No node got a new generation, no master and no Dovecot was restarted"""
    assert running(site) == grown[0]


def test_seconds(grown: tuple[dict[str, str], float]) -> None:
    """It took at most fifteen seconds"""
    assert grown[1] <= SECONDS, f"{grown[1]:.1f} s"


def test_removed(site: Site, grown: tuple[dict[str, str], float]) -> None:
    """Published without them: every entrance refuses the last one again, within fifteen seconds"""
    assert publish(site.state / "accounts") <= SECONDS
    assert known(site, NEW[-1]) == {550}
