/* SPDX-License-Identifier: MIT
 *
 * IQ3_K for AVX-512.
 *
 *   | d f16 | u16 shifts | u16 signs | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x low 2 bits |
 *   | 32 bytes: third bits |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq3_k.h"

extern const struct cn_kernels cn_iq3_k_avx512;

LEVEL_ARRANGE(iq3_k, level_order, 16, CN_IQ3_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq3_k *b = (const void *)bytes;
    const __m256i negative = words_of_bits(b->negative);
    __m512i table[2], codes[4];
    tables_of(_mm512_set1_epi64((long long)load64(cn_iq3_levels)), table);
    codes_of_3_bits(b->q, b->hi, codes);
    return add_groups16(
        codes, table, _mm256_sub_epi16(_mm256_xor_si256(odd_scales(b->scale), negative), negative),
        b->shift, &b->d, x, total);
}

STRIP_GEMV512(iq3_k, 256, 256, 0)

const struct cn_kernels cn_iq3_k_avx512 = { .gemv = iq3_k_gemv_avx512, .few = iq3_k_few_avx512 };
