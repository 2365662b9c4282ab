#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a Postfix instance from configuration generations."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_instance
short_description: Runs a Postfix instance from configuration generations
version_added: "1.0.0"
description:
  - Builds C(main.cf), C(master.cf) and the policy tables of an instance as one generation, named by the digest of
    its content, validates it, activates it by one rename of the symlink C(/etc/<name>), loads it, and probes every listener.
  - When a listener does not serve, the previous generation is put back by stop and start, and the module fails with
    what the log says.
  - Values are checked beyond what C(postconf) and C(postfix check) check, because Postfix accepts a misspelt restriction or a missing
    table and then gives no greeting.
  - The instance runs under C(mailcluster-postfix@<name>.service), which the module installs. Its queue is C(/var/spool/<name>), its data
    directory C(/var/lib/<name>).
  - A run that is killed is finished by the next one.
  - An instance that runs its generation is recognised by one command, without Python on the node.
  - An instance whose queue was taken by another node (M(mailcluster.postfix.postfix_evacuation)) is refused until it is returned.
author:
  - mailcluster contributors (@mailcluster)
options:
  name:
    description: Name of the instance, in lower-case words joined by C(-), such as V(postfix-mx).
    type: str
    required: true
  state:
    description:
      - V(present) runs the instance; V(stopped) keeps its configuration but neither runs nor enables it.
      - V(absent) stops and removes it with its queue, data tables and generations; it refuses while the queue holds mail.
    type: str
    choices: [present, stopped, absent]
    default: present
  main:
    description:
      - Parameters of C(main.cf) that every node of a tier shares, by their Postfix names.
      - Booleans become V(yes) and V(no), lists one member a line; V(null) leaves a parameter at Postfix' default.
    type: dict
    default: {}
  local:
    description: Parameters of this node only. They win over O(main) and have a digest of their own.
    type: dict
    default: {}
  services:
    description:
      - Services of C(master.cf), in order. A later entry of the same service and type replaces an earlier one.
    type: list
    elements: dict
    default: []
    suboptions: &services
      service:
        description: Name, port or address and port.
        type: str
        required: true
      type:
        description: Transport type.
        type: str
        choices: [inet, unix, unix-dgram, fifo, pass]
        required: true
      private:
        description: Field C(private); a boolean or a letter. V(n) for an inet service when absent, else V(-).
        type: raw
      unpriv:
        description: Field C(unpriv).
        type: raw
      chroot:
        description: Field C(chroot); V(n) when absent.
        type: raw
      wakeup:
        description: Field C(wakeup), in seconds, with V(?) behind it or not.
        type: raw
      maxproc:
        description: Field C(maxproc).
        type: raw
      command:
        description: Program in C(daemon_directory).
        type: str
        required: true
      args:
        description: Overrides as a dictionary of parameters, or arguments as a list of strings.
        type: raw
  local_services:
    description:
      - Services of this node only. They win over those of the same service and type and count in the digest of
        O(local).
    type: list
    elements: dict
    default: []
    suboptions: *services
  tables:
    description: Policy tables, which are part of the generation and live in C(/etc/<name>/). No place for secrets.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: File name.
        type: str
        required: true
      type:
        description: Map type, such as V(texthash), V(cidr) or V(pcre).
        type: str
        default: texthash
      content:
        description: Source text.
        type: str
        required: true
  data:
    description:
      - Small data tables, in C(/etc/mailcluster/<name>/data/). They are replaced by rename without a reload and are no part of a generation.
      - Tables that are not named here stay.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: File name.
        type: str
        required: true
      type:
        description: Map type.
        type: str
        default: lmdb
      content:
        description: Source text.
        type: str
      src:
        description: Path of the source text on the node.
        type: path
      mode:
        description: File mode. V(0600) for a secret table, else V(0644).
        type: str
      secret:
        description: Keeps the content out of diffs.
        type: bool
        default: false
      state:
        description: V(absent) removes the table.
        type: str
        choices: [present, absent]
        default: present
  generation:
    description: Goes back to this generation instead of building one; V(previous) is the one proven before the active one.
    type: str
  owner:
    description: Who claims the instance, such as the name of a role. A second claimant is refused.
    type: str
    default: ""
  restart:
    description: >-
      Whether an instance that serves may be restarted when a change needs that. V(drained) refuses it, before anything changes, while the
      balancer of the node has a service that is not drained (M(mailcluster.postfix.haproxy_server)).
    type: str
    choices: [always, drained]
    default: always
  keep:
    description: How many generations stay.
    type: int
    default: 5
  validate:
    description: Validates a new generation before it is activated.
    type: bool
    default: true
  probe:
    description: Probes every listener after a change.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Validates in a temporary directory, also where Postfix is not installed yet, and then says what could not be validated.
  diff_mode:
    support: full
    description: Shows every file of the generation that changes; of a data table of more than 100 kB a few rows, of a secret one none.
"""

EXAMPLES = r"""
- name: Run a relay instance
  mailcluster.postfix.postfix_instance:
    name: postfix-relay
    main:
      mynetworks: ["192.0.2.0/24"]
      smtpd_relay_restrictions: [permit_mynetworks, reject]
    local:
      myhostname: relay1.example.org
    services: "{{ base_services + [{'service': '10125', 'type': 'inet', 'command': 'smtpd'}] }}"

- name: Go back to what ran before
  mailcluster.postfix.postfix_instance:
    name: postfix-relay
    generation: previous
"""

RETURN = r"""
generation:
  description: Name of the active generation (in check mode, of the one that would be).
  returned: when O(state) is not V(absent)
  type: str
  sample: 0f3c9a7b21de-5e884898da28
shared:
  description: Digest of what every node of the tier has on this release.
  returned: when O(state) is not V(absent)
  type: str
local:
  description: Digest of the parameters and services of this node.
  returned: when O(state) is not V(absent)
  type: str
previous:
  description: Name of the generation that was active before the run.
  returned: when O(state) is not V(absent)
  type: str
steps:
  description: What was done, in order.
  returned: always
  type: list
  elements: str
load:
  description: How the configuration was loaded, V(start), V(reload), V(restart), V(stop) or empty.
  returned: when O(state) is not V(absent)
  type: str
reasons:
  description: Why it was loaded like that.
  returned: when O(state) is not V(absent)
  type: list
  elements: str
per_node:
  description: The parameters and services that only this node has.
  returned: when O(state) is not V(absent)
  type: list
  elements: str
  sample: [myhostname, smtp/unix]
deprecated:
  description: >-
    What C(postconf) says, in its words, of parameters that are on their way out, when a generation was validated. One that is unused or
    unknown fails.
  returned: when O(state) is not V(absent)
  type: list
  elements: str
seconds:
  description: Seconds from loading to the end of the probe.
  returned: when O(state) is not V(absent)
  type: float
unvalidated:
  description: What check mode could not validate.
  returned: when O(state) is not V(absent)
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _files, _instance, _serving
from ..module_utils._instance import Report, desired
from ..module_utils._postfix.generation import Generation
from ..module_utils._postfix.instance import Before, InstancePlan, Paths, Wanted, plan, result
from ..module_utils._postfix.lines import ConfigError

_SERVICE = {
    "service": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": ["inet", "unix", "unix-dgram", "fifo", "pass"]},
    "private": {"type": "raw"},
    "unpriv": {"type": "raw"},
    "chroot": {"type": "raw"},
    "wakeup": {"type": "raw"},
    "maxproc": {"type": "raw"},
    "command": {"type": "str", "required": True},
    "args": {"type": "raw"},
}
_TABLE = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "default": "texthash"},
    "content": {"type": "str", "required": True},
}
_DATA = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "default": "lmdb"},
    "content": {"type": "str", "no_log": False},
    "src": {"type": "path"},
    "mode": {"type": "str"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "main": {"type": "dict", "default": {}},
    "local": {"type": "dict", "default": {}},
    "services": {"type": "list", "elements": "dict", "default": [], "options": _SERVICE},
    "local_services": {"type": "list", "elements": "dict", "default": [], "options": _SERVICE},
    "tables": {"type": "list", "elements": "dict", "default": [], "options": _TABLE},
    "data": {"type": "list", "elements": "dict", "default": [], "options": _DATA, "mutually_exclusive": [("content", "src")]},
    "generation": {"type": "str"},
    "owner": {"type": "str", "default": ""},
    "restart": {"type": "str", "choices": ["always", "drained"], "default": "always"},
    "keep": {"type": "int", "default": 5},
    "validate": {"type": "bool", "default": True},
    "probe": {"type": "bool", "default": True},
}


def present(module: AnsibleModule, paths: Paths) -> dict[str, Any]:
    """Bring the instance to ``present`` or ``stopped``."""
    report = Report()
    made, wanted = desired(module.params, paths)
    for entry in module.params["data"]:
        # The result repeats the parameters.
        if entry["secret"] and entry["content"]:
            entry["content"] = "(secret)"
    before = _instance.read(paths, wanted.data)
    steps = plan(paths, before, wanted)
    if steps.interrupts and module.params["restart"] == "drained":
        _serving.refuse_restart(paths.service, steps.reasons)
    if not module.check_mode and (steps.changed or steps.prove):
        with _files.locked(paths.lock):
            # Another run may have been at work until the lock was free: its listeners are ours.
            before = _instance.read(paths, wanted.data)
            steps = plan(paths, before, wanted)
            _validate(module, paths, made, wanted, before, steps, report)
            _instance.apply(paths, before, wanted, steps, made=made, keep=module.params["keep"], probe=module.params["probe"], report=report)
    else:
        _validate(module, paths, made, wanted, before, steps, report)
    for warning in [*report.deprecated, *report.warnings, *report.unvalidated]:
        module.warn(warning)
    return {
        **result(module.params, wanted, before.active, steps),
        "deprecated": report.deprecated,
        "seconds": report.seconds,
        "unvalidated": report.unvalidated,
    }


def _validate(module: AnsibleModule, paths: Paths, made: Generation | None, wanted: Wanted, before: Before, steps: InstancePlan, report: Report) -> None:
    if made is not None and steps.activate and module.params["validate"]:
        _instance.validate(paths, made, wanted.data, before=before, check_mode=module.check_mode, report=report)


def absent(module: AnsibleModule, paths: Paths) -> dict[str, Any]:
    """Remove the instance."""
    changed = _instance.present(paths)
    if changed:
        _instance.refuse_mail(paths)
    if changed and not module.check_mode:
        with _files.locked(paths.lock):
            _instance.remove(paths)
    return {"changed": changed, "steps": [f"remove instance {paths.name}"] if changed else []}


def main() -> None:
    # Parameters hold tables and credentials: none of that belongs in the system log.
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, no_log=True)
    try:
        paths = Paths(module.params["name"])
        _instance.refuse_evacuated(paths)
        told = absent(module, paths) if module.params["state"] == "absent" else present(module, paths)
    except ConfigError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{module.params['name']}: {_files.told(error)}")
    module.exit_json(**told)


if __name__ == "__main__":
    main()
