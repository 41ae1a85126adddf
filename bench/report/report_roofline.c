/* SPDX-License-Identifier: MIT
 *
 * The chapter that holds figures against the machine's limits (roofline, Williams et al. 2009).
 */
#include "bench/page/plot.h"
#include "bench/report/report_layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The limit of a setting's device that fits its threads: the highest tier that it may use; NULL if
 * none was measured. */
static const struct cn_report_limit *limit_of(const struct cn_report *r, int setting)
{
    const struct cn_report_setting *s = &r->settings[setting];
    const struct cn_report_limit *best = NULL;
    for (int i = 0; i < r->n_limits; i++) {
        const struct cn_report_limit *l = &r->limits[i];
        if (l->device != s->device || l->threads != s->threads_used ||
            (*s->tiers && !strstr(s->tiers, l->tier)))
            continue;
        if (!best || l->int8_gops > best->int8_gops ||
            (isnan(best->int8_gops) && !isnan(l->int8_gops)))
            best = l;
    }
    return best;
}

/* Operations for a byte of weights read, and operations per second. A batch reads the weights once
 * for all its tokens; with experts this counts all of them. */
static void place(const struct cn_report *r, int g, bool decode, double *intensity, double *gops)
{
    const struct cn_report_file *f = &r->files[r->groups[g].file];
    const struct cn_report_run *run = &r->runs[r->groups[g].runs[0]];
    double tps = cn_metric_median(
        r, g, (struct cn_metric){ decode ? CN_METRIC_DECODE_TPS : CN_METRIC_PREFILL_TPS, 0 });
    *intensity = decode ? f->decode_ops / f->decode_bytes
                        : f->decode_ops * fmin(run->input_tokens, 512) / f->tensor_bytes;
    *gops = f->decode_ops * tps / 1e9;
}

static void put_limit(struct cn_plot *p, const struct cn_report *r, int setting, double lo,
                      double hi)
{
    const struct cn_report_limit *l = limit_of(r, setting);
    if (!l || !(l->read_gbps > 0))
        return;
    double corner = l->int8_gops / l->read_gbps;
    cn_plot_series(p, CN_PLOT_LINE, "limit: reading memory, int8 arithmetic", NULL);
    cn_plot_point(p, lo, lo * l->read_gbps, (double)NAN, (double)NAN, NULL);
    if (corner > lo && corner < hi)
        cn_plot_point(p, corner, l->int8_gops, (double)NAN, (double)NAN, NULL);
    cn_plot_point(p, hi, isnan(corner) ? hi * l->read_gbps : fmin(hi * l->read_gbps, l->int8_gops),
                  (double)NAN, (double)NAN, NULL);
}

static bool first_with_limit(const struct cn_report *r, int setting)
{
    for (int s = 0; s < setting; s++)
        if (limit_of(r, s) == limit_of(r, setting))
            return false;
    return limit_of(r, setting);
}

/* One plot for all settings under the same limit. */
static void roofline_plot(struct cn_report *r, int setting)
{
    struct cn_plot *p =
        cn_plot_create("operations per byte of weights", "10\u2079 operations per second");
    double lo = (double)INFINITY, hi = -(double)INFINITY;
    if (!p)
        return;
    cn_plot_log(p, true, true);
    for (int pass = 0; pass < 2; pass++) {
        cn_plot_series(p, CN_PLOT_POINTS, pass ? "prefill" : "decode", NULL);
        for (int g = 0; g < r->n_groups; g++) {
            double x, y;
            if (limit_of(r, r->groups[g].setting) != limit_of(r, setting))
                continue;
            place(r, g, pass == 0, &x, &y);
            if (!(x > 0) || !(y > 0))
                continue;
            lo = fmin(lo, x);
            hi = fmax(hi, x);
            cn_plot_point(p, x, y, (double)NAN, (double)NAN, r->files[r->groups[g].file].quant);
        }
    }
    put_limit(p, r, setting, lo / 2, hi * 2);
    const struct cn_report_setting *s = &r->settings[setting];
    char title[320];
    const struct cn_report_limit *l = limit_of(r, setting);
    snprintf(title, sizeof title, "Roofline of %s: %s, %.0f thread%s",
             s->device < 0 ? "the device" : r->devices[s->device].name, l->tier, l->threads,
             l->threads == 1 ? "" : "s");
    cn_report_plot(r, p, title);
}

bool cn_report_roofline(struct cn_report *r)
{
    struct cn_table *t = cn_table_create("roofline");
    if (!t)
        return false;
    cn_page_section(r->page, "roofline", "Roofline");
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "gbps", "decode, GB/s of weights", 2);
    cn_table_column(t, "read", "limit", 1);
    cn_table_column(t, "read_share", "share", 2);
    cn_table_column(t, "gops", "prefill, Gop/s", 1);
    cn_table_column(t, "int8", "limit (int8)", 0);
    cn_table_column(t, "int8_share", "share", 2);
    int n = 0;
    for (int s = 0; s < r->n_settings; s++)
        if (first_with_limit(r, s)) {
            roofline_plot(r, s);
            n++;
        }
    for (int g = 0; n && g < r->n_groups; g++) {
        const struct cn_report_limit *l = limit_of(r, r->groups[g].setting);
        const struct cn_report_file *f = &r->files[r->groups[g].file];
        double x, decode, prefill;
        if (!l)
            continue;
        place(r, g, true, &x, &decode);
        place(r, g, false, &x, &prefill);
        double gbps = decode / f->decode_ops * f->decode_bytes;
        cn_table_row(t);
        cn_table_str(t, "model", f->model);
        cn_table_str(t, "quant", f->quant);
        cn_table_str(t, "setting", r->settings[r->groups[g].setting].name);
        cn_table_f64(t, "gbps", gbps);
        cn_table_f64(t, "read", l->read_gbps);
        cn_table_f64(t, "read_share", gbps / l->read_gbps);
        cn_table_f64(t, "gops", prefill);
        cn_table_f64(t, "int8", l->int8_gops);
        cn_table_f64(t, "int8_share", prefill / l->int8_gops);
    }
    if (n == 0) {
        cn_page_text(r->page, "The study holds no limits of its devices for the threads that ran.");
    } else {
        cn_page_note(r->page, "Points below the slope wait for memory, those below the flat part "
                              "for arithmetic. Models that fit into the caches can pass the slope, "
                              "which is measured on memory.");
    }
    cn_report_table(r, t, "Shares of the limits");
    return true;
}
