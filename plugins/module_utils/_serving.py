# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the balancer of this node sends anybody to it."""

from __future__ import annotations

from collections.abc import Sequence

from ._haproxy import runtime, state
from ._postfix.lines import ConfigError

SOCKET = "/run/haproxy/admin.sock"
# The backend whose servers are in maintenance while a service is drained; see _haproxy/config.py.
BACKEND = "serving"


def services(socket: str = SOCKET) -> list[str]:
    """Return the services of the node that are not drained, none where no balancer runs. Raises ConfigError for an answer in an unknown format."""
    try:
        status = state.parse_status(runtime.Haproxy(socket).ask("show servers state"))
    except runtime.NOT_RUNNING:
        return []
    except ValueError as error:
        raise ConfigError(str(error), file=socket) from error
    return [server.name for server in status.lines if server.backend == BACKEND and status.state(server) == "ready"]


def refuse_restart(unit: str, reasons: Sequence[str]) -> None:
    """Raise ConfigError if a restart of a unit would interrupt a service."""
    if serving := services():
        raise ConfigError(
            f"{'; '.join(reasons)} needs a restart, and the node serves {', '.join(serving)}; nothing was changed. The playbook rollout drains it "
            "first; -e mailcluster_restart=always restarts it all the same",
            subject=unit,
        )
