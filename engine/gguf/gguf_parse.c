/* SPDX-License-Identifier: MIT
 *
 * One GGUF file's bytes, taken apart. Every byte is taken to be hostile: a count is compared with
 * the bytes that are left before anything is allocated for it, so that no allocation is larger than
 * a small multiple of the file.
 */
#include "engine/gguf/gguf_part.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"

enum {
    MIN_KV_BYTES = 8 + 1 + 4 + 1, /* length, one byte of key, type, smallest value */
    MIN_TENSOR_BYTES =
        8 + 1 + 4 + 8 + 4 + 8, /* length, name, n_dims, one dimension, type, offset */
    MAX_KEY_BYTES = 65535,     /* of the format */
    MAX_NAME_BYTES = 255,      /* the reference writes at most 63 */
    MAX_DIMS = 4,
    DEFAULT_ALIGNMENT = 32,
};

static const uint8_t magic[4] = { 'G', 'G', 'U', 'F' };

/* ---- reading -------------------------------------------------------------------------------- */

struct scan {
    const uint8_t *begin, *p, *end;
    const char *file;
    struct cn_error *err;
};

static size_t left(const struct scan *s)
{
    return (size_t)(s->end - s->p);
}

/* `of` names the key or tensor whose `what` is being read; NULL in the file's header. */
static enum cn_status need(const struct scan *s, uint64_t n, const char *what,
                           const struct cn_str *of)
{
    char shown[CN_SHOW_BYTES];
    if (n <= left(s))
        return CN_OK;
    if (!of)
        return cn_fail(s->err, CN_ERR_FORMAT,
                       "%s: byte %zu: %s takes %" PRIu64 " bytes, %zu are left in the file",
                       s->file, (size_t)(s->p - s->begin), what, n, left(s));
    return cn_fail(s->err, CN_ERR_FORMAT,
                   "%s: byte %zu: %s \"%s\" takes %" PRIu64 " bytes, %zu are left in the file",
                   s->file, (size_t)(s->p - s->begin), what, cn_str_show(*of, shown, sizeof shown),
                   n, left(s));
}

static enum cn_status take_u32(struct scan *s, const char *what, const struct cn_str *of,
                               uint32_t *value)
{
    CN_TRY(need(s, 4, what, of));
    *value = cn_load_u32(s->p);
    s->p += 4;
    return CN_OK;
}

static enum cn_status take_u64(struct scan *s, const char *what, const struct cn_str *of,
                               uint64_t *value)
{
    CN_TRY(need(s, 8, what, of));
    *value = cn_load_u64(s->p);
    s->p += 8;
    return CN_OK;
}

static enum cn_status take_str(struct scan *s, const char *what, const struct cn_str *of,
                               struct cn_str *value)
{
    uint64_t n;
    CN_TRY(take_u64(s, what, of, &n));
    CN_TRY(need(s, n, what, of));
    value->p = (const char *)s->p;
    value->n = (size_t)n;
    s->p += n;
    return CN_OK;
}

/* Names are looked up as C strings and printed: neither works with a NUL inside. */
static enum cn_status take_name(struct scan *s, const char *what, size_t max_bytes,
                                struct cn_str *name)
{
    char shown[CN_SHOW_BYTES];
    size_t at = (size_t)(s->p - s->begin);
    CN_TRY(take_str(s, what, NULL, name));
    CN_RETURN_IF(name->n == 0, CN_ERR_FORMAT, s->err, "%s: byte %zu: empty %s", s->file, at, what);
    CN_RETURN_IF(name->n > max_bytes, CN_ERR_FORMAT, s->err,
                 "%s: byte %zu: %s of %zu bytes found, at most %zu expected", s->file, at, what,
                 name->n, max_bytes);
    CN_RETURN_IF(memchr(name->p, 0, name->n), CN_ERR_FORMAT, s->err,
                 "%s: byte %zu: %s \"%s\" has a NUL byte in it", s->file, at, what,
                 cn_str_show(*name, shown, sizeof shown));
    return CN_OK;
}

/* ---- metadata ------------------------------------------------------------------------------- */

static enum cn_status take_elements(struct scan *s, const struct cn_gguf_kv *kv)
{
    char shown[CN_SHOW_BYTES];
    size_t size = cn_gguf_elem_bytes(kv->elem_type);
    if (kv->elem_type == CN_GGUF_STRING) {
        CN_RETURN_IF(kv->n > left(s) / 8, CN_ERR_FORMAT, s->err,
                     "%s: key \"%s\": an array of %" PRIu64
                     " strings needs more than the %zu bytes left in the file",
                     s->file, cn_str_show(kv->key, shown, sizeof shown), kv->n, left(s));
        for (uint64_t i = 0; i < kv->n; i++) {
            struct cn_str value;
            CN_TRY(take_str(s, "a string of key", &kv->key, &value));
        }
        return CN_OK;
    }
    CN_RETURN_IF(kv->n > left(s) / size, CN_ERR_FORMAT, s->err,
                 "%s: key \"%s\": %" PRIu64 " elements of %zu bytes found, %zu bytes are left in "
                 "the file",
                 s->file, cn_str_show(kv->key, shown, sizeof shown), kv->n, size, left(s));
    s->p += kv->n * size;
    return CN_OK;
}

static enum cn_status take_kv(struct scan *s, struct cn_gguf_kv *kv)
{
    char shown[CN_SHOW_BYTES];
    uint32_t type, elem_type;
    kv->raw = s->p;
    CN_TRY(take_name(s, "key", MAX_KEY_BYTES, &kv->key));
    CN_TRY(take_u32(s, "the value type of key", &kv->key, &type));
    CN_RETURN_IF(type >= CN_GGUF_N_TYPES, CN_ERR_FORMAT, s->err,
                 "%s: key \"%s\": value type %" PRIu32 " found, 0 to %d expected", s->file,
                 cn_str_show(kv->key, shown, sizeof shown), type, CN_GGUF_N_TYPES - 1);
    kv->type = (enum cn_gguf_type)type;
    elem_type = type;
    kv->n = 1;
    if (type == CN_GGUF_ARRAY) {
        CN_TRY(take_u32(s, "the element type of key", &kv->key, &elem_type));
        CN_RETURN_IF(elem_type == CN_GGUF_ARRAY, CN_ERR_FORMAT, s->err,
                     "%s: key \"%s\": an array of arrays, which GGUF readers refuse", s->file,
                     cn_str_show(kv->key, shown, sizeof shown));
        CN_RETURN_IF(elem_type >= CN_GGUF_N_TYPES, CN_ERR_FORMAT, s->err,
                     "%s: key \"%s\": array element type %" PRIu32 " found, 0 to %d expected",
                     s->file, cn_str_show(kv->key, shown, sizeof shown), elem_type,
                     CN_GGUF_N_TYPES - 1);
        CN_TRY(take_u64(s, "the array length of key", &kv->key, &kv->n));
    }
    kv->elem_type = (enum cn_gguf_type)elem_type;
    kv->data = s->p;
    if (type == CN_GGUF_ARRAY) {
        CN_TRY(take_elements(s, kv));
    } else if (type == CN_GGUF_STRING) {
        struct cn_str value;
        CN_TRY(take_str(s, "the value of key", &kv->key, &value));
    } else {
        CN_TRY(need(s, cn_gguf_elem_bytes(type), "the value of key", &kv->key));
        s->p += cn_gguf_elem_bytes(type);
    }
    kv->raw_bytes = (size_t)(s->p - kv->raw);
    return CN_OK;
}

static enum cn_status check_alignment(const struct scan *s, const struct cn_gguf_kv *kv,
                                      size_t *alignment)
{
    static const char key[] = "general.alignment";
    if (kv->key.n != sizeof key - 1 || memcmp(kv->key.p, key, sizeof key - 1) != 0)
        return CN_OK;
    CN_RETURN_IF(kv->type != CN_GGUF_U32, CN_ERR_FORMAT, s->err,
                 "%s: key \"%s\": type %s found, u32 expected", s->file, key,
                 cn_gguf_kv_type_name(kv->type));
    uint32_t value = cn_load_u32(kv->data);
    /* The specification's multiple of 8 is also what lets kernels read floats in place. */
    CN_RETURN_IF(value < 8 || (value & (value - 1)), CN_ERR_FORMAT, s->err,
                 "%s: key \"%s\": %" PRIu32 " found, a power of two from 8 on expected", s->file,
                 key, value);
    *alignment = value;
    return CN_OK;
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* A tensor type that is no format here: an array of plain numbers, or what a message has to say. */
static enum cn_status find_foreign(const struct scan *s, const char *shown, uint32_t type,
                                   int64_t *elem_bytes)
{
    const struct cn_gguf_foreign *f = cn_gguf_foreign(type);
    CN_RETURN_IF(!f, CN_ERR_FORMAT, s->err, "%s: tensor \"%s\": unknown tensor type %" PRIu32,
                 s->file, shown, type);
    switch (f->kind) {
    case CN_GGUF_PLAIN:
        *elem_bytes = f->plain_bytes;
        return CN_OK;
    case CN_GGUF_REMOVED:
        return cn_fail(s->err, CN_ERR_UNSUPPORTED,
                       "%s: tensor \"%s\": tensor type %" PRIu32 " (%s) was removed from GGUF",
                       s->file, shown, type, f->name);
    case CN_GGUF_INTERLEAVED:
        return cn_fail(s->err, CN_ERR_UNSUPPORTED,
                       "%s: tensor \"%s\": tensor type %" PRIu32 " (%s) interleaves rows of %s, "
                       "which is not supported; convert it back with the program that made it, or "
                       "make the file anew in type %s",
                       s->file, shown, type, f->name, f->base, f->base);
    case CN_GGUF_ABSENT:
        break;
    }
    return cn_fail(s->err, CN_ERR_UNSUPPORTED, "%s: tensor \"%s\": unsupported tensor type %s",
                   s->file, shown, f->name);
}

static const struct cn_gguf_kv *find_kv(const struct cn_gguf_kv *kv, uint64_t n, const char *key)
{
    for (uint64_t i = 0; i < n; i++)
        if (kv[i].key.n == strlen(key) && memcmp(kv[i].key.p, key, kv[i].key.n) == 0)
            return &kv[i];
    return NULL;
}

/* A type that GGUF has no id for is what the file says it is, and nothing else. */
static enum cn_status check_local(const struct scan *s, const char *shown, uint32_t type,
                                  const struct cn_gguf_kv *kv, uint64_t n_kv)
{
    char key[CN_GGUF_LOCAL_KEY_BYTES], name[CN_SHOW_BYTES];
    const struct cn_gguf_kv *k = find_kv(kv, n_kv, cn_gguf_local_type_key(type, key));
    const struct cn_format *f = cn_format_by_gguf(type);
    CN_RETURN_IF(!k || k->type != CN_GGUF_STRING, CN_ERR_FORMAT, s->err,
                 "%s: tensor \"%s\": tensor type %" PRIu32 " expects its name in the key %s",
                 s->file, shown, type, key);
    const uint8_t *cursor = k->data;
    const struct cn_str said = cn_gguf_next_str(&cursor);
    CN_RETURN_IF(!f || strlen(f->label) != said.n || memcmp(f->label, said.p, said.n) != 0,
                 CN_ERR_UNSUPPORTED, s->err, "%s: tensor \"%s\": unsupported tensor type %s",
                 s->file, shown, cn_str_show(said, name, sizeof name));
    return CN_OK;
}

/* Bytes of the tensor's data, from its dimensions and type. */
static enum cn_status measure(const struct scan *s, const char *shown, struct cn_gguf_tensor *t,
                              const struct cn_gguf_kv *kv, uint64_t n_kv)
{
    int64_t block_elems = 1, block_bytes = 0, header = 0, bytes;
    if (t->gguf_type >= CN_LOCAL_TYPES)
        CN_TRY(check_local(s, shown, t->gguf_type, kv, n_kv));
    t->format = cn_format_by_gguf(t->gguf_type);
    if (t->format) {
        block_elems = t->format->block_elems;
        block_bytes = t->format->block_bytes;
        header = t->format->header_bytes;
    } else {
        CN_TRY(find_foreign(s, shown, t->gguf_type, &block_bytes));
    }
    CN_RETURN_IF(t->ne[0] % block_elems, CN_ERR_FORMAT, s->err,
                 "%s: tensor \"%s\": row length %" PRId64 " found, a multiple of %" PRId64
                 " expected for type %s",
                 s->file, shown, t->ne[0], block_elems, cn_gguf_type_name(t->gguf_type));
    CN_RETURN_IF(__builtin_mul_overflow(t->ne[0] / block_elems, block_bytes, &bytes) ||
                     __builtin_add_overflow(bytes, header, &bytes) ||
                     __builtin_mul_overflow(bytes, t->n_elems / t->ne[0], &bytes) ||
                     (uint64_t)bytes > SIZE_MAX,
                 CN_ERR_FORMAT, s->err,
                 "%s: tensor \"%s\": the size in bytes of %" PRId64 " elements overflows", s->file,
                 shown, t->n_elems);
    t->bytes = (size_t)bytes;
    return CN_OK;
}

/* kv[n_kv]: the keys of the same file. */
static enum cn_status take_tensor(struct scan *s, struct cn_gguf_tensor *t, uint64_t *offset,
                                  const struct cn_gguf_kv *kv, uint64_t n_kv)
{
    char shown[CN_SHOW_BYTES];
    uint32_t n_dims;
    CN_TRY(take_name(s, "tensor name", MAX_NAME_BYTES, &t->name));
    cn_str_show(t->name, shown, sizeof shown);
    CN_TRY(take_u32(s, "the number of dimensions of tensor", &t->name, &n_dims));
    CN_RETURN_IF(n_dims < 1 || n_dims > MAX_DIMS, CN_ERR_FORMAT, s->err,
                 "%s: tensor \"%s\": %" PRIu32 " dimensions found, 1 to %d expected", s->file,
                 shown, n_dims, MAX_DIMS);
    t->n_dims = (int)n_dims;
    t->n_elems = 1;
    for (int d = 0; d < MAX_DIMS; d++) {
        uint64_t ne = 1;
        if (d < t->n_dims)
            CN_TRY(take_u64(s, "a dimension of tensor", &t->name, &ne));
        CN_RETURN_IF(ne == 0 || ne > INT64_MAX, CN_ERR_FORMAT, s->err,
                     "%s: tensor \"%s\": dimension %d is %" PRIu64 ", 1 to 2^63 - 1 expected",
                     s->file, shown, d, ne);
        t->ne[d] = (int64_t)ne;
        CN_RETURN_IF(__builtin_mul_overflow(t->n_elems, t->ne[d], &t->n_elems), CN_ERR_FORMAT,
                     s->err, "%s: tensor \"%s\": the number of elements overflows", s->file, shown);
    }
    CN_TRY(take_u32(s, "the type of tensor", &t->name, &t->gguf_type));
    CN_TRY(measure(s, shown, t, kv, n_kv));
    return take_u64(s, "the offset of tensor", &t->name, offset);
}

/* Tensors with their offsets: the data section's start is only known after the last description. */
struct place {
    uint64_t offset;
    int64_t tensor;
};

static int by_offset(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum cn_status place_tensors(const struct scan *s, size_t alignment,
                                    struct cn_gguf_tensor *tensors, struct place *places, int64_t n)
{
    char shown[CN_SHOW_BYTES], other[CN_SHOW_BYTES];
    size_t header = (size_t)(s->p - s->begin), total = (size_t)(s->end - s->begin);
    size_t start = (header + alignment - 1) / alignment * alignment;
    size_t data_bytes = start <= total ? total - start : 0;

    for (int64_t i = 0; i < n; i++) {
        struct cn_gguf_tensor *t = &tensors[places[i].tensor];
        uint64_t offset = places[i].offset;
        CN_RETURN_IF(offset % alignment, CN_ERR_FORMAT, s->err,
                     "%s: tensor \"%s\": offset %" PRIu64 " found, a multiple of %zu expected",
                     s->file, cn_str_show(t->name, shown, sizeof shown), offset, alignment);
        CN_RETURN_IF(offset > data_bytes || t->bytes > data_bytes - offset, CN_ERR_FORMAT, s->err,
                     "%s: tensor \"%s\": %zu bytes at offset %" PRIu64
                     " expected, but the data section has %zu bytes",
                     s->file, cn_str_show(t->name, shown, sizeof shown), t->bytes, offset,
                     data_bytes);
        t->data = s->begin + start + offset;
    }
    /* The reference wants the very order of the descriptions; that nothing overlaps is enough. */
    qsort(places, (size_t)n, sizeof *places, by_offset);
    for (int64_t i = 1; i < n; i++) {
        const struct cn_gguf_tensor *a = &tensors[places[i - 1].tensor];
        const struct cn_gguf_tensor *b = &tensors[places[i].tensor];
        CN_RETURN_IF(places[i].offset - places[i - 1].offset < a->bytes, CN_ERR_FORMAT, s->err,
                     "%s: tensors \"%s\" (%zu bytes at offset %" PRIu64
                     ") and \"%s\" (offset %" PRIu64 ") overlap",
                     s->file, cn_str_show(a->name, shown, sizeof shown), a->bytes,
                     places[i - 1].offset, cn_str_show(b->name, other, sizeof other),
                     places[i].offset);
    }
    return CN_OK;
}

/* ---- the whole file ------------------------------------------------------------------------- */

static enum cn_status take_header(struct scan *s, uint32_t *version, uint64_t *n_tensors,
                                  uint64_t *n_kv)
{
    CN_TRY(need(s, sizeof magic, "the magic \"GGUF\"", NULL));
    if (memcmp(s->p, magic, sizeof magic) != 0) {
        char shown[CN_SHOW_BYTES];
        struct cn_str found = { (const char *)s->p, sizeof magic };
        return cn_fail(s->err, CN_ERR_FORMAT,
                       "%s: not a GGUF file: it starts with \"%s\", \"GGUF\" expected", s->file,
                       cn_str_show(found, shown, sizeof shown));
    }
    s->p += sizeof magic;
    CN_TRY(take_u32(s, "the version", NULL, version));
    CN_RETURN_IF(*version != 0 && (*version & 0xffff) == 0, CN_ERR_UNSUPPORTED, s->err,
                 "%s: a big-endian GGUF file, little-endian expected", s->file);
    CN_RETURN_IF(*version != 2 && *version != 3, CN_ERR_UNSUPPORTED, s->err,
                 "%s: GGUF version %" PRIu32 " found, 2 or 3 expected", s->file, *version);
    CN_TRY(take_u64(s, "the tensor count", NULL, n_tensors));
    CN_TRY(take_u64(s, "the key count", NULL, n_kv));
    CN_RETURN_IF(*n_kv > left(s) / MIN_KV_BYTES, CN_ERR_FORMAT, s->err,
                 "%s: %" PRIu64 " keys found, at most %zu fit in the %zu bytes that follow",
                 s->file, *n_kv, left(s) / MIN_KV_BYTES, left(s));
    CN_RETURN_IF(*n_tensors > left(s) / MIN_TENSOR_BYTES, CN_ERR_FORMAT, s->err,
                 "%s: %" PRIu64 " tensors found, at most %zu fit in the %zu bytes that follow",
                 s->file, *n_tensors, left(s) / MIN_TENSOR_BYTES, left(s));
    return CN_OK;
}

enum cn_status cn_gguf_parse_part(const uint8_t *bytes, size_t n_bytes, const char *name, int part,
                                  struct cn_gguf *g, struct cn_error *err)
{
    struct scan s = { bytes, bytes, bytes + n_bytes, name, err };
    uint32_t version = 0;
    uint64_t n_tensors = 0, n_kv = 0;
    size_t alignment = DEFAULT_ALIGNMENT;
    struct cn_gguf_kv *kv = NULL;
    struct cn_gguf_tensor *tensors = NULL;
    struct place *places = NULL;
    enum cn_status status;

    CN_TRY(take_header(&s, &version, &n_tensors, &n_kv));
    kv = calloc(n_kv + 1, sizeof *kv);
    status = kv ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", name);
    for (uint64_t i = 0; status == CN_OK && i < n_kv; i++) {
        status = take_kv(&s, &kv[i]);
        if (status == CN_OK)
            status = check_alignment(&s, &kv[i], &alignment);
    }
    if (status != CN_OK)
        goto fail;
    if (n_tensors > left(&s) / MIN_TENSOR_BYTES) {
        status = cn_fail(err, CN_ERR_FORMAT,
                         "%s: %" PRIu64 " tensors found, at most %zu fit in the %zu bytes left",
                         name, n_tensors, left(&s) / MIN_TENSOR_BYTES, left(&s));
        goto fail;
    }
    tensors = calloc(n_tensors + 1, sizeof *tensors);
    places = calloc(n_tensors + 1, sizeof *places);
    if (!tensors || !places) {
        status = cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", name);
        goto fail;
    }
    for (uint64_t i = 0; i < n_tensors; i++) {
        tensors[i].part = part;
        places[i].tensor = (int64_t)i;
        status = take_tensor(&s, &tensors[i], &places[i].offset, kv, n_kv);
        if (status != CN_OK)
            goto fail;
    }
    status = place_tensors(&s, alignment, tensors, places, (int64_t)n_tensors);
    if (status != CN_OK)
        goto fail;
    free(places);
    g->version = version;
    g->alignment = alignment;
    g->n_kv = (int64_t)n_kv;
    g->kv = kv;
    g->n_tensors = (int64_t)n_tensors;
    g->tensors = tensors;
    return CN_OK;

fail:
    free(places);
    free(tensors);
    free(kv);
    return status;
}
