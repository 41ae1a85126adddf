/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/layout.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_check.h"
#include "engine/make/imatrix_file.h"
#include "engine/model/hparams.h"
#include "engine/run/mixer/mixer.h"
#include "engine/tools.h"

enum { N_PLAIN = 8, TEXT_BYTES = 320 }; /* plain arrays of numbers are of few types */

struct cn_inspect {
    struct cn_gguf gguf;   /* empty if the file is a .dat */
    struct cn_imatrix dat; /* empty if it is none */
    char *path;
    struct cn_inspect_info info;
    struct cn_inspect_type types[CN_N_TYPES + N_PLAIN];
    int64_t n_types;
    char kind[TEXT_BYTES], architecture[TEXT_BYTES], name[TEXT_BYTES], tokenizer[TEXT_BYTES];
    struct cn_error problem, cannot_run;
};

/* ---- gathering ---------------------------------------------------------------------------- */

/* Information is shown as far as it can be had: a key of the wrong type counts as absent here, the
 * check is what complains. */
static const char *text_of(const struct cn_gguf *g, const char *key, const char *absent,
                           char buf[TEXT_BYTES])
{
    struct cn_str s = { absent, strlen(absent) };
    cn_gguf_get_str(g, key, &s, NULL);
    return cn_str_show(s, buf, TEXT_BYTES);
}

static int64_t number_of(const struct cn_gguf *g, struct cn_str arch, const char *suffix)
{
    char key[128];
    int64_t value = -1;
    cn_gguf_get_i64(g, cn_gguf_arch_key(key, sizeof key, arch, suffix), 0, INT32_MAX, &value, NULL);
    return value;
}

/* The row of the histogram that has this type, which may be a new one. */
static struct cn_inspect_type *type_row(struct cn_inspect *in, uint32_t gguf_type)
{
    const char *name = cn_gguf_type_name(gguf_type);
    int64_t i = 0;
    while (i < in->n_types && strcmp(in->types[i].name, name) != 0)
        i++;
    if (i == in->n_types) {
        assert(i < CN_N_TYPES + N_PLAIN);
        in->types[in->n_types++].name = name;
    }
    return &in->types[i];
}

static void count_types(struct cn_inspect *in)
{
    for (int64_t i = 0; i < in->gguf.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &in->gguf.tensors[i];
        struct cn_inspect_type *type = type_row(in, t->gguf_type);
        type->n_tensors++;
        type->n_elems += t->n_elems;
        type->n_bytes += (int64_t)t->bytes;
        in->info.n_params += t->n_elems;
        in->info.tensor_bytes += (int64_t)t->bytes;
    }
}

/* Of architectures that are not built in: as if every layer kept keys and values of all positions.
 */
static int64_t kv_bytes_per_token(const struct cn_gguf *g, struct cn_str arch, int64_t n_layer,
                                  int64_t n_embd)
{
    int64_t d_k = number_of(g, arch, "attention.key_length");
    int64_t d_v = number_of(g, arch, "attention.value_length");
    int64_t sum = 0;
    char heads[128], heads_kv[128];
    if (n_layer < 1 || n_layer > CN_MAX_LAYERS || n_embd < 1)
        return -1;
    cn_gguf_arch_key(heads, sizeof heads, arch, "attention.head_count");
    cn_gguf_arch_key(heads_kv, sizeof heads_kv, arch, "attention.head_count_kv");
    for (int64_t i = 0; i < n_layer; i++) {
        int64_t n = -1, n_kv = -1;
        cn_gguf_get_layer_i64(g, heads, i, n_layer, 0, INT32_MAX, &n, NULL);
        cn_gguf_get_layer_i64(g, heads_kv, i, n_layer, 0, INT32_MAX, &n_kv, NULL);
        if (n < 0)
            return -1;
        if (n == 0)
            continue;
        int64_t k = d_k > 0 ? d_k : n_embd / n, v = d_v > 0 ? d_v : n_embd / n, bytes;
        if (__builtin_mul_overflow((n_kv < 0 ? n : n_kv) * 2, k + v, &bytes) ||
            __builtin_add_overflow(sum, bytes, &sum))
            return -1;
    }
    return sum;
}

/* What a session of context n_ctx would need, by kind of layer; -1: cannot be told. */
struct needs {
    int64_t kept, states; /* from token to token, and what of it are states */
    int64_t unfolded;     /* for long prompts of latent attention */
};

static struct needs needs_of(const struct cn_gguf *g, int64_t n_ctx)
{
    enum { N_BATCH = 512 }; /* a session's default: what a ring holds beside its window */
    struct needs n = { -1, -1, -1 };
    struct cn_str name = { "", 0 };
    cn_gguf_get_str(g, "general.architecture", &name, NULL);
    struct cn_model m = { .arch = cn_arch_by_name(name.p, name.n) };
    const struct cn_gguf_kv *tokens = cn_gguf_find(g, "tokenizer.ggml.tokens");
    if (!m.arch || !tokens || n_ctx < 1 || n_ctx > INT32_MAX ||
        cn_hparams_read(g, m.arch, (int64_t)tokens->n, &m.hp, NULL) != CN_OK)
        return n;
    const struct cn_mixer_sizes sizes = { &m, CN_KV_F16, n_ctx, n_ctx < N_BATCH ? n_ctx : N_BATCH };
    bool fits = true;
    n = (struct needs){ 0 };
    for (int64_t i = 0; i < m.hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(&m, i, k)); k++) {
            const size_t bytes = cn_round_up(mixer->state_bytes(&sizes, i), CN_ALIGN);
            const size_t unfolded = mixer->unfold_bytes ? mixer->unfold_bytes(&sizes, i) : 0;
            fits &= !__builtin_add_overflow(n.kept, bytes, &n.kept);
            if (mixer->saved_bytes)
                fits &= !__builtin_add_overflow(n.states, bytes, &n.states);
            if (unfolded > (size_t)n.unfolded)
                n.unfolded = unfolded < INT64_MAX ? (int64_t)unfolded : INT64_MAX;
        }
    }
    free(m.hp.layers);
    return fits ? n : (struct needs){ -1, -1, -1 };
}

static void gather(struct cn_inspect *in)
{
    const struct cn_gguf *g = &in->gguf;
    struct cn_inspect_info *info = &in->info;
    struct cn_str arch = { "", 0 };
    const struct cn_gguf_kv *tokens = cn_gguf_find(g, "tokenizer.ggml.tokens");

    info->kind = text_of(g, "general.type", "model", in->kind);
    info->architecture = text_of(g, "general.architecture", "", in->architecture);
    info->name = text_of(g, "general.name", "", in->name);
    info->tokenizer = text_of(g, "tokenizer.ggml.model", "", in->tokenizer);
    const struct cn_file_type *type = cn_gguf_file_type(g, &info->file_type_id);
    info->file_type = type ? type->name : NULL;
    info->version = g->version;
    info->n_parts = g->n_parts;
    info->file_bytes = (int64_t)g->file_bytes;
    info->n_keys = g->n_kv;
    info->n_tensors = g->n_tensors;
    count_types(in);
    if (info->n_params > 0)
        info->bpw = (double)info->tensor_bytes * 8 / (double)info->n_params;

    cn_gguf_get_str(g, "general.architecture", &arch, NULL);
    if (arch.n > 64)
        arch.n = 0;
    info->n_vocab =
        tokens && tokens->type == CN_GGUF_ARRAY && tokens->n <= INT32_MAX ? (int64_t)tokens->n : -1;
    info->n_ctx_train = number_of(g, arch, "context_length");
    info->n_layer = number_of(g, arch, "block_count");
    info->n_nextn = number_of(g, arch, "nextn_predict_layers");
    info->n_embd = number_of(g, arch, "embedding_length");
    info->kv_bytes_per_token = kv_bytes_per_token(g, arch, info->n_layer, info->n_embd);
    if (cn_gguf_check_metadata(g, &in->problem) != CN_OK)
        info->problem = in->problem.text;
}

static void gather_dat(struct cn_inspect *in, int64_t file_bytes)
{
    struct cn_inspect_info *info = &in->info;
    *info = (struct cn_inspect_info){ .kind = "imatrix",
                                      .architecture = "",
                                      .name = "",
                                      .tokenizer = "",
                                      .file_type_id = -1,
                                      .n_parts = 1,
                                      .file_bytes = file_bytes,
                                      .n_keys = 1 + (in->dat.n_datasets > 0),
                                      .n_tensors = (int64_t)in->dat.n_entries,
                                      .n_vocab = -1,
                                      .n_ctx_train = -1,
                                      .n_layer = -1,
                                      .n_nextn = -1,
                                      .n_embd = -1,
                                      .kv_bytes_per_token = -1 };
    for (size_t i = 0; i < in->dat.n_entries; i++)
        info->n_params += in->dat.entries[i]->n_cols;
    info->tensor_bytes = 4 * info->n_params;
    info->bpw = 32;
    in->n_types = 1;
    in->types[0] =
        (struct cn_inspect_type){ "F32", info->n_tensors, info->n_params, info->tensor_bytes };
}

/* An importance matrix of the older form, if the file is no GGUF file and reads as one. */
static bool open_dat(struct cn_inspect *in)
{
    char magic[4] = "";
    struct stat st;
    FILE *f = fopen(in->path, "rb");
    bool other = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "GGUF", 4) != 0 &&
                 fstat(fileno(f), &st) == 0;
    if (f)
        fclose(f);
    if (!other || cn_imatrix_read(in->path, &in->dat, NULL) != CN_OK)
        return false;
    gather_dat(in, (int64_t)st.st_size);
    return true;
}

/* ---- the public functions ----------------------------------------------------------------- */

static enum cn_status try_open(const struct cn_inspect *in, struct cn_error *err)
{
    struct cn_model *model;
    enum cn_status status = cn_model_open(in->path, NULL, &model, err);
    if (status == CN_OK)
        cn_model_close(model);
    return status;
}

enum cn_status cn_inspect_open(const char *path, struct cn_inspect **inspect, struct cn_error *err)
{
    struct cn_inspect *in = calloc(1, sizeof *in);
    CN_RETURN_IF(!in, CN_ERR_MEMORY, err, "%s: out of memory", path);
    in->path = strdup(path);
    enum cn_status status = in->path ? cn_gguf_open(path, &in->gguf, err)
                                     : cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
    if (status == CN_OK) {
        gather(in);
        if (strcmp(in->info.kind, "model") == 0 && in->gguf.n_tensors > 0)
            status = try_open(in, &in->cannot_run);
        if (status == CN_ERR_IO || status == CN_ERR_MEMORY) { /* no fault of the file */
            cn_fail(err, status, "%s", in->cannot_run.text);
            cn_inspect_close(in);
            return status;
        }
        if (status != CN_OK)
            in->info.cannot_run = in->cannot_run.text;
    } else if (status == CN_ERR_MEMORY || !open_dat(in)) {
        free(in->path);
        free(in);
        return status;
    }
    *inspect = in;
    return CN_OK;
}

void cn_inspect_close(struct cn_inspect *inspect)
{
    if (!inspect)
        return;
    cn_gguf_close(&inspect->gguf);
    cn_imatrix_free(&inspect->dat);
    free(inspect->path);
    free(inspect);
}

const struct cn_inspect_info *cn_inspect_get_info(const struct cn_inspect *inspect)
{
    return &inspect->info;
}

int64_t cn_inspect_kv_bytes(const struct cn_inspect *inspect, int64_t n_ctx)
{
    const int64_t known = needs_of(&inspect->gguf, n_ctx).kept;
    int64_t bytes;
    if (known >= 0)
        return known;
    if (inspect->info.kv_bytes_per_token < 0 ||
        __builtin_mul_overflow(inspect->info.kv_bytes_per_token, n_ctx, &bytes))
        return -1;
    return bytes;
}

int64_t cn_inspect_state_bytes(const struct cn_inspect *inspect)
{
    const int64_t known = needs_of(&inspect->gguf, 1).states;
    return known < 0 ? 0 : known;
}

int64_t cn_inspect_unfold_bytes(const struct cn_inspect *inspect, int64_t n_ctx)
{
    const int64_t known = needs_of(&inspect->gguf, n_ctx).unfolded;
    return known < 0 ? 0 : known;
}

bool cn_inspect_get_type(const struct cn_inspect *inspect, int64_t i, struct cn_inspect_type *row)
{
    if (i < 0 || i >= inspect->n_types)
        return false;
    *row = inspect->types[i];
    return true;
}

bool cn_inspect_get_tensor(const struct cn_inspect *inspect, int64_t i,
                           struct cn_inspect_tensor *row)
{
    if (i >= 0 && (size_t)i < inspect->dat.n_entries) {
        const struct cn_imatrix_entry *e = inspect->dat.entries[i];
        *row = (struct cn_inspect_tensor){
            .type = "F32", .n_dims = 1, .ne = {e->n_cols, 1, 1, 1},
                    .n_bytes = 4 * e->n_cols
        };
        cn_str_show((struct cn_str){ e->name, strlen(e->name) }, row->name, sizeof row->name);
        return true;
    }
    if (i < 0 || i >= inspect->gguf.n_tensors)
        return false;
    const struct cn_gguf_tensor *t = &inspect->gguf.tensors[i];
    cn_str_show(t->name, row->name, sizeof row->name);
    row->type = cn_gguf_type_name(t->gguf_type);
    row->n_dims = t->n_dims;
    memcpy(row->ne, t->ne, sizeof row->ne);
    row->n_bytes = (int64_t)t->bytes;
    row->part = t->part;
    return true;
}

static void show_element(const struct cn_gguf_kv *kv, uint64_t i, const uint8_t **cursor, char *buf,
                         size_t n)
{
    if (kv->elem_type == CN_GGUF_STRING)
        cn_str_show(cn_gguf_next_str(cursor), buf, n);
    else if (kv->elem_type == CN_GGUF_BOOL)
        snprintf(buf, n, "%s", cn_gguf_elem_i64(kv, i) ? "true" : "false");
    else if (kv->elem_type == CN_GGUF_F32)
        snprintf(buf, n, "%.9g", cn_gguf_elem_f64(kv, i));
    else if (kv->elem_type == CN_GGUF_F64)
        snprintf(buf, n, "%.17g", cn_gguf_elem_f64(kv, i));
    else if (kv->elem_type == CN_GGUF_U64 && cn_gguf_elem_i64(kv, i) == INT64_MAX)
        snprintf(buf, n, "%.0f", cn_gguf_elem_f64(kv, i));
    else
        snprintf(buf, n, "%" PRId64, cn_gguf_elem_i64(kv, i));
}

static bool get_dat_key(const struct cn_imatrix *dat, int64_t i, struct cn_inspect_key *row)
{
    if (i < 0 || i > (dat->n_datasets > 0))
        return false;
    *row = (struct cn_inspect_key){ .n = 1 };
    snprintf(row->key, sizeof row->key, i ? "dataset" : "chunks");
    snprintf(row->type, sizeof row->type, i ? "string" : "i32");
    if (i)
        cn_str_show((struct cn_str){ dat->datasets[0], strlen(dat->datasets[0]) }, row->value,
                    sizeof row->value);
    else
        snprintf(row->value, sizeof row->value, "%" PRIu32, dat->n_chunks);
    return true;
}

bool cn_inspect_get_key(const struct cn_inspect *inspect, int64_t i, struct cn_inspect_key *row)
{
    enum { SHOWN_ELEMENTS = 6, ELEMENT_BYTES = 40 };
    if (inspect->dat.n_entries > 0)
        return get_dat_key(&inspect->dat, i, row);
    if (i < 0 || i >= inspect->gguf.n_kv)
        return false;
    const struct cn_gguf_kv *kv = &inspect->gguf.kv[i];
    const uint8_t *cursor = kv->data;
    cn_str_show(kv->key, row->key, sizeof row->key);
    snprintf(row->type, sizeof row->type, "%s%s", kv->type == CN_GGUF_ARRAY ? "array of " : "",
             cn_gguf_kv_type_name(kv->elem_type));
    row->n = kv->n > INT64_MAX ? INT64_MAX : (int64_t)kv->n;
    if (kv->type != CN_GGUF_ARRAY) {
        show_element(kv, 0, &cursor, row->value, sizeof row->value);
        return true;
    }
    size_t at = 0;
    row->value[0] = 0;
    for (uint64_t e = 0; e < kv->n && e < SHOWN_ELEMENTS; e++) {
        char text[ELEMENT_BYTES];
        show_element(kv, e, &cursor, text, sizeof text);
        at +=
            (size_t)snprintf(row->value + at, sizeof row->value - at, "%s%s", e ? ", " : "", text);
    }
    if (kv->n > SHOWN_ELEMENTS)
        snprintf(row->value + at, sizeof row->value - at, ", ...");
    return true;
}

/* Whether the loader finds what the architecture wants. One that is not built in is no fault of the
 * file. */
static enum cn_status check_loads(const struct cn_inspect *in, struct cn_error *err)
{
    if (strcmp(in->info.kind, "model") != 0 || in->gguf.n_tensors == 0)
        return CN_OK;
    enum cn_status status = try_open(in, err);
    return status == CN_ERR_UNSUPPORTED ? CN_OK : status;
}

enum cn_status cn_inspect_check(const struct cn_inspect *inspect,
                                bool (*progress)(void *user, double done, double total), void *user,
                                struct cn_error *err)
{
    const struct cn_gguf *g = &inspect->gguf;
    if (inspect->dat.n_entries > 0) /* reading it was the check */
        return CN_OK;
    double done = 0, total = (double)inspect->info.tensor_bytes;
    CN_TRY(cn_gguf_check_metadata(g, err));
    CN_TRY(check_loads(inspect, err));
    for (int64_t i = 0; i < g->n_tensors; i++) {
        CN_RETURN_IF(progress && !progress(user, done, total), CN_ERR_CANCELLED, err,
                     "%s: check cancelled", g->path);
        CN_TRY(cn_gguf_check_data(g, &g->tensors[i], err));
        done += (double)g->tensors[i].bytes;
    }
    if (progress)
        progress(user, total, total);
    return CN_OK;
}
