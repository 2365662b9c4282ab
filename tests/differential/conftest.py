# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container per Debian release for the whole session; the tables of the unit ring are at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import host
import pytest
import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "unit/plugins/module_utils" / folder) for folder in ("_postfix", ".")]
IMAGES = {
    "bookworm": os.environ.get("MAILCLUSTER_IMAGE_BOOKWORM", "localhost/mailcluster-lab:bookworm"),
    "trixie": os.environ.get("MAILCLUSTER_IMAGE_TRIXIE", "localhost/mailcluster-lab:trixie"),
}
BOOT_SECONDS = 60.0


class Container:
    """A container without a network, in which programs of a release are asked."""

    def __init__(self, image: str, *, options: Sequence[str] = (), init: Sequence[str] = ("sleep", "900")) -> None:
        self.name = host.podman("run", "--detach", "--rm", "--network", "none", *options, image, *init).strip()

    def ask(self, script: str, question: Any) -> Any:
        """Run a Python file of this directory there: JSON goes in, JSON comes out."""
        program = (HERE / script).read_text(encoding="utf-8")
        return json.loads(host.podman("exec", "--interactive", self.name, "python3", "-c", program, data=json.dumps(question)))

    def remove(self) -> None:
        host.podman("rm", "--force", "--time", "0", self.name)


class Machine(Container):
    """A container in which systemd has booted, and which plays reach by ``podman exec``."""

    def __init__(self, image: str, folder: Path) -> None:
        options, init = host.boot_arguments()
        super().__init__(image, options=options, init=init)
        self.inventory = folder / "inventory"
        (self.inventory / "host_vars/server").mkdir(parents=True)
        (self.inventory / "hosts").write_text(f"server ansible_connection=containers.podman.podman ansible_host={self.name}\n", encoding="utf-8")
        self.playbook = folder / "play.yml"
        deadline = time.monotonic() + BOOT_SECONDS
        while self.run("systemctl", "is-system-running") not in ("running", "degraded"):
            assert time.monotonic() < deadline, "the container does not boot"
            time.sleep(0.2)

    def run(self, *command: str) -> str:
        """What a program prints there, whatever it returns."""
        words = ["podman", "exec", self.name, *command]
        done = subprocess.run(words, env={**os.environ, **host.podman_environment()}, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def play(self, *tasks: Mapping[str, Any], options: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Run tasks with the variables of the inventory, and return the result of each; a failure is one of them."""
        ignoring = [{"ignore_errors": True, **task} for task in tasks]
        self.playbook.write_text(yaml.safe_dump([{"hosts": "server", "gather_facts": False, "tasks": ignoring}], sort_keys=False), encoding="utf-8")
        environment = {
            **os.environ,
            **host.podman_environment(),
            "ANSIBLE_CONFIG": str(HERE.parents[1] / ".config/ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.inventory), *options, str(self.playbook)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        return [task["hosts"]["server"] for task in json.loads(done.stdout)["plays"][0]["tasks"] if "server" in task["hosts"]]


@pytest.fixture(scope="session", params=sorted(IMAGES))
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(IMAGES[request.param], tmp_path_factory.mktemp(request.param))
    yield made
    made.remove()


@pytest.fixture(scope="session", params=sorted(IMAGES))
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    made = Container(IMAGES[request.param])
    yield made
    made.remove()
