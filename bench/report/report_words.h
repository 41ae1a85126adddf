/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: what a comparison of two configurations comes to, in words that
 * a reader needs no statistics for.
 */
#ifndef CN_REPORT_WORDS_H
#define CN_REPORT_WORDS_H

#include "bench/report/report_compare.h"
#include "bench/report/report_text.h"

/* "8.1%", "25%"; of a ratio to 1, without a sign. */
void cn_say_share(struct cn_say *t, double ratio);

/* " needs 8.1% more energy per generated token than Q4_K_M (5.2 to 11%), p = 0.004": what is behind
 * the subject of a sentence. b / a is c->tost.estimate with its 90% interval. */
void cn_say_comparison(struct cn_say *t, struct cn_metric m, const char *a,
                       const struct cn_comparison *c, enum cn_verdict verdict);

/* What is left of a comparison without the pairs that hold a disturbed run: " Decode energy without
 * the 4 of 12 pairs in which a run was disturbed: 1.079 times (1.02 to 1.14), p = 0.03 ..." `what`
 * is the metric, or "" where the sentence before says it. Nothing if there are no such pairs. */
void cn_say_quiet(struct cn_say *t, const char *what, size_t n_all,
                  const struct cn_comparison *quiet);

#endif
