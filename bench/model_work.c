/* SPDX-License-Identifier: MIT */
#include "bench/model_work.h"

#include "engine/session.h"

#include <math.h>

/* `tokens` tokens go through each of `mats` matrices of a weight; they may be means. */
static void add(struct cn_work *work, const struct cn_weight *w, double mats, double tokens)
{
    if (!w->format)
        return;
    double cells = (double)w->rows * (double)w->cols, all = mats * cells;
    bool int8 = w->format->act == CN_ACT_Q8;
    work->bytes += (int64_t)(mats * (double)w->rows * (double)w->row_bytes);
    *(int8 ? &work->int8_ops : &work->float_ops) += (int64_t)(2 * all * tokens);
    if (int8 && w->format->block_bytes < w->format->block_elems)
        work->unpacked += (int64_t)(tokens > CN_GEMV_TOKENS ? all : all * tokens);
}

void cn_model_pass_work(const struct cn_model *m, int32_t n_tokens, struct cn_work *work)
{
    const double n = n_tokens, experts = (double)m->hp.n_expert;
    const double share = experts > 0 ? (double)m->hp.n_expert_used / experts : 0;
    /* Experts that somebody chose, and how many tokens chose such a one. */
    const double busy = experts * (1 - pow(1 - share, n));
    const double each = experts > 0 ? n * (double)m->hp.n_expert_used / busy : 0;
    *work = (struct cn_work){ 0 };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_layer *l = &m->layers[i];
        const struct cn_weight *dense[] = { &l->q,           &l->k,         &l->v,
                                            &l->qkv,         &l->attn_out,  &l->gate,
                                            &l->up,          &l->down,      &l->router,
                                            &l->gate_shared, &l->up_shared, &l->down_shared };
        for (size_t k = 0; k < sizeof dense / sizeof *dense; k++)
            add(work, dense[k], 1, n);
        add(work, &l->gate_exps, busy, each);
        add(work, &l->up_exps, busy, each);
        add(work, &l->down_exps, busy, each);
    }
    add(work, &m->output, 1, 1);
}

void cn_tell_work(struct cn_profiler *profiler, const struct cn_session *session,
                  struct cn_work *told)
{
    struct cn_work w;
    cn_session_work(session, &w);
    if (profiler)
        cn_profiler_work(profiler, w.bytes - told->bytes, w.int8_ops - told->int8_ops,
                         w.unpacked - told->unpacked);
    *told = w;
}
