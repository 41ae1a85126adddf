/* SPDX-License-Identifier: MIT */
#include "engine/run/session.h"

#include "base/error.h"
#include "base/layout.h"
#include "engine/run/attend.h"
#include "engine/run/copies.h"
#include "engine/run/nextn.h"

#include <stdlib.h>
#include <string.h>

/* What layers keep from token to token, and the rest. */
static void carve(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(s->group);
    const int64_t n_layer = s->model->hp.n_layer;
    const int64_t n_kv = n_layer + s->model->hp.n_nextn;
    s->kv = cn_layout_take(c, n_kv, sizeof *s->kv);
    s->states = cn_layout_take(c, n_layer, sizeof *s->states);
    if (c->base) {
        memset(s->kv, 0, (size_t)n_kv * sizeof *s->kv);
        memset(s->states, 0, (size_t)n_layer * sizeof *s->states);
    }
    size_t before = c->used;
    for (int64_t i = 0; i < n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(s->model, i, k)); k++) {
            void *memory = cn_layout_take(c, (int64_t)mixer->state_bytes(&sizes, i), 1);
            if (c->base)
                mixer->place(s, i, memory);
        }
    }
    s->kv_bytes = c->used - before;
    cn_copies_carve(s, &sizes, c);
    s->tokens = cn_layout_take(c, s->group->n_ctx, sizeof *s->tokens);
    s->logits = cn_layout_take(c, s->group->n_logits * s->model->hp.n_vocab, sizeof(float));
}

enum cn_status cn_group_join(struct cn_group *g, struct cn_session **session, struct cn_error *err)
{
    CN_RETURN_IF(g->n_sessions == g->n_lanes, CN_ERR_ARGUMENT, err,
                 "the group was made for %d sessions, which it has", g->n_lanes);
    struct cn_session *s = calloc(1, sizeof *s);
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "out of memory");
    s->group = g;
    s->model = g->model;
    struct cn_layout measure = { 0 };
    carve(s, &measure);
    if (!measure.overflow)
        s->arena = aligned_alloc(CN_ALIGN, measure.used + CN_ALIGN);
    if (!s->arena) {
        free(s);
        return cn_fail(err, CN_ERR_MEMORY,
                       "out of memory: a session of context %d and batch %d needs %.1f MiB",
                       g->n_ctx, (int)g->n_batch, (double)measure.used / 1048576);
    }
    struct cn_layout carver = { .base = s->arena };
    carve(s, &carver);
    g->n_sessions++;
    *session = s;
    return CN_OK;
}

enum cn_status cn_session_create(const struct cn_model *model,
                                 const struct cn_session_options *options,
                                 struct cn_session **session, struct cn_error *err)
{
    struct cn_group *g;
    CN_TRY(cn_group_create(model, options, 1, &g, err));
    const enum cn_status status = cn_group_join(g, session, err);
    if (status == CN_OK)
        (*session)->owns_group = true;
    else
        cn_group_free(g);
    return status;
}

void cn_session_free(struct cn_session *s)
{
    if (!s)
        return;
    s->group->n_sessions--;
    if (s->owns_group)
        cn_group_free(s->group);
    cn_nextn_free(s->nextn);
    free(s->arena);
    free(s);
}

enum cn_status cn_session_check_tokens(const struct cn_session *s, const int32_t *tokens, int32_t n,
                                       int32_t position, struct cn_error *err)
{
    CN_RETURN_IF(n < 1, CN_ERR_ARGUMENT, err, "at least one token expected, %d given", n);
    CN_RETURN_IF(n > s->group->n_ctx - position, CN_ERR_CONTEXT, err,
                 "the context of %d tokens is full: %d used, %d more asked for", s->group->n_ctx,
                 position, n);
    for (int32_t i = 0; i < n; i++)
        CN_RETURN_IF(tokens[i] < 0 || tokens[i] >= s->model->hp.n_vocab, CN_ERR_ARGUMENT, err,
                     "token %d of the input: 0 to %lld expected, %d found", i,
                     (long long)s->model->hp.n_vocab - 1, tokens[i]);
    return CN_OK;
}

bool cn_session_has_rows(const struct cn_session *s, int32_t position)
{
    for (int64_t i = 0; position > 0 && i < s->model->hp.n_layer; i++) {
        const struct cn_layer_hparams *l = &s->model->hp.layers[i];
        if (l->window == 0)
            continue;
        const int64_t first = cn_attend_first(l->window, l->chunked, position);
        /* A ring has overwritten what lies further back than its spare rows. */
        if (first < s->n_written - s->kv[i].capacity ||
            first < cn_attend_first(l->window, l->chunked, s->oldest))
            return false;
    }
    return true;
}

/* The session goes to the nearest position at or before `position`, which is at most its own, where
 * all is there that the next token needs: with rows by position to that itself, with states to a
 * copy, at worst to 0. */
static void go_back(struct cn_session *s, int32_t position)
{
    const bool here = position == s->position;
    struct cn_copy *copy = NULL;
    int32_t base = position;
    if (s->has_states && s->state_position != position) {
        copy = cn_copies_find(s, position);
        base = copy ? copy->position : 0;
    }
    if (!cn_session_has_rows(s, base))
        base = 0;
    cn_copies_drop(s, position);
    if (base == 0)
        s->n_written = s->oldest = 0;
    else if (copy)
        cn_copies_restore(s, copy);
    s->position = s->state_position = base;
    s->n_logits_valid = 0;
    if (!here)
        s->keep = CN_KEEP_NOTHING;
}

/* The tokens from where the session stands up to `position` once more. */
static enum cn_status evaluate_again(struct cn_session *s, int32_t position, struct cn_error *err)
{
    if (s->position == position)
        return CN_OK;
    struct cn_group *g = s->group;
    const struct cn_step step = { s, s->tokens + s->position, position - s->position,
                                  CN_WANT_NONE };
    void (*const observe)(void *, const struct cn_product *, int) = g->observe;
    g->observe = NULL; /* it has seen them */
    const bool whole = cn_steps_run(g, &step, 1);
    g->observe = observe;
    CN_RETURN_IF(!whole, CN_ERR_CANCELLED, err, "cancelled");
    if (s->keep == CN_KEEP_NOTHING)
        s->keep = CN_KEEP_PROMPT; /* who goes back to here once may do so again */
    return CN_OK;
}

static enum cn_status check_step(const struct cn_group *g, const struct cn_step *step,
                                 struct cn_error *err)
{
    const struct cn_session *s = step->session;
    CN_RETURN_IF(s->group != g, CN_ERR_ARGUMENT, err, "a session of another group");
    CN_TRY(cn_session_check_tokens(s, step->tokens, step->n, s->position, err));
    CN_RETURN_IF(step->want == CN_WANT_ALL && step->n > g->n_logits, CN_ERR_ARGUMENT, err,
                 "logits of %d positions asked for, the session was made for %lld", step->n,
                 (long long)g->n_logits);
    return CN_OK;
}

static enum cn_status check_steps(const struct cn_group *g, const struct cn_step *steps,
                                  size_t n_steps, struct cn_error *err)
{
    for (size_t i = 0; i < n_steps; i++) {
        struct cn_error why = { "" };
        const enum cn_status status = check_step(g, &steps[i], &why);
        if (status != CN_OK && n_steps == 1)
            return cn_fail(err, status, "%s", why.text);
        CN_RETURN_IF(status != CN_OK, status, err, "step %zu: %s", i, why.text);
        for (size_t k = 0; k < i; k++)
            CN_RETURN_IF(steps[k].session == steps[i].session, CN_ERR_ARGUMENT, err,
                         "step %zu: a session of its own expected, that of step %zu found", i, k);
    }
    return CN_OK;
}

/* What has to be done before a step is evaluated. */
static enum cn_status begin_step(const struct cn_step *step, struct cn_error *err)
{
    struct cn_session *s = step->session;
    const float *logits = cn_session_logits(s, (int32_t)s->n_logits_valid - 1);
    s->n_logits_valid = 0;
    if (s->has_states && s->state_position != s->position)
        CN_TRY(cn_session_rewind(s, s->position, err)); /* an evaluation was cancelled */
    cn_copies_take(s, logits);
    return CN_OK;
}

enum cn_status cn_group_eval(struct cn_group *g, const struct cn_step *steps, size_t n_steps,
                             struct cn_error *err)
{
    CN_TRY(check_steps(g, steps, n_steps, err));
    for (size_t i = 0; i < n_steps; i++)
        CN_TRY(begin_step(&steps[i], err));
    CN_RETURN_IF(!cn_steps_run(g, steps, n_steps), CN_ERR_CANCELLED, err, "cancelled");
    for (size_t i = 0; i < n_steps; i++)
        steps[i].session->keep = steps[i].n > 1 ? CN_KEEP_PROMPT : CN_KEEP_NOTHING;
    return CN_OK;
}

enum cn_status cn_session_eval(struct cn_session *s, const int32_t *tokens, int32_t n,
                               enum cn_want want, struct cn_error *err)
{
    const struct cn_step step = { s, tokens, n, want };
    return cn_group_eval(s->group, &step, 1, err);
}

enum cn_status cn_session_rewind(struct cn_session *s, int32_t position, struct cn_error *err)
{
    CN_RETURN_IF(position < 0 || position > s->position, CN_ERR_ARGUMENT, err,
                 "rewind: 0 to %d expected, %d given", s->position, position);
    go_back(s, position);
    return evaluate_again(s, position, err);
}

void cn_session_mark(struct cn_session *s)
{
    s->keep = CN_KEEP_MARK;
}

enum cn_status cn_session_prompt(struct cn_session *s, const int32_t *tokens, int32_t n,
                                 int32_t *n_kept, struct cn_error *err)
{
    CN_TRY(cn_session_check_tokens(s, tokens, n, 0, err));
    int32_t same = 0;
    while (same < n && same < s->position && s->tokens[same] == tokens[same])
        same++;
    const struct cn_copy *end = cn_copies_find(s, n);
    if (same == n && end && end->position == n && end->has_logits && cn_session_has_rows(s, n)) {
        go_back(s, n);
        memcpy(s->logits, end->logits, (size_t)s->model->hp.n_vocab * sizeof *s->logits);
        s->n_logits_valid = 1;
        *n_kept = n;
        return CN_OK;
    }
    same = same < n ? same : n - 1; /* the last one's logits are wanted */
    go_back(s, same);
    *n_kept = s->position;
    CN_TRY(evaluate_again(s, same, err));
    CN_TRY(cn_session_eval(s, tokens + same, n - same, CN_WANT_LAST, err));
    s->keep = CN_KEEP_PROMPT;
    return CN_OK;
}

const float *cn_session_logits(const struct cn_session *s, int32_t i)
{
    return i < 0 || i >= s->n_logits_valid ? NULL : s->logits + i * s->model->hp.n_vocab;
}

int32_t cn_session_position(const struct cn_session *s)
{
    return s->position;
}

int32_t cn_session_n_ctx(const struct cn_session *s)
{
    return s->group->n_ctx;
}

size_t cn_session_kv_bytes(const struct cn_session *s)
{
    return s->kv_bytes;
}

void cn_session_work(const struct cn_session *s, struct cn_work *work)
{
    *work = s->work;
}

const char *cn_kv_type_name(enum cn_kv_type type)
{
    static const char *const names[] = {
        [CN_KV_F16] = "f16", [CN_KV_F32] = "f32", [CN_KV_Q8_0] = "q8_0"
    };
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : NULL;
}

const char *cn_op_name(enum cn_op op)
{
    static const char *const names[CN_N_OPS] = {
        [CN_OP_EMBED] = "embed",   [CN_OP_NORM] = "norm",           [CN_OP_QKV] = "qkv",
        [CN_OP_ROPE] = "rope",     [CN_OP_ATTENTION] = "attention", [CN_OP_ATTN_OUT] = "attn_out",
        [CN_OP_FFN_UP] = "ffn_up", [CN_OP_FFN_DOWN] = "ffn_down",   [CN_OP_ROUTER] = "router",
        [CN_OP_OUTPUT] = "output", [CN_OP_ABSORB] = "absorb",       [CN_OP_STREAMS] = "streams",
        [CN_OP_CONV] = "conv",     [CN_OP_DELTA] = "delta",         [CN_OP_SSM] = "ssm",
    };
    return (unsigned)op < CN_N_OPS ? names[op] : NULL;
}
