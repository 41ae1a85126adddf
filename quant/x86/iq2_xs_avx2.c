/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS for AVX2.
 *
 *   | d f16 | 32 x u16: 9-bit index of a run of 8, 7-bit sign code | 8 bytes: 16 x 4-bit scale |
 *
 * Indices and sign codes (completed by their parity) are parted for a whole block at once, a block
 * ahead; a group of 32 then takes four loads from the grid, and its signs go to the activations.
 * The scales of its two halves, as 16-bit numbers, are the factors of vpmaddwd.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/iq2_xs.h"

extern const struct cn_kernels cn_iq2_xs_avx2;

enum { OFFSET = 43 };

/* Taken apart a block ahead; see through_memory. */
struct runs {
    uint16_t index[32];
    uint8_t signs[32];
};

ALWAYS void split(const struct cn_block_iq2_xs *b, struct runs *runs)
{
    const __m256i v = load256(b->run), w = load256(b->run + 16), low = _mm256_set1_epi16(511);
    store256(runs->index, _mm256_and_si256(v, low));
    store256(runs->index + 16, _mm256_and_si256(w, low));
    const __m256i codes = _mm256_packus_epi16(_mm256_srli_epi16(v, 9), _mm256_srli_epi16(w, 9));
    store256(runs->signs, even_signs(_mm256_permute4x64_epi64(codes, 0xd8)));
}

ALWAYS __m256i magnitudes_of(const struct runs *runs, const int g)
{
    const uint16_t *i = runs->index + 4 * g;
    return four_rows(cn_iq2_xs_grid, i[0], i[1], i[2], i[3]);
}

ALWAYS __m256i signs_of(const struct runs *runs, const int g)
{
    return sign_mask_at(runs->signs + 4 * g);
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_iq2_xs *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        struct runs ahead[2]; /* of this block, and of the next */
        if (n_cols > 0)
            split(b, &ahead[0]);
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const struct runs *runs = &ahead[c / 256 % 2];
            split(c + 256 < n_cols ? b + 1 : b, &ahead[(c / 256 + 1) % 2]);
            through_memory(ahead);
            const __m256i scale16 = odd_scales(b->scale);
            const __m256i scale_lo = both_halves(scale16, 0), scale_hi = both_halves(scale16, 1);
            __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i q = negate(load256(x->q + c + 32 * g), signs_of(runs, g));
                __m256i dot = _mm256_madd_epi16(
                    _mm256_maddubs_epi16(magnitudes_of(runs, g), q),
                    _mm256_shuffle_epi8(g < 4 ? scale_lo : scale_hi, pair_of_words(g % 4)));
                acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                             _mm256_broadcast_ss(x->d + c / 32 + g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d) * 0.125f),
                                    _mm256_add_ps(acc[0], acc[1]), total);
        }
        y[r] = sum_ps(total);
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_iq2_xs *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        put_scales16(scale, odd_scales(b->scale), half_at(&b->d) * 0.125f);
        struct runs runs;
        split(b, &runs);
        UNROLL for (int g = 0; g < 8; g++)
            put_codes(codes, chunk_stride, c + 32 * g,
                      _mm256_add_epi8(negate(magnitudes_of(&runs, g), signs_of(&runs, g)),
                                      _mm256_set1_epi8(OFFSET)));
    }
}

const struct cn_kernels cn_iq2_xs_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 16},
};
