# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
import os
import sys
from pathlib import Path

import pytest

LAB = ["test_01_inbound", "test_02_outbound", "test_03_content", "test_04_relay", "test_05_strangers", "test_06_one_tier"]
os.environ["MAILCLUSTER_INVENTORY"] = "inventories/single"
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab/tests"))
pytest.register_assert_rewrite(*LAB)

from testing import entrance, pytest_configure, pytest_report_teststatus, pytest_runtest_makereport, site  # noqa: E402

__all__ = ["entrance", "pytest_configure", "pytest_report_teststatus", "pytest_runtest_makereport", "site"]
