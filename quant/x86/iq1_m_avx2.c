/* SPDX-License-Identifier: MIT
 *
 * IQ1_M for AVX2.
 *
 *   | 32 bytes: low index bits of runs of 8 | 32 x (3 high index bits, 1 bit: shift is negative) |
 *   | 4 x u16: 4 x 3-bit scale, a nibble of d |
 *
 * The 11-bit indices are put together for the whole block, in memory, a block ahead; a group of 32
 * then takes four loads from the grid. Eight times its values, with shift and offset added, are
 * unsigned codes; the scales of their two halves, as 16-bit numbers, are the factors of vpmaddwd,
 * and the offset meets the sums of the activations in integers, lane = 32 columns.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq1_m.h"

extern const struct cn_kernels cn_iq1_m_avx2;

enum { OFFSET = 9 };

/* The 32 nibbles of `rest`, a byte each. */
ALWAYS __m256i nibbles_of(const struct cn_block_iq1_m *b)
{
    const __m256i v = _mm256_cvtepu8_epi16(load128(b->rest));
    return _mm256_and_si256(_mm256_or_si256(v, _mm256_slli_epi16(v, 4)), _mm256_set1_epi8(15));
}

ALWAYS void indices_of(const struct cn_block_iq1_m *b, uint16_t *index)
{
    const __m256i rest = nibbles_of(b);
    const __m256i hi = _mm256_and_si256(rest, _mm256_set1_epi8(7)), lo = load256(b->index);
    const __m256i v = _mm256_unpacklo_epi8(lo, hi), w = _mm256_unpackhi_epi8(lo, hi);
    store256(index, _mm256_permute2x128_si256(v, w, 0x20));
    store256(index + 16, _mm256_permute2x128_si256(v, w, 0x31));
}

/* Of each run of 8, what is added to eight times the values: offset and shift. */
ALWAYS __m256i shifts_of(__m256i rest)
{
    const __m256i negative = _mm256_srli_epi16(_mm256_and_si256(rest, _mm256_set1_epi8(8)), 2);
    return _mm256_sub_epi8(_mm256_set1_epi8(OFFSET + 1), negative);
}

/* The sixteen scales without d, 16 bits each: three bits at 3 (g % 4) of word g / 4, moved to the
 * top by a product. */
ALWAYS __m256i scales_of(const struct cn_block_iq1_m *b)
{
    const __m256i v = _mm256_set1_epi64x((long long)load64(b->scale));
    const long long first = 0x0100010001000100, step = 0x0202020202020202;
    const __m256i spread =
        _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
    const __m256i top =
        _mm256_mullo_epi16(_mm256_shuffle_epi8(v, spread), _mm256_set1_epi64x(0x0010008004002000));
    const __m256i n = _mm256_srli_epi16(top, 13);
    return _mm256_add_epi16(_mm256_add_epi16(n, n), _mm256_set1_epi16(1));
}

/* d is in the top four bits of the four words of scales. */
ALWAYS float d_of(const struct cn_block_iq1_m *b)
{
    const uint64_t s = load64(b->scale);
    const uint16_t d =
        (uint16_t)((s >> 12 & 15) | (s >> 24 & 0xf0) | (s >> 36 & 0xf00) | (s >> 48 & 0xf000));
    return half_at(&d);
}

/* The codes of group g; `shifts`: in both halves. */
ALWAYS __m256i codes_of(const uint16_t *index, __m256i shifts, const int g)
{
    const long long first = 0x0404040404040404 * (g % 4), step = 0x0101010101010101;
    const __m256i spread =
        _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
    const uint16_t *i = index + 4 * g;
    const __m256i v = _mm256_slli_epi16(four_rows(cn_iq1_grid, i[0], i[1], i[2], i[3]), 3);
    return _mm256_add_epi8(_mm256_and_si256(v, _mm256_set1_epi8((char)0xf8)),
                           _mm256_shuffle_epi8(shifts, spread));
}

static void iq1_m_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_iq1_m *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        uint16_t ahead[2][32]; /* the indices of this block, and of the next */
        if (n_cols > 0)
            indices_of(b, ahead[0]);
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const uint16_t *index = ahead[c / 256 % 2];
            indices_of(c + 256 < n_cols ? b + 1 : b, ahead[(c / 256 + 1) % 2]);
            through_memory(ahead);
            const __m256i rest = nibbles_of(b), shifts = shifts_of(rest);
            const __m256i shifts_lo = both_halves(shifts, 0), shifts_hi = both_halves(shifts, 1);
            const __m256i scale16 = scales_of(b);
            const __m256i scale_lo = both_halves(scale16, 0), scale_hi = both_halves(scale16, 1);
            const __m256i sums = _mm256_madd_epi16(scale16, load256(x->sum16 + c / 16));
            __m256 acc[2];
            acc[0] = _mm256_mul_ps(
                _mm256_cvtepi32_ps(sums),
                _mm256_mul_ps(_mm256_loadu_ps(x->d + c / 32), _mm256_set1_ps(-OFFSET)));
            acc[1] = _mm256_setzero_ps();
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i code = codes_of(index, g < 4 ? shifts_lo : shifts_hi, g);
                __m256i dot = _mm256_madd_epi16(
                    _mm256_maddubs_epi16(code, load256(x->q + c + 32 * g)),
                    _mm256_shuffle_epi8(g < 4 ? scale_lo : scale_hi, pair_of_words(g % 4)));
                acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                             _mm256_broadcast_ss(x->d + c / 32 + g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(d_of(b) * 0.125f), _mm256_add_ps(acc[0], acc[1]),
                                    total);
        }
        y[r] = sum_ps(total);
    }
}

static void iq1_m_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq1_m *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        const __m256i rest = nibbles_of(b), shifts = shifts_of(rest);
        const __m256i shifts_lo = both_halves(shifts, 0), shifts_hi = both_halves(shifts, 1);
        uint16_t index[32];
        indices_of(b, index);
        put_scales16(scale, scales_of(b), d_of(b) * 0.125f);
        UNROLL for (int g = 0; g < 8; g++) put_codes(
            codes, chunk_stride, c + 32 * g, codes_of(index, g < 4 ? shifts_lo : shifts_hi, g));
    }
}

const struct cn_kernels cn_iq1_m_avx2 = {
    .gemv = iq1_m_gemv_avx2,
    .unpack = iq1_m_unpack_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 16},
};
