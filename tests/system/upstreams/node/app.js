// SPDX-License-Identifier: ISC
// What the checks ask for: files, the sum of an upload, the client's address, a WebSocket that echoes.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

const files = { '/small.txt': '/srv/small.txt', '/large.bin': '/srv/large.bin' };

function answer(request, response) {
	if (files[request.url]) {
		fs.createReadStream(files[request.url]).pipe(response);
	} else if (request.url === '/client') {
		response.end(`${request.socket.remoteAddress} ${request.socket.remotePort}\n`);
	} else if (request.url === '/upload') {
		const sum = crypto.createHash('sha256');
		request.pipe(sum).on('finish', () => response.end(sum.digest('hex') + '\n'));
	} else {
		response.statusCode = 404;
		response.end();
	}
}

function frame(text) {
	const length = text.length < 126 ? Buffer.from([0x81, text.length]) :
		text.length < 65536 ? Buffer.from([0x81, 126, text.length >> 8, text.length & 255]) :
			Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
	if (text.length >= 65536)
		length.writeUInt32BE(text.length, 6);
	return Buffer.concat([length, text]);
}

// RFC 6455 as far as the test goes: whole, masked text messages
function upgrade(request, socket, head) {
	let data = head;
	const take = (more) => {
		data = Buffer.concat([data, more]);
		for (;;) {
			if (data.length < 2)
				return;
			let at = 2, length = data[1] & 127;
			if (length > 125) {
				at = length === 126 ? 4 : 10;
				if (data.length < at)
					return;
				length = length === 126 ? data.readUInt16BE(2) : data.readUInt32BE(6);
			}
			if (data.length < at + 4 + length)
				return;
			const text = Buffer.from(data.subarray(at + 4, at + 4 + length));
			for (let i = 0; i < length; i++)
				text[i] ^= data[at + i % 4];
			data = data.subarray(at + 4 + length);
			socket.write(frame(text));
		}
	};
	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
		'Sec-WebSocket-Accept: ' + crypto.createHash('sha1').update(request.headers['sec-websocket-key'] +
			'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64') + '\r\n\r\n');
	socket.on('data', take);
	socket.on('end', () => socket.end());
	socket.on('error', () => socket.destroy());
	take(Buffer.alloc(0));
}

const tls = process.env.TLS_DIRECTORY;
const servers = [
	http.createServer(answer),
	https.createServer({ cert: fs.readFileSync(`${tls}/cert.pem`), key: fs.readFileSync(`${tls}/key.pem`) }, answer),
];
servers.forEach((server, i) => server.on('upgrade', upgrade).listen(i ? process.env.TLS_PORT : process.env.PORT));
process.on('SIGTERM', () => servers.forEach((server) => {
	if (server.listening)
		server.close();
	server.closeIdleConnections?.();
}));
