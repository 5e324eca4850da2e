// SPDX-License-Identifier: ISC
// The same for Express and ws, npm packages as Debian has them.
'use strict';
const crypto = require('crypto');
const express = require('express');
const fs = require('fs');
const http = require('http');
const https = require('https');
const { WebSocketServer } = require('ws');

const app = express();
app.use(express.static('/srv'));
app.get('/client', (request, response) => response.send(`${request.ip} ${request.socket.remotePort}\n`));
app.post('/upload', (request, response) => {
	const sum = crypto.createHash('sha256');
	request.pipe(sum).on('finish', () => response.send(sum.digest('hex') + '\n'));
});

const tls = process.env.TLS_DIRECTORY;
const servers = [
	http.createServer(app),
	https.createServer({ cert: fs.readFileSync(`${tls}/cert.pem`), key: fs.readFileSync(`${tls}/key.pem`) }, app),
];
servers.forEach((server, i) => {
	new WebSocketServer({ server }).on('connection', (socket) =>
		socket.on('message', (data) => socket.send(data.toString())));
	server.listen(i ? process.env.TLS_PORT : process.env.PORT);
});
process.on('SIGTERM', () => servers.forEach((server) => {
	server.close();
	server.closeIdleConnections?.();
}));
