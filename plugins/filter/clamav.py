# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of a site's own as files of the scanner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError


def clamav_signature(source: str, directory: str) -> dict[str, str]:
    """Return the file of a signature file on the controller, for the module file_set.

    Its name tells the scanner what is in it and the role that it may be removed.
    """
    path = Path(source)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleFilterError(f"clamav_signatures: {source}: {error}") from error
    return {"path": f"{directory}/mailcluster-{path.name}", "content": content}


class FilterModule:
    """Filters for ClamAV."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"clamav_signature": clamav_signature}
