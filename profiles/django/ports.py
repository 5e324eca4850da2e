# SPDX-License-Identifier: ISC
"""gunicorn speaks TLS on all of its ports or on none. This worker speaks it on port 443 only."""
import copy

from gunicorn.config import Config
from gunicorn.workers.gthread import TConn, ThreadWorker

TLS_PORT = 443
MAPPED = "::ffff:"


class Worker(ThreadWorker):
    def init_process(self):
        self.plain_cfg = Config()
        self.plain_cfg.settings = dict(self.cfg.settings)
        for name in ("certfile", "keyfile"):
            self.plain_cfg.settings[name] = copy.copy(self.cfg.settings[name])
            self.plain_cfg.set(name, None)
        super().init_process()

    def accept(self, server, listener):
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker was faster, or the client has left
            return
        if client[0].startswith(MAPPED):
            client = (client[0][len(MAPPED):], *client[1:])
        cfg = self.cfg if server[1] == TLS_PORT else self.plain_cfg
        self.nr_conns += 1
        self.enqueue_req(TConn(cfg, sock, client, server))
