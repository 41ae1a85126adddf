/* SPDX-License-Identifier: MIT
 *
 * What the amx kernels share.
 *
 * The process must have leave to use tiles (cn_tiers_detect). Every kernel configures the tiles and
 * releases them before it returns, so no thread keeps any state. Compilers do not know all the
 * memory that a tile instruction reads: hence the barriers, which also keep what stands between two
 * tile operations in its place.
 */
#ifndef CN_SIMD_AMX_H
#define CN_SIMD_AMX_H

#if !defined(__AVX512BF16__) || !(defined(__AMX_INT8__) || defined(__AMXINT8__))
#error "simd_amx.h needs the flags of the amx tier"
#endif

#include "quant/x86/wide_avx512.h"

enum { TILE_BYTES = 16 * 64 };

#define TILE_BARRIER __asm__ volatile("" ::: "memory")

/* tile t, a constant, from 1024 bytes that lie as they are to lie there. */
#define tile_load(t, p)        \
    do {                       \
        TILE_BARRIER;          \
        _tile_loadd(t, p, 64); \
    } while (0)

/* Eight tiles of 16 rows of 64 bytes. */
ALWAYS void configure_tiles(void)
{
    /* What ldtilecfg reads: palette 1; 16-bit row lengths from byte 16 on, rows from byte 48 on. */
    _Alignas(64) static const uint8_t config[64] = {
        [0] = 1,   [16] = 64, [18] = 64, [20] = 64, [22] = 64, [24] = 64,
        [26] = 64, [28] = 64, [30] = 64, [48] = 16, [49] = 16, [50] = 16,
        [51] = 16, [52] = 16, [53] = 16, [54] = 16, [55] = 16,
    };
    TILE_BARRIER;
    _tile_loadconfig(config);
    TILE_BARRIER;
}

#endif
