"""Sends 4 MiB to its first client and exits when the kernel has them."""
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])))
client, _ = listener.accept()
client.recv(1000)
client.sendall(b"x" * (4 << 20))
client.close()
