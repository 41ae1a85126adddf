/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS for AVX2.
 *
 *   | d f16 | 32 x u16: 9-bit index of a run of 8, 7-bit sign code | 8 bytes: 16 x 4-bit scale |
 *
 * The sign codes of a block are completed by their parity at once, a block ahead; a group of 32
 * then takes four loads from the grid, and its signs go to the activations. The scales of its two
 * halves, as 16-bit numbers, are the factors of vpmaddwd (gemv_by_quads).
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/gemv_quads_avx2.h"

#include "quant/ref/iq2_xs.h"

extern const struct cn_kernels cn_iq2_xs_avx2;

enum { OFFSET = 43 };

/* The signs of 32 runs, a byte each. */
ALWAYS __m256i signs_of(const struct cn_block_iq2_xs *b)
{
    const __m256i codes = _mm256_packus_epi16(_mm256_srli_epi16(load256(b->run), 9),
                                              _mm256_srli_epi16(load256(b->run + 16), 9));
    return even_signs(_mm256_permute4x64_epi64(codes, 0xd8));
}

ALWAYS struct quad_block ahead(const uint8_t *block, uint16_t *index)
{
    const struct cn_block_iq2_xs *b = (const void *)block;
    struct quad_block to;
    (void)index;
    quad_signs(signs_of(b), to.signs);
    to.scale16 = odd_scales(b->scale);
    to.scale[0] = to.scale[1] = _mm256_set1_ps(half_at(&b->d) * 0.125f);
    return to;
}

ALWAYS __m256i codes(const uint8_t *block, const uint16_t *index, const int h, const int l)
{
    const struct cn_block_iq2_xs *b = (const void *)block;
    const uint16_t *i = b->run + 8 * h + l;
    (void)index;
    return four_rows(cn_iq2_xs_grid, i[0] & 511, i[4] & 511, i[16] & 511, i[20] & 511);
}

static void iq2_xs_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    gemv_by_quads(ahead, codes, 16, sizeof(struct cn_block_iq2_xs), n_rows, n_cols, w, row_bytes, x,
                  y);
}

static void iq2_xs_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                               float *scale, float *min)
{
    const struct cn_block_iq2_xs *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        put_scales16(scale, odd_scales(b->scale), half_at(&b->d) * 0.125f);
        const __m256i signs = signs_of(b), lo = both_halves(signs, 0), hi = both_halves(signs, 1);
        UNROLL for (int g = 0; g < 8; g++)
        {
            const uint16_t *i = b->run + 4 * g;
            const __m256i v =
                four_rows(cn_iq2_xs_grid, i[0] & 511, i[1] & 511, i[2] & 511, i[3] & 511);
            put_codes(codes, chunk_stride, c + 32 * g,
                      _mm256_add_epi8(negate(v, sign_mask(g < 4 ? lo : hi, g % 4)),
                                      _mm256_set1_epi8(OFFSET)));
        }
    }
}

const struct cn_kernels cn_iq2_xs_avx2 = {
    .gemv = iq2_xs_gemv_avx2,
    .unpack = iq2_xs_unpack_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 16},
};
