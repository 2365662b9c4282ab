# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container per Debian release for the whole session; the tables of the unit ring are at hand."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "unit/plugins/module_utils" / folder) for folder in ("_postfix", ".")]
IMAGES = {
    "bookworm": os.environ.get("MAILCLUSTER_IMAGE_BOOKWORM", "localhost/mailcluster-lab:bookworm"),
    "trixie": os.environ.get("MAILCLUSTER_IMAGE_TRIXIE", "localhost/mailcluster-lab:trixie"),
}


class Container:
    """A container without a network, in which programs of a release are asked."""

    def __init__(self, image: str) -> None:
        self.name = host.podman("run", "--detach", "--rm", "--network", "none", image, "sleep", "900").strip()

    def ask(self, script: str, question: Any) -> Any:
        """Run a Python file of this directory there: JSON goes in, JSON comes out."""
        program = (HERE / script).read_text(encoding="utf-8")
        return json.loads(host.podman("exec", "--interactive", self.name, "python3", "-c", program, data=json.dumps(question)))

    def remove(self) -> None:
        host.podman("rm", "--force", "--time", "0", self.name)


@pytest.fixture(scope="session", params=sorted(IMAGES))
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    made = Container(IMAGES[request.param])
    yield made
    made.remove()
