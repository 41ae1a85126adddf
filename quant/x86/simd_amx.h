/* SPDX-License-Identifier: MIT
 *
 * The tile instructions that the amx kernels use, by names of our own: a test that defines
 * CN_TILES_SIMULATED and these names runs the same kernels on a CPU without tiles.
 *
 * The process must have leave to use tiles (cn_tiles_detect). Every kernel configures the tiles and
 * releases them before it returns, so no thread keeps any state. Compilers do not know that a tile
 * load reads memory: hence the barriers, which also keep what stands between two tile operations in
 * its place.
 */
#ifndef CN_SIMD_AMX_H
#define CN_SIMD_AMX_H

#if !defined(__AVX512BF16__) || !(defined(__AMX_INT8__) || defined(__AMXINT8__))
#error "simd_amx.h needs the flags of the amx tier"
#endif

#include "quant/x86/wide_avx512.h"

/* What tileloadcfg reads. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t n_rows[16];
};
_Static_assert(sizeof(struct tile_config) == 64, "one cache line");

/* clang-format off */
#ifndef CN_TILES_SIMULATED
#define TILE_BARRIER              __asm__ volatile("" ::: "memory")
#define cn_tile_configure(config) do { TILE_BARRIER; _tile_loadconfig(config); } while (0)
#define cn_tile_release()         _tile_release()
#define cn_tile_zero(t)           _tile_zero(t)
#define cn_tile_load(t, p)        do { TILE_BARRIER; _tile_loadd(t, p, 64); } while (0)
#define cn_tile_store(t, p)       _tile_stored(t, p, 64)
/* c += a b, a: 16 x 64 bytes, b: 16 x 16 x 4; bf16: two for four. */
#define cn_tile_dot_i8(c, a, b)   _tile_dpbssd(c, a, b)
#define cn_tile_dot_bf16(c, a, b) _tile_dpbf16ps(c, a, b)
#endif
/* clang-format on */

enum { TILE_BYTES = 16 * 64 };

/* Eight tiles of 16 rows of 64 bytes. */
ALWAYS void configure_tiles(void)
{
    struct tile_config config = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.n_rows[i] = 16;
    }
    cn_tile_configure(&config);
}

#endif
