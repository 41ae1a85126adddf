/* SPDX-License-Identifier: MIT
 *
 * Rows of a dataset (bench/stats/dataset.h) that say the same in some columns.
 */
#ifndef CN_GROUPS_H
#define CN_GROUPS_H

#include "bench/stats/dataset.h"

struct cn_columns {
    size_t *items; /* [n] numbers of columns */
    size_t n;
};

/* Reads "name,name,..."; a name that is no column fails, naming the columns there are. NULL: none.
 * The caller frees items, also after a failure. */
enum cn_status cn_columns_parse(const struct cn_dataset *dataset, const char *names,
                                struct cn_columns *columns, struct cn_error *err);
bool cn_columns_add(struct cn_columns *columns, size_t column);
bool cn_columns_have(const struct cn_columns *columns, size_t column);
/* "model, threads" into text[n]; cut short where there is no room. Returns text. */
const char *cn_columns_text(const struct cn_dataset *dataset, const struct cn_columns *columns,
                            char *text, size_t n);

struct cn_groups {
    size_t n;
    char **names;   /* [n] what the columns say, a blank in between; in the order of appearance */
    size_t *of_row; /* [n_rows] */
};

/* Without columns all rows are one group with an empty name. False if out of memory. The caller
 * frees it, also then. */
bool cn_groups_make(const struct cn_dataset *dataset, const struct cn_columns *columns,
                    struct cn_groups *groups);
/* Calls each group what a reader needs to hear: "prefill", "n_prompt 512, n_gen 0". Numbers come
 * with the name of their column, and a comma stands in between. False if out of memory. */
bool cn_groups_describe(const struct cn_dataset *dataset, const struct cn_columns *columns,
                        struct cn_groups *groups);
void cn_groups_free(struct cn_groups *groups);

#endif
