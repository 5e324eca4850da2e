"""Closes its listening socket after each client, and listens again a little later; with "once", never."""
import socket
import sys
import time

while True:
    listener = socket.create_server(("", int(sys.argv[1])), backlog=1)
    client, address = listener.accept()
    listener.close()
    client.recv(1000)
    client.sendall(b"%d" % address[1])
    client.close()
    time.sleep(1000 if sys.argv[2:] else 0.1)
