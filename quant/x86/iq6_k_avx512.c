/* SPDX-License-Identifier: MIT
 *
 * IQ6_K for AVX-512.
 *
 *   | d f16 | u16 shifts | 16 signed byte scales | 128 bytes: 256 x low 4 bits |
 *   | 64 bytes: 256 x high 2 bits |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq6_k.h"

extern const struct cn_kernels cn_iq6_k_avx512;

/* Bits 2 f and 2 f + 1 to bits 4 and 5. */
#define FIELD(f) (long long)(AFFINE_BIT(2 * (f), 4) | AFFINE_BIT(2 * (f) + 1, 5))

LEVEL_ARRANGE(iq6_k, level_order, 16, CN_IQ6_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq6_k *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(load512(cn_iq6_k_levels), table);
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512i at =
            _mm512_add_epi64(_mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4), _mm512_set1_epi64(i));
        const __m512i field =
            _mm512_broadcast_i64x4(_mm256_setr_epi64x(FIELD(0), FIELD(1), FIELD(2), FIELD(3)));
        codes[i] = and_or(low_nibbles512(b->q, i), _mm512_set1_epi8(15),
                          affine(_mm512_permutexvar_epi64(at, load512(b->hi)), field));
    }
    return add_groups16(codes, table, _mm256_cvtepi8_epi16(load128(b->scale)), b->shift, &b->d, x,
                        total);
}

STRIP_GEMV512(iq6_k, 256, 256, 0)

const struct cn_kernels cn_iq6_k_avx512 = { .gemv = iq6_k_gemv_avx512, .few = iq6_k_few_avx512 };
