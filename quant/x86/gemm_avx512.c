/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for AVX-512 VNNI. Lanes are 16 tokens: one broadcast of four codes of a row
 * meets four columns of 32 tokens. vpdpbusd takes unsigned codes of any size and sums in 32 bits,
 * so there is one kernel for all formats; a constant offset is where the accumulators start.
 *
 * 4 rows x 32 tokens: the integer sums of 32 columns, 16 with scales per 16, and 8 float sums stay
 * in registers. Precision fast works on unsigned codes with one scale per 256 columns, so it has
 * registers for 8 rows: 10 loads feed 16 products.
 * Serves Ice Lake, Zen 4 and later. Error: float rounding of the group sums only.
 */
#include "quant/x86/wide_avx512.h"

#include "quant/vec.h"

enum {
    N = 16,
    ROWS = 4,      /* with 32 tokens, */
    MORE_ROWS = 8, /* and with 16: sums enough to hide what one product waits for another */
    TOKENS = 2 * N,
    COLUMNS = 512, /* at a time: their activations stay in L1 for all rows */
    WIDE_ROWS = 8,
};

/* Sums of a sub-block's activations. */
ALWAYS __m512i sums_at(const int32_t *p, const int sub)
{
    return sub == 32 ? _mm512_add_epi32(load512(p), load512(p + N)) : load512(p);
}

/* Rows, the columns and the tokens that one call multiplies; pointers to the first of each. */
struct rows {
    int64_t n_cols;
    int offset;
    const uint8_t *codes; /* rows are CN_CHUNK bytes apart, chunks N rows */
    const float *scale, *min;
    int64_t scale_stride;
    const int8_t *q;
    const float *d;
    const int32_t *sum;
    int64_t act_stride; /* columns from one group of 16 tokens to the next */
    bool add;           /* to out; else it is overwritten */
    float *out;         /* rows are TOKENS floats apart */
};

/* The integer sums of 32 columns, sub-block by sub-block; they start at -offset * sum if there is
 * no minimum. Codes are at w, activations at qs, their sums at sums. */
ALWAYS void multiply_codes(const int sub, const bool has_min, const int nr, const int nv,
                           const struct rows *t, const uint8_t *w, const int8_t *qs,
                           const int32_t *sums, __m512i acc[2][MORE_ROWS][2])
{
    /* Not in the loop: a division that a sanitizer checks keeps gcc from unrolling it. */
    const int n_subs = 32 / sub, steps = sub / 4;
    const __m512i minus_offset = _mm512_set1_epi32(-t->offset);
    UNROLL for (int s = 0; s < n_subs; s++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            __m512i start = _mm512_setzero_si512();
            if (!has_min)
                start = _mm512_mullo_epi32(
                    sums_at(sums + v * (t->act_stride / 16 * N) + s * N, sub), minus_offset);
            UNROLL for (int r = 0; r < nr; r++) acc[s][r][v] = start;
        }
        UNROLL for (int i = s * steps; i < (s + 1) * steps; i++)
        {
            __m512i x[2];
            UNROLL for (int v = 0; v < nv; v++) x[v] =
                load512(qs + v * (t->act_stride * N) + i * N * 4);
            UNROLL for (int r = 0; r < nr; r++)
            {
                __m512i b = broadcast4(w + r * CN_CHUNK + i * 4);
                UNROLL for (int v = 0; v < nv; v++) acc[s][r][v] =
                    _mm512_dpbusd_epi32(acc[s][r][v], b, x[v]);
            }
        }
    }
}

/* Those sums as floats, scaled and less the minima, times the activations' scales at d, are added
 * to the total. Scales and minima of the first row are at sc and mn. */
ALWAYS void scale_sums(const int sub, const bool has_min, const int nr, const int nv,
                       const struct rows *t, const float *d, const float *sc, const float *mn,
                       const int32_t *sums, __m512i acc[2][MORE_ROWS][2],
                       __m512 total[MORE_ROWS][2])
{
    const int n_subs = 32 / sub;
    UNROLL for (int v = 0; v < nv; v++)
    {
        const __m512 dv = _mm512_loadu_ps(d + v * (t->act_stride / 32 * N));
        __m512 fsum[2];
        UNROLL for (int s = 0; s < n_subs && has_min; s++) fsum[s] =
            _mm512_cvtepi32_ps(sums_at(sums + v * (t->act_stride / 16 * N) + s * N, sub));
        UNROLL for (int r = 0; r < nr; r++)
        {
            __m512 f;
            UNROLL for (int s = 0; s < n_subs; s++)
            {
                const __m512 by = _mm512_set1_ps(sc[r * t->scale_stride + s]),
                             part = _mm512_cvtepi32_ps(acc[s][r][v]);
                f = s == 0 ? _mm512_mul_ps(part, by) : _mm512_fmadd_ps(part, by, f);
                if (has_min)
                    f = _mm512_fnmadd_ps(_mm512_set1_ps(mn[r * t->scale_stride + s]), fsum[s], f);
            }
            total[r][v] = _mm512_fmadd_ps(f, dv, total[r][v]);
        }
    }
}

/* nr rows times 16 * nv tokens, all columns, to out or added to it. What is marked const is a
 * constant at each of the places this is inlined to; t is a copy, which no store can change. */
ALWAYS void rows_by_tokens(const int sub, const bool has_min, const int nv, const struct rows t)
{
    const int nr = nv == 1 ? MORE_ROWS : ROWS;
    __m512 total[MORE_ROWS][2];
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) total[r][v] =
            _mm512_maskz_loadu_ps(t.add ? 0xffff : 0, t.out + r * TOKENS + v * N);
    }
    for (int64_t c = 0; c < t.n_cols; c += 32) {
        const int32_t *sums = t.sum + c / 16 * N;
        __m512i acc[2][MORE_ROWS][2];
        multiply_codes(sub, has_min, nr, nv, &t,
                       t.codes + c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK, t.q + c * N, sums,
                       acc);
        scale_sums(sub, has_min, nr, nv, &t, t.d + c / 32 * N, t.scale + c / sub, t.min + c / sub,
                   sums, acc, total);
    }
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++)
            _mm512_storeu_ps(t.out + r * TOKENS + v * N, total[r][v]);
    }
}

/* One function per sub-block, minimum and number of token groups, so that all of it is constant. */
typedef void rows_fn(const struct rows *t);
#define ROWS_FN(sub, has_min, nv)                                                      \
    static __attribute__((noinline)) void gemm_rows_##sub##_##has_min##_##nv##_avx512( \
        const struct rows *t)                                                          \
    {                                                                                  \
        rows_by_tokens(sub, has_min, nv, *t);                                          \
    }
ROWS_FN(16, 0, 1)
ROWS_FN(16, 0, 2)
ROWS_FN(16, 1, 1)
ROWS_FN(16, 1, 2)
ROWS_FN(32, 0, 1)
ROWS_FN(32, 0, 2)
ROWS_FN(32, 1, 1)
ROWS_FN(32, 1, 2)

/* [sub == 32][has_min][nv - 1] */
static rows_fn *const rows_table[2][2][2] = {
    {{ gemm_rows_16_0_1_avx512, gemm_rows_16_0_2_avx512 },
     { gemm_rows_16_1_1_avx512, gemm_rows_16_1_2_avx512 }},
    { { gemm_rows_32_0_1_avx512, gemm_rows_32_0_2_avx512 },
     { gemm_rows_32_1_1_avx512, gemm_rows_32_1_2_avx512 }},
};

static void gemm_tile_avx512(const struct cn_panel_data *p, int64_t row_group,
                             const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                             float *out)
{
    const int64_t k = p->n_cols, first = token_group * x->n_cols, sub = p->kind->sub;
    rows_fn *rows = rows_table[sub == 32][p->kind->has_min][n_tokens > N];
    const int step = n_tokens > N ? ROWS : MORE_ROWS;
    for (int64_t c = 0; c < k; c += COLUMNS)
        for (int r = 0; r < N; r += step) {
            const int64_t scales = (row_group * N + r) * p->scale_stride + c / sub;
            const struct rows t = {
                .n_cols = k - c < COLUMNS ? k - c : COLUMNS,
                .offset = p->kind->offset,
                .codes =
                    p->codes + (size_t)row_group * p->group_stride + (size_t)(c * N + r * CN_CHUNK),
                .scale = p->scale + scales,
                .min = p->min + scales,
                .scale_stride = p->scale_stride,
                .q = x->q + (first + c) * N,
                .d = x->d + (first + c) / 32 * N,
                .sum = x->sum + (first + c) / 16 * N,
                .act_stride = x->n_cols,
                .add = c > 0,
                .out = out + r * TOKENS,
            };
            rows(&t);
        }
}

/* 16 rows x 16 tokens: 16 accumulators, no spill. */
static void gemm_tile_f32_avx512(const struct cn_panel_data *p, int64_t row_group,
                                 const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                                 float *out)
{
    const float *in = x->x + token_group * N * x->n_cols;
    const uint8_t *codes = p->codes + (size_t)row_group * p->group_stride;
    __m512 acc[N];
    (void)n_tokens;
    UNROLL for (int r = 0; r < N; r++) acc[r] = _mm512_setzero_ps();
    for (int64_t c = 0; c < p->n_cols; c += 16, codes += N * CN_CHUNK) {
        const float *w = (const float *)(const void *)codes;
        const int64_t end = p->n_cols - c < 16 ? p->n_cols - c : 16;
        for (int64_t i = 0; i < end; i++, w++) {
            __m512 xv = _mm512_loadu_ps(in + (c + i) * N);
            UNROLL for (int r = 0; r < N; r++) acc[r] =
                _mm512_fmadd_ps(_mm512_set1_ps(w[r * CN_CHUNK / 4]), xv, acc[r]);
        }
    }
    UNROLL for (int r = 0; r < N; r++) _mm512_storeu_ps(out + r * N, acc[r]);
}

static void gemm_transpose_avx512(const float *tile, int64_t tile_stride, float *y,
                                  int64_t y_stride, bool add)
{
    transpose_tile(tile, tile_stride, y, y_stride, add);
}

/* ---- precision fast -------------------------------------------------------------------------- */

enum { ZERO = 128 };

/* WIDE_ROWS rows times nv groups of tokens, n_cols columns. `act`: from one group's to the next, in
 * bytes and in floats; `out`: from one group's sums to the next, which are 0 before if `first`. */
ALWAYS void wide_rows(const int nv, int64_t n_cols, const uint8_t *codes, const float *scale,
                      const int8_t *q, const float *d, const int32_t *sum, int64_t act_stride,
                      float *out, int64_t out_stride, bool first)
{
    const int64_t q_stride = n_cols * N;
    for (int64_t c = 0; c < n_cols; c += CN_WIDE, scale += N, d += N, sum += N) {
        const __mmask16 before = first && c == 0 ? 0 : 0xffff;
        __m512i acc[WIDE_ROWS][2];
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m512i start =
                _mm512_mullo_epi32(load512(sum + v * act_stride), _mm512_set1_epi32(-ZERO));
            UNROLL for (int r = 0; r < WIDE_ROWS; r++) acc[r][v] = start;
        }
        for (int chunk = 0; chunk < CN_WIDE / CN_CHUNK; chunk++) {
            UNROLL for (int i = 0; i < CN_CHUNK / 4; i++)
            {
                __m512i x[2];
                UNROLL for (int v = 0; v < nv; v++) x[v] = load512(q + v * q_stride + i * N * 4);
                UNROLL for (int r = 0; r < WIDE_ROWS; r++)
                {
                    __m512i b = broadcast4(codes + r * CN_CHUNK + i * 4);
                    UNROLL for (int v = 0; v < nv; v++) acc[r][v] =
                        _mm512_dpbusd_epi32(acc[r][v], b, x[v]);
                }
            }
            codes += N * CN_CHUNK;
            q += N * CN_CHUNK;
        }
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m512 dv = _mm512_loadu_ps(d + v * act_stride);
            UNROLL for (int r = 0; r < WIDE_ROWS; r++)
            {
                float *o = out + v * out_stride + r * N;
                const __m512 by = _mm512_mul_ps(dv, _mm512_set1_ps(scale[r]));
                _mm512_storeu_ps(o, _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[r][v]), by,
                                                    _mm512_maskz_loadu_ps(before, o)));
            }
        }
    }
}

static void gemm_multiply_fast_avx512(const struct cn_gemm_block *b)
{
    const int64_t k = b->n_cols, out_stride = b->n_row_groups * N * N;
    for (int64_t g = 0; g < b->n_token_groups; g += 2)
        for (int64_t r = 0; r < b->n_row_groups * N; r += WIDE_ROWS) {
            const uint8_t *codes = b->codes + r / N * k * N + r % N * CN_CHUNK;
            const float *scale = b->scale + r / N * (k / CN_WIDE) * N + r % N;
            const int8_t *q = (const int8_t *)b->acts + g * k * N;
            const float *d = b->d + g * b->act_stride;
            const int32_t *sum = b->sum + g * b->act_stride;
            float *out = b->out + g * out_stride + r * N;
            if (g + 1 < b->n_token_groups)
                wide_rows(2, k, codes, scale, q, d, sum, b->act_stride, out, out_stride, b->first);
            else
                wide_rows(1, k, codes, scale, q, d, sum, b->act_stride, out, out_stride, b->first);
        }
}

static void gemm_pack_fast_avx512(const struct cn_act_panel *p, int64_t group, int n,
                                  const float *x, int64_t x_stride)
{
    pack_wide(p, group, n, x, x_stride);
}

static void gemm_convert_fast_avx512(const struct cn_panel *kind, int64_t n_cols,
                                     const uint8_t *codes, const float *scale, const float *min,
                                     uint8_t *to, float *scale256)
{
    convert_any(ZERO, kind, n_cols, codes, scale, min, to, scale256);
}

static const struct cn_gemm_blocked fast = { .act = CN_ACT_Q8_WIDE,
                                             .zero = ZERO,
                                             .pack = gemm_pack_fast_avx512,
                                             .convert = gemm_convert_fast_avx512,
                                             .multiply = gemm_multiply_fast_avx512 };

const struct cn_gemm cn_gemm_avx512 = { .name = "avx512",
                                        .token_groups = 2,
                                        .tile = gemm_tile_avx512,
                                        .tile_f32 = gemm_tile_f32_avx512,
                                        .transpose = gemm_transpose_avx512,
                                        .few_tokens = 16,
                                        .fast = &fast };
