/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: what tables of kernels, and of programs held against each other,
 * show at a glance.
 */
#ifndef CN_REPORT_KERNELS_H
#define CN_REPORT_KERNELS_H

#include "bench/page/page.h"
#include "bench/stats/dataset.h"

/* Appends pictures of a table of carnot kernels or of --against; nothing for other tables. plots:
 * they can be drawn; what is said in words is said without them too. False if out of memory. */
bool cn_report_kernels(struct cn_page *page, const struct cn_dataset *d, bool plots);
bool cn_report_against(struct cn_page *page, const struct cn_dataset *d, bool plots);

#endif
