/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: findings while they are being made. Each question has a file of
 * its own that tells its answers here; the chapter (report_findings.c) asks them one after the
 * other.
 */
#ifndef CN_REPORT_TELL_H
#define CN_REPORT_TELL_H

#include "bench/report/report_part.h"
#include "bench/report/report_text.h"

enum { CN_GAPS = 16 };

struct cn_findings {
    struct cn_report *r;
    struct cn_table *comparisons, *fits, *sizes, *depths;
    const char *heading; /* of the question; appended before its first answer */
    struct {
        struct cn_say what, why;
    } gaps[CN_GAPS]; /* questions that stay open; told after the findings */
    int n_gaps;
    bool ok; /* false: out of memory */
};

/* A finding, and the test behind it. */
void cn_tell(struct cn_findings *j, const struct cn_say *statement, const struct cn_say *evidence);
/* A question that the data cannot answer, and why. */
__attribute__((format(printf, 3, 4))) void cn_cannot(struct cn_findings *j, const char *what,
                                                     const char *why, ...);

/* A p in a table: two digits say all of it. */
void cn_put_p(struct cn_table *t, const char *key, double p);

/* "decode energy (package by powercap:package, measured)" */
void cn_say_metric(const struct cn_report *r, struct cn_say *t, struct cn_metric m);

/* ", " before a setting that has a name. */
static inline const char *cn_comma(const char *setting)
{
    return *setting ? ", " : "";
}

#endif
