/* SPDX-License-Identifier: MIT
 *
 * File types of the IQ*_K and trellis formats, and of Q6_0: which tensor gets which format. They
 * come from another tool than those of mix.c, whose rules differ: names count by their parts
 * (attn_k is attn_kv_b too), four experts are many, and the output's type depends on whether it is
 * the embedding's as well.
 */
#include "quant/mix_part.h"

/* A vocabulary of this size, in a model of the classes 8B and 70B, makes it a big one. */
enum { BIG_VOCAB = 127999, MANY_EXPERTS = 4 };

bool cn_mix_is_iqk(uint32_t file_type)
{
    const struct cn_file_type *type = cn_file_type_by_id(file_type);
    const struct cn_format *base = type ? cn_format_by_gguf(type->base) : NULL;
    const enum cn_family family = base ? cn_format_family(base) : CN_FAMILY_OTHER;
    return family == CN_FAMILY_IQK || family == CN_FAMILY_KT || file_type == FT_Q6_0;
}

bool cn_mix_iqk_keeps(const char *name)
{
    return cn_mix_has(name, "ssm_x.weight") || cn_mix_has(name, "ssm_dt.weight") ||
           cn_mix_has(name, "attn_rel_b.weight");
}

static bool is_big(const struct cn_mix_walk *w)
{
    return w->n_vocab >= BIG_VOCAB && (w->model->class_8b || w->model->few_value_heads);
}

static uint32_t output_type(const struct cn_mix_walk *w, int64_t n_cols)
{
    if (n_cols % 256 != 0)
        return Q8_0;
    switch (w->file_type) {
    case FT_IQ2_K:
    case FT_IQ3_K:
    case FT_IQ2_KS:
    case FT_IQ3_KS:
    case FT_IQ2_KL:
    case FT_IQ1_KT:
    case FT_IQ2_KT:
    case FT_IQ3_KT:
        return w->has_output ? Q5_K : IQ4_K;
    case FT_IQ3_KL:
    case FT_IQ4_KS:
    case FT_IQ4_KSS:
        return w->has_output ? Q6_K : IQ5_K;
    case FT_IQ6_K:
        return w->base;
    default:
        return Q6_K;
    }
}

/* Two file types of some two bits have rules of their own. */
static uint32_t iq2_kt_type(struct cn_mix_walk *w, const char *name)
{
    const int64_t n_expert = w->model->n_expert;
    const bool eight = n_expert >= 8, ffn_down = cn_mix_has(name, "ffn_down");
    if (cn_mix_has(name, "attn_v.weight"))
        return n_expert >= MANY_EXPERTS || w->gqa >= 4 ? IQ4_K : w->gqa >= 2 ? IQ3_K : Q2_K;
    if (eight && (cn_mix_has(name, "attn_k") || cn_mix_has(name, "attn_q")))
        return Q4_K;
    const int64_t i = ffn_down ? cn_mix_ffn_layer(w, name, &w->i_ffn_down) : 0;
    if (eight && cn_mix_layer_of(name) == 0 &&
        (ffn_down || cn_mix_has(name, "ffn_gate") || cn_mix_has(name, "ffn_up")))
        return IQ3_K;
    if (cn_mix_has(name, "attn_qkv"))
        return IQ3_K;
    if (cn_mix_has(name, "_shexp.weight"))
        return IQ4_K;
    if (ffn_down)
        return i < w->model->n_layer / 8 ? IQ3_K : w->base;
    if (cn_mix_has(name, "attn_output.weight"))
        return n_expert >= MANY_EXPERTS ? Q5_K : IQ3_K;
    return w->base;
}

static uint32_t iq2_ks_type(struct cn_mix_walk *w, const char *name)
{
    const int64_t n_expert = w->model->n_expert;
    if (cn_mix_has(name, "attn_v.weight"))
        return n_expert >= MANY_EXPERTS || w->gqa >= 4 ? IQ4_K
               : n_expert >= 2 || w->gqa >= 2          ? IQ3_K
                                                       : Q2_K;
    if (n_expert >= 8 && (cn_mix_has(name, "attn_k") || cn_mix_has(name, "attn_q")))
        return Q4_K;
    if (cn_mix_has(name, "attn_qkv"))
        return IQ2_K;
    if (cn_mix_has(name, "ffn_down"))
        return w->i_ffn_down++ < w->model->n_layer / 8 ? Q2_K : w->base;
    if (cn_mix_has(name, "attn_output.weight"))
        return n_expert >= MANY_EXPERTS ? Q5_K : w->base;
    return w->base;
}

static uint32_t attn_v_type(const struct cn_mix_walk *w)
{
    const bool shared = w->gqa >= 2, widely = w->gqa >= 4;
    if (w->model->n_expert >= MANY_EXPERTS)
        return Q8_0;
    if (w->model->few_value_heads)
        return w->base == IQ3_K ? IQ5_K : w->base;
    switch (w->file_type) {
    case FT_IQ2_K:
        return shared ? IQ4_K : IQ3_K;
    case FT_IQ2_KL:
    case FT_IQ3_KS:
        return shared ? IQ4_KS : w->base;
    case FT_IQ3_K:
        return shared ? IQ4_K : w->base;
    case FT_IQ3_KT:
        return widely ? IQ4_K : IQ3_K;
    case FT_IQ3_KL:
        return shared ? IQ5_K : IQ4_K;
    case FT_IQ4_KT:
        return widely ? IQ5_K : IQ4_K;
    case FT_IQ4_K:
    case FT_IQ4_KS:
    case FT_IQ4_KSS:
        return shared ? IQ5_K : w->base;
    case FT_IQ5_K:
    case FT_IQ5_KS:
        return is_big(w) ? IQ6_K : w->base;
    default:
        return w->base;
    }
}

static uint32_t attn_q_type(const struct cn_mix_walk *w)
{
    if (!is_big(w))
        return w->base;
    return w->file_type == FT_IQ5_K ? IQ4_K : w->file_type == FT_IQ5_KS ? IQ4_KS : w->base;
}

static uint32_t ffn_down_type(struct cn_mix_walk *w, const char *name)
{
    const int64_t n = w->model->n_layer, i = cn_mix_ffn_layer(w, name, &w->i_ffn_down);
    const bool first = i < n / 8, has_imatrix = w->model->has_imatrix;
    switch (w->file_type) {
    case FT_IQ3_KL:
        return cn_mix_deserves_more_bits(i, n) ? IQ4_KS : w->base;
    case FT_IQ3_KT:
        return has_imatrix ? w->base : first ? IQ4_K : IQ3_K;
    case FT_IQ4_KS:
    case FT_IQ4_KSS:
        return first && !has_imatrix ? Q5_K : w->base;
    default:
        return w->base;
    }
}

static uint32_t attn_output_type(const struct cn_mix_walk *w)
{
    const bool many = w->model->n_expert >= MANY_EXPERTS;
    switch (w->file_type) {
    case FT_IQ2_K:
        return many ? Q5_K : IQ3_K;
    case FT_IQ3_KL:
        return many ? Q5_K : IQ4_KS;
    case FT_IQ3_KT:
        return many ? Q5_K : w->gqa >= 4 ? IQ3_K : w->base;
    case FT_IQ3_K:
    case FT_IQ3_KS:
    case FT_IQ4_K:
    case FT_IQ4_KS:
    case FT_IQ4_KSS:
    case FT_IQ5_KS:
        return many ? Q5_K : w->base;
    case FT_IQ2_KL:
        return many ? IQ4_KS : w->base;
    default:
        return w->base;
    }
}

static uint32_t ffn_up_type(struct cn_mix_walk *w, const char *name, int64_t *count)
{
    const int64_t n = w->model->n_layer, i = cn_mix_ffn_layer(w, name, count);
    return w->file_type == FT_IQ3_KL && cn_mix_deserves_more_bits(i, n) ? IQ4_KS : w->base;
}

uint32_t cn_mix_iqk_type(struct cn_mix_walk *w, const struct cn_mix_tensor *t)
{
    const char *name = t->name;
    if (cn_mix_is_output(name) || (strcmp(name, "token_embd.weight") == 0 && !w->has_output))
        return output_type(w, t->ne[0]);
    if (cn_mix_is_token_embd(name))
        return w->file_type == FT_IQ3_KT ? IQ3_S : w->base;
    if (w->file_type == FT_IQ2_KT)
        return iq2_kt_type(w, name);
    if (w->file_type == FT_IQ2_KS)
        return iq2_ks_type(w, name);
    if (cn_mix_has(name, "attn_v.weight"))
        return attn_v_type(w);
    if (cn_mix_has(name, "attn_k"))
        return w->model->n_expert >= MANY_EXPERTS ? Q8_0 : w->base;
    if (cn_mix_has(name, "attn_q"))
        return attn_q_type(w);
    if (cn_mix_has(name, "ffn_down"))
        return ffn_down_type(w, name);
    if (cn_mix_has(name, "attn_output.weight"))
        return attn_output_type(w);
    if (cn_mix_has(name, "ffn_gate"))
        return ffn_up_type(w, name, &w->i_ffn_gate);
    if (cn_mix_has(name, "ffn_up"))
        return ffn_up_type(w, name, &w->i_ffn_up);
    return w->base;
}

uint32_t cn_mix_iqk_fallback(uint32_t type)
{
    switch (type) {
    case Q4_K:
    case IQ4_K:
    case IQ5_KS:
        return Q5_0;
    case Q5_K:
    case IQ5_K:
        return Q6_0;
    case Q6_K:
    case IQ6_K:
        return Q8_0;
    default:
        return IQ4_NL;
    }
}
