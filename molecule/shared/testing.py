# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario share: the site as its inventory says it, letters, and the report line by line.

A conftest.py takes it all by `from testing import *`; the site is chosen by MAILCLUSTER_INVENTORY (default inventories/lab).
"""

from __future__ import annotations

import email
import email.policy
import functools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from client import converse_all, run_python

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = (4, 6)
STRANGER = "foreign-client"
HELLO = f"{STRANGER}.foreign.test"
SENDER = "stranger@foreign.test"
FRIEND = "friend@foreign.test"
TIMEOUT = 25


@dataclass(frozen=True)
class Node:
    name: str
    region: str
    tiers: frozenset[str]
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Entrance:
    """An address at which the world meets the site, with the name its certificate must carry."""

    label: str
    region: str
    family: int
    address: str
    server_name: str

    def __str__(self) -> str:
        return f"{self.label} over IPv{self.family}"


@dataclass(frozen=True)
class Site:
    domain: str
    nodes: tuple[Node, ...]
    entrances: tuple[Entrance, ...]
    variables: Mapping[str, Mapping[str, Any]]
    inventory: Path

    @property
    def name(self) -> str:
        return self.inventory.name

    @property
    def state(self) -> Path:
        return ROOT / ".cache/lab" / self.name

    @property
    def ca(self) -> Path:
        return self.state / "ca/ca.crt"

    def address(self, host: str, family: int) -> str:
        """The address of any host of the inventory, the world's too."""
        addresses: Sequence[str] = self.variables[host]["mailcluster_addresses"]
        return next(address for address in addresses if (":" in address) == (family == 6))

    def tier(self, name: str) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if name in node.tiers)

    @property
    def mx_addresses(self) -> list[str]:
        """Where the world may bring mail: the entrances, and the MX nodes that serve port 25 themselves."""
        direct = [node for node in self.tier("mx") if self.variables[node.name].get("mx_direct")]
        return [entrance.address for entrance in self.entrances] + [address for node in direct for address in node.addresses]


def site_of(inventory: Mapping[str, Any], path: Path) -> Site:
    """The site as `ansible-inventory --list` describes it. A site without VIPs is entered at the addresses of its nodes."""
    hostvars: dict[str, dict[str, Any]] = inventory["_meta"]["hostvars"]
    groups = {group: set(members.get("hosts", ())) for group, members in inventory.items() if group != "_meta"}
    shared = next(iter(hostvars.values()))
    regions = {region["name"]: region for region in shared["mailcluster_regions"]}
    tiers = ("edge", "mx", "submission", "relay", "filter", "mailbox")
    nodes = tuple(
        Node(
            name=name,
            region=next(region for region in regions if name in groups.get(region, ())),
            tiers=frozenset(tier for tier in tiers if name in groups.get(tier, ())),
            addresses=tuple(variables["mailcluster_addresses"]),
        )
        for name, variables in sorted(hostvars.items())
        if any(name in groups.get(tier, ()) for tier in tiers)
    )
    domain = shared["mailcluster_domain"]
    vips = [(f"the {name} VIP", name, f"mail.{name}.{domain}", vip) for name, region in regions.items() for vip in region.get("vips") or ()]
    alone = [(node.name, node.region, f"{node.name}.{domain}", address) for node in nodes for address in node.addresses]
    entrances = tuple(
        Entrance(label=label, region=region, family=6 if ":" in address else 4, address=address, server_name=name)
        for label, region, name, address in vips or alone
    )
    return Site(domain=domain, nodes=nodes, entrances=entrances, variables=hostvars, inventory=path)


@functools.cache
def the_site() -> Site:
    path = ROOT / os.environ.get("MAILCLUSTER_INVENTORY", "inventories/lab")
    return site_of(read_inventory(path), path)


def ansible(program: str, *arguments: str | Path, seconds: int = 300) -> subprocess.CompletedProcess[str]:
    """An Ansible program of the virtual environment that runs the tests."""
    return subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def edges(site: Site, **chosen: object) -> None:
    """The edges as the inventory has them, but for what is chosen."""
    done = ansible("ansible-playbook", "mailcluster.postfix.edge", "-i", site.inventory, "-e", json.dumps(chosen))
    assert done.returncode == 0, done.stdout + done.stderr


def read_inventory(path: Path) -> dict[str, Any]:
    done = ansible("ansible-inventory", "-i", path, "--list")
    if done.returncode:
        raise pytest.UsageError(done.stderr)
    inventory: dict[str, Any] = json.loads(done.stdout)
    return inventory


@functools.cache
def passwords() -> dict[str, str]:
    found: dict[str, str] = json.loads((the_site().state / "passwords.json").read_text())
    return found


@functools.cache
def authority() -> str:
    """The lab CA: whatever speaks TLS to clients must be verified by it."""
    return the_site().ca.read_text()


@dataclass(frozen=True)
class Letter:
    message_id: str
    sender: str
    recipient: str
    text: str


def letter(sender: str, recipient: str, body: str = "Good morning.", *, omit: tuple[str, ...] = ()) -> Letter:
    """A message nobody could object to, but for what `omit` leaves out and `body` says."""
    message_id = f"<{uuid.uuid4()}@{sender.rpartition('@')[2] or 'example.invalid'}>"
    headers = {
        "From": sender,
        "To": recipient,
        "Subject": "A letter",
        "Date": formatdate(),
        "Message-ID": message_id,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if name not in omit]
    return Letter(message_id, sender, recipient, "\n".join([*lines, "", body, ""]))


def posting(post: Letter, address: str, port: int = 25, **more: Any) -> dict[str, Any]:
    """The request that sends a letter as a foreign client does."""
    return {
        "address": address,
        "port": port,
        "timeout": TIMEOUT,
        "hello": HELLO,
        "sender": post.sender,
        "recipients": [post.recipient],
        "message": post.text,
        **more,
    }


def trusted(entrance: Entrance) -> dict[str, Any]:
    """What a careful client adds: the certificate must name the entrance and come from the lab CA."""
    return {"address": entrance.address, "server_name": entrance.server_name, "ca": authority()}


def login(user: str, password: str | None = None) -> dict[str, Any]:
    return {"user": user, "password": passwords()[user] if password is None else password}


def submission(entrance: Entrance, port: int, **more: Any) -> dict[str, Any]:
    """A conversation with 465 or 587, TLS verified; what it says comes in `more`."""
    return {
        **trusted(entrance),
        "port": port,
        "timeout": TIMEOUT,
        "tls": "implicit" if port == 465 else "starttls",
        "hello": "laptop.invalid",
        **more,
    }


def reading(entrance: Entrance, user: str, message_id: str, *, wait: int = 20) -> dict[str, Any]:
    """The request that waits for a message in a mailbox over IMAPS."""
    return {
        **trusted(entrance),
        **login(user),
        "port": 993,
        "protocol": "imap",
        "tls": "implicit",
        "timeout": TIMEOUT,
        "message_id": message_id,
        "wait": wait,
    }


def converse(node: str, request: dict[str, Any]) -> dict[str, Any]:
    return converse_all(node, [request])[0]


def replies(answer: Mapping[str, Any], command: str) -> list[tuple[int, str]]:
    """The replies to commands that begin so; the greeting has the command "", the end of a message "."."""
    return [(said["code"], said["text"]) for said in answer["transcript"] if (said["command"].startswith(command) if command else not said["command"])]


def codes(answer: Mapping[str, Any], command: str) -> list[int]:
    return [code for code, _text in replies(answer, command)]


def keywords(answer: Mapping[str, Any]) -> list[set[str]]:
    """What each EHLO was told, by keyword: before TLS, then within it."""
    return [{line.split()[0].upper() for line in text.splitlines()[1:]} for _code, text in replies(answer, "EHLO")]


def received(message_ids: Sequence[str], *, wait: int = 30) -> dict[str, dict[str, Any]]:
    """What the foreign MX holds by Message-ID, with its judgement of the signatures; see foreign_store.py."""
    source = (Path(__file__).parent / "foreign_store.py").read_text()
    found: dict[str, dict[str, Any]] = run_python("foreign-mx", source, "received", list(message_ids), wait, seconds=wait + 30)
    return found


def etc(site: Site) -> dict[str, dict[str, str]]:
    """Node -> path -> mode, owner, digest or target, and time of change of everything in /etc."""
    source = (Path(__file__).parent / "etc.py").read_text()
    with ThreadPoolExecutor(max_workers=8) as pool:
        return {node.name: files for node, files in zip(site.nodes, pool.map(lambda node: run_python(node.name, source, "listed"), site.nodes), strict=True)}


def parsed(text: str) -> EmailMessage:
    message = email.message_from_string(text, policy=email.policy.default.clone(max_line_length=None))
    assert isinstance(message, EmailMessage)
    return message


def entrances_of(*regions: str) -> list[Entrance]:
    return [entrance for entrance in the_site().entrances if not regions or entrance.region in regions]


@pytest.fixture(scope="session")
def site() -> Site:
    return the_site()


@pytest.fixture(scope="module", params=the_site().entrances, ids=str)
def entrance(request: pytest.FixtureRequest) -> Entrance:
    found: Entrance = request.param
    return found


def sentence_of(item: pytest.Function) -> str:
    """The line a reader sees: the test's docstring, told about this case."""
    words = " ".join((item.function.__doc__ or item.name).split())
    return words.format(**item.callspec.params) if hasattr(item, "callspec") else words


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "operation: what an administrator does, not the way of a message; no part of the demo")
    config.option.verbose = min(config.option.verbose, -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, Any, Any]:
    report = yield
    report.sentence = sentence_of(item)
    report.seconds = item.stash[SECONDS] = item.stash.get(SECONDS, 0.0) + report.duration
    return report


SECONDS = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    if report.when == "call" or not report.passed:
        mark = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[report.outcome]
        # What cannot be collected takes no time.
        seconds = getattr(report, "seconds", getattr(report, "duration", 0.0))
        line = f"{mark:8}{seconds:6.1f} s  {getattr(report, 'sentence', report.nodeid)}\n"
        return report.outcome, line, mark
    return None
