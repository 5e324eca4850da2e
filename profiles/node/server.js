// SPDX-License-Identifier: ISC
// An example: says who its client is, by HTTP and HTTPS. On SIGTERM it finishes what it is working on.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

function answer(request, response) {
	const { remoteAddress, remotePort } = request.socket;
	response.setHeader('Content-Type', 'text/plain');
	response.end(`Hello ${remoteAddress} ${remotePort}\n`);
}

const tls = process.env.TLS_DIRECTORY;
const servers = [
	http.createServer(answer).listen(process.env.PORT),
	https.createServer({
		cert: fs.readFileSync(`${tls}/cert.pem`),
		key: fs.readFileSync(`${tls}/key.pem`),
	}, answer).listen(process.env.TLS_PORT),
];

process.on('SIGTERM', () => servers.forEach((server) => {
	server.close();
	server.closeIdleConnections?.();
}));
