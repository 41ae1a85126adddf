/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: the front of what no other configuration beats.
 */
#ifndef CN_REPORT_FRONT_H
#define CN_REPORT_FRONT_H

#include "bench/report/report_part.h"

/* What quality is judged by: accuracy, else perplexity, else divergence, which says nothing of one
 * model against another. NULL: nothing of axes[n]. */
const struct cn_quality_axis *cn_front_quality(const struct cn_report *r,
                                               const struct cn_quality_axis *axes, int n);

/* What a token costs: joules of a source, or milliseconds where source is -1. */
struct cn_metric cn_front_cost(int source);

/* Cost against quality (or memory, where quality is NULL), with a line through what nothing else
 * beats in both: the picture of a study. False if out of memory. */
bool cn_front_picture(struct cn_report *r, const struct cn_quality_axis *quality, int source);

#endif
