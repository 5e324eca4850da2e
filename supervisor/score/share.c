/* SPDX-License-Identifier: ISC */
/* share.c: what it has together with others: secrets, directories, names, a socket to the daemon. */
#include "supervisor/score/tables.h"

#include <stdio.h>

static void judge_secrets(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;
	unsigned foreign = 0;

	for (size_t i = 0; i < p->n_secrets; i++)
		foreign += p->secrets[i].service != NULL;
	if (p->n_secrets == 0)
		score_set(row, 0, "none");
	else if (foreign == 0)
		score_set(row, 0, "%zu of its own", p->n_secrets);
	else
		score_set(row, 30 + foreign * 10, "%u of other services, %zu of its own", foreign, p->n_secrets - foreign);
	for (size_t i = 0; i < p->n_secrets; i++)
		if (p->secrets[i].service) {
			row->where = p->secrets[i].where;
			break;
		}
}

static void judge_publish(const struct score_view *v, struct score_row *row)
{
	if (v->profile->publish)
		score_set(row, 30, "/trp/publish, for services that name it in use");
	else
		score_set(row, 0, "none");
}

static void judge_use(const struct score_view *v, struct score_row *row)
{
	size_t n = v->profile->use.n;

	if (n == 0)
		score_set(row, 0, "none");
	else
		score_set(row, 20 + (unsigned)n * 10, "%s%s", v->profile->use.v[0], n > 1 ? " and others" : "");
}

static void judge_names(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;
	const char *wildcard = NULL;

	for (size_t i = 0; i < p->hosts.n; i++)
		if (p->hosts.v[i][0] == '*')
			wildcard = p->hosts.v[i];
	if (!profile_is_routed(p))
		score_set(row, 0, "none");
	else if (p->default_route)
		score_set(row, 60, "every name that no other service has");
	else if (wildcard)
		score_set(row, 30, "%.100s", wildcard);
	else
		score_set(row, 0, "%zu exact name%s", p->hosts.n, p->hosts.n == 1 ? "" : "s");
}

static void judge_notify(const struct score_view *v, struct score_row *row)
{
	if (v->profile->ready == READY_NOTIFY)
		score_set(row, 30, "what trp-sdnotify passes on of it, as text");
	else
		score_set(row, 0, "its init's fixed-size messages");
}

const struct score_control score_share_controls[] = {
	{"secrets", "Other services' secrets", 4, "sandbox", "secret", "secrets of its own, where the other service can have several", judge_secrets, NULL,
		NULL},
	{"published", "A directory that others see", 2, "sandbox", "publish", "no, if nobody uses it", judge_publish, NULL, NULL},
	{"used", "Other services' directories", 3, "sandbox", "use", "only those that it needs", judge_use, NULL, NULL},
	{"names", "Names whose clients it gets", 2, "route", "default", "no; and host without a wildcard", judge_names, NULL, NULL},
	{"daemon-socket", "What it can say to the daemon", 1, "service", "ready", "listen or started, if that tells the same", judge_notify, NULL, NULL},
};
const size_t score_n_share_controls = TRP_ARRAY_SIZE(score_share_controls);
