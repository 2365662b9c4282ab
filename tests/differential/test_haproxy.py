# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden configurations of nodes, judged by the haproxy of both releases."""

from __future__ import annotations

import cluster_cases as cases
import pytest
from conftest import Container

TEXTS = {node: (cases.GOLDEN / f"haproxy/{node}.cfg").read_text(encoding="utf-8") for node in cases.HAPROXY_GOLDEN}
TEXTS |= {f"{node} with all that can be chosen": cases.haproxy_chosen_text(node) for node in ("east-edge1", "east-mx1", "east-mailbox1")}
WRONG = {"a word that haproxy does not know": TEXTS["east-mx1"].replace("use-server", "use-serve")}


@pytest.fixture(scope="session")
def haproxy(container: Container) -> dict[str, tuple[int, str]]:
    """All answers of one release, asked in one go."""
    asked = {**TEXTS, **WRONG}
    return dict(zip(asked, map(tuple, container.ask("ask_haproxy.py", list(asked.values()))), strict=True))


@pytest.mark.parametrize("node", TEXTS)
def test_haproxy_takes_the_golden_configuration(haproxy: dict[str, tuple[int, str]], node: str) -> None:
    status, output = haproxy[node]
    assert status == 0, output


@pytest.mark.parametrize("node", TEXTS)
def test_haproxy_has_nothing_to_warn_of(haproxy: dict[str, tuple[int, str]], node: str) -> None:
    assert "[WARNING]" not in haproxy[node][1]


@pytest.mark.parametrize("name", WRONG)
def test_haproxy_refuses_what_is_wrong(haproxy: dict[str, tuple[int, str]], name: str) -> None:
    assert haproxy[name][0] != 0
