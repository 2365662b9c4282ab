# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keepalived says of its instances."""

from __future__ import annotations

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._keepalived import state

# As 2.3.3 writes it, shortened; 2.2.7 has other lines between them.
DUMP = """------< Global definitions >------
 Router ID = east-edge1
------< VRRP Topology >------
 VRRP Instance = east-ipv4
   VRRP Version = 3
   State = MASTER
   Wantstate = MASTER
   Virtual Router ID = 51
   Priority = 200
   Effective priority = 100
   Virtual IP (1):
     10.91.1.10 dev eth0 scope global set
   Unicast TTL = 255
   Unicast Peer :
     10.91.1.12 min_ttl 0 max_ttl 255
 VRRP Instance = east-ipv6
   State = BACKUP
   Master router = fd91:0:0:1::12
   Master priority = 195
   Wantstate = BACKUP
   Virtual Router ID = 51
   Priority = 200
   Effective priority = 200
   Virtual IP (2):
     fd91:0:0:1::10/128 dev eth0 scope global deprecated
     fd91:0:0:1::9/128 dev eth0 scope global deprecated
   Check unicast src : no
------< VRRP Sockpool >------
 fd_in 15 fd_out = 16
   VRRP instances
     east-ipv4 vrid 51
"""
SHOWN = '[{"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]}, {"ifname": "eth0", "addr_info": [{"local": "10.91.1.10"}, {"local": "fe80::1"}]}]'


def test_each_instance_is_read() -> None:
    assert state.parse(DUMP) == [
        state.Instance("east-ipv4", "MASTER", 51, 200, 100, ("10.91.1.10",)),
        state.Instance("east-ipv6", "BACKUP", 51, 200, 200, ("fd91:0:0:1::10", "fd91:0:0:1::9")),
    ]


def test_keepalived_without_instances_has_none() -> None:
    assert state.parse("------< Global definitions >------\n Router ID = x\n") == []


def test_an_instance_without_a_state_is_an_error() -> None:
    with pytest.raises(ValueError, match="says of east-ipv4 no state"):
        state.parse(DUMP.replace("   State = MASTER\n", ""))


def test_the_owner_is_who_has_the_address_in_the_kernel() -> None:
    here = state.addresses(SHOWN)
    assert [instance.as_dict(here)["owner"] for instance in state.parse(DUMP)] == [True, False]
