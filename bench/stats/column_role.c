/* SPDX-License-Identifier: MIT */
#include "bench/stats/column_role.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Columns as carnot's own commands, its studies, the run table of the phone study, and other
 * programs call them. `beside`: such names mean this only where the table has that column too. The
 * first row that fits counts. */
/* clang-format off */
static const struct {
    const char *name;
    enum cn_role role;
    const char *beside;
} known[] = {
    { "test", CN_ROLE_SPLIT, NULL }, { "phase", CN_ROLE_SPLIT, NULL }, { "job", CN_ROLE_SPLIT, NULL },
    { "rep", CN_ROLE_REPETITION, NULL }, { "repetition", CN_ROLE_REPETITION, NULL },
    { "trial", CN_ROLE_REPETITION, NULL }, { "iteration", CN_ROLE_REPETITION, NULL },
    { "block", CN_ROLE_REPETITION, NULL }, { "round", CN_ROLE_REPETITION, NULL },
    /* carnot kernels; with a row for each round every kernel is one sample of its own */
    { "format", CN_ROLE_SPLIT, "round" }, { "tier", CN_ROLE_SPLIT, "round" },
    { "rows", CN_ROLE_SPLIT, "round" }, { "cols", CN_ROLE_SPLIT, "round" },
    { "tokens", CN_ROLE_SPLIT, "round" }, { "cache", CN_ROLE_SPLIT, "round" },
    { "threads", CN_ROLE_SPLIT, "round" }, { "model", CN_ROLE_SPLIT, "round" },
    { "n_tokens", CN_ROLE_SPLIT, "round" }, { "depth", CN_ROLE_SPLIT, "round" },
    { "rows", CN_ROLE_FACTOR, "job" }, { "cols", CN_ROLE_FACTOR, "job" },
    { "tokens", CN_ROLE_FACTOR, "job" },
    { "run", CN_ROLE_NUMBER, "block" }, /* a study numbers its runs through */
    { "run", CN_ROLE_REPETITION, NULL },
    { "seed", CN_ROLE_FACTOR, NULL },
    { "threads", CN_ROLE_FACTOR, NULL }, { "threads_prefill", CN_ROLE_FACTOR, NULL },
    { "n_tokens", CN_ROLE_FACTOR, NULL }, { "depth", CN_ROLE_FACTOR, NULL }, { "batch", CN_ROLE_FACTOR, NULL },
    { "input_length", CN_ROLE_FACTOR, NULL }, { "output_length", CN_ROLE_FACTOR, NULL },
    { "input_tokens", CN_ROLE_WORK, NULL }, { "output_tokens", CN_ROLE_WORK, NULL },
    { "boundary", CN_ROLE_WORK, NULL }, { "energy_status", CN_ROLE_WORK, NULL },
    { "tps_median", CN_ROLE_METRIC, NULL }, { "prefill_tps", CN_ROLE_METRIC, NULL },
    { "decode_tps", CN_ROLE_METRIC, NULL }, { "tps", CN_ROLE_METRIC, NULL }, { "gbps", CN_ROLE_METRIC, NULL },
    { "ttft_s", CN_ROLE_METRIC, NULL }, { "latency_s", CN_ROLE_METRIC, NULL },
    { "inference_latency_s", CN_ROLE_METRIC, NULL }, { "joules", CN_ROLE_METRIC, NULL },
    { "energy_j", CN_ROLE_METRIC, NULL }, { "j_per_token", CN_ROLE_METRIC, NULL },
    { "prefill_j_per_token", CN_ROLE_METRIC, NULL }, { "decode_j_per_token", CN_ROLE_METRIC, NULL },
    { "pj_per_weight", CN_ROLE_METRIC, NULL }, { "watts", CN_ROLE_METRIC, NULL },
    { "avg_power_w", CN_ROLE_METRIC, NULL }, { "peak_bytes", CN_ROLE_METRIC, NULL },
    { "peak_memory_mib", CN_ROLE_METRIC, NULL }, { "kld_mean", CN_ROLE_METRIC, NULL },
    { "ppl", CN_ROLE_METRIC, NULL }, { "accuracy", CN_ROLE_METRIC, NULL },
    /* llama-bench */
    { "avg_ts", CN_ROLE_METRIC, NULL }, { "t/s", CN_ROLE_METRIC, NULL },
    { "n_prompt", CN_ROLE_SPLIT, "avg_ts" }, { "n_gen", CN_ROLE_SPLIT, "avg_ts" },
    { "n_depth", CN_ROLE_SPLIT, "avg_ts" }, { "build_number", CN_ROLE_FACTOR, "avg_ts" },
    { "model_size", CN_ROLE_FACTOR, "avg_ts" }, { "model_n_params", CN_ROLE_FACTOR, "avg_ts" },
    { "n_batch", CN_ROLE_FACTOR, NULL }, { "n_ubatch", CN_ROLE_FACTOR, NULL },
    { "n_threads", CN_ROLE_FACTOR, NULL }, { "n_gpu_layers", CN_ROLE_FACTOR, NULL },
    { "ngl", CN_ROLE_FACTOR, "t/s" }, { "poll", CN_ROLE_FACTOR, "avg_ts" },
    { "main_gpu", CN_ROLE_FACTOR, "avg_ts" }, { "fa", CN_ROLE_FACTOR, "t/s" },
    { "mmap", CN_ROLE_FACTOR, "t/s" },
    /* hyperfine */
    { "command", CN_ROLE_FACTOR, "times" }, { "command", CN_ROLE_FACTOR, "mean" },
    { "times", CN_ROLE_METRIC, "command" }, { "mean", CN_ROLE_METRIC, "command" },
    /* Criterion */
    { "mean", CN_ROLE_METRIC, "median_abs_dev" },
    /* CodeCarbon; emissions are its energy times what the grid emits */
    { "energy_consumed", CN_ROLE_METRIC, NULL }, { "duration", CN_ROLE_METRIC, "energy_consumed" },
    { "emissions", CN_ROLE_METRIC, "energy_consumed" }, { "run_id", CN_ROLE_QUIET, NULL },
    { "experiment_id", CN_ROLE_QUIET, "energy_consumed" },
    { "cpu_count", CN_ROLE_FACTOR, NULL }, { "gpu_count", CN_ROLE_FACTOR, NULL },
    { "ram_total_size", CN_ROLE_FACTOR, "energy_consumed" },
    { "command", CN_ROLE_QUIET, NULL }, { "disturbed", CN_ROLE_QUIET, NULL }, { "governor", CN_ROLE_QUIET, NULL },
    { "reason", CN_ROLE_QUIET, NULL }, { "response", CN_ROLE_QUIET, NULL }, { "status", CN_ROLE_QUIET, NULL },
};
static const char *const quiet_ends[] = { "_reason", "_status", "_ids", "_lo", "_hi", "_se", "_uncertainty" };
/* clang-format on */

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    return n > n_end && strcmp(name + n - n_end, end) == 0;
}

/* What programs write where a number is missing. In a column of other texts it is one of them. */
static bool is_missing(const char *text)
{
    text += *text == '+' || *text == '-';
    return strcasecmp(text, "nan") == 0 || strcasecmp(text, "inf") == 0 ||
           strcasecmp(text, "infinity") == 0;
}

/* "2025-11-24T10:01:00Z": when it was measured, not what. */
static bool is_date(const char *text)
{
    for (const char *form = "0000-00-00"; *form; form++, text++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    return true;
}

static bool has(const struct cn_dataset *d, const char *column)
{
    return cn_dataset_column(d, column, strlen(column)) >= 0;
}

enum cn_role cn_column_role(const struct cn_dataset *d, size_t column)
{
    static const char parameter[] = "parameter_"; /* of a command: hyperfine */
    const char *name = d->columns[column];
    bool numbers = true, any = false, dates = true;
    for (size_t r = 0; r < d->n_rows; r++) {
        const struct cn_cell *cell = cn_dataset_cell(d, r, column);
        bool missing = !cell->text || is_missing(cell->text);
        any |= !missing;
        numbers &= missing || !isnan(cell->number);
        dates &= missing || is_date(cell->text);
    }
    if (!any || dates)
        return CN_ROLE_QUIET;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i].name) == 0 && (numbers || known[i].role != CN_ROLE_METRIC) &&
            (!known[i].beside || has(d, known[i].beside)))
            return known[i].role;
    for (size_t i = 0; i < sizeof quiet_ends / sizeof *quiet_ends; i++)
        if (ends_in(name, quiet_ends[i]))
            return CN_ROLE_QUIET;
    bool factor = !numbers || strncmp(name, parameter, sizeof parameter - 1) == 0;
    return factor ? CN_ROLE_FACTOR : CN_ROLE_NUMBER;
}
