/* SPDX-License-Identifier: MIT
 *
 * IQ3_S for AVX2.
 *
 *   | d f16 | 64 bytes: low index bits | 8 bytes: ninth index bits | 32 bytes: signs |
 *   | 4 bytes: 8 x 4-bit scale |
 *
 * The 9-bit indices are put together 32 at a time, in memory, a block ahead, as are the signs and
 * the scales; a group then takes eight loads from the grid, and its signs go to the activations
 * (gemv_by_quads).
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/gemv_quads_avx2.h"

#include "quant/ref/iq3_s.h"

extern const struct cn_kernels cn_iq3_s_avx2;

enum { OFFSET = 15 };

/* Scale of each group, without d. */
ALWAYS __m256 scales_of(const struct cn_block_iq3_s *b)
{
    const __m256i v = _mm256_srlv_epi32(_mm256_set1_epi32((int)load32(b->scale)),
                                        _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    const __m256i n = _mm256_and_si256(v, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_add_epi32(n, n), _mm256_set1_epi32(1)));
}

/* Bit k % 8 of byte k / 8 of index_hi is bit 8 of index k. The eight indices of group g come to lie
 * at place_of(g): neighbouring bytes are put side by side in each half of a vector. */
ALWAYS void indices_of(const struct cn_block_iq3_s *b, uint16_t *index)
{
    const __m256i hi = _mm256_set1_epi64x((long long)load64(b->index_hi));
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    UNROLL for (int i = 0; i < 2; i++)
    {
        const long long first = 0x0404040404040404 * i, step = 0x0101010101010101;
        const __m256i spread =
            _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
        const __m256i top = _mm256_min_epu8(_mm256_and_si256(_mm256_shuffle_epi8(hi, spread), bit),
                                            _mm256_set1_epi8(1));
        const __m256i low = load256(b->index + 32 * i);
        store256(index + 32 * i, _mm256_unpacklo_epi8(low, top));
        store256(index + 32 * i + 16, _mm256_unpackhi_epi8(low, top));
    }
}

ALWAYS int place_of(const int g)
{
    return g / 4 * 32 + g % 2 * 16 + g / 2 % 2 * 8;
}

ALWAYS __m256i magnitudes_of(const uint16_t *index, const int g)
{
    const uint16_t *i = index + place_of(g);
    return eight_rows(cn_iq3_s_grid, i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]);
}

ALWAYS struct quad_block ahead(const uint8_t *block, uint16_t *index)
{
    const struct cn_block_iq3_s *b = (const void *)block;
    struct quad_block to;
    indices_of(b, index);
    quad_signs(load256(b->signs), to.signs);
    to.scale16 = _mm256_set1_epi16(1);
    quad_floats(_mm256_mul_ps(scales_of(b), _mm256_set1_ps(half_at(&b->d))), to.scale);
    return to;
}

ALWAYS __m256i codes(const uint8_t *block, const uint16_t *index, const int h, const int l)
{
    (void)block;
    const uint16_t *i = index + place_of(2 * h) + 2 * l;
    /* Two indices a load: loads are the scarcer. */
    const uint32_t p = load32(i), q = load32(i + 16), r = load32(i + 32), s = load32(i + 48);
    return eight_rows(cn_iq3_s_grid, p & 0xffff, p >> 16, q & 0xffff, q >> 16, r & 0xffff, r >> 16,
                      s & 0xffff, s >> 16);
}

static void iq3_s_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    gemv_by_quads(ahead, codes, 32, sizeof(struct cn_block_iq3_s), n_rows, n_cols, w, row_bytes, x,
                  y);
}

static void iq3_s_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq3_s *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_mul_ps(scales_of(b), _mm256_set1_ps(half_at(&b->d))));
        uint16_t index[64];
        indices_of(b, index);
        UNROLL for (int g = 0; g < 8; g++) put_codes(
            codes, chunk_stride, c + 32 * g,
            _mm256_add_epi8(negate(magnitudes_of(index, g), sign_mask_at(b->signs + 4 * g)),
                            _mm256_set1_epi8(OFFSET)));
    }
}

const struct cn_kernels cn_iq3_s_avx2 = {
    .gemv = iq3_s_gemv_avx2,
    .unpack = iq3_s_unpack_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 32},
};
