# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One booted node per Debian release for the whole session, with the engine in it and everything it may do to Postfix.

A sample unless MAILCLUSTER_FAULTS_WHOLE is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ansible.module_utils
import host
import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WHOLE = bool(os.environ.get("MAILCLUSTER_FAULTS_WHOLE"))
RELEASES = ("bookworm", "trixie") if WHOLE else ("trixie",)
# A run is killed at every so manieth step of its work, and so often at random in each of so many turns.
STRIDE = 1 if WHOLE else 16
KILLS, TURNS = (50, 4) if WHOLE else (10, 1)
ROWS = 1_000_000 if WHOLE else 100_000
LIBRARY = "ansible_collections/mailcluster/postfix/plugins"
BOOT_SECONDS = 60.0


class Box:
    """A container in which systemd has booted, without a network."""

    def __init__(self, release: str, folder: Path) -> None:
        self.release = release
        self.name = f"mailcluster-faults-{release}-{os.getpid()}"
        image = os.environ.get(f"MAILCLUSTER_IMAGE_{release.upper()}", f"localhost/mailcluster-lab:{release}")
        options, init = host.boot_arguments()
        # A copy: whoever edits the code meanwhile changes nothing here.
        library = folder / "lib"
        shutil.copytree(ROOT / "plugins", library / LIBRARY)
        shutil.copytree(Path(ansible.module_utils.__path__[0]), library / "ansible/module_utils")
        (library / "ansible/__init__.py").touch()
        volumes = {library: "/faults/lib", HERE: "/faults/tests", ROOT / "molecule/shared": "/faults/shared"}
        mounts = [f"--volume={source}:{target}:ro" for source, target in volumes.items()]
        host.podman("run", "--detach", f"--name={self.name}", "--network=none", *options, *mounts, image, *init)
        deadline = time.monotonic() + BOOT_SECONDS
        while self.run("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, f"{self.name} does not boot"
            time.sleep(0.2)

    def run(self, *command: str, data: str = "") -> subprocess.CompletedProcess[str]:
        path = f"PYTHONPATH=/faults/lib:/faults/shared:/faults/lib/{LIBRARY}/module_utils"
        words = ["podman", "exec", "--interactive", "--env", path, "--env", "PYTHONDONTWRITEBYTECODE=1", self.name, *command]
        return subprocess.run(words, input=data, env={**os.environ, **host.podman_environment()}, capture_output=True, text=True, check=False)

    def ask(self, script: str, question: Any) -> Any:
        """Run a Python file of this directory there: JSON goes in, JSON comes out."""
        asked = self.run("python3", f"/faults/tests/{script}", data=json.dumps(question))
        assert not asked.returncode, asked.stderr
        return json.loads(asked.stdout)

    def remove(self) -> None:
        host.podman("rm", "--force", "--time=0", "--volumes", self.name)


@pytest.fixture(scope="session", params=RELEASES)
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp(request.param)
    # The lab's own file stays as it is.
    host.STATE = folder
    made = Box(request.param, folder)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def base() -> dict[str, Any]:
    """What every instance of the platform has: parameters and services of the engine role."""
    variables = yaml.safe_load((ROOT / "roles/postfix/vars/main.yml").read_text(encoding="utf-8"))
    return {"main": variables["__postfix_base_main"], "services": variables["__postfix_base_services"]}


TOLD: list[str] = []


def told(box: Box, name: str, seen: Mapping[str, Any]) -> None:
    """Keep the figures of what was seen for the end of the session: how many of each, what is none is left out."""
    counted = {**seen, **seen.get("mail", {}), **seen.get("lookups", {})}
    figures = {key: len(value) if isinstance(value, list) else value for key, value in counted.items() if isinstance(value, list | int | float)}
    TOLD.append(f"{box.release} {name}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items() if value))
    TOLD.extend(f"    {state}" for state in seen.get("states", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how often runs were killed, and what became of the mail."""
    for line in TOLD:
        terminalreporter.write_line(line)
