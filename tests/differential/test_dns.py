# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden zones, judged by Knot DNS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import cluster_cases as cases
import dns_cases
import host
import pytest
from conftest import Container

IMAGE = os.environ.get("MAILCLUSTER_IMAGE_WORLD", "localhost/mailcluster-lab:world")
# Every zone begins with these; all checks of knot.conf(5), also those that a server leaves out, are on.
HEAD = "example.test. 60 IN SOA ns.example.net. hostmaster.example.net. 1 1 1 1 1\nexample.test. 60 IN NS ns.example.net.\n"
CONF = 'template:\n  - id: default\n    storage: "/tmp"\n    semantic-checks: on\nzone:\n  - domain: example.test\n'


@pytest.fixture(scope="module")
def knot() -> Iterator[Container]:
    made = Container(IMAGE)
    yield made
    made.remove()


def check(knot: Container, text: str) -> subprocess.CompletedProcess[str]:
    for path, content in (("/tmp/knot.conf", CONF), ("/tmp/example.test.zone", HEAD + text)):
        host.podman("exec", "--interactive", knot.name, "tee", path, data=content)
    command = ["podman", "exec", knot.name, "knotc", "--config", "/tmp/knot.conf", "zone-check", "example.test"]
    return subprocess.run(command, env=os.environ | host.podman_environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["two_regions", "west_withdrawn", "cloud"])
def test_knot_takes_the_golden_zone(knot: Container, name: str) -> None:
    answer = check(knot, (cases.GOLDEN / f"dns/{name}.zone").read_text(encoding="ascii"))
    assert (answer.returncode, "warning" in answer.stderr) == (0, False), answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mail.example.test. 60 IN A 10.91.1.10", "mail.example.test. 60 IN A 10.91.1.300"),
        ("IN SRV 0 1 465 ", "IN SRV 0 465 "),
        ("_dmarc.example.test. 3600 IN TXT", "example.test. 3600 IN CNAME other. ;"),
    ],
    ids=["an address that is none", "a record that lacks a number", "an alias beside other records"],
)
def test_knot_refuses_what_is_wrong(knot: Container, right: str, wrong: str) -> None:
    text = dns_cases.zone_text("two_regions")
    assert right in text
    assert check(knot, text.replace(right, wrong)).returncode != 0
