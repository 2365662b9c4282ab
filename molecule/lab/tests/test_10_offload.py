# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges end the TLS of clients, and the daemons behind them know the sessions for secure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from client import converse_all, podman_exec
from testing import STRANGER, Letter, Site, ansible, codes, entrances_of, letter, login, reading, submission, the_site

pytestmark = pytest.mark.operation
ALICE, BOB = (f"{name}@{the_site().domain}" for name in ("alice", "bob"))
CHOSEN = {"haproxy_tls_offload": ["imaps", "submissions"]}


def edges(site: Site, **chosen: object) -> None:
    done = ansible("ansible-playbook", "mailcluster.postfix.edge", "-i", site.inventory, "-e", json.dumps(chosen))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def offloaded(site: Site) -> Iterator[None]:
    """The edges of the lab end TLS, until the last test of this module."""
    try:
        edges(site, **CHOSEN)
        yield
    finally:
        edges(site)


@pytest.fixture(scope="module")
def letters() -> list[Letter]:
    return [letter(ALICE, BOB) for _entrance in entrances_of()]


@pytest.mark.usefixtures("offloaded")
def test_submitted(letters: list[Letter]) -> None:
    """A user logs in on 465 of every VIP where the edge ends TLS, and submits mail"""
    sent = zip(entrances_of(), letters, strict=True)
    requests = [submission(entrance, 465, **login(ALICE), sender=ALICE, recipients=[BOB], message=post.text) for entrance, post in sent]
    answers = converse_all(STRANGER, requests)
    assert [codes(answer, ".") for answer in answers] == [[250]] * len(answers), answers


@pytest.mark.usefixtures("offloaded")
def test_read(letters: list[Letter]) -> None:
    """The same mail is read over IMAPS at every VIP where the edge ends TLS"""
    found = converse_all(STRANGER, [reading(entrance, BOB, post.message_id) for entrance, post in zip(entrances_of(), letters, strict=True)])
    assert [len(answer.get("messages", ())) for answer in found] == [1] * len(letters), found


@pytest.mark.usefixtures("offloaded")
def test_ended_at_the_edge(site: Site) -> None:
    """It is the edge that has the public key in memory, and the session that it hands on is known to be secure"""
    for node in site.tier("edge"):
        assert "service.pem" in podman_exec(node.name, "grep", "-A2", "listen imaps", "/etc/haproxy/haproxy.cfg")
    said = [podman_exec(node.name, "journalctl", "--since=-2min", "--output=cat", "--no-pager", "--unit=dovecot.service") for node in site.tier("mailbox")]
    lines = [line for text in said for line in text.splitlines() if f"user=<{BOB}>" in line and "Login" in line]
    assert lines
    assert all("TLS" in line or "secured" in line for line in lines), lines[-3:]
