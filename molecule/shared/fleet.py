# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of `make bench`, which are one relay tier, and runs of playbooks on them with what each took."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host
import images
import yaml
from containers import WORKERS, remove, wait
from lab import BIN, ENVIRONMENT
from steps import CACHE, ROOT, LabError, Steps, in_parallel, run

PREFIX = "mailcluster-bench-"
NETWORK = "mailcluster-bench"
LABEL = "mailcluster.bench"
IMAGE = "trixie"
SUBNET = "10.91.7.0/24"
STATE = CACHE / "bench"
SSH_CONTROL = Path("/run/mailcluster-bench")
# What containers read from /lab: the lab's boot script, and ours.
FOLDER = STATE / "node"
SOURCES = ROOT / "tests" / "bench"
TAIL_LINES = 25

Play = dict[str, Any]
Task = dict[str, Any]


def address(number: int) -> str:
    """The address of node `number`, counted from 1."""
    return f"{SUBNET.rpartition('.')[0]}.{100 + number}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task on a host, or a call of a module: `host` is "controller" for one that stays there. `begun` is time.time()."""

    kind: str
    host: str
    role: str
    task: str
    module: str
    begun: float
    seconds: float
    changed: bool = False


@dataclass(frozen=True)
class Run:
    """One ansible-playbook: its seconds, the memory of its largest process, and what its tasks took."""

    seconds: float
    megabytes: float
    entries: tuple[Entry, ...]
    output: str

    @property
    def calls(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == "call"]

    @property
    def tasks(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == "task"]

    @property
    def task(self) -> Entry:
        """The last task, which most of our plays have only one of."""
        return self.tasks[-1]


def playbook(command: Sequence[str | Path], *, name: str, fails: bool = False) -> Run:
    """Run ansible-playbook with `command`'s words; LabError unless it ends as it shall."""
    record, measured, log = (STATE / f"{name}.{suffix}" for suffix in ("jsonl", "measured", "log"))
    for left in (record, measured):
        left.unlink(missing_ok=True)
    environment = ENVIRONMENT | {
        "ANSIBLE_CALLBACK_PLUGINS": str(SOURCES / "callback_plugins"),
        "MAILCLUSTER_BENCH_RECORD": str(record),
        "MEASURED": str(measured),
        "ANSIBLE_NOCOLOR": "1",
    }
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", SOURCES / "measure.py", BIN / "ansible-playbook", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    text = log.read_text(encoding="utf-8", errors="replace")
    if bool(process.returncode) is not fails:
        print("\n".join(text.splitlines()[-TAIL_LINES:]))
        raise LabError(f"{name}: ansible-playbook ended with {process.returncode}; all of it in {log.relative_to(ROOT)}")
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    took = json.loads(measured.read_text(encoding="ascii"))
    return Run(took["seconds"], took["kilobytes"] / 1024, tuple(Entry(**json.loads(line)) for line in lines), text)


@dataclass
class Fleet:
    """The nodes of a bench while it lasts."""

    size: int

    def play(self, name: str, plays: Sequence[Play], *, nodes: int = 1, changes: bool = False, fails: bool = False, interpreter: str = "") -> Run:
        """Run `plays` on the first `nodes` nodes, as the whole of their cluster. LabError if something changes that shall not, or the reverse."""
        path = STATE / f"{name}.json"
        path.write_text(json.dumps(plays), encoding="utf-8")
        extra = ["-e", f"ansible_python_interpreter={interpreter}"] if interpreter else []
        done = playbook(["-i", inventory(nodes), path, *extra], name=name, fails=fails)
        if not fails and any(task.changed for task in done.tasks) is not changes:
            raise LabError(f"{name}: {'nothing' if changes else 'something'} changed, so that its seconds say nothing")
        return done

    def on(self, number: int, *words: str, data: str | None = None) -> str:
        """The output of a command on a node."""
        return host.podman("exec", "--interactive", f"{PREFIX}{number}", *words, data=data)

    def measured(self, number: int = 1) -> list[dict[str, float]]:
        """What the programs took that ran under measure.py since the last time this was asked, in order."""
        text = self.on(number, "sh", "-c", "touch /run/measured; cat /run/measured; rm /run/measured")
        return [json.loads(line) for line in text.splitlines()]

    def received(self, number: int = 1) -> int:
        """Bytes that a node has received."""
        return int(self.on(number, "cat", "/sys/class/net/eth0/statistics/rx_bytes"))

    def send(self, path: Path, target: str, number: int = 1) -> float:
        """Copy a file to a node in the simplest way there is, and return the seconds."""
        begun = time.monotonic()
        with path.open("rb") as source:
            subprocess.run(["ssh", *_ssh_words(), f"root@{address(number)}", f"cat > {target}"], stdin=source, capture_output=True, check=True)
        return time.monotonic() - begun


def _ssh_words() -> list[str]:
    return [
        f"-i{STATE / 'id_ed25519'}",
        "-oStrictHostKeyChecking=no",
        "-oUserKnownHostsFile=/dev/null",
        "-oLogLevel=ERROR",
        "-oControlMaster=auto",
        "-oControlPersist=300",
        f"-oControlPath={SSH_CONTROL}/plain-%h",
    ]


def inventory(nodes: int) -> Path:
    """A cluster of one region with nothing but a relay tier of `nodes` nodes, reached as the lab's nodes are."""
    shared: Mapping[str, Any] = yaml.safe_load((ROOT / "inventories/single/group_vars/all/lab.yml").read_text(encoding="utf-8"))
    hosts = {f"relay{number}": {"mailcluster_addresses": [address(number)]} for number in range(1, nodes + 1)}
    variables = {name: value for name, value in shared.items() if name.startswith("ansible_")} | {
        "lab_state": str(STATE),
        "ansible_control_path_dir": str(SSH_CONTROL),
        "ansible_python_interpreter": "/usr/bin/python3",
        "mailcluster_domain": "bench.test",
        "mailcluster_regions": [{"name": "main", "networks": [SUBNET]}],
        "mailcluster_accounts": str(STATE / "accounts"),
    }
    path = STATE / f"inventory-{nodes}.json"
    path.write_text(json.dumps({"all": {"vars": variables, "children": {"relay": {"hosts": hosts}, "main": {"hosts": hosts}}}}), encoding="utf-8")
    return path


@contextmanager
def fleet(steps: Steps, size: int) -> Iterator[Fleet]:
    """Nodes for the block; they go afterwards, whatever happens in it, and those of a killed bench go before."""
    host.require()
    images.build(steps, {IMAGE})
    _remove()
    try:
        with steps.step(f"Create {size} node{'s' if size > 1 else ''}"):
            _create(size)
        yield Fleet(size)
    finally:
        with steps.step("Remove the nodes"):
            _remove()


def _create(size: int) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    SSH_CONTROL.mkdir(mode=0o700, exist_ok=True)
    key = STATE / "id_ed25519"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NETWORK, "-f", key])
    for source in (Path(__file__).parent / "node" / "setup", SOURCES / "measure.py", SOURCES / "measured-python3"):
        shutil.copy(source, FOLDER)
    shutil.copy(key.with_suffix(".pub"), FOLDER / "authorized_keys")
    # Nobody answers there, and at once: nothing that is measured shall wait for a name server.
    (FOLDER / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")
    names = range(1, size + 1)
    (FOLDER / "hosts").write_text("".join(f"{address(n)} relay{n}.bench.test relay{n}\n" for n in names), encoding="ascii")
    (STATE / "accounts").write_text("", encoding="ascii")
    host.podman("network", "create", "--disable-dns", f"--label={LABEL}", "--subnet", SUBNET, NETWORK)
    options, init = host.boot_arguments()
    shared = [*options, f"--label={LABEL}", "--dns=none", "--no-hosts", f"--volume={FOLDER}:/lab:ro"]

    def start(number: int) -> None:
        own = [f"--name={PREFIX}{number}", f"--hostname=relay{number}", f"--network={NETWORK}:ip={address(number)}"]
        host.podman("run", "--detach", *shared, *own, f"{images.REPOSITORY}:{IMAGE}", *init)

    in_parallel(start, names, workers=WORKERS)
    wait((f"{PREFIX}{number}", address(number), 22, b"SSH-") for number in names)


def _remove() -> None:
    if SSH_CONTROL.exists():
        for socket in SSH_CONTROL.iterdir():
            with suppress(LabError):
                run(["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "bench"])
        shutil.rmtree(SSH_CONTROL, ignore_errors=True)
    names = host.podman("ps", "--all", f"--filter=label={LABEL}", "--format={{.Names}}").split()
    in_parallel(remove, names, workers=WORKERS)
    if networks := host.podman("network", "ls", "--quiet", f"--filter=label={LABEL}").split():
        host.podman("network", "rm", *networks)
