# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send mail at a steady rate, keep a ledger of every transaction, and reckon afterwards what became of each message.

A ledger is a file of JSON lines. "begin" is written before the connection, "dot" before the final dot, "end" after the last
reply: a ledger that was killed still tells which messages may be under way. A client that retries begins the same id again.

Needs Python 3.11 and, beside this file unless it runs in a checkout, plugins/module_utils/_mail_client.py.
"""

from __future__ import annotations

import argparse
import contextlib
import email
import email.policy
import heapq
import itertools
import json
import math
import os
import re
import signal
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from email.message import Message
from email.utils import formatdate
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "plugins/module_utils"))

import _mail_client as mail

EXAMPLES = """\
examples:
  Ten messages a second for a minute, over four connections at once, to two addresses in turn:
    ledger.py send --ledger mx.jsonl --to 10.91.1.10 --to 10.92.1.10 --recipient alice@example.test \\
      --rate 10 --clients 4 --seconds 60

  By submission with a login, until it is stopped by SIGTERM (which ends what has begun first):
    ledger.py send --ledger sub.jsonl --to 10.91.1.10:587 --tls starttls --ca ca.crt --server-name mail.east.example.test \\
      --user alice@example.test --password-file password --sender alice@example.test --recipient friend@foreign.test

  What a node holds, to be reckoned with elsewhere:
    ledger.py found --maildir /var/mail --queue /etc/postfix-mx > node1.found

  The reckoning; it exits with 1 when an acknowledged message is lost or one came twice:
    ledger.py reconcile mx.jsonl sub.jsonl --found node1.found --found node2.found --maildir /var/mail
"""

ACKNOWLEDGED, IN_DOUBT, REFUSED, DEFERRED, FAILED = "acknowledged", "in doubt", "refused", "deferred", "failed"
MAILBOX, QUEUE, DSN = "mailbox", "queue", "dsn"
PLACES = (MAILBOX, QUEUE, DSN)


# -- the reckoning (pure)


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """The last attempt to hand over one message, and those before. ``command`` is what ``code`` and ``text`` answered.

    Times are seconds since the epoch.
    """

    id: str
    begun: float
    to: str = ""
    recipient: str = ""
    flow: str = ""
    dotted: bool = False
    ended: float | None = None
    seconds: float = 0.0
    late: float = 0.0
    command: str = ""
    code: int = 0
    text: str = ""
    error: str = ""
    earlier: tuple[Transaction, ...] = ()

    @property
    def attempts(self) -> tuple[Transaction, ...]:
        """All of them, in order, each for itself."""
        return (*self.earlier, replace(self, earlier=()))

    @property
    def first(self) -> float:
        """When the first attempt began."""
        return self.attempts[0].begun

    @property
    def verdict(self) -> str:
        """What the client knows after its last attempt; once in doubt, only an acknowledgement ends that."""
        said = [attempt.outcome for attempt in self.attempts]
        return next((verdict for verdict in (ACKNOWLEDGED, IN_DOUBT) if verdict in said), said[-1])

    @property
    def outcome(self) -> str:
        """What the last attempt told. Whoever sent the final dot and read no reply to it knows nothing (RFC 5321, section 4.5.4.2)."""
        if self.command == "." and self.code:
            return ACKNOWLEDGED if self.code < 300 else DEFERRED if self.code < 500 else REFUSED
        if self.dotted:
            return IN_DOUBT
        return REFUSED if self.code >= 500 else DEFERRED if self.code >= 400 else FAILED


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A message seen somewhere: in a mailbox, in a queue, or as the subject of a delivery status notification."""

    id: str
    where: str = MAILBOX
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Seconds; zeros when there is nothing to measure."""

    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The longest time without an acknowledgement, from the first attempt to the last end; times are seconds since the epoch."""

    seconds: float = 0.0
    begin: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """What became of the messages, by Message-ID. Every transaction is in exactly one of the first eight lists.

    ``twice`` came more than once, ``unowed`` came although it was refused, deferred or never handed over. ``answers`` counts what
    was said to attempts that were not acknowledged; ``unknown`` is the number of sightings that no ledger tells of.
    """

    transactions: int = 0
    delivered: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    unowed: tuple[str, ...] = ()
    in_doubt_arrived: tuple[str, ...] = ()
    unknown: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    latency: Spread = Spread()
    delivery: Spread = Spread()
    gap: Gap = Gap()
    late: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether every acknowledged message is somewhere, and none came twice."""
        return not self.lost and not self.twice


def transactions(lines: Iterable[str]) -> list[Transaction]:
    """Read a ledger; of a line that a kill cut off, and of anything else that is not JSON, nothing is kept."""
    found: dict[str, Transaction] = {}
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
            event, name, when = entry["event"], entry["id"], float(entry["time"])
        except (ValueError, TypeError, KeyError):
            continue
        if event == "begin":
            about = {key: entry[key] for key in ("to", "recipient", "flow", "late") if key in entry}
            found[name] = Transaction(id=name, begun=when, earlier=found[name].attempts if name in found else (), **about)
        elif event == "dot" and name in found:
            found[name] = replace(found[name], dotted=True)
        elif event == "end" and name in found:
            said = {key: entry[key] for key in ("seconds", "command", "code", "text", "error") if key in entry}
            found[name] = replace(found[name], ended=when, **said)
    return list(found.values())


def reconcile(ledger: Iterable[Transaction], found: Iterable[Sighting]) -> Reckoning:
    """Hold what was said against what was seen, and count."""
    entries = sorted(ledger, key=lambda entry: entry.begun)
    seen: dict[str, list[Sighting]] = {entry.id: [] for entry in entries}
    unknown = 0
    for sighting in found:
        if sighting.id in seen:
            seen[sighting.id].append(sighting)
        else:
            unknown += 1
    came = {name: sum(sighting.where == MAILBOX for sighting in sightings) for name, sightings in seen.items()}
    places = {name: {sighting.where for sighting in sightings} for name, sightings in seen.items()}
    fates: dict[str, list[str]] = {name: [] for name in ("delivered", "queued", "returned", "lost", "in_doubt", "refused", "deferred", "failed")}
    for entry in entries:
        fates[_fate(entry, places[entry.id])].append(entry.id)
    silent = [entry for entry in entries if entry.verdict != ACKNOWLEDGED]
    settled = [entry for entry in entries if entry.verdict == ACKNOWLEDGED]
    begun = {entry.id: entry.first for entry in entries}
    times = {name: [one.time for one in sightings if one.where == MAILBOX and one.time] for name, sightings in seen.items()}
    arrivals = [max(0.0, min(when) - begun[name]) for name, when in times.items() if when]
    return Reckoning(
        transactions=len(entries),
        **{name: tuple(names) for name, names in fates.items()},
        twice=tuple(name for name, count in came.items() if count > 1),
        unowed=tuple(entry.id for entry in silent if entry.verdict != IN_DOUBT and places[entry.id]),
        in_doubt_arrived=tuple(entry.id for entry in silent if entry.verdict == IN_DOUBT and places[entry.id]),
        unknown=unknown,
        answers=dict(Counter(_answer(attempt) for entry in entries for attempt in entry.attempts if attempt.outcome != ACKNOWLEDGED).most_common()),
        latency=spread([entry.seconds for entry in settled]),
        delivery=spread(arrivals),
        gap=_gap(entries, settled),
        late=max((entry.late for entry in entries), default=0.0),
    )


def _fate(entry: Transaction, places: set[str]) -> str:
    if entry.verdict != ACKNOWLEDGED:
        return entry.verdict.replace(" ", "_")
    return "delivered" if MAILBOX in places else "queued" if QUEUE in places else "returned" if DSN in places else "lost"


def _answer(entry: Transaction) -> str:
    """One line that is the same for the same cause."""
    if not entry.code or entry.code < 400:
        return f"{entry.outcome}: {entry.error or 'the ledger ends'}"
    return f"{entry.command.split(' ')[0].partition(':')[0] or 'connection'}: {entry.code} {entry.text.splitlines()[0] if entry.text else ''}".rstrip()


def spread(seconds: Sequence[float]) -> Spread:
    """Median, 99th percentile (nearest rank) and worst."""
    if not seconds:
        return Spread()
    ordered = sorted(seconds)
    rank = math.ceil(0.99 * len(ordered)) - 1
    return Spread(median=round(statistics.median(ordered), 3), p99=round(ordered[rank], 3), worst=round(ordered[-1], 3))


def _gap(entries: Sequence[Transaction], settled: Sequence[Transaction]) -> Gap:
    if not entries:
        return Gap()
    last = max(entry.ended or entry.begun for entry in entries)
    times = sorted([entries[0].begun, *(entry.ended for entry in settled if entry.ended is not None), last])
    seconds, begin, end = max(((after - before, before, after) for before, after in itertools.pairwise(times)), default=(0.0, times[0], times[0]))
    return Gap(seconds=round(seconds, 3), begin=begin, end=end)


def summary(reckoning: Reckoning) -> str:
    """The reckoning for people."""

    def counted(name: str) -> str:
        ids = getattr(reckoning, name)
        shown = " ".join(ids[:5]) + (" ..." if ids[5:] else "") if name in ("lost", "twice", "unowed") else ""
        return f"{len(ids):8}  {name.replace('_', ' ')}  {shown}".rstrip()

    rows = [
        f"{reckoning.transactions:8}  transactions",
        *(counted(name) for name in ("delivered", "queued", "returned", "lost", "twice", "refused", "deferred", "failed", "in_doubt")),
        counted("in_doubt_arrived").replace("in doubt arrived", "of them arrived"),
        counted("unowed"),
        f"{reckoning.unknown:8}  seen that no ledger tells of",
    ]
    rows += [
        f"{label}: median {times.median:.3f} s, p99 {times.p99:.3f} s, worst {times.worst:.3f} s"
        for label, times in (("acknowledged after", reckoning.latency), ("in the mailbox after", reckoning.delivery))
    ]
    begin = time.strftime("%H:%M:%S", time.localtime(reckoning.gap.begin))
    rows.append(f"longest time without an acknowledgement: {reckoning.gap.seconds:.3f} s from {begin}")
    rows.append(f"latest start behind the schedule: {reckoning.late:.3f} s")
    rows += [f"{count:8}  {answer}" for answer, count in reckoning.answers.items()]
    return "\n".join(rows)


# -- sending


class Ledger:
    """A file to which each event is appended by one write(2); clients share it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, event: str, message_id: str, **values: Any) -> None:
        line = json.dumps({"event": event, "id": message_id, "time": time.time(), **values})
        os.write(self._file, line.encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def transaction(request: Mapping[str, Any], note: Callable[..., None]) -> dict[str, Any]:
    """Hand over one message; ``note("dot")`` is called before the final dot. Never raises for what a server or network does.

    The request has the shape of `_mail_client.converse`. Returns command, code and text of the reply that decided, error and seconds.
    """
    began = time.monotonic()
    said: dict[str, Any] = {"command": "", "code": 0, "text": "", "error": ""}
    client = smtplib.SMTP(local_hostname=request["hello"])
    try:
        client.sock = mail.connected(request)
        _converse(client, request, said, note)
    except (OSError, smtplib.SMTPException) as error:
        said["error"] = " ".join(mail.failure(error).values())
    said["seconds"] = round(time.monotonic() - began, 4)
    # The answer is known: whatever becomes of the good-bye changes nothing.
    with contextlib.suppress(OSError, smtplib.SMTPException):
        if not said["error"]:
            client.docmd("QUIT")
    client.close()
    return said


def _converse(client: smtplib.SMTP, request: Mapping[str, Any], said: dict[str, Any], note: Callable[..., None]) -> None:
    def say(command: str, *, wanted: int = 250) -> bool:
        if command and command != ".":
            client.send(command.encode() + b"\r\n")
        code, text = client.getreply()
        said.update(command=mail.masked(command), code=code, text=text.decode("utf-8", "replace"))
        return code // 10 == wanted // 10

    def secure() -> None:
        client.sock = mail.tls_context(request).wrap_socket(client.sock, server_hostname=mail.server_name(request))
        client.file = None

    if request.get("tls") == "implicit":
        secure()
    hello = f"EHLO {request['hello']}"
    if not (say("", wanted=220) and say(hello)):
        return
    if request.get("tls") == "starttls":
        if not say("STARTTLS", wanted=220):
            return
        secure()
        if not say(hello):
            return
    if user := request.get("user"):
        response = mail.plain_response(user, request.get("password") or "")
        if not say(f"AUTH PLAIN {response}", wanted=235):
            return
    envelope = (f"MAIL FROM:<{request['sender']}>", f"RCPT TO:<{request['recipients'][0]}>")
    if all(say(command) for command in envelope) and say("DATA", wanted=354):
        content = mail.stuffed(request["message"])
        client.send(content[:-3])
        note("dot")
        client.send(content[-3:])
        say(".")


def message(message_id: str, sender: str, recipient: str, size: int) -> str:
    """A plain message nobody could object to, with at least ``size`` bytes of body."""
    headers = {
        "From": sender,
        "To": recipient,
        "Subject": "An entry of the ledger",
        "Date": formatdate(),
        "Message-ID": message_id,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    line = "All work and no play makes a dull ledger, as everybody knows.\n"
    return "".join(f"{name}: {value}\n" for name, value in headers.items()) + "\n" + line * max(1, math.ceil(size / len(line)))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When which message begins; ``count`` and ``seconds`` end it, whichever is first, and 0 means never."""

    rate: float
    count: int = 0
    seconds: float = 0.0

    def numbered(self) -> Iterator[tuple[int, float]]:
        """Yield number and seconds after the start."""
        for number in itertools.count():
            due = number / self.rate
            if (self.count and number >= self.count) or (self.seconds and due >= self.seconds):
                return
            yield number, due


@dataclass(frozen=True, order=True)
class Job:
    """One attempt to come: when, seconds after the start, of which message, and the how manieth (from 0)."""

    due: float
    number: int
    attempt: int = 0


class Diary:
    """The attempts to come, which the clients share: those of the schedule, and those put off."""

    def __init__(self, schedule: Schedule, stopped: threading.Event) -> None:
        self._turns = schedule.numbered()
        self._stopped = stopped
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._start = time.monotonic()
        self._fresh = self._next()

    def _next(self) -> Job | None:
        number, due = next(self._turns, (-1, 0.0))
        return Job(due, number) if number >= 0 else None

    def put_off(self, job: Job, seconds: float) -> None:
        with self._changed:
            heapq.heappush(self._jobs, Job(self.now() + seconds, job.number, job.attempt + 1))
            self._changed.notify()

    def now(self) -> float:
        return time.monotonic() - self._start

    def take(self) -> Job | None:
        """The next attempt, when it is due; nothing when none is left. Stopped, only what was put off is left."""
        with self._changed:
            while True:
                fresh = None if self._stopped.is_set() else self._fresh
                job = min((one for one in (fresh, *self._jobs[:1]) if one), default=None)
                if job is None:
                    return None
                if job.due <= self.now():
                    break
                # A stop is noticed within this time.
                self._changed.wait(min(0.2, job.due - self.now()))
            if job is fresh:
                self._fresh = self._next()
            else:
                heapq.heappop(self._jobs)
            return job


def send(
    ledger: Ledger,
    requests: Sequence[Mapping[str, Any]],
    *,
    schedule: Schedule,
    clients: int,
    size: int = 0,
    stopped: threading.Event | None = None,
    retries: Sequence[float] = (),
    flow: str = "",
) -> int:
    """Keep to the schedule with so many clients, taking the requests in turn; return how many messages there were.

    Each request lacks the message. A client that is not free in time starts late, which the ledger tells. What was neither acknowledged nor
    refused for good is tried again after so many seconds each, at the next request.
    """
    run = uuid.uuid4().hex[:12]
    diary = Diary(schedule, stopped or threading.Event())
    done = itertools.count()

    def attempt(job: Job) -> None:
        first, request = requests[job.number % len(requests)], requests[(job.number + job.attempt) % len(requests)]
        recipient = first["recipients"][job.number // len(requests) % len(first["recipients"])]
        domain = request["sender"].rpartition("@")[2] or request["hello"]
        name = f"<{run}.{job.number}@{domain}>"
        text = message(name, request["sender"] or f"postmaster@{domain}", recipient, size)
        late = round(max(0.0, diary.now() - job.due), 4)
        ledger.note("begin", name, to=f"{request['address']}:{request['port']}", recipient=recipient, flow=flow, late=late)
        said = transaction({**request, "recipients": [recipient], "message": text}, lambda event: ledger.note(event, name))
        ledger.note("end", name, **said)
        settled = said["code"] >= 500 or (said["command"] == "." and 200 <= said["code"] < 300)
        if not settled and job.attempt < len(retries):
            diary.put_off(job, retries[job.attempt])
        if not job.attempt:
            next(done)

    def work(_client: int) -> None:
        while job := diary.take():
            attempt(job)

    with ThreadPoolExecutor(max_workers=clients) as pool:
        for future in [pool.submit(work, client) for client in range(clients)]:
            future.result()
    return next(done)


def send_flows(ledger: Path, flows: Mapping[str, Mapping[str, Any]], pid_file: Path) -> int:
    """Send several flows side by side until SIGTERM, whose receiver ``pid_file`` names; return how many messages there were.

    A flow has rate, clients, requests, and perhaps seconds, size and retries, as `send` takes them.
    """
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopped.set())
    pid_file.write_text(f"{os.getpid()}\n")
    book = Ledger(ledger)

    def one(name: str) -> int:
        flow = dict(flows[name])
        schedule = Schedule(rate=flow.pop("rate"), seconds=flow.pop("seconds", 0.0))
        return send(book, flow.pop("requests"), schedule=schedule, clients=flow.pop("clients"), stopped=stopped, flow=name, **flow)

    with ThreadPoolExecutor(max_workers=len(flows)) as pool:
        futures = [pool.submit(one, name) for name in flows]
        # The handler runs in this thread, which must not sit in a lock.
        while not all(future.done() for future in futures):
            time.sleep(0.1)
    book.close()
    pid_file.unlink()
    return sum(future.result() for future in futures)


# -- finding


def sightings_in(text: bytes, *, where: str, when: float | None = None) -> list[Sighting]:
    """What one message shows: itself, or, if it is a delivery status notification, the message it is about (RFC 3464)."""
    parsed = email.message_from_bytes(text, policy=email.policy.compat32)
    if parsed.get_content_type() == "multipart/report" and parsed.get_param("report-type") == "delivery-status":
        return [Sighting(id=name, where=DSN, time=when) for name in _returned(parsed)]
    name = parsed["Message-ID"]
    return [Sighting(id=str(name).strip(), where=where, time=when)] if name else []


def _returned(report: Message) -> list[str]:
    """The message that failed; a notification of a delay or a success returns none."""
    failed, names = False, list[str]()
    for part in report.walk():
        if part.get_content_type() == "message/delivery-status":
            failed = any(str(block.get("Action", "")).strip().lower() == "failed" for block in part.walk())
        elif part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            whole = part.get_content_type() == "message/rfc822"
            enclosed: Any = part.get_payload(0) if whole else email.message_from_string(str(part.get_payload()))
            names += [str(enclosed["Message-ID"]).strip()] if enclosed["Message-ID"] else []
            break
    return names if failed else []


# The names of maildir files begin with when they came: seconds, and mostly microseconds, too.
ARRIVAL = re.compile(r"(\d{9,})\.(?:\w*M(\d+))?")


def arrived(path: Path) -> float:
    """When a message came into its maildir, seconds since the epoch."""
    named = ARRIVAL.match(path.name)
    return int(named[1]) + int(named[2]) / 1e6 if named and named[2] else path.stat().st_mtime


def in_maildirs(folder: Path, since: float = 0.0) -> Iterator[Sighting]:
    """Every message below ``folder`` that lies in a directory named new or cur and came after ``since`` (seconds since the epoch)."""
    for path in sorted(folder.rglob("*")):
        if path.parent.name in ("new", "cur") and path.is_file() and (when := arrived(path)) >= since:
            yield from sightings_in(path.read_bytes(), where=MAILBOX, when=when)


def in_queue(config: str) -> Iterator[Sighting]:
    """Every message in the queue of the Postfix instance with this configuration directory."""
    listed = subprocess.run(["postqueue", "-c", config, "-j"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        # Gone since it was listed: it is then found where it went, if that is looked at afterwards.
        shown = subprocess.run(["postcat", "-c", config, "-bh", "-q", json.loads(line)["queue_id"]], capture_output=True, check=False)
        if not shown.returncode:
            yield from sightings_in(shown.stdout, where=QUEUE)


def in_file(path: Path) -> Iterator[Sighting]:
    """Lines as `ledger.py found` prints them; a bare Message-ID on a line was seen in a mailbox."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            yield Sighting(id=entry["id"], where=entry.get("where", MAILBOX), time=entry.get("time"))
        elif line.strip():
            yield Sighting(id=line.strip())


def found_since(folders: Sequence[str], queues: Sequence[str], since: float) -> list[dict[str, Any]]:
    """What a node holds, as plain data; queues first, as in `collected`."""
    queued = [sighting for config in queues for sighting in in_queue(config)]
    return [asdict(one) for one in (*queued, *(sighting for folder in folders for sighting in in_maildirs(Path(folder), since)))]


# -- the program


def destination(text: str) -> tuple[str, int]:
    """ADDRESS, ADDRESS:PORT, [IPv6]:PORT or a bare IPv6 address; the port is 25 if there is none."""
    host, _colon, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], 25
    if host and port.isdecimal() and (":" not in host or host.startswith("[")):
        return host.strip("[]"), int(port)
    return text, 25


def positive(text: str) -> float:
    number = float(text)
    if math.isnan(number) or number <= 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return number


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = made.add_subparsers(dest="command", required=True, metavar="{send,found,reconcile}")

    sending = commands.add_parser("send", help="send mail at a rate and write the ledger")
    sending.add_argument("--ledger", type=Path, required=True, metavar="FILE", help="JSON lines are appended to it")
    sending.add_argument("--to", action="append", required=True, metavar="ADDRESS[:PORT]", help="where to connect, port 25 by default; several in turn")
    sending.add_argument("--recipient", action="append", required=True, metavar="ADDRESS", help="several are taken in turn, one a message")
    sending.add_argument("--sender", default="ledger@foreign.test", metavar="ADDRESS")
    sending.add_argument("--hello", default=socket.gethostname(), metavar="NAME", help="name of the client (default: this host's)")
    sending.add_argument("--rate", type=positive, default=10.0, help="messages a second (default: 10)")
    sending.add_argument("--clients", type=int, default=4, help="connections at once (default: 4)")
    sending.add_argument("--seconds", type=float, default=0.0, help="how long (default: until SIGTERM or SIGINT)")
    sending.add_argument("--count", type=int, default=0, help="how many messages (default: no limit)")
    sending.add_argument("--retry", action="append", type=positive, default=[], metavar="SECONDS", help="try again after so long; several in turn")
    sending.add_argument("--size", type=int, default=0, metavar="BYTES", help="least size of a body")
    sending.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for the connection and each reply (default: 30)")
    sending.add_argument("--tls", choices=["starttls", "implicit"], help="default: clear text")
    sending.add_argument("--ca", type=Path, metavar="FILE", help="certificates to trust (default: the system's)")
    sending.add_argument("--server-name", metavar="NAME", help="whom the certificate must name (default: the address)")
    sending.add_argument("--insecure", action="store_true", help="take any certificate")
    sending.add_argument("--user", metavar="NAME", help="log in by PLAIN")
    sending.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")

    finding = commands.add_parser("found", help="print which messages are here, as JSON lines")
    reckoning = commands.add_parser("reconcile", help="reckon what became of the messages of one or several ledgers")
    reckoning.add_argument("ledgers", nargs="+", type=Path, metavar="LEDGER")
    reckoning.add_argument("--json", action="store_true", help="print everything, with the Message-IDs")
    for command in (finding, reckoning):
        command.add_argument("--maildir", action="append", type=Path, default=[], metavar="DIR", help="look into every new and cur below it")
        command.add_argument("--queue", action="append", default=[], metavar="CONFIG", help="look into the queue of the instance with this directory")
        command.add_argument("--found", action="append", type=Path, default=[], metavar="FILE", help="what `found` printed, or a Message-ID a line")
    return made


def collected(options: argparse.Namespace) -> Iterator[Sighting]:
    """Queues first: what leaves one meanwhile is then seen in a mailbox, too, and not nowhere."""
    for config in options.queue:
        yield from in_queue(config)
    for folder in options.maildir:
        yield from in_maildirs(folder)
    for path in options.found:
        yield from in_file(path)


def _send(options: argparse.Namespace) -> int:
    request: dict[str, Any] = {
        "sender": options.sender,
        "recipients": options.recipient,
        "hello": options.hello,
        "timeout": options.timeout,
        "tls": options.tls,
        "ca": options.ca.read_text() if options.ca else None,
        "verify": not options.insecure,
        "server_name": options.server_name,
        "user": options.user,
        "password": options.password_file.read_text().partition("\n")[0] if options.password_file else None,
    }
    requests = [{**request, "address": address, "port": port} for address, port in map(destination, options.to)]
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopped.set())
    ledger = Ledger(options.ledger)
    schedule = Schedule(rate=options.rate, count=options.count, seconds=options.seconds)
    sent = send(ledger, requests, schedule=schedule, clients=options.clients, size=options.size, stopped=stopped, retries=options.retry)
    ledger.close()
    print(f"{sent} transactions in {options.ledger}", file=sys.stderr)
    return 0


def _found(options: argparse.Namespace) -> int:
    for sighting in collected(options):
        print(json.dumps(asdict(sighting)))
    return 0


def _reconcile(options: argparse.Namespace) -> int:
    entries = [entry for path in options.ledgers for entry in transactions(path.read_text(encoding="utf-8", errors="replace").splitlines())]
    reckoned = reconcile(entries, collected(options))
    print(json.dumps(asdict(reckoned)) if options.json else summary(reckoned))
    return 0 if reckoned.sound else 1


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return {"send": _send, "found": _found, "reconcile": _reconcile}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
