# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _mail_client as mail
from hypothesis import given
from hypothesis import strategies as st

GREETED = ("220 mx ESMTP", "250-mx\r\n250 PIPELINING")


@contextlib.contextmanager
def server(*script: str, hang: bool = False) -> Iterator[tuple[int, list[str]]]:
    """A server that answers line after line from a script, then closes (or hangs); `heard` holds what it was told."""
    heard: list[str] = []
    released = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _peer = listener.accept()
        with connection, connection.makefile("rb") as stream:
            in_message = False
            for number, reply in enumerate(script):
                if number:
                    line = stream.readline()
                    while in_message and line not in (b".\r\n", b""):
                        heard.append(line.decode().rstrip("\r\n"))
                        line = stream.readline()
                    heard.append(line.decode().rstrip("\r\n"))
                in_message = reply.startswith("354")
                connection.sendall(reply.encode() + b"\r\n")
            if hang:
                released.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        released.set()
        thread.join(5)
        listener.close()


def ask(port: int, **more: Any) -> dict[str, Any]:
    return mail.converse({"address": "127.0.0.1", "port": port, "timeout": 3, **more})


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        pytest.param({"version": 1, "source": "192.0.2.7", "destination": "192.0.2.8"}, b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 25\r\n", id="v1 IPv4"),
        pytest.param(
            {"version": 1, "source": "2001:db8::1", "destination": "2001:db8::2"},
            b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n",
            id="v1 IPv6",
        ),
        pytest.param({"version": 1, "source": "", "destination": "", "local": True}, b"PROXY UNKNOWN\r\n", id="v1 health check"),
        pytest.param(
            {"version": 2, "source": "192.0.2.7", "destination": "192.0.2.8"},
            mail.PROXY_V2_SIGNATURE + bytes.fromhex("2111000c c0000207 c0000208 1267 0019"),
            id="v2 IPv4",
        ),
        pytest.param(
            {"version": 2, "source": "2001:db8::1", "destination": "2001:db8::2"},
            mail.PROXY_V2_SIGNATURE + bytes.fromhex("21210024 20010db8000000000000000000000001 20010db8000000000000000000000002 1267 0019"),
            id="v2 IPv6",
        ),
        pytest.param(
            {"version": 2, "source": "", "destination": "", "local": True},
            mail.PROXY_V2_SIGNATURE + bytes.fromhex("20000000"),
            id="v2 health check is LOCAL",
        ),
    ],
)
def test_proxy_header(arguments: dict[str, Any], header: bytes) -> None:
    assert mail.proxy_header(source_port=4711, destination_port=25, **arguments) == header


@pytest.mark.parametrize(
    ("version", "source", "destination"), [(3, "192.0.2.7", "192.0.2.8"), (1, "192.0.2.7", "2001:db8::2"), (2, "mx", "192.0.2.8")]
)
def test_impossible_proxy_header_is_refused(version: int, source: str, destination: str) -> None:
    with pytest.raises(ValueError, match=r"PROXY|IPv4"):
        mail.proxy_header(version=version, source=source, destination=destination, source_port=1, destination_port=2)


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        ("a\nb\n", b"a\r\nb\r\n.\r\n"),
        ("a\r\nb", b"a\r\nb\r\n.\r\n"),
        (".\n..\n", b"..\r\n...\r\n.\r\n"),
        ("", b"\r\n.\r\n"),
        ("\udcff", b"\xff\r\n.\r\n"),
    ],
)
def test_message_is_dot_stuffed_with_crlf(message: str, wire: bytes) -> None:
    assert mail.stuffed(message) == wire


@given(st.text(alphabet=st.sampled_from("a.\r\n")))
def test_stuffed_message_ends_once(message: str) -> None:
    assert mail.stuffed(message).split(b"\r\n").index(b".") == mail.stuffed(message).count(b"\r\n") - 1


def test_credentials_are_masked() -> None:
    assert [mail.masked(command) for command in ("AUTH PLAIN AGEAYg==", "auth plain x", "MAIL FROM:<a b>")] == [
        "AUTH PLAIN",
        "auth plain",
        "MAIL FROM:<a b>",
    ]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (TimeoutError(), "timeout"),
        (ssl.SSLCertVerificationError(), "untrusted"),
        (ssl.SSLError(), "tls"),
        (smtplib.SMTPServerDisconnected(), "closed"),
        (OSError(101, "Network is unreachable"), "unreachable"),
        (ValueError(), "error"),
    ],
)
def test_failure_has_one_word(error: Exception, word: str) -> None:
    assert mail.failure(error)["outcome"] == word


def test_message_is_delivered() -> None:
    with server(*GREETED, "250 ok", "250 ok", "354 go", "250 queued", "221 bye") as (port, heard):
        answer = ask(port, hello="c.test", sender="a@c.test", recipients=["b@mx.test"], message="Subject: x\n\n.dot")
    assert answer["outcome"] == "done"
    assert [said["code"] for said in answer["transcript"]] == [220, 250, 250, 250, 354, 250, 221]
    assert heard == ["EHLO c.test", "MAIL FROM:<a@c.test>", "RCPT TO:<b@mx.test>", "DATA", "Subject: x", "", "..dot", ".", "QUIT"]


def test_lmtp_has_a_reply_for_each_accepted_recipient() -> None:
    with server(*GREETED, "250 ok", "250 ok", "550 no", "250 ok", "354 go", "250 one\r\n452 two", "221 bye") as (port, heard):
        answer = ask(port, protocol="lmtp", sender="", recipients=["a@x", "b@x", "c@x"], message="x")
    assert heard[0] == "LHLO probe.invalid"
    assert [said["code"] for said in mail.stage_replies(answer, "data")] == [250, 452]


def test_nothing_is_sent_without_an_accepted_recipient() -> None:
    with server(*GREETED, "250 ok", "550 no", "250 ok", "221 bye") as (port, heard):
        ask(port, sender="a@c.test", recipients=["b@mx.test"], message="x")
    assert heard[-2:] == ["RSET", "QUIT"]


def test_transaction_ends_with_a_refused_login() -> None:
    with server(*GREETED, "535 no", "221 bye") as (port, heard):
        answer = ask(port, user="u", password="p", sender="a@c.test", recipients=["b@mx.test"], message="x")
    assert heard[1:] == ["AUTH PLAIN " + base64.b64encode(b"\0u\0p").decode(), "QUIT"]
    assert "AHUAcA" not in str(answer)


def test_proxy_header_comes_first() -> None:
    with server("", "220 mx", "250 mx", "221 bye") as (port, heard):
        mail.converse(
            {
                "address": "127.0.0.1",
                "port": port,
                "timeout": 3,
                "protocol": "raw",
                "send": "EHLO x\r\nQUIT\r\n",
                "proxy": {"version": 1, "source": "192.0.2.7", "source_port": 5},
            }
        )
    assert heard == [f"PROXY TCP4 192.0.2.7 127.0.0.1 5 {port}", "EHLO x", "QUIT"]


def test_closed_connection_keeps_the_transcript() -> None:
    with server("220 mx", "421 too much") as (port, _heard):
        answer = ask(port)
    assert answer["outcome"] in ("closed", "reset")
    assert [said["code"] for said in answer["transcript"]] == [220, 421]


def test_silence_is_a_timeout() -> None:
    with server("220 mx", hang=True) as (port, _heard):
        answer = ask(port, timeout=0.3)
    assert answer["outcome"] == "timeout"


@pytest.mark.parametrize(
    ("script", "hang", "outcome"),
    [(("554 no",), False, "done"), (("554 no",), True, "done"), ((), False, "closed"), ((), True, "silent")],
    ids=["answer and close", "answer and wait", "close", "silence"],
)
def test_raw_conversation_tells_an_answer_from_none(script: tuple[str, ...], hang: bool, outcome: str) -> None:
    with server(*script, hang=hang) as (port, _heard):
        assert ask(port, protocol="raw", timeout=0.5)["outcome"] == outcome


def test_refused_connection_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert ask(port)["outcome"] == "refused"
    assert mail.open_ports(["127.0.0.1"], [port], timeout=0.5) == []


def test_answers_keep_the_order_of_the_requests() -> None:
    with server("554 first") as (first, _one), server("554 second") as (second, _two):
        answers = mail.converse_all([{"address": "127.0.0.1", "port": port, "timeout": 3} for port in (first, second)])
    assert [answer["transcript"][0]["text"] for answer in answers] == ["first", "second"]


def answered(*transcript: tuple[str, Any], **more: Any) -> dict[str, Any]:
    said = [{"command": command, "code": code, "text": "words"} for command, code in transcript]
    return {"protocol": "smtp", "outcome": "done", "error": "", "transcript": said, **more}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(answered(("", 220), ("EHLO x", 250), ("MAIL FROM:<>", 250)), {}, id="all went well"),
        pytest.param(answered(("", 220), ("RCPT TO:<a>", 554)), {"recipient": [550, 554]}, id="refused as expected"),
        pytest.param(answered(("", 220), ("DATA", 354), (".", 451)), {"data": [451]}, id="354 is no verdict"),
        pytest.param(answered(outcome="refused"), {"outcome": ["refused", "timeout"]}, id="closed port"),
        pytest.param(answered(("", "OK"), ("LOGIN", "OK"), protocol="imap", messages=["x"]), {"messages": 1}, id="message found"),
        pytest.param(answered(("", "OK"), ("LOGIN", "OK"), protocol="imap", messages=[]), {"messages": 0}, id="no message expected"),
    ],
)
def test_expectation_is_met(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert mail.unmet(answer, expected) == []


@pytest.mark.parametrize(
    ("answer", "expected", "complaint"),
    [
        pytest.param(answered(("", 220), ("RCPT TO:<a>", 554)), {}, "RCPT TO:<a> was answered 554 words", id="refused unexpectedly"),
        pytest.param(answered(("", 220), ("RCPT TO:<a>", 250)), {"recipient": [554]}, "answered 250", id="relayed"),
        pytest.param(answered(("", 220), ("RCPT TO:<a>", 550)), {"recipient": [550], "data": [250]}, "data: not reached", id="stopped"),
        pytest.param(answered(outcome="timeout", error="late"), {}, "ended as timeout (late), expected done", id="timeout"),
        pytest.param(answered(("", 220)), {"outcome": ["refused"]}, "ended as done", id="open port"),
        pytest.param(answered(("", "OK"), ("LOGIN", "NO"), protocol="imap"), {}, "login: words", id="IMAP login refused"),
        pytest.param(answered(("", "OK"), protocol="imap"), {"messages": 1}, "messages: 0 found, expected 1", id="message lost"),
    ],
)
def test_unmet_expectation_is_named(answer: dict[str, Any], expected: dict[str, Any], complaint: str) -> None:
    assert complaint in " ".join(mail.unmet(answer, expected))
