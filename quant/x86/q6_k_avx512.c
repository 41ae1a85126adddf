/* SPDX-License-Identifier: MIT
 *
 * Q6_K for AVX-512.
 *
 *   | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 signed byte scales | d f16 |
 *
 * Eight of each 16 bytes of low bits meet in one vector, the other eight in another; the high bits
 * are brought to the same places and, by vgf2p8affineqb, to bits 4 and 5. Low and high nibbles are
 * different groups of 16: two vectors of sums, two lanes a group, are added to one, a lane a group.
 * The offset is added to these sums.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q6_k.h"

extern const struct cn_kernels cn_q6_k_avx512;

enum { OFFSET = 32 };

/* Qwords of activations, by vector and pair of lanes. */
/* clang-format off */
static const uint8_t order[256] = {
    QWORD(0), QWORD(2),  QWORD(4),  QWORD(6),  QWORD(16), QWORD(18), QWORD(20), QWORD(22),
    QWORD(8), QWORD(10), QWORD(12), QWORD(14), QWORD(24), QWORD(26), QWORD(28), QWORD(30),
    QWORD(1), QWORD(3),  QWORD(5),  QWORD(7),  QWORD(17), QWORD(19), QWORD(21), QWORD(23),
    QWORD(9), QWORD(11), QWORD(13), QWORD(15), QWORD(25), QWORD(27), QWORD(29), QWORD(31),
};
/* clang-format on */

static void q6_k_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    /* Groups of 16, by lane, as `scale` in step(). */
    const __m512i group = _mm512_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
    permute256(order, x->q + c, to->q);
    _mm512_store_ps(to->d[0], _mm512_permutexvar_ps(group, twice_each(x->d + c / 32)));
    store512(to->start[0], _mm512_permutexvar_epi32(group, sums16(x->sum16 + c / 16, -OFFSET)));
}

/* Bits 2 f and 2 f + 1 to bits 4 and 5. */
#define FIELD(f) (long long)(AFFINE_BIT(2 * (f), 4) | AFFINE_BIT(2 * (f) + 1, 5))

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q6_k *b = (const void *)bytes;
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i field[2] = {
        _mm512_broadcast_i64x4(_mm256_setr_epi64x(FIELD(0), FIELD(0), FIELD(1), FIELD(1))),
        _mm512_broadcast_i64x4(_mm256_setr_epi64x(FIELD(2), FIELD(2), FIELD(3), FIELD(3)))
    };
    const __m512i v = load512(b->lo), w = load512(b->lo + 64), hi = load512(b->hi);
    __m512i acc[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    UNROLL for (int i = 0; i < 2; i++)
    {
        const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                      spread = _mm512_setr_epi64(0, 2, 0, 2, 4, 6, 4, 6),
                      odd = _mm512_set1_epi64(i);
        const __m512i low = _mm512_permutex2var_epi64(v, _mm512_or_si512(even, odd), w);
        const __m512i high = _mm512_permutexvar_epi64(_mm512_or_si512(spread, odd), hi);
        acc[0] = _mm512_dpbusd_epi32(acc[0], and_or(low, nibble, affine(high, field[0])),
                                     load512(x->q + 128 * i));
        acc[1] = _mm512_dpbusd_epi32(
            acc[1], and_or(_mm512_srli_epi16(low, 4), nibble, affine(high, field[1])),
            load512(x->q + 128 * i + 64));
    }
    const __m512 first = _mm512_castsi512_ps(acc[0]), second = _mm512_castsi512_ps(acc[1]);
    __m512i sums = _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(first, second, 0x88)),
                                    _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0xdd)));
    sums = _mm512_add_epi32(sums, load512(x->start[0]));
    const __m128i scales = _mm_shuffle_epi8(
        load128(b->scale), _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    const __m512 scale = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales));
    return add_sums(sums, _mm512_mul_ps(scale, halves_at(&b->d)), x->d[0], total);
}

STRIP_GEMV512(q6_k, 256, 256, 0)

const struct cn_kernels cn_q6_k_avx512 = { .gemv = q6_k_gemv_avx512, .few = q6_k_few_avx512 };
