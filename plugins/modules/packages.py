# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Install Debian packages whose daemons a role starts
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Installs the packages that are missing, without what they only recommend, with M(ansible.builtin.apt). Lists of packages that are older
    than a day are fetched before.
  - Where dpkg says that all of them are there, that is known by one command and without Python on the host.
  - One of these packages that had come along with another is marked as wanted, by apt, which does not call that a change.
  - A daemon that comes with a package is not started before a role configures it; what no role configures starts at the next boot, unless it is
    disabled. Nor is a daemon restarted that apt upgrades on the way, which the playbook C(rollout) with C(rollout_upgrade) is for.
  - Defaults of a play for M(ansible.builtin.apt) do not reach it.
options:
  name:
    description: Names of the packages.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Predicts what would be installed; where a package is missing, or had come along with another, this needs C(python3-apt) on the host.
    support: full
  diff_mode:
    description: Shows what apt says of the packages that are missing.
    support: full
"""

EXAMPLES = r"""
- name: Install what two roles need with one call
  mailcluster.postfix.packages:
    name: "{{ ['haproxy', 'keepalived'] | mailcluster.postfix.role_packages('13') }}"
"""

RETURN = r"""
stdout:
  description: What apt said.
  returned: when a package was missing
  type: str
"""
