# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the Postfix instances that the roles make of the example inventories, as their tasks hand them to the engine.

A program of its own: Ansible finds filters of a collection only where nobody has imported the collection before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[2]
SITES = ("lab", "single", "two_regions")
TIERS = ("mx", "submission", "relay")


def instances() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of a case and the engine's variables for every instance of the first host of every tier of every site."""
    init_plugin_loader([str(ROOT / ".cache/collections")])
    loader = DataLoader()
    for site in SITES:
        inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / site)])
        manager = VariableManager(loader=loader, inventory=inventory)
        for tier in TIERS:
            variables: dict[str, Any] = {"ansible_facts": {}}
            for path in (ROOT / "roles" / role / part / "main.yml" for role in ("cluster", "postfix", tier) for part in ("defaults", "vars")):
                if path.exists():
                    variables |= loader.load_from_file(str(path), trusted_as_template=True) or {}
            variables |= manager.get_vars(host=inventory.get_hosts(tier)[0])
            tasks = loader.load_from_file(str(ROOT / "roles" / tier / "tasks/configure.yml"), trusted_as_template=True)
            variables |= tasks[-1]["vars"]
            engine = loader.load_from_file(str(ROOT / "roles/postfix/tasks/configure.yml"), trusted_as_template=True)
            call = next(task["mailcluster.postfix.postfix_instance"] for task in engine if "mailcluster.postfix.postfix_instance" in task)
            wanted = {name: call[name] for name in ("name", "main", "local", "services", "local_services", "tables")}
            for each in Templar(loader=loader, variables=variables).template(variables["mailcluster_tier_instances"])[tier]:
                yield f"{each['name']} of {site}", Templar(loader=loader, variables={**variables, "__each": each}).template(wanted)


json.dump(dict(instances()), sys.stdout)
