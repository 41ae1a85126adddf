/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS for AVX-512.
 *
 *   row: | d f16 | blocks |;  block: | u16 high scale bits, shifts | 4 bytes: low 4 bits of 8
 * scales | | 64 bytes: 256 x low 2 bits | 32 bytes: third bits |
 *
 * See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq3_ks.h"

extern const struct cn_kernels cn_iq3_ks_avx512;

LEVEL_ARRANGE(iq3_ks, level_order, 32, CN_IQ3_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq3_ks *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(_mm512_set1_epi64((long long)load64(cn_iq3_levels)), table);
    codes_of_3_bits(b->q, b->hi, codes);
    return add_groups32(codes, table, scales_by_fours(b->scale, b->extra, 1), b->extra >> 8, x,
                        total);
}

STRIP_GEMV512(iq3_ks, 256, 256, 2)

const struct cn_kernels cn_iq3_ks_avx512 = { .gemv = iq3_ks_gemv_avx512, .few = iq3_ks_few_avx512 };
