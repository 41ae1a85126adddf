/* SPDX-License-Identifier: MIT
 *
 * NVFP4 for AVX2.
 *
 *   | 4 bytes: scales of 16 | 32 bytes: 64 x 4-bit code |        w = level[code] * half(scale)
 *
 * The bytes of a block are a vector: low nibbles are the first eight columns of each 16, high ones
 * the others. vpshufb turns them to level + 12, and the products of the two add up in 16 bits, two
 * lanes of the sums to 16 columns. With the activations in that order the offset is a vector of
 * 16-bit sums to take out. An E4M3 number is an f16 with other zeros: shifted by 7 bits it is 2^-7
 * of what half() is.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/gemv_strips_avx2.h"

#include "quant/ref/mxfp4.h"
#include "quant/ref/nvfp4.h"

extern const struct cn_kernels cn_nvfp4_avx2;

enum { OFFSET = 12 };

/* The activations of four blocks: the columns of low and of high nibbles; 12 times the sums of two
 * neighbours of each; the scales of 32 columns in four lanes, times 2^7. */
struct halves {
    _Alignas(32) int8_t low[4][32], high[4][32];
    int16_t start[4][16];
    float d[4][8];
};

static void nvfp4_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    struct halves *f = to;
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m256i a = load256(x->q + c + 64 * i), b = load256(x->q + c + 64 * i + 32);
        const __m256i offset = _mm256_set1_epi8(OFFSET);
        const __m256i low = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(a, b), 0xd8),
                      high = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(a, b), 0xd8);
        store256(f->low[i], low);
        store256(f->high[i], high);
        store256(f->start[i], _mm256_add_epi16(_mm256_maddubs_epi16(offset, low),
                                               _mm256_maddubs_epi16(offset, high)));
        const float *d = x->d + c / 32 + 2 * i;
        _mm256_storeu_ps(f->d[i],
                         _mm256_mul_ps(_mm256_setr_m128(_mm_set1_ps(d[0]), _mm_set1_ps(d[1])),
                                       _mm256_set1_ps(128)));
    }
}

/* The levels made unsigned. */
ALWAYS __m256i code_table(void)
{
    return _mm256_add_epi8(load_twice(cn_mxfp4_levels), _mm256_set1_epi8(OFFSET));
}

/* 2^-7 of what eight scale bytes in words stand for. */
ALWAYS __m256 halves_of(__m128i scale)
{
    const __m128i none = _mm_cmpeq_epi16(scale, _mm_set1_epi16(0x7f));
    const __m128i half = _mm_and_si128(_mm_slli_epi16(scale, 7), _mm_set1_epi16(0x3f80));
    return _mm256_cvtph_ps(_mm_andnot_si128(none, half));
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_nvfp4 *b = (const void *)bytes;
    const struct halves *f = x;
    const __m256i nibble = _mm256_set1_epi8(15);
    UNROLL for (int i = 0; i < 4; i++, b++)
    {
        const __m256i v = load256(b->q);
        const __m256i low = _mm256_shuffle_epi8(code_table(), _mm256_and_si256(v, nibble));
        const __m256i high =
            _mm256_shuffle_epi8(code_table(), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        const __m256i sum = _mm256_add_epi16(_mm256_maddubs_epi16(low, load256(f->low[i])),
                                             _mm256_maddubs_epi16(high, load256(f->high[i])));
        const __m256i dot =
            _mm256_madd_epi16(_mm256_sub_epi16(sum, load256(f->start[i])), _mm256_set1_epi16(1));
        const __m128i scale =
            _mm_shuffle_epi8(_mm_cvtsi32_si128((int)load32(b->scale)),
                             _mm_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                _mm256_mul_ps(halves_of(scale), _mm256_loadu_ps(f->d[i])), total);
    }
    return total;
}

static void nvfp4_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 64,
                                          .block_bytes = sizeof(struct cn_block_nvfp4),
                                          .x_bytes = sizeof(struct halves),
                                          .arrange = nvfp4_arrange_avx2,
                                          .step = step };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

static void nvfp4_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_nvfp4 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 64, b++, scale += 4) {
        const __m256i v = load256(b->q), nibble = _mm256_set1_epi8(15);
        const __m256i low = _mm256_shuffle_epi8(code_table(), _mm256_and_si256(v, nibble));
        const __m256i high =
            _mm256_shuffle_epi8(code_table(), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        const __m256i even = _mm256_unpacklo_epi64(low, high),
                      odd = _mm256_unpackhi_epi64(low, high);
        put_codes(codes, chunk_stride, c, _mm256_permute2x128_si256(even, odd, 0x20));
        put_codes(codes, chunk_stride, c + 32, _mm256_permute2x128_si256(even, odd, 0x31));
        const __m256 s = halves_of(_mm_cvtepu8_epi16(_mm_cvtsi32_si128((int)load32(b->scale))));
        _mm_storeu_ps(scale, _mm_mul_ps(_mm256_castps256_ps128(s), _mm_set1_ps(128)));
    }
}

const struct cn_kernels cn_nvfp4_avx2 = {
    .gemv = nvfp4_gemv_avx2,
    .unpack = nvfp4_unpack_avx2,
    .panel = {.code_max = 24, .offset = OFFSET, .sub = 16},
};
