#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: parameters in, answer out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postconf
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Edit a Postfix configuration in place
description:
  - Changes single parameters and services in a configuration directory that packages or others own, such as
    C(/etc/postfix). Comments, order and every line that is not concerned stay as they are.
  - An instance that belongs to the cluster alone is better described as a whole, by
    M(mailcluster.postfix.postfix_instance).
  - What postconf(1) complains about is not written, and what the unit does not run with is taken back.
  - >-
    Files that hold what is asked already are recognised with one command and without Python on the host; not with O(append) or O(remove), which
    may need a default.
options:
  config_directory:
    description: The configuration directory.
    type: path
    default: /etc/postfix
  main:
    description: Parameters of main.cf and their values - a string, number, boolean or list; null removes the parameter.
    type: dict
    default: {}
  append:
    description: >-
      Parameters that are lists, and the elements that they shall have, too. A list that main.cf does not set starts from its default.
    type: dict
    default: {}
  remove:
    description: Parameters that are lists, and the elements that they shall not have.
    type: dict
    default: {}
  services:
    description: Services of master.cf. What is not given stays as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: Name of the service, its first column.
        type: str
        required: true
      type:
        description: Type of the service.
        type: str
        required: true
        choices: [inet, unix, unix-dgram, fifo, pass]
      state:
        description: >-
          V(disabled) comments the service out; V(enabled) removes the comment, or makes a service that has a O(services[].command).
        type: str
        default: enabled
        choices: [enabled, disabled]
      private:
        description: Whether access is restricted to the mail system; a boolean or a letter of master(5).
        type: raw
      unpriv:
        description: Whether the service runs without root privileges; a boolean or a letter.
        type: raw
      chroot:
        description: Whether the service runs in the queue directory; a boolean or a letter.
        type: raw
      wakeup:
        description: Seconds between wake-ups, with C(?) only when the service is used; C(-) for never.
        type: str
      maxproc:
        description: Largest number of processes; C(-) for the default.
        type: str
      command:
        description: Program of the service.
        type: str
      args:
        description: >-
          Parameters that the service overrides (C(-o)), and their values; null removes an override. Or all arguments of the program, as a
          list of strings.
        type: raw
        default: {}
  unit:
    description: >-
      Systemd unit that runs this configuration. It is enabled and running afterwards, and restarted if it has not loaded the files
      yet, also those of an earlier run that was interrupted.
    type: str
attributes:
  check_mode:
    support: full
    description: Reads, plans and validates.
  diff_mode:
    support: full
    description: Shows the files before and after.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
"""

EXAMPLES = r"""
- name: Let the default instance listen on loopback only, for one more domain
  mailcluster.postfix.postconf:
    main:
      inet_interfaces: loopback-only
      relayhost: null
    append:
      mydestination: [lists.example.org]
    services:
      - {service: smtp, type: unix, chroot: false, args: {smtp_tls_security_level: encrypt}}
      - {service: submission, type: inet, state: disabled}
    unit: postfix.service
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [write main.cf, restart postfix.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._postconf import ARGUMENTS, run_module
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError


def main() -> None:
    """Run, and turn the errors of the domain into a failure."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run_module(module.params, check_mode=module.check_mode))
    except (ConfigError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
