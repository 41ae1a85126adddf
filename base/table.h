/* SPDX-License-Identifier: MIT
 *
 * Result tables: one data path for people (aligned Markdown) and programs (csv, json, jsonl, sql).
 * Unknown is never zero: a cell is a value or null, and null prints as its status text in Markdown
 * ("unsupported", "unresolved", "-") and as null / empty elsewhere.
 */
#ifndef CN_TABLE_H
#define CN_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum cn_table_format {
    CN_TABLE_MD,
    CN_TABLE_CSV,
    CN_TABLE_JSON,
    CN_TABLE_JSONL,
    CN_TABLE_SQL,
    CN_TABLE_HTML
};

/* "md", "csv", ...; false if unknown. */
bool cn_table_format_parse(const char *name, enum cn_table_format *format);

struct cn_table; /* rows of named columns */

/* At least one column before the first row; setting a key that the row lacks is a bug (asserted).
 * name: the SQL table's. The caller frees it. All strings are copied. NULL if out of memory. */
struct cn_table *cn_table_create(const char *name);
void cn_table_free(struct cn_table *t);

/* Adds a column. key: in json/csv/sql. title: in Markdown; NULL leaves the column out there.
 * digits: decimals in Markdown (-1: as is; CN_TABLE_SIGNIFICANT + n: n significant digits). */
enum { CN_TABLE_SIGNIFICANT = 100 };
void cn_table_column(struct cn_table *t, const char *key, const char *title, int digits);

/* Starts a row; then sets its cells by key. A cell that is not set is null ("-" in Markdown). */
void cn_table_row(struct cn_table *t);
void cn_table_str(struct cn_table *t, const char *key, const char *value); /* NULL value: null */
void cn_table_f64(struct cn_table *t, const char *key, double value);      /* NaN, inf: null */
void cn_table_i64(struct cn_table *t, const char *key, int64_t value);
void cn_table_bool(struct cn_table *t, const char *key, bool value);
void cn_table_null(struct cn_table *t, const char *key, const char *status); /* NULL: "-" */
/* A value that is JSON already (an object, an array); Markdown and csv show the text. */
void cn_table_json(struct cn_table *t, const char *key, const char *json);

int64_t cn_table_n_rows(const struct cn_table *t);

/* Prints the rows: md aligned, numbers to the right; csv quoted as in RFC 4180 with \n line ends;
 * json an array of objects, jsonl one object a line, keys in the order of the columns, none
 * missing; sql CREATE TABLE IF NOT EXISTS and INSERTs. Numbers outside md read back as the same
 * double. False if memory ran out (also earlier, while the table was filled: nothing is printed
 * then) or `out` failed. */
bool cn_table_print(const struct cn_table *t, enum cn_table_format format, FILE *out);

/* The format that a file's name ends in (.csv, .json, .html: a <table> for a page, ...); false if
 * there is none of that name. */
bool cn_table_format_of(const char *path, enum cn_table_format *format);

/* Writes the table to a file in the format its name ends in, Markdown if unknown, under a temporary
 * name first. */
enum cn_status cn_table_save(const struct cn_table *t, const char *path, struct cn_error *err);

#endif
