/* SPDX-License-Identifier: MIT */
#include "bench/machine/energy_sweep.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/model/model_bench.h"
#include "bench/model/model_work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct turn {
    int point;
    size_t phase;
};

struct cn_sweep {
    struct cn_sweep_point *points;
    struct turn *turns;
    int n_points, n_turns;
};

struct runner {
    const struct cn_sweep_options *o;
    struct cn_sweep *sweep;
    struct cn_model **models;
    int32_t *tokens;
    uint64_t random;
};

static bool cancel(void *user)
{
    const struct runner *r = user;
    return r->o->cancel && r->o->cancel(r->o->user);
}

/* Passes until the time is over, the first one unseen. */
static enum cn_status turn(struct runner *r, int index, struct cn_error *err)
{
    const struct cn_sweep_options *o = r->o;
    struct cn_sweep_point *p = &r->sweep->points[index];
    struct cn_session_options options = {
        .n_ctx = p->decode ? o->n_decode : o->n_prefill,
        .n_batch = o->n_prefill,
        .n_threads = p->threads,
        .callbacks = {.cancel = cancel, .user = r}
    };
    struct cn_session *session;
    struct cn_work before, after, told = { 0 };
    CN_TRY(cn_session_create(r->models[p->model], &options, &session, err));
    int32_t n = p->decode ? 1 : o->n_prefill;
    enum cn_status status = cn_session_eval(session, r->tokens, n, CN_WANT_LAST, err);
    cn_report_work(NULL, session, &told);
    if (o->told)
        o->told(o->user, &told);
    before = told;
    size_t phase = cn_profiler_n_phases(o->profiler);
    cn_profiler_phase_begin(o->profiler, "sweep", index);
    double t0 = cn_seconds(), t1 = t0;
    while (status == CN_OK && t1 - t0 < o->seconds) {
        struct cn_work pass = told;
        int32_t at = cn_session_position(session);
        if (at + n > cn_session_n_ctx(session)) {
            status = cn_session_rewind(session, 0, err);
            at = 0;
        }
        if (status == CN_OK)
            status = cn_session_eval(session, r->tokens + at, n, CN_WANT_LAST, err);
        cn_report_work(o->profiler, session, &told);
        if (o->told) {
            pass = cn_work_since(&told, &pass);
            o->told(o->user, &pass);
        }
        p->tokens += n;
        t1 = cn_seconds();
    }
    cn_profiler_phase_end(o->profiler);
    after = told;
    cn_session_free(session);
    if (status != CN_OK)
        return status;
    const double took[] = { t1 - t0, (double)(after.bytes - before.bytes),
                            (double)(after.int8_ops - before.int8_ops),
                            (double)(after.unpacked - before.unpacked) };
    for (int i = 0; i < CN_MODEL_TERMS; i++)
        p->took.x[i] += took[i];
    p->floats = after.float_ops - before.float_ops > (after.int8_ops - before.int8_ops) / 20;
    r->sweep->turns[r->sweep->n_turns++] = (struct turn){ index, phase };
    return CN_OK;
}

static enum cn_status open_models(struct runner *r, struct cn_error *err)
{
    struct cn_model_options options = { .tiers = r->o->tiers };
    for (int i = 0; i < r->o->n_models; i++)
        CN_TRY(cn_model_open(r->o->models[i], &options, &r->models[i], err));
    return CN_OK;
}

static void design(struct runner *r)
{
    const struct cn_sweep_options *o = r->o;
    struct cn_sweep *s = r->sweep;
    for (int m = 0; m < o->n_models; m++)
        for (int t = 0; t < o->n_threads; t++)
            for (int decode = 0; decode < 2; decode++) {
                struct cn_sweep_point *p = &s->points[s->n_points++];
                p->model = m;
                p->threads = o->threads[t];
                p->decode = decode;
                /* One of four, spread over all of the three. */
                p->held_out = (m + t + 2 * decode) % 4 == 3;
                p->joules = p->uncertainty = p->predicted = p->half = (double)NAN;
                snprintf(p->file_type, sizeof p->file_type, "%s",
                         cn_model_get_info(r->models[m])->file_type);
            }
}

static enum cn_status rounds(struct runner *r, struct cn_error *err)
{
    const int n = r->sweep->n_points;
    int *order = malloc((size_t)n * sizeof *order);
    CN_RETURN_IF(!order, CN_ERR_MEMORY, err, "out of memory");
    enum cn_status status = CN_OK;
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int32_t round = 0; round < r->o->n_rounds && status == CN_OK; round++)
        for (int i = n; i-- > 0 && status == CN_OK;) {
            int k = (int)(cn_lcg_next(&r->random) % (uint32_t)(i + 1)), point = order[k];
            order[k] = order[i];
            order[i] = point;
            if (r->o->progress)
                r->o->progress(r->o->user, r->sweep->n_turns, (double)n * r->o->n_rounds);
            status = turn(r, point, err);
        }
    free(order);
    return status;
}

enum cn_status cn_sweep_run(const struct cn_sweep_options *o, struct cn_sweep **sweep,
                            struct cn_error *err)
{
    const bool ok = o->n_models >= 1 && o->n_models <= 1000 && o->n_threads >= 1 &&
                    o->n_threads <= CN_MODEL_THREADS && o->n_rounds >= 1 && o->n_rounds <= 1000 &&
                    o->n_prefill >= 1 && o->n_decode >= 1;
    CN_RETURN_IF(!ok, CN_ERR_ARGUMENT, err,
                 "energy sweep: models, threads, tokens and rounds expected");
    struct cn_sweep *s = calloc(1, sizeof *s);
    size_t n = 2 * (size_t)o->n_models * (size_t)o->n_threads;
    struct runner r = { .o = o, .sweep = s, .random = 1 };
    r.models = calloc((size_t)o->n_models, sizeof *r.models);
    int32_t most = o->n_prefill > o->n_decode ? o->n_prefill : o->n_decode;
    enum cn_status status = CN_OK;
    if (s) {
        s->points = calloc(n, sizeof *s->points);
        s->turns = calloc(n * (size_t)o->n_rounds, sizeof *s->turns);
    }
    if (!s || !s->points || !s->turns || !r.models)
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
    else
        status = open_models(&r, err);
    if (status == CN_OK) {
        int32_t n_vocab = INT32_MAX;
        for (int i = 0; i < o->n_models; i++)
            if (cn_model_get_info(r.models[i])->n_vocab < n_vocab)
                n_vocab = cn_model_get_info(r.models[i])->n_vocab;
        r.tokens = cn_bench_tokens(most, n_vocab);
        design(&r);
        status = r.tokens ? rounds(&r, err) : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    }
    for (int i = 0; r.models && i < o->n_models; i++)
        cn_model_close(r.models[i]);
    free(r.models);
    free(r.tokens);
    if (status == CN_OK)
        *sweep = s;
    else
        cn_sweep_free(s);
    return status;
}

void cn_sweep_free(struct cn_sweep *s)
{
    if (s) {
        free(s->points);
        free(s->turns);
    }
    free(s);
}

struct cn_sweep_point *cn_sweep_price(struct cn_sweep *s, const struct cn_profiler *profiler,
                                      int *n, const char **why)
{
    for (int i = 0; i < s->n_points; i++)
        s->points[i].joules = s->points[i].uncertainty = 0;
    if (why)
        *why = NULL;
    for (int i = 0; i < s->n_turns; i++) {
        struct cn_sweep_point *p = &s->points[s->turns[i].point];
        struct cn_energy e;
        cn_profiler_phase(profiler, 0, s->turns[i].phase, &e);
        p->joules += e.joules; /* NaN stays */
        p->uncertainty = hypot(p->uncertainty, e.uncertainty);
        if (e.reason && why)
            *why = e.reason;
    }
    *n = s->n_points;
    return s->points;
}
