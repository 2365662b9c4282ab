#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: the kernel's table on one side, a file of rules on the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_table
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Make the kernel filter packets by a file of rules
description:
  - Loads a file that replaces one nftables table in one transaction, and tells whether the kernel had other rules before.
  - Rules that somebody added to or removed from the table by hand are a change. Other tables are left alone.
  - A table that the kernel has already is recognised by a rehearsal in a network namespace of its own, without Python on the host.
options:
  name:
    description: Name of the table, of the family C(inet).
    type: str
    required: true
  path:
    description: The file on the host.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: >-
      Loads the file in a network namespace of its own to know what the kernel would have. Where the host forbids that,
      a table that is loaded is taken for the right one.
  diff_mode:
    support: full
    description: Shows the rules as the kernel lists them.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
"""

EXAMPLES = r"""
- name: Load the rules
  mailcluster.postfix.nftables_table:
    name: mailcluster
    path: /etc/mailcluster/firewall/rules.nft
"""

RETURN = r"""
loaded:
  description: Whether the kernel had the table before.
  returned: always
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._firewall import REHEARSAL, TABLE_ARGUMENTS


class NftablesError(Exception):
    """What nft(8) has against the file."""


def _listing(module: AnsibleModule, name: str) -> str:
    """Return the table as the kernel has it, without counters; empty when it has none."""
    if module.get_bin_path("nft") is None:
        return ""
    rc, out, _err = module.run_command(["nft", "-s", "list", "table", "inet", name])
    return "" if rc else str(out)


def _rehearse(module: AnsibleModule, name: str, path: str, before: str) -> str:
    """Return what the kernel would list; without a file or a namespace, something that differs only from no table."""
    if module.get_bin_path("nft") and os.path.exists(path):
        rc, out, _err = module.run_command(["unshare", "--net", "sh", "-c", REHEARSAL, name, path])
        if rc == 0:
            return str(out)
    return before or f"table inet {name}\n"


def _load(module: AnsibleModule, name: str, path: str) -> str:
    rc, out, err = module.run_command(["nft", "-f", path])
    if rc:
        raise NftablesError(f"nft refuses {path}, the kernel keeps the rules it had: {(err or out).strip()}")
    return _listing(module, name)


def run(module: AnsibleModule) -> dict[str, object]:
    """Load the file and return the module's result."""
    name, path = module.params["name"], module.params["path"]
    before = _listing(module, name)
    after = _rehearse(module, name, path, before) if module.check_mode else _load(module, name, path)
    return {
        "changed": before != after,
        "loaded": bool(before),
        "diff": {"before_header": f"table inet {name}", "after_header": f"table inet {name}", "before": before, "after": after},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=TABLE_ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module)
    except NftablesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
