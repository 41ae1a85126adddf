/* SPDX-License-Identifier: MIT */
#include "base/layout.h"

void *cn_layout_take(struct cn_layout *layout, int64_t count, size_t size)
{
    size_t bytes;
    if (layout->overflow || count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
        bytes > SIZE_MAX / 4 || layout->used > SIZE_MAX / 4) {
        layout->overflow = true;
        return NULL;
    }
    void *p = layout->base ? layout->base + layout->used : NULL;
    layout->used += cn_round_up(bytes, CN_ALIGN);
    return p;
}
