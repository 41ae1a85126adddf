/* SPDX-License-Identifier: MIT
 *
 * A model file into another file type. Row by row: a piece of a tensor is read from the mapping,
 * converted by all threads and written, so that memory is a few rows however large the model.
 */
#include "base/layout.h"
#include "engine/tools.h"

#include <inttypes.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/threads.h"
#include "engine/gguf/gguf.h"
#include "engine/make/imatrix_file.h"
#include "engine/make/row_fit.h"
#include "engine/make/type_names.h"
#include "engine/model/arch.h"

enum {
    PIECE_ELEMS = 1 << 22, /* written at a time */
    CHUNK_ELEMS = 1 << 15, /* a thread takes at a time */
    COPY_BYTES = 1 << 24,
    MAX_THREADS = 256,
    QUANTIZATION_VERSION = 2,
    DEFAULT_ALIGNMENT = 32, /* of files that do not say */
    /* split.no and split.count as u16, split.tensors.count as i32, each behind the length of the
     * key, the key and the type */
    SPLIT_KEYS_BYTES = (8 + 8 + 4 + 2) + (8 + 11 + 4 + 2) + (8 + 19 + 4 + 4),
    GUESSED = 1024, /* bit of general.file_type: the types are not those of the name */
};

struct item {
    const struct cn_gguf_tensor *from;
    char *name;
    struct cn_mix_tensor mix;
    const struct cn_format *to;                /* NULL: copied */
    const struct cn_imatrix_entry *importance; /* NULL: none */
    size_t bytes;
    bool asked, chosen; /* by the user; by options.choices */
    bool stands_in;     /* for a type that needs importance data, which there are none of */
};

struct override {
    regex_t re;
    const struct cn_format *to;
    const char *text;
    bool compiled, used;
};

struct job {
    const char *in, *out;
    const struct cn_quantize_options *o;
    struct cn_error *err;
    const struct cn_file_type *file_type;
    const struct cn_format *output_type, *embedding_type; /* NULL: by the rules */
    struct override *overrides;
    struct cn_gguf gguf;
    struct cn_imatrix imatrix;
    struct item *items; /* [n_items], in the order of the source */
    size_t n_items;
    int n_threads;
    struct cn_pool *pool;
    double n_done, n_total;          /* weights to convert */
    int64_t n_faint_rows;            /* CN_ROW_FAINT */
    int n_files, n_faint_tensors;    /* files: 1, or as many as the source has */
    struct cn_gguf_writer **writers; /* [n_files], NULL: not begun, or finished */
};

/* ---- types by name --------------------------------------------------------------------------- */

static enum cn_status parse_override(struct job *j, const char *text, struct override *v)
{
    /* The last '=': an expression may hold some, a type's name does not. */
    const char *equals = strrchr(text, '=');
    CN_RETURN_IF(!equals || equals == text, CN_ERR_ARGUMENT, j->err,
                 "'%s': expected RE=TYPE, as in 'ffn_down=q6_k'", text);
    CN_TRY(cn_find_tensor_type(equals + 1, &v->to, j->err));
    char *pattern = strndup(text, (size_t)(equals - text));
    CN_RETURN_IF(!pattern, CN_ERR_MEMORY, j->err, "out of memory");
    int code = regcomp(&v->re, pattern, REG_EXTENDED | REG_NOSUB);
    v->compiled = code == 0;
    v->text = text;
    char why[128] = "";
    if (code != 0)
        regerror(code, &v->re, why, sizeof why);
    free(pattern);
    CN_RETURN_IF(code != 0, code == REG_ESPACE ? CN_ERR_MEMORY : CN_ERR_ARGUMENT, j->err,
                 "'%s': regular expression: %s", text, why);
    return CN_OK;
}

static enum cn_status take_options(struct job *j)
{
    const struct cn_quantize_options *o = j->o;
    if (o->type)
        CN_TRY(cn_find_file_type(o->type, &j->file_type, j->err));
    if (o->output_type)
        CN_TRY(cn_find_tensor_type(o->output_type, &j->output_type, j->err));
    if (o->embedding_type)
        CN_TRY(cn_find_tensor_type(o->embedding_type, &j->embedding_type, j->err));
    j->overrides = calloc(o->n_tensor_types + 1, sizeof *j->overrides);
    CN_RETURN_IF(!j->overrides, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < o->n_tensor_types; i++)
        CN_TRY(parse_override(j, o->tensor_types[i], &j->overrides[i]));
    j->n_threads = o->n_threads;
    if (j->n_threads <= 0)
        j->n_threads = cn_available_cores();
    if (j->n_threads > MAX_THREADS)
        j->n_threads = MAX_THREADS;
    return CN_OK;
}

/* ---- plan ------------------------------------------------------------------------------------ */

/* ARCH.key as an integer; of an array (one value per layer) the first. */
static enum cn_status model_fact(const struct job *j, const char *arch, const char *key,
                                 int64_t *value)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", arch, key);
    const struct cn_gguf_kv *kv = cn_gguf_find(&j->gguf, name);
    if (!kv || kv->type != CN_GGUF_ARRAY)
        return cn_gguf_get_i64(&j->gguf, name, 0, INT32_MAX, value, j->err);
    bool integer = kv->elem_type != CN_GGUF_STRING && kv->elem_type != CN_GGUF_F32 &&
                   kv->elem_type != CN_GGUF_F64 && kv->elem_type != CN_GGUF_BOOL;
    CN_RETURN_IF(!integer || kv->n == 0, CN_ERR_FORMAT, j->err, "%s: %s is not an integer", j->in,
                 name);
    *value = cn_gguf_elem_i64(kv, 0);
    return CN_OK;
}

static enum cn_status model_facts(const struct job *j, struct cn_mix_model *m, char *arch,
                                  size_t arch_bytes)
{
    struct cn_str s = { NULL, 0 };
    CN_TRY(cn_gguf_get_str(&j->gguf, "general.architecture", &s, j->err));
    CN_RETURN_IF(s.n == 0 || s.n >= arch_bytes || memchr(s.p, 0, s.n), CN_ERR_FORMAT, j->err,
                 "%s: not a model: general.architecture is missing or unreasonable", j->in);
    memcpy(arch, s.p, s.n);
    arch[s.n] = 0;
    *m = (struct cn_mix_model){ .has_imatrix = j->imatrix.n_entries > 0 };
    CN_TRY(model_fact(j, arch, "block_count", &m->n_layer));
    CN_TRY(model_fact(j, arch, "attention.head_count", &m->n_head));
    m->n_head_kv = m->n_head;
    CN_TRY(model_fact(j, arch, "attention.head_count_kv", &m->n_head_kv));
    CN_TRY(model_fact(j, arch, "expert_count", &m->n_expert));
    cn_arch_size_class(cn_arch_by_name(s.p, s.n), m);
    return CN_OK;
}

static enum cn_status make_items(struct job *j)
{
    j->n_items = (size_t)j->gguf.n_tensors;
    CN_RETURN_IF(j->n_items == 0, CN_ERR_FORMAT, j->err, "%s: no tensors in this file", j->in);
    j->items = calloc(j->n_items, sizeof *j->items);
    CN_RETURN_IF(!j->items, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < j->n_items; i++) {
        struct item *item = &j->items[i];
        const struct cn_gguf_tensor *t = item->from = &j->gguf.tensors[i];
        CN_RETURN_IF(memchr(t->name.p, 0, t->name.n), CN_ERR_FORMAT, j->err,
                     "%s: tensor %zu has a NUL in its name", j->in, i);
        item->name = strndup(t->name.p, t->name.n);
        CN_RETURN_IF(!item->name, CN_ERR_MEMORY, j->err, "out of memory");
        item->mix = (struct cn_mix_tensor){
            .name = item->name,
            .n_dims = t->n_dims,
            .ne = {t->ne[0], t->ne[1], t->ne[2], t->ne[3]},
            .type = t->gguf_type,
        };
    }
    return CN_OK;
}

/* The type the user asked for, or NULL. */
static const struct cn_format *asked_type(struct job *j, const char *name, bool has_output)
{
    bool embedding = strcmp(name, "token_embd.weight") == 0;
    for (size_t i = 0; i < j->o->n_tensor_types; i++)
        if (regexec(&j->overrides[i].re, name, 0, NULL, 0) == 0) {
            j->overrides[i].used = true;
            return j->overrides[i].to;
        }
    if (embedding && j->embedding_type)
        return j->embedding_type;
    if (strcmp(name, "output.weight") == 0 || (embedding && !has_output))
        return j->output_type;
    return NULL;
}

static const struct cn_format *chosen_type(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->o->n_choices; i++)
        if (strcmp(j->o->choices[i].name, name) == 0)
            return cn_format_by_name(j->o->choices[i].type);
    return NULL;
}

static bool needs_importance(const struct job *j, const struct item *item,
                             const struct cn_format *to)
{
    /* Who chooses tensor by tensor knows what is lost. */
    return to->ref->needs_weights ||
           (!item->chosen && cn_mix_needs_imatrix(j->file_type, item->name, to->gguf_type));
}

static enum cn_status choose_importance(struct job *j, struct item *item)
{
    char shown[CN_SHOW_BYTES];
    const struct cn_gguf_tensor *t = item->from;
    const struct cn_imatrix_entry *e = cn_imatrix_find(&j->imatrix, item->name);
    cn_str_show(t->name, shown, sizeof shown);
    if (e && e->n_cols * e->n_matrices != t->ne[0] * t->ne[2] * t->ne[3]) {
        /* Of the embedding some tools note something else under this name. */
        CN_RETURN_IF(strcmp(item->name, "token_embd.weight") != 0, CN_ERR_FORMAT, j->err,
                     "%s: importance of %s has %" PRId64 " values, expected %" PRId64
                     ": it was made with another model",
                     j->o->imatrix, shown, e->n_cols * e->n_matrices,
                     t->ne[0] * t->ne[2] * t->ne[3]);
        e = NULL;
    }
    item->importance = e;
    const bool needed = needs_importance(j, item, item->to);
    CN_RETURN_IF(needed && !e && !j->o->imatrix, CN_ERR_ARGUMENT, j->err,
                 "%s: %s needs an importance matrix; make one with 'carnot imatrix -m %s -f TEXT "
                 "-o FILE' and give it with --imatrix FILE",
                 shown, cn_gguf_type_name(item->to->gguf_type), j->in);
    CN_RETURN_IF(needed && !e, CN_ERR_ARGUMENT, j->err,
                 "%s: %s needs importance data, and %s has none for this tensor; choose another "
                 "type for it or an importance matrix that covers it",
                 shown, cn_gguf_type_name(item->to->gguf_type), j->o->imatrix);
    return CN_OK;
}

/* What becomes of one tensor, once the rules have spoken. */
static enum cn_status plan_item(struct job *j, struct item *item, bool has_output)
{
    char shown[CN_SHOW_BYTES];
    const struct cn_gguf_tensor *t = item->from;
    cn_str_show(t->name, shown, sizeof shown);
    item->bytes = t->bytes;
    if (!item->mix.quantised || !t->format)
        return CN_OK;
    const struct cn_format *asked = asked_type(j, item->name, has_output);
    item->asked = asked != NULL;
    if (!asked) {
        asked = chosen_type(j, item->name);
        item->chosen = asked != NULL;
    }
    const struct cn_format *to = asked ? asked : cn_format_by_gguf(item->mix.type);
    /* Importance matrices do not cover the embedding, as a rule. */
    if (!asked && j->o->pure && j->o->imatrix && needs_importance(j, item, to) &&
        !cn_imatrix_find(&j->imatrix, item->name) && strncmp(item->name, "blk.", 4) != 0) {
        to = cn_mix_stand_in(to, t->ne[0]);
        item->stands_in = true;
    }
    if (asked)
        item->mix.fell_back = false;
    CN_RETURN_IF(!to, CN_ERR_UNSUPPORTED, j->err,
                 "file type %s is not supported for this model: this build lacks the tensor type "
                 "%s, which %s would get",
                 j->file_type->name, cn_gguf_type_name(item->mix.type), shown);
    CN_RETURN_IF(t->ne[0] % to->block_elems != 0, CN_ERR_ARGUMENT, j->err,
                 "%s: rows of %" PRId64 " weights cannot be %s, which takes multiples of %u", shown,
                 t->ne[0], cn_gguf_type_name(to->gguf_type), to->block_elems);
    if (to == t->format)
        return CN_OK;
    CN_RETURN_IF(t->format->block_elems > 1 && !j->o->allow_requantize, CN_ERR_ARGUMENT, j->err,
                 "%s is %s already; quantising it again loses more than quantising the original "
                 "(--allow-requantize does it all the same)",
                 shown, cn_gguf_type_name(t->gguf_type));
    item->to = to;
    item->bytes = cn_row_bytes(to, t->ne[0]) * (size_t)(t->n_elems / t->ne[0]);
    j->n_total += (double)t->n_elems;
    return to->block_elems > 1 ? choose_importance(j, item) : CN_OK;
}

static enum cn_status plan(struct job *j)
{
    char arch[64];
    struct cn_mix_model model;
    CN_TRY(model_facts(j, &model, arch, sizeof arch));
    CN_TRY(make_items(j));
    struct cn_mix_tensor **order = malloc(j->n_items * sizeof *order);
    CN_RETURN_IF(!order, CN_ERR_MEMORY, j->err, "out of memory");
    for (size_t i = 0; i < j->n_items; i++)
        order[i] = &j->items[i].mix;
    cn_mix_plan(j->file_type, &model, j->o->pure, order, j->n_items);
    free(order);

    bool has_output = cn_gguf_tensor(&j->gguf, "output.weight") != NULL;
    size_t n_known = 0;
    for (size_t i = 0; i < j->n_items; i++) {
        CN_TRY(plan_item(j, &j->items[i], has_output));
        n_known += cn_imatrix_find(&j->imatrix, j->items[i].name) != NULL;
    }
    CN_RETURN_IF(
        j->o->imatrix && n_known == 0, CN_ERR_ARGUMENT, j->err,
        "%s: none of its %zu entries is for a tensor of %s: it was made with another model",
        j->o->imatrix, j->imatrix.n_entries, j->in);
    for (size_t i = 0; i < j->o->n_tensor_types; i++)
        CN_RETURN_IF(!j->overrides[i].used, CN_ERR_ARGUMENT, j->err,
                     "'%s' matches no matrix of %s that is not taken by one before it",
                     j->overrides[i].text, j->in);
    return CN_OK;
}

static void tell_plan(const struct job *j)
{
    for (size_t i = 0; i < j->n_items && j->o->plan; i++) {
        const struct item *item = &j->items[i];
        const struct cn_gguf_tensor *t = item->from;
        struct cn_quantize_tensor told = {
            .name = item->name,
            .n_dims = t->n_dims,
            .ne = t->ne,
            .from = cn_gguf_type_name(t->gguf_type),
            .to = cn_gguf_type_name(item->to ? item->to->gguf_type : t->gguf_type),
            .from_bytes = t->bytes,
            .to_bytes = item->bytes,
            .converted = item->to != NULL,
            .fell_back = item->mix.fell_back,
            .weighted = item->importance != NULL,
            .quantised = item->mix.quantised,
            .asked = item->asked,
        };
        j->o->plan(j->o->user, &told);
    }
}

static bool starts_with(struct cn_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

/* Whether a pair of the source goes into the new file: others are said anew, or no longer true. */
static bool carried_over(const struct cn_gguf_kv *kv)
{
    return !starts_with(kv->key, "split.") && !starts_with(kv->key, "quantize.") &&
           !starts_with(kv->key, "general.file_type") && !starts_with(kv->key, CN_GGUF_LOCAL_KEY) &&
           !starts_with(kv->key, "general.quantization_version");
}

/* What replaces or joins the pairs of the source; each pair is its key's length and the key, the
 * type, the value. */
static size_t metadata_bytes(const struct job *j)
{
    enum { U64 = 8, U32 = 4 };
    size_t n = 0;
    for (int64_t i = 0; i < j->gguf.n_kv; i++)
        n += carried_over(&j->gguf.kv[i]) ? j->gguf.kv[i].raw_bytes : 0;
    n += 2 * (U64 + 2 * U32) + strlen("general.quantization_version") + strlen("general.file_type");
    if (j->imatrix.n_entries == 0)
        return n;
    n += 2 * U64 + U32 + strlen("quantize.imatrix.file") + strlen(j->o->imatrix);
    if (j->imatrix.n_datasets > 0)
        n += 2 * U64 + U32 + strlen("quantize.imatrix.dataset") + strlen(j->imatrix.datasets[0]);
    return n + 2 * (U64 + 2 * U32) + strlen("quantize.imatrix.entries_count") +
           strlen("quantize.imatrix.chunks_count");
}

/* Whether the tensor goes into this file of the new model. */
static bool is_in(const struct job *j, const struct item *item, int file)
{
    return j->n_files == 1 || item->from->part == file;
}

/* The writer names tensor types that GGUF has no id for, each in a pair of its own. */
static size_t local_type_bytes(const struct job *j, int file)
{
    enum { U64 = 8, U32 = 4 };
    size_t n = 0;
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = &cn_formats[type];
        char key[CN_GGUF_LOCAL_KEY_BYTES];
        bool used = false;
        for (size_t i = 0; f->gguf_type >= CN_LOCAL_TYPES && i < j->n_items && !used; i++) {
            const struct item *item = &j->items[i];
            used = is_in(j, item, file) && (item->to ? item->to : item->from->format) == f;
        }
        if (used)
            n += 2 * U64 + U32 + strlen(cn_gguf_local_type_key(f->gguf_type, key)) +
                 strlen(f->label);
    }
    return n;
}

/* Magic, version and two counts; pairs; of each tensor its name with the length, the number of
 * dimensions, them, type and offset; data. */
static size_t file_bytes(const struct job *j, int file)
{
    size_t alignment = file == 0 ? j->gguf.alignment : DEFAULT_ALIGNMENT;
    size_t n = 24 + (file == 0 ? metadata_bytes(j) : 0) + local_type_bytes(j, file), data = 0;
    if (j->n_files > 1)
        n += SPLIT_KEYS_BYTES;
    for (size_t i = 0; i < j->n_items; i++) {
        if (!is_in(j, &j->items[i], file))
            continue;
        n += 8 + strlen(j->items[i].name) + 4 + 8 * (size_t)j->items[i].from->n_dims + 4 + 8;
        data += cn_round_up(j->items[i].bytes, alignment);
    }
    return cn_round_up(n, alignment) + data;
}

static void fill_result(const struct job *j, struct cn_file_result *r)
{
    *r = (struct cn_file_result){ .file_type = j->file_type->name };
    for (size_t i = 0; i < j->n_items; i++) {
        r->n_params += j->items[i].from->n_elems;
        r->tensor_bytes += j->items[i].bytes;
        r->from_tensor_bytes += j->items[i].from->bytes;
        r->n_fell_back += j->items[i].mix.fell_back;
        r->n_stand_ins += j->items[i].stands_in;
        if (j->items[i].stands_in)
            r->stand_in = cn_gguf_type_name(j->items[i].to->gguf_type);
    }
    r->n_faint_rows = j->n_faint_rows;
    r->n_faint_tensors = j->n_faint_tensors;
    r->n_files = j->n_files;
    for (int file = 0; file < j->n_files; file++)
        r->file_bytes += file_bytes(j, file);
    r->bpw = 8 * (double)r->tensor_bytes / (double)r->n_params;
}

/* ---- conversion ------------------------------------------------------------------------------ */

/* Rows first..first + n of a tensor, which the threads share. */
struct piece {
    struct job *j;
    const struct item *item;
    const float *importance; /* [matrices, n_cols] or NULL */
    uint8_t *out;
    float *rows;    /* [threads, n_floats]: a row, and room for cn_row_fit */
    uint8_t *spare; /* [threads, bytes of a new row] */
    size_t n_floats;
    int64_t first, n, chunk;
    atomic_llong bad_row;   /* a row with a NaN or infinity, -1: none */
    atomic_llong large_row; /* one whose weights are too large for the format, -1: none */
    atomic_llong n_faint;   /* rows: CN_ROW_FAINT */
    atomic_llong n_done;    /* rows */
    atomic_bool cancelled;
};

static void convert_rows(struct piece *p, int thread, int64_t begin, int64_t end)
{
    const struct cn_gguf_tensor *t = p->item->from;
    const struct cn_format *to = p->item->to;
    int64_t n_cols = t->ne[0];
    size_t from_bytes = cn_row_bytes(t->format, n_cols), to_bytes = cn_row_bytes(to, n_cols);
    float *row = p->rows + (size_t)thread * p->n_floats;
    for (int64_t r = begin; r < end; r++) {
        int64_t in_tensor = p->first + r, matrix = in_tensor / t->ne[1];
        const float *importance = p->importance ? p->importance + matrix * n_cols : NULL;
        uint8_t *out = p->out + (size_t)r * to_bytes;
        t->format->ref->dequantize(n_cols,
                                   (const uint8_t *)t->data + (size_t)in_tensor * from_bytes, row);
        if (!cn_all_finite(row, n_cols)) {
            atomic_store(&p->bad_row, in_tensor);
            return;
        }
        to->ref->quantize(n_cols, row, importance, out);
        enum cn_row_fit fit = cn_row_fit(to, n_cols, row, importance, out, row + n_cols,
                                         p->spare + (size_t)thread * to_bytes);
        if (fit == CN_ROW_TOO_LARGE) {
            atomic_store(&p->large_row, in_tensor);
            return;
        }
        atomic_fetch_add(&p->n_faint, fit == CN_ROW_FAINT);
    }
}

static void convert_chunk(void *context, int chunk, int thread)
{
    struct piece *p = context;
    const struct cn_quantize_options *o = p->j->o;
    int64_t n_cols = p->item->from->ne[0], begin = chunk * p->chunk;
    int64_t end = begin + p->chunk < p->n ? begin + p->chunk : p->n;
    if (atomic_load(&p->bad_row) >= 0 || atomic_load(&p->large_row) >= 0 ||
        atomic_load(&p->cancelled))
        return;
    convert_rows(p, thread, begin, end);
    int64_t done = atomic_fetch_add(&p->n_done, end - begin) + end - begin;
    if (thread != 0) /* the calling thread is 0, and only from there is the caller called back */
        return;
    if (o->cancel && o->cancel(o->user))
        atomic_store(&p->cancelled, true);
    if (o->progress) /* all is done only when the file is complete: hence + 1 */
        o->progress(o->user, p->j->n_done + (double)(done * n_cols), p->j->n_total + 1);
}

static enum cn_status take_importance(const struct job *j, const struct item *item, float **mean)
{
    const struct cn_imatrix_entry *e = item->importance;
    *mean = NULL;
    if (!e)
        return CN_OK;
    int64_t n = e->n_cols * e->n_matrices;
    float *m = malloc((size_t)n * sizeof *m);
    CN_RETURN_IF(!m, CN_ERR_MEMORY, j->err, "out of memory");
    cn_imatrix_weights(e, item->from->ne[0], m);
    *mean = m;
    return CN_OK;
}

/* Lets go of source pages that are done with: they would count as memory of this process until the
 * end. They are of a file mapped read-only, so that nothing is lost. */
static void release(const void *begin, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = cn_round_up((uintptr_t)begin, page);
    uintptr_t last = ((uintptr_t)begin + n_bytes) / page * page;
    if (first < last)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

static enum cn_status convert_pieces(struct job *j, struct cn_gguf_writer *w, struct piece *p,
                                     int64_t piece_rows)
{
    const struct cn_gguf_tensor *t = p->item->from;
    char shown[CN_SHOW_BYTES];
    int64_t n_rows = t->n_elems / t->ne[0];
    for (p->first = 0; p->first < n_rows; p->first += piece_rows) {
        p->n = n_rows - p->first < piece_rows ? n_rows - p->first : piece_rows;
        atomic_store(&p->n_done, 0);
        cn_pool_run(j->pool, j->n_threads, convert_chunk, p,
                    (int)((p->n + p->chunk - 1) / p->chunk));
        CN_RETURN_IF(atomic_load(&p->cancelled), CN_ERR_CANCELLED, j->err, "cancelled");
        CN_RETURN_IF(atomic_load(&p->bad_row) >= 0, CN_ERR_FORMAT, j->err,
                     "%s: %s: row %lld holds an infinity or something that is not a number", j->in,
                     cn_str_show(t->name, shown, sizeof shown), atomic_load(&p->bad_row));
        CN_RETURN_IF(atomic_load(&p->large_row) >= 0, CN_ERR_FORMAT, j->err,
                     "%s: %s: row %lld holds weights too large for %s", j->in,
                     cn_str_show(t->name, shown, sizeof shown), atomic_load(&p->large_row),
                     p->item->to->label);
        j->n_done += (double)(p->n * t->ne[0]);
        cn_gguf_writer_data(w, p->out, (size_t)p->n * cn_row_bytes(p->item->to, t->ne[0]));
        size_t from_row = cn_row_bytes(t->format, t->ne[0]);
        release((const uint8_t *)t->data + (size_t)p->first * from_row, (size_t)p->n * from_row);
        if (cn_gguf_writer_failed(w))
            break; /* cn_gguf_writer_finish says why */
    }
    return CN_OK;
}

static enum cn_status convert(struct job *j, struct cn_gguf_writer *w, const struct item *item)
{
    const struct cn_gguf_tensor *t = item->from;
    int64_t n_cols = t->ne[0], n_rows = t->n_elems / n_cols;
    int64_t piece_rows = PIECE_ELEMS / n_cols > 1 ? PIECE_ELEMS / n_cols : 1;
    if (piece_rows > n_rows)
        piece_rows = n_rows;
    struct piece p = { .j = j, .item = item };
    float *importance = NULL;
    atomic_init(&p.bad_row, -1);
    atomic_init(&p.large_row, -1);
    atomic_init(&p.n_faint, 0);
    p.chunk = CHUNK_ELEMS / n_cols > 1 ? CHUNK_ELEMS / n_cols : 1;
    p.n_floats = (size_t)n_cols + cn_row_fit_scratch(n_cols);
    p.rows = malloc((size_t)j->n_threads * p.n_floats * sizeof *p.rows);
    p.spare = malloc((size_t)j->n_threads * cn_row_bytes(item->to, n_cols));
    p.out = malloc((size_t)piece_rows * cn_row_bytes(item->to, n_cols));
    enum cn_status status = p.rows && p.spare && p.out
                                ? take_importance(j, item, &importance)
                                : cn_fail(j->err, CN_ERR_MEMORY, "out of memory");
    if (status == CN_OK) {
        p.importance = importance;
        status = convert_pieces(j, w, &p, piece_rows);
        j->n_faint_rows += atomic_load(&p.n_faint);
        j->n_faint_tensors += atomic_load(&p.n_faint) > 0;
    }
    free(importance);
    free(p.rows);
    free(p.spare);
    free(p.out);
    return status;
}

/* ---- the new file ---------------------------------------------------------------------------- */

static void write_metadata(const struct job *j, struct cn_gguf_writer *w)
{
    for (int64_t i = 0; i < j->gguf.n_kv; i++)
        if (carried_over(&j->gguf.kv[i]))
            cn_gguf_writer_raw(w, &j->gguf.kv[i]);
    cn_gguf_writer_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    cn_gguf_writer_u32(w, "general.file_type",
                       j->file_type->id | (j->o->n_choices ? (uint32_t)GUESSED : 0));
    if (j->imatrix.n_entries == 0)
        return;
    cn_gguf_writer_str(w, "quantize.imatrix.file", j->o->imatrix);
    if (j->imatrix.n_datasets > 0)
        cn_gguf_writer_str(w, "quantize.imatrix.dataset", j->imatrix.datasets[0]);
    cn_gguf_writer_u32(w, "quantize.imatrix.entries_count", (uint32_t)j->imatrix.n_entries);
    cn_gguf_writer_u32(w, "quantize.imatrix.chunks_count", j->imatrix.n_chunks);
}

/* In every file of a split model; the first one has all others too. */
static void write_split(const struct job *j, int file, struct cn_gguf_writer *w)
{
    cn_gguf_writer_u16(w, "split.no", (uint16_t)file);
    cn_gguf_writer_u16(w, "split.count", (uint16_t)j->n_files);
    cn_gguf_writer_i32(w, "split.tensors.count", (int32_t)j->n_items);
}

static void copy(struct cn_gguf_writer *w, const struct cn_gguf_tensor *t)
{
    const uint8_t *p = t->data;
    for (size_t n, left = t->bytes; left > 0; p += n, left -= n) {
        n = left < COPY_BYTES ? left : COPY_BYTES;
        cn_gguf_writer_data(w, p, n);
        release(p, n);
    }
}

static enum cn_status write_tensors(struct job *j, int file, struct cn_gguf_writer *w)
{
    for (size_t i = 0; i < j->n_items; i++) {
        const struct item *item = &j->items[i];
        if (!is_in(j, item, file))
            continue;
        cn_gguf_writer_tensor(w, item->name, item->to ? item->to->gguf_type : item->from->gguf_type,
                              item->from->n_dims, item->from->ne, item->bytes);
    }
    for (size_t i = 0; i < j->n_items && !cn_gguf_writer_failed(w); i++) {
        const struct item *item = &j->items[i];
        if (!is_in(j, item, file))
            continue;
        CN_RETURN_IF(j->o->cancel && j->o->cancel(j->o->user), CN_ERR_CANCELLED, j->err,
                     "cancelled");
        if (item->to)
            CN_TRY(convert(j, w, item));
        else
            copy(w, item->from);
    }
    return CN_OK;
}

static enum cn_status file_name(const struct job *j, int file, char **name)
{
    if (j->o->keep_split)
        return cn_gguf_part_name(j->out, file, j->n_files, name, j->err);
    *name = strdup(j->out);
    CN_RETURN_IF(!*name, CN_ERR_MEMORY, j->err, "out of memory");
    return CN_OK;
}

static enum cn_status count_files(struct job *j)
{
    j->n_files = j->o->keep_split ? j->gguf.n_parts : 1;
    CN_RETURN_IF(j->o->keep_split && j->n_files < 2, CN_ERR_ARGUMENT, j->err,
                 "%s: this model is one file: there is no split to keep", j->in);
    return CN_OK;
}

/* The new files must not take the place of what they are made of. */
static enum cn_status check_out(const struct job *j)
{
    for (int file = 0; file < j->n_files; file++) {
        char *name;
        CN_TRY(file_name(j, file, &name));
        enum cn_status status = cn_outfile_spare(name, j->in, j->err);
        if (status == CN_OK)
            status = cn_outfile_spare(name, j->o->imatrix, j->err);
        if (status == CN_OK)
            status = cn_outfile_probe(name, j->err);
        if (status == CN_OK && !j->o->force)
            status = cn_file_kind_check(name, CN_FILE_MODEL, j->err);
        free(name);
        if (status != CN_OK)
            return status;
    }
    return CN_OK;
}

/* One file, complete but for its name. */
static enum cn_status write_file(struct job *j, int file)
{
    char *name;
    CN_TRY(file_name(j, file, &name));
    enum cn_status status = cn_gguf_writer_create(name, &j->writers[file], j->err);
    free(name);
    if (status != CN_OK)
        return status;
    struct cn_gguf_writer *w = j->writers[file];
    if (file == 0)
        write_metadata(j, w);
    if (j->n_files > 1)
        write_split(j, file, w);
    CN_TRY(write_tensors(j, file, w));
    return cn_gguf_writer_seal(w, j->err);
}

static enum cn_status write_files(struct job *j)
{
    enum cn_status status = CN_OK;
    j->pool = cn_pool_create(j->n_threads, true);
    if (!j->pool)
        return cn_fail_errno(j->err, "cannot start %d threads", j->n_threads);
    j->writers = calloc((size_t)j->n_files, sizeof(struct cn_gguf_writer *));
    CN_RETURN_IF(!j->writers, CN_ERR_MEMORY, j->err, "out of memory");
    for (int file = 0; file < j->n_files && status == CN_OK; file++)
        status = write_file(j, file);
    if (status == CN_OK)
        status = j->n_files > 1 ? cn_gguf_writer_finish_all(j->writers, (size_t)j->n_files, j->err)
                                : cn_gguf_writer_finish(j->writers[0], j->err);
    else
        for (int file = 0; file < j->n_files; file++)
            cn_gguf_writer_abandon(j->writers[file]);
    if (status == CN_OK && j->o->progress)
        j->o->progress(j->o->user, j->n_total + 1, j->n_total + 1);
    return status;
}

static enum cn_status run(struct job *j, struct cn_file_result *result)
{
    CN_TRY(take_options(j));
    if (j->o->imatrix)
        CN_TRY(cn_imatrix_read(j->o->imatrix, &j->imatrix, j->err));
    CN_TRY(cn_gguf_open(j->in, &j->gguf, j->err));
    enum cn_status status = count_files(j);
    if (status == CN_OK && !j->o->dry_run)
        status = check_out(j);
    if (status == CN_OK)
        status = plan(j);
    if (status == CN_OK) {
        tell_plan(j);
        status = j->o->dry_run ? CN_OK : write_files(j);
    }
    if (status == CN_OK && result)
        fill_result(j, result);
    cn_gguf_close(&j->gguf);
    return status;
}

static void free_overrides(struct job *j)
{
    for (size_t i = 0; i < j->o->n_tensor_types && j->overrides; i++)
        if (j->overrides[i].compiled)
            regfree(&j->overrides[i].re);
    free(j->overrides);
}

enum cn_status cn_quantize_check(const struct cn_quantize_options *options, struct cn_error *err)
{
    struct job j = { .o = options, .err = err };
    enum cn_status status = take_options(&j);
    free_overrides(&j);
    return status;
}

enum cn_status cn_quantize_check_out(const char *in, const char *out,
                                     const struct cn_quantize_options *options,
                                     struct cn_error *err)
{
    struct job j = { .in = in, .out = out, .o = options, .err = err };
    CN_TRY(cn_gguf_open(in, &j.gguf, err));
    enum cn_status status = count_files(&j);
    if (status == CN_OK)
        status = check_out(&j);
    cn_gguf_close(&j.gguf);
    return status;
}

enum cn_status cn_quantize_file(const char *in, const char *out,
                                const struct cn_quantize_options *options,
                                struct cn_file_result *result, struct cn_error *err)
{
    struct job j = { .in = in, .out = out, .o = options, .err = err };
    enum cn_status status = run(&j, result);
    free_overrides(&j);
    for (size_t i = 0; i < j.n_items && j.items; i++)
        free(j.items[i].name);
    free(j.items);
    free(j.writers);
    cn_imatrix_free(&j.imatrix);
    cn_pool_free(j.pool);
    return status;
}
