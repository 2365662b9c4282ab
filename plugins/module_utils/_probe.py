# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the listeners of an instance whether they serve, as a stranger would."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ._postfix import generation
from ._postfix.macros import expand
from ._postfix.master_cf import Service

_STRANGER = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n"
# Says who is calling is not known: Postfix then takes the caller itself, and looks up nothing.
_UNKNOWN = b"PROXY UNKNOWN\r\n"
_DIALOGUE = ("EHLO probe.invalid", "MAIL FROM:<>", "RCPT TO:<probe@probe.invalid>", "RSET", "QUIT")


@dataclass(frozen=True)
class Target:
    """One listener: ``kind`` is its program, ``proxy`` whether it wants a PROXY header first."""

    host: str
    port: int
    kind: str
    subject: str
    proxy: bool = False
    wrapped: bool = False
    starttls: bool = False

    @property
    def place(self) -> str:
        return f"{self.subject} at {self.host} port {self.port}"


class _Failure(Exception):
    """The listener does not serve."""


def targets(main: Mapping[str, str], services: Sequence[Service]) -> list[Target]:
    """Return what to probe: one address per inet service."""
    found = []
    for listener in generation.listeners(services):
        values = {**main, **dict(listener.service.options)}

        def value(name: str, values: Mapping[str, str] = values) -> str:
            return expand(values.get(name, ""), values).strip().lower()

        kind = listener.service.command
        found.append(
            Target(
                host=listener.host if listener.host not in ("", "0.0.0.0", "::") else _address(value("inet_interfaces"), value("inet_protocols")),
                port=listener.port,
                kind=kind,
                subject=listener.service.subject,
                proxy=value(f"{kind}_upstream_proxy_protocol") == "haproxy",
                wrapped=value("smtpd_tls_wrappermode") == "yes",
                starttls=value("smtpd_tls_security_level") in ("may", "encrypt"),
            )
        )
    return found


def _address(interfaces: str, protocols: str) -> str:
    first = interfaces.replace(",", " ").split()[:1]
    if first and first[0] not in ("all", "loopback-only"):
        return first[0].strip("[]")
    return "::1" if protocols.replace(",", " ").split() == ["ipv6"] else "127.0.0.1"


def probe(found: Sequence[Target], *, timeout: float = 2.0) -> tuple[list[str], list[str]]:
    """Return failures and warnings; every target is given ``timeout`` seconds, twice if it is slow."""
    failures: list[str] = []
    warnings: list[str] = []
    for target in found:
        try:
            _one(target, _STRANGER, timeout)
        except TimeoutError:
            try:
                _one(target, _UNKNOWN, timeout)
                warnings.append(f"{target.place}: answers a stranger only after {timeout:.0f} s (is there a resolver?)")
            except (OSError, _Failure) as error:
                failures.append(f"{target.place}: {_reason(error)}")
        except (OSError, _Failure) as error:
            failures.append(f"{target.place}: {_reason(error)}")
    return failures, warnings


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


def _one(target: Target, header: bytes, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    with contextlib.closing(socket.create_connection((target.host, target.port), timeout=timeout)) as plain:
        if target.proxy:
            plain.sendall(header)
        if target.kind == "postscreen":
            _still_open(plain, min(timeout, 0.5))
        elif target.kind == "smtpd":
            if target.wrapped:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(plain) as wrapped:
                    _converse(wrapped, target, stranger=target.proxy and header == _STRANGER, deadline=deadline)
            else:
                _converse(plain, target, stranger=target.proxy and header == _STRANGER, deadline=deadline)


def _still_open(connection: socket.socket, timeout: float) -> None:
    """postscreen(8) may keep its greeting back for seconds; it must only not hang up."""
    connection.settimeout(timeout)
    try:
        greeting = connection.recv(512)
    except TimeoutError:
        return
    if not greeting:
        raise _Failure("accepts and hangs up at once")
    if not greeting.startswith(b"220"):
        raise _Failure(f"greets with {greeting.decode(errors='replace').strip()!r}")


def _converse(connection: socket.socket, target: Target, *, stranger: bool, deadline: float) -> None:
    replies = _replies(connection, deadline)
    _judged("the greeting", next(replies, []))
    for command in _DIALOGUE:
        connection.sendall(command.encode() + b"\r\n")
        reply = next(replies, [])
        code = _judged(command, reply)
        if command.startswith("EHLO"):
            if code != 250:
                raise _Failure(f"{command} is answered {reply[-1]!r}")
            if target.starttls and not target.wrapped and not any(line[4:] == "STARTTLS" for line in reply):
                raise _Failure("STARTTLS is not offered: the certificate cannot be used")
        if command.startswith("RCPT") and stranger and code < 300:
            raise _Failure("an open relay: a stranger's recipient in a foreign domain is accepted")


def _replies(connection: socket.socket, deadline: float) -> Iterator[list[str]]:
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
        connection.settimeout(remaining)
        received = connection.recv(4096)
        if not received:
            return
        buffer += received


def _judged(what: str, reply: Sequence[str]) -> int:
    """Return the code; a service that refuses is healthy, one that breaks down is not."""
    if not reply:
        raise _Failure(f"hangs up instead of answering {what}")
    code = int(reply[-1][:3]) if reply[-1][:3].isdigit() else 0
    if not code or code == 421 or reply[-1].startswith("451 4.3.5"):
        raise _Failure(f"{what} is answered {reply[-1]!r}")
    return code
