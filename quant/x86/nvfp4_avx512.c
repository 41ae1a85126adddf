/* SPDX-License-Identifier: MIT
 *
 * NVFP4 for AVX-512.
 *
 *   | 4 bytes: scales of 16 | 32 bytes: 64 x 4-bit code |        w = level[code] * half(scale)
 *
 * The bytes of two blocks are a vector: low nibbles are the first eight columns of each 16, high
 * ones the others, so that with the activations in that order two lanes of the sums are 16 columns.
 * vpermb makes codes levels plus 12, unsigned; it ignores what is above six bits, and the table
 * does not mind the other two. The offset is where the sums start. An E4M3 number is an f16 with
 * other zeros: shifted by 7 bits it is 2^-7 of what half() is.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, eight terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/mxfp4.h"
#include "quant/ref/nvfp4.h"

extern const struct cn_kernels cn_nvfp4_avx512;

enum { OFFSET = 12 };

/* Eight columns of each of eight groups of 16 from column c on. */
/* clang-format off */
#define EIGHTS(c) \
    QWORD((c) / 8), QWORD((c) / 8 + 2), QWORD((c) / 8 + 4), QWORD((c) / 8 + 6), \
    QWORD((c) / 8 + 8), QWORD((c) / 8 + 10), QWORD((c) / 8 + 12), QWORD((c) / 8 + 14)
/* clang-format on */

static void nvfp4_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    static const uint8_t order[256] = { EIGHTS(0), EIGHTS(8), EIGHTS(128), EIGHTS(136) };
    permute256(order, x->q + c, to->q);
    const __m512i start = sums16(x->sum16 + c / 16, -OFFSET);
    const __m512 d =
        _mm512_castps256_ps512(_mm256_mul_ps(_mm256_loadu_ps(x->d + c / 32), _mm256_set1_ps(128)));
    UNROLL for (int i = 0; i < 2; i++)
    {
        const __m512i four = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        _mm512_store_ps(to->d[i],
                        _mm512_permutexvar_ps(_mm512_add_epi32(four, _mm512_set1_epi32(4 * i)), d));
        const __m256i half =
            i ? _mm512_extracti64x4_epi64(start, 1) : _mm512_castsi512_si256(start);
        store512(to->start[i], _mm512_maskz_expand_epi32(0x5555, _mm512_castsi256_si512(half)));
    }
}

/* 2^-7 of what four scale bytes each of two blocks stand for, twice each. */
ALWAYS __m512 halves_twice(const struct cn_block_nvfp4 *b)
{
    const __m128i bytes = _mm_unpacklo_epi32(_mm_cvtsi32_si128((int)load32(b[0].scale)),
                                             _mm_cvtsi32_si128((int)load32(b[1].scale)));
    const __m256i scale = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(bytes, bytes));
    const __mmask16 sound = _mm256_cmpneq_epi16_mask(scale, _mm256_set1_epi16(0x7f));
    return _mm512_cvtph_ps(
        _mm256_and_si256(_mm256_maskz_slli_epi16(sound, scale, 7), _mm256_set1_epi16(0x3f80)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_nvfp4 *b = (const void *)bytes;
    const __m512i levels = _mm512_add_epi8(nibble_table(cn_mxfp4_levels), _mm512_set1_epi8(OFFSET));
    UNROLL for (int i = 0; i < 2; i++, b += 2)
    {
        const __m512i v = load_two256(b[0].q, b[1].q);
        const __m512i low = _mm512_permutexvar_epi8(v, levels),
                      high = _mm512_permutexvar_epi8(_mm512_srli_epi16(v, 4), levels);
        __m512i acc = _mm512_dpbusd_epi32(load512(x->start[i]), low, load512(x->q + 128 * i));
        acc = _mm512_dpbusd_epi32(acc, high, load512(x->q + 128 * i + 64));
        total = add_sums(acc, halves_twice(b), x->d[i], total);
    }
    return total;
}

STRIP_GEMV512(nvfp4, 64, 256, 0)

const struct cn_kernels cn_nvfp4_avx512 = { .gemv = nvfp4_gemv_avx512, .few = nvfp4_few_avx512 };
