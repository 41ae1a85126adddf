/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles in plain C. For each group of 32 columns, in order, in float:
 *     out += d * (sum over its sub-blocks of scale * dot - min * sum)
 */
#include "quant/gemm.h"
#include "quant/vec.h"

#include <string.h>

enum { N = 16 };

static void tile(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                 int64_t token_group, int n_tokens, float *out)
{
    const int sub = p->kind->sub;
    const int64_t k = p->n_cols;
    const int8_t *q = x->q + token_group * N * k;
    const float *d = x->d + token_group * k / 32 * N;
    const int32_t *sum = x->sum + token_group * k / 16 * N;
    for (int r = 0; r < N; r++) {
        const uint8_t *codes = p->codes + (size_t)row_group * p->group_stride + r * CN_CHUNK;
        const float *scale = p->scale + (row_group * N + r) * p->scale_stride;
        const float *min = p->min + (row_group * N + r) * p->scale_stride;
        for (int t = 0; t < n_tokens; t++) {
            float total = 0;
            for (int64_t g = 0; g < k; g += 32) {
                float group = 0;
                for (int64_t s = g; s < g + 32; s += sub) {
                    int32_t dot = 0;
                    for (int64_t c = s; c < s + sub; c++)
                        dot += codes[c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK] *
                               q[(c / 4 * N + t) * 4 + c % 4];
                    int32_t sums = sum[s / 16 * N + t];
                    if (sub == 32)
                        sums += sum[(s / 16 + 1) * N + t];
                    group += scale[s / sub] * (float)(dot - p->kind->offset * sums);
                    if (p->kind->has_min)
                        group -= min[s / sub] * (float)sums;
                }
                total += d[g / 32 * N + t] * group;
            }
            out[r * N + t] = total;
        }
    }
}

static void tile_f32(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                     int64_t token_group, int n_tokens, float *out)
{
    const float *in = x->x + token_group * N * p->n_cols;
    for (int r = 0; r < N; r++) {
        const uint8_t *row = p->codes + (size_t)row_group * p->group_stride + r * CN_CHUNK;
        for (int t = 0; t < n_tokens; t++)
            out[r * N + t] = 0;
        for (int64_t c = 0; c < p->n_cols; c++) {
            float w;
            memcpy(&w, row + c / 16 * N * CN_CHUNK + c % 16 * 4, sizeof w);
            for (int t = 0; t < n_tokens; t++)
                out[r * N + t] += w * in[c * N + t];
        }
    }
}

const struct cn_gemm cn_gemm_ref = {
    .name = "ref", .token_groups = 1, .tile = tile, .tile_f32 = tile_f32
};
