/* SPDX-License-Identifier: MIT
 *
 * BF16 for Armv8.0.
 *
 *   | upper half of an f32 |
 *
 * Widened by a shift; eight sums hide the latency of the additions.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding of the sums.
 */
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_bf16_neon;

ALWAYS float32x4x2_t eight(const uint8_t *p)
{
    const uint16x8_t v = vreinterpretq_u16_u8(vld1q_u8(p));
    return (float32x4x2_t){
        {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(v), 16)),
         vreinterpretq_f32_u32(vshll_high_n_u16(v, 16))}
    };
}

ALWAYS float one(const uint8_t *p)
{
    return cn_bf16_to_f32(load16(p));
}

static void bf16_gemv_neon(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    arm_gemv_floats(eight, one, 2, n_rows, n_cols, w, row_bytes, x->x, y);
}

static void bf16_unpack_neon(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    (void)scale;
    (void)min;
    arm_unpack_floats(eight, one, 2, n_cols, row, codes, chunk_stride);
}

const struct cn_kernels cn_bf16_neon = { .gemv = bf16_gemv_neon,
                                         .unpack = bf16_unpack_neon,
                                         .panel = { .sub = 0 } };
