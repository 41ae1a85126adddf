/* SPDX-License-Identifier: MIT
 *
 * F32 for Armv8.0.
 *
 *   | f32 |
 *
 * Nothing to convert; eight sums hide the latency of the additions.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding of the sums.
 */
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_f32_neon;

ALWAYS float32x4x2_t eight(const uint8_t *p)
{
    return (float32x4x2_t){
        {vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16))}
    };
}

ALWAYS float one(const uint8_t *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void f32_gemv_neon(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                          const struct cn_act *x, float *y)
{
    arm_gemv_floats(eight, one, 4, n_rows, n_cols, w, row_bytes, x->x, y);
}

static void f32_unpack_neon(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    (void)scale;
    (void)min;
    arm_unpack_floats(eight, one, 4, n_cols, row, codes, chunk_stride);
}

const struct cn_kernels cn_f32_neon = { .gemv = f32_gemv_neon,
                                        .unpack = f32_unpack_neon,
                                        .panel = { .sub = 0 } };
