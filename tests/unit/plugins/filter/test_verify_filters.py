# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long certificates are good, and which nodes a report is about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter.verify import certificate_days, postfix_report

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "days"),
    [("2026-05-15 12:00:00Z", 14), ("2026-05-15 11:59:59Z", 13), ("2026-05-01 12:00:01Z", 0), ("2026-04-30 12:00:00Z", -1)],
)
def test_days_that_are_left_are_whole_ones(end: str, days: int) -> None:
    assert certificate_days([f"node.pem notAfter={end}"], NOON) == {"node.pem": days}


@pytest.mark.parametrize("line", ["", "node.pem", "node.pem ", "node.pem notAfter=May 15 12:00:00 2026 GMT"])
def test_an_answer_without_a_date_is_an_error(line: str) -> None:
    with pytest.raises(AnsibleFilterError, match="certificate_days: "):
        certificate_days([line], NOON)


def test_a_node_without_its_instance_is_reported() -> None:
    found = postfix_report({"mx1": {"release": "13", "instances": []}, "mx2": {"unreachable": True}}, {"mx1": ["postfix-mx"], "mx2": ["postfix-mx"]})
    assert found["errors"] == ["postfix-mx (mx1): the node lacks the instance"]


def test_a_node_that_does_not_tell_its_files_is_left_out() -> None:
    edit = {"path": "/f", "what": ["content"], "diff": ""}
    assert postfix_report({}, published={"mx1": {"unreachable": True}, "mx2": {"edits": [edit]}})["errors"] == ["/f (mx2): edited by hand: content"]
