/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT for AVX-512.
 *
 *   row: | d f32 |; block: | 8 x u32: of a group | 64 low index bytes | 32 bytes: 64 x 4 bits |
 *   of a group: | bit 0: half | 7 bits: scale + 64 | 8 x 3 bits: bits 12 to 14 of the indices |
 *
 * Idea: gemv_trellis_avx512.h; the indices are put together as in avx2.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a group of 32.
 */
#include "quant/x86/gemv_trellis_avx512.h"

#include "quant/x86/trellis_indices_avx2.h"

extern const struct cn_kernels cn_iq4_kt_avx512;

/* Two numbers, each in eight lanes. */
ALWAYS __m512 eight_each(float a, float b)
{
    return _mm512_insertf32x8(_mm512_set1_ps(a), _mm256_set1_ps(b), 1);
}

static void iq4_kt_arrange_avx512(const struct cn_act *x, int64_t c, struct runs *to)
{
    UNROLL for (int p = 0; p < 4; p++)
    {
        const float *d = x->d + c / 32 + 2 * p;
        arrange_sixteen(x->q + c + 64 * p, 4, to->q + 4 * p, to->start[p]);
        _mm512_store_ps(to->d[p], eight_each(d[0], d[1]));
    }
}

ALWAYS __m512 step(const uint8_t *bytes, const struct runs *x, __m512 total)
{
    const struct cn_block_iq4_kt *b = (const void *)bytes;
    UNROLL for (int p = 0; p < 4; p++)
    {
        const __m512i acc =
            add_products(states(iq4_kt_indices(b, p)), 4, x->q + 4 * p, load512(x->start[p]));
        /* Bits 1 to 7 of two heads. */
        const __m512 scale = eight_each((float)((b->head[8 * p] >> 1) - 64),
                                        (float)((b->head[8 * p + 4] >> 1) - 64));
        total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc),
                                _mm512_mul_ps(scale, _mm512_load_ps(x->d[p])), total);
    }
    return total;
}

static void iq4_kt_gemv_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                               const struct cn_act *x, float *y)
{
    static const struct trellis trellis = { .block_bytes = sizeof(struct cn_block_iq4_kt),
                                            .arrange = iq4_kt_arrange_avx512,
                                            .step = step,
                                            .row_factor = 1 };
    gemv_by_runs(&trellis, n_rows, n_cols, w, row_bytes, x, y);
}

const struct cn_kernels cn_iq4_kt_avx512 = { .gemv = iq4_kt_gemv_avx512 };
