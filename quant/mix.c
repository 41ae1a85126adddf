/* SPDX-License-Identifier: MIT
 *
 * File types: which tensor of a model gets which format. The rules are those by which the field's
 * tool makes files called "Q4_K_M" and so on, so that a file of ours compares with one of theirs.
 */
#include "quant/mix_part.h"

#include <strings.h>

static int64_t block_elems(uint32_t type)
{
    return cn_format_by_gguf(type)->block_elems;
}

static bool is_quantised(const struct cn_mix_tensor *t)
{
    static const char suffix[] = "weight";
    size_t len = strlen(t->name), suffix_len = sizeof suffix - 1;
    if (t->n_dims < 2 || len < suffix_len || strcmp(t->name + len - suffix_len, suffix) != 0)
        return false;
    /* Small ones, on which much depends. */
    static const char *const kept[] = {
        "_norm.weight",         "ffn_gate_inp.weight", "altup",      "laurel",
        "per_layer_model_proj", "shortconv.conv",      "ssm_conv1d",
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (cn_mix_has(t->name, kept[i]))
            return false;
    return strcmp(t->name, "position_embd.weight") != 0 &&
           strcmp(t->name, "token_types.weight") != 0;
}

static double bits(uint32_t type)
{
    const struct cn_format *f = cn_format_by_gguf(type);
    return 8.0 * f->block_bytes / f->block_elems;
}

static uint32_t output_type(const struct cn_mix_walk *w, int64_t n_cols)
{
    if (w->file_type == FT_MXFP4_MOE || n_cols % block_elems(w->base) != 0)
        return Q8_0;
    switch (w->file_type) {
    case FT_IQ2_XXS:
    case FT_IQ2_XS:
    case FT_IQ2_S:
    case FT_IQ2_M:
    case FT_IQ3_XXS:
    case FT_IQ1_S:
    case FT_IQ1_M:
        return Q5_K;
    default:
        return w->base == Q8_0 || (w->own && bits(w->base) > bits(Q6_K)) ? w->base : Q6_K;
    }
}

static uint32_t token_embd_type(const struct cn_mix_walk *w)
{
    switch (w->file_type) {
    case FT_IQ2_XXS:
    case FT_IQ2_XS:
    case FT_IQ1_S:
    case FT_IQ1_M:
        return Q2_K;
    case FT_IQ2_S:
    case FT_IQ2_M:
    case FT_IQ3_XXS:
        return IQ3_S;
    case FT_TQ1_0:
    case FT_TQ2_0:
    case FT_Q2_0:
        return Q4_K;
    default:
        return w->base;
    }
}

static bool is_low_bit(uint32_t file_type)
{
    return file_type == FT_IQ2_XXS || file_type == FT_IQ2_XS || file_type == FT_IQ2_S ||
           file_type == FT_IQ2_M || file_type == FT_IQ1_S || file_type == FT_IQ1_M;
}

/* Two bits and less have rules of their own. */
static uint32_t low_bit_type(struct cn_mix_walk *w, const char *name)
{
    bool iq2_s = w->file_type == FT_IQ2_S || w->file_type == FT_IQ2_M;
    bool iq1 = w->file_type == FT_IQ1_S || w->file_type == FT_IQ1_M;
    uint32_t better = iq2_s ? IQ3_S : Q2_K;
    int64_t n_expert = w->model->n_expert;
    if (cn_mix_has(name, "attn_v.weight"))
        return w->gqa >= 4 || n_expert >= 4 ? Q4_K : better;
    if (cn_mix_has(name, "attn_k.weight"))
        return n_expert == 8 ? Q4_K : w->base;
    if (cn_mix_has(name, "ffn_down"))
        return w->i_ffn_down++ < w->model->n_layer / 8 ? better : w->base;
    if (cn_mix_has(name, "attn_output.weight")) {
        if (n_expert == 8)
            return Q5_K;
        return iq1 ? IQ2_XXS : iq2_s ? IQ3_S : w->base;
    }
    return w->base;
}

static uint32_t attn_v_type(struct cn_mix_walk *w)
{
    bool shared = w->gqa >= 4;
    int64_t c = w->i_attn_v++;
    uint32_t type = w->base;
    switch (w->file_type) {
    case FT_Q2_K:
        type = shared ? Q4_K : Q3_K;
        break;
    case FT_IQ3_XXS:
        type = shared ? Q4_K : w->model->has_imatrix ? IQ3_XXS : IQ3_S;
        break;
    case FT_Q2_K_S:
    case FT_IQ3_XS:
    case FT_IQ3_S:
        type = shared ? Q4_K : w->base;
        break;
    case FT_IQ3_M:
        type = Q4_K;
        break;
    case FT_Q3_K_M:
        type = c < 2 ? Q5_K : Q4_K;
        break;
    case FT_Q3_K_L:
        type = Q5_K;
        break;
    case FT_IQ4_NL:
    case FT_IQ4_XS:
        type = shared ? Q5_K : w->base;
        break;
    case FT_Q4_K_M:
    case FT_Q5_K_M:
        type = cn_mix_deserves_more_bits(c, w->n_attn_v) ? Q6_K : w->base;
        break;
    case FT_Q4_K_S:
        type = c < 4 ? Q5_K : w->base;
        break;
    }
    if (w->model->few_value_heads && (type == Q3_K || type == Q4_K))
        type = Q5_K;
    return w->model->n_expert == 8 ? Q8_0 : type;
}

static uint32_t attn_k_or_q_type(const struct cn_mix_walk *w, bool is_k)
{
    if (is_k && w->model->n_expert == 8)
        return Q8_0;
    return w->file_type == FT_IQ3_XS ? IQ3_XXS : w->file_type == FT_IQ3_XXS ? IQ2_S : w->base;
}

static uint32_t ffn_down_type(struct cn_mix_walk *w, const char *name)
{
    int64_t n = w->model->n_layer;
    int64_t i = cn_mix_ffn_layer(w, name, &w->i_ffn_down);
    bool first = i < n / 8, has_imatrix = w->model->has_imatrix;
    switch (w->file_type) {
    case FT_Q2_K:
        return Q3_K;
    case FT_Q2_K_S:
        return first ? Q4_K : w->base;
    case FT_IQ3_XXS:
        return has_imatrix ? w->base : first ? Q4_K : Q3_K;
    case FT_Q3_K_M:
        return i < n / 16 ? Q5_K : Q4_K;
    case FT_IQ3_M:
        return first || (w->model->n_expert == 8 && cn_mix_deserves_more_bits(i, n)) ? Q4_K
                                                                                     : w->base;
    case FT_Q3_K_L:
        return Q5_K;
    case FT_Q4_K_M:
    case FT_Q5_K_M:
        return cn_mix_deserves_more_bits(i, n) ? Q6_K : w->base;
    case FT_Q4_K_S:
        return first ? Q5_K : w->base;
    case FT_IQ4_NL:
    case FT_IQ4_XS:
        return first && !has_imatrix ? Q5_K : w->base;
    case FT_Q4_0:
        return first && has_imatrix ? Q4_1 : w->base;
    case FT_Q5_0:
        return first && has_imatrix ? Q5_1 : w->base;
    default:
        return w->base;
    }
}

static uint32_t attn_output_type(const struct cn_mix_walk *w)
{
    bool moe8 = w->model->n_expert == 8;
    switch (w->file_type) {
    case FT_Q2_K:
        return moe8 ? Q5_K : Q3_K;
    case FT_IQ3_XXS:
        return moe8 ? Q5_K : IQ3_S;
    case FT_Q3_K_M:
    case FT_IQ3_M:
        return moe8 ? Q5_K : Q4_K;
    case FT_Q3_K_L:
        return moe8 ? w->base : Q5_K;
    case FT_IQ3_XS:
    case FT_Q3_K_S:
    case FT_IQ4_NL:
    case FT_IQ4_XS:
    case FT_Q4_K_S:
    case FT_Q4_K_M:
    case FT_IQ3_S:
        return moe8 ? Q5_K : w->base;
    default:
        return w->base;
    }
}

static uint32_t attn_qkv_type(const struct cn_mix_walk *w)
{
    switch (w->file_type) {
    case FT_Q3_K_M:
    case FT_Q3_K_L:
    case FT_IQ3_M:
        return Q4_K;
    case FT_Q4_K_M:
        return Q5_K;
    case FT_Q5_K_M:
        return Q6_K;
    default:
        return w->base;
    }
}

static uint32_t ffn_up_type(struct cn_mix_walk *w, const char *name, int64_t *count)
{
    int64_t n = w->model->n_layer, i = cn_mix_ffn_layer(w, name, count);
    return w->file_type == FT_IQ3_XS && i >= n / 8 && i < 7 * n / 8 ? IQ3_XXS : w->base;
}

/* The file types of 2026 count these among the values. */
static bool values_with_others(const struct cn_mix_walk *w, const char *name)
{
    return (w->file_type == FT_Q1_0 || w->file_type == FT_Q2_0) &&
           (cn_mix_has(name, "attn_qkv.weight") || cn_mix_has(name, "attn_kv_b.weight"));
}

static uint32_t mixed_type(struct cn_mix_walk *w, const struct cn_mix_tensor *t)
{
    const char *name = t->name;
    if (cn_mix_is_iqk(w->file_type))
        return cn_mix_iqk_type(w, t);
    if (cn_mix_is_output(name) || (strcmp(name, "token_embd.weight") == 0 && !w->has_output))
        return output_type(w, t->ne[0]);
    if (w->own)
        return w->base;
    if (w->file_type == FT_MXFP4_MOE)
        return t->ne[2] > 1 ? MXFP4 : Q8_0;
    if (cn_mix_is_token_embd(name))
        return token_embd_type(w);
    if (is_low_bit(w->file_type))
        return low_bit_type(w, name);
    if (cn_mix_has(name, "attn_v.weight") || values_with_others(w, name))
        return attn_v_type(w);
    if (cn_mix_has(name, "attn_k.weight") || cn_mix_has(name, "attn_q.weight"))
        return attn_k_or_q_type(w, cn_mix_has(name, "attn_k.weight"));
    if (cn_mix_has(name, "ffn_down"))
        return ffn_down_type(w, name);
    if (cn_mix_has(name, "attn_output.weight"))
        return attn_output_type(w);
    if (cn_mix_has(name, "attn_qkv.weight"))
        return attn_qkv_type(w);
    if (cn_mix_has(name, "ffn_gate"))
        return ffn_up_type(w, name, &w->i_ffn_gate);
    if (cn_mix_has(name, "ffn_up"))
        return ffn_up_type(w, name, &w->i_ffn_up);
    return w->base;
}

/* The wanted type, or what replaces it where its block does not divide the row length. */
static uint32_t fitting_type(uint32_t file_type, uint32_t type, int64_t n_cols)
{
    if (n_cols % block_elems(type) == 0)
        return type;
    if (n_cols % 32 != 0)
        return F16;
    if (cn_mix_is_iqk(file_type))
        return cn_mix_iqk_fallback(type);
    switch (type) {
    case TQ1_0:
    case TQ2_0:
    case Q2_0:
        return Q4_0;
    case Q4_K:
        return Q5_0;
    case Q5_K:
        return Q5_1;
    case Q6_K:
        return Q8_0;
    default:
        return IQ4_NL;
    }
}

static int compare(const void *a, const void *b)
{
    const struct cn_mix_tensor *x = *(struct cn_mix_tensor *const *)a;
    const struct cn_mix_tensor *y = *(struct cn_mix_tensor *const *)b;
    int64_t i = cn_mix_layer_of(x->name), j = cn_mix_layer_of(y->name);
    return i != j ? (i < j ? -1 : 1) : strcmp(x->name, y->name);
}

void cn_mix_plan(const struct cn_file_type *file_type, const struct cn_mix_model *model, bool pure,
                 struct cn_mix_tensor **tensors, size_t n)
{
    struct cn_mix_walk w = {
        .file_type = file_type->id, .own = file_type->own, .base = file_type->base, .model = model
    };
    w.gqa = model->n_head_kv > 0 ? model->n_head / model->n_head_kv : 0;
    for (size_t i = 0; i < n; i++) {
        w.has_output |= cn_mix_is_output(tensors[i]->name);
        w.n_attn_v += cn_mix_has(tensors[i]->name, "attn_v.weight");
        if (strcmp(tensors[i]->name, "token_embd.weight") == 0)
            w.n_vocab = tensors[i]->ne[1];
    }
    if (n > 1)
        qsort(tensors, n, sizeof *tensors, compare);
    for (size_t i = 0; i < n; i++) {
        struct cn_mix_tensor *t = tensors[i];
        t->quantised =
            is_quantised(t) && !(cn_mix_is_iqk(w.file_type) && cn_mix_iqk_keeps(t->name));
        t->fell_back = false;
        if (!t->quantised)
            continue;
        /* Float files are not mixed. */
        bool mixed = !pure && block_elems(w.base) > 1;
        uint32_t wanted = mixed ? mixed_type(&w, t) : w.base;
        t->type = fitting_type(w.file_type, wanted, t->ne[0]);
        t->fell_back = t->type != wanted;
    }
}

const struct cn_format *cn_mix_stand_in(const struct cn_format *format, int64_t n_cols)
{
    const struct cn_file_type *any = cn_file_type_by_name("Q4_K_M");
    const size_t least = cn_row_bytes(format, n_cols);
    const struct cn_format *best = cn_format_by_gguf(Q8_0);
    for (int i = 0; i < CN_N_TYPES; i++) {
        const struct cn_format *f = &cn_formats[i];
        const enum cn_family family = cn_format_family(f);
        const bool fits = (family == CN_FAMILY_K || family == CN_FAMILY_IQ) &&
                          n_cols % f->block_elems == 0 && !f->ref->needs_weights &&
                          !cn_mix_needs_imatrix(any, "token_embd.weight", f->gguf_type);
        if (fits && cn_row_bytes(f, n_cols) >= least &&
            cn_row_bytes(f, n_cols) < cn_row_bytes(best, n_cols))
            best = f;
    }
    return best;
}

bool cn_mix_needs_imatrix(const struct cn_file_type *file_type, const char *name,
                          uint32_t gguf_type)
{
    switch (gguf_type) {
    case IQ2_XXS:
    case IQ2_XS:
    case IQ2_S:
    case IQ1_S:
        return true;
    case IQ1_M:
    case IQ1_KT:
    case IQ2_KT:
        return !cn_mix_is_token_embd(name) && !cn_mix_is_output(name);
    case Q2_K:
        return file_type->id == FT_Q2_K_S && !cn_mix_is_token_embd(name);
    default:
        return cn_format_by_gguf(gguf_type)->ref->needs_weights && !cn_mix_is_token_embd(name) &&
               !cn_mix_is_output(name);
    }
}
