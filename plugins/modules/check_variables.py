# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action that runs on the controller only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Refuse misspelt, missing and wrong variables before anything changes
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Judges the variables of a host by the specifications of the roles of this collection, on the controller and without
    a connection.
  - An argument specification does not refuse a misspelt variable. A name that is unknown, but within two edits of a
    known one, is refused here.
  - Reports everything at once, each error on a line that names variable, host and reason. The value of a secret is
    never shown.
options:
  roles:
    description:
      - Roles of the host. Their required variables must be set, all values must match the specification, and the
        assertions of their C(check) entry points must hold, except those that are made once for all hosts.
      - Without roles only the names of variables are judged.
    type: list
    elements: str
    default: []
  strict:
    description: Refuse every unknown variable that has the prefix of a role of this collection.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs as usual in check mode; it never changes anything.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
"""

EXAMPLES = r"""
- name: Refuse misspelt, missing and wrong variables
  mailcluster.postfix.check_variables:
    roles: [mx, haproxy]
    strict: "{{ mailcluster_strict }}"
"""

RETURN = r"""
errors:
  description: Lines that name variable, host and reason.
  returned: always
  type: list
  elements: str
  sample: ["mx_mian (mx1): is no variable of the collection; did you mean mx_main?"]
consequences:
  description:
    - Defaults and assertions that cannot be evaluated, when there are no errors.
    - The reason lies in another variable, most often of another host. They do not make the task fail, so that the checks
      across the hosts can name that one; what is left after them must be refused.
  returned: always
  type: list
  elements: str
"""
