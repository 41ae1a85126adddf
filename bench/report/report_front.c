/* SPDX-License-Identifier: MIT
 *
 * The front of what nothing beats: in two counts as the picture of a study, on all counts as a
 * chapter.
 */
#include "bench/report/report_front.h"

#include "bench/page/plot.h"
#include "bench/report/report_layout.h"
#include "bench/report/report_text.h"

#include <math.h>
#include <stdlib.h>

enum { AXES = 4 };

const struct cn_quality_axis *cn_front_quality(const struct cn_report *r,
                                               const struct cn_quality_axis *axes, int n)
{
    const struct cn_quality_axis *best = NULL;
    static const int order[] = {
        [CN_QUALITY_PPL] = 1, [CN_QUALITY_KLD] = 2, [CN_QUALITY_ACCURACY] = 0
    };
    bool one_model = !cn_several_models(r);
    for (int i = 0; i < n; i++)
        if ((one_model || axes[i].kind != CN_QUALITY_KLD) &&
            (!best || order[axes[i].kind] < order[best->kind]))
            best = &axes[i];
    return best;
}

struct front {
    const struct cn_quality_axis *quality; /* NULL: none */
    int source;                            /* of joules; -1: none */
    double *points;                        /* [n_groups, n_axes] */
    bool *on;                              /* [n_groups] */
    int n_axes, j, q;                      /* columns of joules and quality; -1: none */
};

static bool find_front(const struct cn_report *r, struct front *f)
{
    bool higher[AXES] = { true, false, false, false };
    f->n_axes = 2;
    f->j = f->source >= 0 ? f->n_axes++ : -1;
    f->q = f->quality ? f->n_axes++ : -1;
    if (f->quality)
        higher[f->q] = f->quality->kind == CN_QUALITY_ACCURACY;
    f->points = calloc((size_t)r->n_groups * (size_t)f->n_axes + 1, sizeof *f->points);
    f->on = calloc((size_t)r->n_groups + 1, sizeof *f->on);
    if (!f->points || !f->on)
        return false;
    for (int g = 0; g < r->n_groups; g++) {
        double *p = f->points + g * f->n_axes, lo, hi;
        p[0] = cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 });
        p[1] = cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_PEAK, 0 });
        if (f->j >= 0)
            p[f->j] = cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_DECODE_J, f->source });
        if (f->q >= 0)
            p[f->q] = cn_quality_of(r, r->groups[g].file, f->quality, &lo, &hi);
    }
    cn_pareto(f->points, (size_t)r->n_groups, (size_t)f->n_axes, higher, f->on);
    return true;
}

struct cn_metric cn_front_cost(int source)
{
    return (struct cn_metric){ source >= 0 ? CN_METRIC_DECODE_J : CN_METRIC_DECODE_MS, source };
}

/* "Q4_K_M", with its model where there are several. */
static const char *name_file(const struct cn_report *r, int file)
{
    return cn_several_models(r) ? r->files[file].name : r->files[file].quant;
}

/* The same with its setting, where there are several. */
static void name_group(const struct cn_report *r, int g, char *name, size_t n_bytes)
{
    const char *setting = r->settings[r->groups[g].setting].name;
    snprintf(name, n_bytes, "%s%s%s", name_file(r, r->groups[g].file), *setting ? ", " : "",
             setting);
}

/* Says below a plot which configurations have no point in it. */
static void note_missing(const struct cn_report *r, struct cn_plot *p, const double *x,
                         const double *y)
{
    struct cn_say t = { "" };
    int n = 0;
    for (int g = 0; g < r->n_groups; g++) {
        char name[320];
        if (isfinite(x[g]) && isfinite(y[g]))
            continue;
        name_group(r, g, name, sizeof name);
        cn_say(&t, "%s%s", n++ ? "; " : "Not in the picture, for lack of a value: ", name);
    }
    cn_say(&t, ".");
    if (n)
        cn_plot_note(p, t.s);
}

static const char *lever_of(const struct cn_report *r, int g)
{
    return r->settings[r->groups[g].setting].lever;
}

/* Whether no configuration before g has the lever of g. */
static bool new_lever(const struct cn_report *r, int g)
{
    int k = 0;
    while (k < g && strcmp(lever_of(r, k), lever_of(r, g)) != 0)
        k++;
    return k == g;
}

/* Points that are on a front and those that are not, a mark for each lever, without those of
 * out[n_groups] (NULL: with all, else also with a line through the front, which is one of these two
 * axes then). */
static bool plot_points(struct cn_report *r, struct cn_metric cost,
                        const struct cn_quality_axis *quality, const bool *on, const bool *out,
                        const char *const names[2], const char *title)
{
    char label[160];
    struct cn_plot *p = cn_plot_create(cn_metric_label(r, cost, label, sizeof label),
                                       quality ? quality->name : "peak memory, MiB");
    double *x = malloc(4 * ((size_t)r->n_groups + 1) * sizeof *x);
    if (!p || !x) {
        cn_plot_free(p);
        free(x);
        return false;
    }
    cn_plot_log(p, true, quality && quality->kind != CN_QUALITY_ACCURACY);
    double *y = x + r->n_groups + 1, *lo = y + r->n_groups + 1, *hi = lo + r->n_groups + 1;
    for (int g = 0; g < r->n_groups; g++) {
        lo[g] = hi[g] = (double)NAN;
        x[g] = cn_metric_median(r, g, cost);
        y[g] = quality ? cn_quality_of(r, r->groups[g].file, quality, &lo[g], &hi[g])
                       : cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_PEAK, 0 });
    }
    for (int k = 0; k < 2 * r->n_groups; k++) {
        const int first = k % r->n_groups, pass = k / r->n_groups;
        const char *lever = lever_of(r, first);
        bool begun = false;
        for (int g = first; new_lever(r, first) && g < r->n_groups; g++) {
            char name[320];
            if (on[g] != (pass == 0) || (out && out[g]) || strcmp(lever_of(r, g), lever) != 0)
                continue;
            snprintf(name, sizeof name, "%s%s%s", names[pass], *lever ? ", " : "", lever);
            if (!begun)
                cn_plot_series(p, CN_PLOT_POINTS, name, NULL);
            begun = true;
            name_group(r, g, name, sizeof name);
            cn_plot_point(p, x[g], y[g], lo[g], hi[g],
                          out ? name_file(r, r->groups[g].file) : name);
        }
    }
    if (out) { /* from the cheapest on */
        cn_plot_series(p, CN_PLOT_LINE, NULL, names[0]);
        double last = -(double)INFINITY;
        for (int k = 0; k < r->n_groups; k++) {
            int next = -1;
            for (int g = 0; g < r->n_groups; g++)
                if (on[g] && x[g] > last && (next < 0 || x[g] < x[next]))
                    next = g;
            if (next < 0)
                break;
            last = x[next];
            cn_plot_point(p, x[next], y[next], (double)NAN, (double)NAN, NULL);
        }
    }
    note_missing(r, p, x, y);
    free(x);
    cn_report_plot(r, p, title);
    return true;
}

bool cn_front_picture(struct cn_report *r, const struct cn_quality_axis *quality, int source)
{
    static const char *const names[] = { "nothing here is both cheaper and better",
                                         "something here is both" };
    static const char *const leaner[] = { "nothing here is both cheaper and smaller",
                                          "something here is both" };
    struct cn_metric cost = cn_front_cost(source);
    bool higher[2] = { false, quality && quality->kind == CN_QUALITY_ACCURACY };
    double *points = malloc(2 * ((size_t)r->n_groups + 1) * sizeof *points), lo, hi;
    bool *on = calloc(2 * ((size_t)r->n_groups + 1), sizeof *on), ok = points && on;
    bool *out = ok ? on + r->n_groups + 1 : NULL;
    for (int g = 0; ok && g < r->n_groups; g++) {
        /* Each file once: in the setting in which its tokens are cheapest. */
        for (int k = 0; k < r->n_groups; k++)
            out[g] |= r->groups[k].file == r->groups[g].file &&
                      cn_metric_median(r, k, cost) < cn_metric_median(r, g, cost);
        points[2 * g] = out[g] ? (double)NAN : cn_metric_median(r, g, cost);
        points[2 * g + 1] = quality
                                ? cn_quality_of(r, r->groups[g].file, quality, &lo, &hi)
                                : cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_PEAK, 0 });
    }
    char title[320];
    snprintf(title, sizeof title, "What a token costs (%s) and %s (%s is better)%s",
             source >= 0 ? "energy" : "time",
             quality ? "how good the model is" : "the memory it takes", higher[1] ? "more" : "less",
             r->n_settings > 1 ? ", each file in its cheapest setting" : "");
    if (ok)
        cn_pareto(points, (size_t)r->n_groups, 2, higher, on);
    ok = ok && plot_points(r, cost, quality, on, out, quality ? names : leaner, title);
    free(points);
    free(on);
    return ok;
}

static bool front_plot(struct cn_report *r, const struct front *f)
{
    static const char *const names[] = { "on the front", "not on it" };
    char title[64];
    snprintf(title, sizeof title, "%s against %s", f->quality ? "Quality" : "Memory",
             f->j >= 0 ? "joules" : "time");
    return plot_points(r, cn_front_cost(f->source), f->quality, f->on, NULL, names, title);
}

static void front_table(struct cn_report *r, const struct front *f)
{
    char label[160];
    struct cn_table *t = cn_table_create("front");
    if (!t)
        return;
    cn_table_column(t, "front", "front", -1);
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "tps", "decode, tokens/s", 1);
    cn_table_column(t, "peak", "peak memory, MiB", 1);
    if (f->j >= 0)
        cn_table_column(t, "j",
                        cn_metric_label(r, (struct cn_metric){ CN_METRIC_DECODE_J, f->source },
                                        label, sizeof label),
                        3);
    if (f->q >= 0)
        cn_table_column(t, "quality", f->quality->name, 4);
    int n_on = 0;
    for (int k = 0; k < 2 * r->n_groups; k++) { /* first those that are on it */
        int g = k % r->n_groups;
        const struct cn_report_file *file = &r->files[r->groups[g].file];
        const double *p = f->points + g * f->n_axes;
        if (f->on[g] != (k < r->n_groups))
            continue;
        n_on += f->on[g];
        cn_table_row(t);
        cn_table_str(t, "front", f->on[g] ? "\u25cf on it" : "");
        cn_table_str(t, "model", file->model);
        cn_table_str(t, "quant", file->quant);
        cn_table_str(t, "setting", r->settings[r->groups[g].setting].name);
        cn_table_f64(t, "tps", p[0]);
        cn_table_f64(t, "peak", p[1]);
        if (f->j >= 0)
            cn_table_f64(t, "j", p[f->j]);
        if (f->q >= 0)
            cn_table_f64(t, "quality", p[f->q]);
    }
    cn_page_text(r->page, "%d of %d configurations %s on the front.", n_on, r->n_groups,
                 n_on == 1 ? "is" : "are");
    cn_report_table(r, t, "The front, and what is not on it");
}

bool cn_report_front(struct cn_report *r)
{
    struct cn_quality_axis *axes;
    int n_axes;
    if (!cn_quality_axes(r, &axes, &n_axes))
        return false;
    bool ok = true;
    cn_page_section(r->page, "front", "Pareto front");
    cn_page_note(r->page, "What no other configuration beats on every count: decode speed, peak "
                          "memory, and, where known, joules per token and quality.");
    for (int s = 0; ok && s < (r->n_sources ? r->n_sources : 1); s++) {
        struct front f = { .quality = cn_front_quality(r, axes, n_axes),
                           .source = r->n_sources ? s : -1 };
        if (r->n_sources && !cn_report_has(r, (struct cn_metric){ CN_METRIC_DECODE_J, s }))
            continue;
        if (r->n_sources > 1)
            cn_page_heading(r->page, r->sources[s].name);
        ok = find_front(r, &f);
        ok = ok && front_plot(r, &f);
        if (ok)
            front_table(r, &f);
        free(f.points);
        free(f.on);
    }
    free(axes);
    return ok;
}
