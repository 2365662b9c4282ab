#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what the HAProxy of a node does."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: Tell what the HAProxy of a node does
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Asks HAProxy over its socket for its proxies and their servers, and how many clients are banned. Changes nothing.
options:
  proxies:
    description: Names of proxies, or globs of them, that are returned.
    type: list
    elements: str
    default: ["*"]
  socket:
    description: The statistics socket of HAProxy.
    type: path
    default: /run/haproxy/admin.sock
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: N/A
"""

EXAMPLES = r"""
- name: See whom the mail exchangers' frontend sends clients to
  mailcluster.postfix.haproxy_info:
    proxies: [mx]
  register: found

- name: Refuse to go on while one of them is down
  ansible.builtin.assert:
    that: found.proxies | map(attribute='servers') | flatten | map(attribute='status') | unique == ['UP']
"""

RETURN = r"""
available:
  description: Whether HAProxy answered. Without an answer the rest is empty.
  type: bool
  returned: always
version:
  description: Version of HAProxy.
  type: str
  returned: always
uptime:
  description: Seconds since its process started; a reload starts a new one.
  type: int
  returned: always
connections:
  description: Connections at the moment.
  type: int
  returned: always
bans:
  description: How many clients are banned, 0 on a node that is no edge.
  type: int
  returned: always
proxies:
  description: The proxies in the order of the configuration.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the proxy.
      type: str
    status:
      description: What HAProxy calls its status, such as C(OPEN), C(UP) or C(DOWN).
      type: str
    sessions:
      description: Sessions at the moment.
      type: int
    sessions_total:
      description: Sessions since the process started.
      type: int
    denied:
      description: Connections that were turned away before a byte was read, of banned clients and of those with too many.
      type: int
    servers:
      description: Its servers.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the server.
          type: str
        status:
          description: Such as C(UP), C(DOWN), C(NOLB) (drained by its own node), C(DRAIN) or C(MAINT).
          type: str
        sessions:
          description: Sessions at the moment.
          type: int
        sessions_total:
          description: Sessions since the process started.
          type: int
        weight:
          description: Its weight among the servers of the proxy.
          type: int
        backup:
          description: Whether it serves only while no other does.
          type: bool
        check:
          description: How the last check ended, such as C(L7OK) or C(L4CON); empty without checks of its own.
          type: str
        seconds_in_status:
          description: Seconds since the status changed.
          type: int
"""

import time
from fnmatch import fnmatchcase

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import bans as _bans
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import state as _state
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy.runtime import NOT_RUNNING, Haproxy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "proxies": {"type": "list", "elements": "str", "default": ["*"]},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
        },
        supports_check_mode=True,
    )
    haproxy = Haproxy(module.params["socket"])
    try:
        information = _state.information(haproxy.ask("show info"))
        proxies = _state.proxies(haproxy.ask("show stat"))
        banned = _bans.parse(haproxy.ask(_bans.LIST), now=int(time.time())) if any(proxy["name"] == "clients" for proxy in proxies) else {}
    except NOT_RUNNING:
        module.exit_json(changed=False, available=False, version="", uptime=0, connections=0, bans=0, proxies=[])
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"HAProxy at {module.params['socket']}: {error}")
    module.exit_json(
        changed=False,
        available=True,
        version=information.get("Version", ""),
        uptime=int(information.get("Uptime_sec", 0)),
        connections=int(information.get("CurrConns", 0)),
        bans=len(banned),
        proxies=[proxy for proxy in proxies if any(fnmatchcase(proxy["name"], wanted) for wanted in module.params["proxies"])],
    )


if __name__ == "__main__":
    main()
