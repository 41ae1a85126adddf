/* SPDX-License-Identifier: MIT
 *
 * The chapter of the energy model: joules of prefill and decode as a sum over seconds, bytes,
 * operations and unpacked weights (bench/machine/energy_fit.h), fitted to some model files of the
 * study and held against the others.
 */
#include "bench/machine/energy_fit.h"
#include "bench/page/plot.h"
#include "bench/report/report_layout.h"
#include "bench/report/report_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 512,
    HELD_OUT = 3,   /* every third file */
    MOST_NAMED = 48 /* points that a plot names one by one; the table names all */
};

struct points {
    struct cn_sweep_point *at; /* [n] */
    int *groups;               /* [n] */
    int n;
};

enum what { SECONDS, JOULES, UNCERTAINTY };

static double median_of(const struct cn_report *r, const struct cn_report_group *g, int source,
                        enum cn_report_phase phase, enum what what)
{
    double *x = malloc((size_t)g->n_runs * sizeof *x), median = (double)NAN;
    size_t n = 0;
    for (int i = 0; x && i < g->n_runs; i++) {
        const struct cn_report_run *run = &r->runs[g->runs[i]];
        const struct cn_report_energy *e = &r->energy[g->runs[i] * r->n_sources + source];
        double v = what == JOULES              ? e->joules[phase]
                   : what == UNCERTAINTY       ? e->uncertainty[phase]
                   : phase == CN_REPORT_DECODE ? run->decode_s
                                               : run->prefill_s;
        if (isfinite(v))
            x[n++] = v;
    }
    if (n)
        median = cn_median(x, n);
    free(x);
    return median;
}

/* What a phase of a group took. The matrices count, not attention; a prompt reads all weights once
 * for each of its batches, and unpacks them as often. */
static void put_point(struct points *p, const struct cn_report *r, int group, int source,
                      bool decode)
{
    const struct cn_report_group *g = &r->groups[group];
    const struct cn_report_file *f = &r->files[g->file];
    const struct cn_report_run *run = &r->runs[g->runs[0]];
    enum cn_report_phase phase = decode ? CN_REPORT_DECODE : CN_REPORT_PREFILL;
    double tokens = decode ? run->decoded_tokens : run->input_tokens;
    double passes = decode ? tokens : ceil(tokens / BATCH);
    bool packed = f->bpw < 8; /* a file of 8 bits is read as it is */
    if (f->experts && !decode)
        return; /* which experts a prompt reads is not in the database */
    struct cn_sweep_point *at = &p->at[p->n];
    *at = (struct cn_sweep_point){
        .model = g->file,
        .threads = (int)r->settings[g->setting].threads_used,
        .decode = decode,
        .held_out = g->file % HELD_OUT == HELD_OUT - 1,
        .floats = f->bpw > 12,
        .tokens = (int64_t)tokens,
        .took = { { median_of(r, g, source, phase, SECONDS),
                    passes * (decode ? f->decode_bytes : f->tensor_bytes), tokens * f->decode_ops,
                    packed ? passes * f->decode_ops / 2 : 0 } },
        .joules = median_of(r, g, source, phase, JOULES),
        .uncertainty = median_of(r, g, source, phase, UNCERTAINTY),
        .predicted = (double)NAN,
        .half = (double)NAN,
    };
    bool known = isfinite(at->joules) && tokens > 0;
    for (int i = 0; i < CN_MODEL_TERMS; i++)
        known = known && isfinite(at->took.x[i]);
    p->groups[p->n] = group;
    p->n += known;
}

static void plot_model(struct cn_report *r, const struct points *p, const char *title)
{
    const double scale = r->per_joule[CN_METRIC_DECODE_J - CN_METRIC_PREFILL_J];
    const char *unit = cn_metric_unit(r, CN_METRIC_DECODE_J);
    char x[64], y[64], label[160];
    snprintf(x, sizeof x, "measured, %s", unit);
    snprintf(y, sizeof y, "by the model, %s", unit);
    struct cn_plot *plot = cn_plot_create(x, y);
    double lo = (double)INFINITY, hi = -(double)INFINITY;
    if (!plot)
        return;
    cn_plot_log(plot, true, true);
    for (int held = 0; held < 2; held++) {
        cn_plot_series(plot, CN_PLOT_POINTS, held ? "held out" : "fitted", NULL);
        for (int i = 0; i < p->n; i++) {
            const struct cn_sweep_point *at = &p->at[i];
            double per = scale / (double)at->tokens;
            if (at->floats || at->held_out != (held == 1) || !(at->predicted > 0))
                continue;
            lo = fmin(lo, at->joules * per);
            hi = fmax(hi, at->joules * per);
            snprintf(label, sizeof label, "%s, %s", r->files[r->groups[p->groups[i]].file].name,
                     at->decode ? "decode" : "prefill");
            cn_plot_point(plot, at->joules * per, at->predicted * per,
                          (at->predicted - at->half) * per, (at->predicted + at->half) * per,
                          p->n <= MOST_NAMED ? label : NULL);
        }
    }
    if (lo < hi) {
        cn_plot_series(plot, CN_PLOT_LINE, "equal", NULL);
        cn_plot_point(plot, lo, lo, (double)NAN, (double)NAN, NULL);
        cn_plot_point(plot, hi, hi, (double)NAN, (double)NAN, NULL);
    }
    cn_report_plot(r, plot, title);
}

static void put_table(struct cn_report *r, const struct points *p)
{
    struct cn_table *t = cn_table_create("model");
    if (!t)
        return;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "phase", "phase", -1);
    cn_table_column(t, "role", "role", -1);
    const double scale = r->per_joule[CN_METRIC_DECODE_J - CN_METRIC_PREFILL_J];
    const char *unit = cn_metric_unit(r, CN_METRIC_DECODE_J);
    char measured[64], modelled[64];
    snprintf(measured, sizeof measured, "measured, %s", unit);
    snprintf(modelled, sizeof modelled, "modelled, %s", unit);
    cn_table_column(t, "measured", measured, 4);
    cn_table_column(t, "modelled", modelled, 4);
    cn_table_column(t, "half", "\u00b1", 4);
    cn_table_column(t, "error", "error, %", 1);
    for (int i = 0; i < p->n; i++) {
        const struct cn_sweep_point *at = &p->at[i];
        const struct cn_report_group *g = &r->groups[p->groups[i]];
        double per = scale / (double)at->tokens;
        cn_table_row(t);
        cn_table_str(t, "model", r->files[g->file].model);
        cn_table_str(t, "quant", r->files[g->file].quant);
        cn_table_str(t, "setting", r->settings[g->setting].name);
        cn_table_str(t, "phase", at->decode ? "decode" : "prefill");
        cn_table_str(t, "role",
                     at->floats     ? "left out (floats)"
                     : at->held_out ? "held out"
                                    : "fitted");
        cn_table_f64(t, "measured", at->joules * per);
        cn_table_f64(t, "modelled", at->predicted * per);
        cn_table_f64(t, "half", at->half * per);
        cn_table_f64(t, "error", 100 * (at->predicted / at->joules - 1));
    }
    cn_report_table(r, t, "Measured and modelled");
}

static void tell_model(struct cn_report *r, const struct cn_energy_model *m)
{
    static const char *const names[] = { "of static power", "a byte read", "an int8 operation",
                                         "a weight unpacked" };
    struct cn_say s = { "" };
    cn_say(&s, "J = ");
    for (int i = 0; i < CN_MODEL_TERMS; i++) {
        double unit = i ? 1e12 : 1, half = m->t95 * sqrt(m->cov[i][i]);
        cn_say(&s, "%s%.3g", i ? ", " : "", unit * m->coef[i]);
        if (m->coef[i] > 0)
            cn_say(&s, " \u00b1 %.2g", unit * half);
        cn_say(&s, " %s %s%s", i ? "pJ" : "W", names[i],
               m->coef[i] > 0 ? "" : " (held at 0: it came out below)");
    }
    cn_say(&s, ". ");
    if (m->n_held_out)
        cn_say(&s,
               "%d configurations of model files that it was not fitted to are predicted "
               "within %.1f%%.",
               m->n_held_out, 100 * m->held_out_error);
    cn_page_text(r->page, "%s", s.s);
    cn_page_note(r->page,
                 "Least squares over %d medians, intervals 95%%. A model: what it says of "
                 "a phase is modelled, never measured.",
                 m->n_fitted);
}

static bool one_model(struct cn_report *r, int source, int device)
{
    size_t room = 2 * (size_t)r->n_groups + 1;
    struct points p = { calloc(room, sizeof *p.at), calloc(room, sizeof *p.groups), 0 };
    const char *name = device < 0 ? "the device" : r->devices[device].name, *why = "";
    struct cn_energy_model m;
    bool ok = p.at && p.groups;
    for (int g = 0; ok && g < r->n_groups; g++)
        if (r->settings[r->groups[g].setting].device == device) {
            put_point(&p, r, g, source, true);
            put_point(&p, r, g, source, false);
        }
    if (ok && p.n) {
        char title[320];
        snprintf(title, sizeof title, "%s, %s", name, r->sources[source].name);
        cn_page_heading(r->page, title);
        if (cn_energy_fit(p.at, p.n, &m, &why)) {
            tell_model(r, &m);
            plot_model(r, &p, title);
            put_table(r, &p);
        } else {
            cn_page_text(r->page, "No model: %s.", why);
        }
    }
    free(p.at);
    free(p.groups);
    return ok;
}

bool cn_report_energy_model(struct cn_report *r)
{
    bool ok = true, measured = false;
    cn_page_section(r->page, "model", "Energy model");
    for (int s = 0; ok && s < r->n_sources; s++) {
        if (r->sources[s].modelled)
            continue;
        measured = true;
        for (int d = -1; ok && d < r->n_devices; d++)
            ok = one_model(r, s, d);
    }
    if (!measured)
        cn_page_text(r->page, "No joules were measured, so there is nothing to fit a model to.");
    return ok;
}
