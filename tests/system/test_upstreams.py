#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The profiles that ship, each with its real server from Debian's packages, through the same list of checks."""
import unittest

import upstreams
from upstreams import Row

NO_WEBSOCKET = "has no WebSocket of its own"

ROWS = [
    Row("nginx", upload=("PUT", "/upload/file"), cannot={"websocket": NO_WEBSOCKET}, drop_in="""
[sandbox]
bind = {content} /srv
bind = {content}/conf.d /etc/nginx/conf.d
"""),
]

globals().update(upstreams.cases(ROWS, __name__))

if __name__ == "__main__":
    unittest.main()
