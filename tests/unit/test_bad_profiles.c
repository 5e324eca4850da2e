/* SPDX-License-Identifier: ISC */
/* What is refused, and in which words: each row is a profile with its exact messages, in their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/profile/load.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *service, *text, *expected;
} rows[] = {
	/* clang-format off */
	{"unknown key", "web",
		"[service]\n"
		"comand = /bin/sh\n",
		"bad.ini:2: comand: unknown key in [service]; did you mean 'command'?\n"},
	{"unknown key, nothing near", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"zzz = 1\n",
		"bad.ini:3: zzz: unknown key in [service]\n"},
	{"key as systemd calls it", "web",
		"[service]\n"
		"ExecStart = /bin/sh\n"
		"MemoryMax = 1G\n",
		"bad.ini:2: ExecStart: unknown key in [service]; did you mean 'command'?\n"
		"bad.ini:3: MemoryMax: unknown key in [service]; did you mean 'memory' in [limits]?\n"},
	{"section of trpsup.conf", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[clients]\n"
		"rate = 1/s\n",
		"bad.ini:3: [clients]: unknown section; it belongs to trpsup.conf\n"},
	{"pipe", "web",
		"[service]\n"
		"command = /bin/sh -c x '|' \\> a>b | cat\n",
		"bad.ini:2: command: no shell reads this, expected /bin/sh -c '...', or \"|\" in quotes if it is an argument\n"},
	{"redirection on a line that continues", "web",
		"[service]\n"
		"command = /bin/sh -c x\n"
		"  >/dev/null 2>&1\n",
		"bad.ini:3: command: no shell reads this, expected /bin/sh -c '...', or \">/dev/null\" in quotes if it is an argument\n"},
	{"comment as a shell has it", "web",
		"[service]\n"
		"setup = /bin/true # makes nothing\n"
		"command = /bin/sh\n",
		"bad.ini:2: setup: '#' begins no comment behind a value, expected ;, or \"#\" if it is an argument\n"},
	{"key of another section", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"memory = 1G\n",
		"bad.ini:3: memory: unknown key in [service]; it belongs to [limits]\n"},
	{"unknown section", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sanbox]\n"
		"root = host\n",
		"bad.ini:3: [sanbox]: unknown section; did you mean '[sandbox]'?\n"},
	{"unknown section, its keys are passed over", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[quux]\n"
		"a = 1\n"
		" b\n",
		"bad.ini:3: [quux]: unknown section\n"},
	{"section with a word", "web",
		"[service web]\n"
		"command = /bin/sh\n",
		"bad.ini:1: [service web]: expected [service]\n"},
	{"section not closed", "web",
		"[service\n"
		"command = /bin/sh\n",
		"bad.ini:1: the section has no ']', expected [NAME]\n"},
	{"text behind a section", "web",
		"[service] command = /bin/sh\n",
		"bad.ini:1: there is text behind the ']' of a section, expected the end of the "
		"line\n"},
	{"section's name too long", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[ssssssssssssssssssssssssssssssssssssssssssssssssss]\n"
		"x = 1\n",
		"bad.ini:3: the section's name is longer than 49 bytes\n"},
	{"key before a section", "web",
		"command = /bin/sh\n",
		"bad.ini:1: command: stands before the first [section]\n"},
	{"no equals sign", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user www-data\n",
		"bad.ini:3: this is neither a [section] nor KEY = VALUE\n"},
	{"two lines without equals signs", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user\n"
		"group\n",
		"bad.ini:3: this is neither a [section] nor KEY = VALUE\n"
		"bad.ini:4: this is neither a [section] nor KEY = VALUE\n"},
	{"colon in place of the equals sign", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user: www-data\n",
		"bad.ini:3: this is neither a [section] nor KEY = VALUE\n"},
	{"no key", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"= 1\n",
		"bad.ini:3: there is no key before the '=' (at most 49 bytes)\n"},
	{"key too long", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = 1\n",
		"bad.ini:3: the key is longer than 49 bytes\n"},
	{"line too long", "web",
		"[service]\n"
		"command = /bin/sh xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		"bad.ini:2: the line is longer than 199 bytes; continue it on a new line that "
		"begins with a blank\n"},
	{"long line and its continuation", "web",
		"[service]\n"
		"description = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
		" more\n"
		"command = /bin/sh\n",
		"bad.ini:2: the line is longer than 199 bytes; continue it on a new line that "
		"begins with a blank\n"},
	{"indented first key", "web",
		"[service]\n"
		"  command = /bin/sh\n",
		"bad.ini:2: an indented line continues the value above it, but there is none; "
		"keys begin in the first column\n"},
	{"continued scalar", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user = www\n"
		"  data\n",
		"bad.ini:4: user: takes one line, but an indented line continues it; keys begin "
		"in the first column\n"},
	{"indented key swallowed by the value above", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"  user = www-data\n",
		"bad.ini:3: command: the indented line 'user = www-data' would continue this "
		"value; a key begins in the first column\n"},
	{"scalar twice", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user = a\n"
		"user = b\n",
		"bad.ini:4: user: given twice, first in line 3\n"},
	{"command twice", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"command = /bin/true\n",
		"bad.ini:3: command: given twice, first in line 2\n"},
	{"scalar without a value", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user =\n",
		"bad.ini:3: user: has no value, expected a user's name or a number from 0 to "
		"65535\n"},
	{"command missing", "web",
		"[limits]\n"
		"memory = 1G\n",
		"bad.ini: command: missing in [service], expected a command line with an "
		"absolute path first\n"},
	{"command reset and not given again", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"command =\n",
		"bad.ini:3: command: was reset and not given again\n"},
	{"empty file", "web",
		"",
		"bad.ini: command: missing in [service], expected a command line with an "
		"absolute path first\n"},
	{"command not absolute", "web",
		"[service]\n"
		"command = sh -c true\n",
		"bad.ini:2: command: 'sh' is not valid, expected the program's absolute path "
		"first\n"},
	{"quote not closed", "web",
		"[service]\n"
		"command = /bin/sh -c \"true\n",
		"bad.ini:2: command: a \" is not closed (a \" inside is written as \\\"; a blank "
		"and ; begin a comment)\n"},
	{"comment inside quotes", "web",
		"[service]\n"
		"command = /bin/sh -c 'true ; false'\n",
		"bad.ini:2: command: a ' is not closed (outside of quotes it is written as \\'; "
		"a blank and ; begin a comment)\n"},
	{"backslash at the end", "web",
		"[service]\n"
		"command = /bin/sh x\\\n",
		"bad.ini:2: command: nothing follows the backslash at the end\n"},
	{"program does not exist", "web",
		"[service]\n"
		"command = /nonexistent/httpd\n",
		"bad.ini:2: command: /nonexistent/httpd: No such file or directory\n"},
	{"program is a directory", "web",
		"[service]\n"
		"command = /usr\n",
		"bad.ini:2: command: /usr: not a regular file\n"},
	{"program not executable", "web",
		"[service]\n"
		"command = /etc/passwd\n",
		"bad.ini:2: command: /etc/passwd: not executable\n"},
	{"setup program does not exist", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"setup = /bin/sh -c true\n"
		"setup = /nonexistent/setup\n",
		"bad.ini:4: setup: /nonexistent/setup: No such file or directory\n"},
	{"setup not absolute", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"setup = mkdir x\n",
		"bad.ini:3: setup: 'mkdir' is not valid, expected the program's absolute path "
		"first\n"},
	{"root = none without its program", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"root = none\n",
		"bad.ini:2: command: /bin/sh: with root = none there is no such program inside, "
		"expected one below ${libexec} or in a bind\n"},
	{"unknown variable", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = ${instanc}\n",
		"bad.ini:3: description: unknown variable ${instanc}; did you mean ${instance}?\n"},
	{"unknown variable, nothing near", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = ${qqqqqq}\n",
		"bad.ini:3: description: unknown variable ${qqqqqq}\n"},
	{"variable not closed", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = ${name\n",
		"bad.ini:3: description: '${' without '}'; a literal $ is written as $$\n"},
	{"single dollar", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"HOME = $HOME\n",
		"bad.ini:4: HOME: a single $ means nothing here; a literal $ is written as $$, a "
		"variable as ${name}\n"},
	{"instance without an instance", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = ${instance}\n",
		"bad.ini:3: description: ${instance} has no value: this profile is loaded "
		"without an instance, expected a name such as web@1\n"},
	{"no listener for a variable", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"URL = https://x:${public.tls}/ http://x:${public.http}/\n",
		"bad.ini:4: URL: ${public.tls} has no value: trpsup.conf has no listener with "
		"protocols = tls\n"},
	{"no directory for ${profile}", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"setup = /bin/sh ${profile}/setup\n",
		"bad.ini:3: setup: ${profile} has no value: there is no directory web/ beside "
		"bad.ini\n"},
	{"${state} without state", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"D = ${state}\n"
		"[sandbox]\n"
		"state = no\n",
		"bad.ini:4: ${state} needs state = yes in [sandbox]\n"},
	{"${publish} without publish", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"D = ${publish}\n",
		"bad.ini:4: ${publish} needs publish = yes in [sandbox]\n"},
	{"${secrets} without a secret", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"F = ${secrets}/x\n",
		"bad.ini:4: ${secrets} needs secret = NAME in [sandbox]\n"},
	{"bad user", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"user = 70000\n"
		"group = a b\n",
		"bad.ini:3: user: '70000' is out of range, expected a user's name or a number "
		"from 0 to 65535\n"
		"bad.ini:4: group: 'a b' is not valid, expected a group's name or a number from "
		"0 to 65535\n"},
	{"bad choice", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"restart = alway\n"
		"ready = sometimes\n",
		"bad.ini:3: restart: 'alway' is not valid, expected one of on-failure, always, "
		"no; did you mean 'always'?\n"
		"bad.ini:4: ready: 'sometimes' is not valid, expected one of auto, started, "
		"listen, notify, check, exit, or fd:N with N from 3 to 1023\n"},
	{"ready = fd:N", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = fd:2\n"
		"ready = fd\n"
		"[limits]\n"
		"open-files = 16\n",
		"bad.ini:3: ready: 'fd:2' is not valid, expected fd:N with N from 3 to 1023\n"
		"bad.ini:4: ready: given twice, first in line 3\n"},
	{"health without a check", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = check\n"
		"[health]\n"
		"interval = 1s\n"
		"unhealthy = keep\n",
		"bad.ini:3: ready: 'check' needs check in [health]\n"
		"bad.ini:5: interval: has no effect without check\n"
		"bad.ini:6: unhealthy: has no effect without check\n"},
	{"check = http:", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = http:\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check = http:health", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = http:health\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check = http://host/", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = http://a.example/\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check = tcp:0", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = tcp:0\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check = udp", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = udp\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check = httpx:/", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = httpx:/\n",
		"bad.ini:7: check: expected http:/PATH, tcp, tcp:PORT, tls, or command and a command line\n"},
	{"check and more words", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = tcp now\n",
		"bad.ini:7: check: nothing follows tcp, but 'now' does\n"},
	{"check = command", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[health]\n"
		"check = command sh\n",
		"bad.ini:4: check: 'sh' is not valid, expected the program's absolute path behind 'command'\n"},
	{"check = command that is not there", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[health]\n"
		"check = command /nonexistent/x\n",
		"bad.ini:4: check: /nonexistent/x: No such file or directory\n"},
	{"check without its route", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[health]\n"
		"check = http:/\n",
		"bad.ini:4: check: 'http:' needs http in [route]: it is a client as the router has them\n"},
	{"check of another port", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = tcp:81\n",
		"bad.ini:7: check: is about a port that [route] does not name\n"},
	{"check values", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = http:/\n"
		"status = 399-200\n"
		"send-host = *.example\n"
		"unhealthy = restar\n",
		"bad.ini:8: status: '399-200' is out of range, expected a status from 100 to 599, or two such as 200-399\n"
		"bad.ini:9: send-host: '*.example' is not valid, expected a host name such as www.example.org\n"
		"bad.ini:10: unhealthy: 'restar' is not valid, expected restart or keep; did you mean 'restart'?\n"},
	{"check and what has no effect with it", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = check\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[health]\n"
		"check = tcp\n"
		"status = 200\n"
		"send-host = a.example\n"
		"start-period = 1s\n",
		"bad.ini:11: start-period: has no effect with ready = check: before, start-timeout in [service] holds\n"
		"bad.ini:9: status: has no effect without check = http:/PATH\n"
		"bad.ini:10: send-host: has no effect without check = http:/PATH or tls\n"},
	{"check of one that runs once", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = exit\n"
		"[health]\n"
		"check = command /bin/sh\n",
		"bad.ini:5: check: contradicts ready = exit: it has ended when it could be checked\n"},
	{"check with relay", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = 192.0.2.1:80\n"
		"[health]\n"
		"check = tcp\n",
		"bad.ini:9: check: has no effect with adapter = relay: health-interval in [relay] is about its targets\n"},
	{"keep-descriptors", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"keep-descriptors = 129\n",
		"bad.ini:3: keep-descriptors: '129' is out of range, expected a number from 0 to 128\n"},
	{"keep-descriptors without notify", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"keep-descriptors = 1\n",
		"bad.ini:3: keep-descriptors: needs ready = notify\n"},
	{"keep-descriptors and open-files", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = notify\n"
		"keep-descriptors = 100\n"
		"[limits]\n"
		"open-files = 100\n",
		"bad.ini:4: keep-descriptors: needs a larger open-files in [limits]: they and 16 more\n"},
	{"ready = fd:N beyond open-files", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = fd:16\n"
		"[limits]\n"
		"open-files = 16\n",
		"bad.ini:3: ready: a descriptor with that number needs a larger open-files in [limits]\n"},
	{"bad duration", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"start-timeout = 90\n"
		"stop-timeout = 2d\n",
		"bad.ini:3: start-timeout: '90' is not valid, expected a time such as 90s, from "
		"10ms to 1d\n"
		"bad.ini:4: stop-timeout: '2d' is out of range, expected a time such as 20s, "
		"from 10ms to 1d\n"},
	{"bad number", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"start-limit-burst = -1\n"
		"log-files = 100\n",
		"bad.ini:3: start-limit-burst: '-1' is not valid, expected a number from 0 to "
		"10000\n"
		"bad.ini:4: log-files: '100' is out of range, expected a number from 0 to 99\n"},
	{"bad size", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"log-size = 4Q\n"
		"[sandbox]\n"
		"tmp-size = 1\n",
		"bad.ini:3: log-size: '4Q' is not valid, expected a size such as 4M, from 4K to "
		"1T\n"
		"bad.ini:5: tmp-size: '1' is out of range, expected a size such as 64M, from 4K "
		"to 1T\n"},
	{"bad signal", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"stop-signal = TREM\n",
		"bad.ini:3: stop-signal: 'TREM' is not valid, expected a signal such as TERM, "
		"SIGTERM or 15\n"},
	{"bad path", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"working-directory = srv/../www\n",
		"bad.ini:3: working-directory: 'srv/../www' is not valid, expected an absolute "
		"path\n"},
	{"pre-stop program does not exist", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"pre-stop = /bin/sh -c true\n"
		"pre-stop = /nonexistent/x\n",
		"bad.ini:4: pre-stop: /nonexistent/x: No such file or directory\n"},
	{"pre-stop of what ends by itself", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = exit\n"
		"pre-stop = /bin/sh\n",
		"bad.ini:4: pre-stop: has no effect with ready = exit: it runs only for a service that was ready\n"},
	{"before what it comes after", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"after = a\n"
		"requires = b\n"
		"before = c web a\n",
		"bad.ini:5: before: a service cannot start before itself\n"
		"bad.ini:5: before: names a service that it requires or starts after\n"},
	{"bad credentials", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"credential = a:/etc/a b /etc/b .c:/etc/c d/e:/etc/d f:etc/f g:/ a:/etc/g\n"
		"credential-command = h /bin/h\n"
		"credential-command = h:bin/h\n"
		"credential-command = a:/bin/a\n",
		"bad.ini:4: credential: 'b' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: '/etc/b' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: '.c:/etc/c' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: 'd/e:/etc/d' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: 'f:etc/f' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: 'g:/' is not valid, expected NAME:/absolute/path\n"
		"bad.ini:4: credential: 'a' is taken already at bad.ini:4\n"
		"bad.ini:5: credential-command: 'h' is not valid, expected NAME:, the program's absolute path, and its arguments\n"
		"bad.ini:6: credential-command: 'h:bin/h' is not valid, expected NAME:, the program's absolute path, and its arguments\n"
		"bad.ini:7: credential-command: 'a' is taken already at bad.ini:4\n"},
	{"${credentials} without a credential", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"F = ${credentials}/x\n",
		"bad.ini:4: ${credentials} needs credential = NAME:PATH in [sandbox]\n"},
	{"bad timer", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[timer]\n"
		"calendar = Mon-Fri 02:00\n"
		"calendar = *-02-30\n"
		"interval = 10ms\n",
		"bad.ini:4: calendar: 'Mon-Fri 02:00' is not valid, expected a time such as daily, Mon..Fri 02:00, *-*-1 04:00:00 or *:0/15\n"
		"bad.ini:5: calendar: '*-02-30' never comes\n"
		"bad.ini:6: interval: '10ms' is out of range, expected a time such as 15m, from 1s to 3660d\n"},
	{"timer of what does not end", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[timer]\n"
		"calendar = daily\n",
		"bad.ini:4: calendar: needs ready = exit in [service]: what is run by time must end\n"},
	{"timer without a time", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = exit\n"
		"[timer]\n"
		"persistent = yes\n"
		"random-delay = 1m\n",
		"bad.ini:6: random-delay: has no effect without calendar, interval or delay-after-boot\n"
		"bad.ini:5: persistent: has no effect without calendar, interval or delay-after-boot\n"},
	{"nothing to be caught up", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = exit\n"
		"[timer]\n"
		"delay-after-boot = 1m\n"
		"persistent = yes\n",
		"bad.ini:6: persistent: has no effect without calendar or interval\n"},
	{"log to nowhere", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"log-to = file jornal\n",
		"bad.ini:3: log-to: 'jornal' is not valid, expected file, syslog or journal; did you mean 'journal'?\n"},
	{"bad environment files", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"environment-file = /etc/a -/etc/b etc/c --/etc/d /etc/a /\n",
		"bad.ini:3: environment-file: 'etc/c' is not valid, expected absolute paths, with - in front if the file may be "
		"missing\n"
		"bad.ini:3: environment-file: '--/etc/d' is not valid, expected absolute paths, with - in front if the file may be "
		"missing\n"
		"bad.ini:3: environment-file: '/etc/a' is given twice\n"
		"bad.ini:3: environment-file: '/' is not valid, expected absolute paths, with - in front if the file may be "
		"missing\n"},
	{"restart delays", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"restart-delay = 1m\n"
		"restart-delay-max = 1s\n",
		"bad.ini:4: restart-delay-max: shorter than restart-delay\n"},
	{"ready = listen without a route", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = listen\n",
		"bad.ini:3: ready: 'listen' needs http, tls or another protocol in [route]\n"},
	{"ready = exit contradicts", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = exit\n"
		"restart = always\n"
		"[route]\n"
		"host = a.org\n"
		"http = 80\n",
		"bad.ini:4: restart: 'always' contradicts ready = exit: it would run in a loop\n"
		"bad.ini:3: ready: 'exit' contradicts [route]: it has ended when clients come\n"},
	{"adapter = none with a route", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"adapter = none\n"
		"[route]\n"
		"host = a.org\n"
		"http = 80\n",
		"bad.ini:3: adapter: 'none' contradicts [route]: nothing could receive the "
		"clients\n"},
	{"bad service in requires", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"requires = Data_Base\n",
		"bad.ini:3: requires: 'Data_Base' is not valid, expected names of services\n"},
	{"requires itself", "web@a",
		"[service]\n"
		"command = /bin/sh\n"
		"requires = web@${instance}\n"
		"after = web@a\n",
		"bad.ini:3: requires: a service cannot require itself\n"
		"bad.ini:4: after: a service cannot start after itself\n"},
	{"bad host", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = exa mple..org *.a.org\n"
		"http = 80\n",
		"bad.ini:4: host: 'mple..org' is not valid, expected a host name such as "
		"www.example.org or *.example.org\n"},
	{"bad internationalized host", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = \xcc\x80.org [::1%1] b\xc3\xbc" "cher..org\n"
		"http = 80\n",
		"bad.ini:4: host: '\xcc\x80.org' is not an internationalized name: string contains a forbidden leading "
		"combining character\n"
		"bad.ini:4: host: '[::1%1]' is not valid, expected a host name such as www.example.org or *.example.org\n"
		"bad.ini:4: host: 'b\xc3\xbc" "cher..org' is not valid, expected a host name such as www.example.org or "
		"*.example.org\n"},
	{"host twice, one as A-labels", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = *.b\xc3\xbc" "cher.org [0::1]\n"
		"host = *.XN--bcher-KVA.org. [::0:1]\n"
		"http = 80\n",
		"bad.ini:5: host: '*.xn--bcher-kva.org' is given twice, first at bad.ini:4\n"
		"bad.ini:5: host: '[::1]' is given twice, first at bad.ini:4\n"},
	{"host twice, written differently", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = A.org b.org\n"
		"host = a.ORG.\n"
		"http = 80\n",
		"bad.ini:5: host: 'a.org' is given twice, first at bad.ini:4\n"},
	{"bad port", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.org\n"
		"http = 65536\n"
		"tls = x\n",
		"bad.ini:5: http: '65536' is out of range, expected a port from 1 to 65535\n"
		"bad.ini:6: tls: 'x' is not valid, expected a port from 1 to 65535\n"},
	{"the same port twice", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.org\n"
		"http = 8080\n"
		"tls = 8080\n",
		"bad.ini:6: tls: the same port as http, but they are two protocols: expected two "
		"ports\n"},
	{"host without a port", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.org\n",
		"bad.ini:4: host: [route] names no port of the upstream, expected http or tls\n"},
	{"default without a port", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"default = yes\n",
		"bad.ini:4: default: [route] names no port of the upstream, expected http or "
		"tls\n"},
	{"port without a host", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"tls = 8443\n",
		"bad.ini:4: tls: nobody would get there, expected host or default = yes in "
		"[route]\n"},
	{"host for a protocol without names", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.org\n"
		"ssh = 22\n",
		"bad.ini:4: host: has no effect: none of the protocols in [route] names a host\n"},
	{"unknown protocol", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"postgers = 5432\n",
		"bad.ini:4: postgers: unknown key in [route]; did you mean 'postgres'?\n"},
	{"listener without a route", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"listener = intranet\n",
		"bad.ini:4: listener: has no effect without host and http or tls in [route]\n"},
	{"bad boolean", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"default = maybe\n"
		"http = 1\n",
		"bad.ini:4: default: 'maybe' is not valid, expected yes or no\n"},
	{"bad root", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"root = hots\n",
		"bad.ini:4: root: 'hots' is not valid, expected host, packages, none or an "
		"absolute path; did you mean 'host'?\n"},
	{"root = packages without packages", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"root = packages\n",
		"bad.ini:4: root: 'packages' needs packages = NAME... in [sandbox]\n"},
	{"packages without root = packages", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"packages = nginx\n"
		"suite = bookworm\n",
		"bad.ini:4: packages: needs root = packages\n"
		"bad.ini:5: suite: needs root = packages\n"},
	{"bad package", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"root = packages\n"
		"packages = nginx Apache2\n",
		"bad.ini:5: packages: 'Apache2' is not valid, expected names of Debian packages\n"},
	{"host-files outside of /etc", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"host-files = /home/x\n",
		"bad.ini:4: host-files: '/home/x' is not valid, expected paths below /etc\n"},
	{"host-files with another root", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"root = packages\n"
		"packages = nginx\n"
		"host-files = /etc/nginx\n",
		"bad.ini:6: host-files: needs root = host\n"},
	{"bind of one word", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv\n",
		"bad.ini:4: bind: expected SOURCE TARGET [rw] [exec] [noexec] [optional]\n"},
	{"bind of a relative source", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = srv /srv\n",
		"bad.ini:4: bind: the source 'srv' is not an absolute path without . and ..\n"},
	{"bind to a relative target", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv srv\n",
		"bad.ini:4: bind: the target 'srv' is not an absolute path without . and ..\n"},
	{"bind over what is the sandbox's", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv /proc/sys\n"
		"bind = /srv /dev\n"
		"bind = /srv /trp/state\n"
		"bind = /srv /\n",
		"bad.ini:4: bind: the target '/proc/sys' lies in /proc, which belongs to the "
		"sandbox itself\n"
		"bad.ini:5: bind: the target '/dev' lies in /dev, which belongs to the sandbox "
		"itself\n"
		"bad.ini:6: bind: the target '/trp/state' lies in /trp, which belongs to the "
		"sandbox itself\n"
		"bad.ini:7: bind: the target '/' lies in /, which belongs to the sandbox itself\n"},
	{"bind out of its place", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv /srv/../proc\n",
		"bad.ini:4: bind: the target '/srv/../proc' is not an absolute path without . "
		"and ..\n"},
	{"bind with a bad option", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv /srv noexex\n",
		"bad.ini:4: bind: 'noexex' is not valid, expected rw, exec, noexec or optional; did "
		"you mean 'noexec'?\n"},
	{"bind with exec and noexec", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /srv /srv rw exec noexec\n",
		"bad.ini:4: bind: exec and noexec contradict each other\n"},
	{"exec-from of what is not there", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"state = no\n"
		"exec-from = tmp state\n",
		"bad.ini:5: exec-from: 'state' needs state = yes\n"},
	{"bad exec-from", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"exec-from = /tmp\n",
		"bad.ini:4: exec-from: '/tmp' is not valid, expected state, tmp, run, shm or memfd; did you mean 'tmp'?\n"},
	{"two binds at one place", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /a /x\n"
		"  /b /x rw\n",
		"bad.ini:5: bind: the target '/x' is taken already at bad.ini:4\n"},
	{"bind and state-at at one place", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /a /var/lib/x\n"
		"state-at = x:/var/lib/x\n",
		"bad.ini:4: bind: the target '/var/lib/x' is taken already by state-at\n"},
	{"bad state-at", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"state-at = /var/lib/x ../x:/y x:/trp/y x:y\n",
		"bad.ini:4: state-at: '/var/lib/x' is not valid, expected SUBDIR:/absolute/path\n"
		"bad.ini:4: state-at: '../x:/y' is not valid, expected SUBDIR:/absolute/path\n"
		"bad.ini:4: state-at: the target '/trp/y' lies in /trp, which belongs to the "
		"sandbox itself\n"
		"bad.ini:4: state-at: the target 'y' is not an absolute path without . and ..\n"},
	{"state-at without state", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"state = no\n"
		"state-at = x:/x\n",
		"bad.ini:5: state-at: needs state = yes\n"},
	{"bad secret", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"secret = a/b/c .hidden\n",
		"bad.ini:4: secret: 'a/b/c' is not valid, expected NAME, or SERVICE/NAME of "
		"another service\n"
		"bad.ini:4: secret: '.hidden' is not valid, expected NAME, or SERVICE/NAME of "
		"another service\n"},
	{"two secrets, one file", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"requires = db\n"
		"[sandbox]\n"
		"secret = key db/key\n",
		"bad.ini:5: secret: 'db/key': there is a secret of that name already at "
		"bad.ini:5, both would be the file /trp/secrets/key\n"},
	{"secret of a stranger", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"secret = db/root\n",
		"bad.ini:4: secret: 'db/root': 'db' is not in requires\n"},
	{"use of a stranger", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"requires = db\n"
		"[sandbox]\n"
		"use = db cache\n",
		"bad.ini:5: use: 'cache' is not in requires\n"},
	{"bad system call", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"syscalls = @default @fil-system nosuchcall\n",
		"bad.ini:4: syscalls: '@fil-system' is not valid, expected @default, a group "
		"such as @file-system, a system call, or one of these with - in front; did you "
		"mean '@file-system'?\n"
		"bad.ini:4: syscalls: 'nosuchcall' is not valid, expected @default, a group such "
		"as @file-system, a system call, or one of these with - in front\n"},
	{"bad allow-missing", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"allow-missing = landlok\n",
		"bad.ini:4: allow-missing: 'landlok' is not valid, expected landlock, cgroup, cgroup-bpf or io; "
		"did you mean 'landlock'?\n"},
	{"bad limits", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[limits]\n"
		"processes = 0\n"
		"memory = 1K\n"
		"cpu = 50\n"
		"open-files = unlimited\n"
		"file-size = -1\n"
		"io-read = 50\n"
		"io-write = 20M/s\n"
		"io-read-ops = 9\n"
		"io-write-ops = -1\n"
		"io-weight = 10001\n"
		"locked-memory = all\n"
		"io-writes = 1M\n",
		"bad.ini:4: processes: '0' is out of range, expected a number such as 512, up to 4194304, or "
		"unlimited\n"
		"bad.ini:5: memory: '1K' is out of range, expected a size such as 1G, at least "
		"1M, or unlimited\n"
		"bad.ini:6: cpu: '50' is not valid, expected a percentage such as 50% or 200%, "
		"from 1% to 1000000%, or unlimited\n"
		"bad.ini:7: open-files: 'unlimited' is not valid, expected a number from 16 to "
		"1048576\n"
		"bad.ini:8: file-size: '-1' is not valid, expected a size such as 1G, or "
		"unlimited\n"
		"bad.ini:9: io-read: '50' is out of range, expected a size such as 50M, at least 64K, or unlimited\n"
		"bad.ini:10: io-write: '20M/s' is not valid, expected a size such as 20M, at least 64K, or unlimited\n"
		"bad.ini:11: io-read-ops: '9' is out of range, expected a number such as 1000, at least 10, or unlimited\n"
		"bad.ini:12: io-write-ops: '-1' is not valid, expected a number such as 500, at least 10, or unlimited\n"
		"bad.ini:13: io-weight: '10001' is out of range, expected a number from 1 to 10000\n"
		"bad.ini:14: locked-memory: 'all' is not valid, expected a size such as 64M, or unlimited\n"
		"bad.ini:15: io-writes: unknown key in [limits]; did you mean 'io-write'?\n"},
	{"LD_PRELOAD", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"LD_PRELOAD = /lib/x.so\n",
		"bad.ini:4: LD_PRELOAD: refused: the adapter is loaded through "
		"/etc/ld.so.preload of the sandbox, and a library in front of it could take its "
		"connections away\n"},
	{"NOTIFY_SOCKET", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"NOTIFY_SOCKET = /run/x\n",
		"bad.ini:4: NOTIFY_SOCKET: refused: the supervisor sets it (ready = notify)\n"},
	{"bad environment name", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"A-B = 1\n"
		"1A = 1\n",
		"bad.ini:4: A-B: not a name of an environment variable, expected letters, digits "
		"and _\n"
		"bad.ini:5: 1A: not a name of an environment variable, expected letters, digits "
		"and _\n"},
	{"relay without a target", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n",
		"bad.ini:2: adapter: 'relay' needs target = ADDRESS:PORT in [relay]\n"},
	{"relay without a route", "web",
		"[service]\n"
		"adapter = relay\n"
		"[relay]\n"
		"target = 192.0.2.1:80\n",
		"bad.ini:2: adapter: 'relay' needs http or tls in [route]\n"},
	{"target without relay", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[relay]\n"
		"target = 192.0.2.1:80\n",
		"bad.ini:4: target: needs adapter = relay in [service]\n"},
	{"targets that are none", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = app.example.org:80\n"
		"target = 2001:db8::1\n"
		"target = 192.0.2.1:0\n"
		"target = 0.0.0.0:80\n"
		"target = 192.0.2.1:80 192.0.2.1:80\n",
		"bad.ini:7: target: 'app.example.org:80' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:8: target: '2001:db8::1' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:9: target: '192.0.2.1:0' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:10: target: '0.0.0.0:80' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:11: target: '192.0.2.1:80' is given twice\n"},
	{"unix targets", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = unix:run/a\n"
		"target = unix:/a\n"
		"target = unix:/run/../a\n"
		"target = unix:/run/a 192.0.2.1\n"
		"proxy-protocol = v1\n",
		"bad.ini:7: target: 'unix:run/a' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:8: target: 'unix:/a' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:9: target: 'unix:/run/../a' is not valid, expected ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path\n"
		"bad.ini:10: target: some are unix: and some are not, expected one kind\n"
		"bad.ini:11: proxy-protocol: has no effect on unix: targets, which are given the client's own socket\n"},
	{"relay with a program", "web",
		"[service]\n"
		"adapter = relay\n"
		"command = /bin/sh\n"
		"setup = /bin/sh\n"
		"user = www\n"
		"ready = notify\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = 192.0.2.1:80\n"
		"[sandbox]\n"
		"root = none\n"
		"state = no\n"
		"bind = /srv /srv\n"
		"[environment]\n"
		"A = 1\n",
		"bad.ini:6: ready: 'notify' contradicts adapter = relay\n"
		"bad.ini:3: command: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:4: setup: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:5: user: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:13: root: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:15: bind: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:14: state: has no effect with adapter = relay: it has no program of its own\n"
		"bad.ini:17: A: has no effect with adapter = relay: it has no program of its own\n"},
	{"loopback without a route", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"adapter = loopback\n",
		"bad.ini:3: adapter: 'loopback' needs http or tls in [route]\n"},
	{"io_uring and passed sockets", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[sandbox]\n"
		"syscalls = @default io_uring_setup\n",
		"bad.ini:7: syscalls: 'io_uring_setup' needs adapter = loopback, because the service gets clients and io_uring must not have their sockets\n"},
#if defined(__x86_64__)
	{"socketcall and passed sockets", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[sandbox]\n"
		"architectures = native x86\n"
		"syscalls = @default socketcall\n",
		"bad.ini:8: syscalls: 'socketcall' needs adapter = loopback, because the service gets clients and socketcall must not have their sockets\n"},
	{"x86 without native", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"architectures = x86\n",
		"bad.ini:4: architectures: 'x86' alone: trp-init makes native system calls, expected native x86\n"},
	{"x86 and notify", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"adapter = notify\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[sandbox]\n"
		"architectures = native x86\n",
		"bad.ini:3: adapter: 'notify' sees native system calls only, so it contradicts architectures = native x86: expected loopback\n"},
#else
	{"x86 on another machine", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"architectures = native x86\n",
		"bad.ini:4: architectures: 'x86': this machine has no i386 system calls, expected native\n"},
#endif
	{"socketcall without x86", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"syscalls = @default socketcall\n",
		"bad.ini:4: syscalls: 'socketcall' needs architectures = native x86: it is a system call of i386\n"},
	{"x32", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"architectures = native x32\n",
		"bad.ini:4: architectures: 'x32' is not valid, expected native or x86 (x32 is always refused)\n"},
	{"arm", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"architectures = arm\n",
		"bad.ini:4: architectures: 'arm' is not valid, expected native or x86 (x32 is always refused)\n"},
	{"loopback with targets", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"adapter = loopback\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = 192.0.2.1:80\n"
		"balance = source\n"
		"proxy-protocol = v2\n"
		"connect-timeout = 1s\n"
		"idle-timeout = 1m\n"
		"health-interval = 1s\n"
		"health-failures = 1\n",
		"bad.ini:8: target: has no effect with adapter = loopback: the clients go to the service's own program\n"
		"bad.ini:9: balance: has no effect with adapter = loopback: the clients go to the service's own program\n"
		"bad.ini:13: health-interval: has no effect with adapter = loopback: the clients go to the service's own program\n"
		"bad.ini:14: health-failures: has no effect with adapter = loopback: the clients go to the service's own program\n"},
	{"relay's times and numbers", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.example\n"
		"http = 80\n"
		"[relay]\n"
		"target = 192.0.2.1\n"
		"balance = random\n"
		"proxy-protocol = yes\n"
		"connect-timeout = 0\n"
		"health-failures = 0\n",
		"bad.ini:8: balance: 'random' is not valid, expected one of least-connections, round-robin, source\n"
		"bad.ini:9: proxy-protocol: 'yes' is not valid, expected no, v1 or v2\n"
		"bad.ini:10: connect-timeout: '0' is out of range, expected a time such as 5s, from 10ms to 10m\n"
		"bad.ini:11: health-failures: '0' is out of range, expected a number from 1 to 100\n"},
	{"environment twice", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"A = 1\n"
		"A = 2\n",
		"bad.ini:5: A: given twice, first in line 4\n"},
	{"environment swallowed by the value above", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"A = 1\n"
		"  B=2\n",
		"bad.ini:5: A: the indented line 'B=2' would continue this value; a key begins "
		"in the first column\n"},
	{"include at the wrong place", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[limits]\n"
		"include = x.ini\n",
		"bad.ini:4: include: belongs to the top of a file or to [service]\n"},
	{"include of nothing", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"include = nonexistent-dir/x.ini\n",
		"bad.ini:3: include: there is no file nonexistent-dir/x.ini\n"},
	{"include without a value", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"include =\n",
		"bad.ini:3: include: has no value, expected a path such as ../common.ini\n"},
	{"control character", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = a\033[31mb\n",
		"bad.ini:3: the byte 0x1b does not belong here, expected UTF-8 text without "
		"control characters\n"},
	{"not UTF-8", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = gr\374\337\n",
		"bad.ini:3: the byte 0xfc does not belong here, expected UTF-8 text without "
		"control characters\n"},
	{"limits of clients", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"host = a.test\n"
		"http = 80\n"
		"rate = 0/s\n"
		"burst = 1000001\n"
		"queue = 0\n",
		"bad.ini:6: rate: '0/s' is not valid, expected a number for each time such as 200/s, 30/m or 100/h, or "
		"unlimited\n"
		"bad.ini:7: burst: '1000001' is out of range, expected a number from 1 to 1000000\n"
		"bad.ini:8: queue: '0' is out of range, expected a number from 1 to 65536\n"
		"bad.ini:7: burst: means nothing without rate, expected rate = 200/s or the like\n"},
	{"limits without clients", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"rate = 1/s\n"
		"queue = 9\n",
		"bad.ini:4: rate: limits clients, but [route] names no port for a protocol\n"
		"bad.ini:5: queue: limits clients, but [route] names no port for a protocol\n"},
	{"control character of UTF-8", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"description = a\302\233b\n",
		"bad.ini:3: the byte 0xc2 does not belong here, expected UTF-8 text without "
		"control characters\n"},
	{"carriage return within a line", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"; little memory\r[limits]\rmemory = 64M\n",
		"bad.ini:3: a carriage return stands here that ends no line\n"},
	{"keys of a relay without one", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[relay]\n"
		"balance = source\n"
		"proxy-protocol = v2\n"
		"idle-timeout = 10m\n"
		"health-failures = 1\n",
		"bad.ini:4: balance: needs adapter = relay in [service]\n"
		"bad.ini:7: health-failures: needs adapter = relay in [service]\n"
		"bad.ini:5: proxy-protocol: needs adapter = relay or loopback in [service]\n"
		"bad.ini:6: idle-timeout: needs adapter = relay or loopback in [service]\n"},
	{"size of a state directory that there is not", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"state = no\n"
		"[limits]\n"
		"state-size = 64M\n",
		"bad.ini:6: state-size: needs state = yes in [sandbox]\n"},
	{"size of a relay's state directory", "web",
		"[service]\n"
		"adapter = relay\n"
		"[route]\n"
		"host = a.test\n"
		"http = 80\n"
		"[relay]\n"
		"target = 192.0.2.1\n"
		"[limits]\n"
		"state-size = 64M\n",
		"bad.ini:9: state-size: has no effect with adapter = relay: it has no program of its own\n"},
	{"health check taken back", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = check\n"
		"[health]\n"
		"check = command /bin/true\n"
		"failures = 5\n"
		"check =\n",
		"bad.ini:3: ready: 'check' needs check in [health]\n"
		"bad.ini:6: failures: has no effect without check\n"},
	{"names taken back", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"http = 80\n"
		"host = a.test\n"
		"host =\n",
		"bad.ini:4: http: nobody would get there, expected host or default = yes in [route]\n"},
	{"system calls that are taken out and given back", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"syscalls = -@ipc\n"
		" @default\n"
		"syscalls = -ptrace @debug -@network socket\n",
		"bad.ini:5: syscalls: '@default' gives back what '-@ipc' has taken out, expected only one of them, or the removal behind it\n"
		"bad.ini:6: syscalls: '@debug' gives back what '-ptrace' has taken out, expected only one of them, or the removal behind it\n"},
	{"system call that cannot be taken out", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"syscalls = @default -socket -execve\n",
		"bad.ini:4: syscalls: '-execve' has no effect: trp-init makes this system call itself, so no service is without it\n"},
	{"targets that others would hide", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"bind = /dev/null /srv/www/.git\n"
		" /srv/www /srv/www\n"
		" /srv/conf /var/lib/app/conf\n"
		" /srv/www/a /srv/www/b\n"
		"state-at = a:/var/lib/app/a lib:/var/lib/app\n",
		"bad.ini:4: bind: the target '/srv/www/.git' lies in '/srv/www' of bad.ini:5, which would hide it: expected behind that\n"
		"bad.ini:6: bind: the target '/var/lib/app/conf' lies in that of state-at = lib:/var/lib/app, which would hide it\n"
		"bad.ini:8: state-at: the target of 'a:/var/lib/app/a' lies in that of 'lib:/var/lib/app', which would hide it: expected behind that\n"},
	{"limits that no kernel has", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[limits]\n"
		"processes = 4194305\n"
		"cpu = 184467440737096516%\n",
		"bad.ini:4: processes: '4194305' is out of range, expected a number such as 512, up to 4194304, or unlimited\n"
		"bad.ini:5: cpu: '184467440737096516%' is out of range, expected a percentage such as 50% or 200%, from 1% to 1000000%, or unlimited\n"},
	{"room for no program", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[limits]\n"
		"processes = 1\n",
		"bad.ini:4: processes: 1 is trp-init alone, expected at least 2\n"},
	{"keys of log files without files", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"log-to = syslog\n"
		"log-size = 1M\n"
		"log-keep = 1d\n"
		"log-compress = no\n"
		"log-rate = unlimited\n"
		"log-burst = 1M\n"
		"log-over-rate = drop\n",
		"bad.ini:4: log-size: has no effect without file in log-to\n"
		"bad.ini:5: log-keep: has no effect without file in log-to\n"
		"bad.ini:6: log-compress: has no effect without file in log-to\n"
		"bad.ini:8: log-burst: has no effect with log-rate = unlimited\n"
		"bad.ini:9: log-over-rate: has no effect with log-rate = unlimited\n"},
	{"log files that are less than one", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"log-total = 1M\n"
		"reload-timeout = 1s\n"
		"timeout-extension = 1s\n",
		"bad.ini:4: reload-timeout: has no effect without ready = notify\n"
		"bad.ini:5: timeout-extension: has no effect without ready = notify\n"
		"bad.ini:3: log-total: less than log-size, which one file may have\n"},
	{"time that is too short for its unit", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"ready = notify\n"
		"watchdog = 0.9ms\n",
		"bad.ini:4: watchdog: '0.9ms' is not valid, expected a time such as 30s, up to 1d, or 0\n"},
	{"pause that is longer than the longest by default", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"restart-delay = 1m\n",
		"bad.ini:3: restart-delay: longer than restart-delay-max, expected a longer one of that, too\n"},
	{"section that is indented", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[environment]\n"
		"A = 1\n"
		"  [limits]\n"
		"memory = 64M\n"
		"[route]\n"
		"htp = 80\n",
		"bad.ini:5: A: the indented line '[limits]' would continue this value; a section begins in the first column\n"
		"bad.ini:8: htp: unknown key in [route]; did you mean 'http'?\n"},
	{"comment behind a path", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"working-directory = /srv # the site\n"
		"pid-file = /run/x/#1\n"
		"[sandbox]\n"
		"root = / # all\n",
		"bad.ini:3: working-directory: '#' begins no comment behind a value, expected ;\n"
		"bad.ini:6: root: '#' begins no comment behind a value, expected ;\n"},
	{"yes as one writes it", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"memory-deny-write-execute = Yes\n"
		"user-namespaces = non\n"
		"publish = maybe\n",
		"bad.ini:4: memory-deny-write-execute: 'Yes' is not valid, expected yes or no; did you mean 'yes'?\n"
		"bad.ini:5: user-namespaces: 'non' is not valid, expected yes or no; did you mean 'no'?\n"
		"bad.ini:6: publish: 'maybe' is not valid, expected yes or no\n"},
	{"a port, and nobody who gets there", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[route]\n"
		"http = 80\n"
		"default = no\n",
		"bad.ini:4: http: nobody would get there, expected host or default = yes in [route]\n"},
	{"system call that another key gives", "web",
		"[service]\n"
		"command = /bin/sh\n"
		"[sandbox]\n"
		"user-namespaces = yes\n"
		"syscalls = @default -setns\n",
		"bad.ini:5: syscalls: '-setns' contradicts user-namespaces = yes, which is that call among others\n"},
	/* clang-format on */
};

/* There is a listener for HTTP, but none for TLS. */
static const struct profile_paths paths = {
	.public_port = {[TRP_PROTO_HTTP1] = 80},
	.libexec = "/nonexistent/libexec",
};

static char *joined(const struct profile_errors *e)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < e->n; i++)
		fprintf(f, "%s\n", e->v[i]);
	fclose(f);
	return text;
}

static void test_row(void **state)
{
	size_t i = (size_t)*state;
	struct profile_errors errors = {0};
	struct profile *p = NULL;
	int r = profile_load_buffer(
		&paths, rows[i].service, "bad.ini", rows[i].text, strlen(rows[i].text), &p, &errors);
	cleanup_free char *text = joined(&errors);

	assert_string_equal(text, rows[i].expected);
	assert_int_equal(r, -EINVAL);
	assert_null(p);
	profile_errors_free(&errors);
}

int main(void)
{
	struct CMUnitTest tests[TRP_ARRAY_SIZE(rows)];

	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name, .test_func = test_row, .initial_state = (void *)i};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
