/* SPDX-License-Identifier: MIT
 *
 * Whether the numbers of a row lie where a format's scales reach. A format's error is a share of
 * the row, whatever the row's size, until a scale would have to be larger than there are (of an
 * f16: 65504) or finer than there are (2^-24).
 */
#ifndef CN_ROW_FIT_H
#define CN_ROW_FIT_H

#include "quant/quant.h"

enum cn_row_fit {
    CN_ROW_FITS,
    CN_ROW_FAINT,    /* so small that it came out coarser than a larger one would */
    CN_ROW_TOO_LARGE /* so large that it came out wrong */
};

/* Floats that cn_row_fit needs beside the row: [n] and bytes of one row of the format. */
size_t cn_row_fit_scratch(int64_t n_cols);

/* How x[n_cols] (finite) came out as `row`, made by the format's quantiser with these importance
 * weights (or NULL). Only of rows far from 1 is more than their size looked at: those are quantised
 * once more at another size. scratch: [cn_row_fit_scratch(n_cols)]; spare: the bytes of a row. */
enum cn_row_fit cn_row_fit(const struct cn_format *format, int64_t n_cols, const float *x,
                           const float *importance, const void *row, float *scratch, void *spare);

#endif
