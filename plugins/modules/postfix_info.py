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
  - Reads the instances that the module M(mailcluster.postfix.postfix_instance) made. Their digests are computed from the
    content of the files, of the active generation and of the one that C(master) has loaded, never from a stored name.
  - The filter P(mailcluster.postfix.postfix_report#filter) judges the results of all nodes together.
options:
  names:
    description: Instances to read. Without it, every instance of the node.
    type: list
    elements: str
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
"""

EXAMPLES = r"""
- name: Read the Postfix instances
  mailcluster.postfix.postfix_info:
  register: postfix
"""

RETURN = r"""
release:
  description: Major release of Debian.
  returned: always
  type: str
  sample: "13"
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
      description: Digest, from the files, of what all nodes of the tier have on this release.
      type: str
    local:
      description: Digest, from the files, of the parameters and services of this node.
      type: str
    loaded_shared:
      description: The shared digest of what C(master) has loaded, empty when that generation is gone.
      type: str
    loaded_local:
      description: The local digest of what C(master) has loaded.
      type: str
    main:
      description: The shared parameters of C(main.cf).
      type: dict
    services:
      description: The shared services of C(master.cf), each as one text.
      type: dict
    tables:
      description: The policy tables, each as one text.
      type: dict
    generations:
      description: Generations on disk, the one proven last first.
      type: list
      elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _files, _instance
from ..module_utils._postfix.instance import Paths
from ..module_utils._postfix.lines import ConfigError
from ..module_utils._postfix.report import describe


def found(root: Path = Path("/")) -> list[str]:
    """Names of the instances on this node."""
    return sorted(path.parent.name for path in root.glob("etc/mailcluster/*/generations"))


def release(root: Path = Path("/")) -> str:
    """Major release of Debian (os-release(5))."""
    lines = (_files.read(root / "etc/os-release") or "").splitlines()
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_ID=")), "")


def instance(name: str) -> dict[str, Any]:
    paths = Paths(name)
    return describe(name, _instance.read(paths, []), _instance.history(paths))


def main() -> None:
    module = AnsibleModule(argument_spec={"names": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True)
    try:
        instances = [instance(name) for name in module.params["names"] or found()]
    except (ConfigError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, release=release(), instances=instances)


if __name__ == "__main__":
    main()
