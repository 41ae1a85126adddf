/* SPDX-License-Identifier: MIT
 *
 * The cn_profiler object: its life, and the edges of phases.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "profiler/state.h"
#include "profiler/watch.h"

enum {
    DEFAULT_PHASES = 65536,
    FIRST_POINTS = 32768,    /* per source, before the sampler makes more room */
    CALIBRATE_NS = 60000000, /* longest time given to a counter to show its period */
    CALIBRATE_UPDATES = 12,  /* and as many updates are enough */
    CHASE_NS = 5000000,      /* longest wait for an update */
    TOKEN_SHARE = 800, /* edges of tokens may wait for updates 1/800 of the time in all, and as
                        * much again may be spent on reading at them */
    PART_SHARE = 10,   /* the same of edges of drafts and of their verification */
    CHASE_AGAIN = 20,  /* other phases if this many updates have passed */
    LIVE_MS = 10,      /* longest time between updates of what is asked for now */
};

__attribute__((format(printf, 2, 3))) static int fail(struct cn_profiler_error *err,
                                                      const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        cn_format_fit(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return -1;
}

static void note(struct cn_profiler *p, const char *text)
{
    size_t used = strlen(p->note);
    snprintf(p->note + used, sizeof p->note - used, "%s%s", used ? "; " : "", text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void close_watch(struct cn_watch *w)
{
    if (w->state && w->meter->close)
        w->meter->close(w->state);
    w->state = NULL;
}

static void clear_watch(struct cn_watch *w)
{
    close_watch(w);
    for (unsigned i = 0; w->series && i < w->opened.n_sources; i++)
        cn_series_free(&w->series[i]);
    free(w->series);
    free(w->idle);
    w->series = NULL;
    w->idle = NULL;
    w->n_idle = 0;
    w->failure[0] = 0;
    w->failed_otherwise = false;
    w->opened = (struct cn_opened){ 0 };
}

static int add_watch(struct cn_profiler *p, const char *name, size_t len, bool force,
                     struct cn_profiler_error *err)
{
    if (p->n_watches == CN_MAX_WATCHES)
        return fail(err, "too many meters at once: at most 8");
    struct cn_watch *w = &p->watches[p->n_watches];
    if (name && !(w->name = strndup(name, len)))
        return fail(err, "out of memory");
    w->request =
        (struct cn_meter_request){ .root = p->root, .arg = "", .force = force, .work = &p->work };
    pthread_mutex_init(&w->lock, NULL);
    p->n_watches++;
    if (name && !strcmp(w->name, "none")) {
        cn_channel_reason(&w->channel, "metering was turned off (--meter none)");
        return 0;
    }
    return cn_meters_pick(&w->request, w->name, &w->meter, &w->channel, err);
}

struct cn_profiler *cn_profiler_create(const struct cn_profiler_options *options,
                                       struct cn_profiler_error *err)
{
    struct cn_profiler_options o = options ? *options : (struct cn_profiler_options){ 0 };
    if (!(o.sample_hz >= 0 && o.sample_hz <= 10000)) {
        fail(err, "sample_hz must be 0 to 10000");
        return NULL;
    }
    struct cn_profiler *p = calloc(1, sizeof *p);
    if (p) {
        p->root = strdup(o.root ? o.root : "");
        p->sample_hz = o.sample_hz > 0 ? o.sample_hz : 20;
        p->max_phases = o.max_phases ? o.max_phases : DEFAULT_PHASES;
        p->phases = calloc(p->max_phases, sizeof *p->phases);
    }
    if (!p || !p->root || !p->phases) {
        fail(err, "out of memory");
        cn_profiler_free(p);
        return NULL;
    }
    /* "/" and "" mean the same; a trailing slash would show in every message. */
    for (size_t n = strlen(p->root); n > 0 && p->root[n - 1] == '/'; n--)
        p->root[n - 1] = 0;
    if (!o.meter || !*o.meter) {
        if (add_watch(p, NULL, 0, o.force, err) == 0)
            return p;
        cn_profiler_free(p);
        return NULL;
    }
    for (const char *name = o.meter;; name++) {
        size_t len = cn_meters_name_length(name);
        if (add_watch(p, name, len, o.force, err) != 0) {
            cn_profiler_free(p);
            return NULL;
        }
        name += len;
        if (!*name)
            return p;
    }
}

void cn_profiler_free(struct cn_profiler *p)
{
    if (!p)
        return;
    cn_sampler_stop(&p->sampler);
    for (size_t i = 0; i < p->n_watches; i++) {
        clear_watch(&p->watches[i]);
        free(p->watches[i].name);
        pthread_mutex_destroy(&p->watches[i].lock);
    }
    for (size_t i = 0; i < p->n_kinds; i++)
        free(p->kinds[i]);
    free(p->kinds);
    free(p->phases);
    free(p->root);
    free(p);
}

/* Opens a channel; one that cannot be opened is marked and left. -1 if memory is short. */
static int open_watch(struct cn_watch *w, struct cn_profiler_error *err)
{
    clear_watch(w);
    if (w->name && !strcmp(w->name, "none"))
        return 0;
    if (cn_meters_pick(&w->request, w->name, &w->meter, &w->channel, err) != 0)
        return -1;
    if (!w->meter || !w->channel.info.ok)
        return 0;
    w->state = w->meter->open(&w->request, &w->channel, &w->opened);
    if (!w->state) {
        w->channel.info.ok = false;
        return 0;
    }
    w->series = calloc(w->opened.n_sources, sizeof *w->series);
    bool room = w->series != NULL;
    for (unsigned i = 0; room && i < w->opened.n_sources; i++) {
        struct cn_series *s = &w->series[i];
        double ms = w->channel.info.period_ms;
        s->counter = w->channel.info.counter;
        s->declared_ns = s->period_ns = isnan(ms) ? 0 : 1e6 * ms;
        s->quantum_uj = w->opened.quantum_uj;
        s->mean_ns = w->opened.mean_ns;
        room = w->meter->collect || cn_series_reserve(s, FIRST_POINTS);
    }
    if (!room)
        w->opened.n_sources = w->series ? w->opened.n_sources : 0;
    return room ? 0 : fail(err, "out of memory");
}

static bool at_edges(const struct cn_watch *w)
{
    return w->state && !w->meter->collect && w->channel.info.counter;
}

/* Reads a counter without pause until each source has shown `updates` more values, the last of them
 * with its moment known well, or until the deadline. */
static void follow(struct cn_watch *w, size_t updates, int64_t deadline_ns)
{
    size_t before[CN_MAX_SOURCES];
    pthread_mutex_lock(&w->lock);
    for (unsigned i = 0; i < w->opened.n_sources; i++)
        before[i] = w->series[i].n;
    pthread_mutex_unlock(&w->lock);
    bool done = false;
    while (!done) {
        cn_watch_read(w, false);
        done = true;
        pthread_mutex_lock(&w->lock);
        for (unsigned i = 0; i < w->opened.n_sources; i++) {
            const struct cn_series *s = &w->series[i];
            const struct cn_point *last = s->n ? &s->points[s->n - 1] : NULL;
            done = done && last && s->n >= before[i] + updates && last->lo_ns != INT64_MIN &&
                   (double)(last->hi_ns - last->lo_ns) < s->period_ns / 8;
        }
        pthread_mutex_unlock(&w->lock);
        done = done || cn_now_ns(CLOCK_MONOTONIC) >= deadline_ns;
    }
}

static void calibrate(struct cn_watch *w)
{
    int64_t deadline = cn_now_ns(CLOCK_MONOTONIC) + CALIBRATE_NS;
    bool timed;
    do {
        follow(w, CALIBRATE_UPDATES, deadline);
        w->chase = timed = true;
        for (unsigned i = 0; i < w->opened.n_sources; i++) {
            struct cn_series *s = &w->series[i];
            cn_series_settle(s);
            w->chase = w->chase && s->n >= CALIBRATE_UPDATES / 3;
            timed = timed && s->timed;
        }
    } while (!timed && cn_now_ns(CLOCK_MONOTONIC) < deadline);
}

int cn_profiler_start(struct cn_profiler *p, struct cn_profiler_error *err)
{
    if (p->started)
        return fail(err, "the profiler runs already");
    p->n_phases = p->n_dropped = 0;
    p->depth = 0;
    p->note[0] = p->disturbance[0] = 0;
    p->metered = false;
    cn_state_read(p->root, &p->before);
    double hz = p->sample_hz;
    bool sampled = false;
    for (size_t i = 0; i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        w->chase = false;
        if (open_watch(w, err) != 0) {
            for (size_t k = 0; k <= i; k++)
                clear_watch(&p->watches[k]);
            return -1;
        }
        p->metered |= at_edges(w);
        sampled |= w->state && !w->meter->collect;
        hz = fmin(1000, fmax(hz, w->opened.min_hz));
    }
    p->clock = cn_clock_pair();
    p->start_ns = p->chased_ns = cn_now_ns(CLOCK_MONOTONIC);
    p->chase_ns = p->edge_ns = 0;
    for (size_t i = 0; i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        if (at_edges(w))
            calibrate(w);
        else if (w->state && !w->meter->collect)
            cn_watch_read(w, true);
    }
    const int refused = sampled ? cn_sampler_start(&p->sampler, p->watches, p->n_watches, hz) : 0;
    if (refused) {
        for (size_t i = 0; i < p->n_watches; i++)
            clear_watch(&p->watches[i]);
        return fail(err, "cannot start the sampler thread: %s", strerror(refused));
    }
    p->started = true;
    return 0;
}

/* ---- edges ----------------------------------------------------------------------------------- */

/* How much may be done at the edges of a phase, so that it is told from its neighbours. */
enum edge_kind {
    EDGE_WAITS, /* of few phases: a counter is waited for, and read */
    EDGE_PARTS, /* of parts of tokens that differ in power: waited for as far as time allows, and
                 * read */
    EDGE_TOKEN, /* of tokens, alike in power and known as a sum: both as far as they take no time */
};

static enum edge_kind edge_kind(const char *kind)
{
    if (!strcmp(kind, "decode") || !strcmp(kind, "sample"))
        return EDGE_TOKEN;
    return !strcmp(kind, "draft") || !strcmp(kind, "verify") ? EDGE_PARTS : EDGE_WAITS;
}

/* Waits for the next update of every counter, so that a moment near this one is known exactly. */
static void chase(struct cn_profiler *p)
{
    for (size_t i = 0; i < p->n_watches; i++)
        if (p->watches[i].chase)
            follow(&p->watches[i], 1, cn_now_ns(CLOCK_MONOTONIC) + CHASE_NS);
    p->chased_ns = cn_now_ns(CLOCK_MONOTONIC);
}

/* Whether every counter was followed to an update; else each is read once, if that is worth it. */
static bool chase_or_read(struct cn_profiler *p, enum edge_kind kind, int64_t now,
                          int64_t allowed_ns)
{
    bool cheap = p->chase_ns < allowed_ns;
    for (size_t i = 0; i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        if (!at_edges(w))
            continue;
        /* series->period_ns is not written between start and stop. */
        double period = w->series[0].period_ns;
        if (w->chase && (double)(now - p->chased_ns) < period / 8)
            return true; /* another phase has just ended here */
        if (w->chase && (cheap || (kind == EDGE_WAITS &&
                                   (double)(now - p->chased_ns) > CHASE_AGAIN * period))) {
            chase(p);
            return true;
        }
        /* Reading much more often than updates come tells nothing new. And tokens that are shorter
         * than a meter can resolve are known as a sum, for which a read now and then is enough. */
        if ((kind != EDGE_TOKEN || p->edge_ns < allowed_ns) &&
            (double)(now - w->read_ns) > period / 4)
            cn_watch_read(w, false);
    }
    return false;
}

static void edge(struct cn_profiler *p, const char *kind)
{
    const enum edge_kind what = edge_kind(kind);
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    const int64_t allowed_ns =
        (now - p->start_ns) / (what == EDGE_PARTS ? PART_SHARE : TOKEN_SHARE);
    bool chased = chase_or_read(p, what, now, allowed_ns);
    if (what != EDGE_WAITS)
        *(chased ? &p->chase_ns : &p->edge_ns) += cn_now_ns(CLOCK_MONOTONIC) - now;
}

double cn_profiler_joules_now(struct cn_profiler *p)
{
    struct cn_watch *w = &p->watches[0];
    double uj = 0;
    if (!p->started || !at_edges(w) || !(w->channel.info.period_ms <= LIVE_MS))
        return CN_UNKNOWN;
    cn_watch_read(w, false);
    pthread_mutex_lock(&w->lock);
    for (unsigned i = 0; i < w->opened.n_sources; i++) {
        const struct cn_series *s = &w->series[i];
        uj += s->n > 0 && !s->pending_break ? s->points[s->n - 1].value : CN_UNKNOWN;
    }
    pthread_mutex_unlock(&w->lock);
    return 1e-6 * uj;
}

void cn_profiler_phase_begin(struct cn_profiler *p, const char *kind, int64_t index)
{
    if (!p->started)
        return;
    ptrdiff_t i = -1;
    if (p->n_phases < p->max_phases && p->depth < CN_PHASE_DEPTH)
        i = (ptrdiff_t)p->n_phases++;
    else
        p->n_dropped++;
    if (p->depth < CN_PHASE_DEPTH)
        p->open[p->depth] = i;
    p->depth++;
    if (i < 0)
        return;
    if (p->metered)
        edge(p, kind);
    int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    p->phases[i] = (struct cn_phase){ kind, index, now, now, p->clock.realtime_offset_ns };
}

void cn_profiler_phase_end(struct cn_profiler *p)
{
    if (!p->started || p->depth == 0)
        return;
    p->depth--;
    ptrdiff_t i = p->depth < CN_PHASE_DEPTH ? p->open[p->depth] : -1;
    if (i < 0)
        return;
    p->phases[i].t1_ns = cn_now_ns(CLOCK_MONOTONIC);
    if (p->metered)
        edge(p, p->phases[i].kind);
}

void cn_profiler_work(struct cn_profiler *p, int64_t bytes, int64_t int8_ops, int64_t unpacked)
{
    p->work.bytes += bytes;
    p->work.int8_ops += int8_ops;
    p->work.unpacked += unpacked;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int collect(struct cn_profiler *p, struct cn_watch *w, struct cn_profiler_error *err)
{
    struct cn_profiler_error why = { "" };
    if (w->meter->collect(w->state, &p->clock, p->start_ns, p->end_ns, w->series, &why) == 0) {
        if (why.text[0])
            note(p, why.text);
        return 0;
    }
    cn_channel_reason(&w->channel, "%.300s", why.text);
    return fail(err, "%s", why.text);
}

int cn_profiler_stop(struct cn_profiler *p, struct cn_profiler_error *err)
{
    if (!p->started)
        return 0;
    while (p->depth > 0)
        cn_profiler_phase_end(p);
    p->end_ns = cn_now_ns(CLOCK_MONOTONIC);
    chase(p);
    cn_sampler_stop(&p->sampler);
    p->started = false;
    cn_state_read(p->root, &p->after);
    cn_state_judge(&p->before, &p->after, p->disturbance, sizeof p->disturbance);
    int result = 0;
    uint64_t n_points = 0;
    for (size_t i = 0; i < p->n_watches; i++) {
        struct cn_watch *w = &p->watches[i];
        if (!w->state)
            continue;
        if (w->meter->collect) {
            if (collect(p, w, err) != 0)
                result = -1;
        } else {
            cn_watch_read(w, true);
        }
        if (w->meter->conclude) {
            char remark[256] = "";
            w->meter->conclude(w->state, &w->channel, remark, sizeof remark);
            if (remark[0])
                note(p, remark);
        }
        close_watch(w);
        for (unsigned k = 0; k < w->opened.n_sources; k++) {
            cn_series_settle(&w->series[k]);
            n_points += w->series[k].n_dropped;
        }
        if (w->failure[0])
            note(p, w->failure);
        if (!cn_attribute_baseline(p, w))
            result = fail(err, "out of memory");
    }
    char text[128];
    if (p->n_dropped) {
        snprintf(text, sizeof text, "%zu phases found no room and were not kept", p->n_dropped);
        note(p, text);
    }
    if (n_points) {
        snprintf(text, sizeof text, "%llu readings found no room", (unsigned long long)n_points);
        note(p, text);
    }
    return result;
}

/* ---- answers --------------------------------------------------------------------------------- */

size_t cn_profiler_n_channels(const struct cn_profiler *p)
{
    return p->n_watches;
}

const struct cn_meter_info *cn_profiler_channel(const struct cn_profiler *p, size_t channel)
{
    return &p->watches[channel].channel.info;
}

const char *cn_profiler_note(const struct cn_profiler *p)
{
    return p->note[0] ? p->note : NULL;
}

const char *cn_profiler_disturbance(const struct cn_profiler *p)
{
    return p->disturbance[0] ? p->disturbance : NULL;
}

void cn_profiler_state(const struct cn_profiler *p, struct cn_system_state *before,
                       struct cn_system_state *after)
{
    if (before)
        *before = p->before;
    if (after)
        *after = p->after;
}

size_t cn_profiler_n_phases(const struct cn_profiler *p)
{
    return p->n_phases;
}
