#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: asks the journal, changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: delivery_info
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell how many deliveries of the Postfix instances of a node went well of late
description:
  - Counts, in the journal, the delivery attempts of the last O(seconds), by what Postfix says became of them.
options:
  names:
    description: Instances, as the module M(mailcluster.postfix.postfix_instance) names them.
    type: list
    elements: str
    required: true
  seconds:
    description: How far back to look.
    type: float
    required: true
  message_id:
    description: Count only the attempts of the message with this Message-ID, in its angle brackets.
    type: str
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
seealso:
  - module: mailcluster.postfix.postqueue_info
"""

EXAMPLES = r"""
- name: Count the deliveries of the last ten minutes
  mailcluster.postfix.delivery_info:
    names: [postfix-mx]
    seconds: 600
  register: deliveries

- name: Wait until a message has left
  mailcluster.postfix.delivery_info:
    names: [postfix-relay]
    seconds: 60
    message_id: <42@example.org>
  register: probe
  until: probe.sent > 0
  retries: 10
  delay: 1

- name: Refuse a tenth of them deferred
  ansible.builtin.assert:
    that: deliveries.deferred * 10 <= deliveries.attempts
"""

RETURN = r"""
attempts:
  description: All attempts, one for each recipient and try.
  returned: always
  type: int
  sample: 120
sent:
  description: Attempts that the next hop or the mailbox took.
  returned: always
  type: int
  sample: 118
deferred:
  description: Attempts that will be tried again.
  returned: always
  type: int
  sample: 2
bounced:
  description: Attempts that failed for good.
  returned: always
  type: int
  sample: 0
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _commands, _deliveries


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "float", "required": True},
            "message_id": {"type": "str"},
        },
        supports_check_mode=True,
    )
    units = [f"--unit=mailcluster-postfix@{name}.service" for name in module.params["names"]]
    lines: list[str] = []
    if units:
        since = f"--since=@{time.time() - module.params['seconds']:.6f}"
        outcome = _commands.run("journalctl", *units, since, "--output=cat", "--no-pager", "--quiet")
        if outcome.rc:
            module.fail_json(msg=f"journalctl: {outcome.text}")
        lines = outcome.stdout.splitlines()
    if module.params["message_id"]:
        lines = _deliveries.of_message(lines, module.params["message_id"])
    module.exit_json(changed=False, **_deliveries.count(lines))


if __name__ == "__main__":
    main()
