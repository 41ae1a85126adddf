/* SPDX-License-Identifier: MIT
 *
 * IQ2_S for AVX2.
 *
 *   | d f16 | 32 bytes: low index bits | 32 bytes: signs | 8 bytes: high index bits |
 *   | 8 bytes: 16 x 4-bit scale |
 *
 * The 10-bit indices are put together 16 at a time, in memory, a block ahead; a group of 32 then
 * takes four loads from the grid, and its signs go to the activations. The scales of its two
 * halves, as 16-bit numbers, are the factors of vpmaddwd (gemv_by_quads).
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/gemv_quads_avx2.h"

#include "quant/ref/iq2_s.h"

extern const struct cn_kernels cn_iq2_s_avx2;

enum { OFFSET = 43 };

/* Bits 2 (k % 4), + 1 of byte k / 4 of index_hi go to bits 8, 9 of index k, by a product. */
ALWAYS void indices_of(const struct cn_block_iq2_s *b, uint16_t *index)
{
    const __m256i hi = _mm256_set1_epi64x((long long)load64(b->index_hi));
    const __m256i shift = _mm256_set1_epi64x(0x0004001000400100);
    UNROLL for (int i = 0; i < 2; i++)
    {
        const long long first = (long long)0x8000800080008000u + 0x0004000400040004 * i,
                        step = 0x0001000100010001;
        const __m256i spread =
            _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
        __m256i v = _mm256_mullo_epi16(_mm256_shuffle_epi8(hi, spread), shift);
        v = _mm256_and_si256(v, _mm256_set1_epi16(0x300));
        store256(index + 16 * i,
                 _mm256_or_si256(v, _mm256_cvtepu8_epi16(load128(b->index + 16 * i))));
    }
}

ALWAYS __m256i magnitudes_of(const uint16_t *i)
{
    return four_rows(cn_iq2_s_grid, i[0], i[1], i[2], i[3]);
}

/* Of four. One load and shifts instead of four loads: loads are the scarcer. */
ALWAYS size_t index_of(const uint16_t *four, const int i)
{
    return load64(four) >> 16 * i & 0xffff;
}

ALWAYS struct quad_block ahead(const uint8_t *block, uint16_t *index)
{
    const struct cn_block_iq2_s *b = (const void *)block;
    struct quad_block to;
    indices_of(b, index);
    quad_signs(load256(b->signs), to.signs);
    to.scale16 = odd_scales(b->scale);
    to.scale[0] = to.scale[1] = _mm256_set1_ps(half_at(&b->d) * 0.125f);
    return to;
}

ALWAYS __m256i codes(const uint8_t *block, const uint16_t *index, const int h, const int l)
{
    (void)block;
    const uint16_t *i = index + 8 * h;
    return four_rows(cn_iq2_s_grid, index_of(i, l), index_of(i + 4, l), index_of(i + 16, l),
                     index_of(i + 20, l));
}

static void iq2_s_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    gemv_by_quads(ahead, codes, 16, sizeof(struct cn_block_iq2_s), n_rows, n_cols, w, row_bytes, x,
                  y);
}

static void iq2_s_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq2_s *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        put_scales16(scale, odd_scales(b->scale), half_at(&b->d) * 0.125f);
        uint16_t index[32];
        indices_of(b, index);
        UNROLL for (int g = 0; g < 8; g++) put_codes(
            codes, chunk_stride, c + 32 * g,
            _mm256_add_epi8(negate(magnitudes_of(index + 4 * g), sign_mask_at(b->signs + 4 * g)),
                            _mm256_set1_epi8(OFFSET)));
    }
}

const struct cn_kernels cn_iq2_s_avx2 = {
    .gemv = iq2_s_gemv_avx2,
    .unpack = iq2_s_unpack_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 16},
};
