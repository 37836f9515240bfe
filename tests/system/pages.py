#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pages.py PORT FOLDER: serves foreign.html and follow.mjs to a browser, and
appends what is posted to /log/NAME to FOLDER/NAME, a line each."""
import http.server
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=HERE)

    def do_POST(self):
        name = os.path.basename(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(os.path.join(sys.argv[2], name), "ab") as f:
            f.write(body + b"\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                Handler).serve_forever()
