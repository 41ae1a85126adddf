/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS for AVX-512.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes s | 128 bytes: 256 x 4-bit code |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_ks.h"

extern const struct cn_kernels cn_iq4_ks_avx512;

LEVEL_ARRANGE(iq4_ks, level_order, 32, CN_IQ4_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(nibble_table(cn_iq4_levels), table);
    codes_of_4_bits(load512(b->q), load512(b->q + 64), codes);
    return add_groups32(codes, table, scales_of_bytes(b->scale),
                        shift_bits_of_bytes(load64(b->scale)), x, total);
}

STRIP_GEMV512(iq4_ks, 256, 256, 4)

const struct cn_kernels cn_iq4_ks_avx512 = { .gemv = iq4_ks_gemv_avx512, .few = iq4_ks_few_avx512 };
