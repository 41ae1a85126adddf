/* SPDX-License-Identifier: MIT
 *
 * The types of tensors and of values, by their ids.
 */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "engine/gguf/gguf_part.h"

static const struct cn_gguf_foreign foreign[] = {
#define CN_FOREIGN(name, id, kind, bytes, base) { #name, id, CN_GGUF_##kind, bytes, base },
#include "engine/gguf/foreign_types.def"
#undef CN_FOREIGN
};

const struct cn_gguf_foreign *cn_gguf_foreign(uint32_t gguf_type)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (foreign[i].gguf_type == gguf_type)
            return &foreign[i];
    return NULL;
}

const struct cn_gguf_foreign *cn_gguf_foreign_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strcasecmp(foreign[i].name, name) == 0)
            return &foreign[i];
    return NULL;
}

const char *cn_gguf_type_name(uint32_t gguf_type)
{
    const struct cn_format *format = cn_format_by_gguf(gguf_type);
    const struct cn_gguf_foreign *f = format ? NULL : cn_gguf_foreign(gguf_type);
    return format ? format->label : f ? f->name : NULL;
}

const char *cn_gguf_local_type_key(uint32_t gguf_type, char buf[CN_GGUF_LOCAL_KEY_BYTES])
{
    snprintf(buf, CN_GGUF_LOCAL_KEY_BYTES, CN_GGUF_LOCAL_KEY "%" PRIu32, gguf_type);
    return buf;
}

/* ---- values ---- */

/* clang-format off */
static const struct {
    const char *name;
    uint8_t bytes;
} kv_types[CN_GGUF_N_TYPES] = {
    [CN_GGUF_U8]     = { "u8", 1 },
    [CN_GGUF_I8]     = { "i8", 1 },
    [CN_GGUF_U16]    = { "u16", 2 },
    [CN_GGUF_I16]    = { "i16", 2 },
    [CN_GGUF_U32]    = { "u32", 4 },
    [CN_GGUF_I32]    = { "i32", 4 },
    [CN_GGUF_F32]    = { "f32", 4 },
    [CN_GGUF_BOOL]   = { "bool", 1 },
    [CN_GGUF_STRING] = { "string", 0 },
    [CN_GGUF_ARRAY]  = { "array", 0 },
    [CN_GGUF_U64]    = { "u64", 8 },
    [CN_GGUF_I64]    = { "i64", 8 },
    [CN_GGUF_F64]    = { "f64", 8 },
};

/* clang-format on */

size_t cn_gguf_elem_bytes(uint32_t type)
{
    return type < CN_GGUF_N_TYPES ? kv_types[type].bytes : 0;
}

const char *cn_gguf_kv_type_name(uint32_t type)
{
    return type < CN_GGUF_N_TYPES ? kv_types[type].name : NULL;
}
