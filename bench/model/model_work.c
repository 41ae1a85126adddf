/* SPDX-License-Identifier: MIT */
#include "bench/model/model_work.h"

#include "engine/run/session.h"

#include <math.h>
#include <string.h>

int cn_model_op_weights(const struct cn_model *m, enum cn_op op, int layer,
                        const struct cn_weight *weights[CN_OP_WEIGHTS])
{
    const struct cn_layer *l = layer >= 0 ? &m->layers[layer] : NULL;
    const struct cn_weight *all[CN_OP_WEIGHTS] = { NULL };
    if (op == CN_OP_OUTPUT && !l)
        all[0] = &m->output;
    if (!l)
        ;
    else if (op == CN_OP_QKV)
        memcpy(all, (const struct cn_weight *[]){ &l->q, &l->k, &l->v, &l->qkv }, 4 * sizeof *all);
    else if (op == CN_OP_ATTN_OUT)
        all[0] = &l->attn_out;
    else if (op == CN_OP_FFN_UP)
        memcpy(all,
               (const struct cn_weight *[]){ &l->gate, &l->up, &l->gate_exps, &l->up_exps,
                                             &l->gate_shared, &l->up_shared },
               6 * sizeof *all);
    else if (op == CN_OP_FFN_DOWN)
        memcpy(all, (const struct cn_weight *[]){ &l->down, &l->down_exps, &l->down_shared },
               3 * sizeof *all);
    else if (op == CN_OP_ROUTER)
        all[0] = &l->router;
    int n = 0;
    for (int i = 0; i < CN_OP_WEIGHTS; i++)
        if (all[i] && all[i]->format)
            weights[n++] = all[i];
    return n;
}

void cn_model_op_work(const struct cn_model *m, enum cn_op op, int layer, int32_t n_tokens,
                      struct cn_work *work)
{
    const double n = n_tokens, experts = (double)m->hp.n_expert;
    const double share = experts > 0 ? (double)m->hp.n_expert_used / experts : 0;
    /* Experts that somebody chose, and how many tokens chose such a one. */
    const double busy = experts * (1 - pow(1 - share, n));
    const double each = experts > 0 ? n * (double)m->hp.n_expert_used / busy : 0;
    const struct cn_weight *weights[CN_OP_WEIGHTS];
    const int count = cn_model_op_weights(m, op, layer, weights);
    for (int i = 0; i < count; i++) {
        const struct cn_weight *w = weights[i];
        const struct cn_layer *l = layer >= 0 ? &m->layers[layer] : NULL;
        if (l && (w == &l->gate_exps || w == &l->up_exps || w == &l->down_exps))
            cn_work_add(work, w, busy, each);
        else
            cn_work_add(work, w, 1, op == CN_OP_OUTPUT ? 1 : n);
    }
}

void cn_model_pass_work(const struct cn_model *m, int32_t n_tokens, struct cn_work *work)
{
    *work = (struct cn_work){ 0 };
    for (int op = 0; op < CN_N_OPS; op++)
        for (int layer = -1; layer < (int)m->hp.n_layer; layer++)
            cn_model_op_work(m, (enum cn_op)op, layer, n_tokens, work);
}

void cn_report_work(struct cn_profiler *profiler, const struct cn_session *session,
                    struct cn_work *told)
{
    struct cn_work w;
    cn_session_work(session, &w);
    if (profiler)
        cn_profiler_work(profiler, w.bytes - told->bytes, w.int8_ops - told->int8_ops,
                         w.unpacked - told->unpacked);
    *told = w;
}
