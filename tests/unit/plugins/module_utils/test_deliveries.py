# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log says of deliveries."""

from __future__ import annotations

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _deliveries

SENT = "4jcCnp5nZxzCvLt: to=<alice@example.test>, relay=127.91.1.61[127.91.1.61]:11024, delays=0.05/0/0.03/0.01, dsn=2.0.0, status=sent (250 2.0.0 Saved)"
DEFERRED = "4jcCnp5nZxzCvLu: to=<bob@example.test>, orig_to=<info@example.test>, relay=none, dsn=4.4.1, status=deferred (connect to x: Connection refused)"
NONE = {"attempts": 0, "sent": 0, "deferred": 0, "bounced": 0, "put_off": 0}
PUT_OFF = "NOQUEUE: reject: RCPT from relay.example.test[10.91.1.31]: 450 4.3.0 <bob@example.test>: Recipient address rejected: later; from=<a@b> to=<c@d>"
UNFILTERED = "NOQUEUE: milter-reject: MAIL from x.test[10.91.9.1]: 451 4.7.1 Service unavailable - try again later; from=<a@b> proto=ESMTP helo=<x>"
SCANNED = "4jcCnp5nZxzCvLu: milter-reject: END-OF-MESSAGE from x.test[10.91.9.1]: 4.7.1 Try again later; from=<a@b> to=<c@d> proto=ESMTP helo=<x>"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], {}, id="silence"),
        pytest.param([SENT, SENT, DEFERRED], {"attempts": 3, "sent": 2, "deferred": 1}, id="sent and deferred"),
        pytest.param([SENT.replace("=sent", "=bounced"), SENT.replace("=sent", "=expired")], {"attempts": 2, "bounced": 2}, id="failed for good"),
        pytest.param([PUT_OFF, PUT_OFF.replace("450 4.3.0", "451 4.3.5"), UNFILTERED], {"put_off": 3}, id="put off"),
        pytest.param([SCANNED, PUT_OFF.replace("450 4.3.0", "450 4.3.2"), PUT_OFF.replace("450 4.3.0", "450 4.1.8")], {}, id="greylisted or in doubt"),
        pytest.param([PUT_OFF.replace("to=<c@d>", "to=<mailcluster-health>")], {}, id="a balancer that asks"),
        pytest.param([PUT_OFF.replace("450 4.3.0", "550 5.1.1"), SCANNED.replace("4.7.1", "5.7.1")], {}, id="refused for good"),
        pytest.param([PUT_OFF.replace("NOQUEUE: reject:", "warning: reject:  ")], {}, id="another line"),
        pytest.param([SENT.replace("status=sent", "status=deliverable")], {}, id="an address probe"),
        pytest.param(["4jc: from=<status=sent @example.test>, size=469, nrcpt=1 (queue active)"], {}, id="a sender who is called so"),
        pytest.param([SENT.replace("(250 2.0.0 Saved)", "(250 status=deferred x)")], {"attempts": 1, "sent": 1}, id="a server who says so"),
    ],
)
def test_attempts_are_counted_by_their_status(lines: list[str], expected: dict[str, int]) -> None:
    assert _deliveries.count(lines) == {**NONE, **expected}


def test_a_message_is_known_by_its_message_id() -> None:
    lines = ["4jcCnp5nZxzCvLt: message-id=<1@example.test>", "4jcCnp5nZxzCvLu: message-id=<11@example.test>", SENT, DEFERRED]
    assert _deliveries.of_message(lines, "<1@example.test>") == [lines[0], SENT]
