#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's side of the publication of data tables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postmap
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Publish lookup tables
description:
  - Publishes a list of tables in one call. What they hold is compared by digest, and only tables that differ
    are sent to the node; when none does, the task is one module call.
  - A table is written and compiled aside, asked for its first and last row, and renamed into place, so that no
    reader ever meets a missing or half table and nothing has to be reloaded. The source stays beside the
    compiled file.
  - Sources of compiled tables are sorted and lose their comments; a key that occurs twice is an error.
  - Of a file of more than 64 kB, the controller reads no row. It tells the node the digest of the file, and sends it, compressed, unless
    the source on the node was made of it. The node then checks its rows and sorts them, in check mode, too. Neither side keeps the rows
    in memory. A file that is encrypted by Ansible Vault, or has patterns or networks, is read on the controller.
  - A compiled file of another type beside a table is removed unless a configuration on the node still names it.
  - The tables are given in O(tables), or follow from the accounts of a cluster with O(accounts). With O(migrate), those of a
    configuration that others own change their type.
options:
  tables:
    description: The tables.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: >-
          Path of the source on the node. The compiled file has the suffix of its type. Without O(tables[].content) and O(tables[].src), the
          rows are those that lie there, and the source stays as it is.
        type: path
        required: true
      type:
        description:
          - Map type; V(plain) for a file that is no Postfix table, such as a Dovecot passwd-file.
          - A million rows were V(lmdb) of a sorted source after 1.7 s and 110 MiB of memory, V(cdb) after 3.6 s and 15 MiB, which then
            answered three times as many lookups a second. Of the two, only V(lmdb) can be a cache.
          - The source of V(ldap), V(memcache), V(mongodb), V(mysql), V(pgsql) or V(sqlite) says how to reach a server or file. It
            is secret, and published if the server answers a lookup.
        type: str
        default: lmdb
        choices: [lmdb, cdb, hash, btree, dbm, sdbm, texthash, cidr, regexp, pcre, ldap, memcache, mongodb, mysql, pgsql, sqlite, plain]
      content:
        description: The rows. This and O(tables[].src) exclude each other.
        type: str
      src:
        description: File on the controller with the rows; it may be encrypted by Ansible Vault.
        type: path
      owner:
        description: Owner of source and compiled file.
        type: str
        default: root
      group:
        description: Group of source and compiled file; V(postfix) for a source that says how to reach a server, else V(root), when absent.
        type: str
      mode:
        description: Mode of source and compiled file, an octal string; V(0640), for a secret table V(0600), when absent.
        type: str
      aliases:
        description: Whether the rows are aliases(5), which postalias(1) compiles.
        type: bool
        default: false
      probe:
        description: Key that a table of patterns or a server is asked for; it need not be there.
        type: str
        default: postmaster@localhost
      secret:
        description: Whether the rows are credentials, which no diff shows.
        type: bool
        default: false
  accounts:
    description: The tables that a node of a cluster needs, derived from the accounts and aliases of the site.
    type: dict
    suboptions:
      accounts:
        description: The accounts file on the controller, one C(address:home:hash) a line; it may be encrypted.
        type: path
        required: true
      aliases:
        description: A Postfix virtual(5) source on the controller; empty for none.
        type: str
        default: ""
      domains:
        description: The mail domains of the site.
        type: list
        elements: str
        required: true
      members:
        description: Nodes of the mailbox tier with C(name) and C(address), as of the filter C(cluster_members); other tiers may be there, too.
        type: dict
        required: true
      ports:
        description: The port map of the cluster; its entries C(lmtp), C(imap) and C(internal) are read.
        type: dict
        required: true
      node:
        description: Name of the node.
        type: str
        required: true
      tiers:
        description: All tiers of the node.
        type: list
        elements: str
        required: true
      publish:
        description: Tiers whose tables are to be published now; all tiers of the node when absent.
        type: list
        elements: str
      directories:
        description: Data directories of the Postfix instances of the tiers V(mx), V(relay) and V(submission), a list each.
        type: dict
        default: {}
  migrate:
    description:
      - Gives the V(hash) and V(btree) tables of a configuration another type, without a moment in which one is missing. Each is compiled
        beside the old one and must say the same of every key; then main.cf and master.cf name it, the unit is restarted with them, or
        has them taken back, and the old files go. Sources stay as they are.
      - Covers overrides in master.cf, aliases, defaults of Postfix that name such tables, and C(default_database_type).
      - Caches, such as those of C(postscreen_cache_map), C(smtp_tls_session_cache_database) and C(address_verify_map), become V(lmdb) and
        start empty. Clients of postscreen are tested again, TLS sessions and verified addresses are made anew.
    type: dict
    suboptions:
      config_directory:
        description: The configuration directory.
        type: path
        default: /etc/postfix
      type:
        description: The new type.
        type: str
        default: lmdb
        choices: [lmdb, cdb]
      unit:
        description: Systemd unit that runs the configuration. Without it, nothing is loaded, and the old files stay.
        type: str
  bundle:
    description: Set by the action plugin, contents of the tables.
    type: str
  bundle_path:
    description: Set by the action plugin, file on the node with the contents of the tables.
    type: path
  wanted:
    description: Set by the action plugin, the tables without their contents.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: Compares, and changes nothing.
  diff_mode:
    support: full
    description: Shows numbers of rows and the first ten rows that come and go, never those of secret tables.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13.
"""

EXAMPLES = r"""
- name: Publish the transports and the credentials of the smarthost
  mailcluster.postfix.postmap:
    tables:
      - path: /etc/mailcluster/postfix-relay/data/transport
        src: transport
      - path: /etc/mailcluster/postfix-relay/data/sasl_passwords
        content: "[smtp.example.org]:587 relay:{{ smarthost_password }}\n"
        secret: true

- name: Look recipients up in a database
  mailcluster.postfix.postmap:
    tables:
      - path: /etc/mailcluster/postfix-mx/data/recipients.cf
        type: pgsql
        content: |
          hosts = db.example.org
          dbname = mail
          user = postfix
          password = {{ database_password }}
          query = SELECT 'ok' FROM recipients WHERE address = '%s'
        probe: postmaster@example.org

- name: Keep a table compiled whose source others write
  mailcluster.postfix.postmap:
    tables:
      - {path: /etc/aliases, aliases: true, mode: "0644"}

- name: Move the default instance off Berkeley DB
  mailcluster.postfix.postmap:
    migrate:
      unit: postfix.service

- name: Publish every data table of the node
  mailcluster.postfix.postmap:
    accounts:
      accounts: "{{ mailcluster_accounts }}"
      domains: "{{ mailcluster_domains }}"
      members: "{{ mailcluster_members }}"
      ports: "{{ mailcluster_ports }}"
      node: "{{ inventory_hostname }}"
      tiers: "{{ mailcluster_tiers }}"
      directories:
        mx: [/etc/mailcluster/postfix-mx/data]
        submission: [/etc/mailcluster/postfix-submission/data]
"""

RETURN = r"""
tables:
  description: One entry a table, in the given order.
  returned: success, without O(migrate)
  type: list
  elements: dict
  contains:
    path:
      description: Path of the source.
      type: str
      sample: /etc/mailcluster/postfix-mx/data/recipients
    changed:
      description: Whether it was published, compiled again, or got another owner or mode.
      type: bool
    entries:
      description: Number of rows.
      type: int
      sample: 1000
    digest:
      description: SHA-256 of the source.
      type: str
steps:
  description: What was done, or would be in check mode.
  returned: success, with O(migrate)
  type: list
  elements: str
  sample: [compile lmdb:/etc/aliases, write main.cf, restart postfix.service, remove /etc/aliases.db]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.module_utils._tables import ARGUMENTS, run_module


def main() -> None:
    """Read, plan, apply, answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        if module.params["migrate"]:
            # Half of what the module reads is for this.
            from ansible_collections.mailcluster.postfix.plugins.module_utils import _migration

            module.exit_json(**_migration.run_module(module.params["migrate"], check_mode=module.check_mode))
        module.exit_json(**run_module(module.params, check_mode=module.check_mode, diff=module._diff))
    except (ConfigError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
