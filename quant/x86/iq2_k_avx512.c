/* SPDX-License-Identifier: MIT
 *
 * IQ2_K for AVX-512.
 *
 *   | d f16 | u16 shifts | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x 2-bit code |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_k.h"

extern const struct cn_kernels cn_iq2_k_avx512;

LEVEL_ARRANGE(iq2_k, level_order, 16, CN_IQ2_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_k *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(_mm512_set1_epi32((int)load32(cn_iq2_levels)), table);
    codes_of_2_bits(b->q, codes);
    return add_groups16(codes, table,
                        _mm256_cvtepi8_epi16(_mm_sub_epi8(nibbles_of8(b->scale), _mm_set1_epi8(8))),
                        b->shift, &b->d, x, total);
}

STRIP_GEMV512(iq2_k, 256, 256, 0)

const struct cn_kernels cn_iq2_k_avx512 = { .gemv = iq2_k_gemv_avx512, .few = iq2_k_few_avx512 };
