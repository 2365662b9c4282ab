# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of queues that the unit ring checks against their right column and the differential ring against Postfix itself."""

from __future__ import annotations

import json
from typing import Any

NOW = 1_800_000_000


def entry(queue_id: str, *, queue: str = "deferred", age: int = 60, size: int = 300, sender: str = "a@one.test", **recipients: str) -> dict[str, Any]:
    """One object of C(postqueue -j); ``recipients`` are local parts at two.test and reasons, '' for none."""
    found = recipients or {"x": "refused"}
    return {
        "queue_name": queue,
        "queue_id": queue_id,
        "arrival_time": NOW - age,
        "message_size": size,
        "forced_expire": False,
        "sender": sender,
        "recipients": [{"address": f"{name}@two.test", **({"delay_reason": why} if why else {})} for name, why in found.items()],
    }


def listing(*entries: dict[str, Any]) -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in entries)


QUEUE = listing(
    entry("AAAAA1", age=9000, size=100, bob="connect to mx.two.test[192.0.2.1]:25: Connection refused", eve="host mx.two.test said: 450 4.2.1 later"),
    entry("AAAAA2", age=600, size=200, sender="MAILER-DAEMON", jimbob="connect to mx.two.test[192.0.2.1]:25: Connection timed out"),
    entry("AAAAA3", queue="active", age=5, size=300, sender="News@Shop.One.test", bob=""),
    entry("AAAAA4", queue="hold", age=60, size=400, sender="a@oneXtest", eve="host mx.two.test said: 450 4.2.1 later"),
    entry("AAAAA5", queue="incoming", age=0, size=500, bob=""),
    entry("AAAAA6", queue="maildrop", age=1, size=600, bob=""),
)
EVERY = ["AAAAA1", "AAAAA2", "AAAAA4", "AAAAA3", "AAAAA6", "AAAAA5"]

# name of the case: options, the last characters of the ids that they select, the oldest first
SELECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no criterion": ({}, "124365"),
    "two queues": ({"queues": ["hold", "active"]}, "43"),
    "no queue": ({"queues": []}, ""),
    "an id": ({"queue_ids": ["AAAAA3"]}, "3"),
    "an id that is not there": ({"queue_ids": ["BBBBB1"]}, ""),
    "no id": ({"queue_ids": []}, ""),
    "at least as old": ({"min_age": 600}, "12"),
    "at most as old": ({"max_age": 5}, "365"),
    "from one age to another": ({"min_age": 60, "max_age": 600}, "24"),
    "new": ({"max_age": 0}, "5"),
    "a sender": ({"senders": ["a@one.test"]}, "165"),
    "a dot is a dot": ({"senders": ["?@one.test"]}, "165"),
    "a sender in another case": ({"senders": ["NEWS@*"]}, "3"),
    "a whole domain": ({"senders": ["*@shop.one.test"]}, "3"),
    "part of an address is none": ({"senders": ["one.test"]}, ""),
    "the null sender": ({"senders": ["<>"]}, "2"),
    "what postqueue prints for it is no address": ({"senders": ["MAILER-DAEMON"]}, ""),
    "any sender": ({"senders": ["*"]}, "124365"),
    "any sender but the null one": ({"senders": ["*@*"]}, "14365"),
    "one sender or another": ({"senders": ["<>", "news@*"]}, "23"),
    "no sender": ({"senders": []}, ""),
    "a class of characters": ({"senders": ["a@one[A-Z]test"]}, "4"),
    "a recipient": ({"recipients": ["bob@two.test"]}, "1365"),
    "one recipient of two": ({"recipients": ["eve@*"]}, "14"),
    "a reason": ({"reasons": ["*connection refused"]}, "1"),
    "a bracket of a reason": ({"reasons": ["*[[]192.0.2.1]*"]}, "12"),
    "any reason is one": ({"reasons": ["*"]}, "124"),
    "reason and recipient belong together": ({"recipients": ["eve@*"], "reasons": ["*refused*"]}, ""),
    "reason of that recipient": ({"recipients": ["eve@*"], "reasons": ["*450*"]}, "14"),
    "every criterion counts": ({"queues": ["deferred"], "senders": ["a@*"], "min_age": 60, "reasons": ["*refused"]}, "1"),
}
# name of the case: options, what the error says
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the word ALL": ({"queue_ids": ["ALL"]}, "queue_ids: 'ALL' is not a queue id"),
    "an id with a line after it": ({"queue_ids": ["AAAAA1\nAAAAA2"]}, "is not a queue id"),
    "an option as an id": ({"queue_ids": ["-AAAAAA"]}, "is not a queue id"),
    "an empty pattern": ({"senders": ["a@b", ""]}, "senders: an empty pattern matches nothing; the null sender is <>"),
    "a negative age": ({"min_age": -1}, "min_age: -1 seconds is no age"),
    "ages that exclude each other": ({"min_age": 9, "max_age": 3}, "min_age: 9 is above max_age 3"),
}
# action: the last characters of the ids that it touches when all is selected, those it leaves
TOUCHED: dict[str, tuple[str, str]] = {
    "flush": ("12", "4365"),
    "hold": ("1235", "46"),
    "release": ("4", "12365"),
    "requeue": ("12435", "6"),
    "delete": ("124365", ""),
}
# name of the case: sender and recipients as given to sendmail(1), sender as it is listed
ENVELOPES: dict[str, tuple[str, list[str], str]] = {
    "plain": ("news@shop.test", ["bob@two.test"], "news@shop.test"),
    "null": ("<>", ["bob@two.test"], "<>"),
    "two recipients": ("news@shop.test", ["bob@two.test", "eve@two.test"], "news@shop.test"),
    "quoted": ('"a b"@shop.test', ["bob@two.test"], '"a b"@shop.test'),
    "a literal": ("news@[192.0.2.7]", ["bob@[192.0.2.1]"], "news@[192.0.2.7]"),
    "umlauts": ("jörg@shop.test", ["bob@two.test"], "jörg@shop.test"),
    "a star": ("*@shop.test", ["bob@two.test"], "*@shop.test"),
}
REASON = "connect to mx.two.test[192.0.2.1]:25: Connection refused"
