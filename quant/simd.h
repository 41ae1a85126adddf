/* SPDX-License-Identifier: MIT
 *
 * What the kernels of every machine share.
 */
#ifndef CN_SIMD_H
#define CN_SIMD_H

#include "quant/quant.h"

#include <stdint.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))
/* Arrays of vectors live in registers only if every loop over them is unrolled. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS uint32_t load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS uint64_t load64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS uint16_t load16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
