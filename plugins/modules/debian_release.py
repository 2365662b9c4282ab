# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of this name, which needs no Python on the node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: debian_release
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Learn which release of Debian a node runs
description:
  - Sets the fact C(ansible_facts['distribution_major_version']) as M(ansible.builtin.setup) does, and nothing else, from os-release(5).
  - Nodes that run something else than Debian are refused.
options: {}
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
"""

EXAMPLES = r"""
- name: Learn the Debian release
  mailcluster.postfix.debian_release:
"""

RETURN = r"""
ansible_facts:
  description: The fact.
  returned: success
  type: dict
  contains:
    distribution_major_version:
      description: Major release.
      type: str
      sample: "13"
"""
