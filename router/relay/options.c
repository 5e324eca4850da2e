/* SPDX-License-Identifier: ISC */
#include "router/relay/relay.h"
#include "base/log.h"
#include "base/parse.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const balance_words[] = {"least-connections", "round-robin", "source", NULL};
static const char *const proxy_words[] = {"no", "v1", "v2", NULL};

static int word(const char *option, const char *text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	log_fatal("--%s: '%s' is not one of its words", option, text);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t n;

	if (trp_parse_u64(text, &n) < 0 || n < min || n > max)
		log_fatal("--%s: '%s' is not a number from %llu to %llu", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return n;
}

static void add_target(struct relay_options *o, const char *text)
{
	if (o->n_targets == TARGETS_MAX)
		log_fatal("more than %d targets", TARGETS_MAX);
	if (trp_parse_endpoint(text, &o->targets[o->n_targets]) < 0)
		log_fatal("'%s' is not a target", text);
	o->pass_on = o->targets[0].ss_family == AF_UNIX;
	if (o->pass_on != (o->targets[o->n_targets].ss_family == AF_UNIX))
		log_fatal("unix sockets and others do not go together");
	o->n_targets++;
}

#define DAY_MS (24 * 3600 * 1000ull)

void relay_options(struct relay_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"balance", required_argument, NULL, 'b'},
		{"proxy-protocol", required_argument, NULL, 'p'},
		{"connect-timeout", required_argument, NULL, 'c'},
		{"idle-timeout", required_argument, NULL, 'i'},
		{"health-interval", required_argument, NULL, 'e'},
		{"health-failures", required_argument, NULL, 'f'},
		{"loopback", no_argument, NULL, 'l'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c, index = 0;

	*o = (struct relay_options){.connect_timeout_ms = 5000, .health_failures = 3};
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		const char *name = options[index].name;
		switch (c) {
		case 'b':
			o->balance = (enum balance)word(name, optarg, balance_words);
			break;
		case 'p':
			o->proxy = (enum proxy_version)word(name, optarg, proxy_words);
			break;
		case 'c':
			o->connect_timeout_ms = number(name, optarg, 1, DAY_MS);
			break;
		case 'i':
			o->idle_timeout_ms = number(name, optarg, 0, 366 * DAY_MS);
			break;
		case 'e':
			o->health_interval_ms = number(name, optarg, 0, DAY_MS);
			break;
		case 'f':
			o->health_failures = (unsigned)number(name, optarg, 1, 1000);
			break;
		case 'l':
			o->loopback = true;
			break;
		case 'V':
			puts("trp-relay " TRP_VERSION);
			exit(0);
		case 'h':
			puts("usage: trp-relay [--balance=WORD] [--proxy-protocol=no|v1|v2] "
			     "[--connect-timeout=MS]\n"
			     "                 [--idle-timeout=MS] [--health-interval=MS] "
			     "[--health-failures=N] ADDRESS[:PORT]...|unix:/PATH...|--loopback\n"
			     "Started by trpsupd, with the control socket as descriptor 3.");
			exit(0);
		default:
			exit(2);
		}
	}
	for (; optind < argc; optind++)
		add_target(o, argv[optind]);
	if (o->loopback != (o->n_targets == 0))
		log_fatal(o->loopback ? "--loopback has no target" : "no target");
}
