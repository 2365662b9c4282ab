# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the foreign MX holds; runs inside its container and verifies signatures there, against the lab's DNS."""

from __future__ import annotations

import email
import time
from pathlib import Path
from typing import Any

import dkim

STORE = Path("/var/mail")


def held(message_id: str) -> list[bytes]:
    """Every stored message with that id, whoever it went to."""
    mark = message_id.encode()
    texts = [path.read_bytes() for path in STORE.rglob("new/*")]
    return [text for text in texts if mark in text.replace(b"\r", b"").partition(b"\n\n")[0]]


def signatures(text: bytes) -> list[dict[str, Any]]:
    """The judgement of dkimpy on each DKIM signature, ordered by algorithm."""
    count = len(email.message_from_bytes(text).get_all("DKIM-Signature", []))
    found = []
    for index in range(count):
        judge = dkim.DKIM(text)
        valid = bool(judge.verify(idx=index))
        fields = {name.decode(): value.decode() for name, value in judge.signature_fields.items()}
        found.append({"algorithm": fields["a"], "domain": fields["d"], "valid": valid})
    return sorted(found, key=lambda judged: judged["algorithm"])


def received(message_ids: list[str], wait: float) -> dict[str, dict[str, Any]]:
    """Waits up to `wait` seconds until every message is there; by id: texts, and signatures of the first one."""
    end = time.monotonic() + wait
    while not all(held(message_id) for message_id in message_ids) and time.monotonic() < end:
        time.sleep(0.3)
    texts = {message_id: held(message_id) for message_id in message_ids}
    return {
        message_id: {
            "texts": [text.decode("utf-8", "replace") for text in found],
            "signatures": signatures(found[0]) if found else [],
        }
        for message_id, found in texts.items()
    }
