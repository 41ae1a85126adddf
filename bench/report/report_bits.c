/* SPDX-License-Identifier: MIT
 *
 * What follows bits per weight: straight lines, and where quality breaks.
 */
#include "bench/report/report_findings.h"
#include "bench/stats/fit.h"

#include <math.h>
#include <stdlib.h>

static void put_fit(struct cn_findings *j, int file, int setting, struct cn_metric m,
                    const struct cn_line *line)
{
    char label[160];
    struct cn_table *t = j->fits;
    cn_table_row(t);
    cn_table_str(t, "metric", cn_metric_label(j->r, m, label, sizeof label));
    cn_table_str(t, "model", j->r->files[file].model);
    cn_table_str(t, "setting", j->r->settings[setting].name);
    cn_table_i64(t, "n", (int64_t)line->n);
    cn_table_f64(t, "slope", line->slope);
    cn_table_f64(t, "lo", line->slope_lo);
    cn_table_f64(t, "hi", line->slope_hi);
    cn_table_f64(t, "intercept", line->intercept);
    cn_table_f64(t, "r2", line->r2);
    cn_put_p(t, "p", line->p);
    cn_put_p(t, "curved", line->p_curved);
    cn_put_p(t, "normal", line->p_not_normal);
}

/* Medians of the quantisations of a model (that of file `first`) in a setting, against bits. */
static size_t medians_by_bits(const struct cn_report *r, int first, int setting, struct cn_metric m,
                              double *x, double *y)
{
    size_t n = 0;
    for (int f = first; f < r->n_files && strcmp(r->files[f].model, r->files[first].model) == 0;
         f++) {
        int g = cn_report_group_of(r, f, setting);
        x[n] = r->files[f].bpw;
        y[n] = g < 0 ? (double)NAN : cn_metric_median(r, g, m);
        n += isfinite(x[n]) && isfinite(y[n]);
    }
    return n;
}

/* 0 lies inside the interval of the slope. */
static bool is_flat(const struct cn_line *line)
{
    return line->slope_lo <= 0 && line->slope_hi >= 0;
}

/* Tells of every series of one metric. Returns how many there were. */
static int lines_of_metric(struct cn_findings *j, struct cn_metric m)
{
    const struct cn_report *r = j->r;
    double *x = malloc(2 * (size_t)(r->n_files + 1) * sizeof *x), *y = x + r->n_files;
    struct cn_say s = { "" }, e = { "" };
    struct cn_line one = { 0 };
    int n = 0, straight = 0, bent = 0, flat = 0, one_file = 0, one_setting = 0;
    double r2_lo = (double)INFINITY, r2_hi = -(double)INFINITY;
    for (int f = 0; x && j->ok && f < r->n_files; f++)
        for (int c = 0; cn_first_of_model(r, f) && c < r->n_settings; c++) {
            struct cn_line line;
            size_t points = medians_by_bits(r, f, c, m, x, y);
            if (points < 4)
                continue;
            if (!(j->ok = cn_line_fit(x, y, points, &line)))
                break;
            if (isnan(line.r2))
                continue;
            put_fit(j, f, c, m, &line);
            n++;
            straight += line.r2 >= 0.9;
            bent += line.p_curved < 0.05;
            flat += is_flat(&line);
            r2_lo = fmin(r2_lo, line.r2);
            r2_hi = fmax(r2_hi, line.r2);
            one = line;
            one_file = f;
            one_setting = c;
        }
    j->ok &= x != NULL;
    free(x);
    if (!j->ok || n == 0)
        return n;
    const char *unit = cn_metric_unit(j->r, m.kind), *setting = r->settings[one_setting].name;
    cn_say_metric(j->r, &s, m);
    cn_capital(&s);
    if (n == 1) {
        cn_say(&s, " of %s%s%s: ", r->files[one_file].model, cn_comma(setting), setting);
        if (flat)
            cn_say(&s,
                   "no slope: a bit per weight more makes between %+.4g and %+.4g %s (95%% "
                   "interval), and that may be nothing, ",
                   one.slope_lo, one.slope_hi, unit);
        else
            cn_say(&s,
                   "%s. A straight line explains %.1f%% of the variance; a bit per weight "
                   "makes %+.4g %s (95%% interval %+.4g to %+.4g), ",
                   straight ? "yes" : "no", 100 * one.r2, one.slope, unit, one.slope_lo,
                   one.slope_hi);
        cn_say_p(&s, "p", one.p);
        cn_say(&s, ".");
    } else {
        cn_say(&s,
               ": a straight line explains at least 90%% of the variance in %d of %d series "
               "(a model in a setting each).",
               straight, n);
        if (flat)
            cn_say(&s, " %d of them %s no slope: 0 lies inside the interval.", flat,
                   flat == 1 ? "has" : "have");
    }
    if (bent && n == 1)
        cn_say(&s, " But it bends: a line is not the whole story.");
    else if (bent)
        cn_say(&s, " But %d of them bend%s: a line is not the whole story there.", bent,
               bent == 1 ? "s" : "");
    cn_say(&e, "Least squares through the medians of the quantisations: R\u00b2 ");
    if (n == 1)
        cn_say(&e, "= %.3f, n = %zu, ", one.r2, one.n);
    else
        cn_say(&e, "from %.3f to %.3f. ", r2_lo, r2_hi);
    if (n == 1)
        cn_say_p(&e, "slope p", one.p);
    cn_say(&e, "%sResidual check: t-test of a quadratic term%s", n == 1 ? ". " : "",
           n == 1 ? ", " : ", p < 0.05 counts as bent. Each is in the table of fits");
    if (n == 1)
        cn_say_p(&e, "p", one.p_curved);
    cn_say(&e, ".");
    cn_tell(j, &s, &e);
    return n;
}

void cn_find_near_linear(struct cn_findings *j)
{
    int n = lines_of_metric(j, (struct cn_metric){ CN_METRIC_DECODE_MS, 0 });
    for (int s = 0; j->ok && s < j->r->n_sources; s++)
        lines_of_metric(j, (struct cn_metric){ CN_METRIC_DECODE_J, s });
    if (j->ok)
        lines_of_metric(j, (struct cn_metric){ CN_METRIC_PEAK, 0 });
    if (n == 0)
        cn_cannot(j, "Near-linear in bits per weight?",
                  "No model was measured in four quantisations or more.");
}

/* ---- where quality breaks -------------------------------------------------------------------- */

/* y = a + b exp(-c x), the smooth rival of a break, by least squares: a line in exp(-c x) for each
 * of many c. Its residual standard deviation (3 parameters) and R^2; false if out of memory. */
static bool bend_fit(const double *x, const double *y, size_t n, double *residual_sd, double *r2)
{
    double *u = malloc((n + 1) * sizeof *u);
    bool ok = u;
    *residual_sd = *r2 = (double)NAN;
    for (double c = 0.02; ok && c < 20; c *= 1.02) {
        struct cn_line line;
        for (size_t i = 0; i < n; i++)
            u[i] = exp(-c * (x[i] - x[0]));
        ok = cn_line_fit(u, y, n, &line);
        if (ok && n > 3 && (isnan(*r2) || line.r2 > *r2)) {
            *r2 = line.r2;
            *residual_sd = line.residual_sd * sqrt((double)(n - 2) / (double)(n - 3));
        }
    }
    free(u);
    return ok;
}

static void break_point(struct cn_findings *j, int first, const struct cn_quality_axis *axis,
                        int *told)
{
    const struct cn_report *r = j->r;
    double *x = malloc(2 * (size_t)(r->n_files + 1) * sizeof *x), *y = x + r->n_files;
    struct cn_break b;
    size_t n = 0;
    double lo, hi;
    if (!(j->ok = x))
        return;
    for (int f = first; f < r->n_files && strcmp(r->files[f].model, r->files[first].model) == 0;
         f++) {
        double v = cn_quality_of(r, f, axis, &lo, &hi);
        x[n] = r->files[f].bpw;
        y[n] = axis->kind == CN_QUALITY_PPL ? log(v) : v;
        n += isfinite(x[n]) && isfinite(y[n]);
    }
    double bend_sd = (double)NAN, bend_r2 = (double)NAN;
    j->ok = cn_break_fit(x, y, n, &b) && bend_fit(x, y, n, &bend_sd, &bend_r2);
    free(x);
    if (!j->ok || isnan(b.at))
        return;
    struct cn_say s = { "" }, e = { "" };
    ++*told;
    cn_say(&s, "%s, %s against bits per weight: ", r->files[first].model, axis->name);
    if (b.p < 0.01) {
        cn_say(&s, "breaks at %.2f bits (95%% interval %s%.2f to %s%.2f). ", b.at,
               b.open_lo ? "below " : "", b.lo, b.open_hi ? "above " : "", b.hi);
        if (axis->kind == CN_QUALITY_PPL)
            cn_say(&s, "A bit less changes perplexity by %+.1f%% below and by %+.2f%% above it. ",
                   100 * expm1(-b.slope_before), 100 * expm1(-b.slope_after));
        else
            cn_say(&s, "A bit less changes it by %+.4g below and by %+.4g above it. ",
                   -b.slope_before, -b.slope_after);
        bool inside = (3.5 >= b.lo || b.open_lo) && (3.5 <= b.hi || b.open_hi);
        cn_say(&s, "The 3.5 bits named in the literature lie %s this interval. ",
               inside ? "inside" : "outside");
        if (bend_sd <= b.residual_sd)
            cn_say(&s, "But an exponential fits better: this is a smooth bend, not a threshold.");
        else
            cn_say(&s, "A smooth exponential fits worse.");
    } else {
        cn_say(&s, "no break is shown; one line does as well as two.");
    }
    cn_say(&e, "Two lines that meet against one, n = %zu quantisations%s: F-test ", b.n,
           axis->kind == CN_QUALITY_PPL ? ", logarithm of perplexity" : "");
    cn_say_p(&e, "p", b.p);
    cn_say(
        &e,
        " (0.01 is asked for, because the place was searched), R\u00b2 = %.3f. a + b exp(-c bits), "
        "with one parameter less: R\u00b2 = %.3f.",
        b.r2, bend_r2);
    cn_tell(j, &s, &e);
}

void cn_find_threshold(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    struct cn_quality_axis *axes;
    int n_axes, told = 0;
    if (!(j->ok = cn_quality_axes(r, &axes, &n_axes)))
        return;
    /* One axis is enough. Perplexity comes first among them, so it is the one where it was
     * measured. */
    for (int a = 0; a < n_axes && told == 0; a++)
        for (int f = 0; j->ok && f < r->n_files; f++)
            if (cn_first_of_model(r, f))
                break_point(j, f, &axes[a], &told);
    free(axes);
    if (n_axes == 0)
        cn_cannot(j, "Is there a threshold in bits per weight?", "The plan measured no quality.");
    else if (told == 0)
        cn_cannot(j, "Is there a threshold in bits per weight?",
                  "Quality was measured on fewer than five quantisations of each model.");
}
