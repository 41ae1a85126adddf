/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for AVX2. Lanes are tokens: one broadcast of four codes of a row meets four
 * columns of eight tokens.
 *
 * Codes are unsigned and activations signed, as vpmaddubsw wants. How many of its 16-bit results
 * may be added before they could overflow follows from the format's largest code (code * 127 * 2
 * each): 8 up to code 16, 4 up to 32, 2 up to 64, 1 up to 129. Larger codes (q8_0, iq4_*) are
 * split once per panel into magnitude and sign; where one is negative, the activation's bits are
 * inverted, which is -a - 1, and the sum of a sub-block's negative magnitudes starts the
 * accumulator (vpsignb and vpabsb would wait for the ports of the products). All integer sums are
 * exact. A constant offset is taken out in integers (the accumulators start at -offset * sum).
 *
 * Measured gain: docs/SPEED.md. Error: float rounding of the group sums only.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/gemm.h"
#include "quant/vec.h"

enum {
    N = 16,
    ROWS = 4,
    COLUMNS = 512, /* at a time: their activations stay in L1 for all rows */
    WIDE = 0,
};

/* How many products of a format with this largest code may be added in 16 bits; WIDE: none. */
static int code_class(int code_max)
{
    return code_max <= 16    ? 8
           : code_max <= 32  ? 4
           : code_max <= 64  ? 2
           : code_max <= 129 ? 1
                             : WIDE;
}

/* ROWS rows times 8 * nv tokens, k columns, added to out. What is marked const is a constant at
 * each of the places this is inlined to. `codes`: first row; rows are CN_CHUNK bytes apart; `signs`
 * likewise.
 */
ALWAYS void rows_by_tokens(const int klass, const int sub, const bool has_min, const int nv,
                           int64_t k, int offset, const uint8_t *codes, const uint8_t *signs,
                           const float *scale, const float *min, int64_t scale_stride,
                           const int8_t *q, const float *d, const int32_t *sum, float *out)
{
    const int steps = sub / 4; /* of four columns */
    /* Not in the loop: a division that a sanitizer checks keeps gcc from unrolling it. */
    const int n_subs = 32 / sub;
    const int run = klass == WIDE ? 1 : klass < steps ? klass : steps;
    const __m256i ones = _mm256_set1_epi16(1), minus_offset = _mm256_set1_epi32(-offset);
    for (int64_t c = 0; c < k; c += 32) {
        __m256 group[ROWS][2];
        UNROLL for (int s = 0; s < n_subs; s++)
        {
            const int64_t place = c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK + s * sub;
            const uint8_t *w = codes + place, *below = signs + place;
            const int8_t *qs = q + (c + s * sub) * N;
            __m256i acc[ROWS][2];
            UNROLL for (int v = 0; v < nv; v++)
            {
                const int32_t *p = sum + (c / 16 + s) * N + v * 8;
                __m256i sums = load256(p);
                if (sub == 32)
                    sums = _mm256_add_epi32(sums, load256(p + N));
                UNROLL for (int r = 0; r < ROWS; r++) acc[r][v] =
                    klass == WIDE ? _mm256_castps_si256(
                                        _mm256_broadcast_ss(min + r * scale_stride + c / sub + s))
                    : has_min ? _mm256_setzero_si256()
                              : _mm256_mullo_epi32(sums, minus_offset);
            }
            UNROLL for (int i0 = 0; i0 < steps; i0 += run)
            {
                __m256i part[ROWS][2];
                UNROLL for (int i = i0; i < i0 + run; i++)
                {
                    __m256i x[2];
                    UNROLL for (int v = 0; v < nv; v++) x[v] = load256(qs + i * N * 4 + v * 32);
                    UNROLL for (int r = 0; r < ROWS; r++)
                    {
                        __m256i b = _mm256_set1_epi32((int)load32(w + r * CN_CHUNK + i * 4));
                        __m256i sign = b;
                        if (klass == WIDE)
                            sign = _mm256_set1_epi32((int)load32(below + r * CN_CHUNK + i * 4));
                        UNROLL for (int v = 0; v < nv; v++)
                        {
                            __m256i m = _mm256_maddubs_epi16(
                                b, klass == WIDE ? _mm256_xor_si256(x[v], sign) : x[v]);
                            m = i == i0 ? m : _mm256_add_epi16(part[r][v], m);
                            /* Sums of 32 bits at once where 16 do not last, or else 16 registers
                             * would be waiting. */
                            part[r][v] = run == 1 ? _mm256_madd_epi16(m, ones) : m;
                            if (run == 1)
                                acc[r][v] = _mm256_add_epi32(acc[r][v], part[r][v]);
                        }
                    }
                }
                UNROLL for (int r = 0; r < ROWS && run > 1; r++)
                {
                    UNROLL for (int v = 0; v < nv; v++)
                    {
                        __m256i m = _mm256_madd_epi16(part[r][v], ones);
                        acc[r][v] = has_min && i0 == 0 ? m : _mm256_add_epi32(acc[r][v], m);
                    }
                }
            }
            UNROLL for (int r = 0; r < ROWS; r++)
            {
                __m256 sc = _mm256_broadcast_ss(scale + r * scale_stride + c / sub + s);
                UNROLL for (int v = 0; v < nv; v++)
                {
                    __m256 f = _mm256_cvtepi32_ps(acc[r][v]);
                    f = s == 0 ? _mm256_mul_ps(f, sc) : _mm256_fmadd_ps(f, sc, group[r][v]);
                    if (has_min) {
                        const int32_t *p = sum + (c / 16 + s) * N + v * 8;
                        __m256i sums = load256(p);
                        if (sub == 32)
                            sums = _mm256_add_epi32(sums, load256(p + N));
                        __m256 mn = _mm256_broadcast_ss(min + r * scale_stride + c / sub + s);
                        f = _mm256_fnmadd_ps(mn, _mm256_cvtepi32_ps(sums), f);
                    }
                    group[r][v] = f;
                }
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            UNROLL for (int v = 0; v < nv; v++)
            {
                __m256 dv = _mm256_loadu_ps(d + c / 32 * N + v * 8);
                float *o = out + r * N + v * 8;
                _mm256_storeu_ps(o, _mm256_fmadd_ps(group[r][v], dv, _mm256_loadu_ps(o)));
            }
        }
    }
}

/* One function per class, sub-block, minimum and number of token vectors, so that all of it is
 * constant. */
#define ROWS_PARAMETERS                                                                    \
    int64_t k, int offset, const uint8_t *codes, const uint8_t *signs, const float *scale, \
        const float *min, int64_t scale_stride, const int8_t *q, const float *d,           \
        const int32_t *sum, float *out
#define ROWS_FN(klass, sub, has_min, nv)                                                           \
    static __attribute__((noinline)) void rows_##klass##_##sub##_##has_min##_##nv(ROWS_PARAMETERS) \
    {                                                                                              \
        rows_by_tokens(klass, sub, has_min, nv, k, offset, codes, signs, scale, min, scale_stride, \
                       q, d, sum, out);                                                            \
    }
#define ROWS_FNS(klass)      \
    ROWS_FN(klass, 16, 0, 1) \
    ROWS_FN(klass, 16, 0, 2) \
    ROWS_FN(klass, 16, 1, 1) \
    ROWS_FN(klass, 16, 1, 2) \
    ROWS_FN(klass, 32, 0, 1) \
    ROWS_FN(klass, 32, 0, 2) ROWS_FN(klass, 32, 1, 1) ROWS_FN(klass, 32, 1, 2)
ROWS_FNS(8)
ROWS_FNS(4)
ROWS_FNS(2)
ROWS_FNS(1)
/* No format of 8-bit codes has a minimum: its place is taken (see prepare). */
ROWS_FN(0, 16, 0, 1)
ROWS_FN(0, 16, 0, 2)
ROWS_FN(0, 32, 0, 1)
ROWS_FN(0, 32, 0, 2)

typedef void rows_fn(ROWS_PARAMETERS);
#define ROWS_ENTRY(klass)                                     \
    [klass] = {                                               \
        {{ rows_##klass##_16_0_1, rows_##klass##_16_0_2 },   \
         { rows_##klass##_16_1_1, rows_##klass##_16_1_2 }}, \
        { { rows_##klass##_32_0_1, rows_##klass##_32_0_2 },   \
         { rows_##klass##_32_1_1, rows_##klass##_32_1_2 }}  \
    }
static rows_fn *const rows_table[9][2][2][2] = {
    [0] = {{ { rows_0_16_0_1, rows_0_16_0_2 } }, { { rows_0_32_0_1, rows_0_32_0_2 } }},
    ROWS_ENTRY(1),
    ROWS_ENTRY(2),
    ROWS_ENTRY(4),
    ROWS_ENTRY(8)
};

static void tile(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                 int64_t token_group, int n_tokens, float *out)
{
    const int64_t k = p->n_cols, first = token_group * x->n_cols;
    const int klass = code_class(p->kind->code_max);
    rows_fn *rows = rows_table[klass][p->kind->sub == 32][p->kind->has_min][n_tokens > 8];
    const size_t group = (size_t)row_group * p->group_stride;
    const int8_t *q = x->q + first * N;
    const float *d = x->d + first / 32 * N;
    const int32_t *sum = x->sum + first / 16 * N;
    for (int i = 0; i < N * N; i += 8)
        _mm256_storeu_ps(out + i, _mm256_setzero_ps());
    for (int64_t c = 0; c < k; c += COLUMNS)
        for (int r = 0; r < N; r += ROWS) {
            const size_t place = group + (size_t)(c * N + r * CN_CHUNK);
            const int64_t scales = (row_group * N + r) * p->scale_stride + c / p->kind->sub;
            rows(k - c < COLUMNS ? k - c : COLUMNS, p->kind->offset, p->codes + place,
                 p->spare + place, p->scale + scales, p->min + scales, p->scale_stride, q + c * N,
                 d + c / 32 * N, sum + c / 16 * N, out + r * N);
        }
}

/* Codes above 129 become magnitudes, and masks where they are negative; the place of the minimum,
 * which these formats have not, takes the sum of a sub-block's negative magnitudes as an integer.
 */
static void prepare(struct cn_panel_data *p, int64_t n_rows)
{
    const int sub = p->kind->sub;
    if (code_class(p->kind->code_max) != WIDE)
        return;
    const __m256i offset = _mm256_set1_epi8((char)p->kind->offset), zero = _mm256_setzero_si256();
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < p->n_cols; c += 32) {
            const size_t place = (size_t)(r / N) * p->group_stride +
                                 (size_t)((c / CN_CHUNK * N + r % N) * CN_CHUNK + c % CN_CHUNK);
            const __m256i v = _mm256_sub_epi8(load256(p->codes + place), offset);
            const __m256i sign = _mm256_cmpgt_epi8(zero, v), size = _mm256_abs_epi8(v);
            int64_t sums[4];
            int32_t *to = (int32_t *)(void *)(p->min + r * p->scale_stride + c / sub);
            store256(p->codes + place, size);
            store256(p->spare + place, sign);
            store256(sums, _mm256_sad_epu8(_mm256_and_si256(size, sign), zero));
            to[0] = (int32_t)(sums[0] + sums[1]);
            if (sub == 16)
                to[1] = (int32_t)(sums[2] + sums[3]);
            else
                to[0] += (int32_t)(sums[2] + sums[3]);
        }
}

ALWAYS void rows_f32(const int nv, int64_t k, const uint8_t *w, const float *x, float *out)
{
    __m256 acc[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < nv; v++)
            acc[r][v] = _mm256_setzero_ps();
    for (int64_t c = 0; c < k; c++) {
        const float *column = (const float *)(const void *)(w + c / 16 * N * CN_CHUNK) + c % 16;
        __m256 xv[2];
        for (int v = 0; v < nv; v++)
            xv[v] = _mm256_loadu_ps(x + c * N + v * 8);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            __m256 b = _mm256_broadcast_ss(column + r * CN_CHUNK / 4);
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[r][v] = _mm256_fmadd_ps(b, xv[v], acc[r][v]);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < nv; v++)
            _mm256_storeu_ps(out + r * N + v * 8, acc[r][v]);
}

static void tile_f32(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                     int64_t token_group, int n_tokens, float *out)
{
    const uint8_t *w = p->codes + (size_t)row_group * p->group_stride;
    const float *in = x->x + token_group * N * x->n_cols;
    for (int r = 0; r < N; r += ROWS) {
        if (n_tokens > 8)
            rows_f32(2, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
        else
            rows_f32(1, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
    }
}

const struct cn_gemm cn_gemm_avx2 = {
    .name = "avx2", .prepare = prepare, .token_groups = 1, .tile = tile, .tile_f32 = tile_f32
};
