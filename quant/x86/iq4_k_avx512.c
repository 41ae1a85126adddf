/* SPDX-License-Identifier: MIT
 *
 * IQ4_K for AVX-512.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x 4-bit code |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_k.h"

extern const struct cn_kernels cn_iq4_k_avx512;

LEVEL_ARRANGE(iq4_k, level_order, 16, CN_IQ4_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq4_k *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(nibble_table(cn_iq4_levels), table);
    codes_of_4_bits(load512(b->q), load512(b->q + 64), codes);
    return add_groups16(codes, table, scales_of_6_bits(b->scale_hi, b->scale_lo), b->shift, &b->d,
                        x, total);
}

STRIP_GEMV512(iq4_k, 256, 256, 0)

const struct cn_kernels cn_iq4_k_avx512 = { .gemv = iq4_k_gemv_avx512, .few = iq4_k_few_avx512 };
