# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's driver: images, create, destroy, demo. `make` and the scenarios call it with the virtual environment's Python."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import containers
import images
from inventory import Site, load
from steps import ROOT, LabError, Steps

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(ROOT / ".config" / "ansible.cfg"),
    "PATH": f"{BIN}:{os.environ['PATH']}",
}


def create(steps: Steps, site: Site) -> None:
    """Images and containers of the site."""
    images.build(steps, {node.image for node in site.nodes})
    containers.create(steps, site)


def plain(site: Site) -> Site:
    """The site on hosts as the Debian installer leaves them."""
    return replace(site, nodes=tuple(node if "world" in node.groups else replace(node, image=node.image + images.PLAIN) for node in site.nodes))


def provision(steps: Steps, site: Site) -> None:
    """Containers with everything of the site in them."""
    create(steps, site)
    command: list[str | Path] = [BIN / "ansible-playbook", "mailcluster.postfix.site", "-i", f"inventories/{site.name}"]
    steps.shown("Provision the cluster: ansible-playbook mailcluster.postfix.site", command, env=ENVIRONMENT)


def demo(steps: Steps, site: Site) -> None:
    """Provision the site and prove by real traffic that it is one mail platform."""
    start = time.monotonic()
    provision(steps, site)
    tests: list[str | Path] = [BIN / "pytest", "-q", "--no-header", "-m", "not operation", f"molecule/{site.name}/tests"]
    steps.shown("Prove it by real traffic", tests, env=ENVIRONMENT | {"MAILCLUSTER_INVENTORY": f"inventories/{site.name}"})
    print(f"\n{steps.table()}\n\n{farewell(site)}\n\nThe demo took {time.monotonic() - start:.0f} s.")


def farewell(site: Site) -> str:
    """Where the lab is, who has an account, and what to try next."""
    passwords = json.loads((site.state / "passwords.json").read_text(encoding="utf-8"))
    doors = [f"  {region}: mail.{region}.{site.domains[0]} = {', '.join(vips)}" for region, vips in site.vips.items()]
    accounts = [f"  {address}  password {passwords[address]}  mailbox on {home}" for address, home in site.accounts.items()]
    aliases = [f"  {address}  to {', '.join(targets)}" for address, targets in site.aliases.items()]
    domain, user = site.domains[0], next(iter(site.accounts), "")
    client = f"podman exec {containers.PREFIX}foreign-client"
    node = next(node for node in site.nodes if "mx" in node.groups)
    return "\n".join(
        [
            "Addresses (25 for the world, 465 and 587 with a login, 993 for reading)",
            *doors,
            "Accounts",
            *accounts,
            *aliases,
            "Try next",
            f"  {client} swaks --server mail.{next(iter(site.vips))}.{domain} --from you@foreign.test --to {user}",
            f"  podman exec {containers.PREFIX}{node.name} journalctl -f",
            "  export ANSIBLE_CONFIG=.config/ansible.cfg PATH=$PWD/.cache/venv/bin:$PATH",
            f"  ansible-playbook mailcluster.postfix.site -i inventories/{site.name} --check --diff",
            f"  ansible-playbook mailcluster.postfix.verify -i inventories/{site.name}",
            "  make demo-down",
        ]
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["images", "create", "destroy", "demo"])
    parser.add_argument("--site", default="lab", help="a folder of inventories/")
    parser.add_argument("--plain", action="store_true", help="nodes of the cluster without any package of the roles")
    options = parser.parse_args(arguments)
    steps = Steps()
    os.environ.update(ENVIRONMENT)
    try:
        if options.command == "destroy":
            containers.destroy(steps)
            return 0
        site = load(options.site)
        if options.plain:
            site = plain(site)
        if options.command == "images":
            images.build(steps, {node.image for node in site.nodes})
        elif options.command == "create":
            create(steps, site)
        else:
            demo(steps, site)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
