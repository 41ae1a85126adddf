/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles in plain C. For each group of 32 columns, in order, in float:
 *     out += d * (sum over its sub-blocks of scale * dot - min * sum)
 */
#include "quant/gemm.h"
#include "quant/vec.h"

#include <math.h>
#include <string.h>

enum { N = 16 };

static void gemm_tile_ref(const struct cn_panel_data *p, int64_t row_group,
                          const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                          float *out)
{
    const int sub = p->kind->sub;
    const int64_t k = p->n_cols, first = token_group * x->n_cols;
    const int8_t *q = x->q + first * N;
    const float *d = x->d + first / 32 * N;
    const int32_t *sum = x->sum + first / 16 * N;
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

static void gemm_tile_f32_ref(const struct cn_panel_data *p, int64_t row_group,
                              const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                              float *out)
{
    const float *in = x->x + token_group * N * x->n_cols;
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

/* ---- precision fast: what it means ----------------------------------------------------------- */

static void gemm_pack_fast_ref(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                               int64_t x_stride)
{
    const int64_t k = p->n_cols, groups = (p->n_tokens + N - 1) / N;
    for (int64_t c = 0; c < k; c += CN_WIDE) {
        const int64_t block = c / CN_BLOCK_COLS * CN_BLOCK_COLS;
        const int64_t width = k - block < CN_BLOCK_COLS ? k - block : CN_BLOCK_COLS;
        int8_t *q = p->q + (block * groups + group * width + c - block) * N;
        for (int t = 0; t < N; t++) {
            const float *in = x + t * x_stride + c;
            float top = 0;
            bool finite = true;
            for (int i = 0; t < n && i < CN_WIDE; i++) {
                top = fmaxf(top, fabsf(in[i]));
                finite &= isfinite(in[i]) != 0;
            }
            const float by = finite && top >= CN_WIDE_SMALLEST ? 127 / top : 0;
            int32_t sum = 0;
            for (int i = 0; i < CN_WIDE; i++) {
                int8_t v = by > 0 ? (int8_t)lrintf(in[i] * by) : 0;
                q[(i / 4 * N + t) * 4 + i % 4] = v;
                sum += v;
            }
            const int64_t at = group * (k / CN_WIDE) * N + c / CN_WIDE * N + t;
            p->d[at] = !finite ? NAN : by > 0 ? top / 127 : 0;
            p->sum[at] = sum;
        }
    }
}

static void gemm_convert_fast_ref(const struct cn_panel *kind, int64_t n_cols, const uint8_t *codes,
                                  const float *scale, const float *min, uint8_t *to,
                                  float *scale256)
{
    const int sub = kind->sub;
    for (int64_t c = 0; c < n_cols; c += CN_WIDE) {
        float top = 0;
        bool finite = true;
        for (int64_t s = c / sub; s < (c + CN_WIDE) / sub; s++) {
            const float m = kind->has_min ? min[s] : 0;
            const float lowest = scale[s] * (float)-kind->offset - m;
            const float highest = scale[s] * (float)(kind->code_max - kind->offset) - m;
            top = fmaxf(top, fmaxf(fabsf(lowest), fabsf(highest)));
            finite &= isfinite(lowest) && isfinite(highest);
        }
        const float by = finite && top >= CN_WIDE_SMALLEST ? 127 / top : 0;
        for (int64_t i = c; i < c + CN_WIDE; i++) {
            const float m = kind->has_min ? min[i / sub] : 0;
            const float w = scale[i / sub] * (float)((int)codes[i] - kind->offset) - m;
            to[i / CN_CHUNK * N * CN_CHUNK + i % CN_CHUNK] =
                by > 0 ? (uint8_t)(int8_t)lrintf(w * by) : 0;
        }
        scale256[c / CN_WIDE * N] = !finite ? NAN : by > 0 ? top / 127 : 0;
    }
}

static void gemm_multiply_fast_ref(const struct cn_gemm_block *b)
{
    const int64_t k = b->n_cols;
    for (int64_t g = 0; g < b->n_token_groups; g++)
        for (int64_t rg = 0; rg < b->n_row_groups; rg++)
            for (int i = 0; i < N * N; i++) {
                const int64_t r = i / N, t = i % N;
                const uint8_t *codes = b->codes + rg * k * N + r * CN_CHUNK;
                const int8_t *q = (const int8_t *)b->acts + (g * k * N + t * 4);
                float *out = b->out + ((g * b->n_row_groups + rg) * N + r) * N + t;
                *out = b->first ? 0 : *out;
                for (int64_t c = 0; c < k; c += CN_WIDE) {
                    int32_t dot = 0;
                    for (int64_t j = c; j < c + CN_WIDE; j++)
                        dot += (int8_t)codes[j / CN_CHUNK * N * CN_CHUNK + j % CN_CHUNK] *
                               q[j / 4 * N * 4 + j % 4];
                    *out += b->scale[(rg * (k / CN_WIDE) + c / CN_WIDE) * N + r] *
                            b->d[g * b->act_stride + c / CN_WIDE * N + t] * (float)dot;
                }
            }
}

static const struct cn_gemm_blocked fast = { .act = CN_ACT_Q8_WIDE,
                                             .pack = gemm_pack_fast_ref,
                                             .convert = gemm_convert_fast_ref,
                                             .multiply = gemm_multiply_fast_ref };

const struct cn_gemm cn_gemm_ref = { .name = "ref",
                                     .token_groups = 1,
                                     .tile = gemm_tile_ref,
                                     .tile_f32 = gemm_tile_f32_ref,
                                     .fast = &fast };
