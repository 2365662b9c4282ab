# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fail unless the resolver of this node has an answer about the zone that is the first argument (RFC 1035 section 4.1)."""

from __future__ import annotations

import socket
import sys

PATIENCE = 15.0
RECURSION_DESIRED = b"\1\0"
ONE_QUESTION = b"\0\1\0\0\0\0\0\0"
SOA_IN = b"\0\6\0\1"
NOERROR, NXDOMAIN = 0, 3


def ask(zone: str) -> str:
    """Return what is wrong with the answer; empty when it is good."""
    labels = [label.encode() for label in zone.split(".") if label]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.settimeout(PATIENCE)
        resolver.connect(("127.0.0.1", 53))
        try:
            resolver.send(b"MC" + RECURSION_DESIRED + ONE_QUESTION + name + SOA_IN)
            answer = resolver.recv(4096)
        except OSError as error:
            return f"no answer ({error})"
    rcode = answer[3] & 15
    # "There is no such name" is an answer, and all that some forwarders say of the root.
    return "" if rcode in (NOERROR, NXDOMAIN) else f"RCODE {rcode}"


if found := ask(sys.argv[1]):
    sys.exit(f"unbound does not resolve {sys.argv[1]} ({found}); /etc/resolv.conf stays as it was")
