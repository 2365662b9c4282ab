#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which virtual addresses an edge has, and what its keepalived thinks of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keepalived_info
short_description: Tell which virtual addresses an edge owns
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - >-
    Asks keepalived for its VRRP instances (by SIGUSR1, at which it writes them to O(file)) and the kernel for the addresses that are
    on the node. Changes nothing else.
options:
  pid_file:
    description: Where keepalived writes its process id.
    type: path
    default: /run/keepalived.pid
  file:
    description: Where keepalived writes what it is asked for.
    type: path
    default: /tmp/keepalived.data
  timeout:
    description: Seconds to wait for its answer.
    type: float
    default: 5
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: N/A
"""

EXAMPLES = r"""
- name: See who has the virtual addresses
  mailcluster.postfix.keepalived_info:
  register: found

- name: Refuse two owners
  ansible.builtin.assert:
    that: ansible_play_hosts | map('extract', hostvars) | map(attribute='found.instances') | flatten | selectattr('owner') | length <= 2
"""

RETURN = r"""
available:
  description: Whether keepalived runs. Without, the rest is empty.
  type: bool
  returned: always
instances:
  description: Its VRRP instances.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the instance.
      type: str
    state:
      description: C(MASTER), C(BACKUP) or C(FAULT), as keepalived sees it.
      type: str
    virtual_router_id:
      description: Router id.
      type: int
    priority:
      description: Priority by the configuration.
      type: int
    effective_priority:
      description: Priority at the moment; less while the balancer of the edge is unwell.
      type: int
    virtual_ipaddresses:
      description: The virtual addresses.
      type: list
      elements: str
    owner:
      description: Whether they are on the node, as the kernel sees it.
      type: bool
"""

import os
import signal
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._keepalived import state as _state

POLL = 0.1


def dump(process: int, path: Path, timeout: float) -> str:
    """Return what keepalived writes when asked. Raises OSError and ValueError."""

    def version() -> tuple[int, int]:
        try:
            status = path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_mtime_ns, status.st_size

    before = version()
    os.kill(process, signal.SIGUSR1)
    end = time.monotonic() + timeout
    last = before
    while time.monotonic() < end:
        time.sleep(POLL)
        # Whole when it stays as it is.
        now = version()
        if now != before and now == last:
            return path.read_text(encoding="utf-8", errors="replace")
        last = now
    raise ValueError(f"keepalived has not written {path} within {timeout:g} s")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pid_file": {"type": "path", "default": "/run/keepalived.pid"},
            "file": {"type": "path", "default": "/tmp/keepalived.data"},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        process = int(Path(params["pid_file"]).read_text(encoding="ascii"))
        os.kill(process, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        module.exit_json(changed=False, available=False, instances=[])
    _status, shown, _errors = module.run_command(["ip", "-json", "address"], check_rc=True)
    try:
        found = _state.parse(dump(process, Path(params["file"]), params["timeout"]))
        here = _state.addresses(shown)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"keepalived: {error}")
    module.exit_json(changed=False, available=True, instances=[instance.as_dict(here) for instance in found])


if __name__ == "__main__":
    main()
