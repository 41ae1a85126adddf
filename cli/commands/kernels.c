/* SPDX-License-Identifier: MIT
 *
 * carnot kernels: every kernel of this machine, checked and timed.
 */
#include "base/table.h"
#include "bench/kernel/kernel_bench.h"
#include "bench/kernel/kernel_check.h"
#include "bench/machine/probe.h"
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/outputs.h"
#include "quant/quant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct cn_usage usage = {
    .synopsis = "carnot kernels [options]",
    .text = "Checks every kernel of every format and tier against the definition of its\n"
            "format, then times it. Jobs: gemv (a product with one vector, as in decoding),\n"
            "unpack (rows to a panel), gemm (a product with 128 tokens, as in prefill),\n"
            "gemm_fast (the same by --precision fast) and dequantize (rows to floats).\n"
            "\n"
            "error/bound  the largest error as a share of what rounding may cause; unpack and\n"
            "             dequantize must give the same bits: 0\n"
            "GB/s         10^9 bytes of weights as they are in a file\n"
            "Gweights/s   10^9 weights; for gemm times tokens\n"
            "+-           half the distance of the samples' quartiles, relative\n"
            "\n"
            "Weights come from memory, not from a cache. Times are CPU times.\n"
            "\n"
            "  carnot kernels --format q4_k,q6_k\n"
            "  carnot kernels --check --tier ref,avx2",
};

struct args {
    const char *formats, *tiers, *jobs, *save;
    bool check, bench;
    int64_t n_threads, seed;
    double seconds;
    enum cn_table_format output;
    /* Read from the lists. */
    bool format[CN_N_TYPES], job[CN_N_JOBS];
    uint32_t mask;
};

/* Sets picked[i] for each name of the list; all of them without a list. Returns -1 or the exit
 * code. */
static int pick(const char *option, const char *list, const char *(*name_of)(int), int n,
                bool *picked)
{
    for (int i = 0; i < n; i++)
        picked[i] = !list;
    for (const char *p = list; p; p++) {
        size_t len = strcspn(p, ",");
        int i = 0;
        while (i < n && (strlen(name_of(i)) != len || strncasecmp(name_of(i), p, len) != 0))
            i++;
        if (i == n) {
            char known[512] = "";
            for (i = 0; i < n; i++) {
                size_t at = strlen(known);
                snprintf(known + at, sizeof known - at, "%s%s", i ? "," : "", name_of(i));
            }
            return cn_usage_error("%s takes names separated by commas (%s), not '%.*s'", option,
                                  known, (int)len, p);
        }
        picked[i] = true;
        p += len;
        if (!*p)
            break;
    }
    return -1;
}

static const char *format_name(int i)
{
    return cn_formats[i].name;
}

static const char *job_name(int i)
{
    return cn_job_name((enum cn_job)i);
}

static struct cn_table *make_table(const struct args *a)
{
    struct cn_table *t = cn_table_create("kernels");
    if (!t)
        return NULL;
    const bool checked = a->check, timed = a->bench;
    cn_table_column(t, "format", "format", -1);
    cn_table_column(t, "tier", "tier", -1);
    cn_table_column(t, "job", "job", -1);
    cn_table_column(t, "ok", checked ? "ok" : NULL, -1);
    cn_table_column(t, "cases", checked && !timed ? "cases" : NULL, -1);
    cn_table_column(t, "error_share", checked ? "error/bound" : NULL, 3);
    cn_table_column(t, "max_error", NULL, -1);
    cn_table_column(t, "bound", NULL, -1);
    cn_table_column(t, "failure", NULL, -1);
    cn_table_column(t, "gbps", timed ? "GB/s" : NULL, 2);
    cn_table_column(t, "weights_per_s", NULL, -1);
    cn_table_column(t, "gweights_per_s", timed ? "Gweights/s" : NULL, 2);
    cn_table_column(t, "spread", timed ? "+-" : NULL, 3);
    cn_table_column(t, "ratio_to_ref", timed ? "x ref" : NULL, 2);
    cn_table_column(t, "cycles_per_weight", timed ? "cycles/weight" : NULL, 4);
    cn_table_column(t, "pj_per_weight", timed ? "pJ/weight" : NULL, 1);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "threads", NULL, -1);
    cn_table_column(t, "samples", NULL, -1);
    cn_table_column(t, "buffer_bytes", NULL, -1);
    return t;
}

static void add_row(struct cn_table *t, const struct args *a, const struct cn_format *format,
                    const struct cn_kernel_set *set, enum cn_job job, const struct cn_check *check,
                    const struct cn_kernel_rate *rate, size_t buffer_bytes)
{
    cn_table_row(t);
    cn_table_str(t, "format", format->name);
    cn_table_str(t, "tier", cn_tier_name(set->tier));
    cn_table_str(t, "job", cn_job_name(job));
    cn_table_i64(t, "threads", a->n_threads);
    if (check) {
        cn_table_bool(t, "ok", check->n_failed == 0);
        cn_table_i64(t, "cases", check->n_cases);
        cn_table_f64(t, "error_share",
                     check->max_error > 0 ? check->max_error / check->bound : check->max_error);
        cn_table_f64(t, "max_error", check->max_error);
        cn_table_f64(t, "bound", check->bound);
        cn_table_str(t, "failure", check->n_failed ? check->what : NULL);
    }
    if (!rate)
        return;
    cn_table_f64(t, "gbps", 1e-9 * rate->bytes_per_s);
    cn_table_f64(t, "weights_per_s", rate->weights_per_s);
    cn_table_f64(t, "gweights_per_s", 1e-9 * rate->weights_per_s);
    cn_table_f64(t, "spread", rate->spread);
    cn_table_f64(t, "ratio_to_ref", rate->ratio_to_ref);
    if (isfinite(rate->cycles_per_weight))
        cn_table_f64(t, "cycles_per_weight", rate->cycles_per_weight);
    else
        cn_table_null(t, "cycles_per_weight", "unsupported");
    cn_table_null(t, "pj_per_weight", "unsupported");
    cn_table_str(t, "energy_status", "unsupported");
    cn_table_i64(t, "samples", rate->n_samples);
    cn_table_i64(t, "buffer_bytes", (int64_t)buffer_bytes);
}

/* One format; *n_failed counts kernels. Returns -1, or the exit code. */
static int do_format(const struct args *a, const struct cn_format *format,
                     struct cn_checker *checker, struct cn_kernel_bench *bench, struct cn_table *t,
                     int *n_failed)
{
    struct cn_kernel_set sets[CN_N_TIERS];
    int n = cn_kernel_sets(format, a->mask, sets);
    for (int job = 0; job < CN_N_JOBS; job++) {
        struct cn_kernel_rate rates[CN_N_TIERS];
        bool any = false;
        for (int s = 0; s < n; s++)
            any |= sets[s].own[job];
        if (!a->job[job] || !any)
            continue;
        if (cn_interrupted())
            return cn_die("interrupted");
        if (bench &&
            !cn_kernel_bench_run(bench, format, sets, n, (enum cn_job)job, a->seconds, rates))
            return cn_die("out of memory");
        for (int s = 0; s < n; s++) {
            struct cn_check check;
            if (!sets[s].own[job])
                continue;
            if (checker) {
                cn_check_kernels(checker, format, &sets[s].kernels, &sets[s].ops, (enum cn_job)job,
                                 &check);
                if (check.n_failed) {
                    ++*n_failed;
                    cn_die("%s %s %s: %s", format->name, cn_tier_name(sets[s].tier),
                           cn_job_name((enum cn_job)job), check.what);
                }
            }
            add_row(t, a, format, &sets[s], (enum cn_job)job, checker ? &check : NULL,
                    bench ? &rates[s] : NULL, bench ? cn_kernel_bench_bytes(bench) : 0);
        }
    }
    return -1;
}

static int run(const struct args *a)
{
    struct cn_table *t = make_table(a);
    struct cn_checker *checker = a->check ? cn_checker_create((uint64_t)a->seed) : NULL;
    struct cn_kernel_bench *bench = a->bench ? cn_kernel_bench_create((int)a->n_threads) : NULL;
    struct cn_error err = { "" };
    int code = -1, n_failed = 0;
    if (!t || (a->check && !checker) || (a->bench && !bench))
        code = cn_die("out of memory");
    for (int type = 0; code < 0 && type < CN_N_TYPES; type++) {
        cn_progress("kernels", type, CN_N_TYPES);
        if (a->format[type])
            code = do_format(a, &cn_formats[type], checker, bench, t, &n_failed);
    }
    cn_progress("kernels", CN_N_TYPES, CN_N_TYPES);
    if (code < 0 && !cn_table_print(t, a->output, stdout))
        code = cn_die("out of memory, or stdout cannot be written");
    if (code < 0 && a->save && cn_table_save(t, a->save, &err) != CN_OK)
        code = cn_die("%s", err.text);
    if (code < 0 && n_failed)
        code = cn_die("%d %s wrong", n_failed, n_failed == 1 ? "kernel is" : "kernels are");
    cn_table_free(t);
    cn_checker_free(checker);
    cn_kernel_bench_free(bench);
    return code < 0 ? CN_EXIT_OK : code;
}

int cn_cmd_kernels(int argc, char **argv)
{
    struct args a = { .n_threads = 1, .seed = 1, .seconds = 0.06 };
    const struct cn_option options[] = {
        {"--format",   NULL,      CN_OPT_STRING, &a.formats,   "LIST",   "formats (all)",                        0,     0   },
        { "--tier",    "--tiers", CN_OPT_STRING, &a.tiers,     "LIST",
         "tiers, as in ref,avx2 (CARNOT_TIERS, else all there are)",                                             0,     0   },
        { "--job",     NULL,      CN_OPT_STRING, &a.jobs,      "LIST",
         "jobs (gemv,unpack,gemm,gemm_fast,dequantize)",                                                         0,     0   },
        { "--check",   NULL,      CN_OPT_FLAG,   &a.check,     NULL,     "check only (default: check and time)", 0,
         0                                                                                                                  },
        { "--bench",   NULL,      CN_OPT_FLAG,   &a.bench,     NULL,     "time only (default: check and time)",  0,
         0                                                                                                                  },
        { "--threads", "-t",      CN_OPT_INT,    &a.n_threads, "N",      "threads to time on (1)",               1,
         cn_available_cores()                                                                                               },
        { "--seconds", NULL,      CN_OPT_FLOAT,  &a.seconds,   "S",      "to time each kernel for (0.06)",       0.001,
         60                                                                                                                 },
        { "--seed",    NULL,      CN_OPT_INT,    &a.seed,      "N",      "of the checks' inputs (1)",            0,     9e15},
        { "--save",    NULL,      CN_OPT_STRING, &a.save,      "FILE",
         "write the table to a file too (.csv, .json, .html)",                                                   0,     0   },
        { "--output",  "-o",      CN_OPT_TABLE,  &a.output,    "FORMAT", "md, csv, json, jsonl or sql (md)",
         0,                                                                                                             0   },
    };
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = pick("--format", a.formats, format_name, CN_N_TYPES, a.format);
    if (code < 0)
        code = pick("--job", a.jobs, job_name, CN_N_JOBS, a.job);
    if (code < 0)
        code = cn_parse_tiers("--tier", a.tiers, &a.mask);
    if (code < 0)
        code = cn_output_check_table("--save", a.save, NULL, 0);
    if (code >= 0)
        return code;
    if (!a.check && !a.bench)
        a.check = a.bench = true;
    return run(&a);
}
