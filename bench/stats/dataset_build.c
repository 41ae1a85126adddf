/* SPDX-License-Identifier: MIT
 *
 * The table behind a dataset: it grows by columns, then by rows.
 */
#include "bench/stats/dataset_build.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 4096, MOST_CELLS = 1 << 24, CHUNK = 64 * 1024 };

struct cn_dataset_text {
    struct cn_dataset_text *next;
    size_t used, room;
    char bytes[];
};

enum cn_status cn_dataset_no_memory(const struct cn_dataset_build *b)
{
    return cn_fail(b->err, CN_ERR_MEMORY, "%s: out of memory", b->name);
}

bool cn_dataset_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* Texts end up in messages and sentences, which are one line, and on terminals. */
static const char *keep(struct cn_dataset *d, const char *text, size_t n)
{
    struct cn_dataset_text *t = d->texts;
    if (!t || t->room - t->used <= n) {
        size_t room = n + 1 > CHUNK ? n + 1 : CHUNK;
        t = malloc(sizeof *t + room);
        if (!t)
            return NULL;
        *t = (struct cn_dataset_text){ .next = d->texts, .room = room };
        d->texts = t;
    }
    char *copy = t->bytes + t->used;
    for (size_t i = 0; i < n; i++)
        copy[i] = cn_dataset_is_control(text[i]) ? ' ' : text[i];
    copy[n] = '\0';
    t->used += n + 1;
    return copy;
}

void cn_dataset_free(struct cn_dataset *d)
{
    if (!d)
        return;
    while (d->texts) {
        struct cn_dataset_text *next = d->texts->next;
        free(d->texts);
        d->texts = next;
    }
    free(d->columns);
    free(d->cells);
    free(d);
}

int64_t cn_dataset_column(const struct cn_dataset *d, const char *name, size_t n_name)
{
    for (size_t c = 0; c < d->n_columns; c++)
        if (strlen(d->columns[c]) == n_name && memcmp(d->columns[c], name, n_name) == 0)
            return (int64_t)c;
    return -1;
}

const struct cn_cell *cn_dataset_at(const struct cn_dataset *d, size_t row, const char *column)
{
    static const struct cn_cell none = { NULL, (double)NAN };
    const int64_t c = cn_dataset_column(d, column, strlen(column));
    return c < 0 ? &none : cn_dataset_cell(d, row, (size_t)c);
}

const char *cn_dataset_text_at(const struct cn_dataset *d, size_t row, const char *column)
{
    const char *text = cn_dataset_at(d, row, column)->text;
    return text ? text : "";
}

bool cn_dataset_build_begin(struct cn_dataset_build *b)
{
    b->d = calloc(1, sizeof *b->d);
    return b->d && cn_strmap_init(&b->map, 0);
}

enum cn_status cn_dataset_build_finish(struct cn_dataset_build *b, enum cn_status status,
                                       struct cn_dataset **dataset)
{
    if (status == CN_OK)
        *dataset = b->d;
    else
        cn_dataset_free(b->d);
    cn_strmap_free(&b->map);
    return status;
}

int64_t cn_dataset_build_find(const struct cn_dataset_build *b, const char *name, size_t n)
{
    return cn_strmap_find(&b->map, (struct cn_str){ name, n });
}

enum cn_status cn_dataset_build_column(struct cn_dataset_build *b, const char *name, size_t n)
{
    struct cn_dataset *d = b->d;
    CN_RETURN_IF(d->n_columns == MOST_COLUMNS, CN_ERR_FORMAT, b->err,
                 "%s: expected at most %d columns, found more", b->name, MOST_COLUMNS);
    if ((d->n_columns & (d->n_columns - 1)) == 0) { /* full at powers of two */
        const char **columns =
            realloc(d->columns, (d->n_columns ? 2 * d->n_columns : 1) * sizeof *columns);
        if (!columns)
            return cn_dataset_no_memory(b);
        d->columns = columns;
    }
    const char *copy = keep(d, name, n);
    if (!copy || !cn_strmap_add(&b->map, (struct cn_str){ copy, n }))
        return cn_dataset_no_memory(b);
    d->columns[d->n_columns++] = copy;
    return CN_OK;
}

enum cn_status cn_dataset_build_row(struct cn_dataset_build *b)
{
    struct cn_dataset *d = b->d;
    CN_RETURN_IF((d->n_rows + 1) * d->n_columns > MOST_CELLS, CN_ERR_FORMAT, b->err,
                 "%s: expected at most %d cells, found more", b->name, MOST_CELLS);
    if (d->n_rows == b->room) {
        size_t room = b->room ? 2 * b->room : 64;
        struct cn_cell *cells = realloc(d->cells, room * d->n_columns * sizeof *cells);
        if (!cells)
            return cn_dataset_no_memory(b);
        d->cells = cells;
        b->room = room;
    }
    for (size_t c = 0; c < d->n_columns; c++)
        d->cells[d->n_rows * d->n_columns + c] = (struct cn_cell){ NULL, (double)NAN };
    d->n_rows++;
    return CN_OK;
}

struct cn_cell *cn_dataset_build_cell(struct cn_dataset_build *b, size_t column)
{
    return b->d->cells + (b->d->n_rows - 1) * b->d->n_columns + column;
}

double cn_dataset_number(const char *text)
{
    char *end;
    if (text[strspn(text, "+-.0123456789eE")])
        return (double)NAN;
    double v = strtod(text, &end);
    return end > text && !*end && isfinite(v) ? v : (double)NAN;
}

enum cn_status cn_dataset_build_text(struct cn_dataset_build *b, struct cn_cell *cell,
                                     const char *text, size_t n)
{
    cell->text = keep(b->d, text, n);
    if (!cell->text)
        return cn_dataset_no_memory(b);
    cell->number = cn_dataset_number(cell->text);
    return CN_OK;
}

enum cn_status cn_dataset_build_number(struct cn_dataset_build *b, struct cn_cell *cell, double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", v);
    CN_TRY(cn_dataset_build_text(b, cell, text, strlen(text)));
    cell->number = isfinite(v) ? v : (double)NAN;
    return CN_OK;
}
