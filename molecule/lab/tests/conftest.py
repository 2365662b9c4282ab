# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from testing import entrance, pytest_configure, pytest_report_teststatus, pytest_runtest_makereport, site

__all__ = ["entrance", "pytest_configure", "pytest_report_teststatus", "pytest_runtest_makereport", "site"]
