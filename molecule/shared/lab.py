# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's driver: images, create, destroy, demo. `make` calls it with the virtual environment's Python."""

from __future__ import annotations

import argparse
import sys

import containers
import images
from inventory import load
from steps import LabError, Steps


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["images", "create", "destroy"])
    parser.add_argument("--site", default="lab", help="a folder of inventories/")
    options = parser.parse_args(arguments)
    steps = Steps()
    try:
        if options.command == "destroy":
            containers.destroy(steps)
            return 0
        site = load(options.site)
        images.build(steps, {node.image for node in site.nodes})
        if options.command == "create":
            containers.create(steps, site)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
