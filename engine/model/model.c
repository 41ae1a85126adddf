/* SPDX-License-Identifier: MIT
 *
 * Opening a model: the architecture's descriptor binds the file's tensors to the layer table.
 */
#include "engine/model/model.h"

#include "base/error.h"
#include "engine/model/hparams.h"
#include "engine/model/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96 };

/* Finds a tensor and checks its shape and that it holds weights, or floats. *tensor is NULL if it
 * is absent and may be. */
static enum cn_status find_named(const struct cn_model *m, const char *name, const int64_t want[3],
                                 bool floats, bool required, const struct cn_gguf_tensor **tensor,
                                 struct cn_error *err)
{
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
    CN_RETURN_IF(floats && t->format->act != CN_ACT_F32, CN_ERR_UNSUPPORTED, err,
                 "tensor %s: f32, f16 or bf16 expected, %s found", name, t->format->name);
    return CN_OK;
}

static enum cn_status find(const struct cn_model *m, enum cn_slot slot, int64_t layer,
                           bool required, const struct cn_gguf_tensor **tensor,
                           struct cn_error *err)
{
    char name[NAME_BYTES];
    int64_t want[3];
    cn_slot_name(slot, layer, name, sizeof name);
    cn_slot_shape(m->arch, &m->hp, slot, layer, want);
    return find_named(m, name, want, cn_slot_infos[slot].kind != CN_MATRIX, required, tensor, err);
}

/* Where floats go, and weights of single experts. With a NULL base nothing is bound: they are only
 * counted. */
struct arena {
    float *base;
    size_t used;
    struct cn_weight *each;
    size_t n_each;
};

static const float *take_floats(struct arena *arena, const struct cn_gguf_tensor *t)
{
    float *x = arena->base ? arena->base + arena->used : NULL;
    arena->used += (size_t)t->n_elems;
    if (x)
        t->format->ref->dequantize(t->n_elems, t->data, x);
    return x;
}

/* [cols, rows] to [rows, cols]. */
static struct cn_taps take_taps(struct arena *arena, const struct cn_gguf_tensor *t)
{
    const int64_t n_taps = t->ne[0], n = t->ne[1];
    float row[CN_MAX_TAPS], *x = arena->base ? arena->base + arena->used : NULL;
    arena->used += (size_t)t->n_elems;
    for (int64_t c = 0; x && c < n; c++) {
        t->format->ref->dequantize(
            n_taps, (const uint8_t *)t->data + (size_t)c * cn_row_bytes(t->format, n_taps), row);
        for (int64_t j = 0; j < n_taps; j++)
            x[j * n + c] = row[j];
    }
    return (struct cn_taps){ x };
}

/* A matrix NAME.weight may come with factors NAME.scale: one, or one per matrix. */
static enum cn_status bind_scale(const struct cn_model *m, const char *weight, struct arena *arena,
                                 struct cn_weight *w, struct cn_error *err)
{
    static const char suffix[] = "weight";
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s", weight);
    char *end = name + strlen(name) - (sizeof suffix - 1);
    if (strcmp(end, suffix) != 0)
        return CN_OK;
    memcpy(end, "scale", sizeof "scale");
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&m->gguf, name);
    if (!t)
        return CN_OK;
    CN_RETURN_IF(t->n_elems != t->ne[0] || (t->n_elems != 1 && t->n_elems != w->n_mats),
                 CN_ERR_FORMAT, err,
                 "tensor %s: 1 factor expected, or one for each matrix (%lld), %lld found", name,
                 (long long)w->n_mats, (long long)t->n_elems);
    CN_RETURN_IF(!t->format || t->format->act != CN_ACT_F32, CN_ERR_FORMAT, err,
                 "tensor %s: f32, f16 or bf16 expected", name);
    w->n_scales = t->n_elems;
    w->scale = take_floats(arena, t);
    return CN_OK;
}

static struct cn_weight weight_of(const struct cn_model *m, const struct cn_gguf_tensor *t)
{
    return (struct cn_weight){ .format = t->format,
                               .kernels = cn_kernels_for(t->format, m->ops.tiers),
                               .cols = t->ne[0],
                               .rows = t->ne[1],
                               .n_mats = t->ne[2],
                               .row_bytes = cn_row_bytes(t->format, t->ne[0]),
                               .data = t->data };
}

/* Whether the slot's experts are tensors of their own. */
static bool has_each(const struct cn_model *m, enum cn_slot slot, int64_t layer)
{
    char name[NAME_BYTES];
    if (!cn_slot_expert_name(slot, layer, 0, name, sizeof name) || !cn_gguf_tensor(&m->gguf, name))
        return false;
    cn_slot_name(slot, layer, name, sizeof name);
    return !cn_gguf_tensor(&m->gguf, name);
}

/* Binds a slot whose experts are tensors of their own. */
static enum cn_status bind_each(const struct cn_model *m, enum cn_slot slot, int64_t layer,
                                struct arena *arena, struct cn_weight *all, struct cn_error *err)
{
    struct cn_weight *each = arena->each ? arena->each + arena->n_each : NULL;
    int64_t want[3];
    cn_slot_shape(m->arch, &m->hp, slot, layer, want);
    const int64_t n = want[2];
    want[2] = 1;
    for (int64_t e = 0; e < n; e++) {
        char name[NAME_BYTES];
        const struct cn_gguf_tensor *t;
        cn_slot_expert_name(slot, layer, e, name, sizeof name);
        CN_TRY(find_named(m, name, want, false, true, &t, err));
        struct cn_weight w = weight_of(m, t);
        CN_TRY(bind_scale(m, name, arena, &w, err));
        if (each)
            each[e] = w;
        if (e == 0)
            *all = w;
    }
    arena->n_each += (size_t)n;
    all->n_mats = n;
    all->data = NULL;
    all->each = each;
    return CN_OK;
}

/* Binds a slot: floats go to the arena, matrices stay in the file. */
static enum cn_status bind(struct cn_model *m, enum cn_slot slot, int64_t layer, bool required,
                           struct arena *arena, struct cn_error *err)
{
    const struct cn_gguf_tensor *t;
    void *base = layer < 0 ? (void *)m : &m->layers[layer];
    char *field = (char *)base + cn_slot_infos[slot].field;
    if (has_each(m, slot, layer))
        return bind_each(m, slot, layer, arena, (struct cn_weight *)(void *)field, err);
    CN_TRY(find(m, slot, layer, required, &t, err));
    if (!t)
        return CN_OK;
    if (cn_slot_infos[slot].kind == CN_FLOATS) {
        const float *x = take_floats(arena, t);
        memcpy(field, &x, sizeof x);
        return CN_OK;
    }
    if (cn_slot_infos[slot].kind == CN_TAPS) {
        const struct cn_taps taps = take_taps(arena, t);
        memcpy(field, &taps, sizeof taps);
        return CN_OK;
    }
    char name[NAME_BYTES];
    struct cn_weight w = weight_of(m, t);
    cn_slot_name(slot, layer, name, sizeof name);
    if (slot != CN_SLOT_ROUTER) /* its scale is its input's */
        CN_TRY(bind_scale(m, name, arena, &w, err));
    memcpy(field, &w, sizeof w);
    return CN_OK;
}

/* The slots of a layer, -1: of the model itself. */
static enum cn_status bind_layer(struct cn_model *m, int64_t layer, struct arena *arena,
                                 struct cn_error *err)
{
    cn_slots required, allowed;
    cn_slots_of(m->arch, &m->hp, layer, &required, &allowed);
    if (layer >= 0)
        m->layers[layer].hp = &m->hp.layers[layer];
    /* Of forms that replace each other one is required: the first if it is there. */
    const struct cn_slot_forms *forms;
    for (int i = 0; (forms = cn_slot_forms(i)); i++) {
        const cn_slots one = (cn_slots)1 << forms->one;
        const struct cn_gguf_tensor *t = NULL;
        if (!(allowed & one) || !(allowed & forms->others))
            continue;
        CN_TRY(find(m, forms->one, layer, false, &t, err));
        const cn_slots gone = t ? forms->others : one;
        required &= ~gone;
        allowed &= ~gone;
        /* Both forms' parts are optional to the descriptor where either may be there. */
        required |= t ? one : allowed & forms->others;
    }
    for (int slot = 0; slot < CN_N_SLOTS; slot++)
        if (allowed >> slot & 1)
            CN_TRY(bind(m, (enum cn_slot)slot, layer, required >> slot & 1, arena, err));
    return CN_OK;
}

/* A NextN block that is not as it should be is left out: the layers do without it. */
static void bind_nextn(struct cn_model *m, struct arena *arena)
{
    const struct arena before = *arena;
    if (m->hp.n_nextn == 0 || bind_layer(m, m->hp.n_layer, arena, &m->nextn_fault) == CN_OK)
        return;
    *arena = before;
    m->hp.n_nextn = 0;
}

static enum cn_status bind_all(struct cn_model *m, struct arena *arena, struct cn_error *err)
{
    for (int64_t i = -1; i < m->hp.n_layer; i++)
        CN_TRY(bind_layer(m, i, arena, err));
    bind_nextn(m, arena);
    return CN_OK;
}

void cn_model_each_weight(const struct cn_model *m,
                          void (*fn)(void *user, enum cn_slot slot, const struct cn_weight *w),
                          void *user)
{
    for (int64_t i = -1; i < m->hp.n_layer + m->hp.n_nextn; i++)
        for (int slot = 0; slot < CN_N_SLOTS; slot++) {
            /* Of the tables of embeddings rows are read; the output may be such a table. */
            if (cn_slot_infos[slot].kind != CN_MATRIX || (slot < CN_FIRST_LAYER_SLOT) != (i < 0) ||
                slot == CN_SLOT_TOKEN_EMBD || slot == CN_SLOT_LAYER_EMBD ||
                slot == CN_SLOT_NEXTN_EMBD)
                continue;
            const char *base = i < 0 ? (const char *)m : (const char *)&m->layers[i];
            const struct cn_weight *w =
                (const struct cn_weight *)(const void *)(base + cn_slot_infos[slot].field);
            for (int64_t e = 0; w->each && e < w->n_mats; e++)
                fn(user, (enum cn_slot)slot, &w->each[e]);
            if (w->format && !w->each)
                fn(user, (enum cn_slot)slot, w);
        }
}

struct cn_weight *cn_model_weight(struct cn_model *m, const char *full)
{
    const char *name = full;
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
        const struct cn_slot_info *info = &cn_slot_infos[slot];
        if (info->kind != CN_MATRIX || (slot < CN_FIRST_LAYER_SLOT) != (layer < 0))
            continue;
        char *base = layer < 0 ? (char *)m : (char *)&m->layers[layer];
        struct cn_weight *w = (struct cn_weight *)(void *)(base + info->field);
        for (int64_t e = 0; w->each && e < w->n_mats; e++) {
            char one[NAME_BYTES];
            cn_slot_expert_name((enum cn_slot)slot, layer, e, one, sizeof one);
            if (strcmp(full, one) == 0)
                return &w->each[e];
        }
        /* Several slots may have the name, in layers of different kinds. */
        if (w->format && !w->each && strcmp(name, info->name) == 0)
            return w;
    }
    return NULL;
}

static enum cn_status load_weights(struct cn_model *m, struct cn_error *err)
{
    struct arena arena = { NULL, 0, NULL, 0 };
    CN_TRY(cn_hparams_read(&m->gguf, m->arch, cn_tokenizer_n_vocab(m->tokenizer), &m->hp, err));
    if (m->hp.n_nextn == 0)
        cn_fail(&m->nextn_fault, CN_ERR_UNSUPPORTED, "there is none in the file");
    m->layers = calloc((size_t)(m->hp.n_layer + m->hp.n_nextn), sizeof *m->layers);
    CN_RETURN_IF(!m->layers, CN_ERR_MEMORY, err, "out of memory for %lld layers",
                 (long long)m->hp.n_layer);
    CN_TRY(bind_all(m, &arena, err));
    m->vectors = calloc(arena.used + 1, sizeof(float));
    CN_RETURN_IF(!m->vectors, CN_ERR_MEMORY, err, "out of memory for %zu floats", arena.used);
    m->n_each = arena.n_each;
    m->each = calloc(m->n_each + 1, sizeof *m->each);
    CN_RETURN_IF(!m->each, CN_ERR_MEMORY, err, "out of memory for %zu matrices", m->n_each);
    arena = (struct arena){ m->vectors, 0, m->each, 0 };
    CN_TRY(bind_all(m, &arena, err));
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

/* Whether the tensor holds experts, of which a token takes some: all of them, or one. */
static bool is_of_experts(const struct cn_model *m, const struct cn_gguf_tensor *t)
{
    static const char mark[] = "_exps.";
    if (t->ne[2] > 1)
        return t->ne[2] == m->hp.n_expert &&
               memmem(t->name.p, t->name.n, mark, sizeof mark - 1) != NULL;
    for (size_t i = 0; i < m->n_each; i++)
        if (m->each[i].data == t->data)
            return true;
    return false;
}

/* Whether a pass reads the tensor: a layer's for drafting it does not, and of tables of embeddings
 * that are not the output too it reads a row. */
static bool is_read(const struct cn_model *m, const struct cn_gguf_tensor *t)
{
    char prefix[32];
    const int n = snprintf(prefix, sizeof prefix, "blk.%lld.", (long long)m->hp.n_layer);
    if (m->layers && t->name.n > (size_t)n && memcmp(t->name.p, prefix, (size_t)n) == 0)
        return false;
    if (t->data == m->layer_embd.data)
        return false;
    return t->data != m->token_embd.data || m->output.data == m->token_embd.data;
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
        /* Of experts, those that are chosen. */
        if (is_of_experts(m, t)) {
            active = active * m->hp.n_expert_used / m->hp.n_expert;
            bytes = bytes * (size_t)m->hp.n_expert_used / (size_t)m->hp.n_expert;
        }
        info->n_active_params += active;
        if (!is_read(m, t))
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
    info->n_nextn = (int32_t)m->hp.n_nextn;
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
    const struct cn_file_type *type = cn_gguf_file_type(&m->gguf, NULL);
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
    free(m->hp.layers);
    free(m->vectors);
    free(m->each);
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
