# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine the lab runs on: what it can do, and the few things the lab asks of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from steps import CACHE, LabError, run

STATE = CACHE / "lab"
CGROUP = Path("/sys/fs/cgroup")
CAP_SYS_RESOURCE = 24
# The firewall's name for what the lab adds to it.
NFT_TABLE = "mailcluster_lab"
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_NEEDED = 1024
COMMANDS = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    # What netavark up to 1.11 calls, and does not depend on.
    "iptables": "iptables",
    "ssh": "openssh-client",
    "openssl": "openssl",
}


def cgroup_version() -> int:
    """2 on a unified hierarchy, 1 on a legacy or hybrid one."""
    return 2 if (CGROUP / "cgroup.controllers").exists() else 1


@contextmanager
def weighed_containers(sessions: int) -> Iterator[None]:
    """All containers together, one group to the kernel, weigh as much on the CPU as so many sessions of this machine (sched(7), autogroups)."""
    group, weight = ("cpu/libpod_parent/cpu.shares", 1024) if cgroup_version() == 1 else ("libpod_parent/cpu.weight", 100)
    file = CGROUP / group
    if not file.exists():
        print(f"    {file} is missing: Ansible takes the CPU from the nodes", flush=True)
        yield
        return
    file.write_text(str(weight * sessions), encoding="ascii")
    try:
        yield
    finally:
        file.write_text(str(weight), encoding="ascii")


def may_raise_limits() -> bool:
    """Whether this process holds CAP_SYS_RESOURCE (capabilities(7))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_RESOURCE & 1)


def missing_packages() -> list[str]:
    """The Debian packages the lab still needs on this machine."""
    packages = [package for command, package in COMMANDS.items() if not shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]
    if not any(Path(folder, "netavark").exists() for folder in ("/usr/lib/podman", "/usr/libexec/podman")):
        packages.append("netavark")
    return packages


def require() -> None:
    """LabError when the lab cannot run here; says what is missing."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root (networks, packet filter, mmdebstrap): run it as root or under sudo")
    if missing := missing_packages():
        raise LabError(f"missing on this machine: {' '.join(missing)} (make setup installs them)")
    if not CGROUP.is_dir():
        raise LabError("no cgroups under /sys/fs/cgroup: systemd cannot boot in a container here")


@cache
def podman_environment() -> dict[str, str]:
    """Environment for podman: the lab's own containers.conf, so that the machine's stays as it is."""
    STATE.mkdir(parents=True, exist_ok=True)
    containers_conf = STATE / "containers.conf"
    # Without CAP_SYS_RESOURCE podman's own default limits cannot be set.
    limits = "" if may_raise_limits() else 'default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
    # crun refuses a hybrid cgroup host; runc boots under all three.
    containers_conf.write_text(
        f'[containers]\npids_limit = 0\n{limits}[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
        encoding="utf-8",
    )
    return {"CONTAINERS_CONF": str(containers_conf), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


def podman(*words: str | Path, data: str | None = None) -> str:
    """The output of a podman command under the lab's configuration."""
    return run(["podman", *words], data=data, env=podman_environment())


def boot_arguments() -> tuple[list[str], list[str]]:
    """What `podman run` and systemd need so that systemd boots under this machine's cgroups."""
    options = ["--systemd=always", "--cap-add=NET_ADMIN,NET_RAW,NET_BROADCAST,SYS_ADMIN"]
    if cgroup_version() == 2:
        return options, ["/sbin/init"]
    return [*options, "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"], ["/sbin/init", "systemd.unified_cgroup_hierarchy=0"]


def raise_inotify() -> None:
    """Let two dozen systemds run; `restore_inotify` puts the old value back."""
    now = int(INOTIFY.read_text(encoding="ascii"))
    if now < INOTIFY_NEEDED:
        (STATE / "inotify").write_text(f"{now}\n", encoding="ascii")
        INOTIFY.write_text(f"{INOTIFY_NEEDED}\n", encoding="ascii")


def restore_inotify() -> None:
    """Undo `raise_inotify`."""
    saved = STATE / "inotify"
    if saved.exists():
        INOTIFY.write_text(saved.read_text(encoding="ascii"), encoding="ascii")
        saved.unlink()


def exempt_from_masquerade(prefixes: list[str]) -> None:
    """Let the lab's networks see each other's real addresses.

    Podman masquerades between two of its networks. A source translation to the address it already has ends
    the search in the nat hook before podman's chain is asked, whether that one is iptables' or nftables'.
    """
    tables = []
    for family, separator in (("ip", "."), ("ip6", ":")):
        members = ", ".join(prefix for prefix in prefixes if separator in prefix)
        if members:
            tables.append(
                f"table {family} {NFT_TABLE} {{\n  chain postrouting {{\n"
                f"    type nat hook postrouting priority srcnat - 10;\n"
                f"    {family} saddr {{ {members} }} {family} daddr {{ {members} }} snat to {family} saddr\n  }}\n}}\n"
            )
    remove_exemption()
    run(["nft", "-f", "-"], data="".join(tables))


def remove_exemption() -> None:
    """Undo `exempt_from_masquerade`."""
    # `add` first: `delete` of what is not there is an error.
    run(["nft", "-f", "-"], data="".join(f"add table {f} {NFT_TABLE}\ndelete table {f} {NFT_TABLE}\n" for f in ("ip", "ip6")))


def keep_bridge_address(network: str) -> None:
    """Let a bridge keep its MAC address when a container goes: else it takes the lowest of the others, and IPv6 hangs until all have noticed."""
    bridge = podman("network", "inspect", "--format={{.NetworkInterface}}", network).strip()
    address = Path("/sys/class/net") / bridge / "address"
    if address.exists():
        run(["ip", "link", "set", "dev", bridge, "address", address.read_text(encoding="ascii").strip()])
