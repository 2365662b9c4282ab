# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of an instance on this node: list it, carry out a plan."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import _commands, _files
from ._commands import Outcome
from ._postfix import main_cf, queue
from ._postfix.instance import Paths
from ._postfix.lines import ConfigError
from ._postfix.queue import Message, QueuePlan

DEFAULT = "postfix"
# A hundred thousand messages take a while.
_TIMEOUT = 600.0
_DOWN = "Mail system is down"


@dataclass(frozen=True)
class Listing:
    """The queue at a time, in seconds since the epoch; ``running`` is false when the files were read without a daemon."""

    messages: tuple[Message, ...] = ()
    running: bool = False
    now: int = 0


def directory(name: str, root: Path = Path("/")) -> Path:
    """Configuration directory of an instance; the default one is named postfix. Raises ConfigError."""
    return root / "etc/postfix" if name == DEFAULT else Paths(name, root).config


def read(config: Path, *, check_mode: bool, warn: Callable[[str], None]) -> Listing:
    """List the queue, of a stopped instance from its files. Raises ConfigError.

    An instance that is not there has no queue; only check mode takes that for an empty one, for an earlier task may be
    about to make it.
    """
    main = _files.read(config / main_cf.FILE)
    if main is None and check_mode:
        warn(f"{config} does not exist yet: its queue counts as empty")
        return Listing(now=int(time.time()))
    if main is None:
        raise ConfigError("there is no such instance", file=str(config / main_cf.FILE))
    outcome = _commands.run("postqueue", "-c", str(config), "-j", timeout=_TIMEOUT)
    running = _DOWN not in outcome.stderr
    if outcome.rc and not (not running and _never_started(config)):
        raise ConfigError(outcome.text)
    empty_address = main_cf.parameters(main).get("empty_address_recipient") or "MAILER-DAEMON"
    return Listing(tuple(queue.parse(outcome.stdout, empty_address=empty_address)), running, int(time.time()))


def _never_started(config: Path) -> bool:
    """Whether the queue lacks the directories that the first start makes, on which showq(8) dies, and holds no mail."""
    place = Path(_commands.run("postconf", "-c", str(config), "-hx", "queue_directory").stdout.strip())
    there = [place / name for name in queue.QUEUES if (place / name).is_dir()]
    return len(there) < len(queue.QUEUES) and not any(names for path in there for _directory, _subdirectories, names in os.walk(path))


def apply(config: Path, steps: QueuePlan) -> tuple[QueuePlan, str]:
    """Carry out a plan; return what came out, and what went wrong if not all of it was done."""
    planned = [message.queue_id for message in steps.touched]
    done: set[str] = set()
    for command, ids in queue.commands(str(config), steps):
        outcome = _feed(command, ids) if ids else _commands.run(*command)
        done |= queue.reported(steps.action, outcome.stderr) if ids else set()
        if outcome.rc:
            return queue.left(steps, done), outcome.text
        # flush(8) does not say whether the message was still there.
        done |= set() if ids else set(planned) if steps.whole else {command[-1]}
    return queue.left(steps, done), ""


def _feed(command: tuple[str, ...], text: str) -> Outcome:
    """Run a program that reads ``text``: an id on the command line could be ALL."""
    environment = {**os.environ, "PATH": _commands.PATH, "LC_ALL": "C"}
    environment.pop("MAIL_CONFIG", None)
    try:
        done = subprocess.run(command, input=text, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=_TIMEOUT, check=False)
    except FileNotFoundError:
        return Outcome(127, "", f"{command[0]} is not installed")
    except subprocess.TimeoutExpired as error:
        said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode("utf-8", "replace")
        return Outcome(124, "", f"{said}{command[0]} did not end within {_TIMEOUT:.0f} s")
    return Outcome(done.returncode, done.stdout, done.stderr)
