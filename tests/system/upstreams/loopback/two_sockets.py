"""Listens for IPv4, and for IPv6 a third of a second later. Says the client's port."""
import select
import socket
import sys
import time

four = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(0.3)
six = socket.create_server(("::1", int(sys.argv[1])), family=socket.AF_INET6)
while True:
    for listener in select.select((four, six), (), ())[0]:
        client, address = listener.accept()
        client.recv(1000)
        client.sendall(b"%d" % address[1])
        client.close()
