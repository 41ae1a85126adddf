/* SPDX-License-Identifier: MIT
 *
 * Results as rows of named columns, read from what programs write: CSV (also with tabs or
 * semicolons, and then decimal commas), JSON, JSON lines, a Markdown table.
 *
 * A JSON document is an array of objects, an object whose one list of objects holds the results
 * (hyperfine), or an object that is a result itself. An object inside a result gives columns called
 * OUTER.INNER; an estimate with its interval (Criterion) gives NAME, NAME_lo and NAME_hi. Each of
 * hyperfine's `times` is a row of its own; what a result says of all of them together stands in the
 * first of these rows or, where it follows from them, nowhere. The samples of llama-bench give its
 * avg_ts bounds of a 95% interval, avg_ts_lo and avg_ts_hi.
 */
#ifndef CN_DATASET_H
#define CN_DATASET_H

#include "engine/carnot.h"

/* A null, an empty field and what is missing: text NULL. The same number has the same text
 * whichever way a JSON file wrote it; CSV keeps what was written, but control characters become
 * blanks. */
struct cn_cell {
    const char *text;
    double number; /* NaN: not a number */
};

struct cn_dataset {
    size_t n_columns, n_rows;
    const char **columns;  /* [n_columns] names, all different */
    struct cn_cell *cells; /* [n_rows, n_columns] */
    struct cn_dataset_text *texts;
};

/* text[0..n) becomes a dataset; `name` (a file) starts the message of an error, which says the
 * line. At most 4096 columns and 16 million cells; a JSON
 * array of 16 MiB at most. The caller frees it. */
enum cn_status cn_dataset_parse(const char *text, size_t n, const char *name,
                                struct cn_dataset **dataset, struct cn_error *err);
/* The rows of parts[n], one part after the other, all columns of any; in front a column called
 * `label` that says labels[i] of the rows of part i. */
enum cn_status cn_dataset_join(struct cn_dataset *const *parts, const char *const *labels, size_t n,
                               const char *label, struct cn_dataset **dataset,
                               struct cn_error *err);
void cn_dataset_free(struct cn_dataset *dataset); /* NULL is allowed */

/* -1 if there is none. */
int64_t cn_dataset_column(const struct cn_dataset *dataset, const char *name, size_t n_name);

static inline const struct cn_cell *cn_dataset_cell(const struct cn_dataset *dataset, size_t row,
                                                    size_t column)
{
    return &dataset->cells[row * dataset->n_columns + column];
}

/* The cell of a row in the column of that name; one that holds nothing if there is no such column.
 */
const struct cn_cell *cn_dataset_at(const struct cn_dataset *dataset, size_t row,
                                    const char *column);
/* Its text, "" where it holds none. */
const char *cn_dataset_text_at(const struct cn_dataset *dataset, size_t row, const char *column);

#endif
