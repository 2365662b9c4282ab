# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has in /etc; runs on the node, with the standard library alone."""

from __future__ import annotations

import hashlib
import os
import stat


def listed() -> dict[str, str]:
    """Path -> "mode owner:group digest-or-target mtime"."""
    found = {}
    for folder, folders, files in os.walk("/etc"):
        for path in (os.path.join(folder, name) for name in folders + files):
            status = os.lstat(path)
            what = "-"
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    what = hashlib.sha256(file.read()).hexdigest()
            found[path] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {what} {status.st_mtime_ns}"
    return found
