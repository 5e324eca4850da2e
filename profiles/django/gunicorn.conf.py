# SPDX-License-Identifier: ISC
# gunicorn for a Django project; APP, WORKERS and THREADS come from the profile. The log goes to stdout and stderr.
import os
import socket
import sys

sys.path.insert(0, "/trp/profile")

wsgi_app = os.environ["APP"]
# one listener for both families: gunicorn leaves IPV6_V6ONLY off, and two that share a port would be in each other's way
bind = ["[::]:80", "[::]:443"]
worker_class = "ports.Worker"
workers = int(os.environ["WORKERS"])
threads = int(os.environ["THREADS"])
certfile = "/trp/state/tls/cert.pem"
keyfile = "/trp/state/tls/key.pem"
keepalive = 5
graceful_timeout = 30
# what arrives is the client itself: nobody in front may say who it is, or that it came by TLS
forwarded_allow_ips = ""
secure_scheme_headers = {}
worker_tmp_dir = "/dev/shm"
accesslog = "-"

# Ready is when the last worker has loaded the application. gunicorn itself would say so before there is a worker, and a signal
# that reaches a worker too early is lost, so that a stop would take all of graceful_timeout.
_notify = os.environ.pop("NOTIFY_SOCKET", None)


def post_worker_init(worker):
    if _notify and worker.age == workers:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", _notify)
