/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS for AVX-512.
 *
 *   row: | d f32 | blocks |;  block: | 64 u16, eight a group |
 *
 * Two words shifted against each other give the nibbles. See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_kss.h"

extern const struct cn_kernels cn_iq4_kss_avx512;

LEVEL_ARRANGE(iq4_kss, level_order, 32, CN_IQ4_SHIFT)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq4_kss *b = (const void *)bytes;
    __m512i table[2], codes[4];
    tables_of(nibble_table(cn_iq4_levels), table);
    const uint64_t bytes_of_scales = word_bits(b->q);
    __m512i half[2];
    UNROLL for (int i = 0; i < 2; i++)
    {
        half[i] = _mm512_and_si512(load512(b->q[4 * i]), _mm512_set1_epi16(-2));
        half[i] = _mm512_xor_si512(half[i], _mm512_srli_epi16(half[i], 1));
    }
    codes_of_4_bits(half[0], half[1], codes);
    return add_groups32(codes, table, scales_of_bytes((const uint8_t *)&bytes_of_scales),
                        shift_bits_of_bytes(bytes_of_scales), x, total);
}

STRIP_GEMV512(iq4_kss, 256, 256, 4)

const struct cn_kernels cn_iq4_kss_avx512 = { .gemv = iq4_kss_gemv_avx512,
                                              .few = iq4_kss_few_avx512 };
