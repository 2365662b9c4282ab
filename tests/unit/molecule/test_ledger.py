# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ledger
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import DSN, MAILBOX, QUEUE, Reckoning, Sighting, Spread, Transaction

ANSWERS = {"": 220, "EHLO": 250, "MAIL": 250, "RCPT": 250, "DATA": 354, ".": 250, "QUIT": 221}
FATES = ("delivered", "queued", "returned", "lost", "in_doubt", "refused", "deferred", "failed")


def entry(name: str = "<1>", *, begun: float = 0.0, ended: float | None = 0.1, command: str = ".", code: int = 250, **more: Any) -> Transaction:
    return Transaction(id=name, begun=begun, ended=ended, command=command, code=code, **more)


# -- what the client knows


@pytest.mark.parametrize(
    ("transaction", "verdict"),
    [
        pytest.param(entry(), "acknowledged", id="250 to the dot"),
        pytest.param(entry(dotted=True), "acknowledged", id="250 to the dot, which was written down"),
        pytest.param(entry(code=451), "deferred", id="451 to the dot"),
        pytest.param(entry(code=554), "refused", id="554 to the dot"),
        pytest.param(entry(command="RCPT TO:<a@b>", code=550), "refused", id="550 to RCPT"),
        pytest.param(entry(command="RCPT TO:<a@b>", code=450), "deferred", id="450 to RCPT"),
        pytest.param(entry(command="", code=421), "deferred", id="421 instead of a greeting"),
        pytest.param(entry(command="", code=0, error="refused"), "failed", id="no connection"),
        pytest.param(entry(command="MAIL FROM:<>", code=250, error="reset"), "failed", id="hung up before DATA"),
        pytest.param(entry(command="DATA", code=354, error="reset"), "failed", id="hung up before the dot"),
        pytest.param(entry(command="DATA", code=354, dotted=True, error="reset"), "in doubt", id="hung up after the dot"),
        pytest.param(entry(command="", code=0, ended=None), "failed", id="the ledger ends before the dot"),
        pytest.param(entry(command="", code=0, ended=None, dotted=True), "in doubt", id="the ledger ends after the dot"),
    ],
)
def test_the_reply_to_the_dot_decides(transaction: Transaction, verdict: str) -> None:
    assert transaction.verdict == verdict


@pytest.mark.parametrize(
    ("earlier", "last", "verdict"),
    [
        pytest.param(451, entry(), "acknowledged", id="in the end it was taken"),
        pytest.param(451, entry(code=550), "refused", id="in the end it was refused"),
        pytest.param(0, entry(code=451), "in doubt", id="what was in doubt stays so after a deferral"),
        pytest.param(0, entry(), "acknowledged", id="what was in doubt is taken"),
    ],
)
def test_a_message_that_was_tried_again_has_one_verdict(earlier: int, last: Transaction, verdict: str) -> None:
    first = entry(code=earlier, command="." if earlier else "DATA", dotted=True)
    assert replace(last, earlier=(first,)).verdict == verdict


# -- what became of it


@pytest.mark.parametrize(
    ("transaction", "places", "fate", "also"),
    [
        (entry(), [MAILBOX], "delivered", set()),
        (entry(), [], "lost", set()),
        (entry(), [QUEUE], "queued", set()),
        (entry(), [DSN], "returned", set()),
        (entry(), [QUEUE, MAILBOX], "delivered", set()),
        (entry(), [MAILBOX, MAILBOX], "delivered", {"twice"}),
        (entry(), [QUEUE, QUEUE], "queued", set()),
        (entry(code=0, command="DATA", dotted=True), [], "in_doubt", set()),
        (entry(code=0, command="DATA", dotted=True), [MAILBOX], "in_doubt", {"in_doubt_arrived"}),
        (entry(code=0, command="DATA", dotted=True), [MAILBOX, MAILBOX], "in_doubt", {"in_doubt_arrived", "twice"}),
        (entry(code=550), [], "refused", set()),
        (entry(code=550), [MAILBOX], "refused", {"unowed"}),
        (entry(code=450), [QUEUE], "deferred", {"unowed"}),
        (entry(code=0, command=""), [], "failed", set()),
    ],
)
def test_each_message_has_one_fate(transaction: Transaction, places: list[str], fate: str, also: set[str]) -> None:
    reckoned = ledger.reconcile([transaction], [Sighting(id="<1>", where=where) for where in places])
    named = {name for name in (*FATES, "twice", "unowed", "in_doubt_arrived") if getattr(reckoned, name)}
    assert named == {fate, *also}


@given(
    st.lists(st.builds(entry, name=st.uuids().map(str), begun=st.floats(0, 9), code=st.sampled_from([0, 250, 450, 550]), dotted=st.booleans())),
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(ledger.PLACES))),
)
def test_no_transaction_is_forgotten_or_counted_twice(entries: list[Transaction], seen: list[tuple[int, str]]) -> None:
    found = [Sighting(id=entries[number].id if number < len(entries) else "stranger", where=where) for number, where in seen]
    reckoned = ledger.reconcile(entries, found)
    names = [name for fate in FATES for name in getattr(reckoned, fate)]
    assert sorted(names) == sorted(one.id for one in entries)
    assert reckoned.unknown == sum(one.id == "stranger" for one in found)


@pytest.mark.parametrize(("places", "sound"), [([MAILBOX], True), ([], False), ([MAILBOX, MAILBOX], False), ([QUEUE], True)])
def test_a_loss_and_a_second_copy_are_unsound(places: list[str], sound: bool) -> None:
    assert ledger.reconcile([entry()], [Sighting(id="<1>", where=where) for where in places]).sound is sound


def test_answers_of_one_cause_are_counted_together() -> None:
    entries = [
        entry("<1>", command="RCPT TO:<a@x>", code=450, text="4.1.1 wait\nmore"),
        entry("<2>", command="RCPT TO:<b@x>", code=450, text="4.1.1 wait"),
        entry("<3>", command="", code=0, error="refused"),
        entry("<4>", command="", code=0, ended=None),
        entry("<5>"),
    ]
    answers = ledger.reconcile(entries, []).answers
    assert answers == {"RCPT: 450 4.1.1 wait": 2, "failed: refused": 1, "failed: the ledger ends": 1}


def test_latency_is_that_of_acknowledged_messages_alone() -> None:
    entries = [entry(str(number), seconds=number / 100) for number in range(1, 101)]
    entries.append(entry("slow", code=450, seconds=99.0))
    assert ledger.reconcile(entries, []).latency == Spread(median=0.505, p99=0.99, worst=1.0)


def test_a_message_is_delivered_when_its_first_copy_arrives() -> None:
    found = [Sighting(id="<1>", time=8.0), Sighting(id="<1>", time=6.5), Sighting(id="<1>", where=QUEUE, time=5.5)]
    assert ledger.reconcile([entry(begun=5.0)], found).delivery.worst == 1.5


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        pytest.param([(1.0, 1.1, 250), (2.0, 2.1, 250), (5.0, 5.1, 250)], (3.0, 2.1, 5.1), id="between two acknowledgements"),
        pytest.param([(1.0, 1.1, 250), (2.0, 2.1, 450), (5.0, 5.1, 250)], (4.0, 1.1, 5.1), id="a deferral is none"),
        pytest.param([(1.0, 1.1, 450), (5.0, 5.1, 250)], (4.1, 1.0, 5.1), id="before the first"),
        pytest.param([(1.0, 1.1, 250), (5.0, 5.2, 550)], (4.1, 1.1, 5.2), id="after the last"),
        pytest.param([(1.0, 1.1, 250), (7.0, None, 0)], (5.9, 1.1, 7.0), id="up to where a killed ledger ends"),
        pytest.param([], (0.0, 0.0, 0.0), id="nothing was sent"),
    ],
)
def test_the_longest_gap_is_the_longest_time_without_an_acknowledgement(times: list[tuple[float, float | None, int]], gap: tuple[float, float, float]) -> None:
    entries = [entry(str(number), begun=begun, ended=ended, code=code) for number, (begun, ended, code) in enumerate(times)]
    found = ledger.reconcile(entries, []).gap
    assert (found.seconds, found.begin, found.end) == gap


def test_the_summary_names_what_is_lost() -> None:
    text = ledger.summary(ledger.reconcile([entry("<gone>"), entry("<here>")], [Sighting(id="<here>")]))
    assert "       1  lost  <gone>" in text
    assert "<here>" not in text


def test_the_summary_of_nothing_can_be_read() -> None:
    assert ledger.summary(Reckoning()).startswith("       0  transactions")


# -- the file


BEGIN = '{"event": "begin", "id": "<1>", "time": 5.0, "to": "h:25", "late": 0.5}'
DOT = '{"event": "dot", "id": "<1>", "time": 5.1}'
END = '{"event": "end", "id": "<1>", "time": 5.2, "command": ".", "code": 250, "text": "ok", "error": "", "seconds": 0.2}'


def test_the_attempts_of_a_message_are_kept_together() -> None:
    again = BEGIN.replace("5.0", "7.0").replace("h:25", "i:25")
    (found,) = ledger.transactions([BEGIN, DOT, END.replace("250", "451"), again, END])
    assert [(one.to, one.begun, one.code) for one in found.attempts] == [("h:25", 5.0, 451), ("i:25", 7.0, 250)]
    assert (found.first, found.verdict) == (5.0, "acknowledged")


def test_answers_to_all_attempts_are_counted() -> None:
    first = entry(code=451, text="wait")
    assert ledger.reconcile([entry(earlier=(first, first))], []).answers == {".: 451 wait": 2}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([BEGIN], Transaction(id="<1>", begun=5.0, to="h:25", late=0.5)),
        ([BEGIN, DOT], Transaction(id="<1>", begun=5.0, to="h:25", late=0.5, dotted=True)),
        ([BEGIN, DOT, END], Transaction(id="<1>", begun=5.0, to="h:25", late=0.5, dotted=True, ended=5.2, command=".", code=250, text="ok", seconds=0.2)),
        ([BEGIN, DOT, END[:40]], Transaction(id="<1>", begun=5.0, to="h:25", late=0.5, dotted=True)),
        ([END, "[]", "7", "{}", BEGIN], Transaction(id="<1>", begun=5.0, to="h:25", late=0.5)),
    ],
)
def test_a_ledger_is_read_as_far_as_it_goes(lines: list[str], expected: Transaction) -> None:
    assert ledger.transactions(lines) == [expected]


# -- sending


class Peer:
    """A mail server that answers with the codes it is given; a code of 0 hangs up, and ``heard`` are the messages."""

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.heard: list[str] = []
        self.recipients: list[str] = []
        self.at_dot: Callable[[], None] = lambda: None
        peer = self

        class Handler(socketserver.StreamRequestHandler):
            def answer(self, word: str) -> bool:
                code = peer.answers[word]
                if code:
                    self.wfile.write(f"{code} says the peer\r\n".encode())
                return bool(code)

            def handle(self) -> None:
                if not self.answer(""):
                    return
                for line in self.rfile:
                    word = line.decode().split()[0].upper()
                    if word == "RCPT":
                        peer.recipients.append(line.decode().strip())
                    if not self.answer(word):
                        return
                    if word == "DATA" and peer.answers[word] == 354:
                        content = b""
                        while (part := self.rfile.readline()) not in (b".\r\n", b""):
                            content += part
                        peer.at_dot()
                        peer.heard.append(content.decode())
                        if not self.answer("."):
                            return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def sent(
    path: Path, *ports: int, count: int = 1, rate: float = 1000.0, clients: int = 1, recipients: tuple[str, ...] = ("a@b.test",), **more: Any
) -> list[Transaction]:
    request = {"address": "127.0.0.1", "hello": "client.test", "sender": "me@client.test", "recipients": list(recipients), "timeout": 3}
    book = ledger.Ledger(path)
    done = ledger.send(book, [{**request, "port": port} for port in ports], schedule=ledger.Schedule(rate=rate, count=count), clients=clients, **more)
    book.close()
    found = ledger.transactions(path.read_text().splitlines())
    assert len(found) == done
    return found


@pytest.mark.parametrize(
    ("word", "code", "verdict", "command"),
    [
        ("QUIT", 221, "acknowledged", "."),
        ("QUIT", 0, "acknowledged", "."),
        (".", 250, "acknowledged", "."),
        (".", 451, "deferred", "."),
        (".", 554, "refused", "."),
        (".", 0, "in doubt", "DATA"),
        ("DATA", 451, "deferred", "DATA"),
        ("DATA", 0, "failed", "RCPT TO:<a@b.test>"),
        ("RCPT", 550, "refused", "RCPT TO:<a@b.test>"),
        ("MAIL", 450, "deferred", "MAIL FROM:<me@client.test>"),
        ("EHLO", 502, "refused", "EHLO client.test"),
        ("", 421, "deferred", ""),
        ("", 0, "failed", ""),
    ],
)
def test_what_a_server_does_is_written_down(peer: Peer, tmp_path: Path, word: str, code: int, verdict: str, command: str) -> None:
    peer.answers[word] = code
    (found,) = sent(tmp_path / "ledger", peer.port)
    assert (found.verdict, found.command) == (verdict, command)
    assert found.ended is not None


def test_a_server_that_is_not_there_is_written_down(tmp_path: Path) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        port = server.server_address[1]
    (found,) = sent(tmp_path / "ledger", port)
    assert (found.verdict, found.error[:7]) == ("failed", "refused")


def test_the_message_carries_the_id_of_its_entry(peer: Peer, tmp_path: Path) -> None:
    (found,) = sent(tmp_path / "ledger", peer.port)
    assert ledger.sightings_in(peer.heard[0].encode(), where=MAILBOX) == [Sighting(id=found.id)]


def test_the_dot_is_written_down_before_it_is_sent(peer: Peer, tmp_path: Path) -> None:
    seen: list[list[Transaction]] = []
    peer.at_dot = lambda: seen.append(ledger.transactions((tmp_path / "ledger").read_text().splitlines()))
    sent(tmp_path / "ledger", peer.port)
    assert [(one.dotted, one.ended) for one in seen[0]] == [(True, None)]


def test_addresses_and_recipients_are_taken_in_turn(peer: Peer, tmp_path: Path) -> None:
    found = sent(tmp_path / "ledger", peer.port, 1, count=8, recipients=("a@b.test", "c@d.test"))
    assert [one.verdict for one in found] == ["acknowledged", "failed"] * 4
    assert peer.recipients == ["RCPT TO:<a@b.test>", "RCPT TO:<c@d.test>"] * 2


def test_the_rate_is_kept_and_lateness_told(peer: Peer, tmp_path: Path) -> None:
    found = sent(tmp_path / "ledger", peer.port, count=5, rate=50.0, clients=2)
    assert found[-1].begun - found[0].begun >= 0.075
    peer.at_dot = lambda: time.sleep(0.1)
    late = sent(tmp_path / "late", peer.port, count=3, rate=50.0, clients=1)
    assert late[-1].late >= 0.1


def test_what_was_not_taken_is_tried_again_at_the_next_address(peer: Peer, tmp_path: Path) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        nobody = server.server_address[1]
    (found,) = sent(tmp_path / "ledger", nobody, peer.port, retries=(0.05,))
    assert [one.outcome for one in found.attempts] == ["failed", "acknowledged"]
    assert found.begun - found.first >= 0.05


@pytest.mark.parametrize(("code", "attempts"), [(451, 3), (554, 1), (250, 1)])
def test_only_what_is_not_settled_is_tried_again(peer: Peer, tmp_path: Path, code: int, attempts: int) -> None:
    peer.answers["."] = code
    (found,) = sent(tmp_path / "ledger", peer.port, retries=(0.01, 0.01))
    assert len(found.attempts) == attempts


def test_what_was_put_off_is_tried_again_after_the_stop(peer: Peer, tmp_path: Path) -> None:
    peer.answers["."] = 451
    stopped = threading.Event()
    peer.at_dot = stopped.set
    (found,) = sent(tmp_path / "ledger", peer.port, count=0, rate=1, retries=(0.1,), stopped=stopped)
    assert len(found.attempts) == 2


def test_several_clients_work_side_by_side(peer: Peer, tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=3)
    peer.at_dot = lambda: together.wait() and None
    assert {one.verdict for one in sent(tmp_path / "ledger", peer.port, count=3, clients=3)} == {"acknowledged"}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ledger.Schedule(rate=10, count=3), [(0, 0.0), (1, 0.1), (2, 0.2)]),
        (ledger.Schedule(rate=2, seconds=1.5), [(0, 0.0), (1, 0.5), (2, 1.0)]),
        (ledger.Schedule(rate=1, seconds=9, count=1), [(0, 0.0)]),
    ],
)
def test_a_schedule_ends_by_count_or_by_time(schedule: ledger.Schedule, expected: list[tuple[int, float]]) -> None:
    assert list(schedule.numbered()) == expected


@pytest.mark.parametrize("size", [0, 1, 62, 63, 1000])
def test_a_body_has_the_size_asked_for(size: int) -> None:
    assert len(ledger.message("<1>", "a", "b", size).partition("\n\n")[2]) >= max(1, size)


# -- finding


def report(*, action: str, enclosed: str = "message/rfc822") -> bytes:
    return f"""\
Message-ID: <the report itself>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It did not work.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test

Final-Recipient: rfc822; a@b.test
Action: {action}
Status: 5.1.1

--b
Content-Type: {enclosed}

Message-ID: <1>
Subject: x

--b--
""".encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Message-ID: <1>\n\nx\n", [Sighting(id="<1>", where=QUEUE, time=3.0)]),
        (b"message-id:\n <1>\n\nx\n", [Sighting(id="<1>", where=QUEUE, time=3.0)]),
        (b"Subject: none\n\nMessage-ID: <1>\n", []),
        (report(action="failed"), [Sighting(id="<1>", where=DSN, time=3.0)]),
        (report(action="failed", enclosed="text/rfc822-headers"), [Sighting(id="<1>", where=DSN, time=3.0)]),
        (report(action="delayed"), []),
        (report(action="delivered"), []),
    ],
)
def test_a_message_shows_itself_or_what_it_returns(text: bytes, expected: list[Sighting]) -> None:
    assert ledger.sightings_in(text, where=QUEUE, when=3.0) == expected


def test_mailboxes_are_found_wherever_they_lie(tmp_path: Path) -> None:
    for name, number in (("a/new/1", 1), ("b/.Junk/cur/2", 2), ("b/tmp/3", 3)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"Message-ID: <{number}>\n\n")
    assert {one.id for one in ledger.in_maildirs(tmp_path)} == {"<1>", "<2>"}


@pytest.mark.parametrize(
    ("name", "time"),
    [
        pytest.param("1795878699.M123456P77.host,S=9", 1795878699.123456, id="of Dovecot"),
        pytest.param("1795878699.Vfe01I2aM123456.host", 1795878699.123456, id="of Postfix"),
        pytest.param("1795878699.77.host", 5.0, id="without microseconds it is the time of the file"),
        pytest.param("7", 5.0, id="of nobody"),
    ],
)
def test_the_name_tells_when_a_message_came(tmp_path: Path, name: str, time: float) -> None:
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (5.0, 5.0))
    assert ledger.arrived(tmp_path / name) == time


def test_older_messages_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for number, when in (("1", 1000000001), ("2", 1000000009)):
        (tmp_path / f"new/{when}.M0P1.host").write_text(f"Message-ID: <{number}>\n\n")
    assert [one.id for one in ledger.in_maildirs(tmp_path, 1000000005)] == ["<2>"]


def test_what_one_node_found_another_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/1").write_text("Message-ID: <1>\n\n")
    assert ledger.main(["found", "--maildir", str(tmp_path)]) == 0
    (tmp_path / "found").write_text(capsys.readouterr().out + "<2>\n")
    first, second = ledger.in_file(tmp_path / "found")
    assert (first.id, first.where, first.time, second) == ("<1>", MAILBOX, (tmp_path / "new/1").stat().st_mtime, Sighting(id="<2>"))


# -- the program


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 25)),
        ("10.0.0.1:587", ("10.0.0.1", 587)),
        ("2001:db8::1", ("2001:db8::1", 25)),
        ("[2001:db8::1]", ("2001:db8::1", 25)),
        ("[2001:db8::1]:587", ("2001:db8::1", 587)),
        ("mx.test:26", ("mx.test", 26)),
    ],
)
def test_a_destination_is_an_address_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert ledger.destination(text) == expected


@pytest.mark.parametrize(("found", "status"), [("<1>\n", 0), ("", 1), ("<1>\n<1>\n", 1)])
def test_the_exit_status_says_whether_the_account_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str], found: str, status: int) -> None:
    (tmp_path / "ledger").write_text(f"{BEGIN}\n{DOT}\n{END}\n")
    (tmp_path / "found").write_text(found)
    assert ledger.main(["reconcile", str(tmp_path / "ledger"), "--found", str(tmp_path / "found"), "--json"]) == status
    assert json.loads(capsys.readouterr().out)["transactions"] == 1


@contextlib.contextmanager
def running(path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, ledger.__file__, "send", "--ledger", path, "--to", f"127.0.0.1:{port}", "--recipient", "a@b.test", "--rate", "100"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not (path.exists() and path.read_text().count('"end"') > 3) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield process


def test_a_stopped_ledger_ends_what_it_began(peer: Peer, tmp_path: Path) -> None:
    with running(tmp_path / "ledger", peer.port) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    found = ledger.transactions((tmp_path / "ledger").read_text().splitlines())
    assert {one.verdict for one in found} == {"acknowledged"}
    assert len(peer.heard) == len(found)


def test_a_killed_ledger_tells_of_every_message_that_went_out(peer: Peer, tmp_path: Path) -> None:
    with running(tmp_path / "ledger", peer.port) as process:
        os.kill(process.pid, signal.SIGKILL)
    found = ledger.transactions((tmp_path / "ledger").read_text().splitlines())
    heard = [one for text in peer.heard for one in ledger.sightings_in(text.encode(), where=MAILBOX)]
    assert ledger.reconcile(found, heard).unknown == 0


def test_a_rate_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ledger.main(["send", "--ledger", "x", "--to", "h", "--recipient", "r", "--rate", "0"])
    assert "must be more than 0" in capsys.readouterr().err
