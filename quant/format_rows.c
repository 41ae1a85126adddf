/* SPDX-License-Identifier: MIT
 *
 * Rows of any format, by the format's own unpacking.
 */
#include "quant/quant.h"

#include <assert.h>
#include <string.h>

float cn_row_scale(uint32_t header_bytes, const void *row)
{
    uint16_t half;
    float scale = 1;
    if (header_bytes == sizeof half) {
        memcpy(&half, row, sizeof half);
        return cn_f16_to_f32(half);
    }
    if (header_bytes == sizeof scale)
        memcpy(&scale, row, sizeof scale);
    return scale;
}

void cn_unpack_columns(const struct cn_kernels *kernels, const void *row, size_t at, int64_t n_cols,
                       uint8_t *codes, size_t chunk_stride, float *scale, float *min)
{
    const struct cn_panel *panel = &kernels->panel;
    kernels->unpack(n_cols, (const uint8_t *)row + at, codes, chunk_stride, scale, min);
    if (kernels->header_bytes == 0)
        return;
    const float of_row = cn_panel_row_scale(panel, kernels->header_bytes, row);
    for (int64_t i = 0; i < n_cols / panel->sub; i++)
        scale[i] *= of_row;
    for (int64_t i = 0; panel->has_min && i < n_cols / panel->sub; i++)
        min[i] *= of_row;
}

void cn_dequantize_with(const struct cn_kernels *kernels, const struct cn_format *format,
                        int64_t n_cols, const void *row, float *x)
{
    enum { STEP = 256 };
    const struct cn_panel *panel = &kernels->panel;
    size_t at = format->header_bytes;
    assert(n_cols % format->block_elems == 0);
    for (int64_t c = 0; c < n_cols; c += STEP) {
        int64_t n = n_cols - c < STEP ? n_cols - c : STEP;
        union {
            uint8_t code[STEP];
            float f[STEP];
        } u;
        float scale[STEP / 16], min[STEP / 16];
        cn_unpack_columns(kernels, row, at, n, u.code, CN_CHUNK, scale, min);
        at += cn_blocks_bytes(format, n);
        if (!panel->sub)
            memcpy(x + c, u.f, (size_t)n * sizeof *x);
        /* Sixteen elements share a scale in any case. */
        for (int64_t i = 0; panel->sub && i < n; i += 16) {
            const float s = scale[i / panel->sub], m = panel->has_min ? min[i / panel->sub] : 0;
            float *out = x + c + i;
            for (int j = 0; j < 16; j++)
                out[j] = s * (float)((int)u.code[i + j] - panel->offset);
            for (int j = 0; panel->has_min && j < 16; j++)
                out[j] -= m;
        }
    }
    if (format->ref->sign_zeros)
        format->ref->sign_zeros(n_cols, row, x);
}
