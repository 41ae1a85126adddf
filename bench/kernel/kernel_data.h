/* SPDX-License-Identifier: MIT
 *
 * Inputs for checking and timing kernels: blocks of any format with every kind of content that a
 * file may have, and activations. Nothing here knows a format: where the scales of a block lie is
 * found by trying (bytes that make its elements NaN), so a new format is covered as it stands.
 */
#ifndef CN_KERNEL_DATA_H
#define CN_KERNEL_DATA_H

#include "base/rng.h"
#include "quant/quant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cn_pattern {
    CN_PATTERN_ZEROS,    /* all bytes 0 */
    CN_PATTERN_ONES,     /* all bytes 0xff: in most formats the scales are NaN */
    CN_PATTERN_RANDOM,   /* any bytes of which all elements are finite */
    CN_PATTERN_EXTREME,  /* codes of equal bytes (0, 0xff, 0xf0, ...), moderate scales */
    CN_PATTERN_NEG_ZERO, /* scales -0 */
    CN_PATTERN_DENORMAL, /* the smallest scales */
    CN_PATTERN_HUGE,     /* the largest scales */
    CN_PATTERN_NOISE,    /* noise through the format's quantiser */
    CN_N_PATTERNS
};
const char *cn_pattern_name(enum cn_pattern pattern);

/* Blocks of one format to draw from. */
struct cn_blocks;

/* NULL if out of memory. */
struct cn_blocks *cn_blocks_create(const struct cn_format *format, uint64_t seed);
void cn_blocks_free(struct cn_blocks *b);

/* Writes n_blocks blocks of the pattern, drawn at random. */
void cn_blocks_fill(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                    size_t n_blocks, void *out);
/* The same of a row of n_cols columns, with a header where the format has one. */
void cn_row_fill(const struct cn_blocks *b, enum cn_pattern pattern, struct cn_rng *rng,
                 int64_t n_cols, void *row);

enum cn_act_pattern {
    CN_ACTS_NORMAL,
    CN_ACTS_ONE,      /* a single element is not zero: no other error hides its own */
    CN_ACTS_OUTLIERS, /* one in 32 is forty times the others */
    CN_ACTS_TOP,      /* all 127 steps, the sign by groups of 32: the largest integer sums */
    CN_ACTS_SIGNS,    /* +-127 steps at random */
    CN_ACTS_ZERO,
    CN_ACTS_TINY, /* scales near the smallest normal float */
    CN_N_ACTS
};
const char *cn_act_pattern_name(enum cn_act_pattern pattern);
void cn_acts_fill(enum cn_act_pattern pattern, struct cn_rng *rng, int64_t n, float *x);

#endif
