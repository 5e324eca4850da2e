"""One client after the other, with a backlog of two. Says the client's port."""
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])), backlog=2)
while True:
    client, address = listener.accept()
    client.recv(1000)
    client.sendall(b"%d" % address[1])
    client.close()
