/* SPDX-License-Identifier: MIT
 *
 * A table of carnot kernels in pictures: which kernel is furthest from its bound, formats and tiers
 * side by side, the roofline, and where gemv and gemm meet as tokens get more.
 */
#include "bench/report/report_kernels.h"

#include "bench/page/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BARS = 16, MOST_FORMATS = 40, MOST_SLICES = 4 };

/* ---- the table ------------------------------------------------------------------------------- */

static bool has(const struct cn_dataset *d, const char *column)
{
    return cn_dataset_column(d, column, strlen(column)) >= 0;
}

static bool is(const struct cn_dataset *d, size_t row, const char *column, const char *value)
{
    return strcmp(cn_dataset_text_at(d, row, column), value) == 0;
}

/* Rows of one setting have the same shape, threads and cache. */
static const char *const setting_columns[] = { "rows", "cols", "threads", "cache" };
enum { N_SETTING = sizeof setting_columns / sizeof *setting_columns };

static bool same_setting(const struct cn_dataset *d, size_t a, size_t b)
{
    for (int i = 0; i < N_SETTING; i++)
        if (!is(d, a, setting_columns[i], cn_dataset_text_at(d, b, setting_columns[i])))
            return false;
    return true;
}

static bool first_of_setting(const struct cn_dataset *d, size_t row)
{
    for (size_t r = 0; r < row; r++)
        if (same_setting(d, r, row))
            return false;
    return true;
}

/* Whether the table has another setting, whose name then says what this one is. */
static const char *setting_name(const struct cn_dataset *d, size_t row, char *name, size_t n)
{
    size_t used = 0;
    name[0] = 0;
    const bool shaped = cn_dataset_text_at(d, row, "rows")[0] != 0;
    if (shaped)
        used += (size_t)snprintf(name, n, "%s x %s, ", cn_dataset_text_at(d, row, "rows"),
                                 cn_dataset_text_at(d, row, "cols"));
    snprintf(name + used, n - used, "%s thread%s, from %s", cn_dataset_text_at(d, row, "threads"),
             is(d, row, "threads", "1") ? "" : "s", cn_dataset_text_at(d, row, "cache"));
    return name;
}

/* "q4_k avx2 gemm 64" */
static size_t short_name(const struct cn_dataset *d, size_t row, char *name, size_t n)
{
    const double tokens = cn_dataset_at(d, row, "tokens")->number;
    size_t used =
        (size_t)snprintf(name, n, "%s %s %s", cn_dataset_text_at(d, row, "format"),
                         cn_dataset_text_at(d, row, "tier"), cn_dataset_text_at(d, row, "job"));
    if (tokens > 1 && used < n)
        used += (size_t)snprintf(name + used, n - used, " %.0f", tokens);
    return used;
}

/* And in which setting where there are several: "t2 l2". */
static void kernel_name(const struct cn_dataset *d, size_t row, char *name, size_t n)
{
    static const char *const signs[N_SETTING] = { "", "x", "t", "" };
    size_t used = short_name(d, row, name, n);
    for (int i = 0; i < N_SETTING; i++) {
        bool differs = false;
        for (size_t r = 0; r < d->n_rows && !differs; r++)
            differs = !is(d, r, setting_columns[i], cn_dataset_text_at(d, row, setting_columns[i]));
        if (differs && used < n)
            used += (size_t)snprintf(name + used, n - used, " %s%s", signs[i],
                                     cn_dataset_text_at(d, row, setting_columns[i]));
    }
}

/* The definition is nobody's fast kernel, and OpenBLAS's is not ours. */
static bool counts(const struct cn_dataset *d, size_t row)
{
    return !is(d, row, "tier", "ref") && !is(d, row, "tier", "openblas");
}

static bool any_counts(const struct cn_dataset *d)
{
    for (size_t r = 0; r < d->n_rows; r++)
        if (counts(d, r) && isfinite(cn_dataset_at(d, r, "bound_share")->number))
            return true;
    return false;
}

/* ---- furthest from the bound ----------------------------------------------------------------- */

struct place {
    size_t row;
    double share;
};

static int by_share(const void *a, const void *b)
{
    const double x = ((const struct place *)a)->share, y = ((const struct place *)b)->share;
    return (x > y) - (x < y);
}

/* gemv, and gemm of many tokens, are what models wait for; the other jobs are parts of those. */
static bool is_product(const struct cn_dataset *d, size_t row)
{
    return strncmp(cn_dataset_text_at(d, row, "job"), "gem", 3) == 0;
}

/* Whether another job does the same product in less time: gemv where a few tokens are, gemm where
 * many are, so that nobody waits for this one. */
static bool is_beaten(const struct cn_dataset *d, size_t row)
{
    for (size_t r = 0; r < d->n_rows && is_product(d, row); r++)
        if (is_product(d, r) && same_setting(d, r, row) &&
            is(d, r, "format", cn_dataset_text_at(d, row, "format")) &&
            is(d, r, "tier", cn_dataset_text_at(d, row, "tier")) &&
            is(d, r, "tokens", cn_dataset_text_at(d, row, "tokens")) &&
            cn_dataset_at(d, r, "weights_per_s")->number >
                cn_dataset_at(d, row, "weights_per_s")->number)
            return true;
    return false;
}

static size_t sort_places(const struct cn_dataset *d, bool products, struct place *places)
{
    const bool all = !any_counts(d);
    size_t n = 0;
    for (size_t r = 0; r < d->n_rows; r++) {
        const double share = cn_dataset_at(d, r, "bound_share")->number;
        if (isfinite(share) && is_product(d, r) == products && (all || counts(d, r)) &&
            !is_beaten(d, r))
            places[n++] = (struct place){ r, share };
    }
    qsort(places, n, sizeof *places, by_share);
    return n;
}

static void say_furthest(struct cn_page *page, const struct cn_dataset *d,
                         const struct place *places, size_t n, const char *what)
{
    char name[160], setting[160], best[160];
    if (!n)
        return;
    const size_t row = places[0].row;
    kernel_name(d, row, name, sizeof name);
    kernel_name(d, places[n - 1].row, best, sizeof best);
    if (n > 1)
        cn_page_lead(page,
                     "Furthest from its bound of %s: %s, at %.0f%% of what %s allows (%s). "
                     "Nearest: %s, at %.0f%%.",
                     what, name, 100 * places[0].share, cn_dataset_text_at(d, row, "bound_by"),
                     setting_name(d, row, setting, sizeof setting), best,
                     100 * places[n - 1].share);
    else
        cn_page_lead(page, "%s runs at %.0f%% of what %s allows (%s).", name, 100 * places[0].share,
                     cn_dataset_text_at(d, row, "bound_by"),
                     setting_name(d, row, setting, sizeof setting));
}

static bool plot_furthest(struct cn_page *page, const struct cn_dataset *d,
                          const struct place *places, size_t n, const char *title)
{
    static const char *const by[] = { "read", "int8", "f32", "bf16" };
    struct cn_plot *p = cn_plot_create("share of the bound", "");
    if (!p)
        return false;
    cn_plot_from_zero(p);
    const size_t shown = n < MOST_BARS ? n : MOST_BARS;
    for (size_t i = 0; i < shown; i++) {
        char name[160];
        kernel_name(d, places[i].row, name, sizeof name);
        cn_plot_row(p, name);
    }
    for (size_t b = 0; b < sizeof by / sizeof *by; b++) {
        bool begun = false;
        for (size_t i = 0; i < shown; i++) {
            if (!is(d, places[i].row, "bound_by", by[b]))
                continue;
            char series[48];
            snprintf(series, sizeof series, "bound by %s", by[b]);
            if (!begun)
                cn_plot_series(p, CN_PLOT_DOTS, series, NULL);
            begun = true;
            cn_plot_point(p, places[i].share, (double)i, (double)NAN, (double)NAN, NULL);
        }
    }
    if (n > shown) {
        char note[96];
        snprintf(note, sizeof note, "The %zu furthest of %zu; the table has all.", shown, n);
        cn_plot_note(p, note);
    }
    if (cn_plot_count(p))
        cn_page_plot(page, p, title);
    cn_plot_free(p);
    return true;
}

static bool furthest(struct cn_page *page, const struct cn_dataset *d, bool plots)
{
    struct place *places = malloc((d->n_rows + 1) * sizeof *places);
    bool ok = places != NULL;
    for (int products = 1; products >= 0 && ok; products--) {
        const size_t n = sort_places(d, products, places);
        say_furthest(page, d, places, n, products ? "the products" : "the rest");
    }
    for (int products = 1; products >= 0 && ok && plots; products--) {
        const size_t n = sort_places(d, products, places);
        ok = n < 2 || plot_furthest(page, d, places, n,
                                    products ? "Products, furthest from their bound first"
                                             : "Unpacking, furthest from its bound first");
    }
    free(places);
    return ok;
}

/* ---- formats and tiers ----------------------------------------------------------------------- */

/* One job's figure in a setting: a row for each format, a colour for each tier. */
static bool plot_formats(struct cn_page *page, const struct cn_dataset *d, size_t of,
                         const char *column, const char *label)
{
    struct cn_plot *p = cn_plot_create(label, "");
    const char *formats[MOST_FORMATS], *tiers[8];
    int n_formats = 0, n_tiers = 0;
    const bool all = !any_counts(d);
    char setting[160], title[256];
    if (!p)
        return false;
    cn_plot_from_zero(p);
    for (size_t r = 0; r < d->n_rows; r++) {
        if (!same_setting(d, r, of) || !is(d, r, "job", cn_dataset_text_at(d, of, "job")) ||
            !is(d, r, "tokens", cn_dataset_text_at(d, of, "tokens")) || !(all || counts(d, r)))
            continue;
        int f = 0, t = 0;
        while (f < n_formats && !is(d, r, "format", formats[f]))
            f++;
        if (f == n_formats && n_formats < MOST_FORMATS) {
            formats[n_formats++] = cn_dataset_text_at(d, r, "format");
            cn_plot_row(p, cn_dataset_text_at(d, r, "format"));
        }
        while (t < n_tiers && !is(d, r, "tier", tiers[t]))
            t++;
        if (t == n_tiers && n_tiers < 8)
            tiers[n_tiers++] = cn_dataset_text_at(d, r, "tier");
    }
    for (int t = 0; t < n_tiers; t++) {
        cn_plot_series(p, CN_PLOT_DOTS, tiers[t], NULL);
        for (size_t r = 0; r < d->n_rows; r++)
            for (int f = 0; f < n_formats; f++)
                if (same_setting(d, r, of) && is(d, r, "job", cn_dataset_text_at(d, of, "job")) &&
                    is(d, r, "tokens", cn_dataset_text_at(d, of, "tokens")) &&
                    is(d, r, "tier", tiers[t]) && is(d, r, "format", formats[f]))
                    cn_plot_point(p, cn_dataset_at(d, r, column)->number, f, (double)NAN,
                                  (double)NAN, NULL);
    }
    snprintf(title, sizeof title, "%s of %s, %s", label, cn_dataset_text_at(d, of, "job"),
             setting_name(d, of, setting, sizeof setting));
    if (n_formats > 1 || n_tiers > 1)
        cn_page_plot(page, p, title);
    cn_plot_free(p);
    return true;
}

/* gemv with one token and gemm with the most, in the first setting. */
static bool formats(struct cn_page *page, const struct cn_dataset *d)
{
    bool ok = true, gemv = false;
    size_t gemm = d->n_rows;
    for (size_t r = 0; r < d->n_rows && ok; r++) {
        if (!same_setting(d, r, 0))
            continue;
        if (is(d, r, "job", "gemv") && !gemv) {
            gemv = true;
            ok = plot_formats(page, d, r, "gbps", "GB/s") &&
                 plot_formats(page, d, r, "cycles_per_256", "cycles per 256 weights");
        }
        if (is(d, r, "job", "gemm") &&
            (gemm == d->n_rows ||
             cn_dataset_at(d, r, "tokens")->number > cn_dataset_at(d, gemm, "tokens")->number))
            gemm = r;
    }
    return ok && (gemm == d->n_rows ||
                  plot_formats(page, d, gemm, "cycles_per_256", "cycles per 256 weights"));
}

/* ---- roofline -------------------------------------------------------------------------------- */

static double gops(const struct cn_dataset *d, size_t row)
{
    return 2e-9 * cn_dataset_at(d, row, "weights_per_s")->number;
}

/* Operations for each byte of weights: these are read once, whatever the tokens. */
static double intensity(const struct cn_dataset *d, size_t row)
{
    return gops(d, row) / cn_dataset_at(d, row, "gbps")->number;
}

/* What the rows of a setting with this tier may have at most. */
static void plot_roof(struct cn_plot *p, const struct cn_dataset *d, size_t row, double lo,
                      double hi)
{
    const double read = cn_dataset_at(d, row, "read_gbps")->number,
                 peak = cn_dataset_at(d, row, "int8_gops")->number;
    char title[96];
    if (!(read > 0) || !(peak > 0))
        return;
    snprintf(title, sizeof title, "limit of %s: reading, int8", cn_dataset_text_at(d, row, "tier"));
    cn_plot_series(p, CN_PLOT_LINE, title, cn_dataset_text_at(d, row, "tier"));
    cn_plot_point(p, lo, fmin(peak, lo * read), (double)NAN, (double)NAN, NULL);
    if (peak / read > lo && peak / read < hi)
        cn_plot_point(p, peak / read, peak, (double)NAN, (double)NAN, NULL);
    cn_plot_point(p, hi, fmin(peak, hi * read), (double)NAN, (double)NAN, NULL);
}

static bool roofline(struct cn_page *page, const struct cn_dataset *d, size_t of)
{
    struct cn_plot *p = cn_plot_create("operations per byte of weights", "10\u2079 operations/s");
    const char *tiers[8];
    size_t of_tier[8];
    int n = 0;
    int n_points = 0;
    double lo = (double)INFINITY, hi = 0;
    char setting[160], title[256];
    if (!p)
        return false;
    cn_plot_log(p, true, true);
    for (size_t r = 0; r < d->n_rows; r++) {
        int t = 0;
        if (!same_setting(d, r, of) || !is_product(d, r) || !counts(d, r) || !(intensity(d, r) > 0))
            continue;
        n_points++;
        lo = fmin(lo, intensity(d, r));
        hi = fmax(hi, intensity(d, r));
        while (t < n && !is(d, r, "tier", tiers[t]))
            t++;
        if (t == n && n < 8) {
            tiers[n] = cn_dataset_text_at(d, r, "tier");
            of_tier[n++] = r;
        } else if (!(cn_dataset_at(d, of_tier[t], "int8_gops")->number > 0)) {
            of_tier[t] = r;
        }
    }
    for (int t = 0; t < n; t++) {
        cn_plot_series(p, CN_PLOT_POINTS, tiers[t], NULL);
        for (size_t r = 0; r < d->n_rows; r++) {
            char name[64];
            if (!same_setting(d, r, of) || !is_product(d, r) || !is(d, r, "tier", tiers[t]))
                continue;
            short_name(d, r, name, sizeof name);
            cn_plot_point(p, intensity(d, r), gops(d, r), (double)NAN, (double)NAN,
                          n_points <= 24 ? name : NULL);
        }
    }
    for (int t = 0; t < n; t++)
        plot_roof(p, d, of_tier[t], lo / 2, hi * 2);
    snprintf(title, sizeof title, "Roofline, %s", setting_name(d, of, setting, sizeof setting));
    if (n)
        cn_page_plot(page, p, title);
    cn_plot_free(p);
    return true;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* Products of a matrix and one token in a second, as tokens get more: of each format and job with
 * the highest tier that the table has of it. */
static bool plot_tokens(struct cn_page *page, const struct cn_dataset *d, size_t of)
{
    const bool shaped = cn_dataset_at(d, of, "rows")->number > 0;
    const double cells =
        shaped ? cn_dataset_at(d, of, "rows")->number * cn_dataset_at(d, of, "cols")->number : 1e9;
    struct cn_plot *p = cn_plot_create("tokens at once", shaped ? "tokens/s of this matrix"
                                                                : "10\u2079 weights x tokens/s");
    char setting[160], title[256];
    int n = 0;
    if (!p)
        return false;
    cn_plot_log(p, true, true);
    for (size_t s = 0; s < d->n_rows && n < CN_PLOT_SERIES; s++) {
        char name[64];
        int points = 0;
        bool first = same_setting(d, s, of) && is_product(d, s) && counts(d, s);
        for (size_t r = 0; r < s && first; r++)
            first = !(same_setting(d, r, of) &&
                      is(d, r, "format", cn_dataset_text_at(d, s, "format")) &&
                      is(d, r, "job", cn_dataset_text_at(d, s, "job")) &&
                      is(d, r, "tier", cn_dataset_text_at(d, s, "tier")));
        for (size_t r = s; r < d->n_rows && first; r++)
            points += same_setting(d, r, of) &&
                      is(d, r, "format", cn_dataset_text_at(d, s, "format")) &&
                      is(d, r, "job", cn_dataset_text_at(d, s, "job")) &&
                      is(d, r, "tier", cn_dataset_text_at(d, s, "tier"));
        if (points < 2)
            continue;
        snprintf(name, sizeof name, "%s %s %s", cn_dataset_text_at(d, s, "format"),
                 cn_dataset_text_at(d, s, "tier"), cn_dataset_text_at(d, s, "job"));
        cn_plot_series(p, CN_PLOT_LINE, name, NULL);
        n++;
        for (size_t r = s; r < d->n_rows; r++)
            if (same_setting(d, r, of) && is(d, r, "format", cn_dataset_text_at(d, s, "format")) &&
                is(d, r, "job", cn_dataset_text_at(d, s, "job")) &&
                is(d, r, "tier", cn_dataset_text_at(d, s, "tier")))
                cn_plot_point(p, cn_dataset_at(d, r, "tokens")->number,
                              cn_dataset_at(d, r, "weights_per_s")->number / cells, (double)NAN,
                              (double)NAN, NULL);
    }
    snprintf(title, sizeof title, "Where gemv and gemm meet: %s",
             setting_name(d, of, setting, sizeof setting));
    if (n)
        cn_page_plot(page, p, title);
    cn_plot_free(p);
    return true;
}

/* ---- all ------------------------------------------------------------------------------------- */

bool cn_report_kernels(struct cn_page *page, const struct cn_dataset *d, bool plots)
{
    if (d->n_rows == 0 || !has(d, "format") || !has(d, "job") || !has(d, "bound_share"))
        return true;
    bool ok = furthest(page, d, plots);
    if (!ok || !plots)
        return ok;
    ok = formats(page, d);
    int n = 0;
    for (size_t r = 0; r < d->n_rows && ok && n < MOST_SLICES; r++)
        if (first_of_setting(d, r)) {
            n++;
            ok = roofline(page, d, r) && plot_tokens(page, d, r);
        }
    return ok;
}
