# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, made as few as they can be."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

pytest.importorskip("netaddr")

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter.networks import aggregate_networks
from hypothesis import given
from hypothesis import strategies as st

NETWORKS = st.one_of(
    st.builds(lambda bits, length: ipaddress.ip_network((0xC0000000 | bits, length), strict=False), st.integers(0, 0xFFFF), st.integers(16, 32)),
    st.builds(lambda bits, length: ipaddress.ip_network(((0x20010DB8 << 96) | bits, length), strict=False), st.integers(0, 0xFFFF), st.integers(112, 128)),
)


@pytest.mark.parametrize(
    ("networks", "shortest"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["192.0.2.1"], ["192.0.2.1/32"], id="an address"),
        pytest.param(["2001:DB8:0::1"], ["2001:db8::1/128"], id="an IPv6 address has one spelling"),
        pytest.param(["192.0.2.128/25", "192.0.2.0/25"], ["192.0.2.0/24"], id="two halves"),
        pytest.param(["192.0.2.7", "192.0.2.0/24", "192.0.2.0/24"], ["192.0.2.0/24"], id="one inside another"),
        pytest.param(["192.0.2.128/25", "192.0.3.0/25"], ["192.0.2.128/25", "192.0.3.0/25"], id="neighbours of two networks"),
        pytest.param(["2001:db8::/32", "192.0.2.0/24", "10.0.0.0/8", "::1"], ["10.0.0.0/8", "192.0.2.0/24", "::1/128", "2001:db8::/32"], id="in order"),
        pytest.param(["9.0.0.0/8", "10.0.0.0/32"], ["9.0.0.0/8", "10.0.0.0/32"], id="as numbers, not as text"),
        pytest.param("[2001:db8::]/32, 192.0.2.0/24 [::1]", ["192.0.2.0/24", "::1/128", "2001:db8::/32"], id="the text of mynetworks"),
        pytest.param(["2002::/16"], ["2002::/16"], id="the largest IPv6 network"),
    ],
)
def test_networks_are_merged_and_sorted(networks: Any, shortest: list[str]) -> None:
    assert aggregate_networks(networks) == shortest


def test_postfix_wants_brackets_around_ipv6_only() -> None:
    assert aggregate_networks(["2001:db8::/32", "::1", "192.0.2.1"], "postfix") == ["192.0.2.1/32", "[::1]/128", "[2001:db8::]/32"]


@given(st.lists(NETWORKS, max_size=12), st.sampled_from(["cidr", "postfix"]))
def test_the_shortest_list_is_that_of_the_standard_library(networks: list[Any], style: str) -> None:
    expected = [
        str(network) for version in (4, 6) for network in sorted(ipaddress.collapse_addresses(network for network in networks if network.version == version))
    ]
    found = aggregate_networks([str(network) for network in networks], style)
    assert [entry.replace("[", "").replace("]", "") for entry in found] == expected
    assert aggregate_networks(found, style) == found


@pytest.mark.parametrize(
    ("networks", "reason"),
    [
        (["192.0.2.0/24", "0.0.0.0/0"], "'0.0.0.0/0' is the whole world"),
        (["::/0"], "'::/0' is the whole world"),
        (["[::]/0"], "'[::]/0' is the whole world"),
        (["0.0.0.0/1"], "'0.0.0.0/1' is larger than a /8"),
        (["10.0.0.0/7"], "'10.0.0.0/7' is larger than a /8"),
        (["fc00::/7"], "'fc00::/7' is larger than a /16"),
        (["192.0.2.1", "10.0.0.0/8", "11.0.0.0/8"], "10.0.0.0/7, which '10.0.0.0/8', '11.0.0.0/8' make up, is larger than a /8"),
        ([f"{number}.0.0.0/8" for number in range(256)], "0.0.0.0/0, which '0.0.0.0/8', '1.0.0.0/8', '2.0.0.0/8', '3.0.0.0/8' ... make up, is the whole"),
        (["2000::/16", "2001::/16"], "2000::/15, which '2000::/16', '2001::/16' make up, is larger than a /16"),
    ],
)
def test_what_trusts_too_many_is_refused_unless_told(networks: list[str], reason: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        aggregate_networks(networks)
    assert reason in str(caught.value)
    assert aggregate_networks(networks, allow_world=True)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("192.0.2.1/24", "'192.0.2.1/24' has bits set behind its length: write 192.0.2.0/24 for the network, 192.0.2.1 for the address"),
        ("2001:db8::1/32", "write 2001:db8::/32 for the network"),
        ("::ffff:192.0.2.1", "'::ffff:192.0.2.1' is IPv4 in the form of IPv6, which matches no client: write 192.0.2.1/32"),
        ("[::ffff:127.0.0.0]/104", "which matches no client: write 127.0.0.0/8"),
        ("::ffff:0.0.0.0/96", "is IPv4 in the form of IPv6"),
        ("mx.example.test", "'mx.example.test' is neither an address nor a network"),
        ("192.0.2", "'192.0.2' is neither"),
        ("010.0.0.1", "'010.0.0.1' is neither"),
        ("192.0.2.0/33", "'192.0.2.0/33' is neither"),
        ("2001:db8::/129", "'2001:db8::/129' is neither"),
        ("192.0.2.0/255.255.255.0", "'192.0.2.0/255.255.255.0' is neither"),
        ("[192.0.2.1]", "'[192.0.2.1]': only IPv6 addresses stand in brackets"),
        ("[2001:db8::1", "'[2001:db8::1' is neither"),
        ("[2001:db8::/32]", "'[2001:db8::/32]' is neither"),
        ("fe80::1%eth0", "'fe80::1%eth0' is neither"),
        ("!192.0.2.1", "'!192.0.2.1' is neither"),
        ("cidr:/etc/postfix/networks", "'cidr:/etc/postfix/networks' is neither"),
        (" 192.0.2.1", "' 192.0.2.1' is neither"),
        ("", "'' is neither"),
        (3221225985, "an entry is a text, not int: 3221225985"),
        (None, "an entry is a text, not NoneType"),
    ],
)
def test_an_entry_that_is_no_network_is_named(entry: Any, reason: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        aggregate_networks(["192.0.2.0/24", entry], allow_world=True)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("networks", "style", "reason"),
    [
        (["192.0.2.1"], "nftables", "style must be one of cidr, postfix, not 'nftables'"),
        ({"a": "192.0.2.1"}, "cidr", "wants a list of networks, not dict"),
        (None, "cidr", "wants a list of networks, not NoneType"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(networks: Any, style: str, reason: str) -> None:
    with pytest.raises(AnsibleFilterError, match=reason):
        aggregate_networks(networks, style)
