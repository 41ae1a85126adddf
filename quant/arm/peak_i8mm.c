/* SPDX-License-Identifier: MIT
 *
 * The limit of smmla: 32 products added to 4 sums. Floats and reading are those of neon.
 */
#ifndef __ARM_FEATURE_MATMUL_INT8
#error "peak_i8mm.c needs the flags of the i8mm tier"
#endif

#include "quant/peak.h"

#define DOT(acc) "smmla v" acc ".4s, v30.16b, v31.16b\n"
/* clang-format off */
#define SIXTEEN(OP) \
    OP("0") OP("1") OP("2") OP("3") \
    OP("4") OP("5") OP("6") OP("7") \
    OP("8") OP("9") OP("10") OP("11") \
    OP("12") OP("13") OP("14") OP("15")
/* clang-format on */

static int64_t peak_int8_i8mm(int64_t n_rounds)
{
    enum { ACCS = 16, PRODUCTS = 32 };
    int64_t n = n_rounds;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile("movi v30.16b, #5\n"
                     "movi v31.16b, #89\n"
                     "1:\n" SIXTEEN(DOT) "subs %[n], %[n], #1\n"
                                         "b.ne 1b\n"
                     : [n] "+r"(n)
                     :
                     : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
                       "v12", "v13", "v14", "v15", "v30", "v31", "cc");
    return n_rounds * ACCS * PRODUCTS * 2;
}

const struct cn_peak cn_peak_i8mm = { .int8 = peak_int8_i8mm };
