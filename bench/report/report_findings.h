/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: the questions that the chapter of findings asks. Each tells what
 * it finds, and what it cannot (bench/report/report_tell.h); j->ok is false when memory ran out.
 */
#ifndef CN_REPORT_FINDINGS_H
#define CN_REPORT_FINDINGS_H

#include "bench/report/report_tell.h"

void cn_find_k_against_iq(struct cn_findings *j);     /* report_k_iq.c */
void cn_find_format_or_kernel(struct cn_findings *j); /* report_k_iq.c */
void cn_find_near_linear(struct cn_findings *j);      /* report_bits.c */
void cn_find_threshold(struct cn_findings *j);        /* report_bits.c */
void cn_find_sizes(struct cn_findings *j);            /* report_sizes.c */
void cn_find_threads(struct cn_findings *j);          /* report_factors.c */
void cn_find_levers(struct cn_findings *j);           /* report_factors.c */
void cn_find_depth(struct cn_findings *j);            /* report_depth.c */
void cn_find_experts(struct cn_findings *j);          /* report_experts.c */

#endif
