#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Runs in a sandbox: writes numbered lines of 100 bytes without end, or N of them as fast as it can, and says over HTTP how many it has
written. Arguments: lines in a second (0: as fast as it can), N (0: without end)."""
import http.server
import os
import sys
import threading
import time

rate, n = int(sys.argv[1]), int(sys.argv[2])
written = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d" % written)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", 8000), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(0.2)
while n == 0 or written < n:
    lines = b"".join(b"n %097d\n" % i for i in range(written, written + 10))
    at = 0
    while at < len(lines):
        at += os.write(1 + written // 10 % 2 if rate == 0 and n else 1, lines[at:])
    written += 10
    if rate:
        time.sleep(10 / rate)
threading.Event().wait()
