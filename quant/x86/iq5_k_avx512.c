/* SPDX-License-Identifier: MIT
 *
 * IQ5_K for AVX-512.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq5_k.h"

extern const struct cn_kernels cn_iq5_k_avx512;

LEVEL_ARRANGE(iq5_k, level_order, 16, CN_IQ5_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq5_k *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(_mm512_broadcast_i64x4(load256(cn_iq5_levels)), table);
    codes_of_5_bits(b->q, b->hi, codes);
    return add_groups16(codes, table, scales_of_6_bits(b->scale_hi, b->scale_lo), b->shift, &b->d,
                        x, total);
}

STRIP_GEMV512(iq5_k, 256, 256, 0)

const struct cn_kernels cn_iq5_k_avx512 = { .gemv = iq5_k_gemv_avx512, .few = iq5_k_few_avx512 };
