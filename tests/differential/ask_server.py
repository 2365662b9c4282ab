# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container: a memcached that knows a few keys, in the background until the container ends."""

import json
import os
import socketserver
import sys

asked = json.load(sys.stdin)


class Server(socketserver.StreamRequestHandler):
    """protocol.txt of memcached: get and its answer."""

    def handle(self):
        for line in self.rfile:
            words = line.decode().split()
            if words[:1] == ["get"]:
                value = asked["rows"].get(words[1], "").encode()
                found = b"VALUE %s 0 %d\r\n%s\r\n" % (words[1].encode(), len(value), value) if value else b""
                self.wfile.write(found + b"END\r\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", asked["port"]), Server)
print("true", flush=True)
if os.fork():
    os._exit(0)
os.setsid()
for descriptor in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
server.serve_forever()
