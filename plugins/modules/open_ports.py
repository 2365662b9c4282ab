#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: knocks at ports, changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: open_ports
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell which TCP ports of which addresses take a connection
description:
  - Tries every port of every address at once, from the host the task runs on. Nothing is sent.
  - Meant for hosts of one's own, to see what a packet filter lets through.
options:
  addresses:
    description: IPv4 and IPv6 addresses.
    type: list
    elements: str
    required: true
  ports:
    description: TCP ports.
    type: list
    elements: int
    required: true
  timeout:
    description: Seconds after which a port that does not answer counts as closed.
    type: int
    default: 2
attributes:
  check_mode:
    support: full
    description: Runs as usual in check mode; it never changes anything.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    platforms: posix
    support: full
    description: Any host with Python 3.11 or newer.
"""

EXAMPLES = r"""
- name: See which ports a stranger reaches
  mailcluster.postfix.open_ports:
    addresses: [192.0.2.21, "2001:db8:0:1::21"]
    ports: [25, 10025, 12025]
  register: reached
"""

RETURN = r"""
open:
  description: What took a connection.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    port:
      description: The port.
      type: int
  sample:
    - {address: 192.0.2.21, port: 25}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._mail_client import open_ports


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "required": True},
            "timeout": {"type": "int", "default": 2},
        },
        supports_check_mode=True,
    )
    reached = open_ports(module.params["addresses"], module.params["ports"], timeout=module.params["timeout"])
    module.exit_json(changed=False, open=[{"address": address, "port": port} for address, port in reached])


if __name__ == "__main__":
    main()
