#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ban clients at all edges, and lift their bans."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_ban
short_description: Ban clients at the edges, and lift their bans
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - >-
    Sets entries in the table of banned clients over the socket of HAProxy on one edge; the edges tell each other, so that
    all of all regions close connections of the client at once. Run it on one edge that runs.
  - >-
    A ban ends by itself, and is forgotten only when all edges restart at once. A reload keeps it. Networks of
    C(haproxy_exempt_networks) are not banned.
options:
  addresses:
    description: >-
      IPv4 and IPv6 addresses of clients. Of an IPv6 address its /64 is meant. Without any, the bans are only listed.
    type: list
    elements: str
    default: []
  state:
    description: V(present) bans the clients, V(absent) lifts their bans.
    type: str
    choices: [present, absent]
    default: present
  duration:
    description: >-
      Seconds that a ban lasts, at most 23 days (1987200). A ban that runs is prolonged when less than half of it is left.
    type: int
    default: 3600
  socket:
    description: The statistics socket of HAProxy, with level C(admin).
    type: path
    default: /run/haproxy/admin.sock
attributes:
  check_mode:
    description: Can run in check mode and returns what would change.
    support: full
  diff_mode:
    description: Returns the banned clients before and after.
    support: full
"""

EXAMPLES = r"""
- name: Ban a client for a day
  mailcluster.postfix.haproxy_ban:
    addresses: [192.0.2.7, "2001:db8:7::1"]
    duration: 86400

- name: Forgive it
  mailcluster.postfix.haproxy_ban:
    addresses: [192.0.2.7]
    state: absent

- name: See who is banned
  mailcluster.postfix.haproxy_ban:
  register: found
"""

RETURN = r"""
bans:
  description: The banned clients after the call, and of each the second since the epoch at which its ban ends.
  type: list
  elements: dict
  returned: always
  contains:
    address:
      description: IPv4 address, or first address of an IPv6 /64.
      type: str
    until:
      description: Second since the epoch.
      type: int
    seconds:
      description: Seconds that are left.
      type: int
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import bans as _bans
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy.runtime import Haproxy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "duration": {"type": "int", "default": 3600},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
        },
        supports_check_mode=True,
    )
    params = module.params
    haproxy = Haproxy(params["socket"])
    now = int(time.time())
    if not 0 < params["duration"] <= _bans.LONGEST:
        module.fail_json(msg=f"duration: {params['duration']} is not 1 to {_bans.LONGEST} seconds")
    try:
        clients = [_bans.client(address) for address in params["addresses"]]
        before = _bans.parse(haproxy.ask(_bans.LIST), now=now)
        steps = _bans.plan(before, clients, banned=params["state"] == "present", duration=params["duration"], now=now)
        if not module.check_mode:
            for step in steps:
                haproxy.tell(step.command)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"HAProxy at {params['socket']}: {error}")
    after = _bans.after(before, steps)
    module.exit_json(
        changed=bool(steps),
        bans=[{"address": address, "until": until, "seconds": until - now} for address, until in after.items()],
        diff={"before": "".join(f"{address}\n" for address in before), "after": "".join(f"{address}\n" for address in after)},
    )


if __name__ == "__main__":
    main()
