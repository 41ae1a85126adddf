/* SPDX-License-Identifier: MIT
 *
 * The grid of IQ1_S and IQ1_M as AVX-512 looks it up: 64 runs at a time, two planes of four 2-bit
 * digits (the values plus 1).
 */
#ifndef CN_IQ1_GRID_AVX512_H
#define CN_IQ1_GRID_AVX512_H

#include "quant/x86/gemv_strips_avx512.h"

/* Elements 0 to 3 of 2048 entries. Elements 4 to 7 rise with the index and have at most two values
 * among 16 entries: their first values, last values, and where the last begins. */
static const _Alignas(64) uint8_t iq1_planes[2048 + 3 * 128] = {
#include "quant/x86/iq1_planes.inc"
};

/* index: the low 8 bits; high: in its low 3 bits, the others. */
ALWAYS void iq1_lookup(__m512i index, __m512i high, __m512i *plane)
{
    const uint8_t *steps = iq1_planes + 2048;
    const __m512i nibble = _mm512_set1_epi8(15);
    const __mmask64 mask[4] = { _mm512_movepi8_mask(index),
                                _mm512_test_epi8_mask(high, _mm512_set1_epi8(1)),
                                _mm512_test_epi8_mask(high, _mm512_set1_epi8(2)),
                                _mm512_test_epi8_mask(high, _mm512_set1_epi8(4)) };
    plane[0] = lookup11(iq1_planes, index, mask);
    const __m512i sixteen =
        select_bits(nibble, _mm512_srli_epi16(index, 4), _mm512_slli_epi16(high, 4));
    const __mmask64 last =
        _mm512_cmpge_epu8_mask(_mm512_and_si512(index, nibble), lookup7(steps + 256, sixteen));
    plane[1] = _mm512_mask_mov_epi8(lookup7(steps, sixteen), last, lookup7(steps + 128, sixteen));
}

#endif
