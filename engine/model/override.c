/* SPDX-License-Identifier: MIT */
#include "engine/model/override.h"

#include "engine/model/model.h"

bool cn_model_override(struct cn_model *m, const char *name, const struct cn_format *format,
                       const void *data)
{
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&m->gguf, name);
    struct cn_weight *w = cn_model_weight(m, name);
    if (!t || !w)
        return false;
    if (!data) {
        format = t->format;
        data = t->data;
    }
    if (w->cols % format->block_elems != 0)
        return false;
    const bool tied = w == &m->token_embd && m->output.data == w->data;
    w->format = format;
    w->kernels = cn_kernels_for(format, m->ops.tiers);
    w->row_bytes = cn_row_bytes(format, w->cols);
    w->data = data;
    if (tied)
        m->output = *w;
    return true;
}
