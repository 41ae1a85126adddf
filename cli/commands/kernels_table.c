/* SPDX-License-Identifier: MIT
 *
 * The table of carnot kernels.
 */
#include "cli/commands/kernels.h"

#include "bench/machine/cycles.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void names(struct cn_table *t, const struct cn_kernels_arguments *a)
{
    int n_caches = 0;
    for (int i = 0; i < CN_N_CACHES; i++)
        n_caches += a->cache[i];
    cn_table_column(t, "format", "format", -1);
    cn_table_column(t, "tier", "tier", -1);
    cn_table_column(t, "job", "job", -1);
    if (!a->samples)
        cn_table_column(t, "ok", a->check ? "ok" : NULL, -1);
    cn_table_column(t, "rows", a->shapes ? "rows" : NULL, -1);
    cn_table_column(t, "cols", a->shapes ? "cols" : NULL, -1);
    cn_table_column(t, "tokens", a->tokens ? "tokens" : NULL, -1);
    cn_table_column(t, "threads", a->n_threads > 1 ? "threads" : NULL, -1);
    cn_table_column(t, "cache", n_caches > 1 || !a->cache[CN_CACHE_MEMORY] ? "cache" : NULL, -1);
}

static struct cn_table *sample_table(const struct cn_kernels_arguments *a)
{
    struct cn_table *t = cn_table_create("samples");
    if (!t)
        return NULL;
    names(t, a);
    cn_table_column(t, "round", "round", -1);
    cn_table_column(t, "weights_per_s", "weights/s", 0);
    return t;
}

struct cn_table *cn_kernels_table(const struct cn_kernels_arguments *a)
{
    if (a->samples)
        return sample_table(a);
    struct cn_table *t = cn_table_create("kernels");
    if (!t)
        return NULL;
    const bool checked = a->check, timed = a->bench, limits = timed && !a->no_limits,
               metered = a->bench && a->meter;
    names(t, a);
    cn_table_column(t, "cases", checked && !timed ? "cases" : NULL, -1);
    cn_table_column(t, "error_share", checked ? "error/bound" : NULL, 3);
    cn_table_column(t, "max_error", NULL, -1);
    cn_table_column(t, "bound", NULL, -1);
    cn_table_column(t, "failure", NULL, -1);
    cn_table_column(t, "gbps", timed ? "GB/s" : NULL, 2);
    cn_table_column(t, "weights_per_s", NULL, -1);
    cn_table_column(t, "weights_per_s_high", NULL, -1);
    cn_table_column(t, "gweights_per_s", timed ? "Gweights/s" : NULL, 2);
    cn_table_column(t, "spread", timed ? "+-" : NULL, 3);
    cn_table_column(t, "ratio_to_ref", timed && !a->no_ref ? "x ref" : NULL, 2);
    cn_table_column(t, "ratio_to_openblas", timed && a->yardstick ? "x OpenBLAS" : NULL, 2);
    cn_table_column(t, "cycles_per_weight", NULL, 4);
    cn_table_column(t, "cycles_per_256", timed ? "cycles/256" : NULL, 1);
    cn_table_column(t, "cycles_by", NULL, -1);
    cn_table_column(t, "read_share", limits ? "of read" : NULL, 2);
    cn_table_column(t, "read_gbps", NULL, -1);
    cn_table_column(t, "int8_share", limits ? "of int8" : NULL, 2);
    cn_table_column(t, "int8_gops", NULL, -1);
    cn_table_column(t, "f32_share", NULL, -1);
    cn_table_column(t, "f32_gflops", NULL, -1);
    cn_table_column(t, "bound_by", limits ? "bound by" : NULL, -1);
    cn_table_column(t, "bound_share", limits ? "of bound" : NULL, 2);
    cn_table_column(t, "pj_per_weight", metered ? "pJ/weight" : NULL, CN_TABLE_SIGNIFICANT + 3);
    cn_table_column(t, "pj_per_weight_net", metered ? "net" : NULL, CN_TABLE_SIGNIFICANT + 3);
    cn_table_column(t, "pj_uncertainty", metered ? "±" : NULL, CN_TABLE_SIGNIFICANT + 2);
    cn_table_column(t, "watts", NULL, -1);
    cn_table_column(t, "energy_weights", NULL, -1);
    cn_table_column(t, "energy_s", NULL, -1);
    cn_table_column(t, "energy_cpu_s", NULL, -1);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", metered ? "boundary" : NULL, -1);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "energy_reason", NULL, -1);
    cn_table_column(t, "samples", NULL, -1);
    cn_table_column(t, "buffer_bytes", NULL, -1);
    cn_table_column(t, "reason", NULL, -1);
    return t;
}

/* Why cells of a row are empty, or what is to be known of it. */
struct reasons {
    char text[512];
};

__attribute__((format(printf, 2, 3))) static void because(struct reasons *r, const char *format,
                                                          ...)
{
    const size_t n = strlen(r->text);
    va_list args;
    snprintf(r->text + n, sizeof r->text - n, "%s", n ? "; " : "");
    va_start(args, format);
    vsnprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), format, args);
    va_end(args);
}

static void put_number(struct cn_table *t, const char *key, double value, const char *status)
{
    if (isfinite(value))
        cn_table_f64(t, key, value);
    else
        cn_table_null(t, key, status);
}

static void put_check(struct cn_table *t, const struct cn_check *check)
{
    cn_table_bool(t, "ok", check->n_failed == 0);
    cn_table_i64(t, "cases", check->n_cases);
    cn_table_f64(t, "error_share",
                 check->max_error > 0 ? check->max_error / check->bound : check->max_error);
    cn_table_f64(t, "max_error", check->max_error);
    cn_table_f64(t, "bound", check->bound);
    cn_table_str(t, "failure", check->n_failed ? check->what : NULL);
}

static void put_names(struct cn_table *t, const struct cn_kernels_row *row)
{
    const struct cn_kernel_case *c = row->c;
    cn_table_row(t);
    cn_table_str(t, "format", c->format->name);
    cn_table_str(t, "tier", row->tier);
    cn_table_str(t, "job", cn_job_name(c->job));
    if (!row->rate) /* checked only, in many shapes */
        return;
    if (c->rows)
        cn_table_i64(t, "rows", c->rows);
    cn_table_i64(t, "cols", c->cols);
    cn_table_i64(t, "tokens", c->n_tokens);
    cn_table_i64(t, "threads", c->n_threads);
    cn_table_str(t, "cache", cn_bench_cache_name((int)c->cache));
}

static void put_cycles(struct cn_table *t, const struct cn_kernel_rate *rate, struct reasons *why)
{
    char by[48];
    put_number(t, "cycles_per_weight", rate->cycles_per_weight, "unsupported");
    put_number(t, "cycles_per_256", 256 * rate->cycles_per_weight, "unsupported");
    if (!isfinite(rate->cycles_per_weight)) {
        because(why, "no cycles: perf_event is refused, and this CPU has no time-stamp counter");
        return;
    }
    if (cn_core_cycles_there())
        snprintf(by, sizeof by, "perf_event");
    else
        snprintf(by, sizeof by, "tsc, %.4g GHz", cn_tsc_hz() * 1e-9);
    cn_table_str(t, "cycles_by", by);
}

static void put_rate(struct cn_table *t, const struct cn_kernels_arguments *a,
                     const struct cn_kernels_row *row, struct reasons *why)
{
    const struct cn_kernel_rate *rate = row->rate;
    cn_table_f64(t, "gbps", 1e-9 * rate->bytes_per_s);
    cn_table_f64(t, "weights_per_s", rate->weights_per_s);
    cn_table_f64(t, "weights_per_s_high", rate->high_per_s);
    cn_table_f64(t, "gweights_per_s", 1e-9 * rate->weights_per_s);
    cn_table_f64(t, "spread", rate->spread);
    put_number(t, "ratio_to_ref", rate->ratio_to_ref, NULL);
    put_number(t, "ratio_to_openblas", row->to_openblas, "unsupported");
    put_cycles(t, rate, why);
    cn_table_i64(t, "samples", rate->n_samples);
    cn_table_i64(t, "buffer_bytes", (int64_t)row->buffer_bytes);
    const struct cn_kernel_case *c = row->c;
    if (a->shapes && c->cache != CN_CACHE_MEMORY && row->rows_there * c->n_threads < c->rows)
        because(why, "%lld of the matrix's rows fit %s beside what else is there",
                (long long)row->rows_there * c->n_threads, cn_bench_cache_name((int)c->cache));
    if (!isfinite(row->to_openblas))
        because(why, "OpenBLAS stands beside the gemm of f32 alone");
    if (!isfinite(rate->ratio_to_ref))
        because(why, "ref was not timed (--no-ref)");
}

static void put_bound(struct cn_table *t, const struct cn_kernel_bound *b, struct reasons *why)
{
    const bool f32 = b->unit && strcmp(b->unit, "f32") == 0;
    cn_table_f64(t, "read_gbps", b->read_gbps);
    cn_table_f64(t, "read_share", b->read_share);
    if (!b->unit)
        because(why, "it multiplies nothing: no share of a peak");
    else if (!isfinite(b->gops))
        because(why, "this tier's %s peak cannot be measured", b->unit);
    else
        because(why, "no share of the %s peak: it multiplies %s", f32 ? "int8" : "f32", b->unit);
    put_number(t, f32 ? "f32_gflops" : "int8_gops", b->gops, NULL);
    put_number(t, f32 ? "f32_share" : "int8_share", b->ops_share, NULL);
    cn_table_str(t, "bound_by", b->by);
    put_number(t, "bound_share", b->share, NULL);
}

static void put_energy(struct cn_table *t, const struct cn_kernels_row *row)
{
    const struct cn_kernel_energy *e = row->energy;
    const struct cn_meter_info *m = row->meter;
    if (!m || !m->ok || !e) {
        const char *status = m ? cn_energy_status_name(CN_ENERGY_UNSUPPORTED) : NULL;
        cn_table_null(t, "pj_per_weight", status);
        cn_table_str(t, "energy_status", status);
        cn_table_str(t, "energy_reason", m ? m->reason : "not asked for (--meter)");
        return;
    }
    const char *status = cn_energy_status_name(e->status);
    cn_table_str(t, "meter", m->name);
    cn_table_str(t, "boundary", m->boundary);
    cn_table_str(t, "energy_status", status);
    cn_table_str(t, "energy_reason", e->reason[0] ? e->reason : NULL);
    put_number(t, "pj_per_weight", e->pj, status);
    put_number(t, "pj_per_weight_net", e->pj_net, status);
    put_number(t, "pj_uncertainty", e->uncertainty, status);
    put_number(t, "watts", e->watts, status);
    cn_table_f64(t, "energy_weights", e->load.weights);
    cn_table_f64(t, "energy_s", e->seconds);
    cn_table_f64(t, "energy_cpu_s", e->load.cpu_s);
}

void cn_kernels_put(struct cn_table *t, const struct cn_kernels_arguments *a,
                    const struct cn_kernels_row *row)
{
    struct reasons why = { "" };
    if (a->samples) {
        for (int i = 0; row->rate && i < row->rate->n_samples; i++) {
            put_names(t, row);
            cn_table_i64(t, "round", i + 1);
            cn_table_f64(t, "weights_per_s", row->rate->sample[i]);
        }
        return;
    }
    put_names(t, row);
    if (row->check)
        put_check(t, row->check);
    if (row->rate)
        put_rate(t, a, row, &why);
    if (row->bound)
        put_bound(t, row->bound, &why);
    else if (row->rate && a->no_limits)
        because(&why, "the machine's limits were not measured (--no-limits)");
    if (row->rate)
        put_energy(t, row);
    cn_table_str(t, "reason", why.text[0] ? why.text : NULL);
}

void cn_kernels_put_vec(struct cn_table *t, const char *tier, const char *slot,
                        const struct cn_check *check)
{
    cn_table_row(t);
    cn_table_str(t, "format", "vec");
    cn_table_str(t, "tier", tier);
    cn_table_str(t, "job", slot);
    put_check(t, check);
}
