#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: reads every instance, changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_info
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Tell which configuration the Postfix instances of a node have and run
description:
  - Reads the instances of the node - those that the module M(mailcluster.postfix.postfix_instance) made, the default one in
    C(/etc/postfix), and what that lists in C(multi_instance_directories).
  - Digests are computed from the content of the files and of what C(master) has loaded, never from a stored name.
  - What it returns as C(variables) are options of M(mailcluster.postfix.postfix_instance), M(mailcluster.postfix.postconf) and
    M(mailcluster.postfix.postmap). In an inventory, they adopt a running server without a change.
  - The filter P(mailcluster.postfix.postfix_report#filter) judges the results of all nodes together.
options:
  names:
    description: >-
      Instances to read; V(postfix) is the default one. Without it, every instance of the node; one that cannot be read is then left
      out with a warning.
    type: list
    elements: str
    default: []
  defaults:
    description: Whether C(parameters) shall have every parameter of Postfix.
    type: bool
    default: false
  content:
    description: Whether C(variables) shall have the rows of data tables, too, unless they are credentials.
    type: bool
    default: false
  rows:
    description:
      - Up to how many rows of a table C(tables) shall name its keys, each with a mark that differs where the value differs. V(0) names none.
    type: int
    default: 0
  packages:
    description: Debian packages whose versions are asked for, too.
    type: list
    elements: str
    default: []
  files:
    description: Paths of files whose digests are asked for, too, such as certificates.
    type: list
    elements: path
    default: []
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
notes:
  - A main.cf that holds passwords, such as in C(static:), shows them here as it shows them to every user of the node.
  - In a file of variables, a value that holds C({{) needs C(!unsafe), else Ansible takes it for an expression.
seealso:
  - module: mailcluster.postfix.postqueue_info
"""

EXAMPLES = r"""
- name: Read all Postfix instances
  mailcluster.postfix.postfix_info:
  register: postfix

# Adopt a server that somebody configured by hand: its configuration becomes variables of the host ...
- name: Read the default instance
  mailcluster.postfix.postfix_info:
    names: [postfix]
  register: adopted

- name: Write it to the inventory
  ansible.builtin.copy:
    content: "{{ {'adopted_postfix': adopted.instances[0].variables} | to_nice_yaml(sort_keys=false) }}"
    dest: "{{ inventory_dir }}/host_vars/{{ inventory_hostname }}/adopted_postfix.yml"
    mode: "0600"
  delegate_to: localhost

# ... which from now on keep it as it is, and are the place to change it.
- name: Keep the tables compiled
  mailcluster.postfix.postmap:
    tables: "{{ adopted_postfix.data }}"

- name: Keep the configuration
  mailcluster.postfix.postconf:
    main: "{{ adopted_postfix.main }}"
    services: "{{ adopted_postfix.services }}"
    unit: postfix.service

# Or an instance of its own takes over from the default one once that is stopped. Queue, data directory and the name in the
# log are its own; a data table stays where it is, so write /etc/postfix where a value has $config_directory.
- name: Run the same configuration from generations
  mailcluster.postfix.postfix_instance:
    name: postfix-mx
    main: "{{ adopted_postfix.main }}"
    local: "{{ adopted_postfix.local }}"
    services: "{{ adopted_postfix.services }}"
    tables: "{{ adopted_postfix.tables }}"
"""

RETURN = r"""
release:
  description: Major release of Debian.
  returned: always
  type: str
  sample: "13"
version:
  description: Version of Postfix, empty where it is not installed.
  returned: always
  type: str
  sample: 3.10.5
packages:
  description: Version of each of O(packages) that is installed.
  returned: always
  type: dict
  sample: {postfix: 3.10.5-1+deb13u1}
files:
  description: SHA-256 of each of O(files), empty where it does not exist.
  returned: always
  type: dict
instances:
  description: The instances, by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance.
      type: str
    owner:
      description: The role that made it.
      type: str
    config_directory:
      description: Its configuration directory.
      type: str
      sample: /etc/postfix
    managed:
      description: Whether it runs from generations; the default instance never does.
      type: bool
    evacuated:
      description: Whether its mail was taken by another node, so that it must not run.
      type: bool
    active:
      description: Name of the active generation, empty without one.
      type: str
    loaded:
      description: Name of the generation that was loaded last.
      type: str
    running:
      description: Whether its C(master) runs.
      type: bool
    enabled:
      description: Whether its service is enabled.
      type: bool
    proven:
      description: Whether a probe has seen the active generation serving.
      type: bool
    shared:
      description: Digest, from the files, of what all nodes of the tier have on this release; of main.cf and master.cf without generations.
      type: str
    local:
      description: Digest, from the files, of the parameters and services of this node.
      type: str
    loaded_shared:
      description: >-
        The shared digest of what C(master) has loaded, empty when that is unknown. Without generations it is known while the files are
        older than the last start or reload.
      type: str
    loaded_local:
      description: The local digest of what C(master) has loaded.
      type: str
    parameters:
      description: Effective parameters that differ from Postfix' default; with O(defaults) all.
      type: dict
    queues:
      description: Number of messages in each queue, counted in the queue directory.
      type: dict
      sample: {maildrop: 0, incoming: 0, active: 0, deferred: 3, hold: 0, corrupt: 0}
    tables:
      description: The tables in files that the configuration names, and those of defaults that are there.
      type: list
      elements: dict
      contains:
        path:
          description: Path of the source.
          type: str
          sample: /etc/postfix/virtual
        type:
          description: Map type.
          type: str
          sample: hash
        parameters:
          description: What refers to it, behind the service that overrides it.
          type: list
          elements: str
          sample: [virtual_alias_maps, "submission/inet: smtpd_sender_login_maps"]
        cache:
          description: Whether a daemon makes and fills it.
          type: bool
        entries:
          description: Number of rows of the source; null without one, and where the source describes a connection.
          type: int
        digest:
          description: SHA-256 of the source, empty without one.
          type: str
        compiled:
          description: Whether its compiled file is there and not older; null where there is none.
          type: bool
        rows:
          description: Its keys, each with a mark of its value; null where there are more than O(rows).
          type: dict
    generations:
      description: Generations on disk, the one proven last first.
      type: list
      elements: str
    variables:
      description: The instance as options of other modules.
      type: dict
      contains:
        main:
          description: What C(main.cf) sets, of an instance with generations what its tier shares.
          type: dict
        local:
          description: What it sets for this node only.
          type: dict
        services:
          description: Services of C(master.cf), with every field, of an instance with generations those that its tier shares.
          type: list
          elements: dict
        local_services:
          description: Services of this node only.
          type: list
          elements: dict
        tables:
          description: Policy tables, which are part of a generation.
          type: list
          elements: dict
        data:
          description: >-
            All other tables that have a source, as elements of the option C(tables) of M(mailcluster.postfix.postmap). Without C(content),
            their rows are what lies on the node.
          type: list
          elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _info
from ..module_utils._postfix.lines import ConfigError

ARGUMENTS: dict[str, dict[str, Any]] = {
    "names": {"type": "list", "elements": "str", "default": []},
    "defaults": {"type": "bool", "default": False},
    "content": {"type": "bool", "default": False},
    "rows": {"type": "int", "default": 0},
    "packages": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "path", "default": []},
}


def main() -> None:
    """Read, answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = {name: module.params[name] for name in ("defaults", "content", "rows")}
    defaults, instances = _info.node_defaults(), []
    for name in module.params["names"] or _info.found():
        try:
            instances.append(_info.instance(name, all_defaults=defaults, **wanted))
        except (ConfigError, OSError) as error:
            if module.params["names"]:
                module.fail_json(msg=f"{name}: {error}")
            module.warn(f"{name}: {error}")
    module.exit_json(
        changed=False,
        release=_info.release(),
        version=defaults.get("mail_version", ""),
        packages=_info.packages(module.params["packages"]),
        files=_info.file_digests(module.params["files"]),
        instances=instances,
    )


if __name__ == "__main__":
    main()
