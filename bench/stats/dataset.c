/* SPDX-License-Identifier: MIT */
#include "bench/stats/dataset.h"

#include "base/error.h"
#include "bench/stats/dataset_build.h"

#include <string.h>

static enum cn_status parse(struct cn_dataset_build *b, const char *text, size_t n)
{
    size_t blanks = 0;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* what some editors put in front */
        text += 3;
        n -= 3;
    }
    CN_RETURN_IF(n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0),
                 CN_ERR_FORMAT, b->err, "%s: expected UTF-8, found UTF-16: save it as UTF-8",
                 b->name);
    while (blanks < n && text[blanks] && strchr(" \t\r\n", text[blanks]))
        blanks++;
    CN_RETURN_IF(
        blanks == n, CN_ERR_FORMAT, b->err,
        "%s: expected CSV with a header, JSON, JSON lines or a Markdown table, found nothing",
        b->name);
    if (text[blanks] == '[' || text[blanks] == '{')
        CN_TRY(cn_dataset_read_json(b, text, n));
    else if (text[blanks] == '|')
        CN_TRY(cn_dataset_read_markdown(b, text, n));
    else
        CN_TRY(cn_dataset_read_csv(b, text, n));
    CN_RETURN_IF(b->d->n_rows == 0 || b->d->n_columns == 0, CN_ERR_FORMAT, b->err,
                 "%s: expected rows of results, found none", b->name);
    return CN_OK;
}

enum cn_status cn_dataset_parse(const char *text, size_t n, const char *name,
                                struct cn_dataset **dataset, struct cn_error *err)
{
    struct cn_dataset_build b = { .name = name, .err = err };
    return cn_dataset_build_finish(
        &b, cn_dataset_build_begin(&b) ? parse(&b, text, n) : cn_dataset_no_memory(&b), dataset);
}

static enum cn_status join(struct cn_dataset_build *b, struct cn_dataset *const *parts,
                           const char *const *labels, size_t n, const char *label)
{
    CN_TRY(cn_dataset_build_column(b, label, strlen(label)));
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < parts[i]->n_columns; c++) {
            const char *name = parts[i]->columns[c];
            if (cn_dataset_build_find(b, name, strlen(name)) < 0)
                CN_TRY(cn_dataset_build_column(b, name, strlen(name)));
        }
    for (size_t i = 0; i < n; i++) {
        const struct cn_dataset *part = parts[i];
        for (size_t r = 0; r < part->n_rows; r++) {
            CN_TRY(cn_dataset_build_row(b));
            CN_TRY(cn_dataset_build_text(b, cn_dataset_build_cell(b, 0), labels[i],
                                         strlen(labels[i])));
            for (size_t c = 0; c < part->n_columns; c++) {
                const struct cn_cell *from = cn_dataset_cell(part, r, c);
                const char *name = part->columns[c];
                int64_t to = cn_dataset_build_find(b, name, strlen(name));
                if (to > 0 && from->text) { /* 0: the label hides a column of its name */
                    struct cn_cell *cell = cn_dataset_build_cell(b, (size_t)to);
                    CN_TRY(cn_dataset_build_text(b, cell, from->text, strlen(from->text)));
                    cell->number = from->number;
                }
            }
        }
    }
    return CN_OK;
}

enum cn_status cn_dataset_join(struct cn_dataset *const *parts, const char *const *labels, size_t n,
                               const char *label, struct cn_dataset **dataset, struct cn_error *err)
{
    struct cn_dataset_build b = { .name = label, .err = err };
    return cn_dataset_build_finish(&b,
                                   cn_dataset_build_begin(&b) ? join(&b, parts, labels, n, label)
                                                              : cn_dataset_no_memory(&b),
                                   dataset);
}
