# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a tier act as one."""

from __future__ import annotations

import json
import time
import uuid
from itertools import pairwise
from pathlib import Path

import pytest
from client import podman_exec
from testing import FRIEND, ROOT, STRANGER, Node, Site, ansible, codes, converse, letter, passwords, posting, received, the_site

MX = the_site().tier("mx")
RELAYS = the_site().tier("relay")
BULK = "postfix-relay-bulk"


@pytest.mark.parametrize(("first", "second"), list(pairwise(MX)), ids=str)
def test_greylisting_is_shared(site: Site, first: Node, second: Node) -> None:
    """A doubtful message is put off by {first}; its retry is taken by {second}"""
    # Without To and Message-ID: between the scores that put off and that mark, on rspamd 3.4 and 3.12.
    # rspamd knows a retry by its envelope or its body; 3.4 takes an equal body for one, whoever sends it.
    post = letter(f"{uuid.uuid4()}@foreign.test", f"alice@{site.domain}", f"Good morning, {uuid.uuid4()}.", omit=("To", "Message-ID"))
    wait = site.variables[site.tier("filter")[0].name]["rspamd_greylist_timeout"]
    tried = codes(converse(STRANGER, posting(post, first.addresses[0])), ".")
    time.sleep(wait + 1)
    retried = codes(converse(STRANGER, posting(post, second.addresses[0])), ".")
    assert (tried, retried) == ([451], [250])


def verify(*more: str) -> tuple[int, str]:
    done = ansible("ansible-playbook", "mailcluster.postfix.verify", "-i", the_site().inventory, *more)
    return done.returncode, done.stdout + done.stderr


def test_verify(site: Site, tmp_path: Path) -> None:
    """The playbook verify finds equal digests in every tier, carries mail through every VIP, and every inner port closed"""
    facts = tmp_path / "verify.json"
    alice = f"alice@{site.domain}"
    facts.touch(mode=0o600)
    facts.write_text(
        json.dumps(
            {
                "verify_recipient": alice,
                "verify_password": passwords()[alice],
                "verify_sender": "probe@foreign.test",
                "verify_hosts": STRANGER,
                "verify_stranger": STRANGER,
                "verify_ca_file": str(site.ca),
                "verify_server_names": {entrance.address: entrance.server_name for entrance in site.entrances},
            }
        )
    )
    code, said = verify("-e", f"@{facts}")
    assert code == 0, said
    assert passwords()[alice] not in said


def test_verify_reports_a_hand_edit() -> None:
    """The playbook verify names the node whose main.cf was edited by hand"""
    edited = MX[-1].name
    path = "/etc/postfix-mx/main.cf"
    podman_exec(edited, "sh", "-c", f"echo 'smtpd_timeout = 77s' >> {path}")
    try:
        code, said = verify("--limit", "mx")
    finally:
        podman_exec(edited, "sed", "-i", "/^smtpd_timeout = 77s$/d", path)
    assert (code != 0, f"({edited}): edited by hand" in said) == (True, True), said


def test_pool(site: Site) -> None:
    """What a node gives to the door of the relay instance bulk leaves by that instance"""
    post = letter(f"alice@{site.domain}", FRIEND)
    assert codes(converse(MX[0].name, posting(post, "127.0.0.1", 14125)), ".") == [250]
    texts = received([post.message_id])[post.message_id]["texts"]
    # The own region's relay, with what only that node has.
    assert [f"from bulk.east.{site.domain}" in text for text in texts] == [True]


def test_service_of_a_node() -> None:
    """A service that one node has in another form leaves the digest of its tier as it is"""
    lines = [podman_exec(node.name, "/usr/sbin/postconf", "-c", "/etc/postfix-relay", "-M", "smtp/unix").split() for node in RELAYS]
    digests = {podman_exec(node.name, "readlink", "/etc/postfix-relay").rpartition("/")[2].partition("-")[0] for node in RELAYS}
    assert ([line[6] for line in lines], len(digests)) == (["200", "-"], 1)


def unclaimed() -> list[bool]:
    """Whether each relay node runs the instance bulk."""
    return [podman_exec(node.name, "sh", "-c", f"test -e /etc/{BULK} && echo yes || echo no").strip() == "yes" for node in RELAYS]


def test_prune() -> None:
    """An instance that the inventory names no more is reported by verify, and removed with mailcluster_prune"""
    without = ("--limit", "relay", "-e", '{"mailcluster_instances": []}')
    code, said = verify(*without)
    assert (code != 0, f"{BULK} ({RELAYS[0].name}): no role claims the instance" in said) == (True, True), said
    playbook = ("ansible-playbook", ROOT / "playbooks/tiers/prune.yml", "-i", the_site().inventory, *without, "-e", "mailcluster_prune=true")
    podman_exec(RELAYS[0].name, "/usr/sbin/sendmail", "-C", f"/etc/{BULK}", "nobody@[10.91.9.250]", data="Subject: It waits\n\nx\n")
    refused = ansible(*playbook)
    assert (refused.returncode != 0, f"the queue /var/spool/{BULK} holds 1 message" in refused.stdout) == (True, True), refused.stdout
    podman_exec(RELAYS[0].name, "/usr/sbin/postsuper", "-c", f"/etc/{BULK}", "-d", "ALL")
    kept = unclaimed()
    pruned = ansible(*playbook)
    # The refused run removed it where nothing waited.
    assert (kept, pruned.returncode, unclaimed()) == ([True, False], 0, [False, False]), pruned.stdout + pruned.stderr
    again = ansible("ansible-playbook", "mailcluster.postfix.relay", "-i", the_site().inventory)
    assert (again.returncode, unclaimed()) == (0, [True] * len(RELAYS)), again.stdout + again.stderr


@pytest.mark.parametrize("node", [the_site().tier(tier)[0] for tier in ("edge", "mx", "submission", "filter", "mailbox")], ids=str)
def test_packages(node: Node) -> None:
    """Unattended upgrades leave postfix, haproxy and unbound alone on {node}"""
    told = podman_exec(node.name, "apt-config", "dump", "--format", "%v%n", "Unattended-Upgrade::Package-Blacklist").split()
    assert {"postfix$", "haproxy$", "unbound$"} <= set(told)
