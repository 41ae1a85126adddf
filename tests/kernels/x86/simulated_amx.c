/* SPDX-License-Identifier: MIT
 *
 * The amx kernels on simulated tiles: the very source of the kernel, with its tile instructions in
 * plain C. What an instruction would fault on here raises SIGILL, as there.
 */
#include "tests/kernels/simulated.h"

#include <signal.h>
#include <string.h>

#define CN_TILES_SIMULATED
#define cn_tile_configure(config) tile_configure(config)
#define cn_tile_release()         memset(&tiles, 0, sizeof tiles)
#define cn_tile_zero(t)           memset(tile_at(t), 0, sizeof tiles.tile[0])
#define cn_tile_load(t, p)        memcpy(tile_at(t), p, sizeof tiles.tile[0])
#define cn_tile_store(t, p)       memcpy(p, tile_at(t), sizeof tiles.tile[0])
#define cn_tile_dot_i8(c, a, b)   tile_dot_i8(c, a, b)
#define cn_tile_dot_bf16(c, a, b) tile_dot_bf16(c, a, b)
#define cn_gemm_amx               cn_gemm_amx_simulated

struct tile_config;
static void tile_configure(const struct tile_config *c);

#include "quant/x86/simd_amx.h"

static _Thread_local struct {
    bool configured;
    uint8_t tile[8][16][64];
} tiles;

static void *tile_at(int t)
{
    if (!tiles.configured || t < 0 || t > 7)
        raise(SIGILL);
    return tiles.tile[t];
}

/* These kernels want whole tiles only. */
static void tile_configure(const struct tile_config *c)
{
    bool good = c->palette == 1 && c->start_row == 0;
    for (int i = 0; i < 14; i++)
        good &= c->reserved[i] == 0;
    for (int i = 0; i < 16; i++)
        good &= c->n_rows[i] == (i < 8 ? 16 : 0) && c->row_bytes[i] == (i < 8 ? 64 : 0);
    if (!good)
        raise(SIGILL);
    memset(&tiles, 0, sizeof tiles);
    tiles.configured = true;
}

/* TDPBSSD (Intel, Architecture Instruction Set Extensions, chapter on AMX). */
static void tile_dot_i8(int c, int a, int b)
{
    int8_t(*const x)[64] = tile_at(a), (*const y)[64] = tile_at(b);
    int32_t(*const to)[16] = tile_at(c);
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++)
                for (int i = 0; i < 4; i++)
                    to[m][n] += x[m][4 * k + i] * y[k][4 * n + i];
}

/* TDPBF16PS: denormals are zeros. */
static float bf16_of(uint16_t h)
{
    return h & 0x7f80 ? cn_bf16_to_f32(h) : 0;
}

static void tile_dot_bf16(int c, int a, int b)
{
    uint16_t(*const x)[32] = tile_at(a), (*const y)[32] = tile_at(b);
    float(*const to)[16] = tile_at(c);
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++)
                for (int i = 0; i < 2; i++)
                    to[m][n] += bf16_of(x[m][2 * k + i]) * bf16_of(y[k][2 * n + i]);
}

#include "quant/x86/gemm_amx.c"

const struct cn_gemm *cn_simulated_amx(void)
{
    return __builtin_cpu_supports("avx512bf16") ? &cn_gemm_amx : NULL;
}
