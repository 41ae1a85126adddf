/* SPDX-License-Identifier: MIT
 *
 * The searches that quantisers share (maths: weighted least squares on a grid). All arrays are of
 * one block or group of n <= 256 elements; weights are >= 0. Numbers that are not finite give some
 * valid code, never a bad access.
 */
#ifndef CN_QUANTIZER_H
#define CN_QUANTIZER_H

#include <stdint.h>

/* Weights of the errors in a block: with importance v: v * sqrt(s + x^2), s = c * mean of x^2 over
 * the block; without (importance NULL): ones that favour the large elements mildly,
 * sqrt(s) + |x|. */
void cn_quant_weights(int n, const float *x, const float *importance, float c, float *w);

/* x ~ scale * code - min with code in 0..levels, scale >= 0, min >= 0, least weighted squares.
 * code may be NULL. */
void cn_fit_scale_min(int n, const float *x, const float *w, int levels, float *scale, float *min,
                      uint8_t *code);

/* x ~ scale * code with code in -levels..levels-1; scale may be negative. Returns the scale. code
 * may be NULL. */
float cn_fit_symmetric(int n, const float *x, const float *w, int levels, int8_t *code);

/* x ~ scale * table[code], 16 ascending entries. Returns the scale. code may be NULL. */
float cn_fit_table(int n, const float *x, const float *w, const int8_t *table, uint8_t *code);

/* Puts n non-negative numbers on a grid 0..levels with an f16 step; returns the step's bits. */
uint16_t cn_quant_grid(int n, const float *x, int levels, uint8_t *code);

/* The code of the entry of an ascending table of 16 that is nearest to x. */
int cn_nearest_level(const int8_t *table, float x);

/* The f16 nearest to x among the finite ones: a scale in a file must be finite. */
uint16_t cn_quant_f16(float x);

/* 1 / scale for rounding to codes; 0 where that would not be finite. */
float cn_quant_inverse(float scale);

#endif
