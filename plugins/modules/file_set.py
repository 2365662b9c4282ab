#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: files on one side, the pure plan on the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Publish all files of a daemon as one change, and run it with them
description:
  - Writes a whole set of files with one call, and only after the daemon's own checker has accepted
    a copy of its configuration directory with the new files in it.
  - Each file is replaced by rename. Secret files show in a diff that they change, not what they hold.
  - Files of the set that are no longer declared are removed.
  - >-
    With O(unit), the daemon is then enabled and started, reloaded or restarted, whichever the files ask for. What a run
    that was killed in between has left undone is seen by the times of the files, and is a change of the next run.
  - What it published is recorded, without secrets, so that M(mailcluster.postfix.file_set_info) can tell what was edited since.
  - A node on which nothing is to be done is recognised by digests, with one command and without Python.
options:
  root:
    description: The daemon's configuration directory; relative paths are below it, and it is what gets checked. No two sets have the same.
    type: path
    required: true
  files:
    description: The files that have to be there.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute, or relative to O(root). Missing directories are made, mode 0755.
        type: str
        required: true
      content:
        description: The text of the file. One of this and O(files[].secret).
        type: str
      secret:
        description: The text of a file that must not be shown.
        type: str
      owner:
        description: Owner of the file.
        type: str
        default: root
      group:
        description: Group of the file.
        type: str
        default: root
      mode:
        description: Mode of the file, as an octal string.
        type: str
        default: '0644'
  owned:
    description: >-
      Globs, absolute or relative to O(root), of files that belong to the set: what matches and is not
      in O(files) is removed.
    type: list
    elements: str
    default: []
  validate:
    description: >-
      Command, without a shell, that must succeed before anything changes. C(%s) stands for a copy of O(root)
      with the new files; paths below O(root) in the new files point into the copy.
    type: str
  unit:
    description: The systemd unit that reads the files.
    type: str
  unit_state:
    description: >-
      V(started) enables O(unit) and sees that it runs with the files; V(stopped) stops and disables it, if there is one.
    type: str
    choices: [started, stopped]
    default: started
  read_at_start:
    description: >-
      Globs, absolute or relative to O(root), of files that O(unit) reads only when it starts. They ask for a restart,
      all others for a reload. V(/*) means all.
    type: list
    elements: str
    default: []
  restart:
    description: >-
      Whether O(unit) may be restarted, while it runs, for a file that it reads only then. V(drained) refuses it, before anything changes,
      while the balancer of the node has a service that is not drained (M(mailcluster.postfix.haproxy_server)).
    type: str
    choices: [always, drained]
    default: always
  also_read:
    description: >-
      Absolute paths of files that O(unit) reads and something else publishes, such as certificates. In check mode,
      nothing is validated while one of them is missing.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
    description: Validates as well, unless the checker or a file of O(also_read) is not there yet.
  diff_mode:
    support: full
    description: Shows everything but secrets.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
"""

EXAMPLES = r"""
- name: Configure rspamd
  mailcluster.postfix.file_set:
    root: /etc/rspamd
    files:
      - path: override.d/greylist.conf
        content: "timeout = 300;\n"
      - path: override.d/redis.conf
        secret: "{{ redis_section }}"
        group: _rspamd
        mode: "0640"
    owned: [override.d/*.conf, override.d/*.inc]
    validate: rspamadm --var=CONFDIR=%s --var=LOCAL_CONFDIR=%s --var=DBDIR=%s configtest -s -c %s/rspamd.conf
    unit: rspamd.service

- name: Configure HAProxy, which reads its environment only when it starts
  mailcluster.postfix.file_set:
    root: /etc/haproxy
    files:
      - path: haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
      - path: /etc/default/haproxy
        secret: "VALKEY_PASSWORD={{ valkey_password }}\n"
        mode: "0600"
    validate: haproxy -c -f %s/haproxy.cfg
    unit: haproxy.service
    read_at_start: [/etc/default/haproxy]
    also_read: [/etc/ssl/private/www.pem]
"""

RETURN = r"""
changed_files:
  description: Paths of the files that were written or removed.
  returned: always
  type: list
  elements: str
  sample: [/etc/rspamd/override.d/greylist.conf]
unit_steps:
  description: What systemctl did, or would do in check mode.
  returned: always
  type: list
  elements: str
  sample: [daemon-reload, enable, reload]
"""

import glob
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _node_files, _serving
from ansible_collections.mailcluster.postfix.plugins.module_utils._file_set import ARGUMENTS, File, Published, Step, Wanted, diff, plan, relocate
from ansible_collections.mailcluster.postfix.plugins.module_utils._node_files import FileSetError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError


def _validate(module: AnsibleModule, command: str, root: str, steps: list[Step], desired: Mapping[str, File]) -> None:
    """Run the checker on a copy of C(root) as it would be."""
    words = shlex.split(command)
    with tempfile.TemporaryDirectory() as scratch:
        candidate = os.path.join(scratch, os.path.basename(root))
        if os.path.isdir(root):
            shutil.copytree(root, candidate, symlinks=True)
        for path, file in desired.items():
            if (place := relocate(path, root, candidate)) != path:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "wb") as stream:
                    stream.write(relocate(file.content, root, candidate).encode("utf-8", "surrogateescape"))
        for place in (relocate(step.path, root, candidate) for step in steps if step.after is None):
            if place.startswith(f"{candidate}/"):
                os.unlink(place)
        outcome = _commands.run(*(word.replace("%s", candidate) for word in words))
        # The command, or what it starts, is not there: a host that has no packages yet.
        if outcome.rc and not (module.check_mode and outcome.rc == 127):
            said = relocate(f"{outcome.stderr}\n{outcome.stdout}", candidate, root).strip()
            raise FileSetError(f"{words[0]} refuses the new configuration, nothing was changed: {said}")


def _unit_steps(wanted: Wanted, steps: list[Step]) -> list[str]:
    """Return what the unit still has to do, by what systemd and the times of its files say."""
    return _node_files.unit_steps(
        wanted.unit,
        {step.path for step in steps},
        {*wanted.files, *wanted.also_read},
        read_at_start=wanted.read_at_start,
        stopped=wanted.stopped,
    )


def run(module: AnsibleModule) -> dict[str, object]:
    """Publish the set and return the module's result."""
    wanted = Wanted.of(module.params)
    root, desired = wanted.root, wanted.files
    before = {path: found for path in desired for found in [_node_files.read(path)] if found is not None}
    owned = [path for pattern in wanted.owned for path in glob.glob(pattern)]
    steps = plan(before, desired, owned)
    known = not module.check_mode or all(map(os.path.exists, wanted.also_read))
    if steps and module.params["validate"] and known:
        _validate(module, module.params["validate"], root, steps, desired)
    unit_steps = _unit_steps(wanted, steps) if wanted.unit else []
    if steps and "restart" in unit_steps and module.params["restart"] == "drained":
        _serving.refuse_restart(wanted.unit, [step.path for step in steps])

    if not module.check_mode:
        if steps:
            _node_files.keep(root, steps, wanted.unit, wanted.read_at_start)
        _node_files.publish(steps, desired, Published.of(root, desired))
        for verb in unit_steps:
            _node_files.systemctl(verb, wanted.unit)
    return {
        "changed": bool(steps or unit_steps),
        "changed_files": [step.path for step in steps],
        "unit_steps": unit_steps,
        "diff": [entry for step in steps for entry in diff(step)],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module)
    except (FileSetError, ConfigError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
