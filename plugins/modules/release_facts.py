# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_facts
short_description: Learn the release of Debian
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Learns the one fact that the roles of this collection read, with one command and without Python on the host.
  - Where C(/etc/os-release) does not tell, M(ansible.builtin.setup) is asked.
attributes:
  check_mode:
    description: Runs as usual in check mode; it never changes anything.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
  facts:
    description: Returns C(ansible_facts).
    support: full
"""

EXAMPLES = r"""
- name: Learn the Debian release
  mailcluster.postfix.release_facts:
"""

RETURN = r"""
ansible_facts:
  description: Facts of the host.
  returned: always
  type: dict
  contains:
    distribution_major_version:
      description: The release, a number.
      returned: always
      type: str
      sample: "13"
"""
