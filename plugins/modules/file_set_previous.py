#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: what was kept of the file sets of a node on one side, the files on the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set_previous
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell what the last change of each file set was, and put it back
description:
  - The module M(mailcluster.postfix.file_set) keeps on the node what the files of a set were before its last change. This one shows
    these changes, or undoes them and lets the daemons read their old files.
  - >-
    Secrets are not kept, nor is anything of a change that concerned one, nor what a set has removed because it was declared no more; such
    files stay as they are and are named in RV(withheld).
options:
  seconds:
    description: How far back to look; a set that changed before that is left alone.
    type: float
    required: true
  restore:
    description: Whether to put the files back, the last change first.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in check mode and returns what would change.
  diff_mode:
    support: full
    description: Shows what is put back; without O(restore) see RV(changes).
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
seealso:
  - module: mailcluster.postfix.file_set
"""

EXAMPLES = r"""
- name: See what the last hour changed in the configuration of daemons
  mailcluster.postfix.file_set_previous:
    seconds: 3600
  register: previous

- name: Undo it
  mailcluster.postfix.file_set_previous:
    seconds: 3600
    restore: true
"""

RETURN = r"""
changes:
  description: What the changes were, as entries of a diff; secrets show only that they changed.
  returned: always
  type: list
  elements: dict
sets:
  description: The directories of the sets, the last changed first.
  returned: always
  type: list
  elements: str
  sample: [/etc/haproxy]
withheld:
  description: Files of these sets that cannot be put back.
  returned: always
  type: list
  elements: str
  sample: [/etc/default/haproxy]
unit_steps:
  description: What systemctl did, or would do in check mode for what is known then.
  returned: with O(restore)
  type: list
  elements: str
  sample: [reload haproxy.service]
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils import _node_files
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import Step, diff
from ansible_collections.mailcluster.postfix.plugins.module_utils._node_files import FileSetError


def main() -> None:
    module = AnsibleModule(
        argument_spec={"seconds": {"type": "float", "required": True}, "restore": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    restore = module.params["restore"]
    try:
        kept = list(_node_files.kept_since(time.time() - module.params["seconds"]))
        steps = {each.root: each.steps_back(_node_files.present(each.files)) for each in kept}
        done: list[str] = []
        if restore and not module.check_mode:
            done = [f"{verb} {each.unit}" for each in kept for verb in _node_files.put_back(each, steps[each.root])]
    except (FileSetError, OSError) as error:
        module.fail_json(msg=str(error))
    back = [step for each in kept for step in steps[each.root]]
    module.exit_json(
        changed=restore and bool(back),
        changes=[entry for step in back for entry in diff(Step(step.path, step.after, step.before))],
        sets=[each.root for each in kept],
        withheld=[path for each in kept for path in each.withheld],
        **({"unit_steps": done, "diff": [entry for step in back for entry in diff(step)]} if restore else {}),
    )


if __name__ == "__main__":
    main()
