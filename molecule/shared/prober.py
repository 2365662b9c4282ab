# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that knocks at a fixed pace and writes down when it was greeted; runs inside the foreign client."""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor

TIMEOUT = 1.0


def knock(address: str, port: int) -> tuple[float, bool]:
    """When it began, seconds since the epoch, and whether a greeting of SMTP came within a second."""
    begun = time.time()
    try:
        with socket.create_connection((address, port), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            return begun, connection.recv(4).startswith(b"220")
    except OSError:
        return begun, False


def knocks(address: str, port: int, seconds: float, pace: float) -> list[tuple[float, bool]]:
    """One every ``pace`` seconds, whether the last one has ended or not."""
    start = time.monotonic()
    with ThreadPoolExecutor(max_workers=64) as pool:
        futures: list[Future[tuple[float, bool]]] = []
        while (due := len(futures) * pace) < seconds:
            time.sleep(max(0.0, start + due - time.monotonic()))
            futures.append(pool.submit(knock, address, port))
        return [future.result() for future in futures]
