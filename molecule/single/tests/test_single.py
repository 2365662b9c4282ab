# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's story, told of one host that has every role."""

# pytest collects what is imported.
# pylint: disable=wildcard-import,unused-wildcard-import,unused-import

from __future__ import annotations

from client import podman_exec
from test_01_inbound import *  # noqa: F403
from test_02_outbound import *  # noqa: F403
from test_03_content import *  # noqa: F403
from test_04_relay import *  # noqa: F403
from test_05_strangers import *  # noqa: F403
from test_06_one_tier import test_verify  # noqa: F401
from testing import Site


def test_instances(site: Site) -> None:
    """The mail exchanger, submission, the relay and the host's own mail have a Postfix each, with a queue of its own"""
    masters = podman_exec(site.nodes[0].name, "sh", "-c", "cat /var/spool/postfix*/pid/master.pid").split()
    assert len(set(masters)) == 4, masters
