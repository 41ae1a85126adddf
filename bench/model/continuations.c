/* SPDX-License-Identifier: MIT */
#include "bench/model/continuations.h"

#include "base/clock.h"
#include "base/error.h"
#include "bench/model/model_work.h"
#include "engine/tools.h"

#include <stdlib.h>

/* A sample under way. */
struct lane {
    struct cn_session *session; /* NULL: it has ended */
    struct cn_sampler *sampler;
    struct cn_continuation *sample;
    struct cn_work told, prompted; /* work until now, and until the prompt was evaluated */
    int32_t room;                  /* of sample->tokens */
    int32_t token;                 /* the last chosen */
};

struct making {
    const struct cn_model *model;
    const struct cn_continuations_options *o;
    struct cn_continuations *r;
    struct cn_group *group;
    struct lane lanes[CN_MAX_LANES];
};

static void begin(const struct making *m, const char *kind, int64_t index)
{
    if (m->o->profiler)
        cn_profiler_phase_begin(m->o->profiler, kind, index);
}

static void end(struct making *m)
{
    for (int32_t i = 0; i < m->o->n; i++)
        if (m->lanes[i].session)
            cn_report_work(m->o->profiler, m->lanes[i].session, &m->lanes[i].told);
    if (m->o->profiler)
        cn_profiler_phase_end(m->o->profiler);
}

static enum cn_status open_lanes(struct making *m, struct cn_error *err)
{
    CN_TRY(cn_group_create(m->model, m->o->session, m->o->n, &m->group, err));
    for (int32_t i = 0; i < m->o->n; i++) {
        struct lane *lane = &m->lanes[i];
        struct cn_sampler_options sampler = m->o->sampler;
        sampler.seed += (uint64_t)i;
        lane->sample = &m->r->each[i];
        CN_TRY(cn_group_join(m->group, &lane->session, err));
        CN_TRY(cn_sampler_create(m->model, &sampler, &lane->sampler, err));
    }
    m->r->n = m->o->n;
    m->r->n_ctx = cn_session_n_ctx(m->lanes[0].session);
    for (int32_t i = 0; i < m->o->n; i++)
        m->r->kv_bytes += cn_session_kv_bytes(m->lanes[i].session);
    return CN_OK;
}

static void leave(struct making *m, struct lane *lane)
{
    if (!lane->session)
        return;
    cn_session_work(lane->session, &lane->told);
    const struct cn_work work = cn_work_since(&lane->told, &lane->prompted);
    m->r->decoded.bytes += work.bytes;
    m->r->decoded.kv_bytes += work.kv_bytes;
    m->r->decoded.state_bytes += work.state_bytes;
    cn_session_free(lane->session);
    lane->session = NULL;
}

static void close_lanes(struct making *m)
{
    for (int32_t i = 0; i < m->o->n; i++) {
        leave(m, &m->lanes[i]);
        cn_sampler_free(m->lanes[i].sampler);
    }
    cn_group_free(m->group);
}

/* The first lane evaluates the prompt, the others fork from it. */
static enum cn_status evaluate_prompt(struct making *m, const int32_t *prompt, int32_t n,
                                      struct cn_error *err)
{
    struct lane *first = &m->lanes[0];
    begin(m, "prefill", 0);
    const double t0 = cn_seconds();
    enum cn_status status = cn_session_eval(first->session, prompt, n, CN_WANT_LAST, err);
    for (int32_t i = 1; i < m->o->n && status == CN_OK; i++)
        status = cn_session_fork(m->lanes[i].session, first->session, err);
    m->r->prefill_s = cn_seconds() - t0;
    end(m);
    for (int32_t i = 0; i < m->o->n; i++)
        cn_session_work(m->lanes[i].session, &m->lanes[i].prompted);
    for (int32_t i = 0; i < m->o->n; i++)
        for (int32_t t = 0; t < n; t++)
            cn_sampler_accept(m->lanes[i].sampler, prompt[t]);
    return status;
}

static enum cn_status keep(struct lane *lane, struct cn_error *err)
{
    struct cn_continuation *s = lane->sample;
    if (s->n == lane->room) {
        const int32_t room = 2 * lane->room + 64;
        int32_t *tokens = realloc(s->tokens, (size_t)room * sizeof *tokens);
        CN_RETURN_IF(!tokens, CN_ERR_MEMORY, err, "out of memory");
        s->tokens = tokens;
        lane->room = room;
    }
    s->tokens[s->n++] = lane->token;
    return CN_OK;
}

/* The lane's next token; it leaves where that is its last. */
static enum cn_status choose(struct making *m, struct lane *lane, struct cn_error *err)
{
    const struct cn_continuations_options *o = m->o;
    const float *logits = cn_session_logits(lane->session, 0);
    /* A token from these would be made up. */
    CN_RETURN_IF(!cn_all_finite(logits, cn_model_get_info(m->model)->n_vocab), CN_ERR_FORMAT, err,
                 "the model's logits are not finite at position %d",
                 cn_session_position(lane->session) - 1);
    lane->token = cn_sampler_sample(lane->sampler, logits);
    lane->sample->ended = !o->ignore_end && (o->chat ? cn_chat_is_end(o->chat, lane->token)
                                                     : cn_token_is_end(m->model, lane->token));
    if (!lane->sample->ended) {
        CN_TRY(keep(lane, err));
        m->r->n_generated++;
    }
    const bool full = cn_session_position(lane->session) == m->r->n_ctx;
    const bool enough = lane->sample->n == o->n_predict;
    m->r->context_full |= full && !enough && !lane->sample->ended;
    if (full || enough || lane->sample->ended)
        leave(m, lane);
    return CN_OK;
}

static enum cn_status choose_all(struct making *m, int64_t index, struct cn_error *err)
{
    enum cn_status status = CN_OK;
    begin(m, "sample", index);
    const double t0 = cn_seconds();
    for (int32_t i = 0; i < m->o->n && status == CN_OK; i++)
        if (m->lanes[i].session)
            status = choose(m, &m->lanes[i], err);
    const double t1 = cn_seconds();
    end(m);
    m->r->sample_s += t1 - t0;
    if (index == 0)
        m->r->ttft_s = m->r->prefill_s + (t1 - t0);
    return status;
}

/* The tokens chosen, of the lanes that are left. *n: how many these are. */
static enum cn_status decode(struct making *m, int64_t index, size_t *n, struct cn_error *err)
{
    struct cn_step steps[CN_MAX_LANES];
    *n = 0;
    for (int32_t i = 0; i < m->o->n; i++) {
        struct lane *lane = &m->lanes[i];
        if (lane->session)
            steps[(*n)++] = (struct cn_step){ lane->session, &lane->token, 1, CN_WANT_LAST };
    }
    if (*n == 0)
        return CN_OK;
    begin(m, "decode", index);
    const double t0 = cn_seconds();
    const enum cn_status status = cn_group_eval(m->group, steps, *n, err);
    m->r->decode_s += cn_seconds() - t0;
    end(m);
    if (status == CN_OK) {
        m->r->n_decoded += (int64_t)*n;
        m->r->n_passes++;
    }
    return status;
}

enum cn_status cn_continuations_make(const struct cn_model *model, const int32_t *prompt,
                                     int32_t n_prompt, const struct cn_continuations_options *o,
                                     struct cn_continuations *samples, struct cn_error *err)
{
    struct making m = { .model = model, .o = o, .r = samples };
    size_t n = o->n_predict != 0;
    *samples = (struct cn_continuations){ 0 };
    CN_RETURN_IF(o->n < 1 || o->n > CN_MAX_LANES, CN_ERR_ARGUMENT, err,
                 "samples: 1 to %d expected, %d given", CN_MAX_LANES, o->n);
    enum cn_status status = open_lanes(&m, err);
    if (status == CN_OK)
        status = evaluate_prompt(&m, prompt, n_prompt, err);
    for (int64_t index = 0; n > 0 && status == CN_OK; index++) {
        status = choose_all(&m, index, err);
        if (status == CN_OK)
            status = decode(&m, index, &n, err);
    }
    close_lanes(&m);
    return status;
}

void cn_continuations_free(struct cn_continuations *samples)
{
    for (int32_t i = 0; i < CN_MAX_LANES; i++) {
        free(samples->each[i].tokens);
        samples->each[i] = (struct cn_continuation){ 0 };
    }
}
