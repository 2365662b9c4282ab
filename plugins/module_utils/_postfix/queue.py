# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of an instance: what postqueue(1) lists, what a task selects of it, what an action moves. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from typing import Any

from .lines import ConfigError

# Every queue that showq(8) reports, in its order.
QUEUES = ("maildrop", "active", "incoming", "deferred", "hold")
NULL_SENDER = "<>"
_LISTING = "postqueue -j"
# mail_queue_id_ok() and the lengths of MQID_SH and MQID_LG in Postfix' mail_queue.h: "ALL" is none.
_QUEUE_ID = re.compile(r"[0-9A-Za-z]{6,}\Z")

SELECTION: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "queues": {"type": "list", "elements": "str", "choices": list(QUEUES)},
    "queue_ids": {"type": "list", "elements": "str"},
    "min_age": {"type": "int"},
    "max_age": {"type": "int"},
    "senders": {"type": "list", "elements": "str"},
    "recipients": {"type": "list", "elements": "str"},
    "reasons": {"type": "list", "elements": "str"},
}


@dataclass(frozen=True)
class Recipient:
    """A recipient that is still to be served, and why it was not; the reason is empty before the first attempt."""

    address: str
    delay_reason: str = ""


@dataclass(frozen=True)
class Message:
    """A queue file, with the names of postqueue(1); seconds since the epoch and bytes."""

    queue_name: str
    queue_id: str
    arrival_time: int = 0
    message_size: int = 0
    forced_expire: bool = False
    sender: str = NULL_SENDER
    recipients: tuple[Recipient, ...] = ()

    def age(self, now: int) -> int:
        """Seconds in the queue; a clock that was set back makes nothing younger than new."""
        return max(0, now - self.arrival_time)


def parse(text: str, *, empty_address: str = "MAILER-DAEMON") -> list[Message]:
    """Read the answer of C(postqueue -j), one object a line, the oldest message first. Raises ConfigError.

    ``empty_address`` is what the instance shows for the null sender (empty_address_recipient). A message that moves
    while it is listed appears twice (postqueue(1)): the queue it was seen in last counts.
    """
    # Not splitlines(): an address may hold a line separator of Unicode.
    found = [_message(line, number, empty_address) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return sorted({message.queue_id: message for message in found}.values(), key=lambda message: (message.arrival_time, message.queue_id))


def _message(line: str, number: int, empty_address: str) -> Message:
    try:
        entry = json.loads(line)
        return Message(
            queue_name=str(entry["queue_name"]),
            queue_id=str(entry["queue_id"]),
            arrival_time=int(entry["arrival_time"]),
            message_size=int(entry["message_size"]),
            forced_expire=bool(entry.get("forced_expire", False)),
            sender=NULL_SENDER if entry["sender"] in ("", empty_address) else str(entry["sender"]),
            recipients=tuple(Recipient(str(one["address"]), str(one.get("delay_reason", ""))) for one in entry["recipients"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"not an entry of the queue: {line[:80]!r}", file=_LISTING, line=number) from error


@dataclass(frozen=True)
class Selection:
    """What a task selects. ``None`` is a criterion that was not given; one that is given and empty selects nothing."""

    queues: frozenset[str] | None = None
    queue_ids: tuple[str, ...] | None = None
    min_age: int | None = None
    max_age: int | None = None
    senders: re.Pattern[str] | None = None
    recipients: re.Pattern[str] | None = None
    reasons: re.Pattern[str] | None = None

    @property
    def everything(self) -> bool:
        """Whether there is no criterion at all."""
        return self == Selection()

    def covers(self, message: Message, now: int) -> bool:
        """Whether the message meets every criterion; recipient and reason have to belong together."""
        age = message.age(now)
        return (
            (self.queues is None or message.queue_name in self.queues)
            and (self.queue_ids is None or message.queue_id in self.queue_ids)
            and (self.min_age is None or age >= self.min_age)
            and (self.max_age is None or age <= self.max_age)
            and (self.senders is None or bool(self.senders.match(message.sender)))
            and ((self.recipients is None and self.reasons is None) or any(map(self._meets, message.recipients)))
        )

    def _meets(self, recipient: Recipient) -> bool:
        return (self.recipients is None or bool(self.recipients.match(recipient.address))) and (
            self.reasons is None or bool(recipient.delay_reason and self.reasons.match(recipient.delay_reason))
        )


def selection(parameters: Mapping[str, Any]) -> Selection:
    """Read the options named in SELECTION. Raises ConfigError."""
    ids = parameters["queue_ids"]
    for entry in ids or ():
        if not _QUEUE_ID.match(entry):
            raise ConfigError(f"{entry!r} is not a queue id", subject="queue_ids")
    oldest, youngest = parameters["max_age"], parameters["min_age"]
    for name, value in (("min_age", youngest), ("max_age", oldest)):
        if value is not None and value < 0:
            raise ConfigError(f"{value} seconds is no age", subject=name)
    if youngest is not None and oldest is not None and youngest > oldest:
        raise ConfigError(f"{youngest} is above max_age {oldest}: no message can be both", subject="min_age")
    return Selection(
        queues=None if parameters["queues"] is None else frozenset(parameters["queues"]),
        queue_ids=None if ids is None else tuple(dict.fromkeys(ids)),
        # An age of at least 0 excludes nothing, so it is no criterion.
        min_age=youngest or None,
        max_age=oldest,
        senders=_globs("senders", parameters["senders"]),
        recipients=_globs("recipients", parameters["recipients"]),
        reasons=_globs("reasons", parameters["reasons"]),
    )


def _globs(option: str, patterns: Sequence[str] | None) -> re.Pattern[str] | None:
    if patterns is None:
        return None
    if "" in patterns:
        raise ConfigError(f"an empty pattern matches nothing; the null sender is {NULL_SENDER}", subject=option)
    # (?!) matches nothing: what no pattern is given for is not selected.
    return re.compile("|".join(translate(pattern) for pattern in patterns) or "(?!)", re.IGNORECASE)


def select(messages: Iterable[Message], criteria: Selection, now: int) -> list[Message]:
    """Return the messages that meet the criteria, in their order."""
    return [message for message in messages if criteria.covers(message, now)]


def describe(message: Message, now: int) -> dict[str, Any]:
    """One message in plain data."""
    return {
        "queue_name": message.queue_name,
        "queue_id": message.queue_id,
        "arrival_time": message.arrival_time,
        "age": message.age(now),
        "message_size": message.message_size,
        "forced_expire": message.forced_expire,
        "sender": message.sender,
        "recipients": [{"address": one.address, "delay_reason": one.delay_reason} for one in message.recipients],
    }


def totals(messages: Sequence[Message], now: int) -> dict[str, int]:
    """Number, bytes, and the age of the oldest; all 0 without a message."""
    return {
        "messages": len(messages),
        "bytes": sum(message.message_size for message in messages),
        "oldest_age": max((message.age(now) for message in messages), default=0),
    }


def by_queue(messages: Sequence[Message], now: int) -> dict[str, dict[str, int]]:
    """The totals of every queue, also of an empty one."""
    return {name: totals([message for message in messages if message.queue_name == name], now) for name in QUEUES}


@dataclass(frozen=True)
class Effect:
    """What an action is to Postfix: the option, the queues it takes messages from, where they go ('' for away), and
    how postsuper(1) reports one message. flush(8) reports none.
    """

    option: str
    sources: tuple[str, ...]
    target: str
    report: str = ""


# postsuper(1); mail in maildrop can be deleted only, for nothing has sanitized it yet.
ACTIONS: Mapping[str, Effect] = {
    "flush": Effect("-i", ("deferred",), "incoming"),
    "hold": Effect("-h", ("active", "incoming", "deferred"), "hold", "placed on hold"),
    "release": Effect("-H", ("hold",), "deferred", "released from hold"),
    "requeue": Effect("-r", ("active", "incoming", "deferred", "hold"), "maildrop", "requeued"),
    "delete": Effect("-d", QUEUES, "", "removed"),
}


@dataclass(frozen=True)
class QueuePlan:
    """What an action is going to do: ``touched`` messages, ``unaffected`` ones that it has nothing to do to, ids that
    were asked for and are ``gone``, and the queues in which a message still counts as the one that was selected.
    """

    action: str
    touched: tuple[Message, ...]
    unaffected: tuple[Message, ...]
    gone: tuple[str, ...]
    queues: tuple[str, ...]
    whole: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.touched)

    @property
    def diff(self) -> dict[str, str]:
        """The queue of every touched message, before and after."""
        target = ACTIONS[self.action].target
        return {
            "before": "".join(f"{message.queue_id}: {message.queue_name}\n" for message in self.touched),
            "after": "".join(f"{message.queue_id}: {target}\n" for message in self.touched if target),
        }


def plan(messages: Sequence[Message], criteria: Selection, action: str, *, now: int, limit: int, everything: bool = False) -> QueuePlan:
    """Return what ``action`` has to do. Raises ConfigError for a selection that names nothing, or more than ``limit``."""
    if everything and not criteria.everything:
        raise ConfigError("takes no criterion beside it", subject="all")
    if criteria.everything and not everything:
        raise ConfigError(f"nothing says which messages to {action}: give a criterion, or all: true for the whole queue")
    if limit < 0:
        raise ConfigError(f"{limit} is no number of messages", subject="limit")
    effect = ACTIONS[action]
    chosen = select(messages, criteria, now)
    touched = tuple(message for message in chosen if message.queue_name in effect.sources)
    if len(touched) > limit:
        raise ConfigError(f"would {action} {len(touched)} messages, and the limit is {limit}: nothing was touched", subject="limit")
    present = {message.queue_id for message in messages}
    return QueuePlan(
        action=action,
        touched=touched,
        unaffected=tuple(message for message in chosen if message.queue_name not in effect.sources),
        gone=tuple(entry for entry in criteria.queue_ids or () if entry not in present),
        queues=tuple(name for name in effect.sources if criteria.queues is None or name in criteria.queues),
        whole=everything,
    )


def commands(config: str, steps: QueuePlan) -> list[tuple[tuple[str, ...], str]]:
    """Return the commands that carry out a plan, each with what it reads."""
    option = ACTIONS[steps.action].option
    ids = [message.queue_id for message in steps.touched]
    if not ids:
        return []
    if steps.action != "flush":
        return [(("postsuper", "-c", config, option, "-", *steps.queues), "".join(f"{entry}\n" for entry in ids))]
    if steps.whole:
        return [(("postqueue", "-c", config, "-f"), "")]
    return [(("postqueue", "-c", config, option, entry), "") for entry in ids]


def reported(action: str, text: str) -> set[str]:
    """The queue ids that postsuper(1) reports as done, on its standard error."""
    return set(re.findall(rf"^postsuper: (\w+): {ACTIONS[action].report}$", text, re.MULTILINE))


def left(steps: QueuePlan, done: Iterable[str]) -> QueuePlan:
    """The plan as it came out: what was not done had left the queue in between."""
    kept = set(done)
    missed = tuple(message.queue_id for message in steps.touched if message.queue_id not in kept)
    return replace(steps, touched=tuple(message for message in steps.touched if message.queue_id in kept), gone=(*steps.gone, *missed))
