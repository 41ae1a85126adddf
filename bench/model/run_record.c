/* SPDX-License-Identifier: MIT */
#include "bench/model/run_record.h"

#include "base/error.h"
#include "base/table.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct cn_run_record {
    char *text, *ids;
    size_t n_text, n_ids;
    FILE *text_out, *ids_out; /* memory streams of these */
};

struct cn_run_record *cn_run_record_create(void)
{
    struct cn_run_record *r = calloc(1, sizeof *r);
    if (r) {
        r->text_out = open_memstream(&r->text, &r->n_text);
        r->ids_out = open_memstream(&r->ids, &r->n_ids);
    }
    if (r && (!r->text_out || !r->ids_out)) {
        cn_run_record_free(r);
        r = NULL;
    }
    return r;
}

void cn_run_record_free(struct cn_run_record *r)
{
    if (!r)
        return;
    if (r->text_out)
        fclose(r->text_out);
    if (r->ids_out)
        fclose(r->ids_out);
    free(r->text);
    free(r->ids);
    free(r);
}

void cn_run_record_token(struct cn_run_record *r, int32_t token, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i]) /* a text of a table ends at a NUL */
            fputc(text[i], r->text_out);
    if (token >= 0)
        fprintf(r->ids_out, ftell(r->ids_out) > 0 ? " %d" : "%d", token);
}

/* ---- phases ---------------------------------------------------------------------------------- */

/* What a row is called, and the phases it sums. All that gives tokens is "decode", by whichever
 * way. */
static const struct {
    const char *name, *kinds;
} sums[] = {
    {"load",     "load"               },
    { "prefill", "prefill"            },
    { "decode",  "decode,draft,verify"},
    { "draft",   "draft"              },
    { "verify",  "verify"             },
    { "sample",  "sample"             },
    { "all",     NULL                 },
};

enum { N_SUMS = sizeof sums / sizeof *sums };

static void put_phase(struct cn_table *t, size_t channel, const struct cn_meter_info *meter,
                      const char *name, const struct cn_energy *e)
{
    cn_table_row(t);
    cn_table_i64(t, "channel", (int64_t)channel);
    cn_table_str(t, "phase", name);
    cn_table_str(t, "meter", meter->ok ? meter->name : NULL);
    cn_table_str(t, "boundary", meter->ok ? meter->boundary : NULL);
    cn_table_f64(t, "seconds", (double)e->busy_ns * 1e-9);
    cn_table_f64(t, "joules", e->joules);
    cn_table_f64(t, "joules_net", e->joules_net);
    cn_table_f64(t, "uncertainty", e->uncertainty);
    cn_table_f64(t, "uncertainty_net", e->uncertainty_net);
    cn_table_i64(t, "updates", e->updates);
    cn_table_str(t, "status", cn_energy_status_name(e->status));
    cn_table_str(t, "reason", meter->ok ? e->reason : meter->reason);
}

/* All channels' phases as a JSON array; malloc'ed. NULL if out of memory. */
static char *phases_json(const struct cn_profiler *p)
{
    static const char *const columns[] = { "channel",    "phase",       "meter",
                                           "boundary",   "seconds",     "joules",
                                           "joules_net", "uncertainty", "uncertainty_net",
                                           "updates",    "status",      "reason" };
    struct cn_table *t = cn_table_create("phases");
    char *json = NULL;
    size_t n;
    FILE *out = open_memstream(&json, &n);
    for (size_t i = 0; t && i < sizeof columns / sizeof *columns; i++)
        cn_table_column(t, columns[i], NULL, -1);
    for (size_t channel = 0; t && channel < cn_profiler_n_channels(p); channel++)
        for (int k = 0; k < N_SUMS; k++) {
            struct cn_energy e;
            cn_profiler_total(p, channel, sums[k].kinds, 0, SIZE_MAX, &e);
            if (e.index > 0) /* there were such phases */
                put_phase(t, channel, cn_profiler_channel(p, channel), sums[k].name, &e);
        }
    bool ok = t && out && cn_table_print(t, CN_TABLE_JSON, out);
    cn_table_free(t);
    if (out && fclose(out) != 0)
        ok = false;
    if (ok)
        return json;
    free(json);
    return NULL;
}

/* ---- the row: filled twice, first making the columns, then setting their cells --------------- */

struct row {
    struct cn_table *table;
    bool values; /* the second time */
};

static void number(struct row *r, const char *key, double v)
{
    if (r->values)
        cn_table_f64(r->table, key, v);
    else
        cn_table_column(r->table, key, key, -1);
}

static void count(struct row *r, const char *key, int64_t v)
{
    if (r->values)
        cn_table_i64(r->table, key, v);
    else
        cn_table_column(r->table, key, key, -1);
}

static void text(struct row *r, const char *key, const char *v)
{
    if (r->values)
        cn_table_str(r->table, key, v && *v ? v : NULL);
    else
        cn_table_column(r->table, key, key, -1);
}

static void fill_energy(struct row *r, const struct cn_profiler *p, const char *phases)
{
    const struct cn_meter_info *meter = cn_profiler_channel(p, 0);
    struct cn_energy e;
    struct cn_baseline idle;
    cn_profiler_total(p, 0, NULL, 0, SIZE_MAX, &e);
    cn_profiler_baseline(p, 0, &idle);
    text(r, "meter", meter->ok ? meter->name : NULL);
    text(r, "boundary", meter->ok ? meter->boundary : NULL);
    text(r, "energy_status", cn_energy_status_name(e.status));
    text(r, "energy_reason", meter->ok ? e.reason : meter->reason);
    number(r, "joules", e.joules);
    number(r, "joules_net", e.joules_net);
    number(r, "joules_uncertainty", e.uncertainty);
    number(r, "watts", e.joules / ((double)e.busy_ns * 1e-9));
    number(r, "idle_before_w", idle.before_w);
    number(r, "idle_after_w", idle.after_w);
    if (r->values)
        cn_table_json(r->table, "phases", phases);
    else
        cn_table_column(r->table, "phases", "phases", -1);
}

static double of_two(double (*f)(double, double), double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : f(a, b);
}

static double mean(double a, double b)
{
    return (a + b) / 2;
}

static void fill_state(struct row *r, const struct cn_profiler *p)
{
    struct cn_system_state a, b;
    cn_profiler_state(p, &a, &b);
    number(r, "voltage_v", of_two(mean, a.battery_v, b.battery_v));
    number(r, "battery_before", a.battery_percent);
    number(r, "battery_after", b.battery_percent);
    number(r, "charger", b.charger < 0 ? (double)NAN : b.charger);
    number(r, "celsius_before", a.celsius);
    number(r, "celsius_after", b.celsius);
    number(r, "celsius_min", of_two(fmin, a.celsius, b.celsius));
    number(r, "celsius_max", of_two(fmax, a.celsius, b.celsius));
    number(r, "celsius_mean", of_two(mean, a.celsius, b.celsius));
    number(r, "mhz_before", a.mhz);
    number(r, "mhz_after", b.mhz);
    number(r, "mhz_limit", b.mhz_limit);
    number(r, "mhz_max", b.mhz_max);
    text(r, "governor", b.governor);
    number(r, "throttled", b.throttle_count - a.throttle_count);
    number(r, "screen", b.screen);
    number(r, "load_1min", a.load_1min);
    text(r, "disturbed", cn_profiler_disturbance(p));
}

static void fill_speed(struct row *r, const struct cn_run_facts *f)
{
    const struct cn_generation *g = f->generation;
    struct cn_energy load;
    cn_profiler_total(f->profiler, 0, "load", 0, SIZE_MAX, &load);
    double unknown = (double)NAN, decoding = g->decode_s + g->sample_s;
    const bool decoded = f->n_decoded > 0;
    /* What was not evaluated now has no part in the prefill. */
    const int32_t n_input = g->n_prompt - g->n_kept;
    count(r, "input_tokens", n_input);
    count(r, "output_tokens", g->n_generated);
    number(r, "load_s", (double)load.busy_ns * 1e-9);
    number(r, "prefill_s", g->prefill_s);
    number(r, "decode_s", decoded ? g->decode_s : unknown);
    number(r, "sample_s", g->n_generated ? g->sample_s : unknown);
    number(r, "ttft_s", g->n_generated ? g->ttft_s : unknown);
    number(r, "latency_s", g->prefill_s + decoding);
    number(r, "prefill_tps", n_input / g->prefill_s);
    number(r, "decode_tps", decoded ? (double)f->n_decoded / decoding : unknown);
    number(r, "decoded_tokens", decoded ? (double)f->n_decoded : unknown);
    const struct cn_speculation *s = &g->speculation;
    const bool guessed = s->n_passes > 0;
    number(r, "passes", decoded ? (double)f->n_passes : unknown);
    number(r, "drafted_tokens", guessed ? (double)s->n_drafted : unknown);
    number(r, "accepted_tokens", guessed ? (double)s->n_accepted : unknown);
}

static void fill_memory(struct row *r, const struct cn_run_facts *f)
{
    const struct cn_model_info *info = cn_model_get_info(f->model);
    double peak = (double)cn_peak_rss(), unknown = (double)NAN;
    double weights = (double)info->tensor_bytes, kv = (double)f->kv_bytes;
    number(r, "peak_bytes", peak > 0 ? peak : unknown);
    number(r, "model_bytes", weights);
    number(r, "kv_bytes", kv);
    const struct cn_work *w = &f->generation->decoded;
    const double tokens = (double)f->n_decoded;
    const bool decoded = f->n_decoded > 0;
    number(r, "token_bytes", decoded ? (double)w->bytes / tokens : unknown);
    number(r, "token_kv_bytes", decoded ? (double)w->kv_bytes / tokens : unknown);
    number(r, "token_state_bytes", decoded ? (double)w->state_bytes / tokens : unknown);
    /* Less than nothing is left where not all of the mapped weights were ever resident. */
    number(r, "other_bytes", peak > weights + kv ? peak - weights - kv : unknown);
}

static void fill(struct row *r, const struct cn_run_record *record, const struct cn_run_facts *f,
                 const char *phases)
{
    const struct cn_model_info *info = cn_model_get_info(f->model);
    struct utsname os;
    char kernel[256] = "";
    if (uname(&os) == 0)
        snprintf(kernel, sizeof kernel, "%.64s %.128s %.32s", os.sysname, os.release, os.machine);
    int threads = f->n_threads ? f->n_threads : cn_available_cores();
    text(r, "architecture", info->architecture);
    text(r, "file_type", info->file_type);
    number(r, "bpw", info->bpw);
    text(r, "tiers", info->tiers);
    count(r, "threads", threads);
    count(r, "threads_prefill", f->n_threads_prefill ? f->n_threads_prefill : threads);
    text(r, "kv", f->kv);
    text(r, "carnot", f->carnot);
    text(r, "kernel", kernel);
    fill_speed(r, f);
    fill_memory(r, f);
    fill_energy(r, f->profiler, phases);
    fill_state(r, f->profiler);
    text(r, "response", record->text);
    text(r, "response_ids", record->ids);
}

static enum cn_status save(const struct cn_run_record *record, const struct cn_run_facts *f,
                           const struct cn_profiler *profiler, const char *path,
                           struct cn_error *err)
{
    char *phases = phases_json(profiler);
    struct row r = { .table = cn_table_create("run") };
    enum cn_status status = CN_OK;
    if (!phases || !r.table) {
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
    } else {
        for (int pass = 0; pass < 2; pass++) {
            r.values = pass > 0;
            if (r.values)
                cn_table_row(r.table);
            if (f)
                fill(&r, record, f, phases);
            else
                fill_energy(&r, profiler, phases);
        }
        status = cn_table_save(r.table, path, err);
    }
    cn_table_free(r.table);
    free(phases);
    return status;
}

enum cn_status cn_run_record_save(const struct cn_run_record *record,
                                  const struct cn_run_facts *facts, const char *path,
                                  struct cn_error *err)
{
    CN_RETURN_IF(fflush(record->text_out) != 0 || fflush(record->ids_out) != 0, CN_ERR_MEMORY, err,
                 "out of memory");
    return save(record, facts, facts->profiler, path, err);
}

enum cn_status cn_run_record_save_energy(const struct cn_profiler *profiler, const char *path,
                                         struct cn_error *err)
{
    return save(NULL, NULL, profiler, path, err);
}
