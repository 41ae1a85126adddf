/* SPDX-License-Identifier: MIT
 *
 * Opening a model: the architecture's descriptor binds the file's tensors to the layer table.
 */
#include "engine/model/model.h"

#include "base/error.h"
#include "engine/model/hparams.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dimensions in terms of hyperparameters. */
enum dim {
    NO_DIM,
    DIM_EMBD,
    DIM_VOCAB,
    DIM_Q,      /* n_head * d_k */
    DIM_K,      /* n_head_kv * d_k */
    DIM_V,      /* n_head_kv * d_v */
    DIM_QKV,    /* the three together */
    DIM_ATTN,   /* n_head * d_v */
    DIM_Q_NORM, /* a head, or the whole projection */
    DIM_K_NORM,
    DIM_FF,
    DIM_UP, /* n_ff, twice that if gate and up are fused */
    DIM_EXPERTS,
    DIM_FF_EXPERT,
    DIM_FF_SHARED,
    DIM_ROT, /* n_rot / 2 */
};

static int64_t dim_of(const struct cn_model *m, enum dim dim)
{
    const struct cn_hparams *hp = &m->hp;
    const bool whole = m->arch->qk_norm_whole;
    switch (dim) {
    case NO_DIM:
        return 1;
    case DIM_EMBD:
        return hp->n_embd;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_Q:
        return hp->n_head * hp->d_k;
    case DIM_K:
        return hp->n_head_kv * hp->d_k;
    case DIM_V:
        return hp->n_head_kv * hp->d_v;
    case DIM_QKV:
        return hp->n_head * hp->d_k + hp->n_head_kv * (hp->d_k + hp->d_v);
    case DIM_ATTN:
        return hp->n_head * hp->d_v;
    case DIM_Q_NORM:
        return whole ? hp->n_head * hp->d_k : hp->d_k;
    case DIM_K_NORM:
        return whole ? hp->n_head_kv * hp->d_k : hp->d_k;
    case DIM_FF:
        return hp->n_ff;
    case DIM_UP:
        return m->arch->fused_gate_up ? 2 * hp->n_ff : hp->n_ff;
    case DIM_EXPERTS:
        return hp->n_expert;
    case DIM_FF_EXPERT:
        return hp->n_ff_expert;
    case DIM_FF_SHARED:
        return hp->n_ff_shared;
    case DIM_ROT:
        return hp->n_rot / 2;
    }
    return 1;
}

/* Every slot: its name in the file, its shape (columns first), and where it goes. */
#define MODEL(field) offsetof(struct cn_model, field)
#define LAYER(field) offsetof(struct cn_layer, field)
static const struct {
    const char *name;
    uint8_t dims[3];
    size_t field; /* a struct cn_weight if there is a second dimension, else a const float * */
} slots[CN_N_SLOTS] = {
  /* clang-format off */
    [CN_SLOT_TOKEN_EMBD]     = { "token_embd.weight",          { DIM_EMBD, DIM_VOCAB }, MODEL(token_embd) },
    [CN_SLOT_OUTPUT_NORM]    = { "output_norm.weight",         { DIM_EMBD }, MODEL(output_norm) },
    [CN_SLOT_OUTPUT_NORM_B]  = { "output_norm.bias",           { DIM_EMBD }, MODEL(output_norm_b) },
    [CN_SLOT_OUTPUT]         = { "output.weight",              { DIM_EMBD, DIM_VOCAB }, MODEL(output) },
    [CN_SLOT_OUTPUT_B]       = { "output.bias",                { DIM_VOCAB }, MODEL(output_b) },
    [CN_SLOT_ROPE_FREQS]     = { "rope_freqs.weight",          { DIM_ROT }, MODEL(rope_freqs) },
    [CN_SLOT_ROPE_LONG]      = { "rope_factors_long.weight",   { DIM_ROT }, MODEL(rope_long) },
    [CN_SLOT_ROPE_SHORT]     = { "rope_factors_short.weight",  { DIM_ROT }, MODEL(rope_short) },
    [CN_SLOT_ATTN_NORM]      = { "attn_norm.weight",           { DIM_EMBD }, LAYER(attn_norm) },
    [CN_SLOT_ATTN_NORM_B]    = { "attn_norm.bias",             { DIM_EMBD }, LAYER(attn_norm_b) },
    [CN_SLOT_Q]              = { "attn_q.weight",              { DIM_EMBD, DIM_Q }, LAYER(q) },
    [CN_SLOT_K]              = { "attn_k.weight",              { DIM_EMBD, DIM_K }, LAYER(k) },
    [CN_SLOT_V]              = { "attn_v.weight",              { DIM_EMBD, DIM_V }, LAYER(v) },
    [CN_SLOT_Q_B]            = { "attn_q.bias",                { DIM_Q }, LAYER(q_b) },
    [CN_SLOT_K_B]            = { "attn_k.bias",                { DIM_K }, LAYER(k_b) },
    [CN_SLOT_V_B]            = { "attn_v.bias",                { DIM_V }, LAYER(v_b) },
    [CN_SLOT_QKV]            = { "attn_qkv.weight",            { DIM_EMBD, DIM_QKV }, LAYER(qkv) },
    [CN_SLOT_QKV_B]          = { "attn_qkv.bias",              { DIM_QKV }, LAYER(qkv_b) },
    [CN_SLOT_ATTN_OUT]       = { "attn_output.weight",         { DIM_ATTN, DIM_EMBD }, LAYER(attn_out) },
    [CN_SLOT_ATTN_OUT_B]     = { "attn_output.bias",           { DIM_EMBD }, LAYER(attn_out_b) },
    [CN_SLOT_Q_NORM]         = { "attn_q_norm.weight",         { DIM_Q_NORM }, LAYER(q_norm) },
    [CN_SLOT_K_NORM]         = { "attn_k_norm.weight",         { DIM_K_NORM }, LAYER(k_norm) },
    [CN_SLOT_POST_ATTN_NORM] = { "post_attention_norm.weight", { DIM_EMBD }, LAYER(post_attn_norm) },
    [CN_SLOT_FFN_NORM]       = { "ffn_norm.weight",            { DIM_EMBD }, LAYER(ffn_norm) },
    [CN_SLOT_GATE]           = { "ffn_gate.weight",            { DIM_EMBD, DIM_FF }, LAYER(gate) },
    [CN_SLOT_UP]             = { "ffn_up.weight",              { DIM_EMBD, DIM_UP }, LAYER(up) },
    [CN_SLOT_DOWN]           = { "ffn_down.weight",            { DIM_FF, DIM_EMBD }, LAYER(down) },
    [CN_SLOT_GATE_B]         = { "ffn_gate.bias",              { DIM_FF }, LAYER(gate_b) },
    [CN_SLOT_UP_B]           = { "ffn_up.bias",                { DIM_UP }, LAYER(up_b) },
    [CN_SLOT_DOWN_B]         = { "ffn_down.bias",              { DIM_EMBD }, LAYER(down_b) },
    [CN_SLOT_POST_FFN_NORM]  = { "post_ffw_norm.weight",       { DIM_EMBD }, LAYER(post_ffn_norm) },
    [CN_SLOT_ROUTER]         = { "ffn_gate_inp.weight",        { DIM_EMBD, DIM_EXPERTS }, LAYER(router) },
    [CN_SLOT_GATE_EXPS]      = { "ffn_gate_exps.weight",       { DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERTS }, LAYER(gate_exps) },
    [CN_SLOT_UP_EXPS]        = { "ffn_up_exps.weight",         { DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERTS }, LAYER(up_exps) },
    [CN_SLOT_DOWN_EXPS]      = { "ffn_down_exps.weight",       { DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERTS }, LAYER(down_exps) },
    [CN_SLOT_SHARED_ROUTER]  = { "ffn_gate_inp_shexp.weight",  { DIM_EMBD }, LAYER(shared_router) },
    [CN_SLOT_GATE_SHARED]    = { "ffn_gate_shexp.weight",      { DIM_EMBD, DIM_FF_SHARED }, LAYER(gate_shared) },
    [CN_SLOT_UP_SHARED]      = { "ffn_up_shexp.weight",        { DIM_EMBD, DIM_FF_SHARED }, LAYER(up_shared) },
    [CN_SLOT_DOWN_SHARED]    = { "ffn_down_shexp.weight",      { DIM_FF_SHARED, DIM_EMBD }, LAYER(down_shared) },
  /* clang-format on */
};

static bool is_vector(int slot)
{
    return slots[slot].dims[1] == NO_DIM;
}

/* Finds the tensor of a slot and checks its shape. *tensor is NULL if it is absent and may be. */
static enum cn_status find(const struct cn_model *m, int slot, int64_t layer, bool required,
                           const struct cn_gguf_tensor **tensor, struct cn_error *err)
{
    char name[96];
    if (slot < CN_FIRST_LAYER_SLOT)
        snprintf(name, sizeof name, "%s", slots[slot].name);
    else
        snprintf(name, sizeof name, "blk.%lld.%s", (long long)layer, slots[slot].name);
    int64_t want[3];
    for (int i = 0; i < 3; i++)
        want[i] = dim_of(m, (enum dim)slots[slot].dims[i]);
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&m->gguf, name);
    *tensor = t;
    if (!t && !required)
        return CN_OK;
    CN_RETURN_IF(!t, CN_ERR_FORMAT, err,
                 "tensor %s is missing: %s needs it, shape [%lld, %lld, %lld]", name, m->arch->name,
                 (long long)want[0], (long long)want[1], (long long)want[2]);
    CN_RETURN_IF(t->ne[0] != want[0] || t->ne[1] != want[1] || t->ne[2] != want[2] || t->ne[3] != 1,
                 CN_ERR_FORMAT, err,
                 "tensor %s: shape [%lld, %lld, %lld] expected, [%lld, %lld, %lld, %lld] found",
                 name, (long long)want[0], (long long)want[1], (long long)want[2],
                 (long long)t->ne[0], (long long)t->ne[1], (long long)t->ne[2],
                 (long long)t->ne[3]);
    CN_RETURN_IF(!t->format, CN_ERR_FORMAT, err, "tensor %s: weights expected, type %u found", name,
                 t->gguf_type);
    CN_RETURN_IF(is_vector(slot) && t->format->act != CN_ACT_F32, CN_ERR_UNSUPPORTED, err,
                 "tensor %s: f32, f16 or bf16 expected, %s found", name, t->format->name);
    return CN_OK;
}

/* Binds a slot; vectors go to *arena (advanced) as floats, matrices stay in the file. With a NULL
 * base nothing is bound: the arena is only measured. */
static enum cn_status bind(const struct cn_model *m, int slot, int64_t layer, bool required,
                           void *base, float **arena, size_t *n_floats, struct cn_error *err)
{
    const struct cn_gguf_tensor *t;
    CN_TRY(find(m, slot, layer, required, &t, err));
    if (!t)
        return CN_OK;
    if (is_vector(slot)) {
        *n_floats += (size_t)t->ne[0];
        if (!base)
            return CN_OK;
        t->format->ref->dequantize(t->ne[0], t->data, *arena);
        memcpy((char *)base + slots[slot].field, arena, sizeof *arena);
        *arena += t->ne[0];
        return CN_OK;
    }
    if (!base)
        return CN_OK;
    struct cn_weight w = { .format = t->format,
                           .kernels = cn_kernels_for(t->format, m->ops.tiers),
                           .cols = t->ne[0],
                           .rows = t->ne[1],
                           .n_mats = t->ne[2],
                           .row_bytes = cn_row_bytes(t->format, t->ne[0]),
                           .data = t->data };
    memcpy((char *)base + slots[slot].field, &w, sizeof w);
    return CN_OK;
}

static enum cn_status bind_all(struct cn_model *m, bool measure, float *arena, size_t *n_floats,
                               struct cn_error *err)
{
    uint64_t required = m->arch->required | CN_BIT(TOKEN_EMBD);
    required |= m->hp.n_expert ? m->arch->experts : m->arch->dense_ffn;
    uint64_t allowed = required | m->arch->optional;
    if (m->arch->output_required)
        required |= CN_BIT(OUTPUT), allowed |= CN_BIT(OUTPUT);
    for (int slot = 0; slot < CN_FIRST_LAYER_SLOT; slot++)
        if (allowed >> slot & 1)
            CN_TRY(
                bind(m, slot, 0, required >> slot & 1, measure ? NULL : m, &arena, n_floats, err));
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        bool fused = false;
        if (m->arch->required & CN_BIT(QKV)) {
            const struct cn_gguf_tensor *t;
            CN_TRY(find(m, CN_SLOT_QKV, i, false, &t, err));
            fused = t != NULL;
        }
        for (int slot = CN_FIRST_LAYER_SLOT; slot < CN_N_SLOTS; slot++) {
            if (!(allowed >> slot & 1))
                continue;
            bool need = required >> slot & 1;
            /* Where a model may have its projections fused or split, one form is required. */
            if (m->arch->required & CN_BIT(QKV) && m->arch->optional & CN_BIT(Q)) {
                if (slot == CN_SLOT_QKV)
                    need = false;
                else if (slot == CN_SLOT_Q || slot == CN_SLOT_K || slot == CN_SLOT_V)
                    need = !fused;
            }
            CN_TRY(bind(m, slot, i, need, measure ? NULL : &m->layers[i], &arena, n_floats, err));
        }
    }
    return CN_OK;
}

bool cn_layer_slides(const struct cn_model *m, int64_t i)
{
    if (m->hp.window == 0)
        return false;
    return m->arch->sliding_all ||
           (m->arch->sliding_period && i % m->arch->sliding_period < m->arch->sliding_period - 1);
}

struct cn_weight *cn_model_weight(struct cn_model *m, const char *name)
{
    long long layer = -1;
    int skipped = 0;
    if (!m->layers)
        return NULL;
    if (sscanf(name, "blk.%lld.%n", &layer, &skipped) == 1 && skipped > 0) {
        if (layer < 0 || layer >= m->hp.n_layer)
            return NULL;
        name += skipped;
    }
    for (int slot = 0; slot < CN_N_SLOTS; slot++) {
        if (is_vector(slot) || (slot < CN_FIRST_LAYER_SLOT) != (layer < 0) ||
            strcmp(name, slots[slot].name) != 0)
            continue;
        char *base = layer < 0 ? (char *)m : (char *)&m->layers[layer];
        struct cn_weight *w = (struct cn_weight *)(void *)(base + slots[slot].field);
        return w->format ? w : NULL;
    }
    return NULL;
}

static enum cn_status load_weights(struct cn_model *m, struct cn_error *err)
{
    CN_TRY(cn_hparams_read(&m->gguf, m->arch, cn_tokenizer_n_vocab(m->tokenizer), &m->hp, err));
    size_t n_floats = 0;
    CN_TRY(bind_all(m, true, NULL, &n_floats, err));
    m->layers = calloc((size_t)m->hp.n_layer, sizeof *m->layers);
    m->vectors = calloc(n_floats + 1, sizeof(float));
    CN_RETURN_IF(!m->layers || !m->vectors, CN_ERR_MEMORY, err, "out of memory for %lld layers",
                 (long long)m->hp.n_layer);
    n_floats = 0;
    CN_TRY(bind_all(m, false, m->vectors, &n_floats, err));
    for (int64_t i = 0; i < m->hp.n_layer; i++)
        m->layers[i].sliding = cn_layer_slides(m, i);
    if (!m->output.format)
        m->output = m->token_embd;
    return CN_OK;
}

static char *copy_str(struct cn_str s)
{
    char *p = malloc(s.n + 1);
    if (p) {
        memcpy(p, s.p, s.n);
        p[s.n] = 0;
    }
    return p;
}

static void fill_info(struct cn_model *m)
{
    struct cn_model_info *info = &m->info;
    for (int64_t i = 0; i < m->gguf.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &m->gguf.tensors[i];
        int64_t active = t->n_elems;
        size_t bytes = t->bytes;
        info->n_params += t->n_elems;
        info->tensor_bytes += (int64_t)t->bytes;
        if (t->ne[2] > 1 && m->hp.n_expert) {
            active = active / m->hp.n_expert * m->hp.n_expert_used;
            bytes = bytes / (size_t)m->hp.n_expert * (size_t)m->hp.n_expert_used;
        }
        info->n_active_params += active;
        /* Of the embedding one row is read, unless it is the output matrix too. */
        if (t->data == m->token_embd.data && m->output.data != m->token_embd.data)
            continue;
        info->decode_bytes += (int64_t)bytes;
        if (t->n_dims > 1)
            info->decode_ops += 2 * (double)active;
    }
    info->bpw = info->n_params ? (double)info->tensor_bytes * 8 / (double)info->n_params : 0;
    info->n_vocab = cn_tokenizer_n_vocab(m->tokenizer);
    info->n_ctx_train = (int32_t)m->hp.n_ctx_train;
    info->n_embd = (int32_t)m->hp.n_embd;
    info->n_layer = (int32_t)m->hp.n_layer;
    info->n_head = (int32_t)m->hp.n_head;
    info->n_head_kv = (int32_t)m->hp.n_head_kv;
    info->bos = cn_tokenizer_bos(m->tokenizer);
    info->eos = cn_tokenizer_eos(m->tokenizer);
    info->add_bos = cn_tokenizer_add_bos(m->tokenizer);
    info->doubt = cn_tokenizer_doubt(m->tokenizer);
    info->tiers = cn_tiers_format(m->ops.tiers, m->tiers, sizeof m->tiers);
    info->architecture = m->architecture;
    info->name = m->name;
}

static enum cn_status choose_tiers(const char *list, uint32_t *tiers, struct cn_error *err)
{
    uint32_t machine = cn_tiers_detect(), mask = machine;
    const char *source = list ? "--tiers" : "CARNOT_TIERS", *bad;
    size_t bad_len;
    if (!list)
        list = getenv("CARNOT_TIERS");
    CN_RETURN_IF(list && *list && !cn_tiers_parse(list, &mask, &bad, &bad_len), CN_ERR_ARGUMENT,
                 err, "%s: no tier is called '%.*s'", source, (int)bad_len, bad);
    *tiers = mask & machine;
    return CN_OK;
}

static enum cn_status open_model(const char *path, const struct cn_model_options *options,
                                 struct cn_model *m, struct cn_error *err)
{
    uint32_t tiers = 0;
    CN_TRY(choose_tiers(options->tiers, &tiers, err));
    m->ops = cn_ops_for(tiers);
    CN_TRY(cn_gguf_open(path, &m->gguf, err));
    struct cn_str arch = { 0 }, name = { "", 0 };
    CN_TRY(cn_gguf_get_str(&m->gguf, "general.architecture", &arch, err));
    CN_RETURN_IF(!arch.p && !options->vocab_only, CN_ERR_FORMAT, err,
                 "key general.architecture is missing");
    CN_TRY(cn_gguf_get_str(&m->gguf, "general.name", &name, err));
    m->architecture = copy_str(arch.p ? arch : (struct cn_str){ "", 0 });
    m->name = copy_str(name);
    CN_RETURN_IF(!m->architecture || !m->name, CN_ERR_MEMORY, err, "out of memory");
    int64_t file_type = -1;
    CN_TRY(cn_gguf_get_i64(&m->gguf, "general.file_type", 0, UINT32_MAX, &file_type, err));
    /* bit 1024: the writer guessed */
    const struct cn_file_type *type =
        file_type < 0 ? NULL : cn_file_type_by_id((uint32_t)file_type & ~1024u);
    m->info.file_type = type ? type->name : "unknown";
    if (!options->vocab_only) {
        m->arch = cn_arch_by_name(arch.p, arch.n);
        char known[256], shown[CN_SHOW_BYTES];
        cn_arch_list(known, sizeof known);
        CN_RETURN_IF(!m->arch, CN_ERR_UNSUPPORTED, err,
                     "architecture '%s' is not supported; supported: %s",
                     cn_str_show(arch, shown, sizeof shown), known);
    }
    CN_TRY(cn_tokenizer_load(&m->gguf, &m->tokenizer, err));
    if (!options->vocab_only)
        CN_TRY(load_weights(m, err));
    fill_info(m);
    return CN_OK;
}

enum cn_status cn_model_open(const char *path, const struct cn_model_options *options,
                             struct cn_model **model, struct cn_error *err)
{
    static const struct cn_model_options defaults = { 0 };
    struct cn_model *m = calloc(1, sizeof *m);
    CN_RETURN_IF(!m, CN_ERR_MEMORY, err, "out of memory");
    struct cn_error reason = { "" };
    enum cn_status status = open_model(path, options ? options : &defaults, m, &reason);
    if (status != CN_OK) {
        cn_model_close(m);
        /* The reader's own messages name the file already. */
        bool named = strstr(reason.text, path) != NULL;
        return cn_fail(err, status, "%s%s%s", named ? "" : path, named ? "" : ": ", reason.text);
    }
    *model = m;
    return CN_OK;
}

void cn_model_close(struct cn_model *m)
{
    if (!m)
        return;
    cn_tokenizer_free(m->tokenizer);
    cn_gguf_close(&m->gguf);
    free(m->layers);
    free(m->vectors);
    free(m->architecture);
    free(m->name);
    free(m);
}

const struct cn_model_info *cn_model_get_info(const struct cn_model *model)
{
    return &model->info;
}

enum cn_status cn_tokenize(const struct cn_model *model, const char *text, size_t n_bytes,
                           unsigned flags, int32_t **tokens, size_t *n_tokens, struct cn_error *err)
{
    return cn_tokenizer_encode(model->tokenizer, text, n_bytes, flags, tokens, n_tokens, err);
}

const char *cn_token_bytes(const struct cn_model *model, int32_t token, bool special,
                           size_t *n_bytes)
{
    return cn_tokenizer_bytes(model->tokenizer, token, special, n_bytes);
}

bool cn_token_is_end(const struct cn_model *model, int32_t token)
{
    return cn_tokenizer_is_end(model->tokenizer, token);
}
