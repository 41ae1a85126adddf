/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/stats/dataset.h: a dataset while it is being read, and the readers of each form.
 */
#ifndef CN_DATASET_BUILD_H
#define CN_DATASET_BUILD_H

#include "base/strmap.h"
#include "bench/stats/dataset.h"

#include <stdbool.h>

struct cn_dataset_build {
    struct cn_dataset *d;
    const char *name;     /* of the file; it starts every message */
    size_t room;          /* rows */
    struct cn_strmap map; /* of the columns, because files may have thousands */
    struct cn_error *err;
};

/* Begins an empty dataset in a build whose name and err are set. False if out of memory;
 * cn_dataset_build_finish is due all the same. */
bool cn_dataset_build_begin(struct cn_dataset_build *b);
/* Hands the dataset over if status is CN_OK, else frees it. Returns status. */
enum cn_status cn_dataset_build_finish(struct cn_dataset_build *b, enum cn_status status,
                                       struct cn_dataset **dataset);

/* Columns are added before the first row, each once. */
enum cn_status cn_dataset_build_column(struct cn_dataset_build *b, const char *name, size_t n);
/* -1 if there is none. */
int64_t cn_dataset_build_find(const struct cn_dataset_build *b, const char *name, size_t n);

/* Adds a row whose cells are all null. */
enum cn_status cn_dataset_build_row(struct cn_dataset_build *b);
struct cn_cell *cn_dataset_build_cell(struct cn_dataset_build *b, size_t column); /* last row's */
/* Copies text[0..n) into the cell; its number is what the whole text says as a decimal number. */
enum cn_status cn_dataset_build_text(struct cn_dataset_build *b, struct cn_cell *cell,
                                     const char *text, size_t n);
enum cn_status cn_dataset_build_number(struct cn_dataset_build *b, struct cn_cell *cell, double v);

/* A decimal number: no "inf", no hexadecimal. NaN if the text is not one. */
double cn_dataset_number(const char *text);
/* Characters that would end a line or move a terminal's cursor. */
bool cn_dataset_is_control(char c);
enum cn_status cn_dataset_no_memory(const struct cn_dataset_build *b);

/* The readers: text[0..n) of one form into columns and rows. */
enum cn_status cn_dataset_read_csv(struct cn_dataset_build *b, const char *text, size_t n);
enum cn_status cn_dataset_read_json(struct cn_dataset_build *b, const char *text, size_t n);
enum cn_status cn_dataset_read_markdown(struct cn_dataset_build *b, const char *text, size_t n);

#endif
