/* SPDX-License-Identifier: MIT
 *
 * Opening GGUF files: mapping, split models, and the indices of names. gguf_parse.c reads one
 * file's bytes, gguf_value.c its values.
 */
#include "engine/gguf/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/gguf/gguf_part.h"

struct cn_gguf_map {
    void *addr; /* NULL: the bytes belong to the caller of cn_gguf_parse */
    size_t n_bytes;
};

/* ---- one file ------------------------------------------------------------------------------- */

/* What messages call the file: the end of a long path says more than its start, and the message
 * has to fit cn_error. */
static char *path_for_messages(const char *path)
{
    enum { MAX = 200 };
    size_t n = strlen(path);
    char *copy = malloc(MAX + 1);
    if (copy)
        snprintf(copy, MAX + 1, "%s%s", n > MAX ? "..." : "",
                 n > MAX ? path + n - (MAX - 3) : path);
    return copy;
}

static enum cn_status map_file(const char *path, const char *shown, struct cn_gguf_map *map,
                               struct cn_error *err)
{
    struct stat st;
    void *addr;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    CN_RETURN_IF(fd < 0, CN_ERR_IO, err, "%s: cannot open: %s", shown, strerror(errno));
    if (fstat(fd, &st) != 0) {
        enum cn_status status = cn_fail_errno(err, "%s", shown);
        close(fd);
        return status;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return cn_fail(err, CN_ERR_IO, "%s: not a regular file", shown);
    }
    if (st.st_size <= 0 || (uintmax_t)st.st_size > SIZE_MAX) {
        close(fd);
        return cn_fail(err, CN_ERR_FORMAT, "%s: %jd bytes found, at least 24 expected", shown,
                       (intmax_t)st.st_size);
    }
    /* Private and read-only: the pages are the page cache's own. */
    addr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    CN_RETURN_IF(addr == MAP_FAILED, CN_ERR_IO, err, "%s: cannot map: %s", shown, strerror(error));
    /* What is not in the cache yet comes in huge pages where the file system can, which are read a
     * tenth faster ever after (docs/SPEED.md). Refused without harm elsewhere. No other advice: the
     * header is read from front to back and weights matrix by matrix, as read-ahead expects. */
    madvise(addr, (size_t)st.st_size, MADV_HUGEPAGE);
    map->addr = addr;
    map->n_bytes = (size_t)st.st_size;
    return CN_OK;
}

void cn_gguf_close(struct cn_gguf *gguf)
{
    for (int i = 0; i < gguf->n_parts; i++)
        if (gguf->maps[i].addr)
            munmap(gguf->maps[i].addr, gguf->maps[i].n_bytes);
    free(gguf->maps);
    free(gguf->kv_index.slots);
    free(gguf->tensor_index.slots);
    free(gguf->kv);
    free(gguf->tensors);
    free(gguf->path);
    memset(gguf, 0, sizeof *gguf);
}

/* Fills *g from bytes, or from the file if bytes is NULL. On failure *g is closed. Names of tensors
 * are not indexed yet, as parts may follow. */
static enum cn_status open_one(const char *path, const void *bytes, size_t n_bytes, int part,
                               struct cn_gguf *g, struct cn_error *err)
{
    enum cn_status status;
    memset(g, 0, sizeof *g);
    g->path = path_for_messages(path);
    g->maps = calloc(1, sizeof *g->maps);
    if (!g->path || !g->maps) {
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
        goto fail;
    }
    g->n_parts = 1;
    if (!bytes) {
        status = map_file(path, g->path, &g->maps[0], err);
        if (status != CN_OK)
            goto fail;
        bytes = g->maps[0].addr;
        n_bytes = g->maps[0].n_bytes;
    }
    g->file_bytes = n_bytes;
    status = cn_gguf_parse_part(bytes, n_bytes, g->path, part, g, err);
    if (status == CN_OK)
        status = cn_gguf_index_keys(g, err);
    if (status == CN_OK)
        return CN_OK;
fail:
    cn_gguf_close(g);
    return status;
}

/* ---- split models --------------------------------------------------------------------------- */

enum { SUFFIX_BYTES = sizeof "-00001-of-00003.gguf" - 1, MAX_PARTS = 65535 };

/* Length of PREFIX if path is PREFIX-NNNNN-of-NNNNN.gguf, else -1. */
static long split_prefix(const char *path)
{
    size_t n = strlen(path);
    const char *p;
    if (n < SUFFIX_BYTES)
        return -1;
    p = path + n - SUFFIX_BYTES;
    for (int i = 0; i < SUFFIX_BYTES; i++) {
        char pattern = "-ddddd-of-ddddd.gguf"[i]; /* d: a digit */
        if (pattern == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != pattern)
            return -1;
    }
    return (long)(n - SUFFIX_BYTES);
}

static char *part_name(const char *path, long prefix, int part, int n_parts)
{
    size_t n = (size_t)prefix + SUFFIX_BYTES + 1;
    char *name = malloc(n);
    if (name) {
        memcpy(name, path, (size_t)prefix);
        snprintf(name + prefix, SUFFIX_BYTES + 1, "-%05u-of-%05u.gguf",
                 (unsigned)(part + 1) % 100000u, (unsigned)n_parts % 100000u);
    }
    return name;
}

enum cn_status cn_gguf_part_name(const char *name, int no, int n_parts, char **part,
                                 struct cn_error *err)
{
    static const char end[] = ".gguf";
    const size_t n = strlen(name), n_end = sizeof end - 1;
    long prefix = split_prefix(name);
    CN_RETURN_IF(n == 0 || name[n - 1] == '/', CN_ERR_ARGUMENT, err,
                 "'%s': a name expected to begin the files' names with", name);
    char *first = prefix < 0 ? NULL : part_name(name, prefix, 0, n_parts);
    CN_RETURN_IF(prefix >= 0 && !first, CN_ERR_MEMORY, err, "%s: out of memory", name);
    const bool other = first && strcmp(first, name) != 0;
    free(first);
    CN_RETURN_IF(other, CN_ERR_ARGUMENT, err,
                 "%s: the name of the first of %d files expected, which ends in "
                 "-00001-of-%05d.gguf, or what stands before that",
                 name, n_parts, n_parts);
    if (prefix < 0)
        prefix = (long)(n > n_end && strcmp(name + n - n_end, end) == 0 ? n - n_end : n);
    char *made = part_name(name, prefix, no, n_parts);
    CN_RETURN_IF(!made, CN_ERR_MEMORY, err, "%s: out of memory", name);
    *part = made;
    return CN_OK;
}

static enum cn_status split_keys(const struct cn_gguf *g, int64_t *no, int64_t *count,
                                 struct cn_error *err)
{
    *no = 0;
    *count = 0;
    CN_TRY(cn_gguf_get_i64(g, "split.count", 0, MAX_PARTS, count, err));
    return cn_gguf_get_i64(g, "split.no", 0, MAX_PARTS - 1, no, err);
}

/* Moves the tensors and the mapping of `part` to *g and closes it. */
static enum cn_status adopt_part(struct cn_gguf *g, struct cn_gguf *part, struct cn_error *err)
{
    size_t n = (size_t)(g->n_tensors + part->n_tensors);
    struct cn_gguf_tensor *tensors = realloc(g->tensors, (n + 1) * sizeof *tensors);
    if (tensors)
        g->tensors = tensors;
    struct cn_gguf_map *maps = realloc(g->maps, ((size_t)g->n_parts + 1) * sizeof *maps);
    if (maps)
        g->maps = maps;
    if (!tensors || !maps) {
        cn_gguf_close(part);
        return cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", g->path);
    }
    memcpy(tensors + g->n_tensors, part->tensors, (size_t)part->n_tensors * sizeof *tensors);
    g->n_tensors = (int64_t)n;
    g->file_bytes += part->file_bytes;
    maps[g->n_parts++] = part->maps[0];
    part->maps[0].addr = NULL;
    cn_gguf_close(part);
    return CN_OK;
}

static enum cn_status open_part(struct cn_gguf *g, const char *path, int no, int64_t count,
                                struct cn_error *err)
{
    struct cn_gguf part;
    int64_t part_no, part_count;
    enum cn_status status;
    CN_TRY(open_one(path, NULL, 0, no, &part, err));
    status = split_keys(&part, &part_no, &part_count, err);
    if (status == CN_OK && (part_no != no || part_count != count))
        status = cn_fail(err, CN_ERR_FORMAT,
                         "%s: part %" PRId64 " of %" PRId64 " found (split.no, split.count), part "
                         "%d of %" PRId64 " expected",
                         part.path, part_no, part_count, no, count);
    if (status != CN_OK) {
        cn_gguf_close(&part);
        return status;
    }
    return adopt_part(g, &part, err);
}

static enum cn_status open_parts(struct cn_gguf *g, const char *path, int64_t no, int64_t count,
                                 struct cn_error *err)
{
    long prefix = split_prefix(path);
    char *name;
    int64_t total;
    enum cn_status status = CN_OK;

    CN_RETURN_IF(prefix < 0, CN_ERR_FORMAT, err,
                 "%s: a part of a split model, but its name does not end in "
                 "-00001-of-%05" PRId64 ".gguf, so the other parts cannot be found",
                 g->path, count);
    if (no != 0) {
        name = part_name(path, prefix, 0, (int)count);
        status = cn_fail(err, CN_ERR_ARGUMENT,
                         "%s: this is part %" PRId64 " of %" PRId64 ": give the first part, %s",
                         g->path, no + 1, count, name ? name : "-00001-of-...");
        free(name);
        return status;
    }
    name = part_name(path, prefix, 0, (int)count);
    CN_RETURN_IF(!name, CN_ERR_MEMORY, err, "%s: out of memory", g->path);
    bool same = strcmp(name, path) == 0;
    free(name);
    CN_RETURN_IF(!same, CN_ERR_FORMAT, err,
                 "%s: part 1 of %" PRId64 " (split.no, split.count), but its name says otherwise",
                 g->path, count);
    CN_TRY(cn_gguf_need_i64(g, "split.tensors.count", 0, INT32_MAX, &total, err));
    for (int i = 1; i < count && status == CN_OK; i++) {
        name = part_name(path, prefix, i, (int)count);
        status = name ? open_part(g, name, i, count, err)
                      : cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", g->path);
        free(name);
    }
    if (status == CN_OK && total != g->n_tensors)
        status = cn_fail(err, CN_ERR_FORMAT,
                         "%s: %" PRId64 " tensors in %d parts found, %" PRId64
                         " expected (split.tensors.count)",
                         g->path, g->n_tensors, g->n_parts, total);
    return status;
}

/* ---- the public functions ------------------------------------------------------------------- */

enum cn_status cn_gguf_open(const char *path, struct cn_gguf *gguf, struct cn_error *err)
{
    struct cn_gguf g;
    int64_t no, count;
    enum cn_status status;
    CN_TRY(open_one(path, NULL, 0, 0, &g, err));
    status = split_keys(&g, &no, &count, err);
    if (status == CN_OK && count > 1)
        status = open_parts(&g, path, no, count, err);
    if (status == CN_OK)
        status = cn_gguf_index_tensors(&g, err);
    if (status != CN_OK) {
        cn_gguf_close(&g);
        return status;
    }
    *gguf = g;
    return CN_OK;
}

enum cn_status cn_gguf_parse(const void *bytes, size_t n_bytes, const char *name,
                             struct cn_gguf *gguf, struct cn_error *err)
{
    struct cn_gguf g;
    int64_t no, count;
    enum cn_status status;
    CN_TRY(open_one(name, bytes ? bytes : "", bytes ? n_bytes : 0, 0, &g, err));
    status = split_keys(&g, &no, &count, err);
    if (status == CN_OK && count > 1)
        status = cn_fail(err, CN_ERR_UNSUPPORTED,
                         "%s: a part of a split model cannot be read from memory", g.path);
    if (status == CN_OK)
        status = cn_gguf_index_tensors(&g, err);
    if (status != CN_OK) {
        cn_gguf_close(&g);
        return status;
    }
    *gguf = g;
    return CN_OK;
}
