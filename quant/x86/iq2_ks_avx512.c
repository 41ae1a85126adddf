/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS for AVX-512.
 *
 *   row: | d f16 | blocks |;
 *   block: | u16 shifts, high scale bits | 4 bytes: low 4 bits of 8 scales | 64 bytes: 256 x 2-bit
 * code |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_ks.h"

extern const struct cn_kernels cn_iq2_ks_avx512;

LEVEL_ARRANGE(iq2_ks, level_order, 32, CN_IQ2_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_ks *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(_mm512_set1_epi32((int)load32(cn_iq2_levels)), table);
    codes_of_2_bits(b->q, codes);
    return add_groups32(codes, table, scales_by_pairs(b->scale, b->extra), b->extra & 255, x,
                        total);
}

STRIP_GEMV512(iq2_ks, 256, 256, 2)

const struct cn_kernels cn_iq2_ks_avx512 = { .gemv = iq2_ks_gemv_avx512, .few = iq2_ks_few_avx512 };
