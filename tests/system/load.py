# SPDX-License-Identifier: ISC
"""Clients that come all the time, for tests of what must not be seen by any of them."""
import threading
import time

import trp
import web


class Load:
    """Clients, one after the other in each of some threads; what became of each of them."""

    def __init__(self, name, n=4):
        self.name, self.good, self.bad, self.over = name, 0, [], False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work) for _ in range(n)]

    def ask(self):
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\nHost: %s.localhost\r\n\r\n" % self.name.encode())
            data = b""
            while more := sock.recv(65536):
                data += more
        # the test's own server says who its client is, without a word of HTTP
        return None if b" 200 " in data[:20] or data.startswith(b"peer=") else data[:200] or "nothing"

    def work(self):
        while not self.over:
            try:
                problem = self.ask()
            except Exception as e:  # pylint: disable=broad-except
                problem = repr(e)
            with self.lock:
                self.good += problem is None
                self.bad += [problem] if problem else []
            time.sleep(0.002)

    def more(self, n, seconds=30):
        """Waits until n more were served."""
        at = self.good
        trp.wait_until(lambda: self.good >= at + n or self.bad, seconds, "%d more clients" % n)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join(40)
