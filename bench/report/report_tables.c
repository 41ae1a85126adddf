/* SPDX-License-Identifier: MIT
 *
 * Saved tables on a page: what `make bench` shows.
 */
#include "base/error.h"
#include "bench/page/page.h"
#include "bench/page/plot.h"
#include "bench/report/report_kernels.h"
#include "bench/report/report_part.h"
#include "bench/stats/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cn_table *table_of(const struct cn_dataset *d)
{
    struct cn_table *t = cn_table_create("rows");
    for (size_t c = 0; t && c < d->n_columns; c++)
        cn_table_column(t, d->columns[c], d->columns[c], -1);
    for (size_t row = 0; t && row < d->n_rows; row++) {
        cn_table_row(t);
        for (size_t c = 0; c < d->n_columns; c++) {
            const struct cn_cell *cell = cn_dataset_cell(d, row, c);
            char digits[32];
            /* As many as are good for anything, but whole numbers whole. */
            snprintf(digits, sizeof digits, floor(cell->number) == cell->number ? "%.15g" : "%.4g",
                     cell->number);
            if (isnan(cell->number))
                cn_table_str(t, d->columns[c], cell->text);
            else
                cn_table_f64(t, d->columns[c], strtod(digits, NULL));
        }
    }
    return t;
}

/* Rows of `carnot bench` of one test: speed against bits. Others have none of these keys. */
static bool plot_speed(struct cn_page *page, const struct cn_dataset *d, const char *test)
{
    char label[64];
    snprintf(label, sizeof label, "%s, tokens/s", test);
    struct cn_plot *p = cn_plot_create("effective bits per weight", label);
    if (!p)
        return false;
    cn_plot_from_zero(p);
    cn_plot_series(p, CN_PLOT_POINTS, "median, 95% interval", NULL);
    for (size_t row = 0; row < d->n_rows; row++) {
        const char *of = cn_dataset_at(d, row, "test")->text;
        if (of && strcmp(of, test) == 0)
            cn_plot_point(p, cn_dataset_at(d, row, "bpw")->number,
                          cn_dataset_at(d, row, "tps_median")->number,
                          cn_dataset_at(d, row, "tps_lo")->number,
                          cn_dataset_at(d, row, "tps_hi")->number,
                          cn_dataset_at(d, row, "file_type")->text);
    }
    if (cn_plot_count(p))
        cn_page_plot(page, p, strcmp(test, "decode") == 0 ? "Decode speed" : "Prefill speed");
    cn_plot_free(p);
    return true;
}

/* ---- rows of `carnot bench` by how many tokens go through a model at once: speed beside what
 * either limit alone would allow, reading the weights and arithmetic ---- */

enum { LEAST_BATCHES = 3 }; /* of fewer there is nothing to see */

/* What rows have in common whose speeds lie on one line. */
static bool same_runs(const struct cn_dataset *d, size_t a, size_t b)
{
    static const char *const columns[] = {
        "model", "threads", "tiers", "kv", "precision", "depth"
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (strcmp(cn_dataset_text_at(d, a, columns[i]), cn_dataset_text_at(d, b, columns[i])) != 0)
            return false;
    return true;
}

/* Tokens of a pass: those of a prefill, or the sequences that decode together; NaN for rows that
 * are neither (guesses are verified in passes of many lengths). */
static double batch_of(const struct cn_dataset *d, size_t row, bool decode)
{
    if (strcmp(cn_dataset_text_at(d, row, "test"), decode ? "decode" : "prefill") != 0 ||
        *cn_dataset_text_at(d, row, "draft"))
        return (double)NAN;
    return cn_dataset_at(d, row, decode ? "lanes" : "n_tokens")->number;
}

static double speed_of(const struct cn_dataset *d, size_t row)
{
    return cn_dataset_at(d, row, "tps_median")->number;
}

/* The runs that row `first` begins: the speeds of single tokens and of the largest batch. */
struct limits {
    double decode, prefill, most;
};

static struct limits limits_of(const struct cn_dataset *d, size_t first)
{
    struct limits l = { (double)NAN, (double)NAN, 0 };
    for (size_t r = first; r < d->n_rows; r++) {
        if (!same_runs(d, first, r))
            continue;
        const double n = batch_of(d, r, false);
        if (batch_of(d, r, true) == 1)
            l.decode = speed_of(d, r);
        if (n > l.most) {
            l.most = n;
            l.prefill = speed_of(d, r);
        }
    }
    return l;
}

static void put_speeds(struct cn_plot *p, const struct cn_dataset *d, size_t first, bool decode,
                       const char *title)
{
    bool begun = false;
    for (size_t r = first; r < d->n_rows; r++) {
        const double n = batch_of(d, r, decode);
        if (!same_runs(d, first, r) || isnan(n))
            continue;
        if (!begun)
            cn_plot_series(p, CN_PLOT_POINTS, title, NULL);
        begun = true;
        cn_plot_point(p, n, speed_of(d, r), cn_dataset_at(d, r, "tps_lo")->number,
                      cn_dataset_at(d, r, "tps_hi")->number, NULL);
    }
}

static void put_limit(struct cn_plot *p, const struct limits *l)
{
    const double nan = (double)NAN, corner = l->prefill / l->decode;
    if (!(l->decode > 0) || !(l->prefill > 0))
        return;
    cn_plot_series(p, CN_PLOT_LINE, "n times decode, and the largest prefill", NULL);
    cn_plot_point(p, 1, fmin(l->decode, l->prefill), nan, nan, NULL);
    if (corner > 1 && corner < l->most)
        cn_plot_point(p, corner, l->prefill, nan, nan, NULL);
    cn_plot_point(p, l->most, fmin(l->decode * l->most, l->prefill), nan, nan, NULL);
}

static bool plot_batches(struct cn_page *page, const struct cn_dataset *d, size_t first)
{
    const char *model = cn_dataset_text_at(d, first, "model"), *slash = strrchr(model, '/');
    const struct limits l = limits_of(d, first);
    char title[256];
    struct cn_plot *p = cn_plot_create("tokens at once", "tokens/s");
    if (!p)
        return false;
    cn_plot_log(p, true, false);
    cn_plot_from_zero(p);
    put_speeds(p, d, first, false, "prefill, median, 95% interval");
    put_speeds(p, d, first, true, "sequences decoded together");
    put_limit(p, &l);
    snprintf(title, sizeof title, "Tokens at once: %s, %s thread%s", slash ? slash + 1 : model,
             cn_dataset_text_at(d, first, "threads"),
             strcmp(cn_dataset_text_at(d, first, "threads"), "1") == 0 ? "" : "s");
    cn_page_plot(page, p, title);
    cn_plot_free(p);
    return true;
}

static bool is_first(const struct cn_dataset *d, size_t row)
{
    for (size_t r = 0; r < row; r++)
        if (same_runs(d, r, row))
            return false;
    return true;
}

static int batches_of(const struct cn_dataset *d, size_t first, bool decode)
{
    int n = 0;
    for (size_t r = first; r < d->n_rows; r++)
        n += same_runs(d, first, r) && !isnan(batch_of(d, r, decode));
    return n;
}

/* Of three lengths of a prefill or more, or as many numbers of lanes. */
static bool plot_all_batches(struct cn_page *page, const struct cn_dataset *d)
{
    if (cn_dataset_column(d, "tps_median", strlen("tps_median")) < 0)
        return true;
    for (size_t r = 0; r < d->n_rows; r++)
        if (is_first(d, r) &&
            (batches_of(d, r, false) >= LEAST_BATCHES || batches_of(d, r, true) >= LEAST_BATCHES) &&
            !plot_batches(page, d, r))
            return false;
    return true;
}

/* ---- the page ---- */

static void heading(struct cn_page *page, const char *file, size_t number_of)
{
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    char id[32], title[128];
    snprintf(id, sizeof id, "table%zu", number_of + 1);
    snprintf(title, sizeof title, "%.*s", (int)strcspn(name, "."), name);
    if (title[0] >= 'a' && title[0] <= 'z')
        title[0] = (char)(title[0] - 'a' + 'A');
    cn_page_section(page, id, title);
}

static enum cn_status put_table(struct cn_page *page, const struct cn_report_text *text, size_t i,
                                bool plots, struct cn_error *err)
{
    struct cn_dataset *d;
    CN_TRY(cn_dataset_parse(text->text, text->n, text->name, &d, err));
    heading(page, text->name, i);
    struct cn_table *t = table_of(d);
    bool ok = t &&
              (!plots || (plot_speed(page, d, "decode") && plot_speed(page, d, "prefill") &&
                          plot_all_batches(page, d))) &&
              cn_report_kernels(page, d, plots) && cn_report_against(page, d, plots);
    if (ok)
        cn_page_table(page, t, true);
    cn_table_free(t);
    cn_dataset_free(d);
    return ok ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
}

enum cn_status cn_report_tables(const struct cn_report_text *tables, size_t n_tables,
                                const char *head, const char *out, struct cn_report_made *made,
                                struct cn_error *err)
{
    struct cn_page *page = cn_page_create("Carnot bench");
    CN_RETURN_IF(!page, CN_ERR_MEMORY, err, "out of memory");
    struct cn_error missing = { "" };
    const bool plots = cn_plot_possible(&missing);
    if (head)
        cn_page_code(page, head);
    if (!plots)
        cn_page_text(page, "%s", missing.text);
    enum cn_status status = CN_OK;
    for (size_t i = 0; status == CN_OK && i < n_tables; i++)
        status = put_table(page, &tables[i], i, plots, err);
    cn_report_undrawn(page, &missing, made);
    if (status == CN_OK)
        status = cn_page_save(page, out, err);
    cn_page_free(page);
    return status;
}
