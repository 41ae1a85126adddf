/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: plots and tables on the page of a study.
 */
#ifndef CN_REPORT_LAYOUT_H
#define CN_REPORT_LAYOUT_H

#include "bench/report/report_part.h"

/* Appends the plot if plots can be drawn and it has points; then frees it. */
void cn_report_plot(struct cn_report *r, struct cn_plot *plot, const char *title);

/* Appends the table if it has rows, folded up under the title if it is long; then frees it. */
void cn_report_table(struct cn_report *r, struct cn_table *t, const char *title);

#endif
