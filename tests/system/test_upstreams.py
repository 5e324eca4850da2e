#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The profiles that ship, each with its real server from Debian's packages, through the same list of checks."""
import unittest

import upstreams
from upstreams import Row

NO_WEBSOCKET = "has no WebSocket of its own"
# "combined" access log, then the client's port
LOG = r' (?:out|err) (?P<address>\S+) \S+ \S+ \[[^]]*\] "[^"]*{token}[^"]*" 200 \S+ "[^"]*" "[^"]*" (?P<port>\d+) '
SITES = """
[sandbox]
bind = {content} /srv
bind = {content}/sites /run/sites
"""
CONF_D = """
[sandbox]
bind = {content} /srv
bind = {content}/conf.d /etc/nginx/conf.d
"""
SCRIPTS = """
[sandbox]
bind = {content} /srv
"""

ROWS = [
    Row("nginx", upload=("PUT", "/upload/file"), drop_in=CONF_D, cannot={"websocket": NO_WEBSOCKET}),
    Row("apache", upload=("PUT", "/upload/file"), client_log=LOG, graceful_stop=False, drop_in=SITES,
        cannot={"websocket": NO_WEBSOCKET}),
    Row("apache@prefork", upload=("PUT", "/upload/file"), client_log=LOG, graceful_stop=False,
        drop_in=SITES + "[environment]\nMPM = prefork\n", cannot={"websocket": NO_WEBSOCKET}),
    Row("lighttpd", upload=("PUT", "/upload/file"), client_log=LOG, drop_in=SITES,
        reloaded="server started", cannot={"websocket": NO_WEBSOCKET}),
    Row("nginx@php", section="phpfpm", content="php", small="/small.php", large="/large.php",
        upload=("POST", "/upload.php"), client="/client.php", also_reload=("phpfpm@nginx-php",),
        cannot={"websocket": NO_WEBSOCKET},
        drop_in="[service]\nrequires = phpfpm@nginx-php\n" + CONF_D + "use = phpfpm@nginx-php\n",
        other_drop_ins={"phpfpm@nginx-php": SCRIPTS}),
    Row("dokuwiki", small="/doku.php?id=wiki:syntax&do=export_raw", small_has=b"====== Formatting Syntax ======",
        large="/lib/exe/fetch.php?media=large.zip", client_log=LOG, also_reload=("dokuwiki-php@dokuwiki",),
        other_drop_ins={"dokuwiki-php@dokuwiki": SCRIPTS +
                        "[service]\nsetup = /bin/ln -sf /srv/large.bin ${state}/data/media/large.zip\n"},
        cannot={"websocket": NO_WEBSOCKET, "upload": "no visitor may upload anything"}),
    Row("node", drop_in="[service]\ncommand = /usr/bin/node /srv/app.js\n" + SCRIPTS,
        cannot={"reload": "A single Node.js process cannot load its program anew"}),
    Row("node@cluster", drop_in="[service]\ncommand = /usr/bin/node ${profile}/cluster.js /srv/app.js\n" + SCRIPTS,
        content="node"),
    Row("node@express", content="node", cannot={"reload": "A single Node.js process cannot load its program anew"},
        drop_in="[service]\ncommand = /usr/bin/node /srv/express.js\n" + SCRIPTS +
        "packages = node-express node-ws\n[environment]\nNODE_PATH = /usr/share/nodejs\n"),
]
for row in ROWS:
    row.adapter = "preload"

globals().update(upstreams.cases(ROWS, __name__))

if __name__ == "__main__":
    unittest.main()
