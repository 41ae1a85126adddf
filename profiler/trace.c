/* SPDX-License-Identifier: MIT
 *
 * The phase trace as JSON lines, written and read; and a trace priced with samples from elsewhere.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/jsonl.h"
#include "base/outfile.h"
#include "profiler/samples/offset.h"
#include "profiler/samples/samples.h"
#include "profiler/watch.h"

__attribute__((format(printf, 2, 3))) static int fail(struct cn_profiler_error *err,
                                                      const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        cn_format_fit(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return -1;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void number(FILE *f, const char *key, double value)
{
    fprintf(f, ",\"%s\":", key);
    cn_json_number(f, value);
}

static void string(FILE *f, const char *key, const char *value)
{
    fprintf(f, ",\"%s\":", key);
    cn_json_string(f, value && *value ? value : NULL);
}

static void energy(FILE *f, const struct cn_energy *e)
{
    number(f, "joules", e->joules);
    number(f, "joules_net", e->joules_net);
    number(f, "uncertainty", e->uncertainty);
    number(f, "uncertainty_net", e->uncertainty_net);
    fprintf(f, ",\"updates\":%" PRId64, e->updates);
    string(f, "status", cn_energy_status_name(e->status));
}

static void meter(FILE *f, const struct cn_meter_info *info)
{
    string(f, "meter", info->ok ? info->name : NULL);
    string(f, "boundary", info->ok ? info->boundary : NULL);
}

static void write_phase(FILE *f, const struct cn_profiler *p, size_t i)
{
    struct cn_energy e;
    cn_profiler_phase(p, 0, i, &e);
    fputs("{\"phase\":", f);
    cn_json_string(f, e.phase);
    fprintf(f, ",\"index\":%" PRId64 ",\"t0_ns\":%" PRId64 ",\"t1_ns\":%" PRId64, e.index, e.t0_ns,
            e.t1_ns);
    energy(f, &e);
    string(f, "reason", e.reason);
    meter(f, cn_profiler_channel(p, 0));
    fprintf(f, ",\"realtime_offset_ns\":%" PRId64 ",\"boottime_offset_ns\":%" PRId64,
            p->phases[i].realtime_offset_ns, p->clock.boottime_offset_ns);
    for (size_t k = 1; k < p->n_watches; k++) {
        cn_profiler_phase(p, k, i, &e);
        fputs(k == 1 ? ",\"others\":[{\"channel\":" : ",{\"channel\":", f);
        cn_json_string(f, cn_profiler_channel(p, k)->name);
        meter(f, cn_profiler_channel(p, k));
        energy(f, &e);
        string(f, "reason", e.reason);
        fputc('}', f);
    }
    fputs(p->n_watches > 1 ? "]}\n" : "}\n", f);
}

static int begin(const char *path, struct cn_outfile **file, struct cn_profiler_error *err)
{
    struct cn_error why;
    return cn_outfile_create(path, file, &why) == CN_OK ? 0 : fail(err, "%s", why.text);
}

static int finish(struct cn_outfile *file, struct cn_profiler_error *err)
{
    struct cn_error why;
    return cn_outfile_finish(file, &why) == CN_OK ? 0 : fail(err, "%s", why.text);
}

void cn_profiler_print_trace(const struct cn_profiler *p, FILE *out)
{
    for (size_t i = 0; i < p->n_phases; i++)
        write_phase(out, p, i);
}

int cn_profiler_write_trace(const struct cn_profiler *p, const char *path,
                            struct cn_profiler_error *err)
{
    struct cn_outfile *file;
    if (begin(path, &file, err) != 0)
        return -1;
    cn_profiler_print_trace(p, cn_outfile_stream(file));
    return finish(file, err);
}

int cn_profiler_write_samples(const struct cn_profiler *p, size_t channel, const char *path,
                              struct cn_profiler_error *err)
{
    const struct cn_watch *w = &p->watches[channel];
    if (p->started || !w->series)
        return fail(err, "%.300s: there are no samples: %s", path,
                    p->started ? "the profiler still runs" : w->channel.info.reason);
    struct cn_outfile *file;
    if (begin(path, &file, err) != 0)
        return -1;
    FILE *f = cn_outfile_stream(file);
    const struct cn_series *main = &w->series[0];
    double start = main->n ? main->points[0].t_ns : 0, total = 0;
    for (size_t i = 0; i < main->n; i++) {
        const struct cn_point *point = &main->points[i];
        if (!main->counter) {
            fprintf(f, "{\"t_ns\":%" PRId64 ",\"power_uw\":%.9g}\n", point->hi_ns, point->value);
            if (point->held_ns > point->t_ns)
                fprintf(f, "{\"t_ns\":%.0f,\"power_uw\":%.9g}\n", point->held_ns, point->value);
            continue;
        }
        /* The first source gives the times; the others are looked up there. */
        bool known = !point->broken;
        double sum = 0;
        for (unsigned k = 0; k < w->opened.n_sources && point->t_ns > start; k++) {
            struct cn_estimate e;
            cn_series_span(&w->series[k], (int64_t)start, (int64_t)point->t_ns, &e);
            known = known && !e.reason;
            sum += e.uj;
        }
        total = known ? sum : total;
        fprintf(f, "{\"t_ns\":%.0f,\"energy_uj\":", point->t_ns);
        cn_json_number(f, known ? total : CN_UNKNOWN);
        fputs("}\n", f);
    }
    return finish(file, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

enum { LINE_BYTES = 65536 };

struct line {
    struct cn_profiler *p;
    struct cn_phase phase;
    struct cn_clock clock;
    bool has_t0, has_t1, out_of_memory;
};

/* Phases keep pointers to their names: one copy of each. */
static const char *intern(struct cn_profiler *p, const char *kind)
{
    for (size_t i = 0; i < p->n_kinds; i++)
        if (!strcmp(p->kinds[i], kind))
            return p->kinds[i];
    char **kinds = realloc(p->kinds, (p->n_kinds + 1) * sizeof *kinds);
    if (!kinds)
        return NULL;
    p->kinds = kinds;
    char *copy = strdup(kind);
    if (copy)
        kinds[p->n_kinds++] = copy;
    return copy;
}

static void member(void *user, const char *key, const struct cn_json_value *v)
{
    struct line *l = user;
    if (!strcmp(key, "phase") && v->kind == CN_JSON_STRING) {
        l->phase.kind = intern(l->p, v->string);
        l->out_of_memory = !l->phase.kind;
        return;
    }
    if (v->kind != CN_JSON_NUMBER || !v->is_integer)
        return;
    if (!strcmp(key, "index")) {
        l->phase.index = v->integer;
    } else if (!strcmp(key, "t0_ns")) {
        l->phase.t0_ns = v->integer;
        l->has_t0 = true;
    } else if (!strcmp(key, "t1_ns")) {
        l->phase.t1_ns = v->integer;
        l->has_t1 = true;
    } else if (!strcmp(key, "realtime_offset_ns")) {
        l->clock.realtime_offset_ns = v->integer;
    } else if (!strcmp(key, "boottime_offset_ns")) {
        l->clock.boottime_offset_ns = v->integer;
    }
}

static int add_phase(struct cn_profiler *p, const struct line *l)
{
    if (p->n_phases == p->max_phases) {
        size_t max = 2 * p->max_phases;
        struct cn_phase *phases = realloc(p->phases, max * sizeof *phases);
        if (!phases)
            return -1;
        p->phases = phases;
        p->max_phases = max;
    }
    p->phases[p->n_phases] = l->phase;
    p->phases[p->n_phases++].realtime_offset_ns = l->clock.realtime_offset_ns;
    p->clock = l->clock;
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const struct cn_phase *x = a, *y = b;
    return x->t0_ns < y->t0_ns ? -1 : x->t0_ns > y->t0_ns;
}

static int read_trace(struct cn_profiler *p, const char *path, struct cn_profiler_error *err)
{
    static const int64_t most = INT64_MAX / 4; /* sums of a stamp and an offset stay in range */
    char *text = malloc(LINE_BYTES);
    FILE *f = fopen(path, "re");
    int result = 0;
    if (!text || !f)
        result = fail(err, "%.300s: %s", path, text ? strerror(errno) : "out of memory");
    for (size_t n = 1; !result && fgets(text, LINE_BYTES, f) && !ferror(f); n++) {
        if (!strchr(text, '\n') && !feof(f)) {
            result = fail(err, "%.300s: line %zu: longer than %d bytes", path, n, LINE_BYTES - 2);
            break;
        }
        if (!text[strspn(text, " \t\r\n")])
            continue;
        struct line l = { .p = p };
        const char *wrong = cn_json_line(text, member, &l);
        /* Objects that are no phases (samples, notes) may stand in between. */
        if (!wrong && !l.phase.kind && !l.out_of_memory)
            continue;
        if (!wrong && (!l.has_t0 || !l.has_t1))
            wrong = "expected integers t0_ns and t1_ns";
        if (!wrong &&
            (l.phase.t1_ns < l.phase.t0_ns || l.phase.t0_ns < -most || l.phase.t1_ns > most ||
             llabs(l.clock.realtime_offset_ns) > most || llabs(l.clock.boottime_offset_ns) > most))
            wrong = "expected t0_ns <= t1_ns and offsets in range";
        if (wrong)
            result = fail(err, "%.300s: line %zu: %s", path, n, wrong);
        else if (l.out_of_memory || add_phase(p, &l) != 0)
            result = fail(err, "out of memory");
    }
    if (!result && ferror(f))
        result = fail(err, "%.300s: %s", path, strerror(errno));
    if (!result && p->n_phases == 0)
        result = fail(err, "%.300s: no phases in the file", path);
    if (f)
        fclose(f);
    free(text);
    if (!result)
        qsort(p->phases, p->n_phases, sizeof *p->phases, by_begin);
    return result;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* Finds how far the samples' clock is off, and shifts them. */
static int search(const struct cn_profiler *p, struct cn_samples *samples, const char *path,
                  int64_t search_ns, struct cn_profiler_error *err)
{
    struct cn_offset o;
    const char *why;
    cn_series_settle(&samples->series);
    if (!cn_offset_find(&samples->series, p->phases, p->n_phases, search_ns, &o, &why))
        return fail(err, "%.300s: %s", path, why);
    /* Noise finds some place too. */
    if (o.explained < 0.3)
        return fail(err,
                    "%.200s: the samples fit the trace nowhere within %.1f s: at best its phases "
                    "explain %.0f%% of the power's changes",
                    path, 1e-9 * (double)search_ns, 100 * o.explained);
    cn_samples_shift(samples, o.ns);
    size_t used = strlen(samples->note);
    snprintf(samples->note + used, sizeof samples->note - used,
             "%sclock found %+.3f s off: there the phases explain %.0f%% of the power's changes%s",
             used ? "; " : "", -1e-9 * (double)o.ns, 100 * o.explained,
             o.next > 0.9 * o.explained ? ", and nearly as much elsewhere: not certain" : "");
    return 0;
}

/* The pieces of the trace's clock, if it was stepped in its time by more than the phases' stamps
 * are good for; *pieces NULL: it was not. False if memory is short. */
static bool pieces_of(const struct cn_profiler *p, struct cn_clock_piece **pieces, size_t *n)
{
    enum { STEP_NS = 1000000 };
    *pieces = NULL;
    *n = 0;
    bool stepped = false;
    for (size_t i = 1; i < p->n_phases; i++)
        stepped |=
            llabs(p->phases[i].realtime_offset_ns - p->phases[0].realtime_offset_ns) >= STEP_NS;
    if (!stepped)
        return true;
    struct cn_clock_piece *all = calloc(p->n_phases, sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < p->n_phases; i++) {
        const struct cn_phase *phase = &p->phases[i];
        struct cn_clock_piece *last = *n ? &all[*n - 1] : NULL;
        if (last && llabs(last->offset_ns - phase->realtime_offset_ns) < STEP_NS)
            last->t1_ns = phase->t1_ns > last->t1_ns ? phase->t1_ns : last->t1_ns;
        else
            all[(*n)++] =
                (struct cn_clock_piece){ phase->t0_ns, phase->t1_ns, phase->realtime_offset_ns };
    }
    *pieces = all;
    return true;
}

/* Puts the samples on the clock of the phases. */
static bool place(const struct cn_profiler *p, struct cn_samples *samples, int64_t t0_ns,
                  int64_t t1_ns, int64_t offset_ns, struct cn_profiler_error *err)
{
    static const int64_t year_2001 = 1000000000000000000;
    struct cn_clock_piece *pieces;
    size_t n;
    if (!pieces_of(p, &pieces, &n)) {
        fail(err, "out of memory");
        return false;
    }
    if (pieces && samples->first_ns > year_2001) {
        cn_samples_shift(samples, offset_ns);
        cn_samples_follow(samples, pieces, n);
        free(pieces);
        return samples->last_ns > t0_ns && samples->first_ns < t1_ns;
    }
    free(pieces);
    return cn_samples_join(samples, &p->clock, t0_ns, t1_ns, offset_ns);
}

static int join(struct cn_profiler *p, struct cn_samples *samples, const char *path,
                const struct cn_attribute_options *o, struct cn_profiler_error *err)
{
    double offset_ms = o ? o->offset_ms : 0, search_ms = o ? o->search_ms : 0;
    int64_t t0 = p->phases[0].t0_ns, t1 = t0;
    for (size_t i = 0; i < p->n_phases; i++)
        t1 = p->phases[i].t1_ns > t1 ? p->phases[i].t1_ns : t1;
    if (!(fabs(offset_ms) < 1e12) || !(search_ms >= 0 && search_ms < 1e9))
        return fail(err, "offset out of range: expected less than 1e12 ms, and 1e9 ms of search");
    int64_t search_ns = (int64_t)(1e6 * search_ms);
    if (!place(p, samples, t0 - search_ns, t1 + search_ns, (int64_t)(1e6 * offset_ms), err))
        return fail(
            err,
            "%.100s: no sample falls into the trace: samples from %.3f to %.3f s of their "
            "clock%s, trace from %.3f to %.3f s of CLOCK_MONOTONIC, %.3f to %.3f of "
            "CLOCK_REALTIME; --offset-ms X is added to the samples",
            path, 1e-9 * (double)samples->first_ns, 1e-9 * (double)samples->last_ns,
            fabs(1e-9 * (double)samples->first_ns) < 60 ? ", which counts from their begin" : "",
            1e-9 * (double)t0, 1e-9 * (double)t1, 1e-9 * (double)(t0 + p->clock.realtime_offset_ns),
            1e-9 * (double)(t1 + p->clock.realtime_offset_ns));
    if (search_ns > 0 && search(p, samples, path, search_ns, err) != 0)
        return -1;
    struct cn_watch *w = &p->watches[0];
    w->series = calloc(1, sizeof *w->series);
    if (!w->series)
        return fail(err, "out of memory");
    w->opened.n_sources = 1;
    w->series[0] = samples->series;
    samples->series = (struct cn_series){ 0 };
    cn_series_settle(&w->series[0]);
    struct cn_meter_info *info = &w->channel.info;
    info->ok = true;
    info->reason[0] = 0;
    info->counter = w->series[0].counter;
    info->period_ms = 1e-6 * w->series[0].period_ns;
    snprintf(info->unit, sizeof info->unit, "%s", info->counter ? "uJ" : "uW");
    snprintf(info->name, sizeof info->name, "file:%s", path);
    snprintf(info->boundary, sizeof info->boundary, "file");
    snprintf(info->sources, sizeof info->sources, "%s", samples->note);
    snprintf(w->failure, sizeof w->failure, "%s", samples->left_out);
    return cn_attribute_baseline(p, w) ? 0 : fail(err, "out of memory");
}

struct cn_profiler *cn_attribute_files(const char *trace, const char *samples_path,
                                       const struct cn_attribute_options *options,
                                       struct cn_profiler_error *err)
{
    struct cn_profiler_options o = { .meter = "none", .max_phases = 1024 };
    struct cn_profiler *p = cn_profiler_create(&o, err);
    struct cn_samples samples = { 0 };
    struct cn_sample_options so = { 0 };
    if (options)
        so = (struct cn_sample_options){ options->columns, options->volts };
    if (!p)
        return NULL;
    if (read_trace(p, trace, err) != 0 || cn_samples_load(samples_path, &so, &samples, err) != 0 ||
        join(p, &samples, samples_path, options, err) != 0) {
        cn_samples_free(&samples);
        cn_profiler_free(p);
        return NULL;
    }
    return p;
}
