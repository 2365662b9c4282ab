# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action that runs on the controller only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zones
short_description: Bring the records of DNS zones to what is wanted
version_added: 1.0.0
author: mailcluster contributors (@mailcluster)
description:
  - Runs on the controller, without a connection to the host of the task.
  - With O(server), asks that server for every name and type of O(records), and sends one update for each zone in which something differs
    (RFC 2136), signed with TSIG (RFC 8945). Per zone all changes are made or none.
  - A name and type in O(records) is owned whole, with two exceptions. Of a name with an SPF record only that record is replaced, other TXT records stay. A
    name with addresses of one family only loses those of the other.
  - What is not in O(records) any more stays in the zone.
  - With O(directory), writes the records of each zone into a file, to be included in the zone or handed to its provider.
options:
  records:
    description: The records, as P(mailcluster.postfix.dns_records#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      zone:
        description: Zone of the record.
        type: str
        required: true
      name:
        description: Whole name, without a final dot.
        type: str
        required: true
      type:
        description: Type, such as V(MX).
        type: str
        required: true
      ttl:
        description: Seconds that the record may be cached.
        type: int
        required: true
      value:
        description: Value in master file syntax, with whole names; of a TXT record its text without quotes.
        type: str
        required: true
  directory:
    description: Directory on the controller for the file C(ZONE.zone) of each zone. Made when it is missing.
    type: path
  server:
    description: Name or address of the server that has the zones and takes updates of them.
    type: str
  port:
    description: Port of O(server).
    type: int
    default: 53
  key_name:
    description: Name of the TSIG key. Required with O(server).
    type: str
  key_secret:
    description: Secret of the TSIG key, in base64. Required with O(server), and never shown.
    type: str
  key_algorithm:
    description: Algorithm of the TSIG key.
    type: str
    default: hmac-sha256
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 10
requirements:
  - dnspython 2.3 or newer on the controller, with O(server)
attributes:
  check_mode:
    description: Asks the server, and neither sends an update nor writes a file.
    support: full
  diff_mode:
    description: Shows the record sets that differ, as lines of a zone file.
    support: full
"""

EXAMPLES = r"""
- name: Publish an MX record
  mailcluster.postfix.dns_zones:
    server: ns1.example.org
    key_name: mailcluster
    key_secret: "{{ vault_dns_key_secret }}"
    records:
      - {zone: example.org, name: example.org, type: MX, ttl: 60, value: 10 mail.east.example.org.}

- name: Write a file for the provider
  mailcluster.postfix.dns_zones:
    directory: /etc/ansible/mail/dns
    records: "{{ records }}"
"""

RETURN = r"""
changes:
  description: Name and type of each record set that the server has, or had, otherwise.
  returned: always
  type: list
  elements: str
  sample: [example.org MX, mail.example.org A]
files:
  description: Files that were written.
  returned: always
  type: list
  elements: str
  sample: [/etc/ansible/mail/dns/example.org.zone]
"""
