#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The profiles that ship, each with its real server from Debian's packages, through the same list of checks."""
import os
import signal
import unittest

import trp
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
# What doc/upstreams.md says for an nginx that can be given another binary
UPGRADABLE = """
[service]
setup = /bin/sh -c 'sed "s/^daemon off;//; s,/dev/stdout,/dev/stderr," /trp/profile/nginx.conf >${runtime}/nginx.conf'
command = /usr/sbin/nginx -e stderr -c ${runtime}/nginx.conf
pid-file = /run/nginx.pid
"""
SCRIPTS = """
[sandbox]
bind = {content} /srv
"""

ROWS = [
    Row("nginx", upload=("PUT", "/upload/file"), drop_in=CONF_D, cannot={"websocket": NO_WEBSOCKET}),
    Row("nginx@upgradable", upload=("PUT", "/upload/file"), drop_in=UPGRADABLE + CONF_D, cannot={"websocket": NO_WEBSOCKET}),
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


def _new_binary(t, old):
    """Has the master process exec() nginx once more, beside itself; the host's pid of the new one, when it serves."""
    t.d.ok("signal", t.row.name, "USR2")

    def serves():
        masters = [p for p in trp.children(old) if b"master" in trp.read("/proc/%d/cmdline" % p)]
        return masters[0] if masters and trp.children(masters[0]) else None
    return trp.wait_until(serves, 20, "a new nginx has workers")


def _masters(t):
    return trp.children(t.d.status(t.row.name)["pid"])


def test_binary_upgrade(self):
    """USR2, then QUIT to the old master, twice under load: each request is answered, and the new one is the service."""
    name = self.row.name
    with upstreams.Load(self.row) as load:
        for _ in range(2):
            old = self.d.status(name)["main_pid"]
            self.assertEqual(_masters(self), [old])
            new = _new_binary(self, old)
            self.assertEqual(self.d.status(name)["main_pid"], old)  # until it has ended
            self.d.ok("signal", name, "QUIT")
            trp.wait_until(lambda: _masters(self) == [new], 20, "only the new nginx is there")
            trp.wait_until(lambda: self.d.status(name)["main_pid"] == new, 5, "its main process is the new one")
            self.assertIn("(main process %d)" % new, self.d.ok("status", name))
    self.assertEqual((load.failed[:5], load.cut[:5]), ([], []), "of %d" % load.done)
    self.assertGreater(load.done, 50)
    self.assertEqual((self.d.status(name)["state"], self.d.status(name)["restarts"]), ("ready", 0))
    self.assertEqual(len(self.d.logged(name, "sup its main process is %d now" % new)), 1)
    upstreams.check_reload(self)
    self.assertEqual(self.d.status(name)["main_pid"], new)


def test_stop_in_the_middle_of_an_upgrade(self):
    """Both nginx are asked to stop, the new one when it has become the main process; nothing has to be killed."""
    name = self.row.name
    new = _new_binary(self, self.d.status(name)["main_pid"])
    pids = self.d.pids(name)
    self.assertIn(new, pids)
    self.d.ok("stop", name)
    self.assertEqual((self.d.status(name)["state"], [p for p in pids if os.path.exists("/proc/%d" % p)]), ("stopped", []))
    self.d.logged(name, "sup /usr/sbin/nginx exited with code 0")
    self.assertEqual(self.d.log_lines(name, "does not stop"), [])
    self.d.ok("start", name)


def test_back_to_the_old_binary(self):
    """The new nginx is ended: the old one has its pid file back, goes on, and can be replaced again."""
    name = self.row.name
    old = self.d.status(name)["main_pid"]
    with upstreams.Load(self.row) as load:
        new = _new_binary(self, old)
        os.kill(new, signal.SIGQUIT)
        trp.wait_until(lambda: not os.path.exists("/proc/%d" % new), 10, "the new one has ended")
        self.assertEqual(self.d.status(name)["main_pid"], old)
        new = _new_binary(self, old)
        self.d.ok("signal", name, "QUIT")
        trp.wait_until(lambda: _masters(self) == [new], 20, "only the new nginx is there")
    self.assertEqual((load.failed[:5], load.cut[:5]), ([], []), "of %d" % load.done)
    self.assertEqual(self.d.status(name)["restarts"], 0)


for number, test in enumerate((test_binary_upgrade, test_stop_in_the_middle_of_an_upgrade, test_back_to_the_old_binary)):
    setattr(globals()["nginx_upgradable"], test.__name__.replace("test_", "test_%d_" % (21 + number)), test)

if __name__ == "__main__":
    unittest.main()
