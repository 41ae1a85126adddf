/* SPDX-License-Identifier: MIT
 *
 * The limit of AMX: products of tiles that stay in registers.
 */
#include "quant/x86/simd_amx.h"

#include "quant/peak.h"

/* Sums of 0 in tiles 0 to 3, both operands of all products in 4 and 5. */
ALWAYS void begin(const void *operand)
{
    configure_tiles();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    tile_load(4, operand);
    tile_load(5, operand);
}

static int64_t peak_int8_amx(int64_t n_rounds)
{
    _Alignas(64) int8_t bytes[TILE_BYTES];
    if (n_rounds <= 0)
        return 0;
    for (int i = 0; i < TILE_BYTES; i++)
        bytes[i] = (int8_t)(37 * i);
    begin(bytes);
    for (int64_t n = 0; n < n_rounds; n++) {
        _tile_dpbssd(0, 4, 5);
        _tile_dpbssd(1, 4, 5);
        _tile_dpbssd(2, 4, 5);
        _tile_dpbssd(3, 4, 5);
    }
    _tile_release();
    return n_rounds * 4 * 16 * 16 * 64 * 2;
}

static int64_t peak_bf16_amx(int64_t n_rounds)
{
    _Alignas(64) uint16_t ones[TILE_BYTES / 2];
    if (n_rounds <= 0)
        return 0;
    for (int i = 0; i < TILE_BYTES / 2; i++)
        ones[i] = 0x3f80;
    begin(ones);
    for (int64_t n = 0; n < n_rounds; n++) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_release();
    return n_rounds * 4 * 16 * 16 * 32 * 2;
}

const struct cn_peak cn_peak_amx = { .int8 = peak_int8_amx, .bf16 = peak_bf16_amx };
