# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node of the cluster says of itself; runs inside its container."""

from __future__ import annotations

import csv
import socket
import subprocess

ADMIN = "/run/haproxy/admin.sock"
# Only the primary's server is up.
VALKEY = ("valkey-in", "valkey-out")


def said(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def asked(command: str) -> str:
    """The answer of the node's balancer."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        asking.connect(ADMIN)
        asking.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: asking.recv(65536), b"")).decode()


def figures(column: str) -> dict[str, str]:
    """Proxy/server -> what a column of the balancer's statistics has for it, for every server of the node's balancer."""
    rows = csv.DictReader(asked("show stat").removeprefix("# ").splitlines())
    return {f"{row['pxname']}/{row['svname']}": row[column] for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")}


def servers() -> dict[str, str]:
    """Proxy/server -> its state."""
    return figures("status")


def sessions() -> dict[str, int]:
    """Proxy/server -> how many sessions it has."""
    return {name: int(number or 0) for name, number in figures("scur").items()}


def sessions_total() -> dict[str, int]:
    """Proxy/server -> how many sessions it had since the balancer began."""
    return {name: int(number or 0) for name, number in figures("stot").items()}


def problems() -> list[str]:
    """What is not as it should be, a sentence each: units, and servers that the node's balancer misses."""
    state = " ".join(said("systemctl", "is-system-running"))
    wrong = [] if state in ("running", "degraded") else [f"the system is {state or 'silent'}"]
    wrong += [f"{line.split()[0]} failed" for line in said("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")]
    try:
        states = servers()
    except OSError as error:
        return [*wrong, f"haproxy: {error}"]
    primaries = [name for name, state in states.items() if name.startswith("valkey-out/") and state.startswith("UP")]
    if len(primaries) != 1 and any(name.startswith("valkey-out/") for name in states):
        wrong.append(f"{len(primaries)} primaries of valkey")
    down = {name: state for name, state in states.items() if name.partition("/")[0] not in VALKEY and state not in ("UP", "no check")}
    return [*wrong, *(f"{name} is {state}" for name, state in down.items())]


def restore() -> None:
    """Take the node back into service, whoever drained it."""
    for name, state in servers().items():
        if name.startswith("serving/") and state != "no check":
            asked(f"set server {name} state ready")


def addresses() -> list[str]:
    """Every address the node has."""
    return [line.split()[3].partition("/")[0] for line in said("ip", "-o", "address")]


def status() -> dict[str, list[str]]:
    return {"problems": problems(), "addresses": addresses()}
