/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS for AVX2.
 *
 *   | d f16 | 8 x (4 bytes: indices of runs of 8 | u32: 4 x 7-bit sign code, 4-bit scale) |
 *
 * The sign codes of all eight groups are spread to bytes and completed by their parity at once, a
 * block ahead; a group then takes four loads from the grid, and its signs go to the activations.
 * Scales are made for eight groups at once.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/iq2_xxs.h"

extern const struct cn_kernels cn_iq2_xxs_avx2;

enum { OFFSET = 43 };

/* The u32 of each group. */
ALWAYS __m256i words_of(const struct cn_block_iq2_xxs *b)
{
    const __m256 v = _mm256_castsi256_ps(load256(&b->group[0])),
                 w = _mm256_castsi256_ps(load256(&b->group[4]));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(v, w, 0xdd)), 0xd8);
}

/* Scale of each group, without d / 4. */
ALWAYS __m256 scales_of(__m256i words)
{
    return _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 28)), _mm256_set1_ps(0.5f));
}

ALWAYS __m256i magnitudes_of(const struct cn_block_iq2_xxs *b, const int g)
{
    const uint8_t *i = b->group[g].index;
    return four_rows(cn_iq2_xxs_grid, i[0], i[1], i[2], i[3]);
}

ALWAYS void signs_of(const struct cn_block_iq2_xxs *b, uint8_t *signs)
{
    store256(signs, even_signs(seven_bit_fields(words_of(b))));
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_iq2_xxs *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        uint8_t ahead[2][32]; /* the signs of this block, and of the next */
        if (n_cols > 0)
            signs_of(b, ahead[0]);
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const uint8_t *signs = ahead[c / 256 % 2];
            signs_of(c + 256 < n_cols ? b + 1 : b, ahead[(c / 256 + 1) % 2]);
            through_memory(ahead);
            const __m256i words = words_of(b);
            float scale[8];
            _mm256_storeu_ps(scale,
                             _mm256_mul_ps(scales_of(words), _mm256_loadu_ps(x->d + c / 32)));
            __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i q = negate(load256(x->q + c + 32 * g), sign_mask_at(signs + 4 * g));
                acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_u8(magnitudes_of(b, g), q)),
                                             _mm256_broadcast_ss(scale + g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d) * 0.25f),
                                    _mm256_add_ps(acc[0], acc[1]), total);
        }
        y[r] = sum_ps(total);
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_iq2_xxs *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        const __m256i words = words_of(b);
        _mm256_storeu_ps(scale,
                         _mm256_mul_ps(scales_of(words), _mm256_set1_ps(half_at(&b->d) * 0.25f)));
        const __m256i signs = even_signs(seven_bit_fields(words)), lo = both_halves(signs, 0),
                      hi = both_halves(signs, 1);
        UNROLL for (int g = 0; g < 8; g++) put_codes(
            codes, chunk_stride, c + 32 * g,
            _mm256_add_epi8(negate(magnitudes_of(b, g), sign_mask(g < 4 ? lo : hi, g % 4)),
                            _mm256_set1_epi8(OFFSET)));
    }
}

const struct cn_kernels cn_iq2_xxs_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 32},
};
