# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps with their seconds: what `make` shows while it works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
LOGS = CACHE / "logs"
TAIL_LINES = 40

Item = TypeVar("Item")


class LabError(Exception):
    """What is wrong, in one line for the person at the terminal."""


def run(command: Sequence[str | Path], *, data: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """The standard output of `command`; LabError with its last words when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input="" if data is None else data,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{error.filename}: command not found (make setup installs it)") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{Path(str(command[0])).name} {command[1] if command[1:] else ''}: {words[-1] if words else done.returncode}")
    return done.stdout


def in_parallel(work: Callable[[Item], None], items: Sequence[Item], *, workers: int) -> None:
    """Do `work` on all items, a few at a time; the first failure is raised after the others ended."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for future in [pool.submit(work, item) for item in items]:
            future.result()


@dataclass
class Steps:
    """The steps of one `make` target: announced, timed, remembered for the closing table."""

    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce `title`, time the block, and say how long it took."""
        print(f"==> {title}", flush=True)
        start = time.monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            took = time.monotonic() - start
            self.seconds[title] = self.seconds.get(title, 0.0) + took
            print(f"    {title}: {outcome} in {took:.1f} s", flush=True)

    def logged(self, title: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        """Run a talkative command with its output in a log; the log's end is shown when it fails."""
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{''.join(c if c.isalnum() else '-' for c in title.lower())}.log"
        with self.step(title):
            with log.open("w", encoding="utf-8") as output:
                code = _call(command, env, output.fileno(), cwd)
            if code:
                print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]))
                raise LabError(f"{title}: exit {code}; all of it in {log.relative_to(ROOT)}")

    def shown(self, title: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        """Run a command whose own output is the progress."""
        with self.step(title):
            code = _call(command, env, None, cwd)
            if code:
                raise LabError(f"{title}: exit {code}")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Remember a failure instead of ending the run: the other steps still have something to say."""
        try:
            yield
        except LabError as error:
            print(f"    {error}", flush=True)
            self.failures.append(str(error))

    def table(self) -> str:
        """Where the time went, the longest step first."""
        total = sum(self.seconds.values()) or 1.0
        ordered = sorted(self.seconds.items(), key=lambda row: -row[1])
        lines = [f"{took:8.1f} s {100 * took / total:4.0f} %  {title}" for title, took in ordered]
        return "\n".join(["where the time went", *lines, f"{total:8.1f} s        all"])


def _call(command: Sequence[str | Path], env: Mapping[str, str] | None, output: int | None, cwd: Path = ROOT) -> int:
    words = [str(word) for word in command]
    sys.stdout.flush()
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(env or {})}, cwd=cwd
    ) as process:
        return process.wait()
