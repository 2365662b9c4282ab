#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: one request to the mail client, and what its answer lacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_probe
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Hold one conversation with a mail server and compare it with what is expected
description:
  - Speaks SMTP, LMTP, IMAP or raw bytes from the host the task runs on, as a client does, and returns every reply.
  - Fails when the conversation does not go as expected. Without O(expect) that means all goes well.
  - Needs nothing but Python on the host.
options:
  address:
    description: Address or name of the server.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    required: true
  protocol:
    description: What to speak. V(raw) sends O(send) and keeps what comes back.
    type: str
    choices: [smtp, lmtp, imap, raw]
    default: smtp
  tls:
    description: V(implicit) begins with the handshake, V(starttls) asks for it.
    type: str
    choices: [none, starttls, implicit]
    default: none
  server_name:
    description: Name the server's certificate must carry; defaults to O(address).
    type: str
  ca:
    description: Certificates of the authorities to trust, in PEM; without them, those of the system.
    type: str
  verify:
    description: Whether the certificate is judged.
    type: bool
    default: true
  proxy:
    description: PROXY protocol header to say before anything else.
    type: dict
    suboptions:
      version:
        description: Version of the header.
        type: int
        choices: [1, 2]
        default: 1
      source:
        description: Address of the client to claim; defaults to the real one.
        type: str
      destination:
        description: Address of the server to claim; defaults to the real one.
        type: str
      local:
        description: Say the form a health check has, without addresses.
        type: bool
        default: false
  hello:
    description: Name to say in EHLO or LHLO.
    type: str
    default: probe.invalid
  user:
    description: Log in as this user, by AUTH PLAIN or the IMAP LOGIN command.
    type: str
  password:
    description: Password of O(user).
    type: str
  sender:
    description: Envelope sender; an empty string is the null sender. Without it the conversation ends before MAIL.
    type: str
  recipients:
    description: Envelope recipients.
    type: list
    elements: str
    default: []
  mail:
    description: The message with its headers. Without it the conversation ends after RCPT, and nothing is sent.
    type: str
  send:
    description: With O(protocol=raw), what to send.
    type: str
  message_id:
    description: With O(protocol=imap), the Message-ID to look for, with its angle brackets.
    type: str
  mailbox:
    description: With O(protocol=imap), the mailbox to look into.
    type: str
    default: INBOX
  wait:
    description: With O(protocol=imap), how many seconds to wait for the message.
    type: int
    default: 0
  delete:
    description: With O(protocol=imap), remove what was found.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for each reply.
    type: int
    default: 15
  expect:
    description: What must come. A stage that is named must be reached; what is not named must go well.
    type: dict
    default: {}
    suboptions:
      outcome:
        description: >-
          How the conversation may end: V(done), V(refused), V(reset), V(closed), V(timeout), V(silent) (raw only: nothing came
          back), V(unreachable), V(untrusted), V(tls) or V(imap). Defaults to V(done).
        type: list
        elements: str
      greeting:
        description: Acceptable codes of the greeting.
        type: list
        elements: int
      hello:
        description: Acceptable codes of EHLO or LHLO.
        type: list
        elements: int
      login:
        description: Acceptable codes of AUTH.
        type: list
        elements: int
      sender:
        description: Acceptable codes of MAIL.
        type: list
        elements: int
      recipient:
        description: Acceptable codes of each RCPT.
        type: list
        elements: int
      data:
        description: Acceptable codes of the message.
        type: list
        elements: int
      messages:
        description: With O(protocol=imap), how many messages must be found.
        type: int
attributes:
  check_mode:
    support: full
    description: Nothing is said in check mode, since a probe may send a real message.
  diff_mode:
    support: none
    description: There is nothing to differ.
  platform:
    platforms: posix
    support: full
    description: Any host with Python 3.11 or newer.
"""

EXAMPLES = r"""
- name: Send a message through the cluster
  mailcluster.postfix.mail_probe:
    address: mail.example.org
    port: 465
    tls: implicit
    user: probe@example.org
    password: "{{ verify_password }}"
    sender: probe@example.org
    recipients: [probe@example.org]
    mail: |
      From: probe@example.org
      To: probe@example.org
      Message-ID: <42@example.org>
      Subject: probe

      Is anybody there?

- name: Read it back
  mailcluster.postfix.mail_probe:
    address: mail.example.org
    port: 993
    protocol: imap
    tls: implicit
    user: probe@example.org
    password: "{{ verify_password }}"
    message_id: <42@example.org>
    wait: 20
    delete: true
    expect:
      messages: 1

- name: See that strangers get no relay
  mailcluster.postfix.mail_probe:
    address: mail.example.org
    port: 25
    sender: stranger@example.net
    recipients: [somebody@example.com]
    expect:
      recipient: [554]
"""

RETURN = r"""
protocol:
  description: What was spoken.
  returned: always
  type: str
  sample: smtp
outcome:
  description: V(done), or how the conversation ended early.
  returned: always
  type: str
  sample: done
error:
  description: The network's own words when it ended early.
  returned: always
  type: str
  sample: ""
transcript:
  description: Each command and its reply; the greeting has an empty command, the end of a message a dot. Credentials are left out.
  returned: always
  type: list
  elements: dict
  contains:
    command:
      description: What was said.
      type: str
    code:
      description: The reply's code, for IMAP V(OK) or V(NO).
      type: raw
    text:
      description: The reply's text, lines separated by newlines.
      type: str
  sample:
    - {command: "RCPT TO:<bob@example.org>", code: 250, text: 2.1.5 Ok}
tls:
  description: Version and cipher, empty without TLS.
  returned: always
  type: dict
  sample: {version: TLSv1.3, cipher: TLS_AES_256_GCM_SHA384}
capabilities:
  description: With O(protocol=imap), the capabilities of the server.
  returned: when the greeting came
  type: list
  elements: str
messages:
  description: With O(protocol=imap), the messages found, whole.
  returned: when a Message-ID was looked for
  type: list
  elements: str
received:
  description: With O(protocol=raw), what came back.
  returned: when the connection was made
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 0.142
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._mail_client import converse, unmet

CODES = {"type": "list", "elements": "int"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["smtp", "lmtp", "imap", "raw"], "default": "smtp"},
    "tls": {"type": "str", "choices": ["none", "starttls", "implicit"], "default": "none"},
    "server_name": {"type": "str"},
    "ca": {"type": "str"},
    "verify": {"type": "bool", "default": True},
    "proxy": {
        "type": "dict",
        "options": {
            "version": {"type": "int", "choices": [1, 2], "default": 1},
            "source": {"type": "str"},
            "destination": {"type": "str"},
            "local": {"type": "bool", "default": False},
        },
    },
    "hello": {"type": "str", "default": "probe.invalid"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "sender": {"type": "str"},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "mail": {"type": "str"},
    "send": {"type": "str"},
    "message_id": {"type": "str"},
    "mailbox": {"type": "str", "default": "INBOX"},
    "wait": {"type": "int", "default": 0},
    "delete": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 15},
    "expect": {
        "type": "dict",
        "default": {},
        "options": {
            "outcome": {"type": "list", "elements": "str"},
            "greeting": CODES,
            "hello": CODES,
            "login": CODES,
            "sender": CODES,
            "recipient": CODES,
            "data": CODES,
            "messages": {"type": "int"},
        },
    },
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_by={"user": ["password"]})
    if module.check_mode:
        module.exit_json(changed=False, protocol=module.params["protocol"], outcome="done", error="", transcript=[], tls={}, seconds=0.0)
    answer = converse({**module.params, "message": module.params["mail"]})
    if wrong := unmet(answer, module.params["expect"]):
        where = f"{module.params['address']} port {module.params['port']}"
        module.fail_json(msg=f"{where}: {'; '.join(wrong)}", **answer)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
