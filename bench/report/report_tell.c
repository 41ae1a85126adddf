/* SPDX-License-Identifier: MIT */
#include "bench/report/report_tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cn_tell(struct cn_findings *j, const struct cn_say *statement, const struct cn_say *evidence)
{
    if (j->heading)
        cn_page_heading(j->r->page, j->heading);
    j->heading = NULL;
    cn_page_finding(j->r->page, statement->s, evidence->s);
}

void cn_cannot(struct cn_findings *j, const char *what, const char *why, ...)
{
    va_list args;
    if (j->n_gaps == CN_GAPS)
        return;
    cn_say(&j->gaps[j->n_gaps].what, "%s", what);
    va_start(args, why);
    vsnprintf(j->gaps[j->n_gaps].why.s, sizeof j->gaps[j->n_gaps].why.s, why, args);
    va_end(args);
    j->n_gaps++;
}

void cn_put_p(struct cn_table *t, const char *key, double p)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.2g", p);
    cn_table_f64(t, key, strtod(digits, NULL));
}

void cn_say_metric(const struct cn_report *r, struct cn_say *t, struct cn_metric m)
{
    const struct cn_metric_info *info = cn_metric_info(m.kind);
    cn_say(t, "%s", info->name);
    if (info->energy)
        cn_say(t, " (%s)", r->sources[m.source].name);
}
