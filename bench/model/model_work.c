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
#define WEIGHTS(...)                                         \
    memcpy(all, (const struct cn_weight *[]){ __VA_ARGS__ }, \
           sizeof((const struct cn_weight *[]){ __VA_ARGS__ }))
    switch (op) {
    case CN_OP_OUTPUT:
        if (!l)
            WEIGHTS(&m->output);
        break;
    case CN_OP_QKV:
        if (l)
            WEIGHTS(&l->q, &l->k, &l->v, &l->qkv, &l->q_down, &l->q_up, &l->kv_down);
        break;
    case CN_OP_ABSORB:
        if (l)
            WEIGHTS(&l->k_up);
        break;
    case CN_OP_ATTN_OUT:
        if (l)
            WEIGHTS(&l->attn_out, &l->v_up);
        break;
    case CN_OP_FFN_UP:
        if (l)
            WEIGHTS(&l->gate, &l->up, &l->gate_exps, &l->up_exps, &l->gate_up_exps, &l->gate_shared,
                    &l->up_shared);
        break;
    case CN_OP_FFN_DOWN:
        if (l)
            WEIGHTS(&l->down, &l->down_exps, &l->down_shared);
        break;
    case CN_OP_ROUTER:
        if (l)
            WEIGHTS(&l->router);
        break;
    case CN_OP_STREAMS:
        if (l)
            WEIGHTS(&l->laurel_down, &l->laurel_up, &l->input_gate, &l->input_proj);
        else
            WEIGHTS(&m->layer_proj, &m->altup_proj, &m->altup_unproj);
        break;
    default:
        break;
    }
#undef WEIGHTS
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
        const bool of_experts = l && (w == &l->gate_exps || w == &l->up_exps ||
                                      w == &l->down_exps || w == &l->gate_up_exps);
        if (of_experts)
            cn_work_add(work, w, busy, each);
        else
            cn_work_add(work, w, (double)w->n_mats, op == CN_OP_OUTPUT ? 1 : n);
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
