# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load of the lab: mail of strangers and of users at a known rate, and what became of every message of it.

It is sent from inside the foreign client, and reckoned with what mailboxes, the foreign MX and all queues hold.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ledger
import testing
from client import CORE, ProbeError, podman_exec, run_python
from ledger import ACKNOWLEDGED, DEFERRED, IN_DOUBT, MAILBOX, QUEUE, REFUSED, Sighting, Transaction

FOLDER = "/run/mailcluster-load"
PID_FILE = f"{FOLDER}/pid"
TIMEOUT = 20
# A client that is asked to try again does so soon, at another address.
RETRIES = (1, 2, 3, 5, 10, 15, 20, 30)
# A message that has just arrived is still in the queue that it leaves; whoever dies then sends it again.
LEAVING = 0.5
# How long a load lives that nobody stops.
SECONDS = 900
# Where mail ends: mailbox nodes keep it here, the foreign MX there.
MAILBOXES, SINK = "/var/vmail", "/var/mail"


@functools.cache
def _sources() -> tuple[str, dict[str, str]]:
    return Path(ledger.__file__).read_text(), {"_mail_client": CORE.read_text()}


def flows(site: testing.Site, *, scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """Seven messages a second: of the world to users by all entrances on 25, of users to the world and to each other on 465 and 587."""
    alice, bob = (f"{name}@{site.domain}" for name in ("alice", "bob"))
    # Whoever tries again comes to another region.
    entrances = sorted(site.entrances, key=lambda entrance: (entrance.family, entrance.region))
    doors = [(entrance, port) for port in (465, 587) for entrance in entrances]

    def user(sender: str, recipients: Sequence[str]) -> list[dict[str, Any]]:
        return [testing.submission(entrance, port, **testing.login(sender), sender=sender, recipients=recipients, timeout=TIMEOUT) for entrance, port in doors]

    stranger = {"port": 25, "timeout": TIMEOUT, "hello": testing.HELLO, "sender": "ledger@foreign.test", "recipients": [alice, bob]}
    common = {"clients": 60, "retries": RETRIES}
    return {
        "inbound": {"rate": 4 * scale, "requests": [stranger | {"address": entrance.address} for entrance in entrances], **common},
        "outbound": {"rate": 2 * scale, "requests": user(alice, [testing.FRIEND]), **common},
        "colleagues": {"rate": 1 * scale, "requests": user(bob, [alice, bob]), **common},
    }


class Load:
    """A load that runs as long as the block that has it; `since` and all other times are seconds since the epoch."""

    def __init__(self, site: testing.Site, sent: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.site = site
        self.since = time.time()
        self.entries: list[Transaction] = []
        self.sightings: list[Sighting] = []
        self._file = f"{FOLDER}/{self.since:.3f}.jsonl"
        self._flows = sent or flows(site)
        self._failure: ProbeError | None = None
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        source, modules = _sources()
        program = f"{source}\n\ndef load(file, flows, pid_file):\n    return send_flows(Path(file), flows, Path(pid_file))\n"
        try:
            run_python(testing.STRANGER, program, "load", self._file, self._flows, PID_FILE, seconds=SECONDS, modules=modules)
        except (ProbeError, ValueError) as error:
            # Nothing, or half an answer, is what a load says that was abandoned.
            self._failure = error if isinstance(error, ProbeError) else ProbeError(f"the load was ended: {error}")

    def __enter__(self) -> Load:
        """Begin, and return when the first messages are under way. What an interrupted run left ends first."""
        self.abandon()
        podman_exec(testing.STRANGER, "install", "-d", "-m", "0700", FOLDER)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._lines() and time.monotonic() < deadline and not self._failure:
            time.sleep(0.1)
        if self._failure:
            raise self._failure
        return self

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        if kind:
            self.abandon()
        else:
            self.stop()

    def _lines(self) -> list[str]:
        return podman_exec(testing.STRANGER, "sh", "-c", f"cat {self._file} 2>/dev/null || true").splitlines()

    def stop(self) -> None:
        """End; what was put off is still tried again."""
        if self._thread.is_alive():
            podman_exec(testing.STRANGER, "sh", "-c", f"kill -TERM $(cat {PID_FILE})")
            self._thread.join(TIMEOUT + sum(RETRIES))
        self.read()
        if self._failure:
            raise self._failure

    def abandon(self) -> None:
        """End at once; nothing is reckoned."""
        with contextlib.suppress(ProbeError):
            # The number may be another process's by now.
            end = f"read pid < {PID_FILE} && grep -q python3 /proc/$pid/cmdline && kill -KILL $pid; rm -f {PID_FILE}"
            podman_exec(testing.STRANGER, "sh", "-c", end)

    def read(self) -> list[Transaction]:
        """The ledger so far."""
        self.entries = ledger.transactions(self._lines())
        return self.entries

    def settle(self, patience: float) -> None:
        """Look until everything acknowledged is in a mailbox or returned, for so many seconds at most; then into the queues, too."""
        owed = {entry.id for entry in self.entries if entry.verdict == ACKNOWLEDGED}
        deadline = time.monotonic() + patience
        while True:
            self.sightings = sightings(self.site, self.since)
            if owed <= {one.id for one in self.sightings}:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        # Queues first: what leaves one meanwhile is then seen in a mailbox, too.
        self.sightings = [*queued(self.site), *sightings(self.site, self.since)]


def _found(node: str, folders: Sequence[str], queues: Sequence[str], since: float) -> list[Sighting]:
    source, modules = _sources()
    found = run_python(node, source, "found_since", folders, queues, since, modules=modules)
    return [Sighting(**one) for one in found]


def side_by_side(work: Callable[[str], Iterable[Sighting]], nodes: Iterable[str]) -> list[Sighting]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [one for found in pool.map(work, nodes) for one in found]


def sightings(site: testing.Site, since: float) -> list[Sighting]:
    """What came into mailboxes and to the foreign MX since then, and what was returned."""
    homes = {node.name: MAILBOXES for node in site.tier("mailbox")} | {"foreign-mx": SINK}
    return side_by_side(lambda node: _found(node, [homes[node]], [], since - 1), homes)


def queued(site: testing.Site) -> list[Sighting]:
    """What is in the queues of all instances of all nodes."""

    def of(node: str) -> list[Sighting]:
        configs = podman_exec(node, "sh", "-c", "ls -d /etc/postfix-*/ /etc/postfix/ 2>/dev/null || true").split()
        return _found(node, [], [config.rstrip("/") for config in configs], 0.0)

    return side_by_side(of, [*(node.name for node in site.nodes), "foreign-mx"])


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a load tells about one fault. Seconds; numbers of messages, not of attempts.

    ``later`` is the worst wait, from the first attempt to the mailbox, of what began after the fault; ``home`` the same for mailboxes that
    the fault took away itself. ``again`` were asked to try again, ``unanswered`` met a connection that failed or ended early; both once or more.
    ``silence`` is the longest time without an acknowledgement after the fault, ``troubled`` the time from the fault to the end of the
    last attempt that failed. ``strays`` came twice though neither the fault nor a connection that broke met them under way.
    """

    messages: int = 0
    lost: tuple[str, ...] = ()
    queued: int = 0
    returned: int = 0
    twice: int = 0
    in_flight: int = 0
    strays: tuple[str, ...] = ()
    refused: int = 0
    given_up: int = 0
    again: int = 0
    unanswered: int = 0
    median: float = 0.0
    before: float = 0.0
    later: float = 0.0
    home: float = 0.0
    silence: float = 0.0
    troubled: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)

    def problems(self, limit: float = 3.0) -> list[str]:
        """What breaks the promise; empty when it was kept."""
        wrong = {
            f"{len(self.lost)} lost: {' '.join(self.lost[:3])}": self.lost,
            f"{len(self.strays)} came twice without being under way: {' '.join(self.strays[:3])}": self.strays,
            f"{self.refused} refused for good": self.refused,
            f"{self.returned} returned": self.returned,
            f"{self.queued} still in a queue": self.queued,
            f"{self.given_up} not handed over": self.given_up,
            f"a later message waited {self.later - self.before:.1f} s longer than any before": self.later > self.before + limit,
        }
        return [text for text, true in wrong.items() if true]


def account(entries: Sequence[Transaction], seen: Iterable[Sighting], fault: float, *, homes: Collection[str] = ()) -> Account:
    """Judge the messages by when they began; ``homes`` are recipients whose mailbox the fault took away."""
    seen = list(seen)
    reckoned = ledger.reconcile(entries, seen)
    places: dict[str, list[Sighting]] = {}
    for one in seen:
        places.setdefault(one.id, []).append(one)
    end = max([entry.ended or entry.begun for entry in entries] + [one.time or 0.0 for one in seen], default=0.0)

    def arrival(entry: Transaction) -> float:
        """What has not arrived has waited until now."""
        return min((one.time for one in places.get(entry.id, ()) if one.where == MAILBOX and one.time), default=end)

    waits = {entry.id: max(0.0, arrival(entry) - entry.first) for entry in entries if entry.verdict != REFUSED}
    earlier = [waits[entry.id] for entry in entries if entry.id in waits and arrival(entry) < fault]
    later = [entry for entry in entries if entry.first >= fault and entry.id in waits]
    attempts = [(entry, attempt) for entry in entries for attempt in entry.attempts]
    bad = [(entry, attempt) for entry, attempt in attempts if attempt.outcome != ACKNOWLEDGED]
    # Of these the client cannot know whether they were taken (RFC 1047).
    doubted = {entry.id for entry, attempt in attempts if attempt.outcome == IN_DOUBT}
    struck = {entry.id for entry in entries if entry.first < fault <= arrival(entry) + LEAVING}
    acknowledged = sorted(attempt.ended for _entry, attempt in attempts if attempt.outcome == ACKNOWLEDGED and attempt.ended and attempt.ended > fault)
    moments = [fault, *acknowledged]
    spread = ledger.spread(earlier)
    return Account(
        messages=len(entries),
        lost=reckoned.lost,
        queued=sum({one.where for one in places.get(entry.id, ())} == {QUEUE} for entry in entries),
        returned=len(reckoned.returned),
        twice=len(reckoned.twice),
        in_flight=sum(entry.first < fault <= arrival(entry) for entry in entries),
        strays=tuple(sorted({*reckoned.twice} - struck - doubted)),
        refused=len(reckoned.refused),
        given_up=sum(entry.verdict not in (ACKNOWLEDGED, REFUSED) and entry.id not in places for entry in entries),
        again=len({entry.id for entry, attempt in bad if attempt.outcome == DEFERRED}),
        unanswered=len({entry.id for entry, attempt in bad if attempt.outcome not in (DEFERRED, REFUSED)}),
        median=spread.median,
        before=spread.worst,
        later=max((waits[entry.id] for entry in later if entry.recipient not in homes), default=0.0),
        home=max((waits[entry.id] for entry in later if entry.recipient in homes), default=0.0),
        silence=max((after - before for before, after in itertools.pairwise(moments)), default=0.0),
        troubled=max((attempt.ended - fault for _entry, attempt in bad if attempt.ended and attempt.ended > fault), default=0.0),
        answers=reckoned.answers,
    )


__all__ = ["IN_DOUBT", "Account", "Load", "account", "flows", "queued", "sightings"]
