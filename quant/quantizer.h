/* SPDX-License-Identifier: MIT
 *
 * The searches that quantisers share (maths: weighted least squares on a grid). Arrays are of one
 * block of n <= 256 elements (a multiple of 16), or of its groups; weights are >= 0. Numbers that
 * are not finite give some valid code, never a bad access.
 */
#ifndef CN_QUANTIZER_H
#define CN_QUANTIZER_H

#include <stdint.h>

/* What codes stand for: the integers lo..hi themselves, or, with a table, entry `code` of 16
 * ascending ones (lo = 0, hi = 15). */
struct cn_levels {
    int lo, hi;
    const int8_t *table;
};

/* Weights of the errors in a block, without unit: (v / mean v + 0.15) * sqrt(base + (x / r)^2), r
 * the root mean square of x, v the importance (NULL, or all zero: the same for all), base what
 * measurement found best for a format (docs/FORMATS.md). */
enum cn_weights_base { CN_WEIGHTS_STEEP = 4, CN_WEIGHTS_FLAT = 30 };
void cn_quant_weights(int n, const float *x, const float *importance, enum cn_weights_base base,
                      float *w);

/* x ~ scale * level: the scale of either sign with the least weighted squares. */
float cn_fit_scale(int n, const float *x, const float *w, const struct cn_levels *levels);

/* x ~ scale * code + offset, code in 0..top, scale >= 0, offset of either sign. */
void cn_fit_scale_offset(int n, const float *x, const float *w, int top, float *scale,
                         float *offset);

/* A block of n_groups groups: x ~ d * scale[group] * level, scale in -scale_top..scale_top-1.
 * Returns d as an f16. */
uint16_t cn_quant_scales(int n_groups, int group, const float *x, const float *w,
                         const struct cn_levels *levels, int scale_top, int8_t *scale,
                         int8_t *code);

/* A block of n_groups groups: x ~ d * scale[group] * code - dmin * min[group], code in 0..top,
 * scale and min in 0..grid. d and dmin are f16. */
void cn_quant_scales_mins(int n_groups, int group, const float *x, const float *w, int top,
                          int grid, uint16_t *d, uint16_t *dmin, uint8_t *scale, uint8_t *min,
                          int8_t *code);

/* x ~ d * code with code -1, 0, 1: the optimum. Returns d as an f16. */
uint16_t cn_quant_ternary(int n, const float *x, const float *w, int8_t *code);

/* Codes of x with a given scale and offset: x ~ scale * level + offset. */
void cn_quant_codes(int n, const float *x, const struct cn_levels *levels, float scale,
                    float offset, int8_t *code);

/* The scale with which signed bytes just hold the largest of x: with 8 bits it is as good as any.
 * And x / scale, rounded to them. */
float cn_quant_byte_scale(int n, const float *x);
void cn_quant_bytes(int n, const float *x, float scale, int8_t *q);

/* A run of n codes with one f16 scale near `scale` (of either sign): the codes, and the f16. Where
 * the f16 numbers lie far apart against the scale, below some 2^-16, those around it are tried. */
uint16_t cn_quant_run(int n, const float *x, const float *w, const struct cn_levels *levels,
                      float scale, int8_t *code);
/* The same for x ~ d * code + m, code in 0..top. */
void cn_quant_run_offset(int n, const float *x, const float *w, int top, uint16_t *d, uint16_t *m,
                         int8_t *code);
/* The same for signed bytes. */
uint16_t cn_quant_bytes_f16(int n, const float *x, int8_t *q);

/* The f16 nearest to x among the finite ones: a scale in a file must be finite. */
uint16_t cn_quant_f16(float x);
/* The f16 numbers (of scale's sign, 0 among them if it is near) that are worth trying for a scale:
 * the nearest, or, below coarse * 2^-24, two on either side: there an f16 is a multiple of 2^-24,
 * so that the nearest may be half as large or nothing. coarse <= 0x800. Returns how many. */
enum { CN_F16_CHOICES = 4 };
int cn_quant_f16_choices(float scale, int coarse, uint16_t bits[CN_F16_CHOICES]);

/* 1 / scale for rounding to codes; 0 where that would not be finite. */
float cn_quant_inverse(float scale);

#endif
