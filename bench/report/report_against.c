/* SPDX-License-Identifier: MIT
 *
 * A table of carnot kernels or bench --against, --external: old against new, with intervals.
 */
#include "bench/page/plot.h"
#include "bench/report/report_kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a row is of, from the columns that say it and differ. */
static void row_name(const struct cn_dataset *d, size_t row, char *name, size_t n)
{
    static const char *const columns[] = { "format", "tier",    "job",    "rows", "cols",
                                           "tokens", "cache",   "model",  "test", "n_tokens",
                                           "depth",  "threads", "against" };
    size_t used = 0;
    name[0] = 0;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const char *value = cn_dataset_text_at(d, row, columns[i]), *slash = strrchr(value, '/');
        bool differs = i < 3 || strcmp(columns[i], "test") == 0;
        for (size_t r = 0; r < d->n_rows && !differs; r++)
            differs = strcmp(cn_dataset_text_at(d, r, columns[i]), value) != 0;
        if (!differs || !*value || used >= n)
            continue;
        used += (size_t)snprintf(name + used, n - used, "%s%s", used ? " " : "",
                                 slash ? slash + 1 : value);
    }
}

static void say(struct cn_page *page, const struct cn_dataset *d)
{
    int n[4] = { 0 };
    static const char *const words[] = { "slower", "faster", "equivalent", "undecided" };
    for (size_t r = 0; r < d->n_rows; r++)
        for (int i = 0; i < 4; i++)
            n[i] += strcmp(cn_dataset_text_at(d, r, "verdict"), words[i]) == 0;
    cn_page_lead(page, "Against %s: %d slower, %d faster, %d equivalent, %d undecided.",
                 cn_dataset_text_at(d, 0, "against"), n[0], n[1], n[2], n[3]);
    for (size_t r = 0; r < d->n_rows; r++) {
        char name[160];
        if (strcmp(cn_dataset_text_at(d, r, "verdict"), "equivalent") == 0 || r > 40)
            continue;
        row_name(d, r, name, sizeof name);
        cn_page_text(page, "%s: %s.", name, cn_dataset_text_at(d, r, "sentence"));
    }
}

/* The margin on both sides of 1, through the whole height. */
static void put_margin(struct cn_plot *p, double margin)
{
    const double nan = (double)NAN;
    cn_plot_series(p, CN_PLOT_VERTICAL, "as fast", NULL);
    cn_plot_point(p, 1, 0, nan, nan, NULL);
    if (!(margin > 0))
        return;
    cn_plot_series(p, CN_PLOT_VERTICAL, "margin", NULL);
    cn_plot_point(p, 1 / (1 + margin), 0, nan, nan, NULL);
    cn_plot_series(p, CN_PLOT_VERTICAL, NULL, "margin");
    cn_plot_point(p, 1 + margin, 0, nan, nan, NULL);
}

bool cn_report_against(struct cn_page *page, const struct cn_dataset *d, bool plots)
{
    static const char *const words[] = { "slower", "faster", "equivalent", "undecided" };
    if (d->n_rows == 0 || cn_dataset_column(d, "ratio_lo", 8) < 0 ||
        cn_dataset_column(d, "verdict", 7) < 0)
        return true;
    say(page, d);
    struct cn_plot *p = plots ? cn_plot_create("speed by the other's, 99% intervals", "") : NULL;
    if (!p)
        return !plots;
    for (size_t r = 0; r < d->n_rows; r++) {
        char name[160];
        row_name(d, r, name, sizeof name);
        cn_plot_row(p, name);
    }
    for (int i = 0; i < 4; i++) {
        bool begun = false;
        for (size_t r = 0; r < d->n_rows; r++) {
            if (strcmp(cn_dataset_text_at(d, r, "verdict"), words[i]) != 0)
                continue;
            if (!begun)
                cn_plot_series(p, CN_PLOT_DOTS, words[i], NULL);
            begun = true;
            cn_plot_point(p, cn_dataset_at(d, r, "ratio")->number, (double)r,
                          cn_dataset_at(d, r, "ratio_lo")->number,
                          cn_dataset_at(d, r, "ratio_hi")->number, NULL);
        }
    }
    put_margin(p, cn_dataset_at(d, 0, "margin")->number);
    if (cn_plot_count(p))
        cn_page_plot(page, p, "Old against new");
    cn_plot_free(p);
    return true;
}
