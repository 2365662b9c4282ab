# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bounded conversation with a mail server: SMTP, LMTP, IMAP or raw bytes, in plain data both ways.

Standard library only and no relative import: the lab also runs this file by itself inside its client containers.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import imaplib
import ipaddress
import re
import resource
import smtplib
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PROXY_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
IMAP_POLL_SECONDS = 0.3
_MOST_KNOCKS = 4000
_OTHER_FILES = 64


def proxy_header(*, version: int, source: str, destination: str, source_port: int, destination_port: int, local: bool = False) -> bytes:
    """The header of HAProxy's proxy-protocol.txt, section 2.1 (version 1) or 2.2 (version 2).

    With `local`, the form a health check has: `UNKNOWN` in version 1, the command LOCAL in version 2.
    Raises ValueError for another version or for addresses of two families.
    """
    if version not in (1, 2):
        raise ValueError(f"there is no PROXY protocol version {version}")
    if local:
        return b"PROXY UNKNOWN\r\n" if version == 1 else PROXY_V2_SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)
    origin, target = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if origin.version != target.version:
        raise ValueError(f"PROXY addresses of two families: {source} and {destination}")
    if version == 1:
        return f"PROXY TCP{origin.version} {origin} {target} {source_port} {destination_port}\r\n".encode("ascii")
    body = origin.packed + target.packed + struct.pack("!HH", source_port, destination_port)
    return PROXY_V2_SIGNATURE + struct.pack("!BBH", 0x21, 0x11 if origin.version == 4 else 0x21, len(body)) + body


def stuffed(message: str) -> bytes:
    """The message as SMTP's DATA carries it (RFC 5321, section 4.5.2): CRLF line ends, dots doubled, the final dot."""
    lines = re.sub(r"\r\n|\r|\n", "\n", message).removesuffix("\n").split("\n")
    return b"".join((b"." if line.startswith(".") else b"") + line.encode("utf-8", "surrogateescape") + b"\r\n" for line in lines) + b".\r\n"


def plain_response(user: str, password: str) -> str:
    """The initial response of SASL PLAIN (RFC 4616) in base64."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")


def masked(command: str) -> str:
    """The command as it may be shown: credentials end after the name of the mechanism."""
    return " ".join(command.split(" ")[:2]) if command.upper().startswith("AUTH ") else command


def failure(error: BaseException) -> dict[str, str]:
    """How a conversation ended early: one word to compare with, and the text for people."""
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        return failure(error.__context__)  # smtplib wraps what the socket said
    word = next(
        (
            word
            for kinds, word in (
                ((ConnectionRefusedError,), "refused"),
                ((ConnectionResetError, BrokenPipeError), "reset"),
                ((TimeoutError,), "timeout"),
                ((ssl.SSLCertVerificationError,), "untrusted"),
                ((ssl.SSLError,), "tls"),
                ((smtplib.SMTPServerDisconnected, imaplib.IMAP4.abort, EOFError), "closed"),
                ((imaplib.IMAP4.error,), "imap"),
                ((OSError,), "unreachable"),
            )
            if isinstance(error, kinds)
        ),
        "error",
    )
    return {"outcome": word, "error": f"{type(error).__name__}: {error}"}


def tls_context(request: Mapping[str, Any]) -> ssl.SSLContext:
    """A client context; `ca` is the text of the trusted certificates, `verify: false` trusts anyone."""
    context = ssl.create_default_context(cadata=request.get("ca") or None)
    if not request.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connected(request: Mapping[str, Any]) -> socket.socket:
    """A socket that has said its PROXY header, if any; `source` chooses the client's own address."""
    source = request.get("source")
    connection = socket.create_connection((request["address"], request["port"]), request.get("timeout", 15), (source, 0) if source else None)
    if proxy := request.get("proxy"):
        here, there = connection.getsockname(), connection.getpeername()
        connection.sendall(
            proxy_header(
                version=proxy.get("version", 1),
                source=proxy.get("source") or here[0],
                destination=proxy.get("destination") or there[0],
                source_port=proxy.get("source_port") or here[1],
                destination_port=proxy.get("destination_port") or there[1],
                local=proxy.get("local", False),
            )
        )
    return connection


def tls_facts(connection: Any) -> dict[str, str]:
    cipher = connection.cipher()
    return {"version": connection.version() or "", "cipher": cipher[0] if cipher else ""}


def server_name(request: Mapping[str, Any]) -> str:
    return str(request.get("server_name") or request["address"])


class _Dialogue:
    """An SMTP or LMTP session that writes down each command and its reply."""

    def __init__(self, connection: socket.socket, transcript: list[dict[str, Any]], hello: str) -> None:
        self.transcript = transcript
        self.client = smtplib.SMTP(local_hostname=hello)
        self.connection = self.client.sock = connection
        self.listen("")

    def listen(self, command: str) -> int:
        code, text = self.client.getreply()
        self.transcript.append({"command": masked(command), "code": code, "text": text.decode("utf-8", "replace")})
        return code

    def say(self, command: str) -> int:
        self.client.send(command.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.listen(command)

    def secure(self, request: Mapping[str, Any]) -> dict[str, str]:
        self.connection = self.client.sock = tls_context(request).wrap_socket(self.connection, server_hostname=server_name(request))
        self.client.file = None  # nothing that was read in clear text counts after the handshake
        return tls_facts(self.connection)


def smtp_conversation(request: Mapping[str, Any], result: dict[str, Any]) -> None:
    """Fills `result["transcript"]`; what was refused ends the part that depends on it, and QUIT is always said."""
    lmtp = request.get("protocol") == "lmtp"
    hello = request.get("hello") or "probe.invalid"
    greeting = f"{'LHLO' if lmtp else 'EHLO'} {hello}"
    connection = connected(request)
    try:
        if request.get("tls") == "implicit":
            connection = tls_context(request).wrap_socket(connection, server_hostname=server_name(request))
            result["tls"] = tls_facts(connection)
        dialogue = _Dialogue(connection, result["transcript"], hello)
        if result["transcript"][0]["code"] != 220 or dialogue.say(greeting) != 250:
            dialogue.say("QUIT")
            return
        if request.get("tls") == "starttls":
            if dialogue.say("STARTTLS") != 220:
                dialogue.say("QUIT")
                return
            result["tls"] = dialogue.secure(request)
            connection = dialogue.connection
            dialogue.say(greeting)
        _transaction(dialogue, request, lmtp=lmtp)
        dialogue.say("QUIT")
    finally:
        connection.close()


def _transaction(dialogue: _Dialogue, request: Mapping[str, Any], *, lmtp: bool) -> None:
    user = request.get("user")
    if user and dialogue.say(f"AUTH PLAIN {plain_response(user, request.get('password') or '')}") != 235:
        return
    for command in request.get("commands") or ():
        dialogue.say(command)
    if request.get("sender") is None or dialogue.say(f"MAIL FROM:<{request['sender']}>") != 250:
        return
    accepted = [recipient for recipient in request.get("recipients") or () if dialogue.say(f"RCPT TO:<{recipient}>") in (250, 251)]
    if request.get("message") is None or not accepted:
        dialogue.say("RSET")
        return
    if dialogue.say("DATA") != 354:
        return
    dialogue.client.send(stuffed(request["message"]))
    for _reply in accepted if lmtp else ("",):
        dialogue.listen(".")


class _Imap(imaplib.IMAP4):
    """imaplib over a socket that is already connected (and has said its PROXY header)."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        super().__init__(name)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._connection


def imap_conversation(request: Mapping[str, Any], result: dict[str, Any]) -> None:
    """Logs in, waits up to `wait` seconds for a Message-ID, fetches it whole and with `delete` removes it.

    `result["messages"]` holds the texts found, `result["transcript"]` the greeting and the state reached.
    """
    connection = connected(request)
    try:
        if request.get("tls") == "implicit":
            connection = tls_context(request).wrap_socket(connection, server_hostname=server_name(request))
            result["tls"] = tls_facts(connection)
        client = _Imap(connection, server_name(request))
        say = result["transcript"].append
        say({"command": "", "code": "OK", "text": client.welcome.decode("utf-8", "replace")})
        if request.get("tls") == "starttls":
            client.starttls(tls_context(request))
            result["tls"] = tls_facts(client.sock)
        result["capabilities"] = list(client.capabilities)
        if user := request.get("user"):
            try:
                client.login(user, request.get("password") or "")
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                say({"command": "LOGIN", "code": "NO", "text": _imap_text(error)})
                return
            say({"command": "LOGIN", "code": "OK", "text": ""})
            if wanted := request.get("message_id"):
                result["messages"] = _imap_messages(client, request, wanted)
        client.logout()
    finally:
        connection.close()


def _imap_text(error: imaplib.IMAP4.error) -> str:
    """imaplib puts the server's bytes into the exception."""
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _imap_messages(client: imaplib.IMAP4, request: Mapping[str, Any], wanted: str) -> list[str]:
    end = time.monotonic() + request.get("wait", 0)
    client.select(request.get("mailbox", "INBOX"), readonly=not request.get("delete"))
    while not (found := _imap_search(client, wanted)) and time.monotonic() < end:
        time.sleep(IMAP_POLL_SECONDS)
        client.noop()
    parts = client.uid("FETCH", found, "(BODY.PEEK[])")[1] if found else []
    if found and request.get("delete"):
        client.uid("STORE", found, "+FLAGS.SILENT", r"(\Deleted)")
        client.uid("EXPUNGE", found)
    return [part[1].decode("utf-8", "replace") for part in parts if isinstance(part, tuple)]


def _imap_search(client: imaplib.IMAP4, wanted: str) -> str:
    """The UIDs as a set in IMAP's own form, empty when no message has the id."""
    quoted = wanted.replace("\\", "\\\\").replace('"', '\\"')
    answer = client.uid("SEARCH", "HEADER", "Message-ID", f'"{quoted}"')[1][0] or b""
    return ",".join(answer.decode().split())


def raw_conversation(request: Mapping[str, Any], result: dict[str, Any]) -> None:
    """Sends `send` as it is and keeps what comes back until the peer closes, 64 KiB, or `timeout` seconds of silence.

    "done" means that something came back, "closed" and "silent" that nothing did.
    """
    connection = connected(request)
    received = b""
    try:
        if request.get("tls") == "implicit":
            connection = tls_context(request).wrap_socket(connection, server_hostname=server_name(request))
            result["tls"] = tls_facts(connection)
        connection.sendall((request.get("send") or "").encode("utf-8", "surrogateescape"))
        while len(received) < 65536:
            chunk = connection.recv(4096)
            if not chunk:
                result["outcome"] = "done" if received else "closed"
                return
            received += chunk
    except TimeoutError:
        result["outcome"] = "silent" if not received else "done"
    finally:
        result["received"] = received.decode("utf-8", "replace")
        connection.close()


CONVERSATIONS = {"smtp": smtp_conversation, "lmtp": smtp_conversation, "imap": imap_conversation, "raw": raw_conversation}


def converse(request: Mapping[str, Any]) -> dict[str, Any]:
    """One conversation; network failures are part of the answer, not exceptions.

    Returns protocol, outcome ("done", or the word of `failure`), error, transcript [{command, code, text}], seconds, and what the
    protocol adds (tls, messages, capabilities, received).
    """
    began = time.monotonic()
    protocol = request.get("protocol", "smtp")
    result: dict[str, Any] = {"protocol": protocol, "outcome": "done", "error": "", "transcript": [], "tls": {}}
    try:
        CONVERSATIONS[protocol](request, result)
    except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
        result.update(failure(error))
    return {**result, "seconds": round(time.monotonic() - began, 3)}


def converse_all(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conversations side by side, answers in the order of the requests."""
    with ThreadPoolExecutor(max_workers=max(1, min(256, len(requests)))) as pool:
        return list(pool.map(converse, requests))


def open_ports(addresses: Iterable[str], ports: Iterable[int], *, timeout: float = 2.0) -> list[tuple[str, int]]:
    """The pairs of address and TCP port that take a connection; as many are tried at once as the process may have files."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    gate = asyncio.Semaphore(_MOST_KNOCKS if soft == resource.RLIM_INFINITY else max(1, min(_MOST_KNOCKS, soft - _OTHER_FILES)))

    async def knock(address: str, port: int) -> bool:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        async with gate:
            return await connects(family, address, port)

    async def connects(family: socket.AddressFamily, address: str, port: int) -> bool:
        with socket.socket(family, socket.SOCK_STREAM) as knocking:
            knocking.setblocking(False)
            try:
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(knocking, (address, port)), timeout)
            except OSError:
                return False
            return True

    async def knock_all() -> list[tuple[str, int]]:
        pairs = [(address, port) for address in addresses for port in ports]
        answers = await asyncio.gather(*(knock(*pair) for pair in pairs))
        return [pair for pair, answered in zip(pairs, answers, strict=True) if answered]

    return asyncio.run(knock_all())


STAGES = {"greeting": "", "hello": "EHLO", "login": "AUTH", "sender": "MAIL", "recipient": "RCPT", "data": "."}


def stage_replies(answer: Mapping[str, Any], stage: str) -> list[dict[str, Any]]:
    """The replies of an SMTP or LMTP conversation that belong to a stage; a refusal of DATA counts as the message's."""
    word = STAGES[stage]
    words = {"EHLO": ("EHLO", "LHLO"), ".": (".", "DATA")}.get(word, (word,))
    return [
        said for said in answer["transcript"] if (said["command"].split(" ")[0] in words if word else said["command"] == "") and said["code"] != 354
    ]


def unmet(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What an answer lacks of the expectation, a sentence each; empty when all is as expected.

    `expected` has `outcome` (words of `failure`, or "done"), `messages` (how many were found) and by stage the
    acceptable codes; a stage named there must have been reached. What it does not name must end well.
    """
    outcomes = expected.get("outcome") or ["done"]
    if answer["outcome"] not in outcomes:
        return [f"the conversation ended as {answer['outcome']} ({answer['error']}), expected {' or '.join(outcomes)}"]
    wrong = []
    for stage in STAGES:
        codes = expected.get(stage)
        replies = stage_replies(answer, stage) if answer.get("protocol") != "imap" else []
        if codes and not replies:
            wrong.append(f"{stage}: not reached")
        wrong += [
            f"{stage}: {said['command'] or 'connection'} was answered {said['code']} {said['text']}"
            for said in replies
            if (said["code"] not in codes if codes else said["code"] >= 400)
        ]
    if answer.get("protocol") == "imap":
        wrong += [f"login: {said['text']}" for said in answer["transcript"] if said["code"] == "NO"]
    messages, found = expected.get("messages"), answer.get("messages")
    if messages is not None and len(found or ()) != messages:
        wrong.append(f"messages: {len(found or ())} found, expected {messages}")
    return wrong
