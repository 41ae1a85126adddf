/* SPDX-License-Identifier: MIT */
#include "engine/gguf/gguf_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_ARCH_BYTES = 64, KEY_BYTES = 128, MAX_DIM = INT32_MAX };

static bool equals(struct cn_str s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool ends_with(struct cn_str s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

static bool is_integer(enum cn_gguf_type type)
{
    return type <= CN_GGUF_I32 || type == CN_GGUF_U64 || type == CN_GGUF_I64;
}

const char *cn_gguf_arch_key(char *buf, size_t n, struct cn_str arch, const char *suffix)
{
    snprintf(buf, n, "%.*s.%s", (int)arch.n, arch.p, suffix);
    return buf;
}

/* ---- hyperparameters ---------------------------------------------------------------------- */

enum cn_status cn_gguf_get_layer_i64(const struct cn_gguf *gguf, const char *key, int64_t i,
                                     int64_t n_layer, int64_t min, int64_t max, int64_t *value,
                                     struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(gguf, key);
    if (!kv || kv->type != CN_GGUF_ARRAY)
        return cn_gguf_get_i64(gguf, key, min, max, value, err);
    CN_RETURN_IF(!is_integer(kv->elem_type), CN_ERR_FORMAT, err,
                 "%s: key \"%s\": an array of another type found, integers expected", gguf->path,
                 key);
    CN_RETURN_IF(kv->n < (uint64_t)n_layer, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRIu64 " entries found, one for each of %" PRId64
                 " layers expected",
                 gguf->path, key, kv->n, n_layer);
    int64_t x = cn_gguf_elem_i64(kv, (uint64_t)i);
    CN_RETURN_IF(x < min || x > max, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRId64 " found for layer %" PRId64 ", %" PRId64 " to %" PRId64
                 " expected",
                 gguf->path, key, x, i, min, max);
    *value = x;
    return CN_OK;
}

/* One model's architecture prefix and the numbers that the checks need of each other. */
struct model {
    const struct cn_gguf *g;
    struct cn_error *err;
    struct cn_str arch;
    int64_t n_layer, n_embd, n_expert;
    char key[KEY_BYTES];
};

static const char *key_of(struct model *m, const char *suffix)
{
    return cn_gguf_arch_key(m->key, sizeof m->key, m->arch, suffix);
}

static enum cn_status check_positive_float(struct model *m, const char *suffix, bool may_be_zero)
{
    float x = 1;
    CN_TRY(cn_gguf_get_f32(m->g, key_of(m, suffix), &x, m->err));
    CN_RETURN_IF(!isfinite(x) || x < 0 || (x == 0 && !may_be_zero), CN_ERR_FORMAT, m->err,
                 "%s: key \"%s\": %g found, a positive number expected", m->g->path, m->key,
                 (double)x);
    return CN_OK;
}

/* Layers without attention (0 heads) exist in hybrid models, so only a layer's own numbers have to
 * fit each other. */
static enum cn_status check_heads(struct model *m)
{
    int64_t d_k = 0, n_rot = 0;
    CN_RETURN_IF(!cn_gguf_find(m->g, key_of(m, "attention.head_count")), CN_ERR_FORMAT, m->err,
                 "%s: required key \"%s\" is missing", m->g->path, m->key);
    CN_TRY(cn_gguf_get_i64(m->g, key_of(m, "attention.key_length"), 1, MAX_DIM, &d_k, m->err));
    CN_TRY(cn_gguf_get_i64(m->g, key_of(m, "rope.dimension_count"), 0, MAX_DIM, &n_rot, m->err));
    for (int64_t i = 0; i < m->n_layer; i++) {
        int64_t n_head = 0, n_head_kv, head = d_k;
        CN_TRY(cn_gguf_get_layer_i64(m->g, key_of(m, "attention.head_count"), i, m->n_layer, 0,
                                     MAX_DIM, &n_head, m->err));
        n_head_kv = n_head;
        CN_TRY(cn_gguf_get_layer_i64(m->g, key_of(m, "attention.head_count_kv"), i, m->n_layer, 0,
                                     MAX_DIM, &n_head_kv, m->err));
        if (n_head == 0)
            continue;
        CN_RETURN_IF(n_head_kv && n_head % n_head_kv, CN_ERR_FORMAT, m->err,
                     "%s: key \"%s\": %" PRId64 " found, a divisor of the %" PRId64
                     " heads of layer %" PRId64 " expected",
                     m->g->path, m->key, n_head_kv, n_head, i);
        if (d_k == 0) {
            CN_RETURN_IF(m->n_embd % n_head, CN_ERR_FORMAT, m->err,
                         "%s: key \"%s\": %" PRId64 " found, a divisor of the embedding length "
                         "%" PRId64 " expected",
                         m->g->path, key_of(m, "attention.head_count"), n_head, m->n_embd);
            head = m->n_embd / n_head;
        }
        CN_RETURN_IF(n_rot > head || n_rot % 2, CN_ERR_FORMAT, m->err,
                     "%s: key \"%s\": %" PRId64 " found, an even number up to the head size "
                     "%" PRId64 " expected",
                     m->g->path, key_of(m, "rope.dimension_count"), n_rot, head);
    }
    return CN_OK;
}

static enum cn_status check_hyperparameters(struct model *m)
{
    int64_t n_ctx, n_ff, n_used = 0;
    CN_TRY(cn_gguf_need_i64(m->g, key_of(m, "block_count"), 1, CN_MAX_LAYERS, &m->n_layer, m->err));
    CN_TRY(cn_gguf_need_i64(m->g, key_of(m, "embedding_length"), 1, MAX_DIM, &m->n_embd, m->err));
    CN_TRY(cn_gguf_need_i64(m->g, key_of(m, "context_length"), 0, MAX_DIM, &n_ctx, m->err));
    for (int64_t i = 0; i < m->n_layer; i++)
        CN_TRY(cn_gguf_get_layer_i64(m->g, key_of(m, "feed_forward_length"), i, m->n_layer, 0,
                                     MAX_DIM, &n_ff, m->err));
    CN_TRY(check_heads(m));
    CN_RETURN_IF(!cn_gguf_find(m->g, key_of(m, "attention.layer_norm_epsilon")) &&
                     !cn_gguf_find(m->g, key_of(m, "attention.layer_norm_rms_epsilon")),
                 CN_ERR_FORMAT, m->err, "%s: required key \"%s\" is missing", m->g->path, m->key);
    CN_TRY(check_positive_float(m, "attention.layer_norm_epsilon", true));
    CN_TRY(check_positive_float(m, "attention.layer_norm_rms_epsilon", true));
    CN_TRY(check_positive_float(m, "rope.freq_base", false));
    m->n_expert = 0;
    CN_TRY(cn_gguf_get_i64(m->g, key_of(m, "expert_count"), 0, MAX_DIM, &m->n_expert, m->err));
    return cn_gguf_get_i64(m->g, key_of(m, "expert_used_count"), 0, m->n_expert, &n_used, m->err);
}

/* ---- vocabulary --------------------------------------------------------------------------- */

/* An array of the vocabulary, or NULL where the key is absent. */
static enum cn_status vocab_array(const struct cn_gguf *g, const char *key, bool strings,
                                  const struct cn_gguf_kv **array, struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(g, key);
    CN_RETURN_IF(kv && (kv->type != CN_GGUF_ARRAY || (kv->elem_type == CN_GGUF_STRING) != strings),
                 CN_ERR_FORMAT, err, "%s: key \"%s\": an array of %s expected", g->path, key,
                 strings ? "strings" : "numbers");
    *array = kv;
    return CN_OK;
}

static enum cn_status check_length(const struct cn_gguf *g, const struct cn_gguf_kv *array,
                                   const char *key, uint64_t n, struct cn_error *err)
{
    CN_RETURN_IF(array && array->n != n, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRIu64 " entries found, one for each of %" PRIu64
                 " tokens expected",
                 g->path, key, array->n, n);
    return CN_OK;
}

/* Names that GGUF files are known to carry; which of them can be run is the tokenizer's to say. */
static bool is_tokenizer_model(struct cn_str s)
{
    static const char *const known[] = { "gpt2", "llama", "bert", "t5", "rwkv", "gemma4", "none" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (equals(s, known[i]))
            return true;
    return false;
}

enum cn_status cn_gguf_check_vocab(const struct cn_gguf *gguf, int64_t *n_vocab,
                                   struct cn_error *err)
{
    static const char tokens_key[] = "tokenizer.ggml.tokens";
    static const char scores_key[] = "tokenizer.ggml.scores";
    static const char types_key[] = "tokenizer.ggml.token_type";
    const struct cn_gguf_kv *tokens, *scores, *types, *merges;
    struct cn_str model;
    CN_RETURN_IF(!cn_gguf_find(gguf, "tokenizer.ggml.model"), CN_ERR_FORMAT, err,
                 "%s: required key \"tokenizer.ggml.model\" is missing", gguf->path);
    CN_TRY(cn_gguf_get_str(gguf, "tokenizer.ggml.model", &model, err));
    if (!is_tokenizer_model(model)) {
        char shown[CN_SHOW_BYTES];
        return cn_fail(err, CN_ERR_UNSUPPORTED,
                       "%s: key \"tokenizer.ggml.model\": unknown tokenizer \"%s\"", gguf->path,
                       cn_str_show(model, shown, sizeof shown));
    }
    CN_TRY(vocab_array(gguf, tokens_key, true, &tokens, err));
    CN_RETURN_IF(!tokens, CN_ERR_FORMAT, err, "%s: required key \"%s\" is missing", gguf->path,
                 tokens_key);
    CN_RETURN_IF(tokens->n == 0 || tokens->n > INT32_MAX, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRIu64 " tokens found, 1 to 2^31 - 1 expected", gguf->path,
                 tokens_key, tokens->n);
    CN_TRY(vocab_array(gguf, scores_key, false, &scores, err));
    CN_TRY(vocab_array(gguf, types_key, false, &types, err));
    CN_TRY(vocab_array(gguf, "tokenizer.ggml.merges", true, &merges, err));
    CN_TRY(check_length(gguf, scores, scores_key, tokens->n, err));
    CN_TRY(check_length(gguf, types, types_key, tokens->n, err));
    CN_RETURN_IF(types && !is_integer(types->elem_type), CN_ERR_FORMAT, err,
                 "%s: key \"%s\": an array of integers expected", gguf->path, types_key);
    *n_vocab = (int64_t)tokens->n;
    return CN_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static enum cn_status check_embedding(struct model *m, int64_t n_vocab)
{
    const struct cn_gguf_tensor *t = cn_gguf_tensor(m->g, "token_embd.weight");
    CN_RETURN_IF(!t, CN_ERR_FORMAT, m->err, "%s: required tensor \"token_embd.weight\" is missing",
                 m->g->path);
    CN_RETURN_IF(t->n_dims != 2 || t->ne[0] != m->n_embd || t->ne[1] != n_vocab, CN_ERR_FORMAT,
                 m->err,
                 "%s: tensor \"token_embd.weight\": shape [%" PRId64 ", %" PRId64
                 "] found, [%" PRId64 ", %" PRId64 "] expected (embedding, tokens)",
                 m->g->path, t->ne[0], t->ne[1], m->n_embd, n_vocab);
    return CN_OK;
}

/* The number N of "blk.N.": -1 if the name is of another kind, INT64_MAX if it is too large. */
static int64_t block_of(struct cn_str name)
{
    int64_t n = 0;
    size_t i = 4;
    if (name.n < 6 || memcmp(name.p, "blk.", 4) != 0)
        return -1;
    for (; i < name.n && name.p[i] >= '0' && name.p[i] <= '9'; i++)
        n = n > CN_MAX_LAYERS ? INT64_MAX / 16 : n * 10 + (name.p[i] - '0');
    return i > 4 && i < name.n && name.p[i] == '.' ? n : -1;
}

static enum cn_status check_blocks(struct model *m)
{
    enum cn_status status = CN_OK;
    bool experts = false;
    bool *seen = calloc((size_t)m->n_layer, sizeof *seen);
    CN_RETURN_IF(!seen, CN_ERR_MEMORY, m->err, "%s: out of memory", m->g->path);
    for (int64_t i = 0; status == CN_OK && i < m->g->n_tensors; i++) {
        struct cn_str name = m->g->tensors[i].name;
        int64_t block = block_of(name);
        if (block >= m->n_layer) {
            char shown[CN_SHOW_BYTES];
            status = cn_fail(m->err, CN_ERR_FORMAT,
                             "%s: tensor \"%s\": a block below %" PRId64 " (block_count) expected",
                             m->g->path, cn_str_show(name, shown, sizeof shown), m->n_layer);
        } else if (block >= 0) {
            seen[block] = true;
            experts |=
                ends_with(name, "ffn_down_exps.weight") || ends_with(name, "ffn_down.0.weight");
        }
    }
    for (int64_t i = 0; status == CN_OK && i < m->n_layer; i++)
        if (!seen[i])
            status = cn_fail(m->err, CN_ERR_FORMAT,
                             "%s: no tensor of block %" PRId64 ", %" PRId64
                             " blocks expected (block_count)",
                             m->g->path, i, m->n_layer);
    if (status == CN_OK && m->n_expert > 0 && !experts)
        status = cn_fail(m->err, CN_ERR_FORMAT,
                         "%s: tensors of %" PRId64 " experts expected (expert_count), none found",
                         m->g->path, m->n_expert);
    free(seen);
    return status;
}

/* ---- kinds of files ----------------------------------------------------------------------- */

static enum cn_status check_model(const struct cn_gguf *g, struct cn_error *err)
{
    struct model m = { .g = g, .err = err };
    int64_t n_vocab;
    char shown[CN_SHOW_BYTES];
    CN_RETURN_IF(!cn_gguf_find(g, "general.architecture"), CN_ERR_FORMAT, err,
                 "%s: required key \"general.architecture\" is missing", g->path);
    CN_TRY(cn_gguf_get_str(g, "general.architecture", &m.arch, err));
    CN_RETURN_IF(m.arch.n == 0 || m.arch.n > MAX_ARCH_BYTES || memchr(m.arch.p, 0, m.arch.n),
                 CN_ERR_FORMAT, err, "%s: key \"general.architecture\": \"%s\" is no name", g->path,
                 cn_str_show(m.arch, shown, sizeof shown));
    CN_TRY(check_hyperparameters(&m));
    CN_TRY(cn_gguf_check_vocab(g, &n_vocab, err));
    if (g->n_tensors > 0) {
        CN_TRY(check_embedding(&m, n_vocab));
        return check_blocks(&m);
    }
    /* A vocabulary without weights ends with its metadata; bytes behind it are weights that the
     * tensor count does not own up to. */
    size_t header = 4 + 4 + 8 + 8;
    for (int64_t i = 0; i < g->n_kv; i++)
        header += g->kv[i].raw_bytes;
    header = (header + g->alignment - 1) / g->alignment * g->alignment;
    CN_RETURN_IF(g->file_bytes > header, CN_ERR_FORMAT, err,
                 "%s: no tensors found, but %zu bytes follow the metadata", g->path,
                 g->file_bytes - header);
    return CN_OK;
}

/* Every NAME.in_sum2 has its NAME.counts with as many matrices. */
static enum cn_status check_imatrix(const struct cn_gguf *g, struct cn_error *err)
{
    static const char sums[] = ".in_sum2";
    int64_t n_entries = 0;
    for (int64_t i = 0; i < g->n_tensors; i++) {
        const struct cn_gguf_tensor *t = &g->tensors[i], *counts;
        char name[512], shown[CN_SHOW_BYTES];
        if (!ends_with(t->name, sums))
            continue;
        n_entries++;
        snprintf(name, sizeof name, "%.*s.counts", (int)(t->name.n - (sizeof sums - 1)), t->name.p);
        counts = cn_gguf_tensor(g, name);
        CN_RETURN_IF(!counts || counts->gguf_type != 0 || t->gguf_type != 0 || counts->ne[0] != 1 ||
                         counts->ne[1] != t->ne[1],
                     CN_ERR_FORMAT, err,
                     "%s: tensor \"%s\": F32 expected, with F32 counts [1, %" PRId64 "] beside it",
                     g->path, cn_str_show(t->name, shown, sizeof shown), t->ne[1]);
    }
    CN_RETURN_IF(n_entries == 0, CN_ERR_FORMAT, err,
                 "%s: an importance matrix without a single tensor NAME.in_sum2", g->path);
    return CN_OK;
}

enum cn_status cn_gguf_check_metadata(const struct cn_gguf *gguf, struct cn_error *err)
{
    struct cn_str type = { "model", 5 };
    CN_TRY(cn_gguf_get_str(gguf, "general.type", &type, err));
    if (equals(type, "imatrix"))
        return check_imatrix(gguf, err);
    return equals(type, "model") ? check_model(gguf, err) : CN_OK;
}

/* ---- data --------------------------------------------------------------------------------- */

/* Index of the first element that is not finite, or n. */
static int64_t first_not_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return i;
    return n;
}

enum cn_status cn_gguf_check_data(const struct cn_gguf *gguf, const struct cn_gguf_tensor *tensor,
                                  struct cn_error *err)
{
    enum { PIECE = 4096 }; /* a multiple of every block */
    float piece[PIECE], *x = piece;
    const struct cn_format *f = tensor->format;
    const uint8_t *p = tensor->data;
    int64_t step = PIECE;
    if (!f && tensor->gguf_type != 28) /* of the plain arrays F64 alone can be wrong */
        return CN_OK;
    if (f && f->header_bytes > 0 && tensor->ne[0] > PIECE) { /* a row has to stay whole */
        x = malloc((size_t)tensor->ne[0] * sizeof *x);
        CN_RETURN_IF(!x, CN_ERR_MEMORY, err, "%s: out of memory", gguf->path);
    }
    if (f && f->header_bytes > 0)
        step = tensor->ne[0];
    enum cn_status status = CN_OK;
    for (int64_t at = 0; at < tensor->n_elems && status == CN_OK; at += step) {
        int64_t n = tensor->n_elems - at < step ? tensor->n_elems - at : step;
        if (f) {
            f->ref->dequantize(n, p, x);
            if (f->ref->mark_bad_scales)
                f->ref->mark_bad_scales(n, p, x);
            p += cn_row_bytes(f, n);
        } else {
            for (int64_t i = 0; i < n; i++, p += sizeof(double)) {
                double value;
                memcpy(&value, p, sizeof value);
                x[i] = isfinite(value) ? 0 : NAN;
            }
        }
        int64_t i = first_not_finite(x, n);
        if (i < n) {
            char shown[CN_SHOW_BYTES];
            status = cn_fail(err, CN_ERR_FORMAT,
                             "%s: tensor \"%s\" (%s): row %" PRId64 ", column %" PRId64
                             ": %s found, a finite number expected",
                             gguf->path, cn_str_show(tensor->name, shown, sizeof shown),
                             cn_gguf_type_name(tensor->gguf_type), (at + i) / tensor->ne[0],
                             (at + i) % tensor->ne[0], isnan(x[i]) ? "NaN" : "infinity");
        }
    }
    if (x != piece)
        free(x);
    return status;
}
