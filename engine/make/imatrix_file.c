/* SPDX-License-Identifier: MIT */
#include "engine/make/imatrix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/gguf/gguf.h"

/* Names come from a file: fit to print only through here. */
static const char *show(const char *name, char shown[CN_SHOW_BYTES])
{
    return cn_str_show((struct cn_str){ name, strlen(name) }, shown, CN_SHOW_BYTES);
}

/* ---- the object ------------------------------------------------------------------------------ */

static void free_entry(struct cn_imatrix_entry *e)
{
    if (!e)
        return;
    free(e->name);
    free(e->sum2);
    free(e->count);
    free(e);
}

void cn_imatrix_free(struct cn_imatrix *im)
{
    for (size_t i = 0; i < im->n_entries; i++)
        free_entry(im->entries[i]);
    for (size_t i = 0; i < im->n_datasets; i++)
        free(im->datasets[i]);
    free(im->entries);
    free(im->datasets);
    free(im->sample);
    *im = (struct cn_imatrix){ 0 };
}

/* Index of `name`, or of where it belongs. */
static size_t lower_bound(const struct cn_imatrix *im, const char *name)
{
    size_t lo = 0, hi = im->n_entries;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(im->entries[mid]->name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct cn_imatrix_entry *cn_imatrix_find(const struct cn_imatrix *im, const char *name)
{
    size_t i = lower_bound(im, name);
    return i < im->n_entries && strcmp(im->entries[i]->name, name) == 0 ? im->entries[i] : NULL;
}

static struct cn_imatrix_entry *new_entry(const char *name, size_t name_bytes, int64_t n_cols,
                                          int64_t n_matrices)
{
    struct cn_imatrix_entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->name = strndup(name, name_bytes);
    e->n_cols = n_cols;
    e->n_matrices = n_matrices;
    e->sum2 = calloc((size_t)n_cols * (size_t)n_matrices, sizeof *e->sum2);
    e->count = calloc((size_t)n_matrices, sizeof *e->count);
    if (e->name && e->sum2 && e->count)
        return e;
    free_entry(e);
    return NULL;
}

/* Makes room for one more element of an array whose capacity is the next power of two. */
static bool grow(void **array, size_t n, size_t elem_bytes)
{
    if (n & (n - 1))
        return true;
    void *p = realloc(*array, (n ? 2 * n : 1) * elem_bytes);
    if (p)
        *array = p;
    return p != NULL;
}

static bool insert(struct cn_imatrix *im, size_t at, struct cn_imatrix_entry *e)
{
    void *array = im->entries;
    bool ok = grow(&array, im->n_entries, sizeof(struct cn_imatrix_entry *));
    im->entries = array;
    if (!ok)
        return false;
    memmove(im->entries + at + 1, im->entries + at, (im->n_entries - at) * sizeof *im->entries);
    im->entries[at] = e;
    im->n_entries++;
    return true;
}

struct cn_imatrix_entry *cn_imatrix_add(struct cn_imatrix *im, const char *name, int64_t n_cols,
                                        int64_t n_matrices)
{
    struct cn_imatrix_entry *e = cn_imatrix_find(im, name);
    if (e)
        return e->n_cols == n_cols && e->n_matrices == n_matrices ? e : NULL;
    e = new_entry(name, strlen(name), n_cols, n_matrices);
    if (e && !insert(im, lower_bound(im, name), e)) {
        free_entry(e);
        e = NULL;
    }
    return e;
}

static bool add_dataset(struct cn_imatrix *im, const char *name, size_t n_bytes)
{
    void *array = im->datasets;
    bool ok = grow(&array, im->n_datasets, sizeof(char *));
    im->datasets = array;
    char *copy = ok ? malloc(n_bytes + 1) : NULL;
    if (copy) {
        memcpy(copy, name, n_bytes);
        copy[n_bytes] = 0;
        im->datasets[im->n_datasets++] = copy;
    }
    return copy != NULL;
}

bool cn_imatrix_add_dataset(struct cn_imatrix *im, const char *name)
{
    return add_dataset(im, name, strlen(name));
}

bool cn_imatrix_add_sample(struct cn_imatrix *im, const int32_t *tokens, size_t n)
{
    const size_t room = CN_IMATRIX_SAMPLE - im->n_sample;
    n = n < room ? n : room;
    if (n == 0)
        return true;
    int32_t *sample = realloc(im->sample, (im->n_sample + n) * sizeof *sample);
    if (!sample)
        return false;
    memcpy(sample + im->n_sample, tokens, n * sizeof *sample);
    im->sample = sample;
    im->n_sample += n;
    return true;
}

void cn_imatrix_mean(const struct cn_imatrix_entry *e, float *mean)
{
    for (int64_t m = 0; m < e->n_matrices; m++)
        for (int64_t c = 0; c < e->n_cols; c++, mean++)
            *mean = e->count[m] > 0 ? (float)(e->sum2[m * e->n_cols + c] / e->count[m]) : 1;
}

void cn_imatrix_weights(const struct cn_imatrix_entry *e, int64_t n_cols, float *weights)
{
    cn_imatrix_mean(e, weights);
    for (int64_t i = 0; i < e->n_cols * e->n_matrices; i += n_cols) {
        float max = 0;
        for (int64_t c = 0; c < n_cols; c++)
            max = weights[i + c] > max ? weights[i + c] : max;
        for (int64_t c = 0; c < n_cols && max == 0; c++)
            weights[i + c] = 1;
    }
}

/* ---- merging --------------------------------------------------------------------------------- */

static void scale(struct cn_imatrix *im, double factor)
{
    for (size_t i = 0; i < im->n_entries; i++) {
        struct cn_imatrix_entry *e = im->entries[i];
        for (int64_t k = 0; k < e->n_matrices * e->n_cols; k++)
            e->sum2[k] *= factor;
        for (int64_t k = 0; k < e->n_matrices; k++)
            e->count[k] *= factor;
    }
}

/* A .dat entry does not tell how many matrices it is of: takes that from one that knows. */
static bool split_as(struct cn_imatrix_entry *e, const struct cn_imatrix_entry *like)
{
    if (e->n_matrices == like->n_matrices || e->n_matrices != 1)
        return true;
    double *count = malloc((size_t)like->n_matrices * sizeof *count);
    if (!count)
        return false;
    for (int64_t m = 0; m < like->n_matrices; m++)
        count[m] = e->count[0];
    free(e->count);
    e->count = count;
    e->n_cols = like->n_cols;
    e->n_matrices = like->n_matrices;
    return true;
}

static enum cn_status merge_entry(struct cn_imatrix *to, const struct cn_imatrix_entry *f,
                                  double factor, struct cn_error *err)
{
    char shown[CN_SHOW_BYTES];
    struct cn_imatrix_entry *e = cn_imatrix_find(to, f->name);
    show(f->name, shown);
    if (!e)
        e = cn_imatrix_add(to, f->name, f->n_cols, f->n_matrices);
    CN_RETURN_IF(!e, CN_ERR_MEMORY, err, "%s: out of memory", shown);
    CN_RETURN_IF(e->n_cols * e->n_matrices != f->n_cols * f->n_matrices, CN_ERR_FORMAT, err,
                 "%s: cannot merge importance of %" PRId64 " columns with importance of %" PRId64,
                 shown, e->n_cols * e->n_matrices, f->n_cols * f->n_matrices);
    CN_RETURN_IF(!split_as(e, f), CN_ERR_MEMORY, err, "%s: out of memory", shown);
    CN_RETURN_IF(e->n_matrices != f->n_matrices && f->n_matrices != 1, CN_ERR_FORMAT, err,
                 "%s: cannot merge importance of %" PRId64 " matrices with importance of %" PRId64,
                 shown, e->n_matrices, f->n_matrices);
    for (int64_t k = 0; k < e->n_matrices * e->n_cols; k++)
        e->sum2[k] += factor * f->sum2[k];
    for (int64_t m = 0; m < e->n_matrices; m++)
        e->count[m] += factor * f->count[f->n_matrices == 1 ? 0 : m];
    return CN_OK;
}

/* Of several texts or models none is the one. */
static void merge_hash(bool first, char to[CN_SHA256_HEX], const char from[CN_SHA256_HEX])
{
    if (first)
        memcpy(to, from, CN_SHA256_HEX);
    else if (strcmp(to, from) != 0)
        to[0] = 0;
}

enum cn_status cn_imatrix_merge(struct cn_imatrix *to, const struct cn_imatrix *from,
                                struct cn_error *err)
{
    /* Counts of a .dat file are chunks. Beside a file that counts tokens they are given that one's
     * chunk size, the only estimate there is. */
    double factor = 1;
    const bool one_model = to->n_entries == 0 || strcmp(to->model_sha256, from->model_sha256) == 0;
    if (!one_model)
        to->n_sample = 0;
    else
        CN_RETURN_IF(!cn_imatrix_add_sample(to, from->sample, from->n_sample), CN_ERR_MEMORY, err,
                     "out of memory");
    merge_hash(to->n_entries == 0, to->text_sha256, from->text_sha256);
    merge_hash(to->n_entries == 0, to->model_sha256, from->model_sha256);
    if (to->n_entries == 0) {
        to->chunk_size = from->chunk_size;
    } else if (to->chunk_size == 0 && from->chunk_size > 0) {
        scale(to, from->chunk_size);
        to->chunk_size = from->chunk_size;
    } else if (to->chunk_size > 0 && from->chunk_size == 0) {
        factor = to->chunk_size;
    }
    for (size_t i = 0; i < from->n_entries; i++)
        CN_TRY(merge_entry(to, from->entries[i], factor, err));
    for (size_t i = 0; i < from->n_datasets; i++) {
        bool known = false;
        for (size_t k = 0; k < to->n_datasets; k++)
            known |= strcmp(to->datasets[k], from->datasets[i]) == 0;
        CN_RETURN_IF(!known && !cn_imatrix_add_dataset(to, from->datasets[i]), CN_ERR_MEMORY, err,
                     "out of memory");
    }
    to->n_chunks =
        from->n_chunks > UINT32_MAX - to->n_chunks ? UINT32_MAX : to->n_chunks + from->n_chunks;
    return CN_OK;
}

/* ---- reading: common ------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct cn_imatrix_entry *x = *(struct cn_imatrix_entry *const *)a;
    const struct cn_imatrix_entry *y = *(struct cn_imatrix_entry *const *)b;
    return strcmp(x->name, y->name);
}

/* Entries are appended while reading (a hostile file may hold very many) and sorted once. */
static enum cn_status sort_entries(struct cn_imatrix *im, const char *file, struct cn_error *err)
{
    CN_RETURN_IF(im->n_entries == 0, CN_ERR_FORMAT, err, "%s: no importance data in this file",
                 file);
    qsort(im->entries, im->n_entries, sizeof *im->entries, by_name);
    for (size_t i = 1; i < im->n_entries; i++) {
        char shown[CN_SHOW_BYTES];
        CN_RETURN_IF(strcmp(im->entries[i - 1]->name, im->entries[i]->name) == 0, CN_ERR_FORMAT,
                     err, "%s: two entries for \"%s\"", file, show(im->entries[i]->name, shown));
    }
    return CN_OK;
}

/* Copies n floats to doubles; false at the first that is negative or not finite. */
static bool take_floats(const uint8_t *from, int64_t n, double *to)
{
    for (int64_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, from + 4 * i, sizeof f);
        if (!(f >= 0) || !isfinite(f))
            return false;
        to[i] = (double)f;
    }
    return true;
}

/* ---- reading: .dat --------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *p;
    size_t left, size;
    const char *file;
    struct cn_error *err;
};

static enum cn_status take_i32(struct cursor *c, const char *what, int64_t min, int32_t *value)
{
    CN_RETURN_IF(c->left < 4, CN_ERR_FORMAT, c->err,
                 "%s: file ends at byte %zu, where %s was expected; neither a GGUF file nor a "
                 "complete .dat importance matrix",
                 c->file, c->size, what);
    memcpy(value, c->p, 4);
    CN_RETURN_IF(*value < min, CN_ERR_FORMAT, c->err,
                 "%s: %s at byte %zu is %" PRId32 ", expected at least %" PRId64, c->file, what,
                 c->size - c->left, *value, min);
    c->p += 4;
    c->left -= 4;
    return CN_OK;
}

static enum cn_status take_bytes(struct cursor *c, const char *what, uint64_t n,
                                 const uint8_t **bytes)
{
    CN_RETURN_IF(n > c->left, CN_ERR_FORMAT, c->err,
                 "%s: %s at byte %zu takes %" PRIu64 " bytes, %zu are left", c->file, what,
                 c->size - c->left, n, c->left);
    *bytes = c->p;
    c->p += n;
    c->left -= (size_t)n;
    return CN_OK;
}

static enum cn_status parse_dat_entry(struct cursor *c, struct cn_imatrix *im)
{
    char shown[CN_SHOW_BYTES];
    int32_t name_bytes = 0, n_calls = 0, n_values = 0;
    const uint8_t *name = NULL, *values = NULL;
    CN_TRY(take_i32(c, "length of a tensor name", 1, &name_bytes));
    CN_TRY(take_bytes(c, "tensor name", (uint64_t)name_bytes, &name));
    CN_RETURN_IF(memchr(name, 0, (size_t)name_bytes), CN_ERR_FORMAT, c->err,
                 "%s: tensor name before byte %zu has a NUL in it", c->file, c->size - c->left);
    CN_TRY(take_i32(c, "number of calls", 0, &n_calls));
    CN_TRY(take_i32(c, "number of values", 1, &n_values));
    CN_TRY(take_bytes(c, "values", 4 * (uint64_t)n_values, &values));
    struct cn_imatrix_entry *e = new_entry((const char *)name, (size_t)name_bytes, n_values, 1);
    if (!e || !insert(im, im->n_entries, e)) {
        free_entry(e);
        return cn_fail(c->err, CN_ERR_MEMORY, "%s: out of memory", c->file);
    }
    CN_RETURN_IF(!take_floats(values, n_values, e->sum2), CN_ERR_FORMAT, c->err,
                 "%s: %s: a value is negative, infinite or not a number", c->file,
                 show(e->name, shown));
    /* Values are means times calls; without calls they are means. */
    e->count[0] = n_calls > 0 ? n_calls : 1;
    return CN_OK;
}

static enum cn_status parse_dat(const void *bytes, size_t n_bytes, const char *file,
                                struct cn_imatrix *im, struct cn_error *err)
{
    struct cursor c = { bytes, n_bytes, n_bytes, file, err };
    int32_t n_entries = 0, n_chunks = 0, name_bytes = 0;
    const uint8_t *name = NULL;
    CN_TRY(take_i32(&c, "number of entries", 1, &n_entries));
    for (int32_t i = 0; i < n_entries; i++)
        CN_TRY(parse_dat_entry(&c, im));
    if (c.left > 0) { /* written by newer tools only */
        CN_TRY(take_i32(&c, "number of chunks", 0, &n_chunks));
        im->n_chunks = (uint32_t)n_chunks;
    }
    if (c.left > 0) {
        CN_TRY(take_i32(&c, "length of the text's name", 0, &name_bytes));
        CN_TRY(take_bytes(&c, "text's name", (uint64_t)name_bytes, &name));
        CN_RETURN_IF(name_bytes > 0 && !add_dataset(im, (const char *)name, (size_t)name_bytes),
                     CN_ERR_MEMORY, err, "%s: out of memory", file);
    }
    return sort_entries(im, file, err);
}

/* ---- reading: GGUF --------------------------------------------------------------------------- */

static const char sum2_suffix[] = ".in_sum2", count_suffix[] = ".counts";
static const char text_key[] = "imatrix.text_sha256", model_key[] = "imatrix.model_sha256",
                  sample_key[] = "imatrix.text_sample";

static enum cn_status take_entry(const struct cn_gguf *g, const struct cn_gguf_tensor *sum2,
                                 const char *file, struct cn_imatrix *im, struct cn_error *err)
{
    char shown[CN_SHOW_BYTES];
    size_t stem = sum2->name.n - (sizeof sum2_suffix - 1);
    char *name = malloc(stem + sizeof count_suffix);
    CN_RETURN_IF(!name, CN_ERR_MEMORY, err, "%s: out of memory", file);
    memcpy(name, sum2->name.p, stem);
    memcpy(name + stem, count_suffix, sizeof count_suffix);
    const struct cn_gguf_tensor *count = strlen(name) == stem + sizeof count_suffix - 1
                                             ? cn_gguf_tensor(g, name)
                                             : NULL; /* a NUL in the name */
    name[stem] = 0;
    show(name, shown);
    enum cn_status status = CN_OK;
    struct cn_imatrix_entry *e = NULL;
    if (!count)
        status = cn_fail(err, CN_ERR_FORMAT, "%s: %s%s has no %s%s beside it", file, shown,
                         sum2_suffix, shown, count_suffix);
    else if (sum2->gguf_type != 0 || count->gguf_type != 0)
        status = cn_fail(err, CN_ERR_FORMAT, "%s: %s: importance data is not F32", file, shown);
    else if (sum2->ne[1] != sum2->n_elems / sum2->ne[0] || count->ne[0] != 1 ||
             count->n_elems != sum2->ne[1])
        status = cn_fail(err, CN_ERR_FORMAT,
                         "%s: %s: sums have %" PRId64 " rows, but there are %" PRId64 " counts",
                         file, shown, sum2->n_elems / sum2->ne[0], count->n_elems);
    else if (!(e = new_entry(name, stem, sum2->ne[0], sum2->ne[1])) ||
             !insert(im, im->n_entries, e)) {
        free_entry(e);
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", file);
    } else if (!take_floats(sum2->data, sum2->n_elems, e->sum2) ||
               !take_floats(count->data, count->n_elems, e->count))
        status = cn_fail(err, CN_ERR_FORMAT,
                         "%s: %s: a value is negative, infinite or not a number", file, shown);
    free(name);
    return status;
}

static enum cn_status take_datasets(const struct cn_gguf *g, const char *file,
                                    struct cn_imatrix *im, struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(g, "imatrix.datasets");
    if (!kv)
        return CN_OK;
    CN_RETURN_IF(kv->elem_type != CN_GGUF_STRING, CN_ERR_FORMAT, err,
                 "%s: imatrix.datasets is not an array of strings", file);
    const uint8_t *cursor = kv->data;
    for (uint64_t i = 0; i < kv->n; i++) {
        struct cn_str s = cn_gguf_next_str(&cursor);
        CN_RETURN_IF(!add_dataset(im, s.p, s.n), CN_ERR_MEMORY, err, "%s: out of memory", file);
    }
    return CN_OK;
}

static enum cn_status take_sample(const struct cn_gguf *g, const char *file, struct cn_imatrix *im,
                                  struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(g, sample_key);
    if (!kv)
        return CN_OK;
    CN_RETURN_IF(kv->elem_type != CN_GGUF_I32 || kv->n > CN_IMATRIX_SAMPLE, CN_ERR_FORMAT, err,
                 "%s: %s is not an array of at most %d token ids (i32)", file, sample_key,
                 CN_IMATRIX_SAMPLE);
    int32_t *tokens = malloc((size_t)kv->n * sizeof *tokens + 1);
    CN_RETURN_IF(!tokens, CN_ERR_MEMORY, err, "%s: out of memory", file);
    memcpy(tokens, kv->data, (size_t)kv->n * sizeof *tokens);
    im->sample = tokens;
    im->n_sample = (size_t)kv->n;
    return CN_OK;
}

static enum cn_status take_hash(const struct cn_gguf *g, const char *key, char hash[CN_SHA256_HEX],
                                struct cn_error *err)
{
    struct cn_str s = { "", 0 };
    CN_TRY(cn_gguf_get_str(g, key, &s, err));
    bool is_hash = s.n == CN_SHA256_HEX - 1 && !memchr(s.p, 0, s.n);
    if (is_hash)
        memcpy(hash, s.p, s.n);
    hash[is_hash ? s.n : 0] = 0;
    return CN_OK;
}

static enum cn_status take_gguf(const struct cn_gguf *g, const char *file, struct cn_imatrix *im,
                                struct cn_error *err)
{
    struct cn_str type = { "model", 5 };
    char shown[CN_SHOW_BYTES];
    CN_TRY(cn_gguf_get_str(g, "general.type", &type, err));
    CN_RETURN_IF(type.n != 7 || memcmp(type.p, "imatrix", 7) != 0, CN_ERR_FORMAT, err,
                 "%s: general.type is %s, expected imatrix", file,
                 cn_str_show(type, shown, sizeof shown));
    int64_t n_chunks = 0, chunk_size = 0;
    CN_TRY(cn_gguf_get_i64(g, "imatrix.chunk_count", 0, UINT32_MAX, &n_chunks, err));
    CN_TRY(cn_gguf_get_i64(g, "imatrix.chunk_size", 0, UINT32_MAX, &chunk_size, err));
    im->n_chunks = (uint32_t)n_chunks;
    /* Counts of this format are vectors in any case; 0 would say otherwise. */
    im->chunk_size = chunk_size > 0 ? (uint32_t)chunk_size : 1;
    CN_TRY(take_hash(g, text_key, im->text_sha256, err));
    CN_TRY(take_hash(g, model_key, im->model_sha256, err));
    CN_TRY(take_datasets(g, file, im, err));
    CN_TRY(take_sample(g, file, im, err));
    size_t n_suffix = sizeof sum2_suffix - 1;
    for (int64_t i = 0; i < g->n_tensors; i++) {
        struct cn_str s = g->tensors[i].name;
        if (s.n > n_suffix && memcmp(s.p + s.n - n_suffix, sum2_suffix, n_suffix) == 0)
            CN_TRY(take_entry(g, &g->tensors[i], file, im, err));
    }
    return sort_entries(im, file, err);
}

enum cn_status cn_imatrix_parse(const void *bytes, size_t n_bytes, const char *name,
                                struct cn_imatrix *im, struct cn_error *err)
{
    struct cn_imatrix read = { 0 };
    enum cn_status status;
    if (n_bytes >= 4 && memcmp(bytes, "GGUF", 4) == 0) {
        struct cn_gguf g;
        CN_TRY(cn_gguf_parse(bytes, n_bytes, name, &g, err));
        status = take_gguf(&g, name, &read, err);
        cn_gguf_close(&g);
    } else {
        status = parse_dat(bytes, n_bytes, name, &read, err);
    }
    if (status == CN_OK)
        *im = read;
    else
        cn_imatrix_free(&read);
    return status;
}

enum cn_status cn_imatrix_read(const char *path, struct cn_imatrix *im, struct cn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CN_RETURN_IF(fd < 0, CN_ERR_IO, err, "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
        close(fd);
        return cn_fail(err, CN_ERR_FORMAT, "%s: empty, or not a regular file", path);
    }
    size_t n_bytes = (size_t)st.st_size;
    void *bytes = mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    CN_RETURN_IF(bytes == MAP_FAILED, CN_ERR_IO, err, "%s: cannot map: %s", path, strerror(error));
    enum cn_status status = cn_imatrix_parse(bytes, n_bytes, path, im, err);
    munmap(bytes, n_bytes);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum cn_status write_datasets(struct cn_gguf_writer *w, const struct cn_imatrix *im,
                                     struct cn_error *err)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < im->n_datasets; i++)
        n_bytes += 8 + strlen(im->datasets[i]);
    uint8_t *bytes = malloc(n_bytes ? n_bytes : 1), *p = bytes;
    CN_RETURN_IF(!bytes, CN_ERR_MEMORY, err, "out of memory");
    for (size_t i = 0; i < im->n_datasets; i++) {
        uint64_t n = strlen(im->datasets[i]);
        memcpy(p, &n, sizeof n);
        memcpy(p + sizeof n, im->datasets[i], n);
        p += sizeof n + n;
    }
    cn_gguf_writer_array(w, "imatrix.datasets", CN_GGUF_STRING, im->n_datasets, bytes, n_bytes);
    free(bytes);
    return CN_OK;
}

static void write_floats(struct cn_gguf_writer *w, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float f = (float)x[i];
        cn_gguf_writer_data(w, &f, sizeof f);
    }
}

enum cn_status cn_imatrix_write(const char *path, const struct cn_imatrix *im, struct cn_error *err)
{
    struct cn_gguf_writer *w;
    CN_RETURN_IF(im->n_entries == 0, CN_ERR_ARGUMENT, err, "%s: no importance data to write", path);
    CN_TRY(cn_gguf_writer_create(path, &w, err));
    cn_gguf_writer_str(w, "general.type", "imatrix");
    enum cn_status status = write_datasets(w, im, err);
    if (status != CN_OK) {
        cn_gguf_writer_abandon(w);
        return status;
    }
    cn_gguf_writer_u32(w, "imatrix.chunk_count", im->n_chunks);
    cn_gguf_writer_u32(w, "imatrix.chunk_size", im->chunk_size);
    if (im->text_sha256[0])
        cn_gguf_writer_str(w, text_key, im->text_sha256);
    if (im->model_sha256[0])
        cn_gguf_writer_str(w, model_key, im->model_sha256);
    if (im->n_sample > 0)
        cn_gguf_writer_array(w, sample_key, CN_GGUF_I32, im->n_sample, im->sample,
                             im->n_sample * sizeof *im->sample);
    for (size_t i = 0; i < im->n_entries; i++) {
        const struct cn_imatrix_entry *e = im->entries[i];
        int64_t shape[2] = { e->n_cols, e->n_matrices }, count_shape[2] = { 1, e->n_matrices };
        size_t name_bytes = strlen(e->name) + sizeof sum2_suffix;
        char *name = malloc(name_bytes);
        if (!name) {
            cn_gguf_writer_abandon(w);
            return cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        }
        snprintf(name, name_bytes, "%s%s", e->name, sum2_suffix);
        cn_gguf_writer_tensor(w, name, 0, 2, shape, (size_t)(shape[0] * shape[1]) * sizeof(float));
        snprintf(name, name_bytes, "%s%s", e->name, count_suffix);
        cn_gguf_writer_tensor(w, name, 0, 2, count_shape, (size_t)shape[1] * sizeof(float));
        free(name);
    }
    for (size_t i = 0; i < im->n_entries; i++) {
        const struct cn_imatrix_entry *e = im->entries[i];
        write_floats(w, e->sum2, e->n_cols * e->n_matrices);
        write_floats(w, e->count, e->n_matrices);
    }
    return cn_gguf_writer_finish(w, err);
}
