# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program and appends to a file its seconds and the kilobytes of the largest process it waited for.

A process begins with the peak of the one that started it, so this one is small. It runs on nodes, too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

begun = time.monotonic()
code = subprocess.call(sys.argv[1:])
measured = {"seconds": time.monotonic() - begun, "kilobytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}
with open(os.environ.get("MEASURED", "/run/measured"), "a", encoding="ascii") as file:
    file.write(json.dumps(measured) + "\n")
sys.exit(code)
