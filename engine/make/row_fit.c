/* SPDX-License-Identifier: MIT */
#include "engine/make/row_fit.h"

#include <math.h>

/* Beyond these no scale of any format is in doubt. */
#define LARGEST  0x1p11f /* of one element: that of NVFP4 is 2688 */
#define SMALLEST 0x1p-11 /* root mean square */
/* The error may be larger by so much than that of the same row in the middle of the range. */
#define ALLOWED 1.05

size_t cn_row_fit_scratch(int64_t n_cols)
{
    return 2 * (size_t)n_cols;
}

/* What the decoded row misses, squared and summed. Infinite, or not a number, as the row is. */
static double miss(const struct cn_format *format, int64_t n_cols, const float *x, const void *row,
                   float *decoded)
{
    double sum = 0;
    format->ref->dequantize(n_cols, row, decoded);
    for (int64_t i = 0; i < n_cols; i++) {
        double d = (double)x[i] - (double)decoded[i];
        sum += d * d;
    }
    return sum;
}

enum cn_row_fit cn_row_fit(const struct cn_format *format, int64_t n_cols, const float *x,
                           const float *importance, const void *row, float *scratch, void *spare)
{
    float top = 0, *scaled = scratch, *decoded = scratch + n_cols;
    double squares = 0;
    for (int64_t i = 0; i < n_cols; i++) {
        top = fmaxf(top, fabsf(x[i]));
        squares += (double)x[i] * (double)x[i];
    }
    if (top == 0 || (top < LARGEST && squares >= SMALLEST * SMALLEST * (double)n_cols))
        return CN_ROW_FITS;
    /* A power of two, so that nothing but the range changes: the largest element comes to 1..2. */
    const int exponent = -ilogbf(top);
    for (int64_t i = 0; i < n_cols; i++)
        scaled[i] = ldexpf(x[i], exponent);
    format->ref->quantize(n_cols, scaled, importance, spare);
    double normal = ldexp(sqrt(miss(format, n_cols, scaled, spare, decoded)), -exponent);
    double here = sqrt(miss(format, n_cols, x, row, decoded));
    if (here <= ALLOWED * normal)
        return CN_ROW_FITS;
    return top >= LARGEST ? CN_ROW_TOO_LARGE : CN_ROW_FAINT;
}
