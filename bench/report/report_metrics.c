/* SPDX-License-Identifier: MIT
 *
 * What a report asks of its runs and files.
 */
#include "bench/report/report_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cn_metric_info *cn_metric_info(enum cn_metric_kind kind)
{
    static const struct cn_metric_info infos[] = {
        [CN_METRIC_PREFILL_TPS] = {"prefill speed",        "tokens/s", true,  false},
        [CN_METRIC_DECODE_TPS] = { "decode speed",        "tokens/s", true,  false},
        [CN_METRIC_TTFT] = { "time to first token", "s",        false, false},
        [CN_METRIC_LOAD] = { "load time",           "s",        false, false},
        [CN_METRIC_PEAK] = { "peak memory",         "MiB",      false, false},
        [CN_METRIC_DECODE_MS] = { "decode time",         "ms/token", false, false},
        [CN_METRIC_PREFILL_J] = { "prefill energy",      "J/token",  false, true },
        [CN_METRIC_DECODE_J] = { "decode energy",       "J/token",  false, true },
        [CN_METRIC_RUN_J] = { "energy of a run",     "J",        false, true },
    };
    return &infos[kind];
}

/* Where the middle of all joules begins with "0.00", thousandths are easier to read. */
static bool choose_unit(struct cn_report *r, enum cn_metric_kind kind)
{
    double *x = malloc(((size_t)r->n_runs * (size_t)r->n_sources + 1) * sizeof *x);
    size_t n = 0;
    if (!x)
        return false;
    r->per_joule[kind - CN_METRIC_PREFILL_J] = 1;
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < r->n_sources; s++) {
            double v = cn_metric_of(r, i, (struct cn_metric){ kind, s });
            if (v > 0)
                x[n++] = v;
        }
    double middle = n ? cn_median(x, n) : 1;
    free(x);
    if (middle < 0.01)
        r->per_joule[kind - CN_METRIC_PREFILL_J] = middle < 1e-5 ? 1e6 : 1e3;
    return true;
}

bool cn_metric_choose_units(struct cn_report *r)
{
    return choose_unit(r, CN_METRIC_PREFILL_J) && choose_unit(r, CN_METRIC_DECODE_J) &&
           choose_unit(r, CN_METRIC_RUN_J);
}

const char *cn_metric_unit(const struct cn_report *r, enum cn_metric_kind kind)
{
    static const char *const per_token[] = { "J/token", "mJ/token", "\u00b5J/token" };
    static const char *const per_run[] = { "J", "mJ", "\u00b5J" };
    if (!cn_metric_info(kind)->energy)
        return cn_metric_info(kind)->unit;
    double scale = r->per_joule[kind - CN_METRIC_PREFILL_J];
    return (kind == CN_METRIC_RUN_J ? per_run : per_token)[scale > 1e4 ? 2 : scale > 10 ? 1 : 0];
}

const char *cn_metric_label(const struct cn_report *r, struct cn_metric m, char *buf, size_t n)
{
    const struct cn_metric_info *info = cn_metric_info(m.kind);
    if (info->energy)
        snprintf(buf, n, "%s, %s (%s%s)", info->name, cn_metric_unit(r, m.kind),
                 r->sources[m.source].boundary, r->sources[m.source].modelled ? ", modelled" : "");
    else
        snprintf(buf, n, "%s, %s", info->name, info->unit);
    return buf;
}

double cn_metric_of(const struct cn_report *r, int run, struct cn_metric m)
{
    const struct cn_report_run *a = &r->runs[run];
    const struct cn_report_energy *e =
        cn_metric_info(m.kind)->energy ? &r->energy[run * r->n_sources + m.source] : NULL;
    double v = (double)NAN;
    switch (m.kind) {
    case CN_METRIC_PREFILL_TPS:
        v = a->prefill_tps;
        break;
    case CN_METRIC_DECODE_TPS:
        v = a->decode_tps;
        break;
    case CN_METRIC_TTFT:
        v = a->ttft_s;
        break;
    case CN_METRIC_LOAD:
        v = a->load_s;
        break;
    case CN_METRIC_PEAK:
        v = a->peak_bytes / (1 << 20);
        break;
    case CN_METRIC_DECODE_MS:
        v = 1000 / a->decode_tps;
        break;
    case CN_METRIC_PREFILL_J:
        v = e->joules[CN_REPORT_PREFILL] / a->input_tokens;
        break;
    case CN_METRIC_DECODE_J:
        v = e->joules[CN_REPORT_DECODE] / a->decoded_tokens;
        break;
    case CN_METRIC_RUN_J:
        v = e->joules[CN_REPORT_ALL];
        break;
    }
    if (e)
        v *= r->per_joule[m.kind - CN_METRIC_PREFILL_J];
    return isfinite(v) && !(r->quiet_only && *a->disturbed) ? v : (double)NAN;
}

bool cn_metric_summary(const struct cn_report *r, int group, struct cn_metric m,
                       struct cn_summary *s)
{
    const struct cn_report_group *g = &r->groups[group];
    double *x = malloc((size_t)g->n_runs * sizeof *x);
    size_t n = 0;
    if (!x)
        return false;
    for (int i = 0; i < g->n_runs; i++) {
        double v = cn_metric_of(r, g->runs[i], m);
        if (!isnan(v))
            x[n++] = v;
    }
    cn_summarise(x, n, s);
    free(x);
    return true;
}

double cn_metric_median(const struct cn_report *r, int group, struct cn_metric m)
{
    const struct cn_report_group *g = &r->groups[group];
    double *x = malloc((size_t)g->n_runs * sizeof *x), median = (double)NAN;
    size_t n = 0;
    for (int i = 0; x && i < g->n_runs; i++) {
        double v = cn_metric_of(r, g->runs[i], m);
        if (!isnan(v))
            x[n++] = v;
    }
    if (n)
        median = cn_median(x, n);
    free(x);
    return median;
}

size_t cn_metric_pairs(const struct cn_report *r, int group_a, int group_b, struct cn_metric m,
                       double *a, double *b)
{
    const struct cn_report_group *ga = &r->groups[group_a], *gb = &r->groups[group_b];
    size_t n = 0;
    for (int i = 0, k = 0; i < ga->n_runs && k < gb->n_runs;) {
        int64_t x = r->runs[ga->runs[i]].block, y = r->runs[gb->runs[k]].block;
        if (x == y) {
            a[n] = cn_metric_of(r, ga->runs[i], m);
            b[n] = cn_metric_of(r, gb->runs[k], m);
            n += !isnan(a[n]) && !isnan(b[n]);
        }
        i += x <= y;
        k += y <= x;
    }
    return n;
}

bool cn_report_has(const struct cn_report *r, struct cn_metric m)
{
    for (int i = 0; i < r->n_runs; i++)
        if (!isnan(cn_metric_of(r, i, m)))
            return true;
    return false;
}

/* ---- quality --------------------------------------------------------------------------------- */

static double quality_value(const struct cn_report_quality *q, enum cn_quality_kind kind,
                            double *lo, double *hi)
{
    const double z = 1.959963984540054;
    double v = kind == CN_QUALITY_PPL ? q->ppl : kind == CN_QUALITY_KLD ? q->kld_mean : q->accuracy;
    double se = kind == CN_QUALITY_PPL ? q->ppl_se : q->kld_se;
    *lo = kind == CN_QUALITY_ACCURACY ? q->accuracy_lo : v - z * se;
    *hi = kind == CN_QUALITY_ACCURACY ? q->accuracy_hi : v + z * se;
    return v;
}

double cn_quality_of(const struct cn_report *r, int file, const struct cn_quality_axis *axis,
                     double *lo, double *hi)
{
    for (int i = 0; i < r->n_quality; i++) {
        const struct cn_report_quality *q = &r->quality[i];
        if (q->file == file && strcmp(q->measure, axis->measure) == 0 &&
            strcmp(q->text, axis->text) == 0)
            return quality_value(q, axis->kind, lo, hi);
    }
    *lo = *hi = (double)NAN;
    return (double)NAN;
}

static bool known(const struct cn_quality_axis *axes, int n, const struct cn_quality_axis *a)
{
    for (int i = 0; i < n; i++)
        if (axes[i].kind == a->kind && strcmp(axes[i].measure, a->measure) == 0 &&
            strcmp(axes[i].text, a->text) == 0)
            return true;
    return false;
}

bool cn_quality_axes(const struct cn_report *r, struct cn_quality_axis **out, int *n)
{
    static const char *const names[] = { "perplexity", "KL divergence", "accuracy" };
    struct cn_quality_axis *axes = calloc((size_t)r->n_quality * 3 + 1, sizeof *axes);
    if (!axes)
        return false;
    *n = 0;
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < r->n_quality; i++) {
            const struct cn_report_quality *q = &r->quality[i];
            struct cn_quality_axis a = { (enum cn_quality_kind)kind, q->measure, q->text, "" };
            double lo, hi;
            /* Perplexity on text that the base wrote itself says less than the divergence there. */
            bool own_text = kind == CN_QUALITY_PPL && !*q->text;
            if (own_text || isnan(quality_value(q, a.kind, &lo, &hi)) || known(axes, *n, &a))
                continue;
            const char *slash = strrchr(q->text, '/');
            snprintf(a.name, sizeof a.name, "%s%s%s (%s)", names[kind],
                     kind == CN_QUALITY_ACCURACY ? " in " : "",
                     kind == CN_QUALITY_ACCURACY ? q->measure : "",
                     !*q->text ? "text of the base model's own"
                     : slash   ? slash + 1
                               : q->text);
            axes[(*n)++] = a;
        }
    *out = axes;
    return true;
}

/* ---- what disturbed the runs ------------------------------------------------------------------
 */

enum { MAX_KINDS = 8, MAX_TEXT = 64 };

/* A remark without its figures, which differ from run to run: up to the first bracket, and with
 * numbers left out. */
static void kind_of(const char *remark, size_t n, char kind[MAX_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < n && remark[i] != '(' && used + 1 < MAX_TEXT; i++) {
        bool figure = (remark[i] >= '0' && remark[i] <= '9') || remark[i] == '%' ||
                      (remark[i] == '.' && i + 1 < n && remark[i + 1] != ' ');
        bool blank = remark[i] == ' ' && (used == 0 || kind[used - 1] == ' ');
        if (!figure && !blank)
            kind[used++] = remark[i];
    }
    while (used && kind[used - 1] == ' ')
        used--;
    kind[used] = 0;
}

int cn_report_disturbed(const struct cn_report *r, char *what, size_t n_bytes)
{
    char kinds[MAX_KINDS][MAX_TEXT];
    int counts[MAX_KINDS] = { 0 }, n_kinds = 0, n_runs = 0;
    for (int i = 0; i < r->n_runs; i++) {
        const char *at = r->runs[i].disturbed;
        n_runs += *at != 0;
        while (*at) { /* remarks of one run are apart by semicolons */
            size_t n = strcspn(at, ";");
            char kind[MAX_TEXT];
            int k = 0;
            kind_of(at, n, kind);
            while (k < n_kinds && strcmp(kinds[k], kind) != 0)
                k++;
            if (k == n_kinds && n_kinds < MAX_KINDS)
                memcpy(kinds[n_kinds++], kind, sizeof kind);
            if (k < n_kinds)
                counts[k]++;
            at += n + (at[n] == ';');
        }
    }
    size_t used = 0;
    what[0] = 0;
    for (int k = 0; k < n_kinds && used < n_bytes; k++)
        used += (size_t)snprintf(what + used, n_bytes - used, "%s%d time%s %s", k ? ", " : "",
                                 counts[k], counts[k] == 1 ? "" : "s", kinds[k]);
    return n_runs;
}
