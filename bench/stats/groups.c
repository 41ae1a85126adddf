/* SPDX-License-Identifier: MIT */
#include "bench/stats/groups.h"

#include "base/error.h"
#include "base/strmap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cn_columns_add(struct cn_columns *columns, size_t column)
{
    size_t *items = realloc(columns->items, (columns->n + 1) * sizeof *items);
    if (!items)
        return false;
    columns->items = items;
    items[columns->n++] = column;
    return true;
}

bool cn_columns_have(const struct cn_columns *columns, size_t column)
{
    for (size_t i = 0; i < columns->n; i++)
        if (columns->items[i] == column)
            return true;
    return false;
}

const char *cn_columns_text(const struct cn_dataset *d, const struct cn_columns *columns,
                            char *text, size_t n)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < columns->n && used < n; i++)
        used += (size_t)snprintf(text + used, n - used, "%s%s", i ? ", " : "",
                                 d->columns[columns->items[i]]);
    return text;
}

enum cn_status cn_columns_parse(const struct cn_dataset *d, const char *names,
                                struct cn_columns *columns, struct cn_error *err)
{
    *columns = (struct cn_columns){ 0 };
    for (const char *p = names; p && *p; p += *p == ',') {
        size_t n = strcspn(p, ",");
        int64_t c = cn_dataset_column(d, p, n);
        if (c < 0) {
            struct cn_columns all = { 0 };
            char there[256];
            for (size_t i = 0; i < d->n_columns && i < 40; i++)
                if (!cn_columns_add(&all, i))
                    break;
            cn_columns_text(d, &all, there, sizeof there);
            free(all.items);
            return cn_fail(err, CN_ERR_ARGUMENT, "expected the name of a column (%s), found '%.*s'",
                           there, n < 80 ? (int)n : 80, p);
        }
        if (!cn_columns_have(columns, (size_t)c) && !cn_columns_add(columns, (size_t)c))
            return cn_fail(err, CN_ERR_MEMORY, "out of memory");
        p += n;
    }
    return CN_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

enum { SEPARATOR = '\x1f' }; /* so that "a b", "c" and "a", "b c" differ */

/* What the columns say in a row. malloc'ed; NULL if out of memory. */
static char *row_key(const struct cn_dataset *d, const struct cn_columns *columns, size_t row)
{
    size_t n = 1;
    for (size_t i = 0; i < columns->n; i++) {
        const char *text = cn_dataset_cell(d, row, columns->items[i])->text;
        n += text ? strlen(text) + 1 : 1;
    }
    char *key = malloc(n), *end = key;
    for (size_t i = 0; key && i < columns->n; i++) {
        const char *text = cn_dataset_cell(d, row, columns->items[i])->text;
        if (i)
            *end++ = SEPARATOR;
        if (text)
            end = stpcpy(end, text);
    }
    if (key)
        *end = '\0';
    return key;
}

static bool fill(const struct cn_dataset *d, const struct cn_columns *columns,
                 struct cn_groups *groups, struct cn_strmap *map)
{
    if (!groups->of_row || !cn_strmap_init(map, 0))
        return false;
    for (size_t row = 0; row < d->n_rows; row++) {
        char *key = row_key(d, columns, row);
        if (!key)
            return false;
        int64_t known = cn_strmap_find(map, (struct cn_str){ key, strlen(key) });
        if (known >= 0) {
            groups->of_row[row] = (size_t)known;
            free(key);
            continue;
        }
        if ((groups->n & (groups->n - 1)) == 0) { /* full at powers of two */
            char **names = realloc(groups->names, (groups->n ? 2 * groups->n : 1) * sizeof *names);
            if (!names) {
                free(key);
                return false;
            }
            groups->names = names;
        }
        groups->of_row[row] = groups->n;
        groups->names[groups->n++] = key;
        if (!cn_strmap_add(map, (struct cn_str){ key, strlen(key) }))
            return false;
    }
    return true;
}

bool cn_groups_make(const struct cn_dataset *d, const struct cn_columns *columns,
                    struct cn_groups *groups)
{
    struct cn_strmap map = { 0 };
    *groups = (struct cn_groups){ .of_row = malloc((d->n_rows + 1) * sizeof *groups->of_row) };
    bool ok = fill(d, columns, groups, &map);
    cn_strmap_free(&map);
    for (size_t i = 0; i < groups->n; i++)
        for (char *p = groups->names[i]; *p; p++)
            if (*p == SEPARATOR)
                *p = ' ';
    return ok;
}

/* Appends to to[*n], or only counts where `to` is NULL. */
static void append(char *to, size_t *n, const char *text)
{
    size_t more = strlen(text);
    if (to)
        memcpy(to + *n, text, more + 1);
    *n += more;
}

/* What a row says in these columns; its length without a place to write it. */
static size_t describe_row(const struct cn_dataset *d, const struct cn_columns *columns, size_t row,
                           char *to)
{
    size_t n = 0;
    append(to, &n, "");
    for (size_t i = 0; i < columns->n; i++) {
        const struct cn_cell *cell = cn_dataset_cell(d, row, columns->items[i]);
        if (!cell->text)
            continue;
        if (n > 0)
            append(to, &n, ", ");
        if (!isnan(cell->number)) {
            append(to, &n, d->columns[columns->items[i]]);
            append(to, &n, " ");
        }
        append(to, &n, cell->text);
    }
    return n;
}

bool cn_groups_describe(const struct cn_dataset *d, const struct cn_columns *columns,
                        struct cn_groups *groups)
{
    size_t next = 0; /* groups are numbered in the order of their first rows */
    for (size_t row = 0; row < d->n_rows && next < groups->n; row++) {
        if (groups->of_row[row] != next)
            continue;
        char *text = malloc(describe_row(d, columns, row, NULL) + 1);
        if (!text)
            return false;
        describe_row(d, columns, row, text);
        free(groups->names[next]);
        groups->names[next++] = text;
    }
    return true;
}

void cn_groups_free(struct cn_groups *groups)
{
    for (size_t i = 0; i < groups->n; i++)
        free(groups->names[i]);
    free(groups->names);
    free(groups->of_row);
    *groups = (struct cn_groups){ 0 };
}
