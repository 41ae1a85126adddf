/* SPDX-License-Identifier: MIT
 *
 * Typed access to the metadata of a GGUF file that has been checked already.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "engine/gguf/gguf_part.h"

/* ---- elements ------------------------------------------------------------------------------- */

struct cn_str cn_gguf_next_str(const uint8_t **cursor)
{
    struct cn_str s = { (const char *)*cursor + 8, (size_t)cn_load_u64(*cursor) };
    *cursor += 8 + s.n;
    return s;
}

/* Little-endian bytes of one element, seen as any of its types. */
union element {
    uint8_t u8;
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
    uint64_t u64;
    int64_t i64;
    float f32;
    double f64;
};

static union element load(const struct cn_gguf_kv *kv, uint64_t i)
{
    union element e = { 0 };
    size_t size = cn_gguf_elem_bytes(kv->elem_type);
    assert(i < kv->n && size > 0);
    memcpy(&e, kv->data + i * size, size);
    return e;
}

static int64_t clamp_to_i64(double x)
{
    if (isnan(x))
        return 0;
    return x >= 0x1p63 ? INT64_MAX : x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

int64_t cn_gguf_elem_i64(const struct cn_gguf_kv *kv, uint64_t i)
{
    union element e = load(kv, i);
    switch (kv->elem_type) {
    case CN_GGUF_U8:
        return e.u8;
    case CN_GGUF_I8:
        return e.i8;
    case CN_GGUF_U16:
        return e.u16;
    case CN_GGUF_I16:
        return e.i16;
    case CN_GGUF_U32:
        return e.u32;
    case CN_GGUF_I32:
        return e.i32;
    case CN_GGUF_BOOL:
        return e.u8 != 0;
    case CN_GGUF_U64:
        return e.u64 > INT64_MAX ? INT64_MAX : (int64_t)e.u64;
    case CN_GGUF_I64:
        return e.i64;
    case CN_GGUF_F32:
        return clamp_to_i64((double)e.f32);
    case CN_GGUF_F64:
        return clamp_to_i64(e.f64);
    case CN_GGUF_STRING:
    case CN_GGUF_ARRAY:
    case CN_GGUF_N_TYPES:
        break;
    }
    return 0;
}

double cn_gguf_elem_f64(const struct cn_gguf_kv *kv, uint64_t i)
{
    if (kv->elem_type == CN_GGUF_F32)
        return (double)load(kv, i).f32;
    if (kv->elem_type == CN_GGUF_F64)
        return load(kv, i).f64;
    if (kv->elem_type == CN_GGUF_U64)
        return (double)load(kv, i).u64;
    return (double)cn_gguf_elem_i64(kv, i);
}

/* ---- getters -------------------------------------------------------------------------------- */

static bool is_integer(enum cn_gguf_type type)
{
    return type != CN_GGUF_BOOL && type != CN_GGUF_F32 && type != CN_GGUF_F64 &&
           type != CN_GGUF_STRING && type != CN_GGUF_ARRAY;
}

static enum cn_status wrong_type(const struct cn_gguf *gguf, const struct cn_gguf_kv *kv,
                                 const char *expected, struct cn_error *err)
{
    char shown[CN_SHOW_BYTES];
    return cn_fail(err, CN_ERR_FORMAT, "%s: key \"%s\": type %s found, %s expected", gguf->path,
                   cn_str_show(kv->key, shown, sizeof shown), cn_gguf_kv_type_name(kv->type),
                   expected);
}

static enum cn_status missing(const struct cn_gguf *gguf, const char *key, struct cn_error *err)
{
    return cn_fail(err, CN_ERR_FORMAT, "%s: required key \"%s\" is missing", gguf->path, key);
}

enum cn_status cn_gguf_get_i64(const struct cn_gguf *gguf, const char *key, int64_t min,
                               int64_t max, int64_t *value, struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(gguf, key);
    if (!kv)
        return CN_OK;
    if (!is_integer(kv->type))
        return wrong_type(gguf, kv, "an integer", err);
    int64_t x = cn_gguf_elem_i64(kv, 0);
    CN_RETURN_IF(x < min || x > max, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRId64 " found, %" PRId64 " to %" PRId64 " expected",
                 gguf->path, key, x, min, max);
    CN_RETURN_IF(kv->type == CN_GGUF_U64 && cn_load_u64(kv->data) > INT64_MAX, CN_ERR_FORMAT, err,
                 "%s: key \"%s\": %" PRIu64 " found, %" PRId64 " to %" PRId64 " expected",
                 gguf->path, key, cn_load_u64(kv->data), min, max);
    *value = x;
    return CN_OK;
}

enum cn_status cn_gguf_need_i64(const struct cn_gguf *gguf, const char *key, int64_t min,
                                int64_t max, int64_t *value, struct cn_error *err)
{
    return cn_gguf_find(gguf, key) ? cn_gguf_get_i64(gguf, key, min, max, value, err)
                                   : missing(gguf, key, err);
}

enum cn_status cn_gguf_get_f32(const struct cn_gguf *gguf, const char *key, float *value,
                               struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(gguf, key);
    if (!kv)
        return CN_OK;
    if (kv->type != CN_GGUF_F32 && kv->type != CN_GGUF_F64)
        return wrong_type(gguf, kv, "a float", err);
    *value = (float)cn_gguf_elem_f64(kv, 0);
    return CN_OK;
}

enum cn_status cn_gguf_need_f32(const struct cn_gguf *gguf, const char *key, float *value,
                                struct cn_error *err)
{
    return cn_gguf_find(gguf, key) ? cn_gguf_get_f32(gguf, key, value, err)
                                   : missing(gguf, key, err);
}

enum cn_status cn_gguf_get_bool(const struct cn_gguf *gguf, const char *key, bool *value,
                                struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(gguf, key);
    if (!kv)
        return CN_OK;
    if (kv->type != CN_GGUF_BOOL)
        return wrong_type(gguf, kv, "a bool", err);
    *value = cn_gguf_elem_i64(kv, 0) != 0;
    return CN_OK;
}

enum cn_status cn_gguf_get_str(const struct cn_gguf *gguf, const char *key, struct cn_str *value,
                               struct cn_error *err)
{
    const struct cn_gguf_kv *kv = cn_gguf_find(gguf, key);
    if (!kv)
        return CN_OK;
    if (kv->type != CN_GGUF_STRING)
        return wrong_type(gguf, kv, "a string", err);
    const uint8_t *cursor = kv->data;
    *value = cn_gguf_next_str(&cursor);
    return CN_OK;
}

const struct cn_file_type *cn_gguf_file_type(const struct cn_gguf *gguf, int64_t *id)
{
    int64_t found = -1, n_q1_0 = 0, n_q2_0 = 0;
    cn_gguf_get_i64(gguf, "general.file_type", 0, UINT32_MAX, &found, NULL);
    if (id)
        *id = found;
    const struct cn_file_type *type = found < 0 ? NULL : cn_file_type_by_id((uint32_t)found);
    const struct cn_file_type *q1_0 = cn_file_type_by_name("Q1_0"),
                              *q2_0 = cn_file_type_by_name("Q2_0");
    if (type != q2_0)
        return type;
    for (int64_t i = 0; i < gguf->n_tensors; i++) {
        n_q1_0 += gguf->tensors[i].gguf_type == q1_0->base;
        n_q2_0 += gguf->tensors[i].gguf_type == q2_0->base;
    }
    return n_q1_0 > n_q2_0 ? q1_0 : q2_0;
}
