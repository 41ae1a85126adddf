/* SPDX-License-Identifier: MIT
 *
 * carnot kernels: every kernel of this machine, checked and timed.
 */
#include "cli/commands/kernels.h"
#include "base/table.h"
#include "bench/kernel/blas.h"
#include "bench/kernel/faulty_kernels.h"
#include "bench/kernel/kernel_bench.h"
#include "bench/kernel/kernel_check.h"
#include "bench/machine/cycles.h"
#include "bench/machine/probe.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/commands/against.h"
#include "cli/lists.h"
#include "cli/outputs.h"
#include "engine/tools.h"
#include "quant/quant.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct cn_usage usage = {
    .synopsis = "carnot kernels [options]",
    .text =
        "Checks every kernel of every format and tier against the definition of its\n"
        "format, then times it. Jobs: gemv (a product with one vector, as in decoding),\n"
        "unpack (rows to a panel), gemm (a product with 128 tokens, as in prefill),\n"
        "gemm_small (one with 8 tokens), gemm_fast (gemm by --precision fast) and dequantize\n"
        "(rows to floats); vec: the vector operations of each tier (norms, softmax, attention),\n"
        "checked if asked for.\n"
        "Beside the gemm of f32 stands OpenBLAS's sgemm, where this program has it.\n"
        "\n"
        "error/bound  the largest error as a share of what rounding may cause; unpack and\n"
        "             dequantize must give the same bits: 0\n"
        "GB/s         10^9 bytes of weights as they are in a file\n"
        "Gweights/s   10^9 weights; for gemm times tokens\n"
        "x OpenBLAS   speed of the gemm of f32 by that of OpenBLAS on as many threads\n"
        "+-           half the distance of the samples' quartiles, relative\n"
        "cycles/256   core cycles by 256 weights, for gemv and gemm by token too\n"
        "of read      GB/s by what can be read from there at most; of int8: operations by the\n"
        "             tier's peak; bound by: the nearer of the two limits; of bound: its share\n"
        "\n"
        "Weights come from memory, not from a cache, unless --cache says so. Times are CPU times.\n"
        "\n"
        "  carnot kernels --format q4_k,q6_k\n"
        "  carnot kernels --check --tier ref,avx2\n"
        "  carnot kernels --format q4_k --shape 2048x8192 --tokens 1,2,4,8,512 --cache l2,memory\n"
        "  carnot kernels --format q4_k --against ../before/carnot",
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
    return i == CN_KERNELS_VEC ? "vec" : cn_job_name((enum cn_job)i);
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
        cn_say("gemm of f32: %s is %.2f times as fast as OpenBLAS (its kernels for %s)\n", tier,
               ratio, cn_blas_core());
    else
        cn_say("gemm of f32: OpenBLAS (its kernels for %s) is %.2f times as fast as %s\n",
               cn_blas_core(), 1 / ratio, tier);
}

/* Everything that results are made with; what was not asked for is NULL. */
struct tools {
    const struct cn_kernels_arguments *a;
    struct cn_checker *checker;
    struct cn_kernel_bench *bench;
    struct cn_kernel_limits *limits;
    struct cn_profiler *profiler;
    struct cn_table *table;
    int n_failed; /* kernels */
    double done, total;
};

/* Of one format: its kernels, and what their checks found, once each. */
struct checked {
    struct cn_kernel_set sets[CN_N_TIERS];
    int n;
    struct cn_check check[CN_N_JOBS][CN_N_TIERS];
    bool done[CN_N_JOBS][CN_N_TIERS];
};

/* Returns -1, or the exit code. */
static int check_once(struct tools *w, const struct cn_format *format, struct checked *k,
                      enum cn_job job, int s)
{
    const struct cn_kernel_set *set = &k->sets[s];
    struct cn_check *check = &k->check[job][s];
    if (k->done[job][s])
        return -1;
    cn_check_kernels(w->checker, format, &set->kernels, &set->ops, job, check);
    k->done[job][s] = true;
    if (check->no_memory)
        return cn_die("out of memory");
    if (check->n_failed) {
        w->n_failed++;
        cn_die("%s %s %s: %s", format->name, cn_tier_name(set->tier), cn_job_name(job),
               check->what);
    }
    return -1;
}

/* The longest time that a meter is given for one kernel. */
static const double MOST_METERED_S = 70;

/* Joules of one kernel, where a meter is to tell. Returns -1, or the exit code. */
static int measure_energy(struct tools *w, const struct cn_kernel_set *set,
                          struct cn_kernel_energy *energy, struct cn_kernels_row *row)
{
    struct cn_profiler_error err;
    row->meter = w->profiler ? cn_profiler_channel(w->profiler, 0) : NULL;
    row->energy = NULL;
    if (!row->meter || !row->meter->ok)
        return -1;
    if (!cn_kernel_energy_measure(w->bench, set, w->profiler, MOST_METERED_S, energy, &err))
        return cn_die("%s", err.text);
    row->meter = cn_profiler_channel(w->profiler, 0);
    row->energy = energy;
    return -1;
}

/* All tiers of one case. Returns -1, or the exit code. */
static int do_case(struct tools *w, const struct cn_kernel_case *c, struct checked *k)
{
    const struct cn_kernels_arguments *a = w->a;
    struct cn_kernel_rate rates[CN_N_TIERS];
    struct cn_yardstick yardstick = { 0 };
    struct cn_kernels_row row = { .c = c };
    int code = -1;
    if (cn_interrupted())
        return cn_die("interrupted");
    if (w->bench) {
        if (!cn_kernel_bench_set(w->bench, c))
            return cn_die("out of memory");
        cn_kernel_bench_run(w->bench, k->sets, k->n, !a->no_ref, a->seconds, rates, &yardstick);
        row.buffer_bytes = cn_kernel_bench_bytes(w->bench);
        row.rows_there = cn_kernel_bench_rows(w->bench);
    }
    for (int s = 0; s < k->n && code < 0; s++) {
        struct cn_kernel_bound bound;
        struct cn_kernel_energy energy;
        if (!k->sets[s].own[c->job] || (s == 0 && a->no_ref))
            continue;
        row.tier = cn_tier_name(k->sets[s].tier);
        if (w->checker)
            code = check_once(w, c->format, k, c->job, s);
        row.check = w->checker ? &k->check[c->job][s] : NULL;
        if (w->bench && code < 0) {
            row.rate = &rates[s];
            row.to_openblas = yardstick.measured ? yardstick.ratio[s] : (double)NAN;
            if (w->limits) {
                cn_kernel_bound(w->limits, c, k->sets[s].tier, row.rate, &bound);
                row.bound = &bound;
            }
            code = measure_energy(w, &k->sets[s], &energy, &row);
        }
        if (code < 0)
            cn_kernels_put(w->table, a, &row);
    }
    if (code < 0 && yardstick.measured) {
        row = (struct cn_kernels_row){ .c = c,
                                       .tier = "openblas",
                                       .rate = &yardstick.rate,
                                       .to_openblas = 1,
                                       .buffer_bytes = row.buffer_bytes,
                                       .rows_there = row.rows_there };
        cn_kernels_put(w->table, a, &row);
        tell_yardstick(k->sets, k->n, &yardstick);
    }
    return code;
}

static bool any_own(const struct checked *k, enum cn_job job, bool no_ref)
{
    for (int s = no_ref; s < k->n; s++)
        if (k->sets[s].own[job])
            return true;
    return false;
}

/* All jobs of a format on one shape, cache and count of threads. */
static int do_jobs(struct tools *w, struct cn_kernel_case c, struct checked *k)
{
    static const int own_tokens[CN_N_JOBS] = {
        [CN_JOB_GEMV] = 1,
        [CN_JOB_UNPACK] = 1,
        [CN_JOB_GEMM] = CN_BENCH_TOKENS,
        [CN_JOB_GEMM_SMALL] = CN_BENCH_SMALL_TOKENS,
        [CN_JOB_GEMM_FAST] = CN_BENCH_TOKENS,
        [CN_JOB_DEQUANTIZE] = 1,
    };
    const struct cn_kernels_arguments *a = w->a;
    int code = -1;
    for (int job = 0; code < 0 && job < CN_N_JOBS; job++) {
        c.job = (enum cn_job)job;
        if (!a->job[job] || !any_own(k, c.job, a->no_ref))
            continue;
        const bool varies = a->n_tokens && cn_job_takes_tokens(c.job, 1);
        for (int i = 0; code < 0 && i < (varies ? a->n_tokens : 1); i++) {
            c.n_tokens = varies ? a->token[i] : own_tokens[job];
            if (!varies || cn_job_takes_tokens(c.job, c.n_tokens))
                code = do_case(w, &c, k);
        }
    }
    return code;
}

static int do_format(struct tools *w, const struct cn_format *format)
{
    const struct cn_kernels_arguments *a = w->a;
    struct checked k = { .n = cn_kernel_sets(format, a->mask, k.sets) };
    int code = -1;
    for (int i = 0; code < 0 && i < a->n_shapes; i++) {
        const struct cn_kernels_shape *shape = &a->shape[i];
        if (shape->cols % format->block_elems || shape->cols % 32) {
            cn_warn("%s: left out: rows of %lld columns are no whole blocks of %u", format->name,
                    (long long)shape->cols, (unsigned)format->block_elems);
            continue;
        }
        for (int cache = 0; code < 0 && cache < CN_N_CACHES; cache++)
            for (int t = 0; code < 0 && a->cache[cache] && t < a->n_threads; t++) {
                const struct cn_kernel_case c = { .format = format,
                                                  .rows = shape->rows,
                                                  .cols = shape->cols,
                                                  .n_threads = a->thread[t],
                                                  .cache = (enum cn_bench_cache)cache };
                cn_progress("kernels", w->done++, w->total);
                code = do_jobs(w, c, &k);
            }
    }
    return code;
}

/* The vector operations that each tier has of its own. Returns -1, or the exit code. */
static int do_vec(struct tools *w)
{
    const struct cn_kernels_arguments *a = w->a;
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
            cn_check_vec(w->checker, &vec, slot, &check);
            if (check.no_memory)
                return cn_die("out of memory");
            cn_kernels_put_vec(w->table, cn_tier_name((enum cn_tier)tier), cn_vec_slot_name(slot),
                               &check);
            if (check.n_failed) {
                w->n_failed++;
                cn_die("vec %s %s: %s", cn_tier_name((enum cn_tier)tier), cn_vec_slot_name(slot),
                       check.what);
            }
        }
    }
    return -1;
}

/* Whether the checks find faults. Returns -1, or the exit code. */
static int self_test(const struct cn_kernels_arguments *a)
{
    struct cn_faults faults;
    if (!cn_check_faulty_kernels(a->mask, (uint64_t)a->seed, &faults))
        return cn_die("out of memory");
    if (faults.n_wrong)
        return cn_die("self-test: %d of %d faults judged wrongly; %s", faults.n_wrong, faults.n,
                      faults.what);
    cn_say("self-test: %d kernels with and without a fault, all judged rightly\n", faults.n);
    return -1;
}

/* Makes what is asked for. Returns -1, or the exit code. */
static int get_ready(struct tools *w)
{
    const struct cn_kernels_arguments *a = w->a;
    struct cn_profiler_error err = { "" };
    w->table = cn_kernels_table(a);
    w->checker = a->check ? cn_checker_create((uint64_t)a->seed) : NULL;
    w->bench = a->bench ? cn_kernel_bench_create(a->most_threads) : NULL;
    const bool limits = a->bench && !a->no_limits;
    w->limits = limits ? cn_kernel_limits_create(a->mask, a->most_threads) : NULL;
    if (!w->table || (a->check && !w->checker) || (a->bench && !w->bench) || (limits && !w->limits))
        return cn_die("cannot begin: %s", strerror(errno));
    if (!a->bench || !a->meter)
        return -1;
    const struct cn_profiler_options o = { .root = a->root,
                                           .meter = strcmp(a->meter, "auto") ? a->meter : NULL,
                                           .force = a->force_meter };
    w->profiler = cn_profiler_create(&o, &err);
    return w->profiler ? -1 : cn_meter_refused(err.text);
}

/* What no cell of a table for people says. */
static void print_notes(const struct tools *w)
{
    const struct cn_kernels_arguments *a = w->a;
    if (!a->bench || a->samples || a->output != CN_TABLE_MD)
        return;
    if (cn_core_cycles_there())
        printf("\nCycles are those of the core, counted by perf_event.\n");
    else if (!isnan(cn_tsc_hz()))
        printf(
            "\nCycles are those of the time-stamp counter, measured at %.4g GHz: perf_event does "
            "not count here.\n",
            cn_tsc_hz() * 1e-9);
    if (!w->profiler)
        return;
    const struct cn_meter_info *m = cn_profiler_channel(w->profiler, 0);
    if (m->ok)
        printf("pJ/weight of the boundary '%s', by %s%s.\n", m->boundary, m->name,
               m->modelled ? ": modelled, not measured" : "");
    else
        printf("pJ/weight unsupported: %s%s%s.\n", m->reason, m->remedy[0] ? ". Remedy: " : "",
               m->remedy);
}

static int run(const struct cn_kernels_arguments *a)
{
    struct tools w = { .a = a };
    struct cn_error err = { "" };
    int code = get_ready(&w), n_caches = 0;
    for (int i = 0; i < CN_N_CACHES; i++)
        n_caches += a->cache[i];
    for (int type = 0; type < CN_N_TYPES; type++)
        w.total += a->format[type] * a->n_shapes * n_caches * a->n_threads;
    for (int type = 0; code < 0 && type < CN_N_TYPES; type++)
        if (a->format[type])
            code = do_format(&w, &cn_formats[type]);
    cn_progress("kernels", 1, 1);
    if (code < 0 && w.checker && a->job[CN_KERNELS_VEC])
        code = do_vec(&w);
    if (code < 0 && a->self_test)
        code = self_test(a);
    if (code < 0 && cn_result_table(w.table, a->output) != CN_EXIT_OK)
        code = CN_EXIT_FAILED;
    if (code < 0)
        print_notes(&w);
    if (code < 0 && a->save && cn_table_save(w.table, a->save, &err) != CN_OK)
        code = cn_die("%s", err.text);
    if (code < 0 && w.n_failed)
        code = cn_die("%d %s wrong", w.n_failed, w.n_failed == 1 ? "kernel is" : "kernels are");
    cn_table_free(w.table);
    cn_checker_free(w.checker);
    cn_kernel_bench_free(w.bench);
    cn_kernel_limits_free(w.limits);
    cn_profiler_free(w.profiler);
    return code < 0 ? CN_EXIT_OK : code;
}

/* ---- options --------------------------------------------------------------------------------- */

static int add_shape(struct cn_kernels_arguments *a, int64_t rows, int64_t cols)
{
    if (a->n_shapes == CN_KERNELS_SHAPES)
        return cn_usage_error("--shape takes at most %d shapes", CN_KERNELS_SHAPES);
    a->shape[a->n_shapes++] = (struct cn_kernels_shape){ rows, cols };
    return -1;
}

/* "2048x8192", or all matrices of a model's shape. Returns -1, or the exit code. */
static int one_shape(struct cn_kernels_arguments *a, const char *text)
{
    enum { MOST = 1 << 20 };
    struct cn_matrix_size sizes[CN_KERNELS_SHAPES];
    struct cn_error err = { "" };
    long long rows, cols;
    int end = 0, n = 0, code = -1;
    if (sscanf(text, "%lldx%lld%n", &rows, &cols, &end) == 2 && !text[end]) {
        if (rows < 1 || rows > MOST || cols < 32 || cols > MOST || cols % 32)
            return cn_usage_error("--shape: 1 to %d rows and 32 to %d columns, a multiple of 32, "
                                  "expected, '%s' found",
                                  MOST, MOST, text);
        return add_shape(a, rows, cols);
    }
    if (cn_synth_matrices(text, sizes, CN_KERNELS_SHAPES, &n, &err) != CN_OK)
        return cn_usage_error("--shape takes ROWSxCOLS or a model's shape, not '%s': %s", text,
                              err.text);
    for (int i = 0; code < 0 && i < n; i++)
        code = add_shape(a, sizes[i].rows, sizes[i].cols);
    return code;
}

static int parse_shapes(struct cn_kernels_arguments *a)
{
    int code = a->shapes ? -1 : add_shape(a, 0, CN_BENCH_COLS);
    for (const char *p = a->shapes; code < 0 && p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(p, ","), p);
        code = one_shape(a, text);
    }
    return code;
}

/* From here on this process and its threads stay on these CPUs. Returns -1, or the exit code. */
static int pin(const char *list)
{
    cpu_set_t set;
    int n = 0;
    CPU_ZERO(&set);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
        char *end;
        const long core = strtol(p, &end, 10);
        if (end == p || (*end && *end != ',') || core < 0 || core >= CPU_SETSIZE ||
            n == CN_MAX_COUNTS)
            return cn_usage_error("--cores takes numbers of CPUs with commas, not '%s'", list);
        n++;
        CPU_SET(core, &set);
    }
    if (!n)
        return cn_usage_error("--cores takes numbers of CPUs with commas, not '%s'", list);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        return cn_die("--cores %s: %s", list, strerror(errno));
    cpu_set_t now;
    if (sched_getaffinity(0, sizeof now, &now) != 0 || !CPU_EQUAL(&now, &set))
        return cn_die("--cores %s: this process may not run on all of them", list);
    return -1;
}

/* The lists into what they name. Returns -1, or the exit code. */
static int parse(struct cn_kernels_arguments *a)
{
    int code = a->cores ? pin(a->cores) : -1;
    if (code < 0)
        code = pick("--format", a->formats, format_name, CN_N_TYPES, a->format);
    if (code < 0)
        code = pick("--job", a->jobs, job_name, CN_KERNELS_JOBS, a->job);
    if (code < 0)
        code = cn_parse_tiers("--tier", a->tiers, &a->mask);
    if (code < 0)
        code = pick("--cache", a->caches, cn_bench_cache_name, CN_N_CACHES, a->cache);
    if (code < 0)
        code = parse_shapes(a);
    if (code < 0 && a->tokens)
        code = cn_parse_counts("--tokens", a->tokens, 4096, a->token, &a->n_tokens);
    if (code < 0)
        code = cn_parse_counts("-t", a->threads, cn_available_cores(), a->thread, &a->n_threads);
    for (int i = 0; i < a->n_threads; i++)
        a->most_threads = a->thread[i] > a->most_threads ? a->thread[i] : a->most_threads;
    for (int level = CN_CACHE_L1; code < 0 && level <= CN_CACHE_L3; level++)
        if (a->cache[level] && !cn_cache_bytes(level))
            code = cn_die("--cache %s: the system does not tell of such a cache",
                          cn_bench_cache_name(level));
    if (code < 0)
        code = cn_output_check_table("--save", a->save, NULL, 0);
    return code;
}

/* What goes with what. Returns -1, or the exit code. */
static int check_arguments(struct cn_kernels_arguments *a)
{
    if (a->against && a->check && !a->bench)
        return cn_usage_error("--against times kernels: without --check");
    if (a->against && a->meter)
        return cn_usage_error("--against compares speeds: without --meter");
    if (!a->check && !a->bench)
        a->check = !a->samples && !a->no_ref && !a->no_limits, a->bench = true;
    if (a->samples && !a->bench)
        return cn_usage_error("--samples are of times: without --check");
    if (!a->jobs)
        a->job[CN_KERNELS_VEC] = false;
    if (a->job[CN_KERNELS_VEC] && !a->check)
        return cn_usage_error("--job vec: vector operations are checked, not timed");
    return -1;
}

int cn_cmd_kernels(int argc, char **argv)
{
    struct cn_kernels_arguments a = { .threads = "1",
                                      .caches = "memory",
                                      .root = getenv("CARNOT_ROOT"),
                                      .seed = 1,
                                      .margin = CN_AGAINST_KERNELS_MARGIN };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--format", NULL, CN_OPT_STRING, &a.formats, "LIST", "formats (all)", 0, 0 },
        { "--tier", "--tiers", CN_OPT_STRING, &a.tiers, "LIST",
          "tiers, as in ref,avx2 (CARNOT_TIERS, else all there are)", 0, 0 },
        { "--job", NULL, CN_OPT_STRING, &a.jobs, "LIST",
          "jobs (gemv,unpack,gemm,gemm_small,gemm_fast,dequantize; also vec)", 0, 0 },
        { "--shape", NULL, CN_OPT_STRING, &a.shapes, "LIST",
          "ROWSxCOLS, or a model's shape as in llama-3.2-1b: all its matrices (any x 4096)", 0, 0 },
        { "--tokens", NULL, CN_OPT_STRING, &a.tokens, "LIST",
          "of gemv, up to 16, gemm_small, up to 32, and gemm (1, 8 and 128)", 0, 0 },
        { "--threads", "-t", CN_OPT_STRING, &a.threads, "LIST", "threads to time on (1)", 0, 0 },
        { "--cores", NULL, CN_OPT_STRING, &a.cores, "LIST", "CPUs to stay on, by number (any)", 0, 0 },
        { "--cache", NULL, CN_OPT_STRING, &a.caches, "LIST",
          "where the weights are: l1, l2, l3, memory (memory)", 0, 0 },
        { "--check", NULL, CN_OPT_FLAG, &a.check, NULL, "check only (default: check and time)", 0, 0 },
        { "--bench", NULL, CN_OPT_FLAG, &a.bench, NULL, "time only (default: check and time)", 0, 0 },
        { "--self-test", NULL, CN_OPT_FLAG, &a.self_test, NULL,
          "show that the checks find kernels with faults", 0, 0 },
        { "--seconds", NULL, CN_OPT_FLOAT, &a.seconds, "S",
          "to time each kernel for (0.06); with --against: at most, for all (60)", 0.001, 86400 },
        { "--no-ref", NULL, CN_OPT_FLAG, &a.no_ref, NULL, "leave out ref, which is slow", 0, 0 },
        { "--no-limits", NULL, CN_OPT_FLAG, &a.no_limits, NULL,
          "leave out what the machine could do at best", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &a.meter, "NAME",
          "joules too, by this energy meter; auto: the best there is", 0, 0 },
        { "--root", NULL, CN_OPT_STRING, &a.root, "DIR", "where the meters' files are (/)", 0, 0 },
        { "--force-meter", NULL, CN_OPT_FLAG, &a.force_meter, NULL,
          "take a battery that charges; while it does, joules are unresolved", 0, 0 },
        { "--against", NULL, CN_OPT_STRING, &a.against, "PROGRAM",
          "another build of carnot: which of the two is faster? Exit 3: a kernel of this one is slower",
          0, 0 },
        { "--margin", NULL, CN_OPT_FLOAT, &a.margin, "PERCENT",
          "with --against: differences below it do not matter (3)", 0.01, 1000 },
        { "--samples", NULL, CN_OPT_FLAG, &a.samples, NULL, "a row for each round", 0, 0 },
        { "--seed", NULL, CN_OPT_INT, &a.seed, "N", "of the checks' inputs, and orders (1)", 0, 9e15 },
        { "--save", NULL, CN_OPT_STRING, &a.save, "FILE",
          "write the table to a file too (.csv, .json, .html)", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &a.output, "FORMAT", "md, csv, json, jsonl or sql (md)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = parse(&a);
    if (code < 0)
        code = check_arguments(&a);
    if (code >= 0)
        return code;
    if (a.against)
        return cn_kernels_against(&a);
    if (a.seconds <= 0)
        a.seconds = 0.06;
    const char *why;
    const bool beside = a.bench && a.format[CN_TYPE_f32] && a.job[CN_JOB_GEMM];
    a.yardstick = beside && cn_blas_there(&why);
    if (beside && !a.yardstick && a.formats)
        cn_warn("no yardstick beside the gemm of f32: %s", why);
    return run(&a);
}
