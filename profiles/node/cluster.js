// SPDX-License-Identifier: ISC
// cluster.js PROGRAM: runs PROGRAM in a process for each processor (WORKERS of the environment: so many), which share its
// listening sockets. SIGHUP replaces them one after the other: the old one goes when the new one listens. SIGTERM: they
// are asked to finish, and it ends with the last.
'use strict';
const cluster = require('cluster');
const os = require('os');
const path = require('path');

// Each process accepts for itself. (Node's own way, round robin, has accepted a client before it knows a process for it, and
// drops it when that one is just ending.)
if (!process.env.NODE_CLUSTER_SCHED_POLICY)
	cluster.schedulingPolicy = cluster.SCHED_NONE;
cluster.setupPrimary({ exec: path.resolve(process.argv[2]), args: process.argv.slice(3) });
let ending = false;
let reload = Promise.resolve();

// Resolves when it listens, or has ended without.
function start() {
	const worker = cluster.fork();
	return new Promise((resolve) => {
		worker.once('listening', resolve);
		worker.once('exit', resolve);
	});
}

// Its own handler of SIGTERM finishes what it is working on; disconnect() takes its sockets from it.
function finish(worker) {
	worker.expected = true;
	worker.disconnect();
	worker.process.kill('SIGTERM');
}

async function replaceAll() {
	for (const old of Object.values(cluster.workers)) {
		await start();
		if (ending)
			return;
		finish(old);
	}
	console.log('reloaded');
}

cluster.on('exit', (worker, code, signal) => {
	if (worker.expected || ending)
		return;
	console.error(`worker ${worker.process.pid} ended by ${signal || code}`);
	setTimeout(() => ending || cluster.fork(), 1000);
});
process.on('SIGHUP', () => { reload = reload.then(replaceAll); });
process.on('SIGTERM', () => {
	ending = true;
	Object.values(cluster.workers).forEach(finish);
});

for (let i = Number(process.env.WORKERS) || os.availableParallelism(); i > 0; i--) // os.cpus() is empty with proc = pid
	start();
