/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT for AVX2.
 *
 *   row: | d f32 |; block: | 8 x u32: of a group | 64 low index bytes | 32 bytes: 64 x 4 bits |
 *   of a group: | bit 0: half | 7 bits: scale + 64 | 8 x 3 bits: bits 12 to 14 of the indices |
 *
 * Idea: gemv_trellis_avx2.h. The parts of the indices of two groups, one in each half, meet in
 * words; three bits, which begin at another bit for each run, come to their place by a product.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_trellis_avx2.h"
#include "quant/x86/trellis_indices_avx2.h"

extern const struct cn_kernels cn_iq4_kt_avx2;

/* Of two groups: runs 0 to 3 of each, then 4 to 7. */
static void iq4_kt_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    struct runs *r = to;
    UNROLL for (int p = 0; p < 4; p++)
    {
        const int64_t a = c + 64 * p;
        __m256i sum = _mm256_setzero_si256();
        UNROLL for (int u = 0; u < 2; u++)
        {
            const __m256i v = load_pair(x->q + a + 16 * u, x->q + a + 32 + 16 * u);
            UNROLL for (int k = 0; k < 4; k++)
            {
                const int i = 0x01010101 * k, s = 0x04040404;
                store256(r->q[8 * p + 4 * u + k],
                         _mm256_shuffle_epi8(v, _mm256_setr_epi32(i, i + s, i + 2 * s, i + 3 * s, i,
                                                                  i + s, i + 2 * s, i + 3 * s)));
            }
            sum = _mm256_add_epi32(sum,
                                   _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), v),
                                                     _mm256_set1_epi16(-CN_TRELLIS_MEAN)));
        }
        store256(r->start[p], sum);
        _mm256_storeu_ps(r->d[p], two_floats(x->d[a / 32], x->d[a / 32 + 1]));
    }
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_iq4_kt *b = (const void *)bytes;
    const struct runs *r = x;
    UNROLL for (int p = 0; p < 4; p++)
    {
        const __m256i words = iq4_kt_indices(b, p);
        __m256i dot = add_products(states(words, 0), 4, r->q + 8 * p, load256(r->start[p]));
        dot = add_products(states(words, 1), 4, r->q + 8 * p + 4, dot);
        /* Bits 1 to 7 of two heads. */
        const __m256i heads = _mm256_setr_m128i(_mm_set1_epi32(b->head[8 * p] >> 1),
                                                _mm_set1_epi32(b->head[8 * p + 4] >> 1));
        const __m256 scale = _mm256_cvtepi32_ps(_mm256_sub_epi32(heads, _mm256_set1_epi32(64)));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                _mm256_mul_ps(scale, _mm256_loadu_ps(r->d[p])), total);
    }
    return total;
}

static void iq4_kt_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 256,
                                          .block_bytes = sizeof(struct cn_block_iq4_kt),
                                          .header_bytes = HEADER,
                                          .x_bytes = sizeof(struct runs),
                                          .arrange = iq4_kt_arrange_avx2,
                                          .step = step,
                                          .row_scale = header_of };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

/* The codes of eight runs of 4. */
ALWAYS __m256i codes_of_runs4(const uint16_t *index)
{
    const __m256i powers = _mm256_broadcastsi128_si256(
        _mm_setr_epi32((int)power_of(1), (int)power_of(2), (int)power_of(3), (int)power_of(4)));
    __m256i s[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m256i x = _mm256_setr_m128i(_mm_set1_epi32(index[2 * i] + CN_TRELLIS_START),
                                            _mm_set1_epi32(index[2 * i + 1] + CN_TRELLIS_START));
        s[i] = sum_bytes(
            _mm256_and_si256(_mm256_mullo_epi32(x, powers), _mm256_set1_epi32(CN_TRELLIS_MASK)));
    }
    return codes_of_sums(s);
}

static void iq4_kt_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes,
                               size_t chunk_stride, float *scale, float *min)
{
    const struct cn_block_iq4_kt *b = blocks;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++)
        UNROLL for (int p = 0; p < 4; p++)
        {
            uint16_t index[16];
            store256(index, iq4_kt_indices(b, p));
            *scale++ = (float)((b->head[8 * p] >> 1) - 64);
            *scale++ = (float)((b->head[8 * p + 4] >> 1) - 64);
            put_codes(codes, chunk_stride, c + 64 * p, codes_of_runs4(index));
            put_codes(codes, chunk_stride, c + 64 * p + 32, codes_of_runs4(index + 8));
        }
}

const struct cn_kernels cn_iq4_kt_avx2 = {
    .gemv = iq4_kt_gemv_avx2,
    .unpack = iq4_kt_unpack_avx2,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32},
};
