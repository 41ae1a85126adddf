/* SPDX-License-Identifier: MIT
 *
 * TQ2_0 for AVX-512.
 *
 *   | 64 bytes: 256 x 2-bit code | d f16 |        w = d * (code - 1)
 *
 * Codes are multiplied where they lie in their bytes (1, 4, 16, 64 times the code; the scales make
 * up for it). Three rotations of dwords bring each of 16 groups into one lane of the sums. The
 * offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group of 32.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/tq2_0.h"

extern const struct cn_kernels cn_tq2_0_avx512;

enum { OFFSET = 1 };

static void tq2_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fields(x, c, OFFSET, _mm_setr_epi32(1, 4, 16, 64), to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_tq2_0 *b = (const void *)bytes;
    const __m512i v = load512(b->q);
    const __m512i acc =
        dot_fields(v, v, _mm_setr_epi32(0x03030303, 0x0c0c0c0c, 0x30303030, (int)0xc0c0c0c0), x->q,
                   load512(x->start[0]));
    return add_sums(acc, halves_at(&b->d), x->d[0], total);
}

STRIP_GEMV512(tq2_0, 256, 256, 0)

const struct cn_kernels cn_tq2_0_avx512 = { .gemv = tq2_0_gemv_avx512, .few = tq2_0_few_avx512 };
