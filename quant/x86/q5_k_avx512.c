/* SPDX-License-Identifier: MIT
 *
 * Q5_K for AVX-512.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 32 bytes: fifth bits |
 *   | 128 bytes: 256 x low 4 bits |
 *
 * Eight bytes of codes of each group meet in one vector, odd qwords shifted to their high nibbles.
 * vgf2p8affineqb brings each group's fifth bit to its place. Two lanes a group; the minima of eight
 * groups ride in the upper lanes of the scales.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, three terms a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q5_k.h"

extern const struct cn_kernels cn_q5_k_avx512;

/* Qwords of activations, by vector and group. */
/* clang-format off */
static const uint8_t order[256] = {
    QWORD(0), QWORD(5), QWORD(8),  QWORD(13), QWORD(16), QWORD(21), QWORD(24), QWORD(29),
    QWORD(1), QWORD(4), QWORD(9),  QWORD(12), QWORD(17), QWORD(20), QWORD(25), QWORD(28),
    QWORD(2), QWORD(7), QWORD(10), QWORD(15), QWORD(18), QWORD(23), QWORD(26), QWORD(31),
    QWORD(3), QWORD(6), QWORD(11), QWORD(14), QWORD(19), QWORD(22), QWORD(27), QWORD(30),
};
/* clang-format on */

static void q5_k_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    permute256(order, x->q + c, to->q);
    arrange_k_groups(x, c, _mm256_loadu_ps(x->d + c / 32), to);
}

/* Fifth bits, group = qword, to bit 4. */
#define FIFTH(g) (long long)AFFINE_BIT(g, 4)

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q5_k *b = (const void *)bytes;
    const __m512i nibble = _mm512_set1_epi8(15), shift = _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    const __m512i fifth = _mm512_setr_epi64(FIFTH(0), FIFTH(1), FIFTH(2), FIFTH(3), FIFTH(4),
                                            FIFTH(5), FIFTH(6), FIFTH(7));
    const __m512i v = load512(b->q), w = load512(b->q + 64);
    __m512i code[4], high[4], acc = _mm512_setzero_si512();
    code[0] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), w);
    code[2] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), w);
    high[0] = _mm512_broadcast_i32x4(load128(b->hi));
    high[2] = _mm512_broadcast_i32x4(load128(b->hi + 16));
    UNROLL for (int i = 1; i < 4; i += 2)
    {
        code[i] = _mm512_shuffle_epi32(code[i - 1], 0x4e);
        high[i] = _mm512_shuffle_epi32(high[i - 1], 0x4e);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512i codes =
            and_or(_mm512_srlv_epi64(code[i], shift), nibble, affine(high[i], fifth));
        acc = _mm512_dpbusd_epi32(acc, codes, load512(x->q + 64 * i));
    }
    return add_k_groups(load128(b), acc, x, total);
}

STRIP_GEMV512(q5_k, 256, 256, 0)

const struct cn_kernels cn_q5_k_avx512 = { .gemv = q5_k_gemv_avx512, .few = q5_k_few_avx512 };
