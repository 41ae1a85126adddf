/* SPDX-License-Identifier: MIT */
#include "engine/make/type_names.h"

#include "engine/gguf/gguf.h"

#include <stdio.h>
#include <string.h>

enum cn_status cn_find_tensor_type(const char *name, const struct cn_format **format,
                                   struct cn_error *err)
{
    *format = cn_format_by_name(name);
    if (*format)
        return CN_OK;
    char list[480] = "";
    for (int i = 0; i < CN_N_TYPES; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, " %s", cn_formats[i].name);
    }
    return cn_fail(err, CN_ERR_UNSUPPORTED, "tensor type '%s' is not supported; there are:%s", name,
                   list);
}

enum cn_status cn_find_file_type(const char *name, const struct cn_file_type **type,
                                 struct cn_error *err)
{
    const struct cn_file_type *ft = cn_file_type_by_name(name);
    const struct cn_gguf_foreign *foreign = cn_gguf_foreign_by_name(name);
    CN_RETURN_IF(!ft && foreign && foreign->kind == CN_GGUF_INTERLEAVED, CN_ERR_UNSUPPORTED, err,
                 "file type %s interleaves rows of %s, for one other program alone; write %s",
                 foreign->name, foreign->base, foreign->base);
    if (!ft) {
        char list[480] = "";
        for (int i = 0; (ft = cn_file_type_at(i)) != NULL; i++) {
            size_t n = strlen(list);
            snprintf(list + n, sizeof list - n, " %s", ft->name);
        }
        return cn_fail(err, CN_ERR_UNSUPPORTED, "file type '%.32s' is not supported; there are:%s",
                       name, list);
    }
    *type = ft;
    return CN_OK;
}
