/* SPDX-License-Identifier: MIT */
#include "engine/model/slots.h"

#include <stdio.h>
#include <string.h>

/* Dimensions in terms of hyperparameters. */
enum dim {
    ONE,
    EMBD,
    VOCAB,
    Q,    /* n_head * d_k, with an output gate n_head * d_v more */
    K,    /* n_head_kv * d_k */
    V,    /* n_head_kv * d_v */
    QKV,  /* the three together */
    ATTN, /* n_head * d_v */
    HEADS,
    Q_NORM, /* a head, or the whole projection */
    K_NORM,
    Q_NORM_ROWS, /* 1, or a row for each head */
    K_NORM_ROWS,
    FF,
    UP, /* n_ff, twice that if gate and up are fused */
    EXPERTS,
    FF_EXPERT,
    FF_EXPERT_2,
    FF_SHARED,
    ROT, /* n_rot / 2 */
    Q_LORA,
    KV_LORA,
    KV_DOWN,  /* kv_lora + n_rot */
    Q_HEADS,  /* n_head * d_k, of latent attention */
    KV_HEADS, /* n_head * (d_nope + d_v) */
    NOPE,     /* what of a head's keys does not rotate */
    D_V,
    PER_LAYER,  /* n_per_layer */
    ALL_LAYERS, /* n_per_layer * n_layer */
    STREAMS,
    STREAMS_1, /* n_streams - 1 */
    STREAMS_2, /* n_streams^2 */
    LAUREL,
    CONV_TAPS,
    CONV_IN,      /* 3 * n_embd */
    SSM_IN,       /* inner values twice, channels of the convolution without them, heads */
    SSM_CHANNELS, /* inner values and what groups of heads share */
    SSM_INNER,
    SSM_HEADS,
    SSM_GROUPS,
    SSM_GROUP, /* inner values of a group; the heads of a delta net share one norm */
    SSM_HEADS_2,
    SSM_A, /* 1 and a row for each head; a delta net has one row */
    SSM_A_ROWS,
    EXPERT_EMBD,
    EMBD_2, /* 2 * n_embd */
};

/* Delta nets and selective state spaces share slots, whose shapes differ a little. */
static bool is_delta(const struct cn_layer_hparams *l)
{
    return l->n_mixers > 0 && l->mixers[0] == CN_MIXER_DELTA;
}

static int64_t dim_of(const struct cn_arch *arch, const struct cn_hparams *hp,
                      const struct cn_layer_hparams *l, enum dim dim)
{
    const bool whole = arch->qk_norm == CN_QK_NORM_WHOLE;
    const bool rows = arch->qk_norm == CN_QK_NORM_LAYER_NORM;
    switch (dim) {
    case ONE:
        return 1;
    case EMBD:
        return hp->n_embd;
    case VOCAB:
        return hp->n_vocab;
    case Q:
        return l->n_head * (l->d_k + (arch->output_gate ? l->d_v : 0));
    case Q_HEADS:
        return l->n_head * l->d_k;
    case K:
        return l->n_head_kv * l->d_k;
    case V:
        return l->n_head_kv * l->d_v;
    case QKV:
        return l->n_head * l->d_k + l->n_head_kv * (l->d_k + l->d_v);
    case ATTN:
        return l->n_head * l->d_v;
    case HEADS:
        return l->n_head;
    case Q_NORM:
        return whole ? l->n_head * l->d_k : l->d_k;
    case K_NORM:
        return whole ? l->n_head_kv * l->d_k : l->d_k;
    case Q_NORM_ROWS:
        return rows ? l->n_head : 1;
    case K_NORM_ROWS:
        return rows ? l->n_head_kv : 1;
    case FF:
        return l->n_ff;
    case UP:
        return arch->fused_gate_up ? 2 * l->n_ff : l->n_ff;
    case EXPERTS:
        return hp->n_expert;
    case FF_EXPERT:
        return hp->n_ff_expert;
    case FF_EXPERT_2:
        return 2 * hp->n_ff_expert;
    case FF_SHARED:
        return hp->n_ff_shared;
    case ROT:
        return hp->n_rot / 2;
    case Q_LORA:
        return hp->q_lora;
    case KV_LORA:
        return hp->kv_lora;
    case KV_DOWN:
        return hp->kv_lora + l->n_rot;
    case KV_HEADS:
        return l->n_head * (l->d_k - l->n_rot + l->d_v);
    case NOPE:
        return l->d_k - l->n_rot;
    case D_V:
        return l->d_v;
    case PER_LAYER:
        return hp->n_per_layer;
    case ALL_LAYERS:
        return hp->n_per_layer * hp->n_layer;
    case STREAMS:
        return hp->n_streams;
    case STREAMS_1:
        return hp->n_streams - 1;
    case STREAMS_2:
        return hp->n_streams * hp->n_streams;
    case LAUREL:
        return hp->n_laurel;
    case CONV_TAPS:
        return hp->conv_taps;
    case CONV_IN:
        return 3 * hp->n_embd;
    case SSM_IN:
        return 2 * hp->ssm_inner + 2 * hp->ssm_groups * hp->ssm_state + hp->ssm_heads;
    case SSM_CHANNELS:
        return hp->ssm_inner + 2 * hp->ssm_groups * hp->ssm_state;
    case SSM_INNER:
        return hp->ssm_inner;
    case SSM_HEADS:
        return hp->ssm_heads;
    case SSM_HEADS_2:
        return 2 * hp->ssm_heads;
    case SSM_A:
        return is_delta(l) ? hp->ssm_heads : 1;
    case SSM_A_ROWS:
        return is_delta(l) ? 1 : hp->ssm_heads;
    case SSM_GROUPS:
        return is_delta(l) ? 1 : hp->ssm_groups;
    case SSM_GROUP:
        return is_delta(l) ? hp->ssm_state : hp->ssm_inner / hp->ssm_groups;
    case EXPERT_EMBD:
        return hp->n_expert_embd;
    case EMBD_2:
        return 2 * hp->n_embd;
    }
    return 1;
}

/* Which kind a slot is, its field's type says. */
#define KIND(of, field) \
    _Generic(((struct of *)0)->field, struct cn_weight : CN_MATRIX, \
             struct cn_taps : CN_TAPS, const float * : CN_FLOATS)
#define MODEL(name, field, ...)                                    \
    name, KIND(cn_model, field), offsetof(struct cn_model, field), \
    {                                                              \
        __VA_ARGS__                                                \
    }
#define LAYER(name, field, ...)                                    \
    name, KIND(cn_layer, field), offsetof(struct cn_layer, field), \
    {                                                              \
        __VA_ARGS__                                                \
    }

/* Name, field, shape: columns first. */
/* clang-format off */
#define SLOTS(ROW)                                                                                      \
    ROW(TOKEN_EMBD,         MODEL("token_embd.weight", token_embd, EMBD, VOCAB))                        \
    ROW(OUTPUT_NORM,        MODEL("output_norm.weight", output_norm, EMBD))                             \
    ROW(EMBD_NORM,          MODEL("token_embd_norm.weight", output_norm, EMBD))                         \
    ROW(OUTPUT_NORM_B,      MODEL("output_norm.bias", output_norm_b, EMBD))                             \
    ROW(OUTPUT,             MODEL("output.weight", output, EMBD, VOCAB))                                \
    ROW(OUTPUT_B,           MODEL("output.bias", output_b, VOCAB))                                      \
    ROW(ROPE_FREQS,         MODEL("rope_freqs.weight", rope_freqs, ROT))                                \
    ROW(ROPE_LONG,          MODEL("rope_factors_long.weight", rope_long, ROT))                          \
    ROW(ROPE_SHORT,         MODEL("rope_factors_short.weight", rope_short, ROT))                        \
    ROW(LAYER_EMBD,         MODEL("per_layer_token_embd.weight", layer_embd, ALL_LAYERS, VOCAB))        \
    ROW(LAYER_PROJ,         MODEL("per_layer_model_proj.weight", layer_proj, EMBD, ALL_LAYERS))         \
    ROW(LAYER_PROJ_NORM,    MODEL("per_layer_proj_norm.weight", layer_proj_norm, PER_LAYER))            \
    ROW(ALTUP_PROJ,         MODEL("altup_proj.weight", altup_proj, EMBD, EMBD, STREAMS_1))              \
    ROW(ALTUP_UNPROJ,       MODEL("altup_unembd_proj.weight", altup_unproj, EMBD, EMBD, STREAMS_1))     \
    ROW(ATTN_NORM,          LAYER("attn_norm.weight", attn_norm, EMBD))                                 \
    ROW(ATTN_NORM_B,        LAYER("attn_norm.bias", attn_norm_b, EMBD))                                 \
    ROW(Q,                  LAYER("attn_q.weight", q, EMBD, Q))                                         \
    ROW(K,                  LAYER("attn_k.weight", k, EMBD, K))                                         \
    ROW(V,                  LAYER("attn_v.weight", v, EMBD, V))                                         \
    ROW(Q_B,                LAYER("attn_q.bias", q_b, Q))                                               \
    ROW(K_B,                LAYER("attn_k.bias", k_b, K))                                               \
    ROW(V_B,                LAYER("attn_v.bias", v_b, V))                                               \
    ROW(QKV,                LAYER("attn_qkv.weight", qkv, EMBD, QKV))                                   \
    ROW(QKV_B,              LAYER("attn_qkv.bias", qkv_b, QKV))                                         \
    ROW(ATTN_OUT,           LAYER("attn_output.weight", attn_out, ATTN, EMBD))                          \
    ROW(ATTN_OUT_B,         LAYER("attn_output.bias", attn_out_b, EMBD))                                \
    ROW(Q_NORM,             LAYER("attn_q_norm.weight", q_norm, Q_NORM, Q_NORM_ROWS))                   \
    ROW(K_NORM,             LAYER("attn_k_norm.weight", k_norm, K_NORM, K_NORM_ROWS))                   \
    ROW(SINKS,              LAYER("attn_sinks.weight", sinks, HEADS))                                   \
    ROW(ATTN_SUB_NORM,      LAYER("attn_sub_norm.weight", attn_sub_norm, ATTN))                         \
    ROW(POST_ATTN_NORM,     LAYER("post_attention_norm.weight", post_attn_norm, EMBD))                  \
    ROW(Q_DOWN,             LAYER("attn_q_a.weight", q_down, EMBD, Q_LORA))                             \
    ROW(Q_DOWN_NORM,        LAYER("attn_q_a_norm.weight", q_down_norm, Q_LORA))                         \
    ROW(Q_UP,               LAYER("attn_q_b.weight", q_up, Q_LORA, Q_HEADS))                            \
    ROW(KV_DOWN,            LAYER("attn_kv_a_mqa.weight", kv_down, EMBD, KV_DOWN))                      \
    ROW(KV_DOWN_NORM,       LAYER("attn_kv_a_norm.weight", kv_down_norm, KV_LORA))                      \
    ROW(K_UP,               LAYER("attn_k_b.weight", k_up, NOPE, KV_LORA, HEADS))                       \
    ROW(V_UP,               LAYER("attn_v_b.weight", v_up, KV_LORA, D_V, HEADS))                        \
    ROW(KV_UP,              LAYER("attn_kv_b.weight", kv_up, KV_LORA, KV_HEADS))                        \
    ROW(CONV_IN,            LAYER("shortconv.in_proj.weight", conv_in, EMBD, CONV_IN))                  \
    ROW(CONV,               LAYER("shortconv.conv.weight", conv, CONV_TAPS, EMBD))                      \
    ROW(CONV_OUT,           LAYER("shortconv.out_proj.weight", conv_out, EMBD, EMBD))                   \
    ROW(SSM_IN,             LAYER("ssm_in.weight", ssm_in, EMBD, SSM_IN))                               \
    ROW(SSM_CONV,           LAYER("ssm_conv1d.weight", ssm_conv, CONV_TAPS, SSM_CHANNELS))              \
    ROW(SSM_CONV_B,         LAYER("ssm_conv1d.bias", ssm_conv_b, SSM_CHANNELS))                         \
    ROW(SSM_DT_B,           LAYER("ssm_dt.bias", ssm_dt_b, SSM_HEADS))                                  \
    ROW(SSM_A,              LAYER("ssm_a", ssm_a, SSM_A, SSM_A_ROWS))                                   \
    ROW(SSM_D,              LAYER("ssm_d", ssm_d, ONE, SSM_HEADS))                                      \
    ROW(SSM_NORM,           LAYER("ssm_norm.weight", ssm_norm, SSM_GROUP, SSM_GROUPS))                  \
    ROW(SSM_OUT,            LAYER("ssm_out.weight", ssm_out, SSM_INNER, EMBD))                          \
    ROW(DELTA_IN,           LAYER("attn_qkv.weight", delta_in, EMBD, SSM_CHANNELS))                     \
    ROW(DELTA_GATE,         LAYER("attn_gate.weight", delta_gate, EMBD, SSM_INNER))                     \
    ROW(DELTA_BETA,         LAYER("ssm_beta.weight", delta_beta, EMBD, SSM_HEADS))                      \
    ROW(DELTA_ALPHA,        LAYER("ssm_alpha.weight", delta_alpha, EMBD, SSM_HEADS))                    \
    ROW(DELTA_BA,           LAYER("ssm_ba.weight", delta_ba, EMBD, SSM_HEADS_2))                        \
    ROW(FFN_NORM,           LAYER("ffn_norm.weight", ffn_norm, EMBD))                                   \
    ROW(FFN_NORM_B,         LAYER("ffn_norm.bias", ffn_norm_b, EMBD))                                   \
    ROW(SECOND_NORM,        LAYER("post_attention_norm.weight", ffn_norm, EMBD))                        \
    ROW(BARE_NORM,          LAYER("ffn_norm", ffn_norm, EMBD))                                          \
    ROW(GATE,               LAYER("ffn_gate.weight", gate, EMBD, FF))                                   \
    ROW(UP,                 LAYER("ffn_up.weight", up, EMBD, UP))                                       \
    ROW(DOWN,               LAYER("ffn_down.weight", down, FF, EMBD))                                   \
    ROW(GATE_B,             LAYER("ffn_gate.bias", gate_b, FF))                                         \
    ROW(UP_B,               LAYER("ffn_up.bias", up_b, UP))                                             \
    ROW(DOWN_B,             LAYER("ffn_down.bias", down_b, EMBD))                                       \
    ROW(FFN_SUB_NORM,       LAYER("ffn_sub_norm.weight", ffn_sub_norm, FF))                             \
    ROW(POST_FFN_NORM,      LAYER("post_ffw_norm.weight", post_ffn_norm, EMBD))                         \
    ROW(ROUTER,             LAYER("ffn_gate_inp.weight", router, EMBD, EXPERTS))                        \
    ROW(ROUTER_B,           LAYER("ffn_gate_inp.bias", router_b, EXPERTS))                              \
    ROW(ROUTER_SCALE,       LAYER("ffn_gate_inp.scale", router_scale, EMBD))                            \
    ROW(SELECT_B,           LAYER("exp_probs_b.bias", select_b, EXPERTS))                               \
    ROW(GATE_EXPS,          LAYER("ffn_gate_exps.weight", gate_exps, EXPERT_EMBD, FF_EXPERT, EXPERTS))  \
    ROW(UP_EXPS,            LAYER("ffn_up_exps.weight", up_exps, EXPERT_EMBD, FF_EXPERT, EXPERTS))      \
    ROW(DOWN_EXPS,          LAYER("ffn_down_exps.weight", down_exps, FF_EXPERT, EXPERT_EMBD, EXPERTS))  \
    ROW(GATE_UP_EXPS,       LAYER("ffn_gate_up_exps.weight", gate_up_exps, EMBD, FF_EXPERT_2, EXPERTS)) \
    ROW(GATE_EXPS_B,        LAYER("ffn_gate_exps.bias", gate_exps_b, FF_EXPERT, EXPERTS))               \
    ROW(UP_EXPS_B,          LAYER("ffn_up_exps.bias", up_exps_b, FF_EXPERT, EXPERTS))                   \
    ROW(DOWN_EXPS_B,        LAYER("ffn_down_exps.bias", down_exps_b, EMBD, EXPERTS))                    \
    ROW(SHARED_ROUTER,      LAYER("ffn_gate_inp_shexp.weight", shared_router, EMBD))                    \
    ROW(GATE_SHARED,        LAYER("ffn_gate_shexp.weight", gate_shared, EMBD, FF_SHARED))               \
    ROW(UP_SHARED,          LAYER("ffn_up_shexp.weight", up_shared, EMBD, FF_SHARED))                   \
    ROW(DOWN_SHARED,        LAYER("ffn_down_shexp.weight", down_shared, FF_SHARED, EMBD))               \
    ROW(POST_DENSE_NORM,    LAYER("post_ffw_norm_1.weight", post_dense_norm, EMBD))                     \
    ROW(PRE_EXPERTS_NORM,   LAYER("pre_ffw_norm_2.weight", pre_experts_norm, EMBD))                     \
    ROW(POST_EXPERTS_NORM,  LAYER("post_ffw_norm_2.weight", post_experts_norm, EMBD))                   \
    ROW(EXPERTS_DOWN,       LAYER("ffn_latent_down.weight", experts_down, EMBD, EXPERT_EMBD))           \
    ROW(EXPERTS_UP,         LAYER("ffn_latent_up.weight", experts_up, EXPERT_EMBD, EMBD))               \
    ROW(INPUT_GATE,         LAYER("inp_gate.weight", input_gate, EMBD, PER_LAYER))                      \
    ROW(INPUT_PROJ,         LAYER("proj.weight", input_proj, PER_LAYER, EMBD))                          \
    ROW(INPUT_NORM,         LAYER("post_norm.weight", input_norm, EMBD))                                \
    ROW(LAYER_SCALE,        LAYER("layer_output_scale.weight", layer_scale, ONE))                       \
    ROW(ALTUP_ROUTER,       LAYER("altup_router.weight", altup_router, EMBD, STREAMS))                  \
    ROW(ALTUP_ROUTER_NORM,  LAYER("altup_router_norm.weight", altup_router_norm, EMBD))                 \
    ROW(ALTUP_PREDICT,      LAYER("altup_predict_coef.weight", altup_predict, STREAMS, STREAMS_2))      \
    ROW(ALTUP_CORRECT,      LAYER("altup_correct_coef.weight", altup_correct, STREAMS, STREAMS))        \
    ROW(ALTUP_SCALE,        LAYER("altup_correct_scale.weight", altup_scale, EMBD))                     \
    ROW(LAUREL_DOWN,        LAYER("laurel_l.weight", laurel_down, EMBD, LAUREL))                        \
    ROW(LAUREL_UP,          LAYER("laurel_r.weight", laurel_up, LAUREL, EMBD))                          \
    ROW(LAUREL_NORM,        LAYER("laurel_post_norm.weight", laurel_norm, EMBD))                        \
    ROW(NEXTN_PROJ,         LAYER("nextn.eh_proj.weight", nextn_proj, EMBD_2, EMBD))                    \
    ROW(NEXTN_EMBD_NORM,    LAYER("nextn.enorm.weight", nextn_embd_norm, EMBD))                         \
    ROW(NEXTN_HIDDEN_NORM,  LAYER("nextn.hnorm.weight", nextn_hidden_norm, EMBD))                       \
    ROW(NEXTN_EMBD,         LAYER("nextn.embed_tokens.weight", nextn_embd, EMBD, VOCAB))                \
    ROW(NEXTN_OUTPUT,       LAYER("nextn.shared_head_head.weight", nextn_output, EMBD, VOCAB))          \
    ROW(NEXTN_OUTPUT_NORM,  LAYER("nextn.shared_head_norm.weight", nextn_output_norm, EMBD))
/* clang-format on */

const struct cn_slot_info cn_slot_infos[CN_N_SLOTS] = {
#define ROW(slot, ...) [CN_SLOT_##slot] = { __VA_ARGS__ },
    SLOTS(ROW)
#undef ROW
};

void cn_slot_name(enum cn_slot slot, int64_t layer, char *buf, size_t n)
{
    if (slot < CN_FIRST_LAYER_SLOT)
        snprintf(buf, n, "%s", cn_slot_infos[slot].name);
    else
        snprintf(buf, n, "blk.%lld.%s", (long long)layer, cn_slot_infos[slot].name);
}

bool cn_slot_expert_name(enum cn_slot slot, int64_t layer, int64_t expert, char *buf, size_t n)
{
    const char *name = cn_slot_infos[slot].name, *mark = strstr(name, "_exps.weight");
    if (!mark)
        return false;
    snprintf(buf, n, "blk.%lld.%.*s.%lld.weight", (long long)layer, (int)(mark - name), name,
             (long long)expert);
    return true;
}

void cn_slot_shape(const struct cn_arch *arch, const struct cn_hparams *hp, enum cn_slot slot,
                   int64_t layer, int64_t ne[3])
{
    const struct cn_layer_hparams *l = &hp->layers[layer < 0 ? 0 : layer];
    for (int i = 0; i < 3; i++)
        ne[i] = dim_of(arch, hp, l, (enum dim)cn_slot_infos[slot].dims[i]);
}

/* What only layers with other mixers have. */
static cn_slots slots_of_other_mixers(const struct cn_layer_hparams *l)
{
#define CN_MIXER(name, NAME, slots) [CN_MIXER_##NAME] = slots,
    static const cn_slots of[CN_N_MIXERS] = {
#include "engine/run/mixer/mixers.def"
    };
#undef CN_MIXER
    cn_slots all = 0, own = 0;
    for (int i = 0; i < CN_N_MIXERS; i++)
        all |= of[i];
    for (int i = 0; i < l->n_mixers; i++)
        own |= of[l->mixers[i]];
    return all & ~own;
}

void cn_slots_of(const struct cn_arch *arch, const struct cn_hparams *hp, int64_t layer,
                 cn_slots *required, cn_slots *allowed)
{
    const cn_slots of_model = CN_BIT(ATTN_NORM) - 1;
    cn_slots need = arch->required | CN_BIT(TOKEN_EMBD), may = arch->optional;
    if (arch->output_required)
        need |= CN_BIT(OUTPUT);
    /* Inputs of the layers: wholly there or not at all. */
    const cn_slots inputs = CN_BIT(LAYER_EMBD) | CN_BIT(LAYER_PROJ) | CN_BIT(LAYER_PROJ_NORM) |
                            CN_BIT(INPUT_GATE) | CN_BIT(INPUT_PROJ) | CN_BIT(INPUT_NORM);
    if (hp->n_per_layer > 0)
        need |= may & inputs;
    else
        may &= ~inputs;
    if (layer < 0) {
        *required = need & of_model;
        *allowed = (need | may) & of_model;
        return;
    }
    const struct cn_layer_hparams *l = &hp->layers[layer];
    const cn_slots foreign = slots_of_other_mixers(l);
    need &= ~foreign;
    may &= ~foreign;
    if (l->experts)
        need |= arch->experts & ~(hp->n_ff_shared == 0 ? CN_SLOTS_SHARED_FFN : 0);
    else if (l->n_ff == 0) /* a layer without a feed-forward part */
        may &= ~(CN_SLOTS_GATED_FFN | CN_SLOTS_FFN_BIAS);
    if (l->n_ff > 0 && (!l->experts || arch->experts_beside_dense))
        need |= arch->dense_ffn;
    if (hp->n_expert_embd == hp->n_embd) {
        need &= ~(CN_BIT(EXPERTS_DOWN) | CN_BIT(EXPERTS_UP));
        may &= ~(CN_BIT(EXPERTS_DOWN) | CN_BIT(EXPERTS_UP));
    }
    /* What the choice of experts brings along, other layers do not have. */
    if (!l->experts)
        may &= ~CN_SLOTS_OF_EXPERTS;
    if (l->kv_layer != layer) {
        const cn_slots kv = CN_BIT(K) | CN_BIT(V) | CN_BIT(K_NORM) | CN_BIT(K_B) | CN_BIT(V_B);
        need &= ~kv;
        may &= ~kv;
    }
    if (layer == hp->n_layer) { /* the NextN block */
        need |= CN_BIT(NEXTN_PROJ) | CN_BIT(NEXTN_EMBD_NORM) | CN_BIT(NEXTN_HIDDEN_NORM);
        may |= CN_BIT(NEXTN_EMBD) | CN_BIT(NEXTN_OUTPUT) | CN_BIT(NEXTN_OUTPUT_NORM);
    }
    *required = need & ~of_model;
    *allowed = (need | may) & ~of_model;
}

const struct cn_slot_forms *cn_slot_forms(int i)
{
    static const struct cn_slot_forms forms[] = {
        {CN_SLOT_QKV,           CN_BIT(Q) | CN_BIT(K) | CN_BIT(V)                  },
        { CN_SLOT_Q,            CN_BIT(Q_DOWN) | CN_BIT(Q_DOWN_NORM) | CN_BIT(Q_UP)},
        { CN_SLOT_KV_UP,        CN_BIT(K_UP) | CN_BIT(V_UP)                        },
        { CN_SLOT_GATE_UP_EXPS, CN_BIT(GATE_EXPS) | CN_BIT(UP_EXPS)                },
    };
    return i < (int)(sizeof forms / sizeof *forms) ? &forms[i] : NULL;
}
