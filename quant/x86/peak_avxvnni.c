/* SPDX-License-Identifier: MIT
 *
 * The limit of AVX-VNNI. Assembly for the reason given in peak_avx2.c.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/peak.h"

/* vpdpbusd: 32 products added to 8 sums. Twelve chains are enough for 5 cycles' latency and two a
 * cycle. */
#define DOT(acc) "%{vex%} vpdpbusd %%ymm14, %%ymm15, " acc "\n"

static int64_t peak_int8_avxvnni(int64_t n_rounds)
{
    enum { CHAINS = 12, PRODUCTS = 32 };
    int64_t n = n_rounds;
    const uint32_t codes = 0x05030c09, acts = 0x7f81553c;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("vpbroadcastd %[acts], %%ymm14\n"
                     "vpbroadcastd %[codes], %%ymm15\n"
                     ".p2align 6\n"
                     "1:\n" DOT("%%ymm0") DOT("%%ymm1") DOT("%%ymm2") DOT("%%ymm3") DOT("%%ymm4")
                         DOT("%%ymm5") DOT("%%ymm6") DOT("%%ymm7") DOT("%%ymm8") DOT("%%ymm9")
                             DOT("%%ymm10") DOT("%%ymm11") "dec %[n]\n"
                                                           "jnz 1b\n"
                     : [n] "+r"(n)
                     : [codes] "m"(codes), [acts] "m"(acts)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm14", "xmm15", "cc");
    return n_rounds * CHAINS * PRODUCTS * 2;
}

const struct cn_peak cn_peak_avxvnni = { .int8 = peak_int8_avxvnni };
