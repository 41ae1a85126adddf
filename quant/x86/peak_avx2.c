/* SPDX-License-Identifier: MIT
 *
 * The limits of AVX2. Written as assembly, because a compiler folds products of constants and may
 * spill the accumulators; nothing here but registers is touched.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/peak.h"

/* vpmaddubsw + vpmaddwd + vpaddd: 32 products added to 8 sums. Eight chains; the accumulators are
 * far enough apart for any latency. */
#define CHAIN(acc, tmp)                      \
    "vpmaddubsw %%ymm13, %%ymm14, " tmp "\n" \
    "vpmaddwd %%ymm15, " tmp ", " tmp "\n"   \
    "vpaddd " tmp ", " acc ", " acc "\n"

static int64_t peak_int8_avx2(int64_t n_rounds)
{
    enum { CHAINS = 8, PRODUCTS = 32 };
    int64_t n = n_rounds;
    const uint32_t codes = 0x05030c09, acts = 0x7f81553c, ones = 0x00010001;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("vpbroadcastd %[acts], %%ymm13\n"
                     "vpbroadcastd %[codes], %%ymm14\n"
                     "vpbroadcastd %[ones], %%ymm15\n"
                     ".p2align 5\n"
                     "1:\n" CHAIN("%%ymm0", "%%ymm8") CHAIN("%%ymm1", "%%ymm9")
                         CHAIN("%%ymm2", "%%ymm10") CHAIN("%%ymm3", "%%ymm11")
                             CHAIN("%%ymm4", "%%ymm8") CHAIN("%%ymm5", "%%ymm9")
                                 CHAIN("%%ymm6", "%%ymm10") CHAIN("%%ymm7", "%%ymm11") "dec %[n]\n"
                                                                                       "jnz 1b\n"
                     : [n] "+r"(n)
                     : [codes] "m"(codes), [acts] "m"(acts), [ones] "m"(ones)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm13", "xmm14", "xmm15", "cc");
    return n_rounds * CHAINS * PRODUCTS * 2;
}

#define FMA(acc) "vfmadd231ps %%ymm14, %%ymm15, " acc "\n"

static int64_t peak_f32_avx2(int64_t n_rounds)
{
    enum { ACCS = 12, LANES = 8 };
    int64_t n = n_rounds;
    const float a = 0.37f, b = -0.81f;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("vbroadcastss %[a], %%ymm14\n"
                     "vbroadcastss %[b], %%ymm15\n"
                     "vxorps %%ymm0, %%ymm0, %%ymm0\n"
                     "vmovaps %%ymm0, %%ymm1\nvmovaps %%ymm0, %%ymm2\nvmovaps %%ymm0, %%ymm3\n"
                     "vmovaps %%ymm0, %%ymm4\nvmovaps %%ymm0, %%ymm5\nvmovaps %%ymm0, %%ymm6\n"
                     "vmovaps %%ymm0, %%ymm7\nvmovaps %%ymm0, %%ymm8\nvmovaps %%ymm0, %%ymm9\n"
                     "vmovaps %%ymm0, %%ymm10\nvmovaps %%ymm0, %%ymm11\n"
                     ".p2align 5\n"
                     "1:\n" FMA("%%ymm0") FMA("%%ymm1") FMA("%%ymm2") FMA("%%ymm3") FMA("%%ymm4")
                         FMA("%%ymm5") FMA("%%ymm6") FMA("%%ymm7") FMA("%%ymm8") FMA("%%ymm9")
                             FMA("%%ymm10") FMA("%%ymm11") "dec %[n]\n"
                                                           "jnz 1b\n"
                     : [n] "+r"(n)
                     : [a] "m"(a), [b] "m"(b)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm14", "xmm15", "cc");
    return n_rounds * ACCS * LANES * 2;
}

ALWAYS uint64_t read_streams(const uint8_t *p, size_t part, const int n_streams, size_t ahead)
{
    __m256i any[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (size_t i = 0; i < part; i += 64) {
        UNROLL for (int s = 0; s < n_streams; s++)
        {
            const uint8_t *at = p + (size_t)s * part + i;
            if (ahead)
                _mm_prefetch((const char *)(at + ahead), _MM_HINT_T0);
            any[0] = _mm256_or_si256(any[0], load256(at));
            any[1] = _mm256_or_si256(any[1], load256(at + 32));
        }
    }
    uint64_t v[4];
    _mm256_storeu_si256((__m256i *)(void *)v, _mm256_or_si256(any[0], any[1]));
    return v[0] | v[1] | v[2] | v[3];
}

static uint64_t peak_read_avx2(const void *p, size_t n_bytes, int n_streams, size_t ahead)
{
    if (n_streams == 1)
        return read_streams(p, n_bytes, 1, ahead);
    if (n_streams == 2)
        return read_streams(p, n_bytes / 2, 2, ahead);
    return read_streams(p, n_bytes / 4, 4, ahead);
}

const struct cn_peak cn_peak_avx2 = { .int8 = peak_int8_avx2,
                                      .f32 = peak_f32_avx2,
                                      .read = peak_read_avx2 };
