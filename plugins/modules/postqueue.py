#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: lists a queue, plans, acts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postqueue
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Flush, hold, release, requeue or delete mail in the queue of a Postfix instance
description:
  - Selects messages like M(mailcluster.postfix.postqueue_info) and does to them what postsuper(1) and postqueue(1) do, by queue id.
  - Without a criterion it refuses, unless O(all=true); a criterion that turns out empty selects nothing.
  - >-
    A message that leaves the queue between listing and action is no error; it is reported in RV(gone). With O(queues), one that has moved
    to another queue meanwhile counts as gone, too.
  - An action concerns a message with all its recipients, also when it was selected by one of them.
extends_documentation_fragment: [mailcluster.postfix.queue_selection]
options:
  action:
    description:
      - These are the verbs of postsuper(1) and postqueue(1), not states, for two of them act anew whenever they are called.
      - >-
        V(flush) tries deferred messages now; it needs a running instance. Every call of it is a change while there is something to
        flush. Whether a message was still there is not known, and it counts as flushed.
      - >-
        V(hold) keeps messages from being delivered, and from expiring, until they are released. What is held already is unchanged; mail in
        C(maildrop) cannot be held.
      - V(release) moves held messages to the queue C(deferred), from where they are tried at the next run of the queue, or by V(flush).
      - >-
        V(requeue) submits messages again, so that rewriting, routing and C(content_filter) see them anew. They wait in C(maildrop) for
        pickup(8), which looks once a minute, and get other queue ids; held ones are held no longer. Every call is a change.
      - V(delete) removes messages for good; nobody is told.
    type: str
    choices: [flush, hold, release, requeue, delete]
    required: true
  all:
    description: Whether the whole queue is meant. It goes with no criterion.
    type: bool
    default: false
  limit:
    description:
      - How many messages the action may touch. If it were more, the module fails, naming their number, and touches none.
      - Messages that the action has nothing to do to do not count.
    type: int
    default: 1000
attributes:
  check_mode:
    support: full
    description: Returns what would be done, and refuses what would be refused.
  diff_mode:
    support: full
    description: Shows the queue of each message before and after; no addresses.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
seealso:
  - module: mailcluster.postfix.postqueue_info
"""

EXAMPLES = r"""
- name: Hold what a broken application sends
  mailcluster.postfix.postqueue:
    name: postfix-relay
    action: hold
    senders: ["noreply@shop.example.org"]
    limit: 20000

- name: Delete the bounces to it that are an hour old
  mailcluster.postfix.postqueue:
    name: postfix-relay
    action: delete
    senders: ["<>"]
    recipients: ["noreply@shop.example.org"]
    min_age: 3600

- name: Try again what a site refused while it was down
  mailcluster.postfix.postqueue:
    name: postfix-relay
    action: flush
    recipients: ["*@example.net"]
    reasons: ["*Connection refused*"]

- name: Release all held mail
  mailcluster.postfix.postqueue:
    name: postfix-relay
    action: release
    queues: [hold]
"""

RETURN = r"""
queue_ids:
  description: The messages acted on, the oldest first (in check mode, those that would be). Of requeued ones, the former ids.
  returned: always
  type: list
  elements: str
  sample: [4bFz7Q2kXNz9wJ]
gone:
  description: Messages that had left the queue, and ids of O(queue_ids) that were not in it.
  returned: success
  type: list
  elements: str
unaffected:
  description: Selected messages that the action has nothing to do to, such as held ones with O(action=hold).
  returned: success
  type: list
  elements: str
running:
  description: Whether the instance runs. All but V(flush) act on the files of one that does not.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _queue
from ..module_utils._postfix import queue
from ..module_utils._postfix.lines import ConfigError

ARGUMENTS: dict[str, dict[str, Any]] = {
    **queue.SELECTION,
    "action": {"type": "str", "choices": list(queue.ACTIONS), "required": True},
    "all": {"type": "bool", "default": False},
    "limit": {"type": "int", "default": 1000},
}


def act(module: AnsibleModule) -> tuple[dict[str, Any], str]:
    """List, plan, apply; return the result and what went wrong. Raises ConfigError."""
    action = module.params["action"]
    criteria = queue.selection(module.params)
    config = _queue.directory(module.params["name"])
    listing = _queue.read(config, check_mode=module.check_mode, warn=module.warn)
    steps = queue.plan(listing.messages, criteria, action, now=listing.now, limit=module.params["limit"], everything=module.params["all"])
    if action == "flush" and steps.changed and not listing.running:
        raise ConfigError("the instance does not run, so nothing can be flushed", subject=module.params["name"])
    came, problem = steps, ""
    if not module.check_mode:
        came, problem = _queue.apply(config, steps)
    return {
        "changed": came.changed,
        "queue_ids": [message.queue_id for message in came.touched],
        "gone": list(came.gone),
        "unaffected": [message.queue_id for message in came.unaffected],
        "running": listing.running,
        "diff": came.diff,
    }, problem


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result, problem = act(module)
    except (ConfigError, OSError) as error:
        module.fail_json(msg=str(error), queue_ids=[])
    if problem:
        module.fail_json(msg=problem, **{key: result[key] for key in ("changed", "queue_ids", "diff")})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
