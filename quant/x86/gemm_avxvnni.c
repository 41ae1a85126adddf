/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for AVX2 with VNNI. Lanes are tokens, as in gemm_avx2.c: one broadcast of four
 * codes of a row meets four columns of 16 tokens. vpdpbusd takes unsigned codes of any size and
 * sums in 32 bits: no runs of sums in 16 bits, no classes of codes, no signs to be moved, one
 * kernel for all formats.
 *
 * What is left beside the products waits for their ports on Intel's cores, so there is little of
 * it. Sums start at 1.5 * 2^23, read as a float's bits, to which integers up to 2^22 may be added:
 * a float less a constant comes out, without a conversion. And they start there less what the
 * offset of the codes takes off, made once for 16 tokens and a panel (prepare_tokens), as are the
 * floats that minima are multiplied with.
 *
 * Serves Alder Lake and later cores without AVX-512. Error: float rounding of the group sums only,
 * in the order of gemm_avx2.c: the same bits.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/gemm.h"
#include "quant/vec.h"

#include <math.h>

enum {
    N = 16,
    MOST_ROWS = 6,
    COLUMNS = 512,          /* at a time: their activations stay in L1 for all rows */
    FLOAT_ZERO = 0x4b400000 /* 1.5 * 2^23 */
};

ALWAYS __m256i broadcast4(const uint8_t *p)
{
    return _mm256_set1_epi32((int)load32(p));
}

/* Adds the products of nr rows, CN_CHUNK bytes apart, and nv vectors of tokens: `steps` times four
 * columns. */
ALWAYS void add_products(const int nr, const int nv, const int steps, const uint8_t *w,
                         const int8_t *q, __m256i acc[MOST_ROWS][2])
{
    UNROLL for (int i = 0; i < steps; i++)
    {
        __m256i x[2];
        UNROLL for (int v = 0; v < nv; v++) x[v] = load256(q + i * N * 4 + v * 32);
        UNROLL for (int r = 0; r < nr; r++)
        {
            const __m256i b = broadcast4(w + r * CN_CHUNK + i * 4);
            UNROLL for (int v = 0; v < nv; v++) acc[r][v] = add_dot_u8(acc[r][v], b, x[v]);
        }
    }
}

/* ---- precision exact ------------------------------------------------------------------------- */

/* A few rows, the columns and the tokens that one call multiplies; pointers to the first of each.
 */
struct rows {
    int64_t n_cols;
    const uint8_t *codes; /* rows are CN_CHUNK bytes apart, chunks N rows */
    const float *scale, *min;
    int64_t scale_stride;
    const int8_t *q;
    const float *d;
    const uint8_t *tokens; /* [sub-block][16 tokens][4]: see gemm_prepare_tokens_avxvnni */
    float *out;            /* rows are N floats apart */
};

/* Sub-block s of the 32 columns from c on: its sums, scaled and less the minimum, are added to
 * those of the 32 columns; the first begins them. */
ALWAYS void add_sub(const int nr, const int sub, const bool has_min, const int nv,
                    const struct rows *t, int64_t c, const int s, __m256 group[MOST_ROWS][2])
{
    const __m256i zero = _mm256_set1_epi32(FLOAT_ZERO);
    const int64_t place = c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK + s * sub;
    const uint8_t *tokens = t->tokens + (c / sub + s) * N * 4;
    __m256i acc[MOST_ROWS][2];
    UNROLL for (int v = 0; v < nv; v++)
    {
        const __m256i start = has_min ? zero : load256(tokens + v * 32);
        UNROLL for (int r = 0; r < nr; r++) acc[r][v] = start;
    }
    add_products(nr, nv, sub / 4, t->codes + place, t->q + (c + s * sub) * N, acc);
    UNROLL for (int r = 0; r < nr; r++)
    {
        const int64_t at = r * t->scale_stride + c / sub + s;
        const __m256 scale = _mm256_broadcast_ss(t->scale + at);
        UNROLL for (int v = 0; v < nv; v++)
        {
            __m256 f = _mm256_sub_ps(_mm256_castsi256_ps(acc[r][v]), _mm256_castsi256_ps(zero));
            f = s == 0 ? _mm256_mul_ps(f, scale) : _mm256_fmadd_ps(f, scale, group[r][v]);
            if (has_min)
                f = _mm256_fnmadd_ps(_mm256_broadcast_ss(t->min + at),
                                     _mm256_castsi256_ps(load256(tokens + v * 32)), f);
            group[r][v] = f;
        }
    }
}

/* nr rows times 8 * nv tokens, all columns, added to out. What is marked const is a constant at
 * each of the places this is inlined to; t is a copy, which no store can change. */
ALWAYS void rows_by_tokens(const int nr, const int sub, const bool has_min, const int nv,
                           const struct rows t)
{
    /* Not in the loop: a division that a sanitizer checks keeps gcc from unrolling it. */
    const int n_subs = 32 / sub;
    for (int64_t c = 0; c < t.n_cols; c += 32) {
        const float *d = t.d + c / 32 * N;
        __m256 group[MOST_ROWS][2];
        UNROLL for (int s = 0; s < n_subs; s++) add_sub(nr, sub, has_min, nv, &t, c, s, group);
        UNROLL for (int r = 0; r < nr; r++)
        {
            UNROLL for (int v = 0; v < nv; v++)
            {
                float *o = t.out + r * N + v * 8;
                _mm256_storeu_ps(o, _mm256_fmadd_ps(group[r][v], _mm256_loadu_ps(d + v * 8),
                                                    _mm256_loadu_ps(o)));
            }
        }
    }
}

/* One function per number of rows, sub-block, minimum and number of token vectors, so that all of
 * it is constant. */
typedef void rows_fn(const struct rows *t);
#define ROWS_FN(nr, sub, has_min, nv)                                                          \
    static __attribute__((noinline)) void gemm_rows_##nr##_##sub##_##has_min##_##nv##_avxvnni( \
        const struct rows *t)                                                                  \
    {                                                                                          \
        rows_by_tokens(nr, sub, has_min, nv, *t);                                              \
    }
#define ROWS_FNS(nr, sub)  \
    ROWS_FN(nr, sub, 0, 1) \
    ROWS_FN(nr, sub, 0, 2) \
    ROWS_FN(nr, sub, 1, 1) \
    ROWS_FN(nr, sub, 1, 2)
ROWS_FNS(3, 16)
ROWS_FNS(4, 16)
ROWS_FNS(4, 32)

/* The rows of a group are taken in fours; with scales per 16, whose sums take twice the registers,
 * in threes and a four. */
/* clang-format off */
#define ROWS_ENTRY(nr, sub)                                                              \
    { { gemm_rows_##nr##_##sub##_0_1_avxvnni, gemm_rows_##nr##_##sub##_0_2_avxvnni },    \
      { gemm_rows_##nr##_##sub##_1_1_avxvnni, gemm_rows_##nr##_##sub##_1_2_avxvnni } }
/* [sub == 32][last][has_min][nv - 1] */
static rows_fn *const rows_table[2][2][2][2] = {
    { ROWS_ENTRY(3, 16), ROWS_ENTRY(4, 16) },
    { ROWS_ENTRY(4, 32), ROWS_ENTRY(4, 32) },
};
/* clang-format on */

/* What the tiles need of the sums of 16 tokens' activations: where integer sums start or, with
 * minima, the floats that those are multiplied with. */
static void gemm_prepare_tokens_avxvnni(struct cn_panel_data *p, const struct cn_act_panel *x,
                                        int64_t token_group)
{
    const int sub = p->kind->sub;
    const int32_t *sum = x->sum + token_group * x->n_cols / 16 * N;
    const __m256i offset = _mm256_set1_epi32(p->kind->offset), zero = _mm256_set1_epi32(FLOAT_ZERO);
    uint8_t *to = p->spare;
    for (int64_t c = 0; c < p->n_cols; c += sub, sum += sub / 16 * N)
        for (int v = 0; v < N; v += 8, to += 32) {
            __m256i sums = load256(sum + v);
            if (sub == 32)
                sums = _mm256_add_epi32(sums, load256(sum + v + N));
            store256(to, p->kind->has_min
                             ? _mm256_castps_si256(_mm256_cvtepi32_ps(sums))
                             : _mm256_sub_epi32(zero, _mm256_mullo_epi32(sums, offset)));
        }
}

static void gemm_tile_avxvnni(const struct cn_panel_data *p, int64_t row_group,
                              const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                              float *out)
{
    const int64_t k = p->n_cols, first = token_group * x->n_cols, sub = p->kind->sub;
    const int at_once = sub == 32 ? 4 : 3;
    for (int i = 0; i < N * N; i += 8)
        _mm256_storeu_ps(out + i, _mm256_setzero_ps());
    for (int64_t c = 0; c < k; c += COLUMNS)
        for (int r = 0; r < N; r += at_once) {
            const bool last = r + 4 == N;
            const int64_t scales = (row_group * N + r) * p->scale_stride + c / sub;
            const struct rows t = {
                .n_cols = k - c < COLUMNS ? k - c : COLUMNS,
                .codes =
                    p->codes + (size_t)row_group * p->group_stride + (size_t)(c * N + r * CN_CHUNK),
                .scale = p->scale + scales,
                .min = p->min + scales,
                .scale_stride = p->scale_stride,
                .q = x->q + (first + c) * N,
                .d = x->d + (first + c) / 32 * N,
                .tokens = p->spare + c / sub * N * 4,
                .out = out + r * N,
            };
            rows_table[sub == 32][last][p->kind->has_min][n_tokens > 8](&t);
            if (last)
                break;
        }
}

static void gemm_tile_f32_avxvnni(const struct cn_panel_data *p, int64_t row_group,
                                  const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                                  float *out)
{
    cn_gemm_avx2.tile_f32(p, row_group, x, token_group, n_tokens, out);
}

static void gemm_transpose_avxvnni(const float *tile, int64_t tile_stride, float *y,
                                   int64_t y_stride, bool add)
{
    cn_gemm_avx2.transpose(tile, tile_stride, y, y_stride, add);
}

/* ---- precision fast -------------------------------------------------------------------------- */

enum { ZERO = 128 };

/* nr rows times 16 tokens, n_cols columns, to out, or, but of the first columns, added to it.
 * vpdpbusd takes five cycles on Intel's cores and two begin in each: ten sums or more. */
ALWAYS void wide_rows(const int nr, int64_t n_cols, const uint8_t *codes, const float *scale,
                      const int8_t *q, const float *d, const int32_t *sum, float *out, bool first)
{
    for (int64_t c = 0; c < n_cols; c += CN_WIDE, scale += N, d += N, sum += N) {
        __m256i acc[MOST_ROWS][2];
        UNROLL for (int v = 0; v < 2; v++)
        {
            const __m256i start =
                _mm256_mullo_epi32(load256(sum + v * 8), _mm256_set1_epi32(-ZERO));
            UNROLL for (int r = 0; r < nr; r++) acc[r][v] = start;
        }
        for (int i = 0; i < CN_WIDE; i += CN_CHUNK, codes += N * CN_CHUNK, q += N * CN_CHUNK)
            add_products(nr, 2, CN_CHUNK / 4, codes, q, acc);
        UNROLL for (int v = 0; v < 2; v++)
        {
            const __m256 dv = _mm256_loadu_ps(d + v * 8);
            UNROLL for (int r = 0; r < nr; r++)
            {
                float *o = out + r * N + v * 8;
                const __m256 by = _mm256_mul_ps(dv, _mm256_broadcast_ss(scale + r));
                const __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[r][v]), by);
                _mm256_storeu_ps(o, first && c == 0 ? f : _mm256_add_ps(_mm256_loadu_ps(o), f));
            }
        }
    }
}

static void gemm_multiply_fast_avxvnni(const struct cn_gemm_block *b)
{
    const int64_t k = b->n_cols;
    for (int64_t g = 0; g < b->n_token_groups; g++)
        for (int64_t r = 0; r < b->n_row_groups; r++) {
            const uint8_t *codes = b->codes + r * k * N;
            const float *scale = b->scale + r * (k / CN_WIDE) * N;
            const int8_t *q = (const int8_t *)b->acts + g * k * N;
            const float *d = b->d + g * b->act_stride;
            const int32_t *sum = b->sum + g * b->act_stride;
            float *out = b->out + (g * b->n_row_groups + r) * N * N;
            wide_rows(6, k, codes, scale, q, d, sum, out, b->first);
            wide_rows(5, k, codes + 6 * CN_CHUNK, scale + 6, q, d, sum, out + 6 * N, b->first);
            wide_rows(5, k, codes + 11 * CN_CHUNK, scale + 11, q, d, sum, out + 11 * N, b->first);
        }
}

/* The largest of magnitudes, which compare like integers, NaN and infinity above all numbers: its
 * bits. */
ALWAYS int largest_bits(__m256i v)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

ALWAYS __m256i magnitude(__m256 v)
{
    return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
}

/* Eight floats times `by`, rounded to integers. */
ALWAYS __m256i rounded(const float *x, __m256 by)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), by));
}

/* Of 16 words, those of sub-blocks in the i-th 32 columns. */
ALWAYS __m256i words_of_subs(const int sub, const int16_t *words, const int i)
{
    return sub == 32
               ? _mm256_set1_epi16(words[i])
               : _mm256_setr_m128i(_mm_set1_epi16(words[2 * i]), _mm_set1_epi16(words[2 * i + 1]));
}

/* 256 columns of a token to q[256]; returns d. */
ALWAYS float quantize_wide(const float *x, int8_t *q)
{
    __m256i top[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (int i = 0; i < CN_WIDE; i += 16) {
        top[0] = _mm256_max_epi32(top[0], magnitude(_mm256_loadu_ps(x + i)));
        top[1] = _mm256_max_epi32(top[1], magnitude(_mm256_loadu_ps(x + i + 8)));
    }
    const int bits = largest_bits(_mm256_max_epi32(top[0], top[1]));
    float most;
    memcpy(&most, &bits, sizeof most);
    if (!(most >= CN_WIDE_SMALLEST && bits < 0x7f800000)) {
        memset(q, 0, CN_WIDE);
        return bits < 0x7f800000 ? 0 : NAN;
    }
    const __m256 by = _mm256_set1_ps(127 / most);
    for (int i = 0; i < CN_WIDE; i += 32) {
        const __m256i a = _mm256_packs_epi32(rounded(x + i, by), rounded(x + i + 8, by)),
                      b = _mm256_packs_epi32(rounded(x + i + 16, by), rounded(x + i + 24, by));
        store256(q + i, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b),
                                                    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    }
    return most / 127;
}

static void gemm_pack_fast_avxvnni(const struct cn_act_panel *p, int64_t group, int n,
                                   const float *x, int64_t x_stride)
{
    const int64_t k = p->n_cols, groups = (p->n_tokens + N - 1) / N;
    _Alignas(32) int8_t q[N][CN_WIDE];
    float d[N] = { 0 };
    memset(q, 0, sizeof q);
    for (int64_t c = 0; c < k; c += CN_WIDE) {
        const int64_t block = c / CN_BLOCK_COLS * CN_BLOCK_COLS;
        const int64_t width = k - block < CN_BLOCK_COLS ? k - block : CN_BLOCK_COLS;
        const int64_t at = (group * (k / CN_WIDE) + c / CN_WIDE) * N;
        int8_t *to = p->q + (block * groups + group * width + c - block) * N;
        for (int t = 0; t < n; t++)
            d[t] = quantize_wide(x + t * x_stride + c, q[t]);
        memcpy(p->d + at, d, sizeof d);
        /* Four columns of a token are a dword: they stay neighbours. */
        for (int i = 0; i < CN_WIDE; i += 64)
            gemm_transpose_avxvnni((const float *)(const void *)(q[0] + i), CN_WIDE / 4,
                                   (float *)(void *)(to + i * N), N, false);
        __m256i sum[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        for (int i = 0; i < CN_WIDE * N; i += 64) {
            sum[0] = add_dot_u8(sum[0], _mm256_set1_epi8(1), load256(to + i));
            sum[1] = add_dot_u8(sum[1], _mm256_set1_epi8(1), load256(to + i + 32));
        }
        store256(p->sum + at, sum[0]);
        store256(p->sum + at + 8, sum[1]);
    }
}

/* cn_gemm_blocked.convert; the arithmetic is that of wide_avx512.h:
 *     code' = (code - offset) * a - b + ZERO,  a = 127 / top * scale,  b = 127 / top * min
 * in words with FRACTION bits behind the point. Small codes are moved up to 64 .. 127 first, large
 * ones made signed; three roundings make 1.5 / 64 of a code at the most. */
ALWAYS void convert_wide(const int sub, const bool has_min, const struct cn_panel *kind,
                         int64_t n_cols, const uint8_t *codes, const float *scale, const float *min,
                         uint8_t *to, float *scale256)
{
    enum { FRACTION = 6, LANES = 8 };
    const int n_subs = CN_WIDE / sub;
    const bool large = kind->code_max > 127;
    int up = 0;
    while (!large && kind->code_max << (up + 1) <= 127)
        up++;
    const __m128i shift = _mm_cvtsi32_si128(up);
    const __m256i flip = _mm256_set1_epi8(large ? (char)0x80 : 0);
    const __m256 lowest = _mm256_set1_ps((float)-kind->offset),
                 highest = _mm256_set1_ps((float)(kind->code_max - kind->offset));
    const __m256 offset = _mm256_set1_ps((float)(kind->offset - (large ? 128 : 0)));
    const __m256 slope = _mm256_set1_ps((float)(1 << 13) / (float)(1 << up)),
                 one = _mm256_set1_ps(1 << FRACTION),
                 half = _mm256_set1_ps((float)(ZERO << FRACTION) + (1 << FRACTION) / 2);
    for (int64_t c = 0; c < n_cols; c += CN_WIDE, scale += n_subs, min += n_subs) {
        __m256i most = _mm256_setzero_si256();
        int16_t factors[CN_WIDE / 16], adds[CN_WIDE / 16];
        UNROLL for (int i = 0; i < n_subs; i += LANES)
        {
            const __m256 s = _mm256_loadu_ps(scale + i),
                         m = has_min ? _mm256_loadu_ps(min + i) : _mm256_setzero_ps();
            most = _mm256_max_epi32(most, magnitude(_mm256_fmsub_ps(s, lowest, m)));
            most = _mm256_max_epi32(most, magnitude(_mm256_fmsub_ps(s, highest, m)));
        }
        const int bits = largest_bits(most);
        float top;
        memcpy(&top, &bits, sizeof top);
        const bool finite = bits < 0x7f800000, good = finite && top >= CN_WIDE_SMALLEST;
        scale256[c / CN_WIDE * N] = !finite ? NAN : good ? top / 127 : 0;
        const __m256 by = _mm256_set1_ps(good ? 127 / top : 0);
        UNROLL for (int i = 0; i < n_subs; i += LANES)
        {
            const __m256 factor = _mm256_mul_ps(_mm256_loadu_ps(scale + i), by);
            __m256 add = _mm256_mul_ps(factor, offset);
            if (has_min)
                add = _mm256_fmadd_ps(_mm256_loadu_ps(min + i), by, add);
            add = _mm256_fnmadd_ps(add, one, half);
            const __m256i words = _mm256_permute4x64_epi64(
                _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(factor, slope)),
                                   _mm256_cvtps_epi32(add)),
                0xd8);
            _mm_storeu_si128((__m128i *)(void *)(factors + i), _mm256_castsi256_si128(words));
            _mm_storeu_si128((__m128i *)(void *)(adds + i), _mm256_extracti128_si256(words, 1));
        }
        UNROLL for (int i = 0; i < CN_WIDE / 32; i++, codes += 32)
        {
            const __m256i f = words_of_subs(sub, factors, i), b = words_of_subs(sub, adds, i);
            const __m256i high = _mm256_set1_epi16((short)0xff00);
            const __m256i v = _mm256_xor_si256(_mm256_sll_epi16(load256(codes), shift), flip);
            __m256i even = _mm256_mulhrs_epi16(_mm256_slli_epi16(v, 8), f),
                    odd = _mm256_mulhrs_epi16(_mm256_and_si256(v, high), f);
            even = _mm256_srli_epi16(_mm256_add_epi16(even, b), FRACTION);
            odd = _mm256_slli_epi16(_mm256_add_epi16(odd, b), 8 - FRACTION);
            store256(to + i / 2 * N * CN_CHUNK + i % 2 * 32, _mm256_blendv_epi8(even, odd, high));
        }
        to += CN_WIDE * N;
    }
}

static void gemm_convert_fast_avxvnni(const struct cn_panel *kind, int64_t n_cols,
                                      const uint8_t *codes, const float *scale, const float *min,
                                      uint8_t *to, float *scale256)
{
    if (kind->sub == 32 && kind->has_min)
        convert_wide(32, true, kind, n_cols, codes, scale, min, to, scale256);
    else if (kind->sub == 32)
        convert_wide(32, false, kind, n_cols, codes, scale, min, to, scale256);
    else if (kind->has_min)
        convert_wide(16, true, kind, n_cols, codes, scale, min, to, scale256);
    else
        convert_wide(16, false, kind, n_cols, codes, scale, min, to, scale256);
}

static const struct cn_gemm_blocked fast = { .act = CN_ACT_Q8_WIDE,
                                             .zero = ZERO,
                                             .pack = gemm_pack_fast_avxvnni,
                                             .convert = gemm_convert_fast_avxvnni,
                                             .multiply = gemm_multiply_fast_avxvnni };

const struct cn_gemm cn_gemm_avxvnni = { .name = "avxvnni",
                                         .prepare_tokens = gemm_prepare_tokens_avxvnni,
                                         .token_groups = 1,
                                         .tile = gemm_tile_avxvnni,
                                         .tile_f32 = gemm_tile_f32_avxvnni,
                                         .transpose = gemm_transpose_avxvnni,
                                         .small = &cn_gemm_small_avxvnni,
                                         .fast = &fast };
