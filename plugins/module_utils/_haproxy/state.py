# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of HAProxy's servers: what its socket says, what to tell it, what it must remember. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import StringIO
from typing import Any

VERSION = "1"
# srv_admin_state in haproxy's management guide, "show servers state".
_FORCED_MAINT = 0x01
_FORCED_DRAIN = 0x08


@dataclass(frozen=True, order=True)
class Server:
    """One server of one backend."""

    backend: str
    name: str

    def __str__(self) -> str:
        return f"{self.backend}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Server:
        """Read C(backend/server). Raises ValueError."""
        backend, slash, name = text.partition("/")
        if not (backend and slash and name) or any(char.isspace() or char == ";" for char in text):
            raise ValueError(f"{text!r} is not BACKEND/SERVER")
        return cls(backend, name)


@dataclass(frozen=True)
class Status:
    """The answer to C(show servers state): its header, and the line of each server."""

    header: str
    lines: Mapping[Server, str]

    def state(self, server: Server) -> str | None:
        """Return C(ready), C(drain) or C(maint) as an administrator set it; None for an unknown server."""
        if server not in self.lines:
            return None
        admin = int(self.lines[server].split()[6])
        return "maint" if admin & _FORCED_MAINT else "drain" if admin & _FORCED_DRAIN else "ready"


def parse_status(text: str) -> Status:
    """Read the answer to C(show servers state). Raises ValueError for an unknown format."""
    version, header, *rest = [*(line for line in text.splitlines() if line.strip()), "", ""]
    if version.strip() != VERSION or not header.startswith("#"):
        raise ValueError(f"HAProxy answered in an unknown format: {version[:60]!r}")
    return Status(header, {Server(fields[1], fields[3]): line for line in rest if len(fields := line.split()) > 6})


def parse_sessions(text: str) -> dict[Server, int]:
    """Read the current sessions of each server from the answer to C(show stat)."""
    rows = csv.DictReader(StringIO(text.strip().removeprefix("# ")))
    return {Server(row["pxname"], row["svname"]): int(row["scur"] or 0) for row in rows}


_KINDS = {"0": "frontend", "1": "backend", "2": "server"}


def _number(text: str | None) -> int:
    return int(text or 0)


def proxies(text: str) -> list[dict[str, Any]]:
    """Read every proxy and its servers from the answer to C(show stat)."""
    found: dict[str, dict[str, Any]] = {}
    for row in csv.DictReader(StringIO(text.strip().removeprefix("# "))):
        kind = _KINDS.get(row["type"])
        proxy = found.setdefault(row["pxname"], {"name": row["pxname"], "status": "", "sessions": 0, "sessions_total": 0, "denied": 0, "servers": []})
        seen = {"status": row["status"], "sessions": _number(row["scur"]), "sessions_total": _number(row["stot"])}
        if kind == "server":
            last = {"check": row["check_status"], "seconds_in_status": _number(row["lastchg"])}
            server = {"name": row["svname"], **seen, "weight": _number(row["weight"]), "backup": row["bck"] == "1", **last}
            proxy["servers"].append(server)
        elif kind == "frontend":
            proxy.update(seen, denied=_number(row["dcon"]))
        elif kind == "backend" and not proxy["status"]:
            proxy.update(seen)
    return list(found.values())


def information(text: str) -> dict[str, str]:
    """Read the answer to C(show info)."""
    return {key: value.strip() for key, colon, value in (line.partition(":") for line in text.splitlines()) if colon}


def sessions(text: str, backends: Iterable[str]) -> int:
    """Return how many sessions the backends have that a name or glob of C(backends) fits."""
    wanted = list(backends)
    return sum(count for server, count in parse_sessions(text).items() if any(fnmatchcase(server.backend, each) for each in wanted))


def plan(status: Status, servers: Iterable[Server], state: str) -> list[Server]:
    """Return the known servers that are in another state."""
    return [server for server in servers if status.state(server) not in (None, state)]


def expand(status: Status, servers: Iterable[Server]) -> list[Server]:
    """Replace C(BACKEND/*) by the servers of the backend."""
    return [found for server in servers for found in ([known for known in status.lines if known.backend == server.backend] if server.name == "*" else [server])]


def unknown(status: Status, servers: Iterable[Server]) -> list[Server]:
    return [server for server in servers if server not in status.lines]


def commands(servers: Iterable[Server], state: str) -> list[str]:
    return [f"set server {server} state {state}" for server in servers]


def to_remember(status: Status, backend: str) -> str:
    """Return the state file that brings the drained servers of C(backend) back after a reload."""
    kept: Sequence[str] = [line for server, line in status.lines.items() if server.backend == backend and status.state(server) != "ready"]
    return "\n".join([VERSION, status.header, *kept]) + "\n"
