"""Answers one client after the other, a little slowly, and ends at SIGTERM after the one that it works for; who is in its backlog then is
reset by the kernel."""
import signal
import socket
import sys
import time

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
listener = socket.create_server(("", int(sys.argv[1])), backlog=100)
listener.settimeout(0.05)
while not ended:
    try:
        client, address = listener.accept()
    except TimeoutError:
        continue
    client.settimeout(5)
    client.recv(1000)
    time.sleep(0.002)
    client.sendall(b"%d" % address[1])
    client.close()
