/* SPDX-License-Identifier: MIT
 *
 * carnot machine: what this machine is, and the most that it can do.
 */
#include "cli/commands/machine.h"
#include "bench/kernel/blas.h"
#include "bench/kernel/kernel_bench.h"
#include "bench/machine/machine_probe.h"
#include "cli/lists.h"
#include "cli/outputs.h"
#include "quant/quant.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cn_usage usage = {
    .synopsis = "carnot machine [options]",
    .text =
        "Measures what this machine can do at the most, per number of threads and tier:\n"
        "bytes read from memory (the best of several access patterns), and multiply-adds\n"
        "of 8-bit integers and of floats with the instructions that the tier's kernels\n"
        "are made of. Every figure is the best of many short samples.\n"
        "\n"
        "f32 gemm is the tier's own product of float matrices (128 tokens), OpenBLAS the same\n"
        "by its sgemm, by CPU time of as many threads: the yardstick, and which is the faster.\n"
        "\n"
        "--energy fits joules instead, as J = a x seconds + b x bytes + c x int8 operations +\n"
        "d x weights unpacked, over formats, threads, prefill and decode, and checks the fit\n"
        "on configurations that it has not seen; it needs a meter. What it saves is a meter\n"
        "for later runs (--meter model:FILE), and predicts models that were not run.\n"
        "\n"
        "  carnot machine\n"
        "  carnot machine -t 1,2,4 -o json\n"
        "  carnot machine --energy --save energy.json\n"
        "  carnot machine --predict energy.json -m model.gguf",
};

enum { MAX_BUFFER = 1 << 30 };

/* For the float GEMM of each tier; not more, or an interrupt would have to wait. */
static const double GEMM_SECONDS = 0.25;

static void set_text(struct cn_table *t, const char *key, const char *text)
{
    if (*text)
        cn_table_str(t, key, text);
    else
        cn_table_null(t, key, "unknown");
}

static void set_count(struct cn_table *t, const char *key, int64_t n)
{
    if (n)
        cn_table_i64(t, key, n);
    else
        cn_table_null(t, key, "unknown");
}

static void fact(struct cn_table *t, const char *what, const char *value)
{
    cn_table_row(t);
    cn_table_str(t, "what", what);
    set_text(t, "value", value);
}

/* For people: what the other outputs repeat in every row. */
static bool print_facts(const struct cn_machine_info *info, const char *tiers)
{
    struct cn_table *t = cn_table_create("machine");
    char text[160];
    if (!t)
        return false;
    cn_table_column(t, "what", "machine", -1);
    cn_table_column(t, "value", "", -1);
    fact(t, "CPU", info->cpu);
    snprintf(text, sizeof text, "%d online, %d usable; %d cores, %d sockets, %d threads per core",
             info->n_cpus, info->n_usable, info->n_cores, info->n_sockets, info->threads_per_core);
    fact(t, "CPUs", text);
    fact(t, "caches", info->caches);
    snprintf(text, sizeof text, "%.1f GiB", (double)info->memory_bytes / (1 << 30));
    fact(t, "memory", text);
    fact(t, "highest frequency", info->frequency);
    fact(t, "governor", info->governor);
    fact(t, "tiers", tiers);
    const bool ok = cn_result_table(t, CN_TABLE_MD) == CN_EXIT_OK && putchar('\n') != EOF;
    cn_table_free(t);
    return ok;
}

static struct cn_table *make_table(void)
{
    struct cn_table *t = cn_table_create("machine");
    if (!t)
        return NULL;
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "tier", "tier", -1);
    cn_table_column(t, "read_gbps", "read GB/s", 1);
    cn_table_column(t, "read_pattern", "read best by", -1);
    cn_table_column(t, "int8_gops", "int8 Gop/s", 0);
    cn_table_column(t, "f32_gflops", "f32 Gflop/s", 0);
    cn_table_column(t, "f32_gemm_gflops", "f32 gemm", 0);
    cn_table_column(t, "openblas_gflops", "OpenBLAS", 0);
    cn_table_column(t, "f32_gemm_faster", "faster", -1);
    cn_table_column(t, "openblas_core", NULL, -1);
    cn_table_column(t, "cpu", NULL, -1);
    cn_table_column(t, "tiers", NULL, -1);
    cn_table_column(t, "cpus", NULL, -1);
    cn_table_column(t, "cpus_usable", NULL, -1);
    cn_table_column(t, "cores", NULL, -1);
    cn_table_column(t, "sockets", NULL, -1);
    cn_table_column(t, "threads_per_core", NULL, -1);
    cn_table_column(t, "caches", NULL, -1);
    cn_table_column(t, "frequency", NULL, -1);
    cn_table_column(t, "governor", NULL, -1);
    cn_table_column(t, "memory_bytes", NULL, -1);
    cn_table_column(t, "buffer_bytes", NULL, -1);
    return t;
}

static void set_rate(struct cn_table *t, const char *key, double rate)
{
    if (isfinite(rate))
        cn_table_f64(t, key, rate);
    else
        cn_table_null(t, key, "unsupported");
}

static void add_row(struct cn_table *t, const struct cn_machine_info *info, const char *tiers,
                    int n_threads, enum cn_tier tier, const struct cn_machine_rates *rates,
                    const struct cn_float_gemm *gemm, size_t buffer_bytes)
{
    cn_table_row(t);
    cn_table_i64(t, "threads", n_threads);
    cn_table_str(t, "tier", cn_tier_name(tier));
    set_rate(t, "read_gbps", rates->read_gbps);
    set_text(t, "read_pattern", rates->read_how);
    set_rate(t, "int8_gops", rates->int8_gops);
    set_rate(t, "f32_gflops", rates->f32_gflops);
    const double ours = gemm->gflops[tier];
    set_rate(t, "f32_gemm_gflops", ours);
    set_rate(t, "openblas_gflops", gemm->openblas);
    if (isfinite(ours) && isfinite(gemm->openblas))
        cn_table_str(t, "f32_gemm_faster",
                     ours >= gemm->openblas ? cn_tier_name(tier) : "openblas");
    else
        cn_table_null(t, "f32_gemm_faster", "unsupported");
    set_text(t, "openblas_core", isfinite(gemm->openblas) ? cn_blas_core() : "");
    set_text(t, "cpu", info->cpu);
    cn_table_str(t, "tiers", tiers);
    set_count(t, "cpus", info->n_cpus);
    set_count(t, "cpus_usable", info->n_usable);
    set_count(t, "cores", info->n_cores);
    set_count(t, "sockets", info->n_sockets);
    set_count(t, "threads_per_core", info->threads_per_core);
    set_text(t, "caches", info->caches);
    set_text(t, "frequency", info->frequency);
    set_text(t, "governor", info->governor);
    set_count(t, "memory_bytes", (int64_t)info->memory_bytes);
    cn_table_i64(t, "buffer_bytes", (int64_t)buffer_bytes);
}

static int run(const struct cn_machine_info *info, uint32_t mask, const int *counts, int n_counts,
               double seconds, enum cn_table_format output)
{
    char tiers[64];
    int most = 1, done = 0, n_tiers = 0, code = -1;
    cn_tiers_format(mask, tiers, sizeof tiers);
    for (int i = 0; i < n_counts; i++)
        most = counts[i] > most ? counts[i] : most;
    for (int tier = 0; tier < CN_N_TIERS; tier++)
        n_tiers += mask >> tier & 1;
    struct cn_table *t = make_table();
    const bool timed = seconds > 0;
    struct cn_machine_probe *probe = timed ? cn_machine_probe_create(MAX_BUFFER, most) : NULL;
    if (!t || (timed && !probe))
        code = cn_die("cannot begin: %s", strerror(errno));
    if (probe)
        cn_machine_probe_cancel(probe, cn_interrupted);
    const double none = (double)NAN;
    for (int i = 0; code < 0 && i < n_counts; i++) {
        struct cn_float_gemm gemm = { .openblas = none };
        for (int tier = 0; tier < CN_N_TIERS; tier++)
            gemm.gflops[tier] = none;
        if (timed && !cn_interrupted() &&
            !cn_float_gemm_measure(mask, counts[i], fmin(seconds / 4, GEMM_SECONDS), &gemm))
            code = cn_die("out of memory");
        for (int tier = 0; code < 0 && tier < CN_N_TIERS; tier++) {
            struct cn_machine_rates rates = { .read_gbps = none,
                                              .int8_gops = none,
                                              .f32_gflops = none };
            if (!(mask >> tier & 1))
                continue;
            cn_progress("machine", done++, n_counts * n_tiers);
            if (timed)
                cn_machine_probe_run(probe, mask, (enum cn_tier)tier, counts[i], seconds, &rates);
            add_row(t, info, tiers, counts[i], (enum cn_tier)tier, &rates, &gemm,
                    timed ? cn_machine_probe_bytes(probe) : 0);
            if (cn_interrupted())
                code = cn_die("interrupted");
        }
    }
    cn_progress("machine", 1, 1);
    if (code < 0 && ((output == CN_TABLE_MD && !print_facts(info, tiers)) ||
                     cn_result_table(t, output) != CN_EXIT_OK))
        code = CN_EXIT_FAILED;
    cn_table_free(t);
    cn_machine_probe_free(probe);
    return code < 0 ? CN_EXIT_OK : code;
}

int cn_cmd_machine(int argc, char **argv)
{
    const char *threads = NULL, *tiers = NULL;
    struct cn_string_list models = { 0 };
    struct cn_machine_energy e = { .models = &models, .root = getenv("CARNOT_ROOT") };
    double seconds = 1;
    bool energy = false;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--threads", "-t", CN_OPT_STRING, &threads, "LIST",
          "numbers of threads, as in 1,2,4 (1, 2, 4 and so on to all cores)", 0, 0 },
        { "--tier", "--tiers", CN_OPT_STRING, &tiers, "LIST",
          "tiers, as in ref,avx2 (CARNOT_TIERS, else all there are)", 0, 0 },
        { "--seconds", NULL, CN_OPT_FLOAT, &seconds, "S",
          "to measure each row for, up to 4 times that if it is busy; 0: do not (1)", 0, 600 },
        { "--energy", NULL, CN_OPT_FLAG, &energy, NULL,
          "fit the energy model of this machine", 0, 0 },
        { "--save", NULL, CN_OPT_STRING, &e.save, "FILE", "store the energy model", 0, 0 },
        { "--predict", NULL, CN_OPT_STRING, &e.predict, "FILE",
          "what models would use, by a stored energy model", 0, 0 },
        { "--model", "-m", CN_OPT_LIST, &models, "FILE",
          "of the sweep, or to predict; may be repeated (for the sweep: made, 5 formats)", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &e.meter, "NAME", "energy meter (the best)", 0, 0 },
        { "--root", NULL, CN_OPT_STRING, &e.root, "DIR", "where the meters' files are (/)", 0, 0 },
        { "--force-meter", NULL, CN_OPT_FLAG, &e.force_meter, NULL,
          "take a battery that charges; while it does, joules are unresolved", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &e.format, "FORMAT",
          "md, csv, json, jsonl or sql (md)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    struct cn_machine_info info;
    int counts[CN_MAX_COUNTS], n_counts = 0;
    uint32_t mask;
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = cn_parse_tiers("--tier", tiers, &mask);
    if (code < 0 && energy && e.predict)
        code = cn_usage_error("one of --energy and --predict, please");
    if (code < 0 && !energy && (e.save || (models.n && !e.predict)))
        code = cn_usage_error("%s goes with --energy%s", e.save ? "--save" : "-m",
                              e.save ? "" : " or --predict");
    if (code < 0)
        code = cn_output_check(e.save, CN_FILE_TEXT, models.items, models.n);
    if (code < 0 && energy && seconds <= 0)
        code = cn_usage_error("--energy: --seconds above 0 expected");
    if (code < 0 && e.predict) {
        e.tiers = tiers;
        code = cn_machine_predict(&e);
    }
    cn_machine_describe(&info);
    if (code < 0 && threads)
        code = cn_parse_counts("--threads", threads, info.n_usable, counts, &n_counts);
    else if (code < 0)
        n_counts = cn_default_counts(info.n_usable, counts);
    if (code < 0 && energy) {
        e.threads = counts;
        e.n_threads = n_counts;
        e.tiers = tiers;
        e.cpu = info.cpu;
        e.seconds = seconds;
        code = cn_machine_energy(&e);
    } else if (code < 0) {
        code = run(&info, mask, counts, n_counts, seconds, e.format);
    }
    free(models.items);
    return code;
}
