/* SPDX-License-Identifier: MIT
 *
 * The part of carnot compare that checks published figures (--published).
 */
#ifndef CN_COMPARE_PUBLISHED_H
#define CN_COMPARE_PUBLISHED_H

#include "base/table.h"
#include "bench/stats/dataset.h"
#include "bench/stats/published.h"

/* Prints the figures that do not agree with the runs (in other formats than Markdown all of them)
 * and how many do. Returns the exit code: CN_EXIT_FAILED if one does not. */
int cn_compare_published(const struct cn_dataset *runs, const struct cn_dataset *published,
                         const struct cn_published_options *options, enum cn_table_format format);

#endif
