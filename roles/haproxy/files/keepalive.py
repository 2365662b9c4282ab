# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the kernel ask clients whom HAProxy has not taken yet whether they are still there: keepalive.py SOCKET [reloaded].

On an edge whose processes stand still (frozen, starved of memory), the kernel goes on to take clients until another edge has the virtual
address; who waits for a greeting would wait for minutes. A connection inherits SO_KEEPALIVE and TCP_KEEPIDLE (socket(7), tcp(7)) from the socket
that it came in by: after a second the kernel asks; the answer reaches the new owner of the address, who knows no such connection and resets it
(RFC 9293 section 3.5.2). What HAProxy does take gets the times of its configuration. haproxy.service runs this when HAProxy has started or reloaded.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from pathlib import Path

IDLE = INTERVAL = 1
PATIENCE = 5.0
# By so much the new worker may have begun before this has; the old one began before the last reload was over.
SLACK = 0.1
NUMBER = struct.Struct("i")
# Sockets in a message; HAProxy has less (MAX_SEND_FD), the kernel no more.
MOST_AT_ONCE = 253


def connected(path: str) -> socket.socket:
    haproxy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    haproxy.settimeout(PATIENCE)
    haproxy.connect(path)
    return haproxy


def worker(path: str) -> str:
    """Return the process that answers."""
    with connected(path) as haproxy:
        haproxy.sendall(b"show info\n")
        answer = b"".join(iter(lambda: haproxy.recv(65536), b"")).decode()
    for name, _colon, value in (line.partition(": ") for line in answer.splitlines()):
        if name == "Pid":
            return value
    raise ConnectionError("no answer to show info")


def begun(process: str) -> float:
    """Return when a process began, in seconds since the boot (proc_pid_stat(5), starttime)."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def listeners(path: str) -> list[socket.socket]:
    """Return what HAProxy listens on: the sockets themselves, as it hands them to its successor."""
    found: list[int] = []
    with connected(path) as haproxy:
        haproxy.sendall(b"_getsocks\n")
        head = haproxy.recv(NUMBER.size, socket.MSG_WAITALL)
        if len(head) < NUMBER.size:
            raise ConnectionError("no answer to _getsocks")
        (number,) = NUMBER.unpack(head)
        while len(found) < number:
            names, some, _flags, _address = socket.recv_fds(haproxy, 65536, MOST_AT_ONCE)
            if not names:
                raise ConnectionError(f"{len(found)} of {number} sockets came")
            found += some
            # HAProxy waits for this; without its fix of February 2025 not after the last message, and may be gone.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                haproxy.sendall(NUMBER.pack(len(found)))
    return [socket.socket(fileno=descriptor) for descriptor in found]


def change(path: str) -> None:
    for listener in listeners(path):
        with listener:
            if listener.family in (socket.AF_INET, socket.AF_INET6) and listener.type == socket.SOCK_STREAM:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL)


def main(path: str, *, reloaded: bool) -> str:
    """Return what went wrong; empty when nothing did. After a reload, the old worker may go on to answer for a moment."""
    called = time.monotonic()
    while True:
        try:
            young = not reloaded or begun(worker(path)) >= begun("self") - SLACK
            change(path)
            wrong = "" if young else "no new worker answers"
        except OSError as error:
            wrong = str(error)
        if not wrong or time.monotonic() > called + PATIENCE:
            return wrong
        time.sleep(0.1)


sys.exit(main(sys.argv[1], reloaded=sys.argv[2:] == ["reloaded"]) or None)
