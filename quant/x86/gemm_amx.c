/* SPDX-License-Identifier: MIT
 *
 * The GEMM for AMX: 2 x 2 tiles of 16 rows x 16 tokens, so that four tile loads feed four products.
 * A row group's chunk of 64 bytes is an operand as it lies in the panel, activations are
 * interleaved to be the other.
 *
 * fast: 8 bits. The tiles of 256 columns go through memory to be scaled; that work is spread among
 * the products of the next 256 columns. exact: bf16 for weights and activations, which has a third
 * of the error of activations in 8 bits; sums stay in tiles for a whole block. Formats without
 * codes and rows not divisible by 256 take the avx512 tiles.
 *
 * Serves Sapphire Rapids and later. Error: fast: float rounding, one term per 256 columns; exact:
 * 2^-8 of each operand at the most and float rounding. Run on emulated tiles only:
 * docs/KERNELS.md.
 */
#include "quant/x86/simd_amx.h"

#include "quant/vec.h"

enum { N = CN_PANEL_ROWS };

static void gemm_transpose_amx(const float *tile, int64_t tile_stride, float *y, int64_t y_stride,
                               bool add)
{
    transpose_tile(tile, tile_stride, y, y_stride, add);
}

/* ---- fast ------------------------------------------------------------------------------------ */

static void gemm_pack_fast_amx(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                               int64_t x_stride)
{
    pack_wide(p, group, n, x, x_stride);
}

static void gemm_convert_fast_amx(const struct cn_panel *kind, int64_t n_cols, const uint8_t *codes,
                                  const float *scale, const float *min, uint8_t *to,
                                  float *scale256)
{
    convert_any(0, kind, n_cols, codes, scale, min, to, scale256);
}

/* Integer sums of four tiles, of row groups 0 0 1 1 and token groups 0 1 0 1, that are still to be
 * scaled and added. */
struct pending {
    _Alignas(64) int32_t sums[4][N * N];
    const float *scale[2], *d[2];
    float *out[4];
    __mmask16 before; /* none if `out` is yet to be begun */
};

/* Four of the 64 rows of tiles. */
ALWAYS void add_rows(const struct pending *p, const int first)
{
    const int tile = first / N;
    const __m512 d = _mm512_loadu_ps(p->d[tile % 2]);
    /* Read once: for all the compiler knows a store to out changes them. */
    const float *const scale = p->scale[tile / 2];
    float *const to = p->out[tile];
    UNROLL for (int r = first % N; r < first % N + 4; r++)
    {
        float *out = to + r * N;
        const __m512 by = _mm512_mul_ps(d, _mm512_set1_ps(scale[r]));
        const __m512 sum = _mm512_cvtepi32_ps(load512(p->sums[tile] + r * N));
        _mm512_storeu_ps(out, _mm512_fmadd_ps(sum, by, _mm512_maskz_loadu_ps(p->before, out)));
    }
}

/* 256 columns of two row groups a0, a1 and two token groups b0, b1; the second of each may be
 * NULL. */
ALWAYS void dot_256(struct pending *p, const uint8_t *a0, const uint8_t *a1, const int8_t *b0,
                    const int8_t *b1)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    UNROLL for (int i = 0; i < CN_WIDE / CN_CHUNK; i++)
    {
        tile_load(4, a0 + i * TILE_BYTES);
        tile_load(6, b0 + i * TILE_BYTES);
        _tile_dpbssd(0, 4, 6);
        add_rows(p, 16 * i);
        if (a1) {
            tile_load(5, a1 + i * TILE_BYTES);
            _tile_dpbssd(2, 5, 6);
        }
        add_rows(p, 16 * i + 4);
        if (b1) {
            tile_load(7, b1 + i * TILE_BYTES);
            _tile_dpbssd(1, 4, 7);
        }
        add_rows(p, 16 * i + 8);
        if (a1 && b1)
            _tile_dpbssd(3, 5, 7);
        add_rows(p, 16 * i + 12);
    }
    _tile_stored(0, p->sums[0], 64);
    _tile_stored(1, p->sums[1], 64);
    _tile_stored(2, p->sums[2], 64);
    _tile_stored(3, p->sums[3], 64);
}

static void gemm_multiply_fast_amx(const struct cn_gemm_block *b)
{
    const int64_t k = b->n_cols, n_wide = k / CN_WIDE;
    /* Where sums go that nobody wants: of tiles beyond the last group, and before the first block.
     */
    _Alignas(64) float nowhere[N * N] = { 0 };
    struct pending p;
    memset(&p, 0, sizeof p);
    p.scale[0] = p.scale[1] = p.d[0] = p.d[1] = nowhere;
    p.out[0] = p.out[1] = p.out[2] = p.out[3] = nowhere;
    const int8_t *acts = b->acts;
    configure_tiles();
    for (int64_t t = 0; t < b->n_token_groups; t += 2)
        for (int64_t g = 0; g < b->n_row_groups; g += 2)
            for (int64_t i = 0; i < n_wide; i++) {
                const bool rows = g + 1 < b->n_row_groups, tokens = t + 1 < b->n_token_groups;
                const uint8_t *w = b->codes + (g * k + i * CN_WIDE) * N;
                const int8_t *x = acts + (t * k + i * CN_WIDE) * N;
                dot_256(&p, w, rows ? w + k * N : NULL, x, tokens ? x + k * N : NULL);
                const float *scale = b->scale + (g * n_wide + i) * N,
                            *d = b->d + t * b->act_stride + i * N;
                float *out = b->out + (t * b->n_row_groups + g) * N * N,
                      *next = out + b->n_row_groups * N * N;
                p.scale[0] = scale;
                p.scale[1] = rows ? scale + n_wide * N : scale;
                p.d[0] = d;
                p.d[1] = tokens ? d + b->act_stride : d;
                p.before = b->first && i == 0 ? 0 : 0xffff;
                p.out[0] = out;
                p.out[1] = tokens ? next : nowhere;
                p.out[2] = rows ? out + N * N : nowhere;
                p.out[3] = rows && tokens ? next + N * N : nowhere;
            }
    _tile_release();
    UNROLL for (int i = 0; i < 16; i++) add_rows(&p, 4 * i);
}

static const struct cn_gemm_blocked fast = { .act = CN_ACT_Q8_WIDE,
                                             .pack = gemm_pack_fast_amx,
                                             .convert = gemm_convert_fast_amx,
                                             .multiply = gemm_multiply_fast_amx };

/* ---- exact ----------------------------------------------------------------------------------- */

/* 32 floats, rounded to nearest even. */
ALWAYS __m512i to_bf16(__m512 lo, __m512 hi)
{
    return (__m512i)_mm512_cvtne2ps_pbh(hi, lo);
}

static void gemm_pack_exact_amx(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                                int64_t x_stride)
{
    const int64_t k = p->n_cols, groups = (p->n_tokens + N - 1) / N;
    for (int64_t c = 0; c < k; c += 32) {
        const int64_t block = c / CN_BLOCK_COLS * CN_BLOCK_COLS;
        const int64_t width = k - block < CN_BLOCK_COLS ? k - block : CN_BLOCK_COLS;
        uint16_t *to = p->h + (block * groups + group * width + c - block) * N;
        __m512i v[N];
        for (int t = 0; t < N; t++) {
            const float *in = x + t * x_stride + c;
            v[t] = t < n ? to_bf16(_mm512_loadu_ps(in), _mm512_loadu_ps(in + 16))
                         : _mm512_setzero_si512();
        }
        transpose16(v);
        UNROLL for (int i = 0; i < N; i++) store512(to + 32 * i, v[i]);
    }
}

/* Sixteen weights, as their format defines them. */
ALWAYS __m512 weights16(const uint8_t *codes, int offset, float scale, float min)
{
    const __m512i code =
        _mm512_sub_epi32(_mm512_cvtepu8_epi32(load128(codes)), _mm512_set1_epi32(offset));
    return _mm512_sub_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(code), _mm512_set1_ps(scale)),
                         _mm512_set1_ps(min));
}

/* The divisions by sub are the compiler's: it is a constant. */
ALWAYS void convert_bf16(const int sub, const bool has_min, int offset, int64_t n_cols,
                         const uint8_t *codes, const float *scale, const float *min, uint8_t *to)
{
    for (int64_t c = 0; c < n_cols; c += 32, to += N * CN_CHUNK) {
        const int64_t s0 = c / sub, s1 = (c + 16) / sub;
        const float m0 = has_min ? min[s0] : 0, m1 = has_min ? min[s1] : 0;
        store512(to, to_bf16(weights16(codes + c, offset, scale[s0], m0),
                             weights16(codes + c + 16, offset, scale[s1], m1)));
    }
}

static void gemm_convert_exact_amx(const struct cn_panel *kind, int64_t n_cols,
                                   const uint8_t *codes, const float *scale, const float *min,
                                   uint8_t *to, float *scale256)
{
    const int offset = kind->offset;
    (void)scale256;
    if (kind->sub == 32 && kind->has_min)
        convert_bf16(32, true, offset, n_cols, codes, scale, min, to);
    else if (kind->sub == 32)
        convert_bf16(32, false, offset, n_cols, codes, scale, min, to);
    else if (kind->has_min)
        convert_bf16(16, true, offset, n_cols, codes, scale, min, to);
    else
        convert_bf16(16, false, offset, n_cols, codes, scale, min, to);
}

static void gemm_multiply_exact_amx(const struct cn_gemm_block *b)
{
    const int64_t k = b->n_cols, group_bytes = k * N * 2;
    const uint8_t *acts = b->acts;
    configure_tiles();
    for (int64_t t = 0; t < b->n_token_groups; t += 2)
        for (int64_t g = 0; g < b->n_row_groups; g += 2) {
            const bool rows = g + 1 < b->n_row_groups, tokens = t + 1 < b->n_token_groups;
            const uint8_t *a0 = b->codes + g * group_bytes, *a1 = rows ? a0 + group_bytes : a0;
            const uint8_t *b0 = acts + t * group_bytes, *b1 = tokens ? b0 + group_bytes : b0;
            float *out = b->out + (t * b->n_row_groups + g) * N * N,
                  *next = tokens ? out + b->n_row_groups * N * N : out;
            if (b->first) {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            } else {
                tile_load(0, out);
                if (tokens)
                    tile_load(1, next);
                if (rows)
                    tile_load(2, out + N * N);
                if (rows && tokens)
                    tile_load(3, next + N * N);
            }
            for (int64_t i = 0; i < group_bytes; i += TILE_BYTES) {
                tile_load(4, a0 + i);
                tile_load(6, b0 + i);
                _tile_dpbf16ps(0, 4, 6);
                if (rows) {
                    tile_load(5, a1 + i);
                    _tile_dpbf16ps(2, 5, 6);
                }
                if (tokens) {
                    tile_load(7, b1 + i);
                    _tile_dpbf16ps(1, 4, 7);
                }
                if (rows && tokens)
                    _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, out, 64);
            if (tokens)
                _tile_stored(1, next, 64);
            if (rows)
                _tile_stored(2, out + N * N, 64);
            if (rows && tokens)
                _tile_stored(3, next + N * N, 64);
        }
    _tile_release();
}

static const struct cn_gemm_blocked exact = { .act = CN_ACT_BF16,
                                              .pack = gemm_pack_exact_amx,
                                              .convert = gemm_convert_exact_amx,
                                              .multiply = gemm_multiply_exact_amx };

/* ---- what takes no tiles --------------------------------------------------------------------- */

static void gemm_tile_amx(const struct cn_panel_data *p, int64_t row_group,
                          const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                          float *out)
{
    cn_gemm_avx512.tile(p, row_group, x, token_group, n_tokens, out);
}

static void gemm_tile_f32_amx(const struct cn_panel_data *p, int64_t row_group,
                              const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                              float *out)
{
    cn_gemm_avx512.tile_f32(p, row_group, x, token_group, n_tokens, out);
}

const struct cn_gemm cn_gemm_amx = { .name = "amx",
                                     .token_groups = 2,
                                     .tile = gemm_tile_amx,
                                     .tile_f32 = gemm_tile_f32_amx,
                                     .transpose = gemm_transpose_amx,
                                     .few_tokens = 4,
                                     .fast = &fast,
                                     .exact = &exact };
