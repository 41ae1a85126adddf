/* SPDX-License-Identifier: MIT
 *
 * Questions to a profiler that is not to be stopped: a server's, whose answers say what they cost
 * while others are still being made.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "profiler/watch.h"

enum { KEPT_IDLE = 16 };

int64_t cn_profiler_edge(struct cn_profiler *p)
{
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; p->started && p->metered && i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        if (w->state && !w->meter->collect && w->channel.info.counter &&
            (double)(now - w->read_ns) > w->series[0].period_ns / 4)
            cn_watch_read(w, true);
    }
    return now;
}

/* With its lock held. */
static void settle(struct cn_watch *w)
{
    for (unsigned i = 0; i < w->opened.n_sources; i++)
        cn_series_settle(&w->series[i]);
}

static void unknown(struct cn_energy *e, enum cn_energy_status status, const char *reason)
{
    e->joules = e->joules_net = e->uncertainty = e->uncertainty_net = CN_UNKNOWN;
    e->status = status;
    e->reason = reason;
}

void cn_profiler_shares(struct cn_profiler *p, size_t channel, const struct cn_share *shares,
                        size_t n, struct cn_energy *energy)
{
    struct cn_watch *w = &p->watches[channel];
    *energy = (struct cn_energy){ .index = (int64_t)n };
    for (size_t i = 0; i < n; i++)
        energy->busy_ns += (int64_t)(shares[i].share * (double)(shares[i].t1_ns - shares[i].t0_ns));
    if (!w->channel.info.ok) {
        unknown(energy, CN_ENERGY_UNSUPPORTED, w->channel.info.reason);
    } else if (!p->started || !w->state || w->meter->collect) {
        unknown(energy, CN_ENERGY_UNRESOLVED, "the meter's values come when it is stopped");
    } else if (n == 0) {
        unknown(energy, CN_ENERGY_UNRESOLVED, "nothing was done");
    } else {
        pthread_mutex_lock(&w->lock);
        settle(w);
        cn_attribute_shares(w, shares, n, energy);
        pthread_mutex_unlock(&w->lock);
    }
}

void cn_profiler_rested(struct cn_profiler *p, int64_t t0_ns, int64_t t1_ns)
{
    for (size_t i = 0; p->started && i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        struct cn_idle idle;
        if (!w->state || w->meter->collect || t1_ns <= t0_ns)
            continue;
        if (!w->idle)
            w->idle = calloc(KEPT_IDLE, sizeof *w->idle);
        pthread_mutex_lock(&w->lock);
        settle(w);
        if (w->idle && cn_attribute_idle(w, t0_ns, t1_ns, &idle)) {
            if (w->n_idle == KEPT_IDLE)
                memmove(w->idle, w->idle + 1, --w->n_idle * sizeof *w->idle);
            w->idle[w->n_idle++] = idle;
        }
        pthread_mutex_unlock(&w->lock);
    }
}

void cn_profiler_forget(struct cn_profiler *p, int64_t t_ns)
{
    for (size_t i = 0; p->started && i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        if (!w->state || w->meter->collect)
            continue;
        pthread_mutex_lock(&w->lock);
        settle(w);
        for (unsigned k = 0; k < w->opened.n_sources; k++)
            cn_series_forget(&w->series[k], t_ns);
        pthread_mutex_unlock(&w->lock);
    }
}
