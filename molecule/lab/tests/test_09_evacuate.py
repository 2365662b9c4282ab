# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail exchanger dies with mail in its queue: another one delivers it, each message once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import podman_exec
from testing import ROOT, Site, ansible, letter

pytestmark = pytest.mark.operation
NODE, INSTANCE = "east-mx2", "postfix-mx"
OTHER, TEMPORARY = "east-mx1", "postfix-mx-evacuated-east-mx2"
MESSAGES, HELD = 50, 5
# From here on the mail is the other node's, but nothing runs on it yet.
HALF_WAY = "TASK [Run a Postfix on each of them]"
# Mail for the mailbox node is refused on this node alone.
BLOCK = (
    "add table inet evacuation; add chain inet evacuation out { type filter hook output priority 0; };"
    " add rule inet evacuation out tcp dport 11024 reject with tcp reset"
)
EVACUATE = ("-e", f"evacuate_node={NODE}", "-e", "mailcluster_drain_timeout=3", "-e", "evacuate_timeout=15")
UNIT = f"mailcluster-postfix@{INSTANCE}.service"


def shell(node: str, command: str, data: str = "") -> str:
    return podman_exec(node, "sh", "-ec", command, data=data)


def playbook(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ansible("ansible-playbook", f"mailcluster.postfix.{name}", "-i", "inventories/lab", *arguments)


def fill(site: Site) -> set[str]:
    """Message-IDs of what now waits in the queue of the node, some of it held."""
    sent = [letter(f"{uuid.uuid4().hex}@{site.domain}", f"alice@{site.domain}") for _number in range(MESSAGES)]
    shell(NODE, f"nft '{BLOCK}'")
    shell(
        NODE,
        f"csplit -s -z -f /tmp/evacuation- -n 3 - '/^From: /' '{{*}}'; for file in /tmp/evacuation-*; do"
        f" sendmail -C /etc/{INSTANCE} -f '' alice@{site.domain} <$file; rm $file; done",
        data="".join(one.text for one in sent),
    )
    ids = f'postqueue -c /etc/{INSTANCE} -j | head -{HELD} | grep -o \'"queue_id": "[^"]*\' | cut -d\'"\' -f4'
    shell(NODE, f"sleep 2; {ids} | postsuper -c /etc/{INSTANCE} -h - 2>/dev/null")
    return {one.message_id for one in sent}


def killed_at(task: str) -> None:
    """Run evacuate until the task begins, and kill it and all that it has started."""
    command = [Path(sys.executable).parent / "ansible-playbook", "mailcluster.postfix.evacuate", "-i", "inventories/lab", *EVACUATE]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout
        said = []
        for line in run.stdout:
            said.append(line)
            if line.startswith(task):
                break
        os.killpg(run.pid, signal.SIGKILL)
    assert said[-1].startswith(task), "".join(said)


def copies(site: Site, wanted: set[str]) -> Counter[str]:
    """How often each of these messages is in a mailbox."""
    found: Counter[str] = Counter()
    for node in site.tier("mailbox"):
        found.update(line.split()[-1] for line in shell(node.name, "grep -rhi '^Message-ID:' /var/vmail --include=*,S=* || true").splitlines())
    return Counter({name: count for name, count in found.items() if name in wanted})


def queued(node: str, instance: str) -> Counter[str]:
    """How many messages are in each queue of an instance that may be gone."""
    return Counter(shell(node, f"cd /var/spool/{instance} && find active deferred hold incoming maildrop -type f | cut -d/ -f1 || true").split())


@pytest.fixture(scope="module")
def evacuated(site: Site) -> Iterator[set[str]]:
    """Message-IDs of what waited on a node whose Postfix was killed, evacuated by a run that was killed half way, and one that was not."""
    try:
        sent = fill(site)
        shell(NODE, f"kill -9 $(cat /var/spool/{INSTANCE}/pid/master.pid)")
        killed_at(HALF_WAY)
        done = playbook("evacuate", *EVACUATE)
        assert done.returncode == 0, done.stdout + done.stderr
        yield sent
    finally:
        shell(NODE, "nft delete table inet evacuation || true")


def test_once(site: Site, evacuated: set[str]) -> None:
    """Postfix of an MX is killed with fifty messages in its queue: the other MX delivers each of them once, also after a run that was killed"""
    assert Counter(copies(site, evacuated).values()) == {1: MESSAGES - HELD}


def test_held(evacuated: set[str]) -> None:
    """What was held is held there, in an instance that goes on, with no listener of its own"""
    assert queued(OTHER, TEMPORARY) == {"hold": HELD}
    assert shell(OTHER, f"postconf -c /etc/{TEMPORARY} -M | awk '$2 == \"inet\"'") == ""


def test_fenced(evacuated: set[str]) -> None:
    """The node it came from cannot send it again: its Postfix is masked, and its queue is out of reach"""
    assert shell(NODE, f"systemctl is-enabled {UNIT} || true").strip() == "masked"
    assert queued(NODE, INSTANCE) == {}


def test_told(site: Site, evacuated: set[str]) -> None:
    """verify names the instance that still has mail of a dead node"""
    done = playbook("verify", "--limit", f"{NODE}:{OTHER}")
    assert f"{TEMPORARY} ({OTHER}): holds {HELD} evacuated messages" in done.stdout


def test_returned(site: Site, evacuated: set[str]) -> None:
    """Released and evacuated once more, the rest is delivered and the instance gone; the node serves again with an empty queue"""
    shell(OTHER, f"postsuper -c /etc/{TEMPORARY} -H ALL 2>/dev/null")
    done = playbook("evacuate", "-e", f"evacuate_node={NODE}", "-e", "evacuate_return=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shell(OTHER, f"ls -d /etc/{TEMPORARY} /var/spool/{TEMPORARY} /var/lib/{TEMPORARY} 2>/dev/null || true") == ""
    assert Counter(copies(site, evacuated).values()) == {1: MESSAGES}
    shell(NODE, f"systemctl start {UNIT}")
    assert playbook("restore", "--limit", NODE).returncode == 0
    assert queued(NODE, INSTANCE) == {}
