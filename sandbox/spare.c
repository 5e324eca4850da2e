/* SPDX-License-Identifier: ISC */
/* spare.c: see spare.h. Runs in the daemon, which has one thread. */
#include "sandbox/spare.h"
#include "base/io.h"
#include "sandbox/equip.h"
#include "sandbox/forker.h"
#include "sandbox/network.h"
#include "sandbox/sources.h"
#include "sandbox/weaken.h"


static struct spare kept = SPARE_NONE;
static struct plan_base last; /* what was wanted at the last start will be wanted again */
static bool has_last;

static int failed(struct sandbox_failure *f, enum sandbox_stage stage, int error, const char *detail)
{
	sandbox_failure_set(f, stage, -error, detail);
	return error;
}

static int open_trees(struct spare *s, struct sandbox_failure *f)
{
	struct plan plan;
	int r = plan_make_base(&s->base, &plan);

	if (r < 0)
		return failed(f, SANDBOX_STAGE_NONE, r, NULL);
	s->trees = calloc(plan.n_sources + 1, sizeof(*s->trees));
	r = s->trees ? sources_open(&plan, 0, plan.n_sources, -1, s->trees, f) : failed(f, SANDBOX_STAGE_NONE, -ENOMEM, NULL);
	s->n_trees = r < 0 ? 0 : plan.n_sources;
	plan_free(&plan);
	return r;
}

int spare_begin(const struct plan_base *base, struct spare *ret, struct sandbox_failure *ret_failure)
{
	struct spare s = SPARE_NONE;
	int r;

	s.base = *base;
	r = open_trees(&s, ret_failure);
	if (r == 0) {
		r = equip_ways(s.sync, s.status);
		if (r < 0)
			failed(ret_failure, SANDBOX_STAGE_SYNC, r, NULL);
	}
	if (r < 0)
		spare_discard(&s);
	else
		*ret = s;
	return r;
}

int spare_make_network(struct spare *s, struct sandbox_failure *ret_failure)
{
	char detail[64] = "";
	int fd;

	if (s->network >= 0 || !s->base.own_network || s->base.own_all_addresses)
		return 0;
	fd = network_make(s->base.first_unprivileged_port, detail, sizeof(detail));
	if (fd < 0)
		return failed(ret_failure, SANDBOX_STAGE_NETNS, fd, detail);
	s->network = fd;
	return 0;
}

bool spare_take(const struct plan_base *base, struct spare *ret)
{
	last = *base;
	has_last = true;
	if (weaken_any() || !kept.trees || !plan_base_equal(&kept.base, base))
		return false;
	*ret = kept;
	kept = (struct spare)SPARE_NONE;
	return true;
}

void spare_discard(struct spare *s)
{
	if (s->trees)
		sources_close(s->trees, s->n_trees);
	free(s->trees);
	for (int i = 0; i < 2; i++) {
		trp_close(&s->sync[i]);
		trp_close(&s->status[i]);
	}
	trp_close(&s->network);
	*s = (struct spare)SPARE_NONE;
}

int sandbox_prepare(void)
{
	struct sandbox_failure failure;
	int r = forker_start();

	if (r < 0 || !has_last || (kept.trees && plan_base_equal(&kept.base, &last)))
		return r;
	spare_discard(&kept);
	r = spare_begin(&last, &kept, &failure);
	if (r == 0)
		r = spare_make_network(&kept, &failure);
	if (r < 0)
		spare_discard(&kept);
	return r;
}

void sandbox_unprepare(void)
{
	spare_discard(&kept);
	forker_stop();
}
