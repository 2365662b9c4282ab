# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the listeners of an instance whether they serve, as a stranger would."""

from __future__ import annotations

import array
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ._postfix import generation
from ._postfix.macros import expand
from ._postfix.master_cf import Service

_STRANGER = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n"
# Says who is calling is not known: Postfix then takes the caller itself, and looks up nothing.
_UNKNOWN = b"PROXY UNKNOWN\r\n"
# What postscreen(8) tells smtpd(8) with a connection that it hands over, as attr_print0(3) sends it.
_HANDOVER = b"client_address\x00192.0.2.1\0client_port\x0040000\0server_address\x00192.0.2.2\0server_port\x0025\0\0"
# Seconds of silence after which it is looked whether a daemon is there at all.
_GLANCE = 0.3
_DIALOGUE = ("EHLO probe.invalid", "MAIL FROM:<>", "RCPT TO:<probe@probe.invalid>", "RSET", "QUIT")


@dataclass(frozen=True)
class Target:
    """One listener: ``kind`` is its program, ``proxy`` whether it wants a PROXY header first.

    ``path`` is set for a service that postscreen(8) hands connections to.
    """

    kind: str
    subject: str
    host: str = ""
    port: int = 0
    path: Path | None = None
    proxy: bool = False
    wrapped: bool = False
    starttls: bool = False

    @property
    def place(self) -> str:
        return self.subject if self.path else f"{self.subject} at {self.host} port {self.port}"

    @property
    def known_stranger(self) -> bool:
        """Whether the listener sees the stranger's address instead of this node's."""
        return self.proxy or self.path is not None


class _ServiceError(Exception):
    """The listener does not serve."""


def targets(main: Mapping[str, str], services: Sequence[Service]) -> list[Target]:
    """Return what to probe: one address per inet service, and what stands behind postscreen(8)."""
    return [
        *(_target(main, entry.service, host=entry.host, port=entry.port) for entry in generation.listeners(services)),
        *(_target(main, entry) for entry in services if entry.type == "pass" and entry.command == "smtpd"),
    ]


def _target(main: Mapping[str, str], service: Service, *, host: str = "", port: int = 0) -> Target:
    values = {**main, **dict(service.options)}

    def value(name: str) -> str:
        return expand(values.get(name, ""), values).strip().lower()

    passed = service.type == "pass"
    if not passed and host in ("", "0.0.0.0", "::"):
        host = _address(value("inet_interfaces"), value("inet_protocols"))
    return Target(
        kind=service.command,
        subject=service.subject,
        host=host,
        port=port,
        path=Path(main["queue_directory"], "public" if service.private == "n" else "private", service.service) if passed else None,
        proxy=not passed and value(f"{service.command}_upstream_proxy_protocol") == "haproxy",
        wrapped=value("smtpd_tls_wrappermode") == "yes",
        starttls=value("smtpd_tls_security_level") in ("may", "encrypt"),
    )


def _address(interfaces: str, protocols: str) -> str:
    first = interfaces.replace(",", " ").split()[:1]
    if first and first[0] not in ("all", "loopback-only"):
        return first[0].strip("[]")
    return "::1" if protocols.replace(",", " ").split() == ["ipv6"] else "127.0.0.1"


def probe(found: Sequence[Target], *, alive: Callable[[str], bool], timeout: float = 2.0) -> tuple[list[str], list[str]]:
    """Return failures and warnings; every target is given ``timeout`` seconds, twice if it is slow.

    ``alive`` says whether a program of that name runs under master(8): where none
    does, a connection waits in vain for a daemon that died.
    """
    with ThreadPoolExecutor(max_workers=max(len(found), 1)) as pool:
        results = list(pool.map(lambda target: _judge(target, alive, timeout), found))
    return [text for text, _warning in results if text], [text for _failure, text in results if text]


def _judge(target: Target, alive: Callable[[str], bool], timeout: float) -> tuple[str, str]:
    try:
        try:
            _one(target, _STRANGER, alive, timeout)
        except TimeoutError:
            _one(target, _UNKNOWN, alive, timeout)
            return "", f"{target.place}: answers a stranger only after {timeout:.0f} s (is there a resolver?)"
    except (OSError, _ServiceError) as error:
        return f"{target.place}: {_reason(error)}", ""
    return "", ""


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


def _one(target: Target, header: bytes, alive: Callable[[str], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    stranger = target.known_stranger and header == _STRANGER
    with contextlib.closing(_connection(target, timeout)) as plain:
        if target.proxy:
            plain.sendall(header)
        if target.kind == "postscreen":
            _still_open(plain, min(timeout, 0.5))
        elif target.kind == "smtpd" and target.wrapped:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as wrapped:
                _converse(wrapped, target, alive, stranger=stranger, deadline=deadline)
        elif target.kind == "smtpd":
            _converse(plain, target, alive, stranger=stranger, deadline=deadline)


def _connection(target: Target, timeout: float) -> socket.socket:
    if target.path is None:
        return socket.create_connection((target.host, target.port), timeout=timeout)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname(), timeout=timeout)
        theirs, _address = server.accept()
    with theirs, socket.socket(socket.AF_UNIX) as handover:
        handover.settimeout(timeout)
        handover.connect(str(target.path))
        handover.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
        handover.sendall(_HANDOVER)
        # smtpd(8) has taken the descriptor once it closes its end.
        with contextlib.suppress(TimeoutError):
            handover.recv(1)
    return ours


def _still_open(connection: socket.socket, timeout: float) -> None:
    """postscreen(8) may keep its greeting back for seconds; it must only not hang up."""
    connection.settimeout(timeout)
    try:
        greeting = connection.recv(512)
    except TimeoutError:
        return
    if not greeting:
        raise _ServiceError("accepts and hangs up at once")
    if not greeting.startswith(b"220"):
        raise _ServiceError(f"greets with {greeting.decode(errors='replace').strip()!r}")


def _converse(connection: socket.socket, target: Target, alive: Callable[[str], bool], *, stranger: bool, deadline: float) -> None:
    replies = _replies(connection, lambda: alive(target.kind), deadline)
    _judged("the greeting", next(replies, []))
    for command in _DIALOGUE:
        connection.sendall(command.encode() + b"\r\n")
        reply = next(replies, [])
        code = _judged(command, reply)
        if command.startswith("EHLO"):
            if code != 250:
                raise _ServiceError(f"{command} is answered {reply[-1]!r}")
            if target.starttls and not target.wrapped and not any(line[4:] == "STARTTLS" for line in reply):
                raise _ServiceError("STARTTLS is not offered: the certificate cannot be used")
        if command.startswith("RCPT") and stranger and code < 300:
            raise _ServiceError("an open relay: a stranger's recipient in a foreign domain is accepted")


def _replies(connection: socket.socket, alive: Callable[[], bool], deadline: float) -> Iterator[list[str]]:
    buffer, lines = b"", list[str]()
    while True:
        line, newline, rest = buffer.partition(b"\n")
        if newline:
            buffer = rest
            lines.append(line.decode(errors="replace").rstrip("\r"))
            if lines[-1][3:4] != "-":
                yield lines
                lines = []
            continue
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(min(remaining, _GLANCE))
        try:
            received = connection.recv(4096)
        except TimeoutError:
            if not alive():
                raise _ServiceError("no daemon answers: it died") from None
            continue
        if not received:
            return
        buffer += received


def _judged(what: str, reply: Sequence[str]) -> int:
    """Return the code; a service that refuses is healthy, one that breaks down is not."""
    if not reply:
        raise _ServiceError(f"hangs up instead of answering {what}")
    code = int(reply[-1][:3]) if reply[-1][:3].isdigit() else 0
    if not code or code == 421 or reply[-1].startswith("451 4.3.5"):
        raise _ServiceError(f"{what} is answered {reply[-1]!r}")
    return code
