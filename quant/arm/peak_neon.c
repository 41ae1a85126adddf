/* SPDX-License-Identifier: MIT
 *
 * The limits of Armv8.0 NEON. Assembly, because a compiler folds products of constants.
 */
#ifndef __ARM_NEON
#error "peak_neon.c needs the flags of the neon tier"
#endif

#include "quant/peak.h"

#include <arm_neon.h>

/* smull + smlal2 + sadalp: 16 products added to 4 sums (two products of 127 * 127 fit 16 bits). */
#define CHAIN(acc, tmp)                      \
    "smull v" tmp ".8h, v30.8b, v31.8b\n"    \
    "smlal2 v" tmp ".8h, v30.16b, v31.16b\n" \
    "sadalp v" acc ".4s, v" tmp ".8h\n"

static int64_t peak_int8_neon(int64_t n_rounds)
{
    enum { CHAINS = 12, PRODUCTS = 16 };
    int64_t n = n_rounds;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile(
        "movi v30.16b, #5\n"
        "movi v31.16b, #89\n"
        "1:\n" CHAIN("0", "16") CHAIN("1", "17") CHAIN("2", "18") CHAIN("3", "19") CHAIN("4", "20")
            CHAIN("5", "21") CHAIN("6", "22") CHAIN("7", "23") CHAIN("8", "24") CHAIN("9", "25")
                CHAIN("10", "26") CHAIN("11", "27") "subs %[n], %[n], #1\n"
                                                    "b.ne 1b\n"
        : [n] "+r"(n)
        :
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v16", "v17",
          "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v30", "v31", "cc");
    return n_rounds * CHAINS * PRODUCTS * 2;
}

#define FMA(acc)  "fmla v" acc ".4s, v30.4s, v31.4s\n"
#define ZERO(acc) "movi v" acc ".4s, #0\n"
/* clang-format off */
#define SIXTEEN(OP) \
    OP("0") OP("1") OP("2") OP("3") \
    OP("4") OP("5") OP("6") OP("7") \
    OP("8") OP("9") OP("10") OP("11") \
    OP("12") OP("13") OP("14") OP("15")
/* clang-format on */

static int64_t peak_f32_neon(int64_t n_rounds)
{
    enum { ACCS = 16, LANES = 4 };
    int64_t n = n_rounds;
    if (n_rounds <= 0)
        return 0;
    __asm__ volatile(
        "fmov v30.4s, #0.375\n"
        "fmov v31.4s, #-0.8125\n" SIXTEEN(ZERO) "1:\n" SIXTEEN(FMA) "subs %[n], %[n], #1\n"
                                                                    "b.ne 1b\n"
        : [n] "+r"(n)
        :
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
          "v14", "v15", "v30", "v31", "cc");
    return n_rounds * ACCS * LANES * 2;
}

static inline __attribute__((always_inline)) uint64_t
read_streams(const uint8_t *p, size_t part, const int n_streams, size_t ahead)
{
    uint8x16_t any[4] = { vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0) };
    for (size_t i = 0; i < part; i += 64) {
        for (int s = 0; s < n_streams; s++) {
            const uint8_t *at = p + (size_t)s * part + i;
            if (ahead)
                __builtin_prefetch(at + ahead);
            any[0] = vorrq_u8(any[0], vld1q_u8(at));
            any[1] = vorrq_u8(any[1], vld1q_u8(at + 16));
            any[2] = vorrq_u8(any[2], vld1q_u8(at + 32));
            any[3] = vorrq_u8(any[3], vld1q_u8(at + 48));
        }
    }
    uint64x2_t v =
        vreinterpretq_u64_u8(vorrq_u8(vorrq_u8(any[0], any[1]), vorrq_u8(any[2], any[3])));
    return vgetq_lane_u64(v, 0) | vgetq_lane_u64(v, 1);
}

static uint64_t peak_read_neon(const void *p, size_t n_bytes, int n_streams, size_t ahead)
{
    if (n_streams == 1)
        return read_streams(p, n_bytes, 1, ahead);
    if (n_streams == 2)
        return read_streams(p, n_bytes / 2, 2, ahead);
    return read_streams(p, n_bytes / 4, 4, ahead);
}

const struct cn_peak cn_peak_neon = { .int8 = peak_int8_neon,
                                      .f32 = peak_f32_neon,
                                      .read = peak_read_neon };
