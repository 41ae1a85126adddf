/* SPDX-License-Identifier: MIT
 *
 * The keys of a shape are written as a small GGUF file in memory, which the architecture's own
 * reader then takes: what a synthetic model is cannot differ from what a real one would be.
 */
#include "engine/make/synth_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/model/hparams.h"

enum { GGUF_VERSION = 3, TENSOR_ALIGN = 32, KEY_BYTES = 128, VALUE_BYTES = 64 };

const struct cn_synth_shape *cn_synth_shape_at(int i, const struct cn_arch **arch)
{
    for (int a = 0; i >= 0 && (*arch = cn_arch_at(a)); a++) {
        if (i < (*arch)->n_shapes)
            return &(*arch)->shapes[i];
        i -= (*arch)->n_shapes;
    }
    return NULL;
}

/* Bytes of the file; failed: out of memory. */
struct buffer {
    uint8_t *p;
    size_t n, capacity;
    bool failed;
};

static void put(struct buffer *b, const void *bytes, size_t n)
{
    if (b->n + n > b->capacity && !b->failed) {
        const size_t capacity = 2 * (b->n + n) + 256;
        uint8_t *p = realloc(b->p, capacity);
        if (p) {
            b->p = p;
            b->capacity = capacity;
        } else {
            b->failed = true;
        }
    }
    if (b->failed)
        return;
    memcpy(b->p + b->n, bytes, n);
    b->n += n;
}

static void put_u32(struct buffer *b, uint32_t x)
{
    put(b, &x, sizeof x);
}

static void put_u64(struct buffer *b, uint64_t x)
{
    put(b, &x, sizeof x);
}

static void put_str(struct buffer *b, const char *s, size_t n)
{
    put_u64(b, n);
    put(b, s, n);
}

static enum cn_gguf_type type_of(const char *value)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
        return CN_GGUF_BOOL;
    const size_t n = strspn(value, "0123456789.e+-");
    if (value[n] || value[0] < '0' || value[0] > '9')
        return CN_GGUF_STRING;
    return strpbrk(value, ".e") ? CN_GGUF_F32 : CN_GGUF_U32;
}

static void put_value(struct buffer *b, enum cn_gguf_type type, const char *value)
{
    const float x = strtof(value, NULL);
    const uint8_t truth = value[0] == 't';
    if (type == CN_GGUF_BOOL)
        put(b, &truth, 1);
    else if (type == CN_GGUF_F32)
        put(b, &x, sizeof x);
    else if (type == CN_GGUF_U32)
        put_u32(b, (uint32_t)strtoul(value, NULL, 10));
    else
        put_str(b, value, strlen(value));
}

/* Element i of "3*a,b", repeated without end. */
static void element(const char *list, size_t n_list, int32_t i, char value[VALUE_BYTES])
{
    for (const char *p = list;; p = list)
        while (p < list + n_list) {
            const char *end = memchr(p, ',', (size_t)(list + n_list - p));
            char *after;
            long times = 1;
            end = end ? end : list + n_list;
            const long found = strtol(p, &after, 10);
            if (after > p && after < end && *after == '*') {
                times = found;
                p = after + 1;
            }
            if (i < times) {
                snprintf(value, VALUE_BYTES, "%.*s", (int)(end - p), p);
                return;
            }
            i -= (int32_t)times;
            p = end + 1;
        }
}

/* "[a,b]": one for each of n_layer layers; "{a,b}": just these. */
static void put_array(struct buffer *b, const char *value, size_t n, int32_t n_layer)
{
    char x[VALUE_BYTES];
    int32_t count = n_layer;
    if (value[0] == '{') {
        count = 1;
        for (size_t i = 0; i < n; i++)
            count += value[i] == ',';
    }
    element(value + 1, n - 2, 0, x);
    const enum cn_gguf_type type = type_of(x) == CN_GGUF_U32 ? CN_GGUF_I32 : type_of(x);
    put_u32(b, CN_GGUF_ARRAY);
    put_u32(b, type);
    put_u64(b, (uint64_t)count);
    for (int32_t i = 0; i < count; i++) {
        element(value + 1, n - 2, i, x);
        put_value(b, type == CN_GGUF_I32 ? CN_GGUF_U32 : type, x);
    }
}

static void put_key(struct buffer *b, const struct cn_arch *arch, const char *key, size_t n)
{
    char full[KEY_BYTES];
    const int length = snprintf(full, sizeof full, "%s.%.*s", arch->name, (int)n, key);
    put_str(b, full, (size_t)length);
}

static void put_number(struct buffer *b, const struct cn_arch *arch, const char *key, int32_t x)
{
    put_key(b, arch, key, strlen(key));
    put_u32(b, CN_GGUF_U32);
    put_u32(b, (uint32_t)x);
}

/* Of layers counted from the end, those that a cut model has left. */
static int32_t cut_shared(const struct cn_synth_shape *shape, int32_t n_layer, long shared)
{
    const int32_t own = shape->n_layer - (int32_t)shared;
    return n_layer > own ? n_layer - own : 0;
}

static uint64_t put_keys(struct buffer *b, const struct cn_arch *arch,
                         const struct cn_synth_shape *shape, int32_t n_layer)
{
    static const char shared[] = "attention.shared_kv_layers";
    uint64_t count = 2;
    put_number(b, arch, "vocab_size", shape->n_vocab);
    put_number(b, arch, "block_count", n_layer);
    for (const char *p = shape->keys; *p; count++) {
        const size_t n_key = strcspn(p, "="), n = strcspn(p + n_key + 1, " ");
        const char *value = p + n_key + 1;
        char text[VALUE_BYTES];
        put_key(b, arch, p, n_key);
        snprintf(text, sizeof text, "%.*s", (int)n, value);
        if (n_key == sizeof shared - 1 && memcmp(p, shared, n_key) == 0)
            snprintf(text, sizeof text, "%d", cut_shared(shape, n_layer, strtol(text, NULL, 10)));
        if (value[0] == '[' || value[0] == '{') {
            put_array(b, value, n, n_layer);
        } else {
            put_u32(b, type_of(text));
            put_value(b, type_of(text), text);
        }
        p = value + n + (value[n] == ' ');
    }
    return count;
}

/* Readers believe in layers only where there are tensors: so many of one number each. */
static void put_tensors(struct buffer *b, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        char name[32];
        put_str(b, name, (size_t)snprintf(name, sizeof name, "t%d", i));
        put_u32(b, 1);
        put_u64(b, 1);
        put_u32(b, 0);
        put_u64(b, (uint64_t)i * TENSOR_ALIGN);
    }
    static const uint8_t zeros[TENSOR_ALIGN] = { 0 };
    while (!b->failed && b->n % TENSOR_ALIGN)
        put(b, zeros, 1);
    for (int32_t i = 0; i < n; i++)
        put(b, zeros, sizeof zeros);
}

enum cn_status cn_synth_model_open(const struct cn_arch *arch, const struct cn_synth_shape *shape,
                                   int32_t n_layer, struct cn_synth_model *m, struct cn_error *err)
{
    struct buffer keys = { 0 }, b = { 0 };
    const uint64_t n_keys = put_keys(&keys, arch, shape, n_layer);
    put(&b, "GGUF", 4);
    put_u32(&b, GGUF_VERSION);
    put_u64(&b, (uint64_t)n_layer);
    put_u64(&b, n_keys);
    if (!keys.failed)
        put(&b, keys.p, keys.n);
    put_tensors(&b, n_layer);
    free(keys.p);
    *m = (struct cn_synth_model){ .arch = arch, .shape = shape, .bytes = b.p };
    CN_RETURN_IF(keys.failed || b.failed, CN_ERR_MEMORY, err, "out of memory");
    CN_TRY(cn_gguf_parse(b.p, b.n, shape->name, &m->gguf, err));
    return cn_hparams_read(&m->gguf, arch, shape->n_vocab, &m->hp, err);
}

void cn_synth_model_close(struct cn_synth_model *m)
{
    cn_gguf_close(&m->gguf);
    free(m->hp.layers);
    free(m->bytes);
}

cn_slots cn_synth_model_slots(const struct cn_synth_model *m, int64_t layer)
{
    cn_slots required, allowed;
    cn_slots_of(m->arch, &m->hp, layer, &required, &allowed);
    cn_slots has = required | (allowed & m->shape->has);
    const struct cn_slot_forms *forms;
    for (int i = 0; (forms = cn_slot_forms(i)); i++) {
        const cn_slots one = (cn_slots)1 << forms->one;
        if (!(has & one) || !(allowed & forms->others))
            continue;
        /* The one unless the shape says that it has the others. */
        has &= ~(m->shape->has & forms->others & ~required ? one : forms->others);
    }
    return has;
}
