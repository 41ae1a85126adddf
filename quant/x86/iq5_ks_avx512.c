/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for AVX-512.
 *
 *   row: | d f32 | blocks |;
 *   block: | 8 scale bytes s | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq5_ks.h"

extern const struct cn_kernels cn_iq5_ks_avx512;

LEVEL_ARRANGE(iq5_ks, level_order, 32, CN_IQ5_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq5_ks *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(_mm512_broadcast_i64x4(load256(cn_iq5_levels)), table);
    codes_of_5_bits(b->q, b->hi, codes);
    return add_groups32(codes, table, scales_of_bytes(b->scale),
                        shift_bits_of_bytes(load64(b->scale)), x, total);
}

STRIP_GEMV512(iq5_ks, 256, 256, 4)

const struct cn_kernels cn_iq5_ks_avx512 = { .gemv = iq5_ks_gemv_avx512, .few = iq5_ks_few_avx512 };
