/* SPDX-License-Identifier: MIT
 *
 * IQ3_S for AVX2.
 *
 *   | d f16 | 64 bytes: low index bits | 8 bytes: ninth index bits | 32 bytes: signs |
 *   | 4 bytes: 8 x 4-bit scale |
 *
 * The 9-bit indices are put together 16 at a time, in memory, a block ahead; a group then takes
 * eight loads from the grid, and its signs go to the activations. Scales are made for eight groups
 * at once.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/simd_avx2.h"

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

/* Bit k % 8 of byte k / 8 of index_hi goes to bit 8 of index k: the byte is put in the upper half
 * of a word and shifted so by a product that bit k % 8 lands in bit 15. */
ALWAYS void indices_of(const struct cn_block_iq3_s *b, uint16_t *index)
{
    const __m256i hi = _mm256_set1_epi64x((long long)load64(b->index_hi));
    const __m256i shift = _mm256_broadcastsi128_si256(
        _mm_setr_epi16((short)0x8000, 0x4000, 0x2000, 0x1000, 0x800, 0x400, 0x200, 0x100));
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m256i spread = _mm256_setr_m128i(_mm_set1_epi16((short)(0x8000 + 2 * i)),
                                                 _mm_set1_epi16((short)(0x8001 + 2 * i)));
        __m256i v = _mm256_mullo_epi16(_mm256_shuffle_epi8(hi, spread), shift);
        v = _mm256_and_si256(_mm256_srli_epi16(v, 7), _mm256_set1_epi16(0x100));
        store256(index + 16 * i,
                 _mm256_or_si256(v, _mm256_cvtepu8_epi16(load128(b->index + 16 * i))));
    }
}

ALWAYS __m256i magnitudes_of(const uint16_t *i)
{
    return eight_rows(cn_iq3_s_grid, i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]);
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_iq3_s *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        uint16_t ahead[2][64]; /* the indices of this block, and of the next */
        if (n_cols > 0)
            indices_of(b, ahead[0]);
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const uint16_t *index = ahead[c / 256 % 2];
            indices_of(c + 256 < n_cols ? b + 1 : b, ahead[(c / 256 + 1) % 2]);
            through_memory(ahead);
            __m256 scale[2];
            split_halves(_mm256_mul_ps(scales_of(b), _mm256_loadu_ps(x->d + c / 32)), scale);
            __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i q =
                    negate(load256(x->q + c + 32 * g), sign_mask_at(b->signs + 4 * g));
                acc[g % 2] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_u8(magnitudes_of(index + 8 * g), q)),
                                    element(scale, g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
        }
        y[r] = sum_ps(total);
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
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
            _mm256_add_epi8(negate(magnitudes_of(index + 8 * g), sign_mask_at(b->signs + 4 * g)),
                            _mm256_set1_epi8(OFFSET)));
    }
}

const struct cn_kernels cn_iq3_s_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 32},
};
