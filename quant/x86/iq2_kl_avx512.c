/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL for AVX-512.
 *
 *   row: | d f16 | blocks |;  block: | u16: high 2 bits, 4 bytes: low 4 bits of 8 scales |
 *   | 64 bytes: 128 x low 4 bits of a pair | 16 bytes: fifth bits |
 *
 * Vectors alternate between the first and the second levels of pairs. See gemv_levels_avx512.h.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_levels_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_kl.h"

extern const struct cn_kernels cn_iq2_kl_avx512;

/* Even or odd columns of half h of group g, of all groups. */
/* clang-format off */
#define EVERY8(a) EVERY4(2, a), EVERY4(2, (a) + 8)
#define PAIRS(a) \
    EVERY8(a), EVERY8((a) + 32), EVERY8((a) + 64), EVERY8((a) + 96), \
    EVERY8((a) + 128), EVERY8((a) + 160), EVERY8((a) + 192), EVERY8((a) + 224)
/* clang-format on */
static const uint8_t pair_order[256] = { PAIRS(0), PAIRS(1), PAIRS(16), PAIRS(17) };

LEVEL_ARRANGE(iq2_kl, pair_order, 32, 0)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_kl *b = (const void *)bytes;
    __m512i table[2], codes[4];
    UNROLL for (int i = 0; i < 2; i++) table[i] = _mm512_xor_si512(
        _mm512_inserti64x4(_mm512_castsi256_si512(pair_components(cn_iq2_kl_pairs, i)),
                           pair_components(cn_iq2_kl_pairs, i), 1),
        _mm512_set1_epi8((char)LEVEL_OFFSET));
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512i at =
            _mm512_add_epi64(_mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6), _mm512_set1_epi64(i / 2));
        const __m512i low = _mm512_srlv_epi64(_mm512_permutexvar_epi64(at, load512(b->q)),
                                              _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4));
        codes[i] = and_or(low, _mm512_set1_epi8(15), single_bits512(b->hi + i / 2 * 8, 4));
    }
    return add_groups32(codes, table, scales_by_fours(b->scale_lo, b->scale_hi, 2), 0, x, total);
}

STRIP_GEMV512(iq2_kl, 256, 256, 2)

const struct cn_kernels cn_iq2_kl_avx512 = { .gemv = iq2_kl_gemv_avx512, .few = iq2_kl_few_avx512 };
