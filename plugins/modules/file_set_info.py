#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: what is recorded of the file sets of a node on one side, the files on the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set_info
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell which published files were edited since
description:
  - The module M(mailcluster.postfix.file_set) records on the node what it published. This one compares the files with that. Changes nothing.
  - Of secrets only digests are recorded, and only that they differ is told.
  - What has not been published since the collection records it is not known; the next run of the role records it.
attributes:
  check_mode:
    support: full
    description: Does the same in check mode.
  diff_mode:
    support: N/A
    description: Changes nothing; what was edited is in RV(edits).
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
seealso:
  - module: mailcluster.postfix.file_set
  - module: mailcluster.postfix.file_set_previous
"""

EXAMPLES = r"""
- name: Ask what was edited by hand
  mailcluster.postfix.file_set_info:
  register: published

- name: Refuse it
  ansible.builtin.assert:
    that: published.edits | length == 0
    fail_msg: "{{ published.edits | map(attribute='diff') | join }}"
"""

RETURN = r"""
sets:
  description: The directories of the sets that are recorded.
  returned: always
  type: list
  elements: str
  sample: [/etc/haproxy]
edits:
  description: The files that are not as they were published.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    what:
      description: What differs, C(content), C(owner and mode) or both; C(missing) when it is not there.
      type: list
      elements: str
    diff:
      description: A unified diff, empty for a missing file.
      type: str
  sample:
    - path: /etc/haproxy/haproxy.cfg
      what: [content]
      diff: "--- published: /etc/haproxy/haproxy.cfg\n+++ found: /etc/haproxy/haproxy.cfg\n@@ -9 +9 @@\n-  maxconn 2000\n+  maxconn 20\n"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils import _node_files
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import told_edit


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        sets = _node_files.recorded()
        edits = [edit for each in sets for edit in each.edits(_node_files.present(each.files))]
    except (_node_files.FileSetError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, sets=[each.root for each in sets], edits=[told_edit(edit) for edit in edits])


if __name__ == "__main__":
    main()
