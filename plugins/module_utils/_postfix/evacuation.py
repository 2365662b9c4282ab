# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of a node on its way to another one: who may deliver it at which step. Pure.

A queue has one owner at any time. It is taken out of the reach of its own Postfix before it is copied, and the copy gets a
Postfix only after the node has written down that it was handed over. Killed in between, nobody delivers it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .._plan import Plan
from .lines import ConfigError

MESSAGES = ("maildrop", "incoming", "active", "deferred", "hold")
# What bounce(8) knows of them, under the same names.
LOGS = ("bounce", "defer", "trace")
# What Postfix has given up reading stays, and so does what flush(8) makes again.
MOVED = (*MESSAGES, *LOGS)

FENCED, HANDED_OVER = "fenced", "handed over"
OWNER = "mailcluster.postfix.evacuate"
MANIFEST = "evacuation.json"
_INFIX = "-evacuated-"
# hash_queue_depth(5): one character a level. Names as in mail_queue_id_ok() of Postfix.
_FILE = re.compile(rf"({'|'.join(MOVED)})/(?:[0-9A-Za-z]/)*[0-9A-Za-z]{{6,}}\Z")
_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, kw_only=True)
class Evacuation:
    """What is written down beside a queue; ``id`` is of one evacuation of one instance, ``packed`` the messages in its archive."""

    id: str
    node: str
    instance: str
    to: str
    stage: str = FENCED
    packed: int | None = None

    @property
    def temporary(self) -> str:
        """The instance that delivers it on the other node."""
        return temporary(self.instance, self.node)


def temporary(instance: str, node: str) -> str:
    """Name of the instance that delivers what ``instance`` of ``node`` had in its queue."""
    return f"{instance}{_INFIX}{re.sub('[^a-z0-9]+', '-', node.lower()).strip('-')}"


def model(instance: str) -> str:
    """Name of the instance whose configuration delivers such mail: of one that is temporary itself, the first."""
    return instance.partition(_INFIX)[0]


def parse(text: str | None, *, file: str) -> Evacuation | None:
    """Read what is written beside a queue. Raises ConfigError: what nobody can read, nobody may deliver."""
    if text is None:
        return None
    try:
        entry = Evacuation(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ConfigError("does not tell of an evacuation", file=file) from error
    if not _ID.match(entry.id) or entry.stage not in (FENCED, HANDED_OVER):
        raise ConfigError("does not tell of an evacuation", file=file)
    return entry


def render(entry: Evacuation) -> str:
    return json.dumps(asdict(entry), indent=1) + "\n"


def queue_of(path: str) -> str:
    """The queue of a file, by its path below a queue directory. Raises ConfigError for what Postfix gives no name to."""
    found = _FILE.match(path)
    if not found:
        raise ConfigError("is no file of a queue", file=path)
    return found.group(1)


def complete(mode: int) -> bool:
    """Whether Postfix has taken responsibility for a queue file: before, it lacks the x bit (MAIL_QUEUE_STAT_READY)."""
    return bool(mode & 0o100)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A queue on its node, or on the disk of a dead one.

    ``present`` counts messages by queue in its place, ``aside`` in those that were moved out of Postfix' reach.
    ``masked`` is None where there is no systemd to tell.
    """

    instance: str
    marker: Evacuation | None = None
    running: bool = False
    masked: bool | None = False
    present: Mapping[str, int] = field(default_factory=dict)
    aside: Mapping[str, int] = field(default_factory=dict)

    @property
    def messages(self) -> dict[str, int]:
        """By queue, wherever they are."""
        return {name: self.present.get(name, 0) + self.aside.get(name, 0) for name in MESSAGES}

    @property
    def fresh(self) -> int:
        """Messages that came after the queue had been moved."""
        moved = set(MESSAGES) if self.marker and self.marker.stage == HANDED_OVER else set(self.aside)
        return sum(count for name, count in self.present.items() if name in moved and name in MESSAGES)


@dataclass(frozen=True)
class SourcePlan(Plan):
    """What to do to a queue on its node, in this order."""

    mark: Evacuation | None = None
    stop: bool = False
    mask: bool = False
    move: tuple[str, ...] = ()
    put_back: tuple[str, ...] = ()
    discard: bool = False
    unmask: bool = False
    resume: bool = False


def fence(source: Source, *, node: str, to: str, name: str) -> SourcePlan:
    """Take the queue out of the reach of its own Postfix, for ``to`` alone; ``name`` is the id if it is new. Raises ConfigError."""
    marker = source.marker
    if marker and to and marker.to != to:
        raise ConfigError(f"its queue goes to {marker.to}; into {to} too, it would be delivered twice", subject=source.instance)
    again = source.running and (bool(source.aside) or bool(marker and marker.stage == HANDED_OVER))
    if marker and (again or source.fresh):
        what = f"it has {source.fresh} new messages" if source.fresh else "it runs again"
        raise ConfigError(f"its queue went to {marker.to}, and {what}: take it back into service first", subject=source.instance)
    if marker and marker.stage == HANDED_OVER:
        return SourcePlan()
    if not marker and not source.present:
        raise ConfigError("there is no queue of such an instance", subject=source.instance)
    move = tuple(name for name in source.present if name not in source.aside)
    steps = [
        *([f"reserve the queue for {to or 'another node'}"] if not marker else []),
        *(["stop the instance"] if source.running else []),
        *(["mask its unit"] if source.masked is False else []),
        *([f"move {_counted(source)} out of its reach"] if move else []),
    ]
    return SourcePlan(
        steps=tuple(f"{source.instance}: {step}" for step in steps),
        mark=None if marker else Evacuation(id=name, node=node, instance=source.instance, to=to),
        stop=source.running,
        mask=source.masked is False,
        move=move,
    )


def _counted(source: Source) -> str:
    return _number(sum(source.messages.values()))


def _number(messages: int) -> str:
    return f"{messages} message{'s' if messages != 1 else ''}"


def _refuse_late(source: Source, packed: int, done: str) -> int:
    """Count what is aside, unless a sendmail(1) that was still writing has finished one that nobody packed. Raises ConfigError."""
    aside = sum(source.aside.get(name, 0) for name in MESSAGES)
    if aside > packed:
        verb = "were" if aside - packed > 1 else "was"
        raise ConfigError(f"{_number(aside - packed)} {verb} finished after it had been {done}", subject=source.instance)
    return aside


def hand_over(source: Source) -> SourcePlan:
    """Write down that the copy is complete, and the only one. Raises ConfigError."""
    if source.marker is None:
        raise ConfigError("is not being evacuated", subject=source.instance)
    if source.marker.stage == HANDED_OVER:
        return SourcePlan()
    packed = _refuse_late(source, source.marker.packed or 0, "packed: run this again")
    return SourcePlan(
        steps=(f"{source.instance}: hand the queue over to {source.marker.to}",),
        mark=replace(source.marker, stage=HANDED_OVER, packed=packed),
    )


def give_back(source: Source) -> SourcePlan:
    """Let the instance run again: with its queue if that was not handed over, else with an empty one. Raises ConfigError."""
    marker = source.marker
    handed = marker is not None and marker.stage == HANDED_OVER
    if marker and handed and marker.packed is not None:
        _refuse_late(source, marker.packed, "handed over: take it out of evacuated/maildrop, run this again, and put it into maildrop once Postfix runs")
    steps = [
        *([f"put {_counted(source)} back"] if marker and not handed else []),
        *([f"remove what was handed over to {marker.to}"] if marker and handed else []),
        *(["unmask its unit"] if source.masked else []),
    ]
    return SourcePlan(
        steps=tuple(f"{source.instance}: {step}" for step in steps),
        put_back=() if handed else tuple(source.aside),
        discard=marker is not None,
        unmask=bool(source.masked),
        resume=source.running,
    )


def manifest(entries: Sequence[tuple[Evacuation, int]]) -> str:
    """The first member of an archive: whose queues are in it, and how many files of each."""
    return json.dumps({"evacuations": [{**asdict(entry), "files": files} for entry, files in entries]})


def from_manifest(text: str) -> list[tuple[Evacuation, int]]:
    """Read it. Raises ConfigError."""
    try:
        found: list[dict[str, Any]] = json.loads(text)["evacuations"]
        return [(Evacuation(**{key: value for key, value in entry.items() if key != "files"}), int(entry["files"])) for entry in found]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError("does not begin with what is in it", file=MANIFEST) from error


def to_receive(entry: Evacuation, here: Evacuation | None, *, exists: bool, delivered: bool) -> bool:
    """Whether a queue is to be unpacked, which one may have been before, but not delivered. Raises ConfigError when another one is in its place."""
    if here is not None and here.id == entry.id:
        return not delivered
    if here is not None or exists:
        what = "still holds what an earlier evacuation brought" if here is not None else "exists and was not received"
        remedy = "let it empty first"
        if here is not None and not delivered:
            what, remedy = f"{what}, and nothing delivers it", f"remove it if {here.node} took its mail back"
        raise ConfigError(f"{what}: {remedy}, or choose another node", subject=entry.temporary)
    return True
