/* SPDX-License-Identifier: MIT
 *
 * The limits of AVX-512 with VNNI. Assembly for the reason given in peak_avx2.c.
 */
#ifndef __AVX512VNNI__
#error "peak_avx512.c needs the flags of the avx512 tier"
#endif

#include "quant/peak.h"

#include <immintrin.h>

/* clang-format off */
#define SIXTEEN(OP) \
    OP("%%zmm0") OP("%%zmm1") OP("%%zmm2") OP("%%zmm3") \
    OP("%%zmm4") OP("%%zmm5") OP("%%zmm6") OP("%%zmm7") \
    OP("%%zmm8") OP("%%zmm9") OP("%%zmm10") OP("%%zmm11") \
    OP("%%zmm12") OP("%%zmm13") OP("%%zmm14") OP("%%zmm15")
/* clang-format on */
#define CLEAR(acc) "vpxord " acc ", " acc ", " acc "\n"
#define DOT(acc)   "vpdpbusd %%zmm30, %%zmm31, " acc "\n"
#define FMA(acc)   "vfmadd231ps %%zmm30, %%zmm31, " acc "\n"
#define CLOBBERED                                                                            \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm30", "xmm31", "cc"
enum { ACCS = 16 };

/* vpdpbusd: 64 products added to 16 sums. */
static int64_t peak_int8_avx512(int64_t n_rounds)
{
    int64_t n = n_rounds;
    const uint32_t codes = 0x05030c09, acts = 0x7f81553c;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("vpbroadcastd %[acts], %%zmm30\n"
                     "vpbroadcastd %[codes], %%zmm31\n"
                     ".p2align 6\n"
                     "1:\n" SIXTEEN(DOT) "dec %[n]\n"
                                         "jnz 1b\n"
                     : [n] "+r"(n)
                     : [codes] "m"(codes), [acts] "m"(acts)
                     : CLOBBERED);
    return n_rounds * ACCS * 64 * 2;
}

static int64_t peak_f32_avx512(int64_t n_rounds)
{
    int64_t n = n_rounds;
    const float a = 0.37f, b = -0.81f;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("vbroadcastss %[a], %%zmm30\n"
                     "vbroadcastss %[b], %%zmm31\n" SIXTEEN(CLEAR) ".p2align 6\n"
                                                                   "1:\n" SIXTEEN(FMA) "dec %[n]\n"
                                                                                       "jnz 1b\n"
                     : [n] "+r"(n)
                     : [a] "m"(a), [b] "m"(b)
                     : CLOBBERED);
    return n_rounds * ACCS * 16 * 2;
}

static inline __attribute__((always_inline)) uint64_t
read_streams(const uint8_t *p, size_t part, const int n_streams, size_t ahead)
{
    __m512i any[4] = { _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                       _mm512_setzero_si512() };
    for (size_t i = 0; i < part; i += 64) {
        for (int s = 0; s < n_streams; s++) {
            const uint8_t *at = p + (size_t)s * part + i;
            if (ahead)
                _mm_prefetch((const char *)(at + ahead), _MM_HINT_T0);
            any[s] = _mm512_or_si512(any[s], _mm512_loadu_si512(at));
        }
    }
    return (uint64_t)_mm512_reduce_or_epi64(
        _mm512_or_si512(_mm512_or_si512(any[0], any[1]), _mm512_or_si512(any[2], any[3])));
}

static uint64_t peak_read_avx512(const void *p, size_t n_bytes, int n_streams, size_t ahead)
{
    if (n_streams == 1)
        return read_streams(p, n_bytes, 1, ahead);
    if (n_streams == 2)
        return read_streams(p, n_bytes / 2, 2, ahead);
    return read_streams(p, n_bytes / 4, 4, ahead);
}

const struct cn_peak cn_peak_avx512 = { .int8 = peak_int8_avx512,
                                        .f32 = peak_f32_avx512,
                                        .read = peak_read_avx512 };
