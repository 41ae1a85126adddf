/* SPDX-License-Identifier: MIT */
#include "engine/run/op_work.h"

#include "engine/run/attend.h"
#include "engine/run/mixer/mixer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OP_WEIGHTS = 16 };

/* The matrices that an op of a layer (-1: outside the layers) multiplies with. Returns their
 * number.
 */
static int weights_of(const struct cn_model *m, enum cn_op op, int layer,
                      const struct cn_weight *weights[OP_WEIGHTS])
{
    const struct cn_layer *l = layer >= 0 ? &m->layers[layer] : NULL;
    const struct cn_weight *all[OP_WEIGHTS] = { NULL };
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
            WEIGHTS(&l->q, &l->k, &l->v, &l->qkv, &l->q_down, &l->q_up, &l->kv_down, &l->conv_in,
                    &l->ssm_in, &l->delta_in, &l->delta_gate, &l->delta_beta, &l->delta_alpha,
                    &l->delta_ba);
        break;
    case CN_OP_ABSORB:
        if (l)
            WEIGHTS(&l->k_up);
        break;
    case CN_OP_ATTN_OUT:
        if (l)
            WEIGHTS(&l->attn_out, &l->v_up, &l->conv_out, &l->ssm_out);
        break;
    case CN_OP_FFN_UP:
        if (l)
            WEIGHTS(&l->gate, &l->up, &l->gate_exps, &l->up_exps, &l->gate_up_exps, &l->gate_shared,
                    &l->up_shared, &l->experts_down);
        break;
    case CN_OP_FFN_DOWN:
        if (l)
            WEIGHTS(&l->down, &l->down_exps, &l->down_shared, &l->experts_up);
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
    for (int i = 0; i < OP_WEIGHTS; i++)
        if (all[i] && all[i]->format)
            weights[n++] = all[i];
    return n;
}

void cn_model_op_work(const struct cn_model *m, enum cn_op op, int layer, int32_t position,
                      int32_t n_tokens, struct cn_work *work)
{
    const double n = n_tokens, experts = (double)m->hp.n_expert;
    const double share = experts > 0 ? (double)m->hp.n_expert_used / experts : 0;
    /* Experts that somebody chose, and how many tokens chose such a one. */
    const double busy = experts * (1 - pow(1 - share, n));
    const double each = experts > 0 ? n * (double)m->hp.n_expert_used / busy : 0;
    const struct cn_weight *weights[OP_WEIGHTS];
    const int count = weights_of(m, op, layer, weights);
    for (int i = 0; i < count; i++) {
        const struct cn_weight *w = weights[i];
        const struct cn_layer *l = layer >= 0 ? &m->layers[layer] : NULL;
        const bool of_experts = l && (w == &l->gate_exps || w == &l->up_exps ||
                                      w == &l->down_exps || w == &l->gate_up_exps);
        if (l && (w == &l->k_up || w == &l->v_up)) /* as the mixer says */
            continue;
        if (of_experts)
            cn_work_add(work, m, w, busy, each);
        else
            cn_work_add(work, m, w, (double)w->n_mats, op == CN_OP_OUTPUT ? 1 : n);
    }
    const struct cn_mixer *mixer;
    for (int i = 0; layer >= 0 && (mixer = cn_mixer_of(m, layer, i)); i++) {
        if (mixer->work)
            mixer->work(m, layer, op, n_tokens, work);
        if (mixer->products_work)
            mixer->products_work(m, layer, op, position, n_tokens, work);
    }
}

void cn_model_pass_work(const struct cn_model *m, int32_t n_tokens, struct cn_work *work)
{
    *work = (struct cn_work){ 0 };
    for (int op = 0; op < CN_N_OPS; op++)
        for (int layer = -1; layer < (int)m->hp.n_layer; layer++)
            cn_model_op_work(m, (enum cn_op)op, layer, 0, n_tokens, work);
}

void cn_model_op_formats(const struct cn_model *m, enum cn_op op, int layer, char *text,
                         size_t n_bytes)
{
    const struct cn_weight *w[OP_WEIGHTS];
    const int n = weights_of(m, op, layer, w);
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++)
            seen |= w[k]->format == w[i]->format;
        if (!seen && used < n_bytes)
            used += (size_t)snprintf(text + used, n_bytes - used, "%s%s", used ? " " : "",
                                     w[i]->format->name);
    }
}

bool cn_model_multiplies_bf16(const struct cn_model *m, int32_t n_tokens, bool fast)
{
    return cn_gemm_way(m->ops.gemm, &m->layers[0].q.kernels, n_tokens) == CN_WAY_PANEL &&
           cn_gemm_act_kind(m->ops.gemm, CN_ACT_Q8, m->hp.n_embd, fast) == CN_ACT_BF16;
}

/* Positions that the tokens see, summed over the tokens, in a layer. */
static double positions(const struct cn_layer_hparams *l, const struct cn_attention_span *span)
{
    double sum = 0;
    for (int32_t i = 0; i < span->n_tokens; i++) {
        const int64_t position = (int64_t)span->position + i;
        sum += (double)(position + 1 - cn_attend_first(l->window, l->chunked, position));
    }
    return sum;
}

/* Attention has no weights, but keys and values: each token's are read by the tokens one by one, by
 * those of a batch together. Latent attention reads one row for all heads, whose front is the
 * value; or of rows that were unfolded a key and a value of each head. */
void cn_model_attention_work(const struct cn_model *m, int layer,
                             const struct cn_attention_span *span, double *bytes, double *ops)
{
    const struct cn_layer_hparams *l = &m->hp.layers[layer];
    const bool unfolded = l->mixers[0] == CN_MIXER_LATENT && span->together &&
                          cn_latent_unfolds(m, layer, span->position, span->n_tokens);
    const bool latent = l->mixers[0] == CN_MIXER_LATENT && !unfolded;
    const enum cn_kv_type kv = unfolded && span->kv != CN_KV_F32 ? CN_KV_F16 : span->kv;
    const int64_t d_v = latent ? m->hp.kv_lora : l->d_v;
    const int64_t d_k = latent ? m->hp.kv_lora + l->n_rot : l->d_k;
    const double seen = positions(l, span) / span->n_tokens;
    const double row = (double)(cn_kv_row_bytes(kv, d_k) + (latent ? 0 : cn_kv_row_bytes(kv, d_v)));
    const double heads = latent ? 1 : (double)(unfolded ? l->n_head : l->n_head_kv);
    *bytes = heads * row * seen / (span->together ? span->n_tokens : 1);
    *ops = 2 * (double)l->n_head * (double)(d_k + d_v) * seen;
}
