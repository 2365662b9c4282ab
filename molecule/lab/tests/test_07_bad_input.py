# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad inventory is refused before anything changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testing import ROOT, Site, ansible, etc, the_site

pytestmark = pytest.mark.operation
Inventory = dict[str, Any]
# As deep as the inventories, so that relative paths still lead to the checkout.
COPY = ROOT / ".cache/bad-input"


def without(variable: str) -> Callable[[Inventory, Inventory], None]:
    return lambda variables, _groups: variables.pop(variable)


def vip_elsewhere(variables: Inventory, _groups: Inventory) -> None:
    variables["mailcluster_regions"][0]["vips"][0] = "10.99.1.10"


def region_without_vrid(variables: Inventory, _groups: Inventory) -> None:
    del variables["mailcluster_regions"][-1]["vrid"]


def domain_twice(variables: Inventory, _groups: Inventory) -> None:
    variables["mailcluster_domains"] = [variables["mailcluster_domain"]] * 2


def misspelt_variable(variables: Inventory, _groups: Inventory) -> None:
    variables["mx_mian"] = {"smtpd_timeout": "60s"}


def unknown_member(_variables: Inventory, groups: Inventory) -> None:
    groups["filter"]["hosts"]["ghost1"] = None


CASES = {
    "a missing valkey secret": (without("valkey_password"), "valkey_password (east-filter1): is required by role valkey"),
    "a missing rspamd secret": (without("rspamd_controller_password"), "rspamd_controller_password (east-filter1): is required by role rspamd"),
    "a missing secret of the last tier": (without("certificates_ca_passphrase"), "certificates_ca_passphrase (east-edge1): "),
    "a missing value of the last tier": (region_without_vrid, "mailcluster_regions (west): a region with VIPs needs a vrid"),
    "a misspelt variable": (misspelt_variable, "mx_mian (east-mx1): is no variable of the collection; did you mean mx_main?"),
    "a VIP outside its network": (vip_elsewhere, "mailcluster_regions (east): VIP 10.99.1.10 is outside the region's networks"),
    "a domain listed twice": (domain_twice, "mailcluster_domains (site): example.test is listed twice"),
    "an unknown group member": (unknown_member, "mailcluster_addresses (ghost1): is required by role cluster"),
}


def copied(spoil: Callable[[Inventory, Inventory], object]) -> Path:
    """The lab's inventory with one thing wrong."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(the_site().inventory, COPY)
    folder = COPY / "group_vars/all"
    files = sorted(folder.glob("*.yml"))
    variables = {name: value for path in files for name, value in yaml.safe_load(path.read_text()).items()}
    hosts = yaml.safe_load((COPY / "hosts.yml").read_text())
    variables["lab_state"] = str(the_site().state)
    spoil(variables, hosts["all"]["children"])
    for path in files:
        path.unlink()
    (folder / "all.yml").write_text(yaml.safe_dump(variables))
    (COPY / "hosts.yml").write_text(yaml.safe_dump(hosts, sort_keys=False))
    return COPY


@pytest.fixture(scope="module")
def before(site: Site) -> Iterator[dict[str, dict[str, str]]]:
    yield etc(site)
    shutil.rmtree(COPY, ignore_errors=True)


@pytest.mark.parametrize("case", CASES)
def test_refused(before: dict[str, dict[str, str]], case: str) -> None:
    """The playbook site refuses {case} and names variable, host and reason"""
    spoil, told = CASES[case]
    done = ansible("ansible-playbook", "mailcluster.postfix.site", "-i", copied(spoil))
    said = done.stdout + done.stderr
    assert (done.returncode != 0, told in said) == (True, True), said


def test_nothing_changed(site: Site, before: dict[str, dict[str, str]]) -> None:
    """No refused inventory has changed /etc on any node"""
    assert etc(site) == before
