# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's networks and containers: made from a site's plan, removed by their label."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import host
import world
from images import MIRROR, REPOSITORY
from inventory import Node, Site
from steps import LabError, Steps, in_parallel

PREFIX = "mailcluster-lab-"
LABEL = "mailcluster.lab.site"
CONFIG_LABEL = "mailcluster.lab.config"
SSH_CONTROL = Path("/run/mailcluster-lab")
SSH_DEADLINE = 60.0
# Several podmans at once wait for one lock; more than this gains nothing.
WORKERS = 2 * (os.cpu_count() or 1)


def create(steps: Steps, site: Site) -> None:
    """Bring the lab of `site` up; what is already right stays."""
    host.require()
    if (other := site_of_present()) not in (None, site.name):
        print(f"==> The lab of the site {other} makes room: there is one lab at a time", flush=True)
    with steps.step(f"Prepare keys, accounts and zones of the site {site.name}"):
        world.make_keys(site)
        world.make_accounts(site)
        _fill_node_folder(site)
        world.make_zones(site)
    with steps.step(f"Create {len(site.nodes)} containers"):
        host.raise_inotify()
        wanted = {PREFIX + node.name: _run_arguments(site, node) for node in site.nodes}
        present = _present()
        stale = [name for name, config in present.items() if name not in wanted or _digest(wanted[name]) != config]
        in_parallel(remove, stale, workers=WORKERS)
        _make_networks(site)
        host.exempt_from_masquerade(site.prefixes)
        missing = [name for name in wanted if name not in present or name in stale]
        in_parallel(lambda name: _start(name, wanted[name]), missing, workers=WORKERS)
        for network in site.networks:
            host.keep_bridge_address(PREFIX + network)
        if (name := PREFIX + site.name_server.name) not in missing:
            host.podman("exec", name, "sh", "/lab/dns")
    with steps.step("Wait for SSH and DNS"):
        # DNS says nothing until it is asked.
        ports = [(PREFIX + node.name, node.addresses[0], 22, b"SSH-") for node in site.nodes]
        wait([*ports, (PREFIX + site.name_server.name, site.name_server.addresses[0], 53, b"")])


def destroy(steps: Steps) -> None:
    """Remove every container, network and rule of the lab, and nothing else."""
    with steps.step("Remove the containers, networks and rules of the lab"):
        in_parallel(remove, list(_present()), workers=WORKERS)
        networks = host.podman("network", "ls", "--quiet", f"--filter=label={LABEL}").split()
        if networks:
            host.podman("network", "rm", *networks)
        host.remove_exemption()
        host.restore_inotify()
        shutil.rmtree(SSH_CONTROL, ignore_errors=True)


def site_of_present() -> str | None:
    """The site whose lab is up, if any."""
    listed = json.loads(host.podman("ps", "--all", f"--filter=label={LABEL}", "--format=json") or "[]")
    return listed[0]["Labels"][LABEL] if listed else None


def _present() -> dict[str, str]:
    """Container name -> digest of the configuration it was made with; empty for one that does not run."""
    listed = json.loads(host.podman("ps", "--all", f"--filter=label={LABEL}", "--format=json") or "[]")
    return {c["Names"][0]: c["Labels"].get(CONFIG_LABEL, "") if c["State"] == "running" else "" for c in listed}


def remove(name: str) -> None:
    host.podman("rm", "--force", "--time=0", "--volumes", name)


def _start(name: str, arguments: list[str]) -> None:
    host.podman("run", "--detach", f"--name={name}", f"--label={CONFIG_LABEL}={_digest(arguments)}", *arguments)


def _digest(arguments: list[str]) -> str:
    return hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:16]


def _run_arguments(site: Site, node: Node) -> list[str]:
    """All of `podman run` that describes the node, the name apart."""
    options, init = host.boot_arguments()
    addresses = ",".join(f"ip={address}" for address in node.addresses)
    image = host.podman("image", "inspect", "--format={{.Id}}", f"{REPOSITORY}:{node.image}").strip()
    return [
        *options,
        f"--label={LABEL}={site.name}",
        f"--hostname={node.name}",
        f"--network={PREFIX}{site.network_of(node)}:{addresses}",
        # A role may replace /etc/resolv.conf by rename, which a bind mount refuses.
        "--dns=none",
        "--no-hosts",
        # /proc/sys is read-only inside: what keepalived's standby and haproxy need is set here.
        "--sysctl=net.ipv4.ip_nonlocal_bind=1",
        "--sysctl=net.ipv6.ip_nonlocal_bind=1",
        f"--volume={site.state / 'node'}:/lab:ro",
        image,
        *init,
    ]


def _make_networks(site: Site) -> None:
    listed = json.loads(host.podman("network", "ls", "--format=json", f"--filter=label={LABEL}") or "[]")
    present = {network["name"]: {subnet["subnet"] for subnet in network["subnets"]} for network in listed}
    for other in present.keys() - {PREFIX + name for name in site.networks}:
        host.podman("network", "rm", other)
    for name, prefixes in site.networks.items():
        network = PREFIX + name
        if present.get(network) == set(prefixes):
            continue
        if network in present:
            host.podman("network", "rm", "--force", network)
        subnets = [word for prefix in prefixes for word in ("--subnet", prefix)]
        dual_stack = ["--ipv6"] if any(":" in prefix for prefix in prefixes) else []
        host.podman("network", "create", "--disable-dns", f"--label={LABEL}={site.name}", *dual_stack, *subnets, network)


def _fill_node_folder(site: Site) -> None:
    """What every container reads from /lab: the boot scripts, the SSH key, the hosts."""
    folder = site.state / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for script in (Path(__file__).parent / "node").iterdir():
        shutil.copy(script, folder / script.name)
    shutil.copy(site.state / "id_ed25519.pub", folder / "authorized_keys")
    (folder / "resolv.conf").write_text(f"nameserver {site.name_server.addresses[0]}\n", encoding="ascii")
    rows = [f"{address} {node.hostname} {node.name}\n" for node in site.nodes for address in node.addresses]
    # Plain nodes install packages, and the lab's DNS knows no mirror.
    mirror = urlsplit(MIRROR).hostname or ""
    with suppress(OSError):
        rows.append(f"{socket.gethostbyname(mirror)} {mirror} mirror\n")
    (folder / "hosts").write_text("".join(rows), encoding="ascii")


def wait(ports: Iterable[tuple[str, str, int, bytes]]) -> None:
    """Until every container, of name, address, port and the beginning of its greeting, answers there."""
    deadline = time.monotonic() + SSH_DEADLINE
    for name, address, port, greeting in ports:
        while not _answers(address, port, greeting):
            if time.monotonic() > deadline:
                raise LabError(f"{name}: no answer on {address} port {port}; look with: podman exec {name} journalctl")
            time.sleep(0.2)


def _answers(address: str, port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return not greeting or connection.recv(len(greeting)) == greeting
    except OSError:
        return False
