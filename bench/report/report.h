/* SPDX-License-Identifier: MIT
 *
 * The page of a study (bench/page/page.h): findings with their tests, plots, tables, provenance.
 */
#ifndef CN_REPORT_H
#define CN_REPORT_H

#include "engine/carnot.h"

struct cn_report_made {
    int64_t n_runs;      /* that the page tells of */
    const char *missing; /* a line that says what plots would need; NULL: nothing is missing */
};

/* Reads the database of a study (bench/study/study_db.h), which may be running, and writes the
 * page. */
enum cn_status cn_report_study(const char *db, const char *out, struct cn_report_made *made,
                               struct cn_error *err);

/* A table in one of the forms that bench/stats/dataset.h reads: CSV, JSON, JSON lines. */
struct cn_report_text {
    const char *name; /* of the file; the heading, without folder and suffix */
    const char *text; /* [n] */
    size_t n;
};

/* Writes a page of such tables, and plots what they show of speed against bits per weight.
 * `head` (NULL: nothing) is text that stands above them. */
enum cn_status cn_report_tables(const struct cn_report_text *tables, size_t n_tables,
                                const char *head, const char *out, struct cn_error *err);

#endif
