#!/usr/bin/python3 -B
# SPDX-License-Identifier: ISC
"""A target for the relay's tests, in a process of its own: relay_target.py ADDRESS NAME [proxy] [tls CERT]. Prints its port; ADDRESS * is
the wildcard of both families. The
path of the first request says what it does with the connection; a PROXY header in front of it is taken off and told."""
import asyncio
import hashlib
import json
import os
import signal
import ssl
import sys

held = set()
last_result = {}


async def proxy_header(reader):
    start = await reader.readexactly(6)
    if start == b"PROXY ":
        return (start + await reader.readuntil(b"\r\n")).decode()
    head = start + await reader.readexactly(10)
    if head[:12] != b"\r\n\r\n\0\r\nQUIT\n":
        raise ValueError("no PROXY header: %r" % head)
    return (head + await reader.readexactly(int.from_bytes(head[14:16], "big"))).hex()


def pattern(n):
    block = hashlib.sha256(b"relay").digest() * 2048  # 64 KiB
    while n > 0:
        yield block[:n]
        n -= len(block)


async def consume(reader):
    digest, n = hashlib.sha256(), 0
    while True:
        data = await reader.read(1 << 16)
        if not data:
            return {"bytes": n, "sha256": digest.hexdigest()}
        digest.update(data)
        n += len(data)


async def act(path, told, reader, writer):
    word, _, argument = path.strip("/").partition("/")
    if word == "echo":
        while True:
            data = await reader.read(1 << 16)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    elif word == "bytes":
        for block in pattern(int(argument)):
            writer.write(block)
            await writer.drain()
    elif word == "upload":  # answers after the client's end of file
        writer.write(json.dumps(await consume(reader)).encode())
    elif word == "first":  # ends its own direction first, and listens on
        writer.write(b"that was all")
        await writer.drain()
        writer.write_eof()
        last_result.update(await consume(reader))
    elif word == "reset":
        writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER
        writer.transport.abort()
    elif word == "hold":
        writer.write(b"held")
        await writer.drain()
        held.add(writer)
        await reader.read(1)
        held.discard(writer)
    else:
        body = json.dumps(dict(told, held=len(held), result=last_result)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


async def main():
    address, name, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    with_tls = None
    if "tls" in options:
        with_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with_tls.load_cert_chain(options[options.index("tls") + 1])

    async def client(reader, writer):
        try:
            told = {"name": name, "peer": writer.get_extra_info("peername")[0],
                    "port": writer.get_extra_info("peername")[1], "local": writer.get_extra_info("sockname")[0]}
            if "proxy" in options:
                told["proxy"] = await proxy_header(reader)
            request = await reader.readuntil(b"\r\n\r\n")
            await act(request.split()[1].decode(), told, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    port = int(address.rpartition(" ")[2]) if " " in address else 0
    host = address.split()[0]
    server = await asyncio.start_server(client, None if host == "*" else host, port, ssl=with_tls, backlog=4096)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
