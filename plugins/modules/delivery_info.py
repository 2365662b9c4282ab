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
  - Counts, in the journal, the delivery attempts of the last O(seconds), by what Postfix says became of them, and how often it put its
    clients off.
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
  wait:
    description: Seconds to wait until the message of O(message_id) was sent on; it is an error when it was not.
    type: float
    default: 0
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
    wait: 10

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
put_off:
  description:
    - Times that a client was told to try again because of the node, such as a lookup or a milter that failed; of these nothing is in its queue.
    - Greylisting and doubts about the client are not counted.
  returned: always
  type: int
  sample: 1
bounced:
  description: Attempts that failed for good.
  returned: always
  type: int
  sample: 0
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _commands, _deliveries

POLL = 0.2


def read(names: list[str], seconds: float) -> list[str]:
    """Return what the instances have said. Raises RuntimeError."""
    units = [f"--unit=mailcluster-postfix@{name}.service" for name in names]
    if not units:
        return []
    outcome = _commands.run("journalctl", *units, f"--since=@{time.time() - seconds:.6f}", "--output=cat", "--no-pager", "--quiet")
    if outcome.rc:
        raise RuntimeError(f"journalctl: {outcome.text}")
    return outcome.stdout.splitlines()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "float", "required": True},
            "message_id": {"type": "str"},
            "wait": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    names, seconds, message_id, patience = (module.params[name] for name in ("names", "seconds", "message_id", "wait"))
    begun = time.monotonic()
    try:
        while True:
            lines = read(names, seconds + time.monotonic() - begun)
            if message_id:
                lines = _deliveries.of_message(lines, message_id)
            found = _deliveries.count(lines)
            if found["sent"] or time.monotonic() - begun >= patience or module.check_mode:
                break
            time.sleep(POLL)
    except RuntimeError as error:
        module.fail_json(msg=str(error))
    if patience and not found["sent"] and not module.check_mode:
        said = f"the log's last line: {lines[-1]}" if lines else "the log does not know it"
        module.fail_json(msg=f"{message_id} has not left within {patience:g} s; {said}", **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
