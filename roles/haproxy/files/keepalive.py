# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the kernel ask clients whom HAProxy has not taken yet whether they are still there; the argument is HAProxy's socket.

On an edge whose processes stand still (frozen, starved of memory), the kernel goes on to take clients until another edge has the virtual
address; who waits for a greeting would wait for good. A connection inherits the options of the socket that it came in by (tcp(7), TCP_KEEPIDLE):
after a second the kernel asks; the answer reaches the new owner of the address, who knows no such connection and resets it (RFC 9293 section 3.5.2).
What HAProxy does take gets the times of its configuration. haproxy.service runs this when HAProxy has started or reloaded.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time

IDLE = INTERVAL = 1
# The worker that a reload starts needs a moment until it answers.
PATIENCE = 5.0
NUMBER = struct.Struct("i")
MOST_AT_ONCE = 253


def connected(path: str) -> socket.socket:
    haproxy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    haproxy.settimeout(PATIENCE)
    haproxy.connect(path)
    return haproxy


def uptime(path: str) -> int:
    """Return the age of the worker that answers, in whole seconds."""
    with connected(path) as haproxy:
        haproxy.sendall(b"show info\n")
        answer = b"".join(iter(lambda: haproxy.recv(65536), b"")).decode()
    return next(int(value) for name, _, value in (line.partition(": ") for line in answer.splitlines()) if name == "Uptime_sec")


def listeners(path: str) -> list[socket.socket]:
    """Return what HAProxy listens on: the sockets themselves, as it hands them to its successor."""
    found: list[int] = []
    with connected(path) as haproxy:
        haproxy.sendall(b"_getsocks\n")
        (number,) = NUMBER.unpack(haproxy.recv(NUMBER.size, socket.MSG_WAITALL))
        while len(found) < number:
            names, some, _flags, _address = socket.recv_fds(haproxy, 65536, MOST_AT_ONCE)
            if not names:
                break
            found += some
            # It waits for it, but older ones (2.6) do not after the last message.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                haproxy.sendall(NUMBER.pack(len(found)))
    return [socket.socket(fileno=descriptor) for descriptor in found]


def main(path: str) -> None:
    called = time.monotonic()
    while uptime(path) > time.monotonic() - called + 1 and time.monotonic() < called + PATIENCE:
        time.sleep(0.1)
    for listener in listeners(path):
        with listener:
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL)


main(sys.argv[1])
