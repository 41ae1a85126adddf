/* SPDX-License-Identifier: MIT
 *
 * Q4_K for AVX-512.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 128 bytes: 256 x 4-bit code |
 *
 * Eight bytes of codes of each group meet in one vector: even qwords are masked to their low,
 * odd ones to their high nibbles, which stay where they are (16 times the code; the scale makes up
 * for it). Two lanes a group; the minima of eight groups ride in the upper lanes of the scales.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, three terms a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q4_k.h"

extern const struct cn_kernels cn_q4_k_avx512;

/* Qwords of activations, by vector and group. */
/* clang-format off */
static const uint8_t order[256] = {
    QWORD(0), QWORD(5), QWORD(8),  QWORD(13), QWORD(16), QWORD(21), QWORD(24), QWORD(29),
    QWORD(1), QWORD(4), QWORD(9),  QWORD(12), QWORD(17), QWORD(20), QWORD(25), QWORD(28),
    QWORD(2), QWORD(7), QWORD(10), QWORD(15), QWORD(18), QWORD(23), QWORD(26), QWORD(31),
    QWORD(3), QWORD(6), QWORD(11), QWORD(14), QWORD(19), QWORD(22), QWORD(27), QWORD(30),
};
/* clang-format on */

static void q4_k_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    const float s = 1.0f / 16;
    const __m256 d =
        _mm256_mul_ps(_mm256_loadu_ps(x->d + c / 32), _mm256_setr_ps(1, s, 1, s, 1, s, 1, s));
    permute256(order, x->q + c, to->q);
    arrange_k_groups(x, c, d, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q4_k *b = (const void *)bytes;
    const __m512i nibble =
        _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0xf0f0f0f0f0f0f0f0, 0x0f0f0f0f0f0f0f0f));
    const __m512i v = load512(b->q), w = load512(b->q + 64);
    __m512i code[4], acc = _mm512_setzero_si512();
    code[0] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), w);
    code[2] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), w);
    code[1] = _mm512_shuffle_epi32(code[0], 0x4e);
    code[3] = _mm512_shuffle_epi32(code[2], 0x4e);
    UNROLL for (int i = 0; i < 4; i++) acc =
        _mm512_dpbusd_epi32(acc, _mm512_and_si512(code[i], nibble), load512(x->q + 64 * i));
    return add_k_groups(load128(b), acc, x, total);
}

STRIP_GEMV512(q4_k, 256, 256, 0)

const struct cn_kernels cn_q4_k_avx512 = { .gemv = q4_k_gemv_avx512, .few = q4_k_few_avx512 };
