/* SPDX-License-Identifier: MIT
 *
 * Chapters of medians: speed, memory, energy, quality.
 */
#include "bench/page/plot.h"
#include "bench/report/report_layout.h"
#include "bench/report/report_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_ROWS = 48, /* files in one plot */
    MAX_PLOTS = 6  /* of one kind: settings */
};

void cn_report_undrawn(const struct cn_page *page, const struct cn_error *missing,
                       struct cn_report_made *made)
{
    char first[600];
    const int n = cn_page_undrawn(page, first, sizeof first);
    if (n > 1)
        snprintf(made->missing, sizeof made->missing, "%d plots are missing: %s", n, first);
    else
        snprintf(made->missing, sizeof made->missing, "%s%s", n ? "a plot is missing: " : "",
                 n ? first : missing->text);
}

static const char *setting_title(const struct cn_report *r, int setting)
{
    const char *name = r->settings[setting].name;
    return *name ? name : "median, 95% interval";
}

static bool used(const struct cn_report *r, int file)
{
    for (int g = 0; g < r->n_groups; g++)
        if (r->groups[g].file == file)
            return true;
    return false;
}

/* Where the files end that share a plot with file `first`: all, or if these are too many, those of
 * its model. */
static int plot_end(const struct cn_report *r, int first)
{
    if (r->n_files <= MAX_ROWS)
        return r->n_files;
    int end = first + 1;
    while (end < r->n_files && !cn_first_of_model(r, end))
        end++;
    return end;
}

/* The title of such a plot; where there is one for each model, with its name. Returns buf. */
static const char *plot_title(const struct cn_report *r, int first, const char *title, char *buf,
                              size_t n)
{
    bool all = plot_end(r, 0) == r->n_files;
    snprintf(buf, n, "%s%s%s", title, all ? "" : ", ", all ? "" : r->files[first].model);
    return buf;
}

/* ---- what a plot of joules lacks ------------------------------------------------------------- */

struct lack {
    struct cn_say text;
    int n;
};

/* n_lack of n_runs runs have no value. */
static void add_lack(struct lack *l, const char *name, const char *part, int n_lack, int n_runs)
{
    if (n_lack == 0)
        return;
    cn_say(&l->text, "%s%s%s%s (%d of %d run%s)",
           l->n++ ? ", " : "Without joules, and so not in it: ", name, *part ? " " : "", part,
           n_lack, n_runs, n_runs == 1 ? "" : "s");
}

/* Counts the runs of a group that do not know a metric of joules. */
static void add_metric_lack(struct lack *l, const struct cn_report *r, int g, struct cn_metric m)
{
    const struct cn_report_group *group = &r->groups[g];
    char name[320];
    int n = 0;
    for (int i = 0; i < group->n_runs; i++)
        n += isnan(cn_metric_of(r, group->runs[i], m));
    const char *setting = r->settings[group->setting].name;
    snprintf(name, sizeof name, "%s%s%s", r->files[group->file].name, *setting ? ", " : "",
             setting);
    add_lack(l, name, "", n, group->n_runs);
}

static void put_lack(struct cn_plot *p, struct lack *l)
{
    cn_say(&l->text, ".");
    if (l->n)
        cn_plot_note(p, l->text.s);
}

/* A metric of the files from `first` to `end`, one colour per setting. */
static bool some_dots(struct cn_report *r, struct cn_metric m, const char *title, int first,
                      int end)
{
    char label[160];
    struct cn_plot *p = cn_plot_create(cn_metric_label(r, m, label, sizeof label), "");
    if (!p)
        return false;
    cn_plot_from_zero(p);
    int row = 0, *rows = calloc((size_t)r->n_files + 1, sizeof *rows);
    bool ok = rows;
    struct lack lack = { 0 };
    for (int f = 0; ok && f < r->n_files; f++)
        rows[f] = f >= first && f < end && row < MAX_ROWS && used(r, f)
                      ? (row++, cn_plot_row(p, r->files[f].name))
                      : -1;
    for (int s = 0; ok && s < r->n_settings && s < CN_PLOT_SERIES; s++) {
        cn_plot_series(p, CN_PLOT_DOTS, setting_title(r, s), NULL);
        for (int g = 0; ok && g < r->n_groups; g++) {
            struct cn_summary sum;
            if (r->groups[g].setting != s || rows[r->groups[g].file] < 0)
                continue;
            ok = cn_metric_summary(r, g, m, &sum);
            if (cn_metric_info(m.kind)->energy)
                add_metric_lack(&lack, r, g, m);
            /* Settings side by side, so that equal ones do not hide each other. */
            double beside = (s - 0.5 * (r->n_settings - 1)) * fmin(0.25, 0.7 / r->n_settings);
            if (ok && sum.n)
                cn_plot_point(p, sum.median, rows[r->groups[g].file] + beside, sum.lo, sum.hi,
                              NULL);
        }
    }
    free(rows);
    put_lack(p, &lack);
    cn_report_plot(r, p, title);
    return ok;
}

static bool dots(struct cn_report *r, struct cn_metric m, const char *title)
{
    char full[320];
    bool ok = true;
    for (int first = 0, end; ok && first < r->n_files; first = end) {
        end = plot_end(r, first);
        ok = some_dots(r, m, plot_title(r, first, title, full, sizeof full), first, end);
    }
    return ok;
}

static void put_summary(struct cn_table *t, const char *key, const struct cn_summary *s)
{
    char name[64];
    cn_table_f64(t, key, s->n ? s->median : (double)NAN);
    snprintf(name, sizeof name, "%s_lo", key);
    cn_table_f64(t, name, s->n ? s->lo : (double)NAN);
    snprintf(name, sizeof name, "%s_hi", key);
    cn_table_f64(t, name, s->n ? s->hi : (double)NAN);
    snprintf(name, sizeof name, "%s_iqr", key);
    cn_table_f64(t, name, s->n ? s->q3 - s->q1 : (double)NAN);
}

static void summary_columns(struct cn_table *t, const char *key, const char *title, int digits)
{
    char name[64];
    cn_table_column(t, key, title, digits);
    snprintf(name, sizeof name, "%s_lo", key);
    cn_table_column(t, name, "95% from", digits);
    snprintf(name, sizeof name, "%s_hi", key);
    cn_table_column(t, name, "to", digits);
    snprintf(name, sizeof name, "%s_iqr", key);
    cn_table_column(t, name, "IQR", digits);
}

static void group_columns(const struct cn_report *r, struct cn_table *t)
{
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "n", "runs", -1);
}

static void put_group(const struct cn_report *r, struct cn_table *t, int g)
{
    const struct cn_report_file *f = &r->files[r->groups[g].file];
    cn_table_row(t);
    cn_table_str(t, "model", f->model);
    cn_table_str(t, "quant", f->quant);
    cn_table_f64(t, "bpw", f->bpw);
    cn_table_str(t, "setting", r->settings[r->groups[g].setting].name);
    cn_table_i64(t, "n", r->groups[g].n_runs);
}

bool cn_report_speed(struct cn_report *r)
{
    static const struct {
        enum cn_metric_kind kind;
        const char *key, *title;
        int digits;
    } columns[] = {
        {CN_METRIC_PREFILL_TPS, "prefill_tps", "prefill, tokens/s", 1},
        { CN_METRIC_DECODE_TPS, "decode_tps",  "decode, tokens/s",  1},
        { CN_METRIC_TTFT,       "ttft_s",      "first token, s",    3},
        { CN_METRIC_LOAD,       "load_s",      "load, s",           3},
    };
    enum { N = sizeof columns / sizeof *columns };
    struct cn_table *t = cn_table_create("speed");
    if (!t)
        return false;
    cn_page_section(r->page, "speed", "Speed");
    cn_page_note(r->page, "Medians of the runs of a configuration with the 95%% interval of the "
                          "median (bootstrap).");
    bool ok = dots(r, (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 }, "Decode speed") &&
              dots(r, (struct cn_metric){ CN_METRIC_PREFILL_TPS, 0 }, "Prefill speed");
    group_columns(r, t);
    for (int i = 0; i < N; i++)
        summary_columns(t, columns[i].key, columns[i].title, columns[i].digits);
    for (int g = 0; ok && g < r->n_groups; g++) {
        put_group(r, t, g);
        for (int i = 0; ok && i < N; i++) {
            struct cn_summary s;
            ok = cn_metric_summary(r, g, (struct cn_metric){ columns[i].kind, 0 }, &s);
            if (ok)
                put_summary(t, columns[i].key, &s);
        }
    }
    cn_report_table(r, t, "Speed of every configuration");
    return ok;
}

/* ---- stacks: what a quantity is made of, one plot per setting -------------------------------- */

static double phase_joules(const struct cn_report *r, int run, int source, int part)
{
    return r->energy[run * r->n_sources + source].joules[part];
}

static double phase_net(const struct cn_report *r, int run, int source, int part)
{
    return r->energy[run * r->n_sources + source].net[part];
}

static double phase_uncertainty(const struct cn_report *r, int run, int source, int part)
{
    return r->energy[run * r->n_sources + source].uncertainty[part];
}

struct part {
    const char *name;
    double (*of)(const struct cn_report *r, int run, int source, int part);
};

static double part_median(const struct cn_report *r, int group, const struct part *part, int source,
                          int number)
{
    const struct cn_report_group *g = &r->groups[group];
    double *x = malloc((size_t)g->n_runs * sizeof *x), median = (double)NAN;
    size_t n = 0;
    for (int i = 0; x && i < g->n_runs; i++) {
        double v = part->of(r, g->runs[i], source, number);
        if (isfinite(v))
            x[n++] = v;
    }
    if (n)
        median = cn_median(x, n);
    free(x);
    return median;
}

static int runs_without(const struct cn_report *r, int group, const struct part *part, int source,
                        int number)
{
    int n = 0;
    for (int i = 0; i < r->groups[group].n_runs; i++)
        n += isnan(part->of(r, r->groups[group].runs[i], source, number));
    return n;
}

/* Which of the files from `first` to `end` lack a part of their joules, in a setting. */
static void add_part_lack(struct lack *l, const struct cn_report *r, const struct part *part,
                          int source, int number, int setting, int first, int end)
{
    int n_runs = 0, n_without = 0;
    for (int f = first; f < end; f++) {
        int g = cn_report_group_of(r, f, setting);
        n_runs += g < 0 ? 0 : r->groups[g].n_runs;
        n_without += g < 0 ? 0 : runs_without(r, g, part, source, number);
    }
    if (n_without == n_runs) {
        add_lack(l, "every file's", part->name, n_without, n_runs);
        return;
    }
    for (int f = first; f < end; f++) {
        int g = cn_report_group_of(r, f, setting);
        if (g >= 0)
            add_lack(l, r->files[f].name, part->name, runs_without(r, g, part, source, number),
                     r->groups[g].n_runs);
    }
}

/* Of the files from `first` to `end` in a setting. */
static bool some_stacks(struct cn_report *r, const struct part *parts, int n_parts, int source,
                        const char *label, const char *title, int setting, int first, int end)
{
    struct cn_plot *p = cn_plot_create(label, "");
    double *edge = calloc((size_t)r->n_files + 1, sizeof *edge);
    if (!p || !edge) {
        cn_plot_free(p);
        free(edge);
        return false;
    }
    struct lack lack = { 0 };
    for (int k = 0; k < n_parts && parts[k].of == phase_joules; k++)
        add_part_lack(&lack, r, &parts[k], source, k, setting, first, end);
    cn_plot_from_zero(p);
    int row = 0;
    for (int f = first; f < end && row < MAX_ROWS; f++)
        if (cn_report_group_of(r, f, setting) >= 0)
            row = cn_plot_row(p, r->files[f].name) + 1;
    for (int k = 0; k < n_parts; k++) {
        cn_plot_series(p, CN_PLOT_BARS, parts[k].name, NULL);
        row = 0;
        for (int f = first; f < end && row < MAX_ROWS; f++) {
            int g = cn_report_group_of(r, f, setting);
            if (g < 0)
                continue;
            double v = part_median(r, g, &parts[k], source, k);
            if (isfinite(v)) {
                cn_plot_point(p, 0, row, edge[f], edge[f] + v, NULL);
                edge[f] += v;
            }
            row++;
        }
    }
    free(edge);
    put_lack(p, &lack);
    cn_report_plot(r, p, title);
    return true;
}

static bool stacks(struct cn_report *r, const struct part *parts, int n_parts, int source,
                   const char *label, const char *title)
{
    char with_model[320], full[512];
    bool ok = true;
    for (int s = 0; ok && s < r->n_settings && s < MAX_PLOTS; s++)
        for (int first = 0, end; ok && first < r->n_files; first = end) {
            const char *name = r->settings[s].name;
            end = plot_end(r, first);
            snprintf(full, sizeof full, "%s%s%s",
                     plot_title(r, first, title, with_model, sizeof with_model), *name ? ": " : "",
                     name);
            ok = some_stacks(r, parts, n_parts, source, label, full, s, first, end);
        }
    return ok;
}

static double memory_part(const struct cn_report *r, int run, int source, int part)
{
    (void)source;
    const struct cn_report_run *a = &r->runs[run];
    double v = part == 0 ? a->model_bytes : part == 1 ? a->kv_bytes : a->other_bytes;
    return v / (1 << 20);
}

bool cn_report_memory(struct cn_report *r)
{
    static const struct part parts[] = {
        {"weights",                              memory_part},
        { "KV cache",                            memory_part},
        { "other (program, scratch, tokenizer)", memory_part}
    };
    struct cn_table *t = cn_table_create("memory");
    if (!t)
        return false;
    cn_page_section(r->page, "memory", "Memory");
    cn_page_note(r->page, "Peak of resident memory; weights are mapped from the file and counted "
                          "as far as they were touched.");
    bool ok = stacks(r, parts, 3, 0, "MiB", "Peak memory");
    group_columns(r, t);
    summary_columns(t, "peak", "peak, MiB", 1);
    cn_table_column(t, "weights", "weights", 1);
    cn_table_column(t, "kv", "KV cache", 1);
    cn_table_column(t, "other", "other", 1);
    cn_table_column(t, "file", "file, MiB", 1);
    for (int g = 0; ok && g < r->n_groups; g++) {
        struct cn_summary s;
        put_group(r, t, g);
        ok = cn_metric_summary(r, g, (struct cn_metric){ CN_METRIC_PEAK, 0 }, &s);
        if (!ok)
            break;
        put_summary(t, "peak", &s);
        cn_table_f64(t, "weights", part_median(r, g, &parts[0], 0, 0));
        cn_table_f64(t, "kv", part_median(r, g, &parts[1], 0, 1));
        cn_table_f64(t, "other", part_median(r, g, &parts[2], 0, 2));
        cn_table_f64(t, "file", r->files[r->groups[g].file].file_bytes / (1 << 20));
    }
    cn_report_table(r, t, "Memory of every configuration");
    return ok;
}

/* ---- energy ---------------------------------------------------------------------------------- */

/* Joules of a source by phase, for every group. */
static bool energy_table(struct cn_report *r, int source)
{
    static const char *const joules[] = { "load_j", "prefill_j", "decode_j", "sample_j", "all_j" };
    static const char *const bounds[] = { "load_u", "prefill_u", "decode_u", "sample_u", "all_u" };
    static const char *const titles[] = { "load, J", "prefill, J", "decode, J", "sample, J",
                                          "all, J" };
    struct cn_table *t = cn_table_create("energy");
    bool ok = t, modelled = r->sources[source].modelled;
    if (!t)
        return false;
    group_columns(r, t);
    for (int p = 0; p < CN_REPORT_PHASES; p++) {
        cn_table_column(t, joules[p], titles[p], 3);
        if (!modelled)
            cn_table_column(t, bounds[p], "\u00b1", 3);
    }
    cn_table_column(t, "net", "all, net, J", 3);
    char decode[64], prefill[64];
    snprintf(decode, sizeof decode, "decode, %s", cn_metric_unit(r, CN_METRIC_DECODE_J));
    snprintf(prefill, sizeof prefill, "prefill, %s", cn_metric_unit(r, CN_METRIC_PREFILL_J));
    summary_columns(t, "decode", decode, 3);
    summary_columns(t, "prefill", prefill, 3);
    for (int g = 0; ok && g < r->n_groups; g++) {
        struct cn_summary s;
        const struct part part = { NULL, phase_joules }, net = { NULL, phase_net },
                          uncertainty = { NULL, phase_uncertainty };
        put_group(r, t, g);
        for (int p = 0; p < CN_REPORT_PHASES; p++) {
            double v = part_median(r, g, &part, source, p);
            if (isnan(v))
                cn_table_null(t, joules[p], "unresolved");
            else
                cn_table_f64(t, joules[p], v);
            if (!modelled)
                cn_table_f64(t, bounds[p], part_median(r, g, &uncertainty, source, p));
        }
        cn_table_f64(t, "net", part_median(r, g, &net, source, CN_REPORT_ALL));
        ok = cn_metric_summary(r, g, (struct cn_metric){ CN_METRIC_DECODE_J, source }, &s);
        if (ok)
            put_summary(t, "decode", &s);
        ok = ok && cn_metric_summary(r, g, (struct cn_metric){ CN_METRIC_PREFILL_J, source }, &s);
        if (ok)
            put_summary(t, "prefill", &s);
    }
    cn_report_table(r, t, "Energy of every configuration");
    return ok;
}

/* A metric against bits per weight: one colour per model and setting. */
static bool against_bits(struct cn_report *r, struct cn_metric m, const char *title)
{
    char label[160], name[256];
    struct cn_plot *p =
        cn_plot_create("effective bits per weight", cn_metric_label(r, m, label, sizeof label));
    bool ok = p;
    struct lack lack = { 0 };
    for (int f = 0; ok && f < r->n_files; f++) {
        if (!cn_first_of_model(r, f))
            continue;
        for (int s = 0; ok && s < r->n_settings; s++) {
            const char *setting = r->settings[s].name;
            snprintf(name, sizeof name, "%s%s%s", r->files[f].model, *setting ? ", " : "", setting);
            cn_plot_series(p, CN_PLOT_POINTS, name, NULL);
            for (int k = f; ok && k < r->n_files && !strcmp(r->files[k].model, r->files[f].model);
                 k++) {
                struct cn_summary sum;
                int g = cn_report_group_of(r, k, s);
                ok = g < 0 || cn_metric_summary(r, g, m, &sum);
                if (ok && g >= 0)
                    add_metric_lack(&lack, r, g, m);
                if (ok && g >= 0 && sum.n)
                    cn_plot_point(p, r->files[k].bpw, sum.median, sum.lo, sum.hi,
                                  r->files[k].quant);
            }
        }
    }
    if (p) {
        cn_plot_from_zero(p);
        put_lack(p, &lack);
    }
    cn_report_plot(r, p, title);
    return ok;
}

bool cn_report_energy_chapter(struct cn_report *r)
{
    static const struct part parts[] = {
        {"load",     phase_joules},
        { "prefill", phase_joules},
        { "decode",  phase_joules},
        { "sample",  phase_joules}
    };
    cn_page_section(r->page, "energy", "Energy by phase");
    if (r->n_sources == 0) {
        const char *status = r->n_runs ? r->runs[0].energy_status : "unsupported";
        const char *reason = r->n_runs ? r->runs[0].energy_reason : "no run is done";
        cn_page_text(r->page, "Joules: %s%s%s.", *status ? status : "unsupported",
                     *reason ? ": " : "", reason);
        return true;
    }
    cn_page_note(
        r->page,
        "Gross joules, medians of the runs. \u00b1 is what the meter leaves open within one "
        "run (half of a 95%% interval, median of the runs); intervals of J/token are of the "
        "median over runs. Net: less the idle power measured around each run. Each meter "
        "and boundary stands by itself: joules of different ones cannot be compared.");
    bool ok = true;
    for (int s = 0; ok && s < r->n_sources; s++) {
        char title[256], label[256];
        const char *boundary = r->sources[s].boundary;
        const char *kind = r->sources[s].modelled ? "modelled" : "measured";
        cn_page_heading(r->page, r->sources[s].name);
        snprintf(label, sizeof label, "J per run (boundary %s, %s)", boundary, kind);
        snprintf(title, sizeof title, "Energy by phase, %s", kind);
        ok = stacks(r, parts, 4, s, label, title);
        snprintf(title, sizeof title, "Energy of a decoded token, %s", kind);
        ok = ok && dots(r, (struct cn_metric){ CN_METRIC_DECODE_J, s }, title);
        snprintf(title, sizeof title, "Energy of a prompt token, %s", kind);
        ok = ok && dots(r, (struct cn_metric){ CN_METRIC_PREFILL_J, s }, title);
        snprintf(title, sizeof title, "Energy of a decoded token against bits, %s", kind);
        ok = ok && against_bits(r, (struct cn_metric){ CN_METRIC_DECODE_J, s }, title);
        ok = ok && energy_table(r, s);
    }
    return ok;
}

/* ---- quality --------------------------------------------------------------------------------- */

enum against { BITS, SIZE, READ_SIZE };

static void quality_plot(struct cn_report *r, const struct cn_quality_axis *axis,
                         enum against against)
{
    static const char *const labels[] = { "effective bits per weight", "weights, MiB",
                                          "weights read for a token, MiB" };
    static const char *const titles[] = { "", " against size", " against what a token reads" };
    char title[256];
    struct cn_plot *p = cn_plot_create(labels[against], axis->kind == CN_QUALITY_PPL ? "perplexity"
                                                        : axis->kind == CN_QUALITY_KLD
                                                            ? "KL divergence, nats"
                                                            : "accuracy, share of tasks");
    if (!p)
        return;
    cn_plot_log(p, against != BITS, axis->kind != CN_QUALITY_ACCURACY);
    for (int f = 0; f < r->n_files; f++) {
        const struct cn_report_file *file = &r->files[f];
        double lo, hi, v = cn_quality_of(r, f, axis, &lo, &hi);
        double x = against == BITS   ? file->bpw
                   : against == SIZE ? file->tensor_bytes / (1 << 20)
                                     : file->decode_bytes / (1 << 20);
        if (cn_first_of_model(r, f))
            cn_plot_series(p, CN_PLOT_POINTS, file->model, NULL);
        /* A base held against itself is noise that would stretch the axis by decades. */
        if (axis->kind != CN_QUALITY_KLD || v >= 1e-5)
            cn_plot_point(p, x, v, lo, hi, file->quant);
    }
    if (against == BITS) {
        cn_plot_series(p, CN_PLOT_VERTICAL, "3.5 bits", NULL);
        cn_plot_point(p, 3.5, 0, (double)NAN, (double)NAN, NULL);
    }
    snprintf(title, sizeof title, "%s%s", axis->name, titles[against]);
    cn_report_plot(r, p, title);
}

bool cn_report_quality_chapter(struct cn_report *r)
{
    struct cn_quality_axis *axes;
    int n_axes;
    struct cn_table *t = cn_table_create("quality");
    if (!t || !cn_quality_axes(r, &axes, &n_axes)) {
        cn_table_free(t);
        return false;
    }
    cn_page_section(r->page, "quality", "Quality");
    if (n_axes == 0)
        cn_page_text(r->page, "The plan measured no quality.");
    else
        cn_page_note(r->page, "Intervals: 95%%. Perplexities compare models only where the "
                              "tokenizer is the same; KL divergence is from the model's own base; "
                              "below 1e-5 nats it is not drawn.");
    bool several = false, experts = false;
    for (int f = 0; f < r->n_files; f++) {
        several |= f > 0 && cn_first_of_model(r, f);
        experts |= r->files[f].experts;
    }
    for (int a = 0; a < n_axes; a++) {
        quality_plot(r, &axes[a], BITS);
        /* Divergence is from each model's own base, so models cannot be compared by it. */
        if (several && axes[a].kind != CN_QUALITY_KLD)
            quality_plot(r, &axes[a], SIZE);
        if (several && experts && axes[a].kind != CN_QUALITY_KLD)
            quality_plot(r, &axes[a], READ_SIZE);
    }
    free(axes);
    bool ppl = false, kld = false, accuracy = false;
    for (int i = 0; i < r->n_quality; i++) {
        ppl |= !isnan(r->quality[i].ppl);
        kld |= !isnan(r->quality[i].kld_mean);
        accuracy |= !isnan(r->quality[i].accuracy);
    }
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "measure", "measure", -1);
    cn_table_column(t, "text", "text", -1);
    cn_table_column(t, "tokens", "tokens", 0);
    cn_table_column(t, "ppl", ppl ? "perplexity" : NULL, 3);
    cn_table_column(t, "ppl_se", ppl ? "\u00b1 se" : NULL, 3);
    cn_table_column(t, "kld", kld ? "KL mean" : NULL, 5);
    cn_table_column(t, "kld_p99", kld ? "KL 99%" : NULL, 4);
    cn_table_column(t, "top1", kld ? "same top" : NULL, 3);
    cn_table_column(t, "accuracy", accuracy ? "accuracy" : NULL, 3);
    cn_table_column(t, "lo", accuracy ? "95% from" : NULL, 3);
    cn_table_column(t, "hi", accuracy ? "to" : NULL, 3);
    for (int i = 0; i < r->n_quality; i++) {
        const struct cn_report_quality *q = &r->quality[i];
        const struct cn_report_file *f = &r->files[q->file];
        cn_table_row(t);
        cn_table_str(t, "model", f->model);
        cn_table_str(t, "quant", f->quant);
        cn_table_f64(t, "bpw", f->bpw);
        cn_table_str(t, "measure", q->measure);
        cn_table_str(t, "text", q->text);
        cn_table_f64(t, "tokens", q->tokens);
        cn_table_f64(t, "ppl", q->ppl);
        cn_table_f64(t, "ppl_se", q->ppl_se);
        cn_table_f64(t, "kld", q->kld_mean);
        cn_table_f64(t, "kld_p99", q->kld_p99);
        cn_table_f64(t, "top1", q->top1);
        cn_table_f64(t, "accuracy", q->accuracy);
        cn_table_f64(t, "lo", q->accuracy_lo);
        cn_table_f64(t, "hi", q->accuracy_hi);
    }
    cn_report_table(r, t, "Quality of every file");
    return true;
}
