# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region leaves DNS and service, and comes back; the world goes on finding the others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from client import podman_exec, run_python
from testing import FRIEND, STRANGER, Site, ansible, converse_all, entrances_of, letter, reading, the_site

pytestmark = pytest.mark.operation
SITE = the_site()
REGIONS = {region["name"]: region["vips"] for region in next(iter(SITE.variables.values()))["mailcluster_regions"]}
*STAYING, LEAVING = REGIONS
LETTERS = 5
LOOKUP = """
import dns.resolver
def seen(name, kind):
    return sorted(str(rdata) for rdata in dns.resolver.resolve(name, kind))
"""


def seen(name: str, kind: str) -> list[str]:
    """What a client in the world finds in DNS."""
    found: list[str] = run_python(STRANGER, LOOKUP, "seen", name, kind)
    return found


def exchangers(*regions: str) -> list[str]:
    return sorted(f"10 mail.{region}.{SITE.domain}." for region in regions)


def addresses(*regions: str) -> list[str]:
    return sorted(vip for region in regions for vip in REGIONS[region])


def found() -> tuple[list[str], list[str]]:
    """The mail exchangers of the site, and the addresses of the name that clients use."""
    name = f"mail.{SITE.domain}"
    return seen(SITE.domain, "MX"), sorted([*seen(name, "A"), *seen(name, "AAAA")])


def play(name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return ansible("ansible-playbook", f"mailcluster.postfix.{name}", "-i", SITE.inventory, *more)


def drill(region: str, state: str) -> subprocess.CompletedProcess[str]:
    facts = {"drill_region": region, "drill_state": state, "drill_host": STRANGER, "verify_ca_file": SITE.ca}
    return play("drill", *(word for name, value in facts.items() for word in ("-e", f"{name}={value}")))


@pytest.fixture(scope="module")
def published() -> subprocess.CompletedProcess[str]:
    done = play("dns")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def out(published: subprocess.CompletedProcess[str]) -> Iterator[subprocess.CompletedProcess[str]]:
    """The last region is out of DNS and service, until the tests are over or one has brought it back."""
    yield drill(LEAVING, "out")
    if f"{LEAVING}." not in " ".join(seen(SITE.domain, "MX")):
        drill(LEAVING, "in")


def test_published(site: Site, published: subprocess.CompletedProcess[str]) -> None:
    """The playbook dns has published every region by signed updates, and finds nothing to change when it looks again"""
    again = play("dns", "--check")
    assert (again.returncode, again.stdout.count("changed=0")) == (0, len(site.nodes)), again.stdout + again.stderr
    assert found() == (exchangers(*REGIONS), addresses(*REGIONS))


def test_out(out: subprocess.CompletedProcess[str]) -> None:
    """The playbook drill has taken a region out: the world finds the others only"""
    assert out.returncode == 0, out.stdout + out.stderr
    assert found() == (exchangers(*STAYING), addresses(*STAYING))


def test_mail_goes_on(site: Site, out: subprocess.CompletedProcess[str]) -> None:
    """Mail that a foreign server sends by MX in the meantime arrives, each message once, also in the mailboxes of the region"""
    posts = [letter(FRIEND, user, f"Letter {number}.") for number in range(LETTERS) for user in (f"alice@{site.domain}", f"bob@{site.domain}")]
    for post in posts:
        podman_exec("foreign-mx", "sendmail", "-f", FRIEND, post.recipient, data=post.text)
    entrance = entrances_of(*STAYING)[0]
    answers = converse_all(STRANGER, [reading(entrance, post.recipient, post.message_id, wait=30) for post in posts], seconds=120)
    assert [len(answer.get("messages", ())) for answer in answers] == [1] * len(posts)


def test_not_both(out: subprocess.CompletedProcess[str]) -> None:
    """The drill refuses to take out a second region, on which all depends by now"""
    done = drill(STAYING[0], "out")
    assert done.returncode != 0
    assert "drained or not answering" in done.stdout + done.stderr


def test_back(out: subprocess.CompletedProcess[str]) -> None:
    """The playbook drill has brought the region back: it has knocked at its doors, and the world finds it again"""
    done = drill(LEAVING, "in")
    assert done.returncode == 0, done.stdout + done.stderr
    assert found() == (exchangers(*REGIONS), addresses(*REGIONS))
