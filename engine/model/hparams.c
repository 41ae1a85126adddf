/* SPDX-License-Identifier: MIT
 *
 * Hyperparameters from metadata, each checked against its range.
 */
#include "engine/model/hparams.h"

#include "base/error.h"
#include "engine/gguf/gguf_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* An integer that may be an array with one entry per layer. */
static enum cn_status get_of_layer(struct keys *k, const char *suffix, int64_t layer,
                                   int64_t n_layer, int64_t min, int64_t max, int64_t *value)
{
    return cn_gguf_get_layer_i64(k->gguf, key(k, suffix), layer, n_layer, min, max, value, k->err);
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

/* What YaRN does to lengths: sine and cosine grow by a magnitude, and with multi-head latent
 * attention the scores' scale changes too. */
static enum cn_status read_yarn(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    float multiplier = 0;
    hp->yarn_magnitude = 1;
    CN_TRY(get_float(k, "rope.scaling.yarn_log_multiplier", 0, 1e3f, &multiplier));
    /* The magnitude belongs to the correction by ext_factor: without the one there is no other. */
    if (hp->rope_scaling != CN_ROPE_YARN || !(hp->rope_factor > 1) || hp->yarn_ext_factor == 0)
        return CN_OK;
    const float log_factor = 0.1f * logf(hp->rope_factor);
    hp->yarn_magnitude = 1 + log_factor;
    if (arch->yarn_scales_scores) {
        /* The key holds a tenth of the multiplier. */
        const float scale = 1 + multiplier * 10 * log_factor;
        if (multiplier > 0)
            hp->yarn_magnitude = 1;
        hp->attn_scale *= hp->yarn_magnitude * scale * hp->yarn_magnitude * scale;
    } else if (multiplier > 0) {
        hp->yarn_magnitude /= 1 + multiplier * log_factor;
    }
    return CN_OK;
}

/* Pairs of components may go by one of three counters each: time, height, width. In a text all
 * three are the position; a pair beyond its section would go by a fourth, which images have. */
static enum cn_status read_sections(struct keys *k, const struct cn_arch *arch,
                                    const struct cn_hparams *hp)
{
    enum { N_SECTIONS = 3 };
    if (!arch->rope_sections)
        return CN_OK;
    const struct cn_gguf_kv *kv = cn_gguf_find(k->gguf, key(k, "rope.dimension_sections"));
    CN_RETURN_IF(!kv, CN_ERR_FORMAT, k->err, "key %s is missing", k->name);
    CN_RETURN_IF(kv->type != CN_GGUF_ARRAY || kv->n < N_SECTIONS ||
                     (kv->elem_type != CN_GGUF_I32 && kv->elem_type != CN_GGUF_U32),
                 CN_ERR_FORMAT, k->err, "%s: array of at least %d integers expected", k->name,
                 N_SECTIONS);
    for (int64_t i = 0; i < hp->n_rope[CN_ROPE_GLOBAL] / 2; i++)
        CN_RETURN_IF(
            i >= N_SECTIONS * cn_gguf_elem_i64(kv, (uint64_t)(i % N_SECTIONS)), CN_ERR_UNSUPPORTED,
            k->err,
            "%s: pair %lld of %lld lies in none of the sections %lld, %lld, %lld: it would "
            "go by positions of images, which are not supported",
            k->name, (long long)i, (long long)(hp->n_rope[CN_ROPE_GLOBAL] / 2),
            (long long)cn_gguf_elem_i64(kv, 0), (long long)cn_gguf_elem_i64(kv, 1),
            (long long)cn_gguf_elem_i64(kv, 2));
    return CN_OK;
}

static enum cn_status read_rope(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    hp->rope_base = 10000;
    CN_TRY(read_sections(k, arch, hp));
    CN_TRY(get_float(k, "rope.freq_base", 1e-3f, 1e12f, &hp->rope_base));
    float alpha = 0; /* of an NTK scaling that is not in the base yet */
    CN_TRY(get_float(k, "rope.scaling.alpha", 0, 1e6f, &alpha));
    if (alpha > 0 && hp->d_k > 2)
        hp->rope_base *= powf(alpha, (float)hp->d_k / (float)(hp->d_k - 2));
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
            return read_yarn(k, arch, hp);
        }
    char shown[CN_SHOW_BYTES];
    return cn_fail(k->err, CN_ERR_UNSUPPORTED,
                   "%s: none, linear, yarn or longrope expected, '%s' found", k->name,
                   cn_str_show(type, shown, sizeof shown));
}

static enum cn_status read_gating(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    int64_t gating = 0;
    hp->normalise_experts = arch->normalise_experts;
    CN_TRY(
        cn_gguf_get_bool(k->gguf, key(k, "expert_weights_norm"), &hp->normalise_experts, k->err));
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_gating_func"), 0, INT32_MAX, &gating, k->err));
    CN_RETURN_IF(gating > CN_GATING_SOFTMAX_CHOSEN, CN_ERR_UNSUPPORTED, k->err,
                 "%s: 1 (softmax), 2 (sigmoid) or 3 (softmax of the chosen) expected, %lld found",
                 k->name, (long long)gating);
    hp->gating = gating > 0 ? (enum cn_gating)gating : arch->gating;
    if (hp->gating == 0)
        hp->gating = CN_GATING_SOFTMAX;
    return CN_OK;
}

static enum cn_status read_expert_groups(struct keys *k, struct cn_hparams *hp)
{
    hp->n_expert_groups = hp->n_expert_groups_used = 1;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_group_count"), 0, hp->n_expert,
                           &hp->n_expert_groups, k->err));
    if (hp->n_expert_groups < 2) {
        hp->n_expert_groups = 1;
        return CN_OK;
    }
    CN_RETURN_IF(hp->n_expert % hp->n_expert_groups, CN_ERR_FORMAT, k->err,
                 "%s: a divisor of the %lld experts expected, %lld found", k->name,
                 (long long)hp->n_expert, (long long)hp->n_expert_groups);
    CN_TRY(cn_gguf_need_i64(k->gguf, key(k, "expert_group_used_count"), 1, hp->n_expert_groups,
                            &hp->n_expert_groups_used, k->err));
    const int64_t left = hp->n_expert / hp->n_expert_groups * hp->n_expert_groups_used;
    CN_RETURN_IF(left < hp->n_expert_used, CN_ERR_FORMAT, k->err,
                 "%s: %lld groups hold %lld experts, %lld are to be chosen", k->name,
                 (long long)hp->n_expert_groups_used, (long long)left,
                 (long long)hp->n_expert_used);
    return CN_OK;
}

static enum cn_status read_experts(struct keys *k, const struct cn_arch *arch,
                                   struct cn_hparams *hp)
{
    hp->expert_scale = 1;
    hp->n_expert_embd = hp->n_embd;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_count"), 0, 4096, &hp->n_expert, k->err));
    CN_TRY(
        cn_gguf_get_i64(k->gguf, key(k, "expert_used_count"), 0, 4096, &hp->n_expert_used, k->err));
    if (hp->n_expert == 0)
        return CN_OK;
    CN_RETURN_IF(!arch->experts, CN_ERR_UNSUPPORTED, k->err,
                 "%s: experts are not supported in this architecture, %lld found",
                 key(k, "expert_count"), (long long)hp->n_expert);
    CN_RETURN_IF(hp->n_expert_used < 1 || hp->n_expert_used > hp->n_expert, CN_ERR_FORMAT, k->err,
                 "%s: 1 to %lld expected, %lld found", key(k, "expert_used_count"),
                 (long long)hp->n_expert, (long long)hp->n_expert_used);
    hp->n_ff_expert = hp->layers[0].n_ff;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_feed_forward_length"), 1, MAX_DIM,
                           &hp->n_ff_expert, k->err));
    CN_RETURN_IF(hp->n_ff_expert == 0, CN_ERR_FORMAT, k->err, "key %s is missing", k->name);
    int64_t narrow = 0;
    if (arch->experts & CN_BIT(EXPERTS_DOWN))
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "moe_latent_size"), 0, MAX_DIM, &narrow, k->err));
    if (narrow > 0)
        hp->n_expert_embd = narrow;
    int64_t count = 1;
    if (arch->shared_width == CN_SHARED_AS_EXPERT)
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_shared_count"), 0, 4096, &count, k->err));
    hp->n_ff_shared = arch->shared_width == CN_SHARED_AS_DENSE    ? hp->layers[0].n_ff
                      : arch->shared_width == CN_SHARED_AS_EXPERT ? count * hp->n_ff_expert
                                                                  : 0;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "expert_shared_feed_forward_length"), 0, MAX_DIM,
                           &hp->n_ff_shared, k->err));
    if (!(arch->experts & CN_BIT(UP_SHARED)))
        hp->n_ff_shared = 0;
    CN_TRY(get_float(k, "expert_weights_scale", 0, 1e6f, &hp->expert_scale));
    if (!(hp->expert_scale > 0))
        hp->expert_scale = 1;
    CN_TRY(read_gating(k, arch, hp));
    return read_expert_groups(k, hp);
}

/* A factor; 0 in the file means none. */
static enum cn_status get_scale(struct keys *k, const char *suffix, float *scale)
{
    float x = 0;
    CN_TRY(get_float(k, suffix, 0, 1e6f, &x));
    if (x > 0)
        *scale = x;
    return CN_OK;
}

/* Scales and soft caps; 0 in the file means none. */
static enum cn_status read_scales(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    hp->attn_scale = arch->attn_scale > 0 ? arch->attn_scale : 1 / sqrtf((float)hp->d_k);
    if (arch->head_scale_layers && hp->n_layer == arch->head_scale_layers)
        hp->attn_scale = 1 / sqrtf((float)hp->n_embd / (float)hp->n_head);
    hp->attn_softcap = arch->attn_softcap;
    hp->final_softcap = arch->final_softcap;
    if (arch->attn_softcap > 0)
        CN_TRY(get_float(k, "attn_logit_softcapping", 0, 1e6f, &hp->attn_softcap));
    if (arch->final_softcap > 0 || arch->scale_embedding)
        CN_TRY(get_float(k, "final_logit_softcapping", 0, 1e6f, &hp->final_softcap));
    hp->embedding_scale = arch->embedding_scale > 0 ? arch->embedding_scale
                          : arch->scale_embedding   ? sqrtf((float)hp->n_embd)
                                                    : 1;
    hp->residual_scale =
        arch->residual_depth_scale > 0 ? arch->residual_depth_scale / sqrtf((float)hp->n_layer) : 1;
    hp->logit_scale =
        arch->output_width_scale > 0 ? arch->output_width_scale / (float)hp->n_embd : 1;
    float scale = 0;
    CN_TRY(get_float(k, "attention.scale", 0, 1e6f, &scale));
    if (scale > 0)
        hp->attn_scale = scale;
    if (!arch->scale_keys)
        return CN_OK;
    CN_TRY(get_scale(k, "embedding_scale", &hp->embedding_scale));
    CN_TRY(get_scale(k, "residual_scale", &hp->residual_scale));
    CN_TRY(get_scale(k, "logit_scale", &hp->logit_scale));
    if (!arch->logit_scale_multiplies)
        hp->logit_scale = 1 / hp->logit_scale;
    return CN_OK;
}

/* Whether layer i belongs to the set. */
static enum cn_status in_rule(struct keys *k, const struct cn_layer_rule *rule, int64_t i,
                              int64_t n_layer, bool *in)
{
    int64_t period = rule->period;
    const struct cn_gguf_kv *kv = rule->key ? cn_gguf_find(k->gguf, key(k, rule->key)) : NULL;
    if (kv && kv->type == CN_GGUF_ARRAY) {
        CN_RETURN_IF(kv->elem_type != CN_GGUF_BOOL || kv->n < (uint64_t)n_layer, CN_ERR_FORMAT,
                     k->err, "%s: array of %lld bool expected, %llu of %s found", k->name,
                     (long long)n_layer, (unsigned long long)kv->n,
                     cn_gguf_kv_type_name(kv->elem_type));
        *in = cn_gguf_elem_i64(kv, (uint64_t)i) != 0;
        return CN_OK;
    }
    const char *const period_key = kv ? rule->key : rule->period_key;
    if (period_key)
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, period_key), 0, MAX_LAYERS, &period, k->err));
    const bool at_period = period < 2 || (i + 1) % period == 0;
    *in = rule->which == CN_LAYERS_ALL || (rule->which == CN_LAYERS_EVERY && at_period) ||
          (rule->which == CN_LAYERS_BUT_EVERY && !at_period);
    return CN_OK;
}

/* What only layers with attention of some kind have. */
static bool has_heads(const struct cn_layer_hparams *l)
{
    for (int i = 0; i < l->n_mixers; i++)
        if (l->mixers[i] == CN_MIXER_ATTENTION || l->mixers[i] == CN_MIXER_LATENT)
            return true;
    return false;
}

/* The mixers of layer i, by the rule of the architecture or by its number of KV heads. */
static enum cn_status choose_mixers(struct keys *k, const struct cn_arch *arch, int64_t i,
                                    int64_t n_layer, struct cn_layer_hparams *l)
{
    bool state = arch->state_mixer && !arch->state_beside && l->n_head_kv == 0;
    if (arch->state_layers.which != CN_LAYERS_NONE)
        CN_TRY(in_rule(k, &arch->state_layers, i, n_layer, &state));
    l->n_mixers = arch->one_branch && l->n_ff > 0 ? 0 : 1;
    l->mixers[0] = state ? arch->state_mixer : arch->mixer;
    if (arch->state_beside && l->n_mixers > 0)
        l->mixers[l->n_mixers++] = arch->state_mixer;
    return CN_OK;
}

static enum cn_status read_heads(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp,
                                 int64_t i, struct cn_layer_hparams *l)
{
    const int least = arch->state_mixer || arch->mixer == CN_MIXER_SSM ? 0 : 1;
    const char *const heads = "attention.head_count", *const heads_kv = "attention.head_count_kv";
    l->n_head = 0;
    CN_TRY(get_of_layer(k, heads, i, hp->n_layer, least, 1 << 16, &l->n_head));
    l->n_head_kv = l->n_head;
    CN_TRY(get_of_layer(k, heads_kv, i, hp->n_layer, least, 1 << 16, &l->n_head_kv));
    CN_TRY(choose_mixers(k, arch, i, hp->n_layer, l));
    if (!has_heads(l)) {
        l->n_head = l->n_head_kv = 0;
        return CN_OK;
    }
    CN_RETURN_IF(l->n_head == 0, CN_ERR_FORMAT, k->err, "key %s is missing", key(k, heads));
    CN_RETURN_IF(l->n_head_kv == 0 || l->n_head % l->n_head_kv, CN_ERR_FORMAT, k->err,
                 "%s: a divisor of the %lld heads expected, %lld found", key(k, heads_kv),
                 (long long)l->n_head, (long long)l->n_head_kv);
    return CN_OK;
}

/* Sizes of heads and of what of them rotates, for global layers and for sliding ones. */
static enum cn_status read_head_sizes(struct keys *k, const struct cn_arch *arch,
                                      struct cn_hparams *hp, int64_t d_k[CN_N_ROPES],
                                      int64_t d_v[CN_N_ROPES])
{
    const struct cn_layer_hparams *first = hp->layers, *const end = hp->layers + hp->n_layer;
    while (first < end && !has_heads(first))
        first++;
    if (first == end) {
        memset(d_k, 0, CN_N_ROPES * sizeof *d_k);
        memset(d_v, 0, CN_N_ROPES * sizeof *d_v);
        return CN_OK;
    }
    const bool latent = arch->mixer == CN_MIXER_LATENT;
    const char *length = "attention.key_length";
    if (latent && cn_gguf_find(k->gguf, key(k, "attention.key_length_mla")))
        length = "attention.key_length_mla";
    const struct cn_gguf_kv *kv = cn_gguf_find(k->gguf, key(k, length));
    /* Heads may be as wide as what of them rotates. */
    const bool by_rotation = !kv && arch->heads_rotate_whole;
    CN_RETURN_IF(!kv && !by_rotation && hp->n_embd % first->n_head, CN_ERR_FORMAT, k->err,
                 "%s.attention.head_count: a divisor of embedding_length %lld expected, %lld found",
                 arch->name, (long long)hp->n_embd, (long long)first->n_head);
    d_k[0] = hp->n_embd / first->n_head;
    if (by_rotation)
        CN_TRY(
            cn_gguf_need_i64(k->gguf, key(k, "rope.dimension_count"), 1, 1 << 16, &d_k[0], k->err));
    d_v[0] = by_rotation ? d_k[0] : hp->n_embd / first->n_head;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, length), 1, 1 << 16, &d_k[0], k->err));
    CN_TRY(cn_gguf_get_i64(k->gguf,
                           key(k, length[sizeof "attention.key_length" - 1]
                                      ? "attention.value_length_mla"
                                      : "attention.value_length"),
                           1, 1 << 16, &d_v[0], k->err));
    d_k[1] = d_k[0];
    d_v[1] = d_v[0];
    CN_TRY(
        cn_gguf_get_i64(k->gguf, key(k, "attention.key_length_swa"), 1, 1 << 16, &d_k[1], k->err));
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "attention.value_length_swa"), 1, 1 << 16, &d_v[1],
                           k->err));
    if (latent) {
        CN_TRY(cn_gguf_need_i64(k->gguf, key(k, "attention.kv_lora_rank"), 1, 1 << 20, &hp->kv_lora,
                                k->err));
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "attention.q_lora_rank"), 0, 1 << 20, &hp->q_lora,
                               k->err));
    }
    CN_RETURN_IF(
        arch->output_gate && (d_k[0] != d_v[0] || d_k[1] != d_v[1]), CN_ERR_FORMAT, k->err,
        "%s: the size of keys %lld expected, since gates come with the queries, %lld found",
        key(k, "attention.value_length"), (long long)d_k[0], (long long)d_v[0]);
    static const char *const names[] = { "rope.dimension_count", "rope.dimension_count_swa" };
    hp->n_rope[0] = d_k[0];
    for (int i = 0; i < CN_N_ROPES; i++) {
        if (i > 0)
            hp->n_rope[i] = d_k[i] == d_k[0] ? hp->n_rope[0] : d_k[i];
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, names[i]), 1, 1 << 16, &hp->n_rope[i], k->err));
        CN_RETURN_IF(hp->n_rope[i] > d_k[i] || hp->n_rope[i] % 2, CN_ERR_FORMAT, k->err,
                     "%s: an even number up to the head size %lld expected, %lld found", k->name,
                     (long long)d_k[i], (long long)hp->n_rope[i]);
    }
    CN_RETURN_IF(latent && hp->n_rope[0] >= d_k[0], CN_ERR_FORMAT, k->err,
                 "%s: less than the key length %lld expected, %lld found", key(k, names[0]),
                 (long long)d_k[0], (long long)hp->n_rope[0]);
    return CN_OK;
}

static enum cn_status read_windows(struct keys *k, const struct cn_arch *arch,
                                   struct cn_hparams *hp)
{
    if (arch->sliding.which == CN_LAYERS_NONE ||
        (arch->sliding_in_layers && hp->n_layer != arch->sliding_in_layers))
        return CN_OK;
    hp->window = arch->sliding_window;
    const char *name = key(k, "attention.sliding_window");
    return arch->window_required ? cn_gguf_need_i64(k->gguf, name, 0, 1 << 30, &hp->window, k->err)
                                 : cn_gguf_get_i64(k->gguf, name, 0, 1 << 30, &hp->window, k->err);
}

/* The last layers may read the keys and values of earlier ones: the last but one of those that have
 * their own if they slide, else the last, which must be of those kinds. */
static enum cn_status share_kv(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    int64_t shared = 0;
    if (arch->shared_kv_from)
        shared = hp->n_layer > arch->shared_kv_from ? hp->n_layer - arch->shared_kv_from : 0;
    else
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "attention.shared_kv_layers"), 0, hp->n_layer,
                               &shared, k->err));
    const int64_t from = hp->n_layer - shared;
    for (int64_t i = from; i < hp->n_layer; i++) {
        struct cn_layer_hparams *l = &hp->layers[i];
        l->kv_layer = from - (l->window > 0 ? 2 : 1);
        CN_RETURN_IF(l->kv_layer < 0, CN_ERR_FORMAT, k->err,
                     "%s.attention.shared_kv_layers: %lld of %lld, so there is no layer whose keys "
                     "and values layer %lld could read",
                     arch->name, (long long)shared, (long long)hp->n_layer, (long long)i);
        const struct cn_layer_hparams *source = &hp->layers[l->kv_layer];
        CN_RETURN_IF(source->window != l->window || source->d_k != l->d_k ||
                         source->d_v != l->d_v || source->n_head_kv != l->n_head_kv,
                     CN_ERR_FORMAT, k->err,
                     "%s.attention.shared_kv_layers: %lld, so layer %lld reads keys and values of "
                     "layer %lld, which has others",
                     arch->name, (long long)shared, (long long)i, (long long)l->kv_layer);
    }
    return CN_OK;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum cn_status read_layer(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp,
                                 int64_t i, const int64_t d_k[CN_N_ROPES],
                                 const int64_t d_v[CN_N_ROPES])
{
    struct cn_layer_hparams *l = &hp->layers[i];
    bool sliding = false, unrotated = false, experts = true;
    if (hp->window > 0)
        CN_TRY(in_rule(k, &arch->sliding, i, hp->n_layer, &sliding));
    struct cn_layer_rule without = arch->unrotated;
    if (arch->chunked && hp->window == 0) /* then all but the last layer rotate */
        without.period = (int32_t)hp->n_layer;
    CN_TRY(in_rule(k, &without, i, hp->n_layer, &unrotated));
    unrotated |= arch->rotate_sliding_only && hp->window > 0 && !sliding;
    bool rotates = true;
    if (arch->rotation_key)
        CN_TRY(cn_gguf_get_bool(k->gguf, key(k, arch->rotation_key), &rotates, k->err));
    unrotated |= !rotates;
    l->rope = -1;
    l->kv_layer = i;
    if (has_heads(l)) {
        l->window = sliding ? hp->window : 0;
        l->chunked = arch->chunked;
        l->d_k = d_k[sliding];
        l->d_v = d_v[sliding];
        l->n_rot = hp->n_rope[sliding];
        l->rope = unrotated ? -1 : sliding ? CN_ROPE_SLIDING : CN_ROPE_GLOBAL;
    }
    if (arch->expert_layers.which != CN_LAYERS_NONE)
        CN_TRY(in_rule(k, &arch->expert_layers, i, hp->n_layer, &experts));
    int64_t leading = 0;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "leading_dense_block_count"), 0, MAX_LAYERS, &leading,
                           k->err));
    l->experts = hp->n_expert > 0 && experts && i >= leading && l->n_ff > 0;
    if (i < arch->sparsity.n_layers)
        l->sparsity = arch->sparsity.multiplier;
    hp->n_head = larger(hp->n_head, l->n_head);
    hp->n_head_kv = larger(hp->n_head_kv, l->n_head_kv);
    hp->d_k = larger(hp->d_k, l->d_k);
    hp->d_v = larger(hp->d_v, l->d_v);
    hp->n_rot = larger(hp->n_rot, l->n_rot);
    if (!l->experts || arch->experts_beside_dense)
        hp->n_ff = larger(hp->n_ff, l->n_ff);
    return CN_OK;
}

/* Sizes that no layer has, and so no tensor vouches for, ask for no memory. */
static void drop_unused(struct cn_hparams *hp)
{
    bool experts = false, ropes[CN_N_ROPES] = { false };
    for (int64_t i = 0; i < hp->n_layer; i++) {
        experts |= hp->layers[i].experts;
        if (hp->layers[i].rope >= 0)
            ropes[hp->layers[i].rope] = true;
    }
    if (!experts)
        hp->n_expert = 0;
    for (int kind = 0; kind < CN_N_ROPES; kind++)
        if (!ropes[kind])
            hp->n_rope[kind] = 0;
}

static bool keeps_state(const struct cn_arch *arch, enum cn_mixer_id mixer)
{
    return arch->mixer == mixer || arch->state_mixer == mixer;
}

static enum cn_status need_size(struct keys *k, const char *suffix, int64_t max, int64_t *value)
{
    return cn_gguf_need_i64(k->gguf, key(k, suffix), 1, max, value, k->err);
}

static enum cn_status need_taps(struct keys *k, const char *suffix, int64_t *n_taps)
{
    CN_TRY(need_size(k, suffix, MAX_DIM, n_taps));
    CN_RETURN_IF(*n_taps > CN_MAX_TAPS, CN_ERR_UNSUPPORTED, k->err,
                 "%s: up to %d taps are supported, %lld found", k->name, CN_MAX_TAPS,
                 (long long)*n_taps);
    return CN_OK;
}

/* Heads of a gated delta net. */
static enum cn_status read_delta(struct keys *k, struct cn_hparams *hp)
{
    enum { MAX_HEADS = 1 << 16, MAX_SIZE = 1 << 10, GROUP = 16 };
    CN_TRY(need_taps(k, "ssm.conv_kernel", &hp->conv_taps));
    CN_TRY(need_size(k, "ssm.time_step_rank", MAX_HEADS, &hp->ssm_heads));
    CN_TRY(need_size(k, "ssm.group_count", MAX_HEADS, &hp->ssm_groups));
    CN_RETURN_IF(hp->ssm_heads % hp->ssm_groups, CN_ERR_FORMAT, k->err,
                 "%s: a divisor of the %lld heads expected, %lld found", k->name,
                 (long long)hp->ssm_heads, (long long)hp->ssm_groups);
    CN_TRY(need_size(k, "ssm.state_size", MAX_SIZE, &hp->ssm_state));
    CN_RETURN_IF(hp->ssm_state % GROUP, CN_ERR_UNSUPPORTED, k->err,
                 "%s: a multiple of %d expected, %lld found", k->name, GROUP,
                 (long long)hp->ssm_state);
    CN_TRY(need_size(k, "ssm.inner_size", MAX_HEADS * MAX_SIZE, &hp->ssm_inner));
    CN_RETURN_IF(hp->ssm_inner != hp->ssm_heads * hp->ssm_state, CN_ERR_FORMAT, k->err,
                 "%s: %lld expected, for %lld heads of %lld, %lld found", k->name,
                 (long long)(hp->ssm_heads * hp->ssm_state), (long long)hp->ssm_heads,
                 (long long)hp->ssm_state, (long long)hp->ssm_inner);
    return CN_OK;
}

/* Sizes of what layers keep instead of rows by position. */
static enum cn_status read_states(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    if (keeps_state(arch, CN_MIXER_CONV))
        CN_TRY(need_taps(k, "shortconv.l_cache", &hp->conv_taps));
    if (keeps_state(arch, CN_MIXER_DELTA))
        return read_delta(k, hp);
    if (!keeps_state(arch, CN_MIXER_SSM))
        return CN_OK;
    CN_TRY(need_taps(k, "ssm.conv_kernel", &hp->conv_taps));
    CN_TRY(need_size(k, "ssm.inner_size", MAX_DIM, &hp->ssm_inner));
    CN_TRY(need_size(k, "ssm.state_size", 1 << 16, &hp->ssm_state));
    CN_TRY(need_size(k, "ssm.time_step_rank", 1 << 16, &hp->ssm_heads));
    CN_TRY(need_size(k, "ssm.group_count", 1 << 16, &hp->ssm_groups));
    CN_RETURN_IF(hp->ssm_inner % hp->ssm_heads, CN_ERR_FORMAT, k->err,
                 "%s: a divisor of ssm.inner_size %lld expected, %lld found",
                 key(k, "ssm.time_step_rank"), (long long)hp->ssm_inner, (long long)hp->ssm_heads);
    CN_RETURN_IF(hp->ssm_heads % hp->ssm_groups, CN_ERR_FORMAT, k->err,
                 "%s: a divisor of the %lld heads expected, %lld found", key(k, "ssm.group_count"),
                 (long long)hp->ssm_heads, (long long)hp->ssm_groups);
    return CN_OK;
}

/* Inputs and streams beside the residual one. */
static enum cn_status read_streams(struct keys *k, const struct cn_arch *arch,
                                   struct cn_hparams *hp)
{
    enum { LAUREL_RANK = 64, PER_LAYER = 256 }; /* gemma3n; the files do not say the rank */
    hp->n_streams = arch->n_streams;
    hp->n_laurel = arch->n_streams ? LAUREL_RANK : 0;
    hp->n_per_layer = arch->n_streams ? PER_LAYER : 0;
    if ((arch->required | arch->optional) & CN_BIT(LAYER_EMBD))
        CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "embedding_length_per_layer_input"), 0, 1 << 16,
                               &hp->n_per_layer, k->err));
    int64_t streams = arch->n_streams, active = 0;
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "altup.num_inputs"), 0, 64, &streams, k->err));
    CN_RETURN_IF(streams != arch->n_streams, CN_ERR_UNSUPPORTED, k->err,
                 "%s: %d expected, %lld found", k->name, arch->n_streams, (long long)streams);
    CN_TRY(cn_gguf_get_i64(k->gguf, key(k, "altup.active_idx"), 0, 64, &active, k->err));
    CN_RETURN_IF(active != 0, CN_ERR_UNSUPPORTED, k->err, "%s: 0 expected, %lld found", k->name,
                 (long long)active);
    return CN_OK;
}

static enum cn_status read_all(struct keys *k, const struct cn_arch *arch, struct cn_hparams *hp)
{
    const struct cn_gguf *gguf = k->gguf;
    int64_t d_k[CN_N_ROPES], d_v[CN_N_ROPES];
    CN_TRY(cn_gguf_need_i64(gguf, key(k, "embedding_length"), 1, MAX_DIM, &hp->n_embd, k->err));
    hp->n_ctx_train = 0;
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "context_length"), 0, 1 << 30, &hp->n_ctx_train, k->err));
    if (hp->n_ctx_train == 0)
        hp->n_ctx_train = 2048;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        struct cn_layer_hparams *l = &hp->layers[i];
        const bool may_lack_ffn = arch->one_branch || arch->dense_ffn == 0;
        CN_TRY(get_of_layer(k, "feed_forward_length", i, hp->n_layer, !may_lack_ffn, MAX_DIM,
                            &l->n_ff));
        CN_RETURN_IF(l->n_ff == 0 && !may_lack_ffn, CN_ERR_FORMAT, k->err, "key %s is missing",
                     k->name);
        CN_TRY(read_heads(k, arch, hp, i, l));
    }
    CN_TRY(read_head_sizes(k, arch, hp, d_k, d_v));
    CN_TRY(read_states(k, arch, hp));
    const char *eps =
        arch->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
    CN_TRY(cn_gguf_need_f32(gguf, key(k, eps), &hp->norm_eps, k->err));
    CN_RETURN_IF(!(hp->norm_eps >= 0 && hp->norm_eps < 1), CN_ERR_FORMAT, k->err,
                 "%s: 0 to 1 expected, %g found", k->name, (double)hp->norm_eps);
    CN_TRY(read_windows(k, arch, hp));
    CN_TRY(read_experts(k, arch, hp));
    for (int64_t i = 0; i < hp->n_layer; i++)
        CN_TRY(read_layer(k, arch, hp, i, d_k, d_v));
    CN_TRY(share_kv(k, arch, hp));
    CN_TRY(read_scales(k, arch, hp));
    CN_TRY(read_rope(k, arch, hp));
    hp->qk_norm_weightless = hp->n_expert < arch->qk_norm_weightless;
    hp->temperature = arch->temperature.scale;
    CN_TRY(get_float(k, "attention.temperature_scale", 0, 1e3f, &hp->temperature));
    hp->temperature_length = arch->temperature.length ? arch->temperature.length : hp->rope_ctx0;
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "attention.temperature_length"), 1, 1 << 30,
                           &hp->temperature_length, k->err));
    if (hp->temperature_length < 1)
        hp->temperature = 0;
    drop_unused(hp);
    return read_streams(k, arch, hp);
}

/* The block behind the layers is as the last of them that sees all positions. */
static void add_nextn(const struct cn_arch *arch, struct cn_hparams *hp)
{
    int64_t i = hp->n_layer - 1;
    while (i >= 0 && (hp->layers[i].n_mixers != 1 || hp->layers[i].mixers[0] != arch->mixer ||
                      hp->layers[i].window > 0))
        i--;
    if (i < 0 || !has_heads(&hp->layers[i]) || hp->n_streams > 0 || hp->n_per_layer > 0 ||
        arch->layer_norm)
        return;
    struct cn_layer_hparams *block = &hp->layers[hp->n_layer];
    *block = hp->layers[i];
    block->kv_layer = hp->n_layer;
    hp->n_nextn = 1;
}

enum cn_status cn_hparams_read(const struct cn_gguf *gguf, const struct cn_arch *arch,
                               int64_t n_vocab, struct cn_hparams *hparams, struct cn_error *err)
{
    struct keys keys = { .gguf = gguf, .arch = arch->name, .err = err }, *k = &keys;
    struct cn_hparams hp = { .n_vocab = n_vocab };
    int64_t n_extra = 0;
    CN_TRY(cn_gguf_need_i64(gguf, key(k, "block_count"), 1, MAX_LAYERS, &hp.n_layer, err));
    /* Each layer has at least one tensor: bounds the layer table by the file's size. */
    CN_RETURN_IF(hp.n_layer > gguf->n_tensors, CN_ERR_FORMAT, err,
                 "%s: %lld layers, but the file holds %lld tensors", k->name, (long long)hp.n_layer,
                 (long long)gguf->n_tensors);
    /* The last blocks may be for drafting; a pass does not run them, and the first is used. */
    CN_TRY(cn_gguf_get_i64(gguf, key(k, "nextn_predict_layers"), 0, hp.n_layer - 1, &n_extra, err));
    hp.n_layer -= n_extra;
    hp.layers = calloc((size_t)hp.n_layer + 1, sizeof *hp.layers);
    CN_RETURN_IF(!hp.layers, CN_ERR_MEMORY, err, "out of memory for %lld layers",
                 (long long)hp.n_layer);
    enum cn_status status = read_all(k, arch, &hp);
    if (status != CN_OK) {
        free(hp.layers);
        return status;
    }
    if (n_extra > 0)
        add_nextn(arch, &hp);
    *hparams = hp;
    return CN_OK;
}
