/* SPDX-License-Identifier: MIT */
#include "engine/run/nextn.h"

#include "base/error.h"
#include "base/layout.h"
#include "engine/run/mixer/mixer.h"

#include <stdlib.h>

/* Its vectors, its logits, and the keys and values of the block. */
static void carve(struct cn_session *s, struct cn_nextn *nextn, struct cn_layout *c)
{
    const struct cn_hparams *hp = &s->model->hp;
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(s->group);
    const struct cn_mixer *mixer = cn_mixer_of(s->model, hp->n_layer, 0);
    nextn->hidden = cn_layout_take(c, s->group->n_ctx * hp->n_embd, sizeof(float));
    nextn->logits = cn_layout_take(c, hp->n_vocab, sizeof(float));
    void *rows = cn_layout_take(c, (int64_t)mixer->state_bytes(&sizes, hp->n_layer), 1);
    if (c->base)
        mixer->place(s, hp->n_layer, rows);
}

enum cn_status cn_nextn_begin(struct cn_session *s, struct cn_error *err)
{
    CN_RETURN_IF(s->model->hp.n_nextn == 0, CN_ERR_UNSUPPORTED, err,
                 "the model has no NextN block: %s", s->model->nextn_fault.text);
    if (s->nextn)
        return CN_OK;
    struct cn_nextn *nextn = calloc(1, sizeof *nextn);
    CN_RETURN_IF(!nextn, CN_ERR_MEMORY, err, "out of memory");
    struct cn_layout measure = { 0 };
    carve(s, nextn, &measure);
    if (!measure.overflow)
        nextn->arena = aligned_alloc(CN_ALIGN, measure.used + CN_ALIGN);
    if (!nextn->arena) {
        cn_nextn_free(nextn);
        return cn_fail(err, CN_ERR_MEMORY,
                       "out of memory: a NextN block in a context of %d needs %.1f MiB",
                       s->group->n_ctx, (double)measure.used / 1048576);
    }
    struct cn_layout carver = { .base = nextn->arena };
    carve(s, nextn, &carver);
    s->nextn = nextn;
    return CN_OK;
}

void cn_nextn_free(struct cn_nextn *nextn)
{
    if (!nextn)
        return;
    free(nextn->arena);
    free(nextn);
}

/* One pass. */
static bool run(struct cn_session *s, int32_t position, const int32_t *tokens, int32_t n,
                bool guess)
{
    struct cn_group *g = s->group;
    struct cn_nextn *nextn = s->nextn;
    float *const hidden = nextn->hidden + (int64_t)position * s->model->hp.n_embd;
    float *const next = hidden + n * s->model->hp.n_embd;
    g->n_slices = 1;
    g->slices[0] = (struct cn_slice){ .session = s, .n = n, .position = position };
    for (int32_t t = 0; t < n; t++)
        g->places[t] = (struct cn_place){ s, position + t, tokens[t] };
    g->work = (struct cn_work){ 0 };
    if (guess && nextn->n_rows > position + n)
        nextn->n_rows = position + n;
    const uint64_t mode = cn_flush_denormals();
    const bool whole =
        cn_forward_nextn(g, n, hidden, guess ? next : NULL, guess ? nextn->logits : NULL);
    cn_float_mode_restore(mode);
    cn_share_work(g, n);
    return whole;
}

enum cn_status cn_nextn_eval(struct cn_session *s, int32_t position, const int32_t *tokens,
                             int32_t n, bool guess, struct cn_error *err)
{
    struct cn_group *g = s->group;
    g->n_threads = n > 1 ? g->options.n_threads_prefill : g->options.n_threads;
    for (int32_t done = 0; done < n;) {
        const int32_t left = n - done;
        const int32_t now = left < g->n_batch ? left : (int32_t)g->n_batch;
        CN_RETURN_IF(!run(s, position + done, tokens + done, now, guess && now == left),
                     CN_ERR_CANCELLED, err, "cancelled");
        done += now;
    }
    return CN_OK;
}
