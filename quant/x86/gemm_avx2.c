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
 * Where codes without their offset are small enough that twice as many products last in 16 bits,
 * the offset is taken out there: sums may wrap around in between, the difference is exact.
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

/* How many products of codes up to `most` may be added in 16 bits; WIDE: none. */
static int gemm_code_class_avx2(int most)
{
    return most <= 16 ? 8 : most <= 32 ? 4 : most <= 64 ? 2 : most <= 129 ? 1 : WIDE;
}

/* How many of the steps of a sub-block. */
static int gemm_run_of_avx2(int klass, int sub)
{
    return klass == WIDE ? 1 : klass < sub / 4 ? klass : sub / 4;
}

/* Where an offset is taken out: of the sums of 32 bits, or of 16 bits (WORDS). */
enum { IN_SUMS, HAS_MIN, IN_WORDS, N_MODES };

static int gemm_mode_of_avx2(const struct cn_panel *kind, int *klass)
{
    const int above = kind->code_max - kind->offset, below = kind->offset;
    const int centred = gemm_code_class_avx2(above > below ? above : below);
    *klass = gemm_code_class_avx2(kind->code_max);
    if (kind->has_min || *klass == WIDE ||
        gemm_run_of_avx2(centred, kind->sub) <= gemm_run_of_avx2(*klass, kind->sub))
        return kind->has_min ? HAS_MIN : IN_SUMS;
    *klass = centred;
    return IN_WORDS;
}

ALWAYS __m256i broadcast4(const uint8_t *p)
{
    return _mm256_set1_epi32((int)load32(p));
}

/* A run's sums of 16 bits to those of 32. */
ALWAYS __m256i add_run(const int mode, const bool first, __m256i acc, __m256i part,
                       const uint8_t *words)
{
    if (mode == IN_WORDS)
        part = _mm256_sub_epi16(part, load256(words));
    part = _mm256_madd_epi16(part, _mm256_set1_epi16(1));
    return mode != IN_SUMS && first ? part : _mm256_add_epi32(acc, part);
}

/* ROWS rows, the columns and the tokens that one call multiplies; pointers to the first of each. */
struct rows {
    int64_t n_cols;
    int offset;
    const uint8_t *codes; /* rows are CN_CHUNK bytes apart, chunks N rows */
    const uint8_t *signs; /* likewise; IN_WORDS: what is taken from each run, [run][16 tokens][2] */
    const float *scale, *min;
    int64_t scale_stride;
    const int8_t *q;
    const float *d;
    const int32_t *sum;
    float *out; /* rows are N floats apart */
};

/* The sums of a sub-block's activations. */
ALWAYS __m256i sums_at(const int32_t *p, const int sub)
{
    const __m256i sums = load256(p);
    return sub == 32 ? _mm256_add_epi32(sums, load256(p + N)) : sums;
}

/* Where the integer sums of sub-block s of the 32 columns from c on start. */
ALWAYS void start_sums(const int klass, const int sub, const int mode, const int nv,
                       const struct rows *t, int64_t c, const int s, __m256i acc[ROWS][2])
{
    const __m256i minus_offset = _mm256_set1_epi32(-t->offset);
    UNROLL for (int v = 0; v < nv; v++)
    {
        const __m256i sums = sums_at(t->sum + (c / 16 + s) * N + v * 8, sub);
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][v] =
            klass == WIDE ? _mm256_castps_si256(
                                _mm256_broadcast_ss(t->min + r * t->scale_stride + c / sub + s))
            : mode != IN_SUMS ? _mm256_setzero_si256()
                              : _mm256_mullo_epi32(sums, minus_offset);
    }
}

/* Adds a run of products, of the steps from i0 on, row by row: all rows at once would keep 16
 * registers waiting. Codes and masks of the first row are at w and below, activations at qs. */
ALWAYS void add_run_by_rows(const int klass, const int mode, const int nv, const int run,
                            const int i0, const uint8_t *w, const uint8_t *below, const int8_t *qs,
                            const uint8_t *words, __m256i acc[ROWS][2])
{
    __m256i x[2][2], part[2];
    UNROLL for (int i = 0; i < run; i++)
    {
        UNROLL for (int v = 0; v < nv; v++) x[i][v] = load256(qs + (i0 + i) * N * 4 + v * 32);
    }
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int i = 0; i < run; i++)
        {
            const int64_t at = r * CN_CHUNK + (i0 + i) * 4;
            __m256i b = broadcast4(w + at), sign = b;
            if (klass == WIDE)
                sign = broadcast4(below + at);
            UNROLL for (int v = 0; v < nv; v++)
            {
                __m256i m = _mm256_maddubs_epi16(b, klass == WIDE ? _mm256_xor_si256(x[i][v], sign)
                                                                  : x[i][v]);
                part[v] = i == 0 ? m : _mm256_add_epi16(part[v], m);
            }
        }
        UNROLL for (int v = 0; v < nv; v++) acc[r][v] =
            add_run(mode, i0 == 0, acc[r][v], part[v], words + v * 32);
    }
}

/* The same for all rows at once, so that each step's activations are loaded once. */
ALWAYS void add_run_at_once(const int mode, const int nv, const int run, const int i0,
                            const uint8_t *w, const int8_t *qs, const uint8_t *words,
                            __m256i acc[ROWS][2])
{
    __m256i part[ROWS][2];
    UNROLL for (int i = i0; i < i0 + run; i++)
    {
        __m256i x[2];
        UNROLL for (int v = 0; v < nv; v++) x[v] = load256(qs + i * N * 4 + v * 32);
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            __m256i b = broadcast4(w + r * CN_CHUNK + i * 4);
            UNROLL for (int v = 0; v < nv; v++)
            {
                __m256i m = _mm256_maddubs_epi16(b, x[v]);
                part[r][v] = i == i0 ? m : _mm256_add_epi16(part[r][v], m);
            }
        }
    }
    UNROLL for (int v = 0; v < nv; v++)
    {
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][v] =
            add_run(mode, i0 == 0, acc[r][v], part[r][v], words + v * 32);
    }
}

/* The integer sums of sub-block s as floats, scaled and less the minimum, are added to those of the
 * 32 columns from c on; the first sub-block begins them. */
ALWAYS void scale_sums(const int sub, const int mode, const int nv, const struct rows *t, int64_t c,
                       const int s, __m256i acc[ROWS][2], __m256 group[ROWS][2])
{
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        const int64_t at = r * t->scale_stride + c / sub + s;
        const __m256 scale = _mm256_broadcast_ss(t->scale + at);
        UNROLL for (int v = 0; v < nv; v++)
        {
            __m256 f = _mm256_cvtepi32_ps(acc[r][v]);
            f = s == 0 ? _mm256_mul_ps(f, scale) : _mm256_fmadd_ps(f, scale, group[r][v]);
            if (mode == HAS_MIN) {
                const __m256i sums = sums_at(t->sum + (c / 16 + s) * N + v * 8, sub);
                f = _mm256_fnmadd_ps(_mm256_broadcast_ss(t->min + at), _mm256_cvtepi32_ps(sums), f);
            }
            group[r][v] = f;
        }
    }
}

/* The sums of 32 columns times the activations' scales at d are added to out. */
ALWAYS void add_to_out(const int nv, const float *d, __m256 group[ROWS][2], float *out)
{
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            float *o = out + r * N + v * 8;
            _mm256_storeu_ps(
                o, _mm256_fmadd_ps(group[r][v], _mm256_loadu_ps(d + v * 8), _mm256_loadu_ps(o)));
        }
    }
}

/* ROWS rows times 8 * nv tokens, all columns, added to out. What is marked const is a constant at
 * each of the places this is inlined to; t is a copy, which no store can change. */
ALWAYS void rows_by_tokens(const int klass, const int sub, const int mode, const int nv,
                           const struct rows t)
{
    /* Not in the loop: a division that a sanitizer checks keeps gcc from unrolling it. */
    const int n_subs = 32 / sub, steps = sub / 4; /* of four columns */
    const int run = gemm_run_of_avx2(klass, sub);
    for (int64_t c = 0; c < t.n_cols; c += 32) {
        __m256 group[ROWS][2];
        UNROLL for (int s = 0; s < n_subs; s++)
        {
            const int64_t place = c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK + s * sub;
            const uint8_t *w = t.codes + place;
            const int8_t *qs = t.q + (c + s * sub) * N;
            __m256i acc[ROWS][2];
            start_sums(klass, sub, mode, nv, &t, c, s, acc);
            UNROLL for (int i0 = 0; i0 < steps; i0 += run)
            {
                const uint8_t *words = t.signs + ((c + s * sub) / 4 + i0) / run * N * 4;
                if (run <= 2)
                    add_run_by_rows(klass, mode, nv, run, i0, w, t.signs + place, qs, words, acc);
                else
                    add_run_at_once(mode, nv, run, i0, w, qs, words, acc);
            }
            scale_sums(sub, mode, nv, &t, c, s, acc, group);
        }
        add_to_out(nv, t.d + c / 32 * N, group, t.out);
    }
}

/* One function per class, sub-block, minimum and number of token vectors, so that all of it is
 * constant. */
typedef void rows_fn(const struct rows *t);
#define ROWS_FN(klass, sub, mode, nv)                                                       \
    static __attribute__((noinline)) void gemm_rows_##klass##_##sub##_##mode##_##nv##_avx2( \
        const struct rows *t)                                                               \
    {                                                                                       \
        rows_by_tokens(klass, sub, mode, nv, *t);                                           \
    }
#define ROWS_MODE(klass, mode)  \
    ROWS_FN(klass, 16, mode, 1) \
    ROWS_FN(klass, 16, mode, 2) \
    ROWS_FN(klass, 32, mode, 1) \
    ROWS_FN(klass, 32, mode, 2)
#define ROWS_FNS(klass) ROWS_MODE(klass, 0) ROWS_MODE(klass, 1) ROWS_MODE(klass, 2)
ROWS_FNS(8)
ROWS_FNS(4)
ROWS_FNS(2)
ROWS_MODE(1, 0)
ROWS_MODE(1, 1)
/* No format of 8-bit codes has a minimum: its place is taken (see prepare). */
ROWS_MODE(0, 0)

/* clang-format off */
#define ROWS_ENTRY(klass, mode) \
    [mode] = { { gemm_rows_##klass##_16_##mode##_1_avx2, gemm_rows_##klass##_16_##mode##_2_avx2 }, \
               { gemm_rows_##klass##_32_##mode##_1_avx2, gemm_rows_##klass##_32_##mode##_2_avx2 } }
/* [class][mode][sub == 32][nv - 1] */
static rows_fn *const rows_table[9][N_MODES][2][2] = {
    [0] = { ROWS_ENTRY(0, 0) },
    [1] = { ROWS_ENTRY(1, 0), ROWS_ENTRY(1, 1) },
    [2] = { ROWS_ENTRY(2, 0), ROWS_ENTRY(2, 1), ROWS_ENTRY(2, 2) },
    [4] = { ROWS_ENTRY(4, 0), ROWS_ENTRY(4, 1), ROWS_ENTRY(4, 2) },
    [8] = { ROWS_ENTRY(8, 0), ROWS_ENTRY(8, 1), ROWS_ENTRY(8, 2) },
};
/* clang-format on */

/* What has to be taken from each run of products of codes with an offset. */
ALWAYS void words_of_runs(const int run, int offset, int64_t k, const int8_t *q, uint8_t *words)
{
    const __m256i by = _mm256_set1_epi8((char)offset);
    for (int64_t c = 0; c < k; c += 4 * run, q += 4 * run * N, words += N * 4) {
        __m256i total[2];
        UNROLL for (int i = 0; i < run; i++)
        {
            UNROLL for (int v = 0; v < 2; v++)
            {
                const __m256i m = _mm256_maddubs_epi16(by, load256(q + i * N * 4 + v * 32));
                total[v] = i == 0 ? m : _mm256_add_epi16(total[v], m);
            }
        }
        store256(words, total[0]);
        store256(words + 32, total[1]);
    }
}

static void gemm_prepare_tokens_avx2(struct cn_panel_data *p, const struct cn_act_panel *x,
                                     int64_t token_group)
{
    const int8_t *q = x->q + token_group * x->n_cols * N;
    int klass;
    if (gemm_mode_of_avx2(p->kind, &klass) != IN_WORDS)
        return;
    const int run = gemm_run_of_avx2(klass, p->kind->sub), offset = p->kind->offset;
    if (run == 2)
        words_of_runs(2, offset, p->n_cols, q, p->spare);
    else if (run == 4)
        words_of_runs(4, offset, p->n_cols, q, p->spare);
    else
        words_of_runs(8, offset, p->n_cols, q, p->spare);
}

static void gemm_tile_avx2(const struct cn_panel_data *p, int64_t row_group,
                           const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                           float *out)
{
    const int64_t k = p->n_cols, first = token_group * x->n_cols;
    int klass;
    const int mode = gemm_mode_of_avx2(p->kind, &klass);
    rows_fn *rows = rows_table[klass][mode][p->kind->sub == 32][n_tokens > 8];
    const size_t group = (size_t)row_group * p->group_stride;
    const int columns_a_word = 4 * gemm_run_of_avx2(klass, p->kind->sub);
    const int8_t *q = x->q + first * N;
    const float *d = x->d + first / 32 * N;
    const int32_t *sum = x->sum + first / 16 * N;
    for (int i = 0; i < N * N; i += 8)
        _mm256_storeu_ps(out + i, _mm256_setzero_ps());
    for (int64_t c = 0; c < k; c += COLUMNS) {
        const int64_t here = k - c < COLUMNS ? k - c : COLUMNS;
        const uint8_t *words = p->spare + c / columns_a_word * N * 4;
        for (int r = 0; r < N; r += ROWS) {
            const size_t place = group + (size_t)(c * N + r * CN_CHUNK);
            const int64_t scales = (row_group * N + r) * p->scale_stride + c / p->kind->sub;
            const struct rows t = { .n_cols = here,
                                    .offset = p->kind->offset,
                                    .codes = p->codes + place,
                                    .signs = mode == IN_WORDS ? words : p->spare + place,
                                    .scale = p->scale + scales,
                                    .min = p->min + scales,
                                    .scale_stride = p->scale_stride,
                                    .q = q + c * N,
                                    .d = d + c / 32 * N,
                                    .sum = sum + c / 16 * N,
                                    .out = out + r * N };
            rows(&t);
        }
    }
}

/* Codes above 129 become magnitudes, and masks where they are negative; the place of the minimum,
 * which these formats have not, takes the sum of a sub-block's negative magnitudes as an integer.
 */
static void gemm_prepare_avx2(struct cn_panel_data *p, int64_t n_rows)
{
    const int sub = p->kind->sub;
    if (gemm_code_class_avx2(p->kind->code_max) != WIDE)
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

/* nr rows times 8 * nv tokens. More sums than eight, since an FMA takes four cycles and two begin
 * in each. */
ALWAYS void rows_f32(const int nr, const int nv, int64_t k, const uint8_t *codes, const float *x,
                     float *out)
{
    __m256 acc[6][2];
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) acc[r][v] = _mm256_setzero_ps();
    }
    for (int64_t c = 0; c < k; c += 16, codes += N * CN_CHUNK) {
        const float *w = (const float *)(const void *)codes;
        const int64_t end = k - c < 16 ? k - c : 16;
        for (int64_t i = 0; i < end; i++, w++, x += N) {
            __m256 xv[2];
            UNROLL for (int v = 0; v < nv; v++) xv[v] = _mm256_loadu_ps(x + v * 8);
            UNROLL for (int r = 0; r < nr; r++)
            {
                const __m256 b = _mm256_broadcast_ss(w + r * CN_CHUNK / 4);
                UNROLL for (int v = 0; v < nv; v++) acc[r][v] =
                    _mm256_fmadd_ps(b, xv[v], acc[r][v]);
            }
        }
    }
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) _mm256_storeu_ps(out + r * N + v * 8, acc[r][v]);
    }
}

static void gemm_tile_f32_avx2(const struct cn_panel_data *p, int64_t row_group,
                               const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                               float *out)
{
    const uint8_t *w = p->codes + (size_t)row_group * p->group_stride;
    const float *in = x->x + token_group * N * x->n_cols;
    if (n_tokens > 8) {
        rows_f32(6, 2, p->n_cols, w, in, out);
        rows_f32(6, 2, p->n_cols, w + 6 * CN_CHUNK, in, out + 6 * N);
        rows_f32(4, 2, p->n_cols, w + 12 * CN_CHUNK, in, out + 12 * N);
    } else {
        for (int r = 0; r < N; r += ROWS)
            rows_f32(ROWS, 1, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
    }
}

/* to[i * to_stride + j] = from[j * from_stride + i] for 8 x 8, or += if `add`. */
ALWAYS void transpose8(const float *from, int64_t from_stride, float *to, int64_t to_stride,
                       const bool add)
{
    __m256 a[8], b[8];
    UNROLL for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from + i * from_stride);
    UNROLL for (int i = 0; i < 8; i += 2)
    {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        UNROLL for (int j = 0; j < 2; j++)
        {
            a[i + 2 * j] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0x44);
            a[i + 2 * j + 1] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0xee);
        }
    }
    UNROLL for (int i = 0; i < 8; i++)
    {
        float *at = to + i * to_stride;
        const __m256 column = i < 4 ? _mm256_permute2f128_ps(a[i], a[i + 4], 0x20)
                                    : _mm256_permute2f128_ps(a[i - 4], a[i], 0x31);
        _mm256_storeu_ps(at, add ? _mm256_add_ps(_mm256_loadu_ps(at), column) : column);
    }
}

static void gemm_transpose_avx2(const float *tile, int64_t tile_stride, float *y, int64_t y_stride,
                                bool add)
{
    for (int t = 0; t < N; t += 8)
        for (int r = 0; r < N; r += 8) {
            const float *from = tile + r * tile_stride + t;
            float *to = y + t * y_stride + r;
            if (add)
                transpose8(from, tile_stride, to, y_stride, true);
            else
                transpose8(from, tile_stride, to, y_stride, false);
        }
}

const struct cn_gemm cn_gemm_avx2 = {
    .name = "avx2",
    .prepare = gemm_prepare_avx2,
    .prepare_tokens = gemm_prepare_tokens_avx2,
    .token_groups = 1,
    .tile = gemm_tile_avx2,
    .tile_f32 = gemm_tile_f32_avx2,
    .transpose = gemm_transpose_avx2,
    .small = &cn_gemm_small_avx2,
};
