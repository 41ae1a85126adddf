/* SPDX-License-Identifier: MIT
 *
 * Streams a GGUF file. Metadata and tensor descriptions collect in memory until the first data
 * comes; data is written as it comes. Everything goes to a temporary name beside the final one, so
 * that whatever happens at whatever moment, the final name holds a complete file or what it held
 * before.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.h"
#include "engine/gguf_part.h"

enum {
    VERSION = 3,
    DEFAULT_ALIGNMENT = 32,
    BUFFER_BYTES = 1 << 18, /* small pieces are gathered to this, larger ones written as they are */
};

/* Bytes that grow. */
struct blob {
    uint8_t *p;
    size_t n, capacity;
};

struct cn_gguf_writer {
    char *path, *temporary;
    int fd;
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
    uint64_t written; /* bytes in the file and in the buffer */
    uint8_t *buffer;
    size_t buffered;
};

/* ---- failure ------------------------------------------------------------------------------ */

static void out_of_memory(struct cn_gguf_writer *w)
{
    if (w->status == CN_OK)
        w->status = cn_fail(&w->error, CN_ERR_MEMORY, "%s: out of memory", w->path);
}

static void io_failed(struct cn_gguf_writer *w, const char *what, int error)
{
    if (w->status == CN_OK)
        w->status = cn_fail(&w->error, CN_ERR_IO, "%s: %s failed: %s (at byte %llu)", w->path, what,
                            strerror(error), (unsigned long long)w->written);
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

static void write_all(struct cn_gguf_writer *w, const uint8_t *p, size_t n)
{
    while (n > 0 && w->status == CN_OK) {
        ssize_t done = write(w->fd, p, n < SSIZE_MAX ? n : SSIZE_MAX);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            io_failed(w, "write", done < 0 ? errno : EIO);
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

static void flush(struct cn_gguf_writer *w)
{
    write_all(w, w->buffer, w->buffered);
    w->buffered = 0;
}

static void emit(struct cn_gguf_writer *w, const void *bytes, size_t n)
{
    if (n > BUFFER_BYTES - w->buffered)
        flush(w);
    if (n > BUFFER_BYTES) {
        write_all(w, bytes, n);
    } else if (n > 0) {
        memcpy(w->buffer + w->buffered, bytes, n);
        w->buffered += n;
    }
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
    free(w->temporary);
    free(w->kv.p);
    free(w->tensors.p);
    free(w->sizes.p);
    free(w->buffer);
    free(w);
}

/* PATH.tmp-PID; with -1, -2, ... behind it while a file of that name is there (left by a process
 * that was killed, or a second writer of this one). */
static int open_temporary(char *name, size_t name_bytes, const char *path)
{
    int fd = -1;
    for (int i = 0; i < 100; i++) {
        int n = snprintf(name, name_bytes, "%s.tmp-%ld", path, (long)getpid());
        if (i > 0)
            snprintf(name + n, name_bytes - (size_t)n, "-%d", i);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    return fd;
}

enum cn_status cn_gguf_writer_create(const char *path, struct cn_gguf_writer **writer,
                                     struct cn_error *err)
{
    struct stat st;
    enum cn_status status;
    size_t name_bytes = strlen(path) + 40;
    /* Renaming over a device or a directory would destroy or fail; say so before hours of work. */
    CN_RETURN_IF(stat(path, &st) == 0 && !S_ISREG(st.st_mode), CN_ERR_ARGUMENT, err,
                 "%s: exists and is not a regular file, so it will not be replaced", path);
    struct cn_gguf_writer *w = calloc(1, sizeof *w);
    CN_RETURN_IF(!w, CN_ERR_MEMORY, err, "%s: out of memory", path);
    w->fd = -1;
    w->alignment = DEFAULT_ALIGNMENT;
    w->path = strdup(path);
    w->temporary = malloc(name_bytes);
    w->buffer = malloc(BUFFER_BYTES);
    if (!w->path || !w->temporary || !w->buffer) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    w->fd = open_temporary(w->temporary, name_bytes, path);
    if (w->fd < 0) {
        status = cn_fail(err, CN_ERR_IO, "%s: cannot create: %s", w->temporary, strerror(errno));
        goto fail;
    }
    *writer = w;
    return CN_OK;
fail:
    free_writer(w);
    return status;
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

/* The rename itself has to reach the disk too. Some file systems refuse to sync a directory; the
 * file is in place all the same, so that is no failure. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

enum cn_status cn_gguf_writer_finish(struct cn_gguf_writer *w, struct cn_error *err)
{
    enum cn_status status;
    write_header(w);
    assert((w->status != CN_OK || w->tensor == w->n_tensors) && "data is missing");
    flush(w);
    if (w->status == CN_OK && fsync(w->fd) != 0)
        io_failed(w, "fsync", errno);
    if (close(w->fd) != 0)
        io_failed(w, "close", errno);
    w->fd = -1;
    if (w->status == CN_OK && rename(w->temporary, w->path) != 0)
        io_failed(w, "rename", errno);
    status = w->status;
    if (status == CN_OK)
        sync_directory(w->path);
    else {
        unlink(w->temporary);
        cn_fail(err, status, "%s", w->error.text);
    }
    free_writer(w);
    return status;
}

void cn_gguf_writer_abandon(struct cn_gguf_writer *w)
{
    if (!w)
        return;
    close(w->fd);
    unlink(w->temporary);
    free_writer(w);
}
