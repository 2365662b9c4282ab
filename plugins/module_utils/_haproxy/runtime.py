# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy behind its statistics socket."""

from __future__ import annotations

import socket

# What a socket says of an HAProxy that does not run.
NOT_RUNNING = (FileNotFoundError, ConnectionRefusedError)


class Haproxy:
    """One connection a command."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(self.path)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def tell(self, command: str) -> None:
        """Give a command that is answered with nothing but an error. Raises ValueError with it."""
        if answer := self.ask(command).strip():
            raise ValueError(f"{command}: {answer}")
