# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of delivery attempts, from the lines of Postfix' log. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# What the delivery agents say of each recipient (postconf(5), Postfix' log format).
STATUSES = ("sent", "deferred", "bounced", "expired", "undeliverable", "deliverable")
_STATUS = re.compile(rf" to=<.*?, dsn=[245]\.\d+\.\d+, status=({'|'.join(STATUSES)}) \(")
# What smtpd(8) says to a client who shall try again because the node is not well: a lookup or a milter that fails, a wrong configuration, no room.
# Greylisting (4.7.1 of a milter, 4.3.2 of postscreen) and doubts about the client say nothing of the node.
_PUT_OFF = re.compile(r"^\w+: (?:milter-)?reject: \S+ from \S+: (?:421 |4\d\d 4\.3\.[015] |451 4\.7\.1 Service unavailable)")
_HEALTH = " to=<mailcluster-health>"


def of_message(lines: Iterable[str], message_id: str) -> list[str]:
    """Return the lines on a message, whatever queue names it had on the node; C(message_id) has its angle brackets."""
    kept = list(lines)
    queue_names = {line.partition(":")[0] for line in kept if line.endswith(f" message-id={message_id}")}
    return [line for line in kept if line.partition(":")[0] in queue_names]


def count(lines: Iterable[str]) -> dict[str, int]:
    """Return the number of attempts of each status, and of all, and how often clients were put off; those of address probes are none."""
    lines = list(lines)
    found = Counter(match[1] for line in lines if (match := _STATUS.search(line)))
    told = {"sent": found["sent"], "deferred": found["deferred"], "bounced": found["bounced"] + found["expired"]}
    return {"attempts": sum(told.values()), **told, "put_off": sum(1 for line in lines if _PUT_OFF.match(line) and _HEALTH not in line)}
