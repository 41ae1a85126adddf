/* SPDX-License-Identifier: MIT
 *
 * One slow thread reads every meter, for gauges and so that no wrap of a counter is missed. The
 * edges of phases read counters by themselves, in the caller's thread.
 */
#include "profiler/watch.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/threads.h"

enum { ROOM = 8192 /* points that edges may add between two turns of the sampler */ };

struct cn_clock cn_clock_pair(void)
{
    struct cn_clock best = { 0 };
    int64_t narrowest = INT64_MAX;
    for (int i = 0; i < 8; i++) {
        int64_t a = cn_now_ns(CLOCK_MONOTONIC);
        int64_t real = cn_now_ns(CLOCK_REALTIME), boot = cn_now_ns(CLOCK_BOOTTIME);
        int64_t b = cn_now_ns(CLOCK_MONOTONIC);
        if (b - a < narrowest) {
            narrowest = b - a;
            best.realtime_offset_ns = real - (a + (b - a) / 2);
            best.boottime_offset_ns = boot - (a + (b - a) / 2);
        }
    }
    return best;
}

void cn_watch_read(struct cn_watch *w, bool grow)
{
    pthread_mutex_lock(&w->lock);
    /* Meters that collect have nothing to be read. */
    const unsigned n = w->state && w->meter->read ? w->opened.n_sources : 0;
    for (unsigned i = 0; i < n; i++) {
        struct cn_series *s = &w->series[i];
        if (grow && s->n + ROOM > s->cap)
            cn_series_reserve(s, 2 * (s->n + ROOM));
        struct cn_reading r;
        r.why[0] = 0;
        int64_t t0 = cn_now_ns(CLOCK_MONOTONIC);
        enum cn_read result = w->meter->read(w->state, i, &r);
        int64_t t1 = cn_now_ns(CLOCK_MONOTONIC);
        w->read_ns = t1;
        if (result == CN_READ_OK || result == CN_READ_BREAK)
            cn_series_add(s, t0, t1, r.value, result == CN_READ_BREAK);
        else if (result == CN_READ_FAIL)
            cn_series_break(s);
        if (r.why[0] && !w->failure[0])
            snprintf(w->failure, sizeof w->failure, "%s", r.why);
        else if (r.why[0] && strcmp(r.why, w->failure) != 0)
            w->failed_otherwise = true;
    }
    pthread_mutex_unlock(&w->lock);
}

static void *run(void *arg)
{
    struct cn_sampler *s = arg;
    int64_t next = cn_now_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        /* A grid in time, so that reads do not drift; turns that were slept through are left out.
         */
        next += s->period_ns;
        int64_t now = cn_now_ns(CLOCK_MONOTONIC);
        if (next < now)
            next = now;
        struct timespec until = { next / 1000000000, next % 1000000000 };
        while (!s->stop && pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
            ;
        if (s->stop)
            break;
        pthread_mutex_unlock(&s->lock);
        for (size_t i = 0; i < s->n_watches; i++)
            cn_watch_read(&s->watches[i], true);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int cn_sampler_start(struct cn_sampler *s, struct cn_watch *watches, size_t n, double hz)
{
    memset(s, 0, sizeof *s);
    s->watches = watches;
    s->n_watches = n;
    s->period_ns = (int64_t)(1e9 / hz);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    int error = cn_thread_start(&s->thread, run, s);
    s->running = error == 0;
    if (error) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
    }
    return error;
}

void cn_sampler_stop(struct cn_sampler *s)
{
    if (!s->running)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    s->running = false;
}
