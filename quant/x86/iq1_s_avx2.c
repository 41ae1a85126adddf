/* SPDX-License-Identifier: MIT
 *
 * IQ1_S for AVX2.
 *
 *   | d f16 | 32 bytes: low index bits of runs of 8 |
 *   | 8 x u16: 4 x 3 high index bits, 3-bit scale, 1 bit: shift is negative |
 *
 * The 11-bit indices are put together 16 at a time, in memory, a block ahead; a group then takes
 * four loads from the grid, whose -1, 0, 1 are signs for the activations (vpsignb). Scales, and the
 * shifts with the sums of the activations, are made for eight groups at once.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq1_s.h"

extern const struct cn_kernels cn_iq1_s_avx2;

enum { OFFSET = 9 };

/* High index bits: three at bit 3 (k % 4) of word k / 4, moved to bit 13 by a product, then to 8.
 */
ALWAYS void indices_of(const struct cn_block_iq1_s *b, uint16_t *index)
{
    const __m256i rest = load_twice(b->rest);
    const __m256i shift = _mm256_set1_epi64x(0x0010008004002000);
    UNROLL for (int i = 0; i < 2; i++)
    {
        const long long first = 0x0100010001000100 + 0x0808080808080808 * i,
                        step = 0x0202020202020202;
        const __m256i spread =
            _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
        __m256i v = _mm256_mullo_epi16(_mm256_shuffle_epi8(rest, spread), shift);
        v = _mm256_and_si256(_mm256_srli_epi16(v, 5), _mm256_set1_epi16(0x700));
        store256(index + 16 * i,
                 _mm256_or_si256(v, _mm256_cvtepu8_epi16(load128(b->index + 16 * i))));
    }
}

/* Scale of each group without d. */
ALWAYS __m256 scales_of(__m256i rest)
{
    const __m256i n = _mm256_and_si256(_mm256_srli_epi32(rest, 11), _mm256_set1_epi32(14));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(n, _mm256_set1_epi32(1)));
}

ALWAYS __m256i values_of(const uint16_t *i)
{
    return four_rows(cn_iq1_grid, i[0], i[1], i[2], i[3]);
}

static void iq1_s_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_iq1_s *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        uint16_t ahead[2][32]; /* the indices of this block, and of the next */
        if (n_cols > 0)
            indices_of(b, ahead[0]);
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const uint16_t *index = ahead[c / 256 % 2];
            indices_of(c + 256 < n_cols ? b + 1 : b, ahead[(c / 256 + 1) % 2]);
            through_memory(ahead);
            const __m256i rest = _mm256_cvtepu16_epi32(load128(b->rest));
            const __m256 scales = scales_of(rest);
            __m256 scale[2];
            split_halves(_mm256_mul_ps(scales, _mm256_loadu_ps(x->d + c / 32)), scale);
            /* The sign bit of the shift is the sign of its product with the sums. */
            const __m256i shift_sign =
                _mm256_and_si256(_mm256_slli_epi32(rest, 16), _mm256_set1_epi32(INT32_MIN));
            __m256 sums = _mm256_mul_ps(_mm256_loadu_ps(x->sum32 + c / 32), _mm256_set1_ps(0.125f));
            sums = _mm256_xor_ps(sums, _mm256_castsi256_ps(shift_sign));
            __m256 acc[2] = { _mm256_mul_ps(sums, scales), _mm256_setzero_ps() };
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i q =
                    _mm256_sign_epi8(load256(x->q + c + 32 * g), values_of(index + 4 * g));
                acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_u8(_mm256_set1_epi8(1), q)),
                                             element(scale, g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
        }
        y[r] = sum_ps(total);
    }
}

static void iq1_s_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq1_s *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        const __m256i rest = _mm256_cvtepu16_epi32(load128(b->rest));
        uint16_t index[32];
        indices_of(b, index);
        _mm256_storeu_ps(scale,
                         _mm256_mul_ps(scales_of(rest), _mm256_set1_ps(half_at(&b->d) * 0.125f)));
        for (int g = 0; g < 8; g++) {
            const __m256i shift =
                _mm256_set1_epi8((char)(b->rest[g] & 0x8000 ? OFFSET - 1 : OFFSET + 1));
            __m256i v = _mm256_and_si256(_mm256_slli_epi16(values_of(index + 4 * g), 3),
                                         _mm256_set1_epi8((char)0xf8));
            put_codes(codes, chunk_stride, c + 32 * g, _mm256_add_epi8(v, shift));
        }
    }
}

const struct cn_kernels cn_iq1_s_avx2 = {
    .gemv = iq1_s_gemv_avx2,
    .unpack = iq1_s_unpack_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 32},
};
