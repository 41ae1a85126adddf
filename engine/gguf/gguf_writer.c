/* SPDX-License-Identifier: MIT
 *
 * Streams a GGUF file. Metadata and tensor descriptions collect in memory until the first data
 * comes; data is written as it comes.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/gguf/gguf_part.h"
#include "engine/tools.h"

enum {
    VERSION = 3,
    DEFAULT_ALIGNMENT = 32,
    /* Small pieces are gathered to this: the size of a huge page, in which the page cache then
     * keeps what is written, and the model that maps the file later finds it. */
    BUFFER_BYTES = 1 << 21,
};

/* Bytes that grow. */
struct blob {
    uint8_t *p;
    size_t n, capacity;
};

struct cn_gguf_writer {
    char *path;
    struct cn_outfile *file;
    enum cn_status status; /* the first failure; everything after it does nothing */
    struct cn_error error;
    size_t alignment;
    uint64_t n_kv, n_tensors;
    struct blob kv, tensors; /* as they will stand in the file */
    uint64_t data_bytes; /* padded size of the tensors described so far: the next one's offset */
    struct {
        size_t *p; /* bytes of each tensor */
        size_t capacity;
    } sizes;
    bool header_done;
    uint64_t tensor;  /* whose data comes next */
    size_t in_tensor; /* bytes of it that came */
    uint64_t written; /* bytes */
    char *buffer;     /* of the stream, so that it is freed after it */
    bool sealed;
    bool local_named[CN_N_TYPES]; /* the local tensor types that have their key */
};

/* ---- failure ------------------------------------------------------------------------------ */

static void out_of_memory(struct cn_gguf_writer *w)
{
    if (w->status == CN_OK)
        w->status = cn_fail(&w->error, CN_ERR_MEMORY, "%s: out of memory", w->path);
}

/* ---- bytes that grow ---------------------------------------------------------------------- */

static void put(struct cn_gguf_writer *w, struct blob *b, const void *bytes, size_t n)
{
    if (w->status != CN_OK)
        return;
    if (n > b->capacity - b->n) {
        size_t capacity = b->capacity ? b->capacity : 4096;
        while (n > capacity - b->n) {
            if (capacity > SIZE_MAX / 2) {
                out_of_memory(w);
                return;
            }
            capacity *= 2;
        }
        uint8_t *p = realloc(b->p, capacity);
        if (!p) {
            out_of_memory(w);
            return;
        }
        b->p = p;
        b->capacity = capacity;
    }
    if (n > 0)
        memcpy(b->p + b->n, bytes, n);
    b->n += n;
}

static void put_u32(struct cn_gguf_writer *w, struct blob *b, uint32_t value)
{
    put(w, b, &value, sizeof value);
}

static void put_u64(struct cn_gguf_writer *w, struct blob *b, uint64_t value)
{
    put(w, b, &value, sizeof value);
}

static void put_str(struct cn_gguf_writer *w, struct blob *b, const char *s)
{
    size_t n = strlen(s);
    put_u64(w, b, n);
    put(w, b, s, n);
}

/* ---- the file ----------------------------------------------------------------------------- */

static void emit(struct cn_gguf_writer *w, const void *bytes, size_t n)
{
    if (w->status == CN_OK && n > 0 && fwrite(bytes, n, 1, cn_outfile_stream(w->file)) != 1)
        w->status = cn_fail(&w->error, CN_ERR_IO, "%s: write failed: %s (at byte %llu)", w->path,
                            strerror(errno), (unsigned long long)w->written);
    w->written += n;
}

static void pad(struct cn_gguf_writer *w)
{
    static const uint8_t zeros[4096];
    size_t n = (size_t)(-w->written & (w->alignment - 1));
    for (; n > sizeof zeros; n -= sizeof zeros)
        emit(w, zeros, sizeof zeros);
    emit(w, zeros, n);
}

/* Empty tensors do not exist (a dimension is never 0), so the next tensor is one with bytes due. */
static void write_header(struct cn_gguf_writer *w)
{
    uint32_t version = VERSION;
    if (w->header_done || w->status != CN_OK)
        return;
    w->header_done = true;
    emit(w, "GGUF", 4);
    emit(w, &version, sizeof version);
    emit(w, &w->n_tensors, sizeof w->n_tensors);
    emit(w, &w->n_kv, sizeof w->n_kv);
    emit(w, w->kv.p, w->kv.n);
    emit(w, w->tensors.p, w->tensors.n);
    pad(w);
}

/* ---- create ------------------------------------------------------------------------------- */

static void free_writer(struct cn_gguf_writer *w)
{
    free(w->path);
    free(w->kv.p);
    free(w->tensors.p);
    free(w->sizes.p);
    free(w->buffer);
    free(w);
}

enum cn_status cn_gguf_writer_create(const char *path, struct cn_gguf_writer **writer,
                                     struct cn_error *err)
{
    struct cn_gguf_writer *w = calloc(1, sizeof *w);
    CN_RETURN_IF(!w, CN_ERR_MEMORY, err, "%s: out of memory", path);
    w->alignment = DEFAULT_ALIGNMENT;
    w->path = strdup(path);
    w->buffer = malloc(BUFFER_BYTES);
    enum cn_status status = w->path && w->buffer
                                ? cn_outfile_create(path, &w->file, err)
                                : cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
    if (status != CN_OK) {
        free_writer(w);
        return status;
    }
    setvbuf(cn_outfile_stream(w->file), w->buffer, _IOFBF, BUFFER_BYTES);
    *writer = w;
    return CN_OK;
}

/* ---- metadata ----------------------------------------------------------------------------- */

/* Copied files may ask for an alignment of their own: offsets then have to follow it. */
static void note_alignment(struct cn_gguf_writer *w, struct cn_str key, uint32_t type,
                           const void *value)
{
    static const char name[] = "general.alignment";
    if (type == CN_GGUF_U32 && key.n == sizeof name - 1 && memcmp(key.p, name, key.n) == 0) {
        uint32_t alignment = cn_load_u32(value);
        assert(alignment && (alignment & (alignment - 1)) == 0);
        assert(w->n_tensors == 0);
        w->alignment = alignment;
    }
}

static void scalar(struct cn_gguf_writer *w, const char *key, enum cn_gguf_type type,
                   const void *value)
{
    assert(!w->header_done);
    note_alignment(w, (struct cn_str){ key, strlen(key) }, type, value);
    put_str(w, &w->kv, key);
    put_u32(w, &w->kv, type);
    put(w, &w->kv, value, cn_gguf_elem_bytes(type));
    w->n_kv++;
}

void cn_gguf_writer_raw(struct cn_gguf_writer *w, const struct cn_gguf_kv *kv)
{
    assert(!w->header_done);
    note_alignment(w, kv->key, kv->type, kv->data);
    put(w, &w->kv, kv->raw, kv->raw_bytes);
    w->n_kv++;
}

void cn_gguf_writer_u32(struct cn_gguf_writer *w, const char *key, uint32_t value)
{
    scalar(w, key, CN_GGUF_U32, &value);
}

void cn_gguf_writer_u16(struct cn_gguf_writer *w, const char *key, uint16_t value)
{
    scalar(w, key, CN_GGUF_U16, &value);
}

void cn_gguf_writer_i32(struct cn_gguf_writer *w, const char *key, int32_t value)
{
    scalar(w, key, CN_GGUF_I32, &value);
}

void cn_gguf_writer_f32(struct cn_gguf_writer *w, const char *key, float value)
{
    scalar(w, key, CN_GGUF_F32, &value);
}

void cn_gguf_writer_bool(struct cn_gguf_writer *w, const char *key, bool value)
{
    uint8_t byte = value;
    scalar(w, key, CN_GGUF_BOOL, &byte);
}

void cn_gguf_writer_str(struct cn_gguf_writer *w, const char *key, const char *value)
{
    assert(!w->header_done);
    put_str(w, &w->kv, key);
    put_u32(w, &w->kv, CN_GGUF_STRING);
    put_str(w, &w->kv, value);
    w->n_kv++;
}

void cn_gguf_writer_array(struct cn_gguf_writer *w, const char *key, enum cn_gguf_type elem_type,
                          uint64_t n, const void *elements, size_t n_bytes)
{
    assert(!w->header_done && elem_type != CN_GGUF_ARRAY);
    assert(elem_type == CN_GGUF_STRING ? n_bytes >= 8 * n
                                       : n_bytes == n * cn_gguf_elem_bytes(elem_type));
    put_str(w, &w->kv, key);
    put_u32(w, &w->kv, CN_GGUF_ARRAY);
    put_u32(w, &w->kv, elem_type);
    put_u64(w, &w->kv, n);
    put(w, &w->kv, elements, n_bytes);
    w->n_kv++;
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* A tensor type that GGUF has no id for is named in a key when it comes up first. */
static void name_local_type(struct cn_gguf_writer *w, uint32_t gguf_type)
{
    char key[CN_GGUF_LOCAL_KEY_BYTES];
    const struct cn_format *format = cn_format_by_gguf(gguf_type);
    if (gguf_type < CN_LOCAL_TYPES || w->local_named[format - cn_formats])
        return;
    w->local_named[format - cn_formats] = true;
    cn_gguf_writer_str(w, cn_gguf_local_type_key(gguf_type, key), format->label);
}

void cn_gguf_writer_tensor(struct cn_gguf_writer *w, const char *name, uint32_t gguf_type,
                           int n_dims, const int64_t *ne, size_t bytes)
{
    assert(!w->header_done && n_dims >= 1 && n_dims <= 4 && bytes > 0);
    if (w->status != CN_OK)
        return;
    if (w->n_tensors == w->sizes.capacity) {
        size_t capacity = w->sizes.capacity ? w->sizes.capacity * 2 : 256;
        size_t *p = realloc(w->sizes.p, capacity * sizeof *p);
        if (!p) {
            out_of_memory(w);
            return;
        }
        w->sizes.p = p;
        w->sizes.capacity = capacity;
    }
    name_local_type(w, gguf_type);
    put_str(w, &w->tensors, name);
    put_u32(w, &w->tensors, (uint32_t)n_dims);
    for (int d = 0; d < n_dims; d++) {
        assert(ne[d] > 0);
        put_u64(w, &w->tensors, (uint64_t)ne[d]);
    }
    put_u32(w, &w->tensors, gguf_type);
    put_u64(w, &w->tensors, w->data_bytes);
    w->sizes.p[w->n_tensors++] = bytes;
    w->data_bytes += (bytes + w->alignment - 1) & ~(uint64_t)(w->alignment - 1);
}

void cn_gguf_writer_data(struct cn_gguf_writer *w, const void *bytes, size_t n_bytes)
{
    if (w->status != CN_OK || n_bytes == 0)
        return;
    write_header(w);
    assert(w->tensor < w->n_tensors && "data after the last tensor");
    assert(n_bytes <= w->sizes.p[w->tensor] - w->in_tensor && "data beyond its tensor");
    emit(w, bytes, n_bytes);
    w->in_tensor += n_bytes;
    if (w->in_tensor == w->sizes.p[w->tensor]) {
        pad(w);
        w->tensor++;
        w->in_tensor = 0;
    }
}

bool cn_gguf_writer_failed(const struct cn_gguf_writer *w)
{
    return w->status != CN_OK;
}

/* ---- end ---------------------------------------------------------------------------------- */

enum cn_status cn_gguf_writer_seal(struct cn_gguf_writer *w, struct cn_error *err)
{
    write_header(w);
    assert((w->status != CN_OK || w->tensor == w->n_tensors) && "data is missing");
    if (w->status == CN_OK)
        w->status = cn_outfile_seal(w->file, &w->error);
    if (w->status != CN_OK)
        return cn_fail(err, w->status, "%s", w->error.text);
    free(w->buffer); /* there may be many sealed ones */
    w->buffer = NULL;
    w->sealed = true;
    return CN_OK;
}

enum cn_status cn_gguf_writer_finish(struct cn_gguf_writer *w, struct cn_error *err)
{
    enum cn_status status = w->sealed ? CN_OK : cn_gguf_writer_seal(w, err);
    if (status == CN_OK)
        status = cn_outfile_finish(w->file, err);
    else
        cn_outfile_abandon(w->file);
    free_writer(w);
    return status;
}

enum cn_status cn_gguf_writer_finish_all(struct cn_gguf_writer *const *writers, size_t n,
                                         struct cn_error *err)
{
    struct cn_outfile **files = calloc(n ? n : 1, sizeof(struct cn_outfile *));
    enum cn_status status = files ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && status == CN_OK; i++)
        if (!writers[i]->sealed)
            status = cn_gguf_writer_seal(writers[i], err);
    for (size_t i = 0; i < n; i++)
        if (status == CN_OK)
            files[i] = writers[i]->file;
        else
            cn_outfile_abandon(writers[i]->file);
    if (status == CN_OK)
        status = cn_outfile_finish_all(files, n, err);
    for (size_t i = 0; i < n; i++)
        free_writer(writers[i]);
    free(files);
    return status;
}

void cn_gguf_writer_abandon(struct cn_gguf_writer *w)
{
    if (!w)
        return;
    cn_outfile_abandon(w->file);
    free_writer(w);
}
