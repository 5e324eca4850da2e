/* SPDX-License-Identifier: ISC */
#include "supervisor/pace.h"
#include "base/io.h"

/* It goes on when so much of a second's worth is there: a few wake-ups with something to do, not one for each unit. */
#define RESUME_SECONDS 0.05

static void fill(struct pace *p)
{
	double now = trp_now_seconds();

	p->left += (now - p->at) * p->rate;
	if (p->left > p->burst)
		p->left = p->burst;
	p->at = now;
}

static void wait_for_more(struct pace *p)
{
	double wanted = p->rate * RESUME_SECONDS < p->burst ? p->rate * RESUME_SECONDS : p->burst;

	ev_timer_stop(p->loop, &p->timer);
	/* libev's time may be that of the turn's begin */
	ev_now_update(p->loop);
	ev_timer_set(&p->timer, p->rate > 0 && wanted > p->left ? (wanted - p->left) / p->rate : 0.0, 0.0);
	ev_timer_start(p->loop, &p->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct pace *p = t->data;

	(void)loop;
	(void)events;
	fill(p);
	p->resting = false;
	p->rested += p->at - p->since;
	p->resume(p);
}

void pace_init(struct pace *p, struct ev_loop *loop, uint64_t rate, uint64_t burst, void (*resume)(struct pace *p), void *data)
{
	*p = (struct pace){.resume = resume, .data = data, .loop = loop, .at = trp_now_seconds()};
	ev_timer_init(&p->timer, on_timer, 0.0, 0.0);
	p->timer.data = p;
	pace_set(p, rate, burst);
	p->left = p->burst;
}

void pace_set(struct pace *p, uint64_t rate, uint64_t burst)
{
	double more = (double)burst - p->burst;

	fill(p);
	p->rate = rate == UINT64_MAX ? 0.0 : (double)rate;
	p->burst = (double)burst;
	p->left += more > 0 ? more : 0; /* what was allowed from now on is allowed at once */
	if (p->resting)
		wait_for_more(p);
}

bool pace_take(struct pace *p, double units)
{
	if (p->resting)
		return false;
	if (p->rate <= 0)
		return true;
	fill(p);
	p->left -= units;
	if (p->left > 0)
		return true;
	p->resting = true;
	p->rests++;
	p->since = p->at;
	wait_for_more(p);
	return false;
}

void pace_stop(struct pace *p)
{
	if (p->loop)
		ev_timer_stop(p->loop, &p->timer);
	p->resting = false;
}
