/* SPDX-License-Identifier: MIT
 *
 * carnot kernels: every kernel of this machine, checked and timed.
 */
#include "base/table.h"
#include "bench/kernel/blas.h"
#include "bench/kernel/faulty_kernels.h"
#include "bench/kernel/kernel_bench.h"
#include "bench/kernel/kernel_check.h"
#include "bench/machine/probe.h"
#include "cli/cli.h"
#include "cli/command.h"
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
            "gemm_fast (the same by --precision fast) and dequantize (rows to floats); vec: the\n"
            "vector operations of each tier (norms, softmax, attention), checked if asked for.\n"
            "Beside the gemm of f32 stands OpenBLAS's sgemm, where this program has it.\n"
            "\n"
            "error/bound  the largest error as a share of what rounding may cause; unpack and\n"
            "             dequantize must give the same bits: 0\n"
            "GB/s         10^9 bytes of weights as they are in a file\n"
            "Gweights/s   10^9 weights; for gemm times tokens\n"
            "x OpenBLAS   speed of the gemm of f32 by that of OpenBLAS on as many threads\n"
            "+-           half the distance of the samples' quartiles, relative\n"
            "\n"
            "Weights come from memory, not from a cache. Times are CPU times.\n"
            "\n"
            "  carnot kernels --format q4_k,q6_k\n"
            "  carnot kernels --check --tier ref,avx2",
};

/* Vector operations are a job beside those of formats. */
enum { VEC = CN_N_JOBS, N_JOBS };

struct args {
    const char *formats, *tiers, *jobs, *save;
    bool check, bench, self_test;
    int64_t n_threads, seed;
    double seconds;
    enum cn_table_format output;
    /* Read from the lists. */
    bool format[CN_N_TYPES], job[N_JOBS];
    uint32_t mask;
    bool yardstick; /* OpenBLAS is there, and beside what it stands is asked for */
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
    return i == VEC ? "vec" : cn_job_name((enum cn_job)i);
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
    cn_table_column(t, "ratio_to_openblas", timed && a->yardstick ? "x OpenBLAS" : NULL, 2);
    cn_table_column(t, "cycles_per_weight", timed ? "cycles/weight" : NULL, 4);
    cn_table_column(t, "threads", NULL, -1);
    cn_table_column(t, "samples", NULL, -1);
    cn_table_column(t, "buffer_bytes", NULL, -1);
    return t;
}

static void set_ratio(struct cn_table *t, const char *key, double ratio)
{
    if (isfinite(ratio))
        cn_table_f64(t, key, ratio);
    else
        cn_table_null(t, key, "unsupported");
}

static void set_check(struct cn_table *t, const struct cn_check *check)
{
    cn_table_bool(t, "ok", check->n_failed == 0);
    cn_table_i64(t, "cases", check->n_cases);
    cn_table_f64(t, "error_share",
                 check->max_error > 0 ? check->max_error / check->bound : check->max_error);
    cn_table_f64(t, "max_error", check->max_error);
    cn_table_f64(t, "bound", check->bound);
    cn_table_str(t, "failure", check->n_failed ? check->what : NULL);
}

static void set_names(struct cn_table *t, const struct args *a, const char *format,
                      const char *tier, const char *job)
{
    cn_table_row(t);
    cn_table_str(t, "format", format);
    cn_table_str(t, "tier", tier);
    cn_table_str(t, "job", job);
    cn_table_i64(t, "threads", a->n_threads);
}

/* to_openblas: NaN where that is no yardstick. */
static void set_rate(struct cn_table *t, const struct cn_kernel_rate *rate, double to_openblas,
                     size_t buffer_bytes)
{
    cn_table_f64(t, "gbps", 1e-9 * rate->bytes_per_s);
    cn_table_f64(t, "weights_per_s", rate->weights_per_s);
    cn_table_f64(t, "gweights_per_s", 1e-9 * rate->weights_per_s);
    cn_table_f64(t, "spread", rate->spread);
    cn_table_f64(t, "ratio_to_ref", rate->ratio_to_ref);
    set_ratio(t, "ratio_to_openblas", to_openblas);
    set_ratio(t, "cycles_per_weight", rate->cycles_per_weight);
    cn_table_i64(t, "samples", rate->n_samples);
    cn_table_i64(t, "buffer_bytes", (int64_t)buffer_bytes);
}

/* Which of the two is the faster, in words. */
static void tell_yardstick(const struct cn_kernel_set *sets, int n,
                           const struct cn_yardstick *yardstick)
{
    int best = 0;
    for (int s = 1; s < n; s++)
        if (sets[s].own[CN_JOB_GEMM] && yardstick->ratio[s] > yardstick->ratio[best])
            best = s;
    const double ratio = yardstick->ratio[best];
    const char *tier = cn_tier_name(sets[best].tier);
    cn_progress_clear();
    if (ratio >= 1)
        fprintf(stderr, "gemm of f32: %s is %.2f times as fast as OpenBLAS (its kernels for %s)\n",
                tier, ratio, cn_blas_core());
    else
        fprintf(stderr, "gemm of f32: OpenBLAS (its kernels for %s) is %.2f times as fast as %s\n",
                cn_blas_core(), 1 / ratio, tier);
}

/* One job of one format; *n_failed counts kernels. Returns -1, or the exit code. */
static int do_job(const struct args *a, const struct cn_format *format, enum cn_job job,
                  const struct cn_kernel_set *sets, int n, struct cn_checker *checker,
                  struct cn_kernel_bench *bench, struct cn_table *t, int *n_failed)
{
    struct cn_kernel_rate rates[CN_N_TIERS];
    struct cn_yardstick yardstick = { 0 };
    const size_t buffer_bytes = bench ? cn_kernel_bench_bytes(bench) : 0;
    if (cn_interrupted())
        return cn_die("interrupted");
    if (bench && !cn_kernel_bench_run(bench, format, sets, n, job, a->seconds, rates, &yardstick))
        return cn_die("out of memory");
    for (int s = 0; s < n; s++) {
        const char *tier = cn_tier_name(sets[s].tier);
        struct cn_check check;
        if (!sets[s].own[job])
            continue;
        set_names(t, a, format->name, tier, cn_job_name(job));
        if (checker) {
            cn_check_kernels(checker, format, &sets[s].kernels, &sets[s].ops, job, &check);
            set_check(t, &check);
            if (check.n_failed) {
                ++*n_failed;
                cn_die("%s %s %s: %s", format->name, tier, cn_job_name(job), check.what);
            }
        }
        if (bench)
            set_rate(t, &rates[s], yardstick.measured ? yardstick.ratio[s] : (double)NAN,
                     buffer_bytes);
    }
    if (yardstick.measured) {
        set_names(t, a, format->name, "openblas", cn_job_name(job));
        set_rate(t, &yardstick.rate, 1, buffer_bytes);
        tell_yardstick(sets, n, &yardstick);
    }
    return -1;
}

static int do_format(const struct args *a, const struct cn_format *format,
                     struct cn_checker *checker, struct cn_kernel_bench *bench, struct cn_table *t,
                     int *n_failed)
{
    struct cn_kernel_set sets[CN_N_TIERS];
    int n = cn_kernel_sets(format, a->mask, sets), code = -1;
    for (int job = 0; code < 0 && job < CN_N_JOBS; job++) {
        bool any = false;
        for (int s = 0; s < n; s++)
            any |= sets[s].own[job];
        if (a->job[job] && any)
            code = do_job(a, format, (enum cn_job)job, sets, n, checker, bench, t, n_failed);
    }
    return code;
}

/* The vector operations that each tier has of its own. */
static void do_vec(const struct args *a, struct cn_checker *checker, struct cn_table *t,
                   int *n_failed)
{
    typedef void slot_fn(void);
    slot_fn *before[CN_N_VEC_SLOTS] = { NULL };
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        if (tier != CN_TIER_REF && !(a->mask >> tier & 1))
            continue;
        const struct cn_vec vec = cn_ops_for(a->mask & ((2u << tier) - 1)).vec;
        for (int slot = 0; slot < CN_N_VEC_SLOTS; slot++) {
            struct cn_check check;
            slot_fn *fn = ((slot_fn *const *)&vec)[slot];
            const bool own = fn != before[slot];
            before[slot] = fn;
            if (!own)
                continue;
            cn_check_vec(checker, &vec, slot, &check);
            set_names(t, a, "vec", cn_tier_name((enum cn_tier)tier), cn_vec_slot_name(slot));
            set_check(t, &check);
            if (check.n_failed) {
                ++*n_failed;
                cn_die("vec %s %s: %s", cn_tier_name((enum cn_tier)tier), cn_vec_slot_name(slot),
                       check.what);
            }
        }
    }
}

/* Whether the checks find faults. Returns -1, or the exit code. */
static int self_test(const struct args *a)
{
    struct cn_faults faults;
    if (!cn_check_faulty_kernels(a->mask, (uint64_t)a->seed, &faults))
        return cn_die("out of memory");
    if (faults.n_wrong)
        return cn_die("self-test: %d of %d faults judged wrongly; %s", faults.n_wrong, faults.n,
                      faults.what);
    fprintf(stderr, "self-test: %d kernels with and without a fault, all judged rightly\n",
            faults.n);
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
    if (code < 0 && checker && a->job[VEC])
        do_vec(a, checker, t, &n_failed);
    if (code < 0 && a->self_test)
        code = self_test(a);
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
        {"--format",     NULL,      CN_OPT_STRING, &a.formats,   "LIST",   "formats (all)",                        0,     0   },
        { "--tier",      "--tiers", CN_OPT_STRING, &a.tiers,     "LIST",
         "tiers, as in ref,avx2 (CARNOT_TIERS, else all there are)",                                               0,     0   },
        { "--job",       NULL,      CN_OPT_STRING, &a.jobs,      "LIST",
         "jobs (gemv,unpack,gemm,gemm_fast,dequantize; also vec)",                                                 0,     0   },
        { "--check",     NULL,      CN_OPT_FLAG,   &a.check,     NULL,     "check only (default: check and time)", 0,
         0                                                                                                                    },
        { "--bench",     NULL,      CN_OPT_FLAG,   &a.bench,     NULL,     "time only (default: check and time)",  0,
         0                                                                                                                    },
        { "--self-test", NULL,      CN_OPT_FLAG,   &a.self_test, NULL,
         "show that the checks find kernels with faults",                                                          0,     0   },
        { "--threads",   "-t",      CN_OPT_INT,    &a.n_threads, "N",      "threads to time on (1)",               1,
         cn_available_cores()                                                                                                 },
        { "--seconds",   NULL,      CN_OPT_FLOAT,  &a.seconds,   "S",      "to time each kernel for (0.06)",       0.001,
         60                                                                                                                   },
        { "--seed",      NULL,      CN_OPT_INT,    &a.seed,      "N",      "of the checks' inputs (1)",            0,     9e15},
        { "--save",      NULL,      CN_OPT_STRING, &a.save,      "FILE",
         "write the table to a file too (.csv, .json, .html)",                                                     0,     0   },
        { "--output",    "-o",      CN_OPT_TABLE,  &a.output,    "FORMAT", "md, csv, json, jsonl or sql (md)",
         0,                                                                                                               0   },
        CN_OPTION_FORCE,
    };
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = pick("--format", a.formats, format_name, CN_N_TYPES, a.format);
    if (code < 0)
        code = pick("--job", a.jobs, job_name, N_JOBS, a.job);
    if (code < 0)
        code = cn_parse_tiers("--tier", a.tiers, &a.mask);
    if (code < 0)
        code = cn_output_check_table("--save", a.save, NULL, 0);
    if (code >= 0)
        return code;
    if (!a.check && !a.bench)
        a.check = a.bench = true;
    if (!a.jobs)
        a.job[VEC] = false;
    if (a.job[VEC] && !a.check)
        return cn_usage_error("--job vec: vector operations are checked, not timed");
    const char *why;
    const bool beside = a.bench && a.format[CN_TYPE_f32] && a.job[CN_JOB_GEMM];
    a.yardstick = beside && cn_blas_there(&why);
    if (beside && !a.yardstick && a.formats)
        cn_warn("no yardstick beside the gemm of f32: %s", why);
    return run(&a);
}
