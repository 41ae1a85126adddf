/* SPDX-License-Identifier: MIT
 *
 * Hyperparameters from metadata, each checked against its range.
 */
#include "engine/model/hparams.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* More than any model has; keeps products of two of them far from overflow. */
enum { MAX_DIM = 1 << 24, MAX_LAYERS = 1 << 16 };

struct keys {
    const struct cn_gguf *gguf;
    const char *arch;
    struct cn_error *err;
    char name[160];
};

static const char *key(struct keys *k, const char *suffix)
{
    snprintf(k->name, sizeof k->name, "%s.%s", k->arch, suffix);
    return k->name;
}

/* An integer that may be an array with one entry per layer; entries that differ are not supported.
 */
static enum cn_status get_uniform(struct keys *k, const char *suffix, int64_t n_layer, bool needed,
                                  int64_t max, int64_t *value)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(k->gguf, key(k, suffix));
    if (!kv || kv->type != CN_GGUF_ARRAY)
        return needed ? cn_gguf_need_i64(k->gguf, k->name, 1, max, value, k->err)
                      : cn_gguf_get_i64(k->gguf, k->name, 1, max, value, k->err);
    bool integers = kv->elem_type != CN_GGUF_STRING && kv->elem_type != CN_GGUF_F32 &&
                    kv->elem_type != CN_GGUF_F64 && kv->elem_type != CN_GGUF_BOOL;
    CN_RETURN_IF(!integers || kv->n < (uint64_t)n_layer, CN_ERR_FORMAT, k->err,
                 "%s: array of %lld integers expected, %llu found", k->name, (long long)n_layer,
                 (unsigned long long)kv->n);
    int64_t first = cn_gguf_elem_i64(kv, 0);
    for (int64_t i = 1; i < n_layer; i++)
        CN_RETURN_IF(cn_gguf_elem_i64(kv, (uint64_t)i) != first, CN_ERR_UNSUPPORTED, k->err,
                     "%s: layers with different values are not supported", k->name);
    CN_RETURN_IF(first < 1 || first > max, CN_ERR_FORMAT, k->err,
                 "%s: 1 to %lld expected, %lld found", k->name, (long long)max, (long long)first);
    *value = first;
    return CN_OK;
}

/* A float that, if the key is there, must be finite and within [min, max]. */
static enum cn_status get_float(struct keys *k, const char *suffix, float min, float max,
                                float *value)
{
    float x = *value;
    CN_TRY(cn_gguf_get_f32(k->gguf, key(k, suffix), &x, k->err));
    CN_RETURN_IF(!(x >= min && x <= max), CN_ERR_FORMAT, k->err, "%s: %g to %g expected, %g found",
                 k->name, (double)min, (double)max, (double)x);
    *value = x;
    return CN_OK;
}

static enum cn_status read_rope(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    hp->rope_base = 10000;
    CN_TRY(get_float(k, "rope.freq_base", 1e-3f, 1e12f, &hp->rope_base));
    hp->rope_base_sliding = arch->sliding_rope_base > 0 ? arch->sliding_rope_base : hp->rope_base;
    CN_TRY(get_float(k, "rope.freq_base_swa", 1e-3f, 1e12f, &hp->rope_base_sliding));
    hp->rope_factor = 0;
    CN_TRY(get_float(k, "rope.scale_linear", 0, 1e6f, &hp->rope_factor));
    CN_TRY(get_float(k, "rope.scaling.factor", 0, 1e6f, &hp->rope_factor));
    if (!(hp->rope_factor > 0))
        hp->rope_factor = 1;
    hp->rope_ctx0 = hp->n_ctx_train;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "rope.scaling.original_context_length"), 0, 1 << 30,
                           &hp->rope_ctx0, k->err));
    hp->rope_attn_factor = 1;
    CN_TRY(get_float(k, "rope.scaling.attn_factor", 0, 1e6f, &hp->rope_attn_factor));
    hp->yarn_ext_factor = 1;
    hp->yarn_beta_fast = 32;
    hp->yarn_beta_slow = 1;
    CN_TRY(get_float(k, "rope.scaling.yarn_ext_factor", -1e6f, 1e6f, &hp->yarn_ext_factor));
    CN_TRY(get_float(k, "rope.scaling.yarn_beta_fast", 0, 1e6f, &hp->yarn_beta_fast));
    CN_TRY(get_float(k, "rope.scaling.yarn_beta_slow", 0, 1e6f, &hp->yarn_beta_slow));
    struct cn_str type = { "linear", 6 };
    CN_TRY(cn_gguf_get_str(k->gguf, key(k, "rope.scaling.type"), &type, k->err));
    static const struct {
        const char *name;
        enum cn_rope_scaling scaling;
    } types[] = {
        {"none",      CN_ROPE_NONE  },
        { "linear",   CN_ROPE_LINEAR},
        { "yarn",     CN_ROPE_YARN  },
 /* the factor tensors decide; there is nothing else to scale */
        { "longrope", CN_ROPE_NONE  }
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == type.n && memcmp(types[i].name, type.p, type.n) == 0) {
            hp->rope_scaling = types[i].scaling;
            return CN_OK;
        }
    char shown[CN_SHOW_BYTES];
    return cn_fail(k->err, CN_ERR_UNSUPPORTED,
                   "%s: none, linear, yarn or longrope expected, '%s' found", k->name,
                   cn_str_show(type, shown, sizeof shown));
}

static enum cn_status read_experts(struct keys *k, struct cn_hparams *hp)
{
    hp->expert_scale = 1;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_count"), 0, 4096, &hp->n_expert, k->err));
    CN_TRY(
        cn_gguf_get_i64(k->gguf, key(k, "expert_used_count"), 0, 4096, &hp->n_expert_used, k->err));
    if (hp->n_expert == 0)
        return CN_OK;
    CN_RETURN_IF(hp->n_expert_used < 1 || hp->n_expert_used > hp->n_expert, CN_ERR_FORMAT, k->err,
                 "%s: 1 to %lld expected, %lld found", k->name, (long long)hp->n_expert,
                 (long long)hp->n_expert_used);
    hp->n_ff_expert = hp->n_ff;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_feed_forward_length"), 1, MAX_DIM,
                           &hp->n_ff_expert, k->err));
    hp->n_ff_shared = hp->n_ff;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_shared_feed_forward_length"), 1, MAX_DIM,
                           &hp->n_ff_shared, k->err));
    CN_TRY(get_float(k, "expert_weights_scale", 0, 1e6f, &hp->expert_scale));
    if (!(hp->expert_scale > 0))
        hp->expert_scale = 1;
    return CN_OK;
}

/* Scales and soft caps; 0 in the file means none. */
static enum cn_status read_scales(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    hp->attn_scale = 1 / sqrtf((float)hp->d_k);
    if (arch->head_scale_layers && hp->n_layer == arch->head_scale_layers)
        hp->attn_scale = 1 / sqrtf((float)hp->n_embd / (float)hp->n_head);
    hp->attn_softcap = arch->attn_softcap;
    hp->final_softcap = arch->final_softcap;
    if (arch->attn_softcap > 0)
        CN_TRY(get_float(k, "attn_logit_softcapping", 0, 1e6f, &hp->attn_softcap));
    if (arch->final_softcap > 0 || arch->scale_embedding)
        CN_TRY(get_float(k, "final_logit_softcapping", 0, 1e6f, &hp->final_softcap));
    hp->embedding_scale = arch->scale_embedding ? sqrtf((float)hp->n_embd) : 1;
    hp->residual_scale = 1;
    hp->logit_scale = 1;
    if (!arch->granite_scales)
        return CN_OK;
    float *const scales[] = { &hp->embedding_scale, &hp->residual_scale, &hp->logit_scale };
    static const char *const names[] = { "embedding_scale", "residual_scale", "logit_scale" };
    for (int i = 0; i < 3; i++) {
        CN_TRY(get_float(k, names[i], 0, 1e6f, scales[i]));
        if (!(*scales[i] > 0))
            *scales[i] = 1;
    }
    float scale = 0;
    CN_TRY(get_float(k, "attention.scale", 0, 1e6f, &scale));
    if (scale > 0)
        hp->attn_scale = scale;
    return CN_OK;
}

enum cn_status cn_hparams_read(const struct cn_gguf *gguf, const struct cn_arch *arch,
                               int64_t n_vocab, struct cn_hparams *hparams, struct cn_error *err)
{
    struct keys keys = { .gguf = gguf, .arch = arch->name, .err = err }, *k = &keys;
    struct cn_hparams h = { .n_vocab = n_vocab }, *hp = &h;
    CN_TRY(cn_gguf_need_i64(gguf, key(k, "block_count"), 1, MAX_LAYERS, &hp->n_layer, err));
    /* Each layer has at least one tensor: bounds the layer table by the file's size. */
    CN_RETURN_IF(hp->n_layer > gguf->n_tensors, CN_ERR_FORMAT, err,
                 "%s: %lld layers, but the file holds %lld tensors", k->name,
                 (long long)hp->n_layer, (long long)gguf->n_tensors);
    CN_TRY(cn_gguf_need_i64(gguf, key(k, "embedding_length"), 1, MAX_DIM, &hp->n_embd, err));
    hp->n_ctx_train = 0;
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "context_length"), 0, 1 << 30, &hp->n_ctx_train, err));
    if (hp->n_ctx_train == 0)
        hp->n_ctx_train = 2048;
    CN_TRY(get_uniform(k, "feed_forward_length", hp->n_layer, true, MAX_DIM, &hp->n_ff));
    CN_TRY(get_uniform(k, "attention.head_count", hp->n_layer, true, 1 << 16, &hp->n_head));
    hp->n_head_kv = hp->n_head;
    CN_TRY(get_uniform(k, "attention.head_count_kv", hp->n_layer, false, 1 << 16, &hp->n_head_kv));
    CN_RETURN_IF(hp->n_head % hp->n_head_kv, CN_ERR_FORMAT, err,
                 "%s: a divisor of the %lld heads expected, %lld found", k->name,
                 (long long)hp->n_head, (long long)hp->n_head_kv);
    bool has_d_k = cn_gguf_find(gguf, key(k, "attention.key_length")) != NULL;
    CN_RETURN_IF(!has_d_k && hp->n_embd % hp->n_head, CN_ERR_FORMAT, err,
                 "%s.attention.head_count: a divisor of embedding_length %lld expected, %lld found",
                 arch->name, (long long)hp->n_embd, (long long)hp->n_head);
    hp->d_k = hp->d_v = hp->n_embd / hp->n_head;
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "attention.key_length"), 1, 1 << 16, &hp->d_k, err));
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "attention.value_length"), 1, 1 << 16, &hp->d_v, err));
    hp->n_rot = hp->d_k;
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "rope.dimension_count"), 0, 1 << 16, &hp->n_rot, err));
    CN_RETURN_IF(hp->n_rot > hp->d_k || hp->n_rot % 2, CN_ERR_FORMAT, err,
                 "%s: an even number up to the head size %lld expected, %lld found", k->name,
                 (long long)hp->d_k, (long long)hp->n_rot);
    const char *eps =
        arch->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
    CN_TRY(cn_gguf_need_f32(gguf, key(k, eps), &hp->norm_eps, err));
    CN_RETURN_IF(!(hp->norm_eps >= 0 && hp->norm_eps < 1), CN_ERR_FORMAT, err,
                 "%s: 0 to 1 expected, %g found", k->name, (double)hp->norm_eps);
    if (arch->sliding_period || arch->sliding_all) {
        hp->window = arch->sliding_window;
        CN_TRY(cn_gguf_get_i64(gguf, key(k, "attention.sliding_window"), 0, 1 << 30, &hp->window,
                               err));
    }
    CN_TRY(read_rope(k, arch, hp));
    CN_TRY(read_experts(k, hp));
    CN_TRY(read_scales(k, arch, hp));
    *hparams = h;
    return CN_OK;
}
