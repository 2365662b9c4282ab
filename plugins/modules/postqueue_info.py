#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: lists a queue, changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postqueue_info
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell what is in the queue of a Postfix instance
description:
  - Lists the messages of an instance, as C(postqueue -j) does, with totals per queue. Without a criterion, all of them.
  - The queue of a stopped instance is read from its files, see RV(running).
  - An instance that does not exist is an error; in check mode it is a warning and an empty queue, for an earlier task may be about to make it.
extends_documentation_fragment: [mailcluster.postfix.queue_selection]
options:
  limit:
    description: How many messages are returned at most, the oldest first. The totals count every selected message; V(0) returns these alone.
    type: int
    default: 100
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
  - module: mailcluster.postfix.postqueue
"""

EXAMPLES = r"""
- name: See how much waits, and for how long
  mailcluster.postfix.postqueue_info:
    name: postfix-relay
    limit: 0
  register: queue
  failed_when: queue.queues.deferred.messages > 1000 or queue.totals.oldest_age > 86400

- name: See which bounces a site does not take
  mailcluster.postfix.postqueue_info:
    name: postfix-mx
    queues: [deferred]
    senders: ["<>"]
    recipients: ["*@example.org"]
    reasons: ["*Connection timed out*", "*Connection refused*"]
    min_age: 3600
"""

RETURN = r"""
running:
  description: Whether the instance runs; the queue of one that does not was read from its files.
  returned: always
  type: bool
totals:
  description: All selected messages together.
  returned: always
  type: dict
  contains:
    messages:
      description: Their number.
      type: int
    bytes:
      description: Their size, headers and bodies without the envelope.
      type: int
    oldest_age:
      description: Seconds since the arrival of the oldest, V(0) without a message.
      type: int
  sample: {messages: 2, bytes: 3120, oldest_age: 5400}
queues:
  description: The same for the selected messages of every queue - C(maildrop), C(active), C(incoming), C(deferred) and C(hold).
  returned: always
  type: dict
  sample: {deferred: {messages: 2, bytes: 3120, oldest_age: 5400}}
messages:
  description: The selected messages, the oldest first, O(limit) at most. Names are those of postqueue(1).
  returned: always
  type: list
  elements: dict
  contains:
    queue_name:
      description: The queue that the message is in.
      type: str
      sample: deferred
    queue_id:
      description: Its queue id.
      type: str
      sample: 4bFz7Q2kXNz9wJ
    arrival_time:
      description: When it arrived, in seconds since the epoch.
      type: int
    age:
      description: Seconds since then.
      type: int
    message_size:
      description: Bytes of header and body.
      type: int
    forced_expire:
      description: Whether it was forced to expire.
      type: bool
    sender:
      description: The envelope sender, V(<>) for the null sender, which postqueue(1) prints as C(MAILER-DAEMON).
      type: str
    recipients:
      description: The recipients that are still to be served.
      type: list
      elements: dict
      contains:
        address:
          description: The address.
          type: str
        delay_reason:
          description: Why it is delayed, empty before the first attempt.
          type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _queue
from ..module_utils._postfix import queue
from ..module_utils._postfix.lines import ConfigError

ARGUMENTS: dict[str, dict[str, Any]] = {**queue.SELECTION, "limit": {"type": "int", "default": 100}}


def answer(module: AnsibleModule) -> dict[str, Any]:
    """List and select. Raises ConfigError."""
    criteria = queue.selection(module.params)
    if module.params["limit"] < 0:
        raise ConfigError(f"{module.params['limit']} is no number of messages", subject="limit")
    listing = _queue.read(_queue.directory(module.params["name"]), check_mode=module.check_mode, warn=module.warn)
    chosen = queue.select(listing.messages, criteria, listing.now)
    return {
        "running": listing.running,
        "totals": queue.totals(chosen, listing.now),
        "queues": queue.by_queue(chosen, listing.now),
        "messages": [queue.describe(message, listing.now) for message in chosen[: module.params["limit"]]],
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = answer(module)
    except (ConfigError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
