/* SPDX-License-Identifier: MIT
 *
 * What a column of results is for, told by its name and what it holds.
 */
#ifndef CN_COLUMN_ROLE_H
#define CN_COLUMN_ROLE_H

#include "bench/stats/dataset.h"

enum cn_role {
    CN_ROLE_FACTOR,     /* says what was measured: texts, and numbers such as threads */
    CN_ROLE_SPLIT,      /* a factor whose values are never one sample: prefill and decode */
    CN_ROLE_REPETITION, /* a factor that counts: which of several like measurements it was */
    CN_ROLE_WORK,       /* was to be the same for what is compared: tokens, boundary */
    CN_ROLE_METRIC,     /* a number that people compare */
    CN_ROLE_NUMBER,     /* any other number */
    CN_ROLE_QUIET       /* remarks, dates, bounds of another column, empty */
};

enum cn_role cn_column_role(const struct cn_dataset *dataset, size_t column);

#endif
