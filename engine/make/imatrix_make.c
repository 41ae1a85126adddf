/* SPDX-License-Identifier: MIT
 *
 * Importance matrices from a model and a text: the session tells of each product, its input's
 * squares are added to the entry of its weight.
 */
#include "engine/tools.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/make/imatrix_file.h"
#include "engine/run/session.h"

enum { LOGITS_BYTES = 64 << 20 /* memory for logits, where the output matrix is wanted */ };

/* A weight is known by the address of its data; its name is that of the tensor there. */
struct known {
    const uint8_t *data;
    const struct cn_gguf_tensor *tensor;
    struct cn_imatrix_entry *entry; /* once it was needed */
};

struct collector {
    const struct cn_imatrix_options *options;
    const struct cn_model *model;
    struct cn_session *session;
    struct cn_imatrix in, im; /* what is added; what the text gave */
    struct known *known;      /* [n_known], by address */
    size_t n_known;
    double *squares; /* [widest] of the input in hand */
    int32_t *chunk;  /* [n_ctx] */
    int32_t n_ctx, n_logits;
    enum cn_status status; /* of what happened while the session was evaluating */
    struct cn_error *err;
};

/* ---- collecting ------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct known *)a)->data;
    uintptr_t y = (uintptr_t)((const struct known *)b)->data;
    return x < y ? -1 : x > y;
}

static enum cn_status find_weights(struct collector *c)
{
    const struct cn_gguf *g = &c->model->gguf;
    int64_t widest = 0;
    c->known = malloc(((size_t)g->n_tensors + 1) * sizeof *c->known);
    CN_RETURN_IF(!c->known, CN_ERR_MEMORY, c->err, "out of memory");
    for (int64_t i = 0; i < g->n_tensors; i++) {
        const struct cn_gguf_tensor *t = &g->tensors[i];
        bool of_layer = t->name.n > 4 && memcmp(t->name.p, "blk.", 4) == 0;
        bool of_output = c->options->output_tensor && t->data == c->model->output.data;
        if (t->n_dims < 2 || !(of_layer || of_output))
            continue;
        c->known[c->n_known++] = (struct known){ .data = t->data, .tensor = t };
        widest = t->ne[0] > widest ? t->ne[0] : widest;
    }
    qsort(c->known, c->n_known, sizeof *c->known, by_address);
    c->squares = malloc((size_t)(widest + 1) * sizeof *c->squares);
    CN_RETURN_IF(!c->squares, CN_ERR_MEMORY, c->err, "out of memory");
    return CN_OK;
}

/* The entry for the sums of w, made when first needed; NULL: not wanted, or c->status says why. */
static struct cn_imatrix_entry *entry_of(struct collector *c, const struct cn_weight *w)
{
    struct known key = { .data = w->data };
    struct known *k = bsearch(&key, c->known, c->n_known, sizeof *c->known, by_address);
    if (!k || k->entry)
        return k ? k->entry : NULL;
    char *name = strndup(k->tensor->name.p, k->tensor->name.n);
    if (name) {
        struct cn_imatrix_entry *old = cn_imatrix_find(&c->im, name);
        k->entry = cn_imatrix_add(&c->im, name, w->cols, w->n_mats);
        if (old && !k->entry) {
            char shown[CN_SHOW_BYTES];
            c->status = cn_fail(c->err, CN_ERR_FORMAT,
                                "%s: %s: %" PRId64 " columns of %" PRId64
                                " matrices expected for this model, %" PRId64 " of %" PRId64
                                " found (it was made from another model)",
                                c->options->out, cn_str_show(k->tensor->name, shown, CN_SHOW_BYTES),
                                w->cols, w->n_mats, old->n_cols, old->n_matrices);
        }
    }
    free(name);
    if (!k->entry && c->status == CN_OK)
        c->status = cn_fail(c->err, CN_ERR_MEMORY, "out of memory");
    return k->entry;
}

/* squares[n_cols] = sums over the rows of in, in double: a float's 24 bits would lose the small
 * values of a long text. */
static void sum_squares(const struct cn_input *in, double *squares)
{
    memset(squares, 0, (size_t)in->n_cols * sizeof *squares);
    for (int64_t t = 0; t < in->n_tokens; t++) {
        const float *x = in->x + t * in->x_stride;
        for (int64_t j = 0; j < in->n_cols; j++)
            squares[j] += (double)x[j] * (double)x[j];
    }
}

static void observe(void *user, const struct cn_product *products, int n)
{
    struct collector *c = user;
    const struct cn_input *summed = NULL;
    for (int i = 0; i < n && c->status == CN_OK; i++) {
        const struct cn_product *p = &products[i];
        struct cn_imatrix_entry *e = entry_of(c, p->w);
        if (!e)
            continue;
        /* Queries, keys and values, or gate and up: products of one input come together. */
        if (p->in != summed)
            sum_squares(p->in, c->squares);
        summed = p->in;
        double *sum2 = e->sum2 + p->mat * e->n_cols;
        for (int64_t j = 0; j < e->n_cols; j++)
            sum2[j] += c->squares[j];
        e->count[p->mat] += (double)p->in->n_tokens;
    }
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* With nothing wanted the output matrix is not multiplied at all. */
static enum cn_status eval_chunk(struct collector *c)
{
    if (!c->options->output_tensor)
        return cn_session_eval(c->session, c->chunk, c->n_ctx, CN_WANT_NONE, c->err);
    for (int32_t at = 0; at < c->n_ctx; at += c->n_logits) {
        int32_t n = c->n_ctx - at < c->n_logits ? c->n_ctx - at : c->n_logits;
        CN_TRY(cn_session_eval(c->session, c->chunk + at, n, CN_WANT_ALL, c->err));
    }
    return CN_OK;
}

/* The file's floats must be able to hold every sum. */
static enum cn_status check_finite(const struct collector *c)
{
    for (size_t i = 0; i < c->im.n_entries; i++) {
        const struct cn_imatrix_entry *e = c->im.entries[i];
        for (int64_t k = 0; k < e->n_cols * e->n_matrices; k++) {
            char shown[CN_SHOW_BYTES];
            struct cn_str name = { e->name, strlen(e->name) };
            CN_RETURN_IF(!isfinite((float)e->sum2[k]), CN_ERR_FORMAT, c->err,
                         "the model's activations are not finite: the input of %s, column %" PRId64,
                         cn_str_show(name, shown, CN_SHOW_BYTES), k % e->n_cols);
        }
    }
    return CN_OK;
}

static void count_matrices(const struct cn_imatrix *im, struct cn_imatrix_result *r)
{
    r->n_entries = (int64_t)im->n_entries;
    r->total_chunks = im->n_chunks;
    r->n_matrices = r->n_never = 0;
    for (size_t i = 0; i < im->n_entries; i++) {
        r->n_matrices += im->entries[i]->n_matrices;
        for (int64_t m = 0; m < im->entries[i]->n_matrices; m++)
            r->n_never += im->entries[i]->count[m] <= 0;
    }
}

/* Reads all of `in` at the start: `out` may be one of them, and a fault shows before the work. */
static enum cn_status read_in(struct collector *c)
{
    const struct cn_imatrix_options *o = c->options;
    for (size_t i = 0; i < o->n_in; i++) {
        struct cn_imatrix in = { 0 };
        struct cn_error why = { "" };
        CN_TRY(cn_imatrix_read(o->in[i], &in, c->err));
        enum cn_status status = cn_imatrix_merge(&c->in, &in, &why);
        cn_imatrix_free(&in);
        CN_RETURN_IF(status != CN_OK, status, c->err, "%s: %s", o->in[i], why.text);
    }
    return CN_OK;
}

/* Writes `in` and what was collected, added up. */
static enum cn_status save(const struct collector *c, struct cn_imatrix_result *r)
{
    struct cn_imatrix total = { 0 };
    CN_TRY(check_finite(c));
    enum cn_status status = cn_imatrix_merge(&total, &c->in, c->err);
    if (status == CN_OK)
        status = cn_imatrix_merge(&total, &c->im, c->err);
    if (status == CN_OK)
        status = cn_imatrix_write(c->options->out, &total, c->err);
    if (status == CN_OK)
        count_matrices(&total, r);
    cn_imatrix_free(&total);
    return status;
}

static enum cn_status run_chunks(struct collector *c, const int32_t *tokens, int32_t n_chunks,
                                 struct cn_imatrix_result *r)
{
    const struct cn_imatrix_options *o = c->options;
    const struct cn_model_info *info = cn_model_get_info(c->model);
    enum cn_status status = CN_OK;
    while (status == CN_OK && (int32_t)c->im.n_chunks < n_chunks) {
        /* Only here: a part of a chunk must not get into the sums. */
        if (o->cancel && o->cancel(o->user))
            return cn_fail(c->err, CN_ERR_CANCELLED, "interrupted");
        memcpy(c->chunk, tokens + (size_t)c->im.n_chunks * (size_t)c->n_ctx,
               (size_t)c->n_ctx * sizeof *tokens);
        if (info->add_bos && info->bos >= 0)
            c->chunk[0] = info->bos;
        CN_TRY(cn_session_rewind(c->session, 0, c->err));
        CN_TRY(eval_chunk(c));
        CN_TRY(c->status);
        c->im.n_chunks++;
        r->n_chunks = (int32_t)c->im.n_chunks;
        if (o->every > 0 && r->n_chunks % o->every == 0 && r->n_chunks < n_chunks)
            status = save(c, r);
        if (o->progress)
            o->progress(o->user, r->n_chunks, n_chunks);
    }
    return status;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Takes up what an earlier run left in `out`, if anything. */
static enum cn_status take_up(struct collector *c, const char *text, const char *model)
{
    const struct cn_imatrix_options *o = c->options;
    if (access(o->out, F_OK) != 0 && errno == ENOENT)
        return CN_OK;
    CN_TRY(cn_imatrix_read(o->out, &c->im, c->err));
    CN_RETURN_IF(c->im.chunk_size != (uint32_t)c->n_ctx, CN_ERR_ARGUMENT, c->err,
                 "%s: cannot resume: chunks of %d tokens expected, %u found", o->out, c->n_ctx,
                 c->im.chunk_size);
    CN_RETURN_IF(c->im.n_datasets != 1 || strcmp(c->im.datasets[0], o->dataset) != 0,
                 CN_ERR_ARGUMENT, c->err,
                 "%s: cannot resume: it was not made from the text '%s' alone", o->out, o->dataset);
    CN_RETURN_IF(strcmp(c->im.text_sha256, text) != 0, CN_ERR_ARGUMENT, c->err,
                 "%s: cannot resume: '%s' is not the text that it was made from%s", o->out,
                 o->dataset, c->im.text_sha256[0] ? "" : ", or it does not say which");
    CN_RETURN_IF(strcmp(c->im.model_sha256, model) != 0, CN_ERR_ARGUMENT, c->err,
                 "%s: cannot resume: this is not the model that it was made with%s", o->out,
                 c->im.model_sha256[0] ? "" : ", or it does not say which");
    CN_RETURN_IF(c->im.n_chunks > INT32_MAX, CN_ERR_FORMAT, c->err, "%s: %u chunks found", o->out,
                 c->im.n_chunks);
    return CN_OK;
}

static void hash_text(const struct cn_imatrix_options *o, const int32_t *tokens, size_t n,
                      char hex[CN_SHA256_HEX])
{
    struct cn_sha256 hash;
    if (o->text_sha256) {
        snprintf(hex, CN_SHA256_HEX, "%s", o->text_sha256);
        return;
    }
    cn_sha256_begin(&hash);
    cn_sha256_add(&hash, tokens, n * sizeof *tokens);
    cn_sha256_end(&hash, hex);
}

/* Names, shapes and types of all tensors, and samples of their weights: another model differs in
 * nearly all of them, and a large one takes minutes to be read in full. */
static void hash_model(const struct cn_model *model, char hex[CN_SHA256_HEX])
{
    enum { SAMPLES = 16, SAMPLE_BYTES = 4096 };
    struct cn_sha256 hash;
    cn_sha256_begin(&hash);
    for (int64_t i = 0; i < model->gguf.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &model->gguf.tensors[i];
        cn_sha256_add(&hash, t->name.p, t->name.n);
        cn_sha256_add(&hash, t->ne, sizeof t->ne);
        cn_sha256_add(&hash, &t->gguf_type, sizeof t->gguf_type);
        const size_t all = t->bytes, n = all < SAMPLE_BYTES ? all : SAMPLE_BYTES;
        for (size_t k = 0; k < SAMPLES; k++)
            cn_sha256_add(&hash, (const uint8_t *)t->data + (all - n) / (SAMPLES - 1) * k, n);
    }
    cn_sha256_end(&hash, hex);
}

/* Pieces from all over the text, each beginning as a text does, for those who want to measure
 * something on text that people wrote (bench/quality/auto_probe.c). */
static enum cn_status keep_sample(struct collector *c, const int32_t *tokens, size_t n)
{
    enum { PIECES = 16, PIECE = 512 };
    const struct cn_model_info *info = cn_model_get_info(c->model);
    const size_t n_piece = n < PIECE ? n : PIECE;
    const size_t n_pieces = n / n_piece < PIECES ? n / n_piece : PIECES;
    int32_t piece[PIECE];
    c->im.n_sample = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        memcpy(piece, tokens + (n / n_pieces) * i, n_piece * sizeof *piece);
        if (info->add_bos && info->bos >= 0)
            piece[0] = info->bos;
        CN_RETURN_IF(!cn_imatrix_add_sample(&c->im, piece, n_piece), CN_ERR_MEMORY, c->err,
                     "out of memory");
    }
    return CN_OK;
}

static enum cn_status collect(struct collector *c, const int32_t *tokens, size_t n,
                              struct cn_imatrix_result *r)
{
    const struct cn_imatrix_options *o = c->options;
    CN_RETURN_IF(n < (size_t)c->n_ctx, CN_ERR_ARGUMENT, c->err,
                 "the text has %zu tokens; at least %d (one chunk) are needed", n, c->n_ctx);
    size_t most = n / (size_t)c->n_ctx;
    int32_t n_chunks = most > INT32_MAX ? INT32_MAX : (int32_t)most;
    if (o->n_chunks && o->n_chunks < n_chunks)
        n_chunks = o->n_chunks;
    char text[CN_SHA256_HEX], hash[CN_SHA256_HEX];
    hash_text(o, tokens, n, text);
    hash_model(c->model, hash);
    if (o->resume)
        CN_TRY(take_up(c, text, hash));
    memcpy(c->im.text_sha256, text, sizeof text);
    memcpy(c->im.model_sha256, hash, sizeof hash);
    r->n_chunks = r->n_resumed = (int32_t)c->im.n_chunks;
    c->im.chunk_size = (uint32_t)c->n_ctx;
    if (c->im.n_datasets == 0)
        CN_RETURN_IF(!cn_imatrix_add_dataset(&c->im, o->dataset), CN_ERR_MEMORY, c->err,
                     "out of memory");
    CN_TRY(keep_sample(c, tokens, (size_t)n_chunks * (size_t)c->n_ctx));
    CN_TRY(find_weights(c));
    c->chunk = malloc((size_t)c->n_ctx * sizeof *c->chunk);
    CN_RETURN_IF(!c->chunk, CN_ERR_MEMORY, c->err, "out of memory");
    c->n_logits = LOGITS_BYTES / 4 / cn_model_get_info(c->model)->n_vocab;
    c->n_logits = c->n_logits < 8 ? 8 : c->n_logits > 512 ? 512 : c->n_logits;
    struct cn_session_options session = { .n_ctx = c->n_ctx,
                                          .n_logits = o->output_tensor ? c->n_logits : 1,
                                          .n_threads = o->n_threads };
    CN_TRY(cn_session_create(c->model, &session, &c->session, c->err));
    c->session->group->observe = observe;
    c->session->group->observe_user = c;
    return run_chunks(c, tokens, n_chunks, r);
}

enum cn_status cn_imatrix_make(const struct cn_model *model, const int32_t *tokens, size_t n,
                               const struct cn_imatrix_options *options,
                               struct cn_imatrix_result *result, struct cn_error *err)
{
    struct collector c = { .options = options, .model = model, .err = err };
    struct cn_imatrix_result r = { 0 };
    c.n_ctx = options->n_ctx ? options->n_ctx : 512;
    CN_RETURN_IF(c.n_ctx < 1, CN_ERR_ARGUMENT, err, "chunk: 1 token or more expected, %d given",
                 c.n_ctx);
    CN_RETURN_IF(options->n_in > 0 && options->resume, CN_ERR_ARGUMENT, err,
                 "resuming with other files to add: what is in %s could not be told apart",
                 options->out);
    CN_RETURN_IF(!model && options->n_in == 0, CN_ERR_ARGUMENT, err,
                 "neither a model nor files to add");
    enum cn_status status = read_in(&c);
    if (status == CN_OK && model)
        status = collect(&c, tokens, n, &r);
    if (status == CN_OK || (status == CN_ERR_CANCELLED && c.im.n_entries > 0)) {
        enum cn_status saved = save(&c, &r);
        status = saved == CN_OK ? status : saved;
    }
    cn_session_free(c.session);
    cn_imatrix_free(&c.in);
    cn_imatrix_free(&c.im);
    free(c.known);
    free(c.squares);
    free(c.chunk);
    if (status == CN_OK || status == CN_ERR_CANCELLED)
        *result = r;
    return status;
}
