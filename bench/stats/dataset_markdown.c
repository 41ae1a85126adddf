/* SPDX-License-Identifier: MIT
 *
 * A Markdown table, as llama-bench and others print it.
 */
#include "bench/stats/dataset_build.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* A line of cells: | a | b |. */
struct line {
    const char *p, *end;
    char *cell; /* as long as the text at most */
    size_t n_cell;
};

/* Reads the next cell, without the blanks around it. False behind the last one. */
static bool next_cell(struct line *l)
{
    while (l->p < l->end && strchr(" \t", *l->p))
        l->p++;
    l->n_cell = 0;
    if (l->p == l->end)
        return false;
    for (; l->p < l->end && *l->p != '|'; l->p++) {
        l->p += *l->p == '\\' && l->p + 1 < l->end && l->p[1] == '|';
        l->cell[l->n_cell++] = *l->p;
    }
    l->p += l->p < l->end;
    while (l->n_cell && strchr(" \t", l->cell[l->n_cell - 1]))
        l->n_cell--;
    l->cell[l->n_cell] = '\0';
    return true;
}

/* |---|---:| */
static bool is_rule(const char *p, const char *end)
{
    bool dash = false;
    for (; p < end; p++) {
        dash |= *p == '-';
        if (!*p || !strchr("|-: \t", *p))
            return false;
    }
    return dash;
}

static enum cn_status read_header(struct cn_dataset_build *b, struct line *l)
{
    while (next_cell(l)) {
        CN_RETURN_IF(l->n_cell == 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected a header with names of columns, found an empty name",
                     b->name);
        CN_RETURN_IF(cn_dataset_build_find(b, l->cell, l->n_cell) >= 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected different names of columns, found '%.80s' twice",
                     b->name, l->cell);
        CN_TRY(cn_dataset_build_column(b, l->cell, l->n_cell));
    }
    return CN_OK;
}

/* "120.11 ± 1.20" is the number before the sign: what stands behind it is no interval (llama-bench
 * writes a standard deviation). */
static void read_mean(struct cn_cell *cell)
{
    const char *sign = strstr(cell->text, "\u00b1");
    char mean[64];
    size_t n = sign ? (size_t)(sign - cell->text) : 0;
    while (n && cell->text[n - 1] == ' ')
        n--;
    if (!n || n >= sizeof mean)
        return;
    memcpy(mean, cell->text, n);
    mean[n] = '\0';
    cell->number = cn_dataset_number(mean);
}

static enum cn_status read_row(struct cn_dataset_build *b, struct line *l, size_t line)
{
    size_t n = 0;
    CN_TRY(cn_dataset_build_row(b));
    for (; next_cell(l); n++)
        if (n < b->d->n_columns && l->n_cell) {
            CN_TRY(cn_dataset_build_text(b, cn_dataset_build_cell(b, n), l->cell, l->n_cell));
            read_mean(cn_dataset_build_cell(b, n));
        }
    CN_RETURN_IF(n != b->d->n_columns, CN_ERR_FORMAT, b->err,
                 "%s: line %zu: expected %zu cells as in the header, found %zu", b->name, line,
                 b->d->n_columns, n);
    return CN_OK;
}

enum cn_status cn_dataset_read_markdown(struct cn_dataset_build *b, const char *text, size_t n)
{
    struct line l = { .cell = malloc(n + 1) };
    const char *end = text + n;
    enum { HEADER, RULE, ROWS, BEHIND } at = HEADER;
    enum cn_status status = l.cell ? CN_OK : cn_dataset_no_memory(b);
    for (size_t line = 1; status == CN_OK && text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        const char *p = text, *last = stop;
        while (p < last && strchr(" \t\r", *p))
            p++;
        while (last > p && strchr(" \t\r", last[-1]))
            last--;
        l.p = p + 1;
        l.end = last;
        bool row = p < last && *p == '|';
        if (row && at == BEHIND)
            status = cn_fail(b->err, CN_ERR_FORMAT,
                             "%s: line %zu: expected one table, found a second one", b->name, line);
        else if (at == HEADER && row) {
            status = read_header(b, &l);
            at = RULE;
        } else if (at == RULE) {
            if (!row || !is_rule(p, last))
                status = cn_fail(b->err, CN_ERR_FORMAT,
                                 "%s: line %zu: expected |---| below the header of a table",
                                 b->name, line);
            at = ROWS;
        } else if (row) {
            status = read_row(b, &l, line);
        } else if (at == ROWS) {
            at = BEHIND; /* what a program says after its table */
        }
        text = stop + 1;
    }
    free(l.cell);
    return status;
}
