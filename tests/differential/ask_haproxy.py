# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a container: what haproxy -c says of each text, as [exit status, output]."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

TLS = "/etc/mailcluster/tls"
STATE = "/run/mailcluster"

os.makedirs(TLS, exist_ok=True)
os.makedirs(STATE, exist_ok=True)
with open(f"{STATE}/haproxy.state", "w", encoding="utf-8") as state:
    state.write("1\n")
MAKE_CERTIFICATE = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=node -keyout {TLS}/node.key -out {TLS}/ca.pem"
subprocess.run(MAKE_CERTIFICATE.split(), check=True, capture_output=True)
with open(f"{TLS}/node.pem", "w", encoding="utf-8") as bundle:
    for name in ("ca.pem", "node.key"):
        with open(f"{TLS}/{name}", encoding="utf-8") as part:
            bundle.write(part.read())
shutil.copy(bundle.name, f"{TLS}/service.pem")


def ask(text: str) -> list[object]:
    with open("/tmp/haproxy.cfg", "w", encoding="utf-8") as config:
        config.write(text)
    answer = subprocess.run(["haproxy", "-c", "-f", config.name], capture_output=True, text=True, check=False)
    return [answer.returncode, answer.stdout + answer.stderr]


json.dump([ask(text) for text in json.load(sys.stdin)], sys.stdout)
