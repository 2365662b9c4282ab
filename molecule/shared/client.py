# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk from inside a lab container: the collection's own mail client, sent there as one bounded process per call.

    python3 molecule/shared/client.py foreign-client '[{"address": "10.91.1.10", "port": 25, "sender": "a@foreign.test",
                                                        "recipients": ["alice@example.test"], "message": "Subject: hi\n\nhi"}]'

Probes never run on the host: a packet for a lab address whose network is gone would leave the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from host import podman, podman_environment

CONTAINER_PREFIX = "mailcluster-lab-"
CORE = Path(__file__).resolve().parents[2] / "plugins/module_utils/_mail_client.py"

# The request arrives on standard input: secrets stay out of the list of processes.
BOOTSTRAP = """
import json, signal, sys, types
order = json.load(sys.stdin)
signal.alarm(order["seconds"])
for name, source in [*order["modules"].items(), ("core", order["source"])]:
    core = sys.modules[name] = types.ModuleType(name)
    core.__file__ = "/" + name
    exec(compile(source, name, "exec"), core.__dict__)
json.dump(getattr(core, order["function"])(*order["arguments"]), sys.stdout)
"""


class ProbeError(Exception):
    """The probe itself could not run; what a server answered is never an exception."""


def podman_exec(node: str, *command: str, data: str = "", seconds: int = 60) -> str:
    """The standard output of a command inside a container of the lab."""
    return _run(node, ["podman", "exec", "-i", CONTAINER_PREFIX + node], command, data, seconds)


def _run(node: str, inside: Sequence[str], command: Sequence[str], data: str, seconds: int) -> str:
    environment = os.environ | podman_environment()
    try:
        done = subprocess.run([*inside, *command], input=data, env=environment, capture_output=True, text=True, timeout=seconds + 10, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"{node}: {command[0]} took longer than {seconds} s") from error
    if done.returncode:
        raise ProbeError(f"{node}: {' '.join(command).splitlines()[0][:200]}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def run_python(node: str, source: str, function: str, *arguments: Any, seconds: int = 60, modules: Mapping[str, str] | None = None) -> Any:
    """`function(*arguments)` of the module text `source`, run by the container's python3; everything is plain data.

    `modules` are texts that `source` imports by these names.
    """
    order = _order(source, function, arguments, seconds, modules or {})
    return json.loads(podman_exec(node, "python3", "-c", BOOTSTRAP, data=order, seconds=seconds))


def _order(source: str, function: str, arguments: Sequence[Any], seconds: int, modules: Mapping[str, str]) -> str:
    return json.dumps({"source": source, "function": function, "arguments": arguments, "seconds": seconds, "modules": modules})


def look_at(nodes: Sequence[str], source: str, function: str, *, seconds: int = 20) -> dict[str, Any]:
    """Node -> what `function()` of the module text `source` says there, or the ProbeError why not; frozen nodes are not to be looked at.

    By nsenter(1): an eighth of what as many `podman exec` take, and nothing of it on the nodes' own share of the CPU.
    """
    order = _order(source, function, (), seconds, {})
    pids = podman("inspect", "--format={{.State.Pid}}", *(CONTAINER_PREFIX + node for node in nodes)).split()

    def look(node: str, pid: str) -> Any:
        # Nothing of this machine's environment. The pid of a dead container is 0.
        inside = ["nsenter", "--all", f"--target={pid}", "env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        try:
            return json.loads(_run(node, inside, ["python3", "-c", BOOTSTRAP], order, seconds))
        except (ProbeError, ValueError) as error:
            return ProbeError(str(error))

    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(nodes, pool.map(look, nodes, pids), strict=True))


def converse_all(node: str, requests: Sequence[dict[str, Any]], *, seconds: int = 60) -> list[dict[str, Any]]:
    """Conversations side by side from a container; shapes as in `_mail_client.converse`."""
    answers: list[dict[str, Any]] = run_python(node, CORE.read_text(), "converse_all", list(requests), seconds=seconds)
    return answers


def open_ports(node: str, addresses: Sequence[str], ports: Sequence[int]) -> set[tuple[str, int]]:
    """The pairs of address and port that take a connection from a container."""
    return {(str(address), int(port)) for address, port in run_python(node, CORE.read_text(), "open_ports", list(addresses), list(ports))}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        json.dump(converse_all(sys.argv[1], json.loads(sys.argv[2])), sys.stdout, indent=2)
    except ProbeError as error:
        sys.exit(str(error))
