/* SPDX-License-Identifier: MIT
 *
 * The names of tensor types.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/gguf/gguf.h"

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
