# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that select messages of a queue."""

from __future__ import annotations


class ModuleDocFragment:
    """What M(mailcluster.postfix.postqueue) and M(mailcluster.postfix.postqueue_info) share."""

    DOCUMENTATION = r"""
options:
  name:
    description: Name of the instance, such as V(postfix-mx); V(postfix) is the default instance in C(/etc/postfix).
    type: str
    required: true
  queues:
    description:
      - Queues that the messages are in. postqueue(1) does not report the queue C(corrupt).
    type: list
    elements: str
    choices: [maildrop, active, incoming, deferred, hold]
  queue_ids:
    description: Queue ids of the messages.
    type: list
    elements: str
  min_age:
    description: Seconds since the arrival of the message, at least. V(0) is no criterion.
    type: int
  max_age:
    description: Seconds since the arrival of the message, at most.
    type: int
  senders:
    description:
      - Patterns of the envelope sender. The null sender, of bounces and the like, is V(<>), which V(*) matches, too, and V(*@*) does not.
    type: list
    elements: str
  recipients:
    description:
      - Patterns of a recipient that is still to be served. One that matches selects the message, with all its recipients.
    type: list
    elements: str
  reasons:
    description:
      - Patterns of the reason why a recipient is delayed, such as V(*Connection refused*). A recipient that was not tried yet has none.
      - With O(recipients), both have to match the same recipient.
    type: list
    elements: str
notes:
  - >-
    A message is selected when it meets every criterion that is given; of a list, one element is enough. A list that is given and empty
    selects nothing.
  - >-
    Patterns are globs, as of the shell - C(*) any text, C(?) one character, C([abc]) one of these, C([[]) a bracket - that match the whole text, in
    upper or lower case. They are no regular expressions, so that a dot in a domain is a dot and V(bob@example.org) is not V(jimbob@example.org).
  - >-
    Addresses are in the form in which postqueue(1) prints them, quoted where needed. Each message has its size, age and reasons at the time
    of the listing; a message that arrives or moves meanwhile may be missed.
"""
