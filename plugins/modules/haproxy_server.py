#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drain, restore and stop servers of the HAProxy of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_server
short_description: Drain, restore or stop servers of HAProxy
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Sets the administrative state of servers over the socket of HAProxy, and waits until sessions have ended.
  - >-
    The states of the backend O(remembered_backend) are written to O(state_file), from which a reloaded or restarted
    HAProxy takes them. They end with the next boot.
  - Where HAProxy does not run yet there is nothing to do.
options:
  servers:
    description: >-
      The servers, each as C(BACKEND/SERVER), or C(BACKEND/*) for all of a backend. One that HAProxy does not know is
      reported in RV(unknown).
    type: list
    elements: str
    required: true
  state:
    description: >-
      V(drain) takes no new sessions, V(maint) takes none and ends those of callers that check it, V(ready) takes
      sessions again.
    type: str
    choices: [ready, drain, maint]
    required: true
  wait_for:
    description: Backends, or globs of their names, whose sessions are waited for after a change, when O(state) is not V(ready).
    type: list
    elements: str
    default: []
  settle:
    description: Seconds after a change in which callers learn of it; the wait is at least as long.
    type: float
    default: 2
  timeout:
    description: >-
      Seconds to wait for sessions to end. Those that are left then are reported in RV(sessions) and are no failure,
      for an idle IMAP connection lasts for hours.
    type: float
    default: 30
  socket:
    description: The statistics socket of HAProxy, with level C(admin).
    type: path
    default: /run/haproxy/admin.sock
  remembered_backend:
    description: The backend whose states are remembered.
    type: str
    default: serving
  state_file:
    description: The C(server-state-file) of HAProxy.
    type: path
    default: /run/mailcluster/haproxy.state
attributes:
  check_mode:
    description: Can run in check mode and returns what would change.
    support: full
  diff_mode:
    description: Returns the states before and after.
    support: full
"""

EXAMPLES = r"""
- name: Take no more mail on this node
  mailcluster.postfix.haproxy_server:
    servers: [serving/mx, serving/relay]
    state: maint
    wait_for: [mx-in, relay-in]

- name: Take mail again
  mailcluster.postfix.haproxy_server:
    servers: [serving/mx, serving/relay]
    state: ready
"""

RETURN = r"""
available:
  description: Whether HAProxy answered.
  type: bool
  returned: always
states:
  description: State of each known server before the call.
  type: dict
  returned: always
unknown:
  description: Servers that HAProxy does not know.
  type: list
  elements: str
  returned: always
sessions:
  description: Sessions that were left when the wait ended.
  type: int
  returned: always
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import runtime as _runtime
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import state as _state

POLL = 0.25


class Haproxy(_runtime.Haproxy):
    """What its servers do."""

    def status(self) -> _state.Status:
        return _state.parse_status(self.ask("show servers state"))

    def sessions(self, backends: Iterable[str]) -> int:
        return _state.sessions(self.ask("show stat -1 4 -1"), backends)


def apply(haproxy: Haproxy, servers: list[_state.Server], state: str) -> None:
    for command in _state.commands(servers, state):
        haproxy.tell(command)


def remember(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, path)


def drive(haproxy: Haproxy, servers: list[_state.Server], state: str, backend: str, file: Path, settle: float) -> None:
    """Set the state and see it through a reload that is under way: its new process may have read the old file."""
    end = time.monotonic() + settle
    while True:
        todo = _state.plan(haproxy.status(), servers, state)
        if todo:
            apply(haproxy, todo, state)
            remember(file, _state.to_remember(haproxy.status(), backend))
        if time.monotonic() >= end:
            return
        time.sleep(POLL)


def wait(haproxy: Haproxy, backends: list[str], timeout: float) -> int:
    end = time.monotonic() + timeout
    while (left := haproxy.sessions(backends)) and time.monotonic() < end:
        time.sleep(POLL)
    return left


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["ready", "drain", "maint"], "required": True},
            "wait_for": {"type": "list", "elements": "str", "default": []},
            "settle": {"type": "float", "default": 2},
            "timeout": {"type": "float", "default": 30},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "remembered_backend": {"type": "str", "default": "serving"},
            "state_file": {"type": "path", "default": "/run/mailcluster/haproxy.state"},
        },
        supports_check_mode=True,
    )
    params = module.params
    haproxy = Haproxy(params["socket"])
    state = params["state"]
    try:
        asked = [_state.Server.parse(text) for text in params["servers"]]
        try:
            status = haproxy.status()
        except _runtime.NOT_RUNNING:
            module.exit_json(changed=False, available=False, states={}, unknown=params["servers"], sessions=0)
        servers = _state.expand(status, asked)
        todo = _state.plan(status, servers, state)
        sessions = 0
        if todo and not module.check_mode:
            drive(haproxy, servers, state, params["remembered_backend"], Path(params["state_file"]), params["settle"])
            sessions = wait(haproxy, params["wait_for"], params["timeout"]) if state != "ready" else 0
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"HAProxy at {params['socket']}: {error}")
    states = {str(server): found for server in servers if (found := status.state(server))}
    module.exit_json(
        changed=bool(todo),
        available=True,
        states=states,
        unknown=[str(server) for server in _state.unknown(status, servers)],
        sessions=sessions,
        diff={
            "before": "".join(f"{server}: {found}\n" for server, found in states.items()),
            "after": "".join(f"{server}: {state}\n" for server in states),
        },
    )


if __name__ == "__main__":
    main()
