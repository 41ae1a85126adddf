/* SPDX-License-Identifier: MIT
 *
 * CSV, also with tabs or semicolons between the fields, and then with decimal commas.
 */
#include "bench/stats/dataset_build.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct csv {
    const char *p, *end;
    size_t line;
    char separator;
    char *field; /* as long as the file at most */
    size_t n_field;
    bool quoted; /* "" is an empty text, and nothing a null */
};

/* Reads a field. *last: the line ends behind it. */
static enum cn_status csv_field(struct cn_dataset_build *b, struct csv *csv, bool *last)
{
    size_t opened = csv->line;
    bool inside = csv->p < csv->end && *csv->p == '"';
    csv->n_field = 0;
    csv->quoted = inside;
    csv->p += inside;
    for (; csv->p < csv->end; csv->p++) {
        char c = *csv->p;
        if (c == '"' && inside) {
            if (csv->p + 1 < csv->end && csv->p[1] == '"')
                csv->p++;
            else {
                inside = false;
                continue;
            }
        } else if (!inside && (c == csv->separator || c == '\n')) {
            break;
        } else if (!inside && c == '\r' && (csv->p + 1 == csv->end || csv->p[1] == '\n')) {
            continue;
        }
        CN_RETURN_IF(!c, CN_ERR_FORMAT, b->err, "%s: line %zu: expected text, found a zero byte",
                     b->name, csv->line);
        csv->line += c == '\n';
        csv->field[csv->n_field++] = cn_dataset_is_control(c) ? ' ' : c;
    }
    CN_RETURN_IF(inside, CN_ERR_FORMAT, b->err,
                 "%s: line %zu: expected a closing quote, found the end", b->name, opened);
    *last = csv->p == csv->end || *csv->p == '\n';
    if (csv->p < csv->end)
        csv->p++;
    csv->line += *last;
    return CN_OK;
}

static bool csv_blank_line(struct csv *csv)
{
    const char *p = csv->p;
    while (p < csv->end && *p == '\r')
        p++;
    if (p < csv->end && *p != '\n')
        return false;
    csv->p = p < csv->end ? p + 1 : p;
    csv->line++;
    return true;
}

static enum cn_status csv_header(struct cn_dataset_build *b, struct csv *csv)
{
    for (bool last = false; !last;) {
        CN_TRY(csv_field(b, csv, &last));
        CN_RETURN_IF(csv->n_field == 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected a header with names of columns, found an empty name",
                     b->name);
        CN_RETURN_IF(cn_dataset_build_find(b, csv->field, csv->n_field) >= 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected different names of columns, found '%.*s' twice", b->name,
                     csv->n_field < 80 ? (int)csv->n_field : 80, csv->field);
        CN_TRY(cn_dataset_build_column(b, csv->field, csv->n_field));
    }
    return CN_OK;
}

static enum cn_status csv_row(struct cn_dataset_build *b, struct csv *csv)
{
    size_t line = csv->line, n = 0;
    CN_TRY(cn_dataset_build_row(b));
    for (bool last = false; !last; n++) {
        CN_TRY(csv_field(b, csv, &last));
        if (n < b->d->n_columns && (csv->n_field || csv->quoted))
            CN_TRY(cn_dataset_build_text(b, cn_dataset_build_cell(b, n), csv->field, csv->n_field));
    }
    CN_RETURN_IF(n != b->d->n_columns, CN_ERR_FORMAT, b->err,
                 "%s: line %zu: expected %zu fields as in the header, found %zu", b->name, line,
                 b->d->n_columns, n);
    return CN_OK;
}

/* The separator is the character that stands most often in the first line. */
static char find_separator(const char *text, const char *end)
{
    size_t commas = 0, semicolons = 0, tabs = 0;
    for (; text < end && *text != '\n'; text++) {
        commas += *text == ',';
        semicolons += *text == ';';
        tabs += *text == '\t';
    }
    if (commas >= semicolons && commas >= tabs)
        return ',';
    return tabs >= semicolons ? '\t' : ';';
}

/* ---- decimal commas -------------------------------------------------------------------------- */

/* "-10,5", "3", "1,5e3": digits with a comma at most, where a program of another language has a
 * point. NaN for anything else; *comma says whether there was one. */
static double comma_number(const char *text, bool *comma)
{
    char copy[64];
    size_t n = strlen(text);
    char *at = n < sizeof copy ? memcpy(copy, text, n + 1) : NULL;
    if (!at || strchr(text, '.'))
        return (double)NAN;
    at = strchr(copy, ',');
    *comma |= at != NULL;
    if (at)
        *at = '.';
    return strchr(copy, ',') ? (double)NAN : cn_dataset_number(copy);
}

/* A whole column reads as numbers with a comma, or none of it does: "1,234.5" and "1,234,567" in it
 * show that the comma is no decimal one. */
static void read_commas(struct cn_dataset *d, size_t column)
{
    bool comma = false;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t r = 0; r < d->n_rows; r++) {
            struct cn_cell *cell = &d->cells[r * d->n_columns + column];
            double v = cell->text && *cell->text ? comma_number(cell->text, &comma) : 0;
            if (pass == 0 && isnan(v))
                return;
            if (pass == 1 && comma && cell->text && *cell->text)
                cell->number = v;
        }
}

enum cn_status cn_dataset_read_csv(struct cn_dataset_build *b, const char *text, size_t n)
{
    struct csv csv = { .p = text, .end = text + n, .line = 1 };
    csv.separator = find_separator(csv.p, csv.end);
    csv.field = malloc(n + 1);
    if (!csv.field)
        return cn_dataset_no_memory(b);
    enum cn_status status = csv_header(b, &csv);
    while (status == CN_OK && csv.p < csv.end)
        if (!csv_blank_line(&csv))
            status = csv_row(b, &csv);
    free(csv.field);
    for (size_t c = 0; status == CN_OK && csv.separator != ',' && c < b->d->n_columns; c++)
        read_commas(b->d, c);
    return status;
}
