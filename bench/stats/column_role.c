/* SPDX-License-Identifier: MIT */
#include "bench/stats/column_role.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* As carnot's own commands, its studies and the run table of the phone study call them. */
/* clang-format off */
static const struct {
    const char *name;
    enum cn_role role;
} known[] = {
    { "test", CN_ROLE_SPLIT }, { "phase", CN_ROLE_SPLIT }, { "job", CN_ROLE_SPLIT },
    { "rep", CN_ROLE_FACTOR }, { "repetition", CN_ROLE_FACTOR }, { "trial", CN_ROLE_FACTOR },
    { "iteration", CN_ROLE_FACTOR }, { "block", CN_ROLE_FACTOR }, { "seed", CN_ROLE_FACTOR },
    { "threads", CN_ROLE_FACTOR }, { "threads_prefill", CN_ROLE_FACTOR },
    { "n_tokens", CN_ROLE_FACTOR }, { "depth", CN_ROLE_FACTOR }, { "batch", CN_ROLE_FACTOR },
    { "input_length", CN_ROLE_FACTOR }, { "output_length", CN_ROLE_FACTOR },
    { "input_tokens", CN_ROLE_WORK }, { "output_tokens", CN_ROLE_WORK },
    { "boundary", CN_ROLE_WORK }, { "energy_status", CN_ROLE_WORK },
    { "tps_median", CN_ROLE_METRIC }, { "prefill_tps", CN_ROLE_METRIC },
    { "decode_tps", CN_ROLE_METRIC }, { "tps", CN_ROLE_METRIC }, { "gbps", CN_ROLE_METRIC },
    { "ttft_s", CN_ROLE_METRIC }, { "latency_s", CN_ROLE_METRIC },
    { "inference_latency_s", CN_ROLE_METRIC }, { "joules", CN_ROLE_METRIC },
    { "energy_j", CN_ROLE_METRIC }, { "j_per_token", CN_ROLE_METRIC },
    { "prefill_j_per_token", CN_ROLE_METRIC }, { "decode_j_per_token", CN_ROLE_METRIC },
    { "pj_per_weight", CN_ROLE_METRIC }, { "watts", CN_ROLE_METRIC },
    { "avg_power_w", CN_ROLE_METRIC }, { "peak_bytes", CN_ROLE_METRIC },
    { "peak_memory_mib", CN_ROLE_METRIC }, { "kld_mean", CN_ROLE_METRIC },
    { "ppl", CN_ROLE_METRIC }, { "accuracy", CN_ROLE_METRIC },
    { "command", CN_ROLE_QUIET }, { "disturbed", CN_ROLE_QUIET }, { "governor", CN_ROLE_QUIET },
    { "reason", CN_ROLE_QUIET }, { "response", CN_ROLE_QUIET }, { "status", CN_ROLE_QUIET },
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

enum cn_role cn_column_role(const struct cn_dataset *d, size_t column)
{
    const char *name = d->columns[column];
    bool numbers = true, any = false;
    for (size_t r = 0; r < d->n_rows; r++) {
        const struct cn_cell *cell = cn_dataset_cell(d, r, column);
        bool missing = !cell->text || is_missing(cell->text);
        any |= !missing;
        numbers &= missing || !isnan(cell->number);
    }
    if (!any)
        return CN_ROLE_QUIET;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0 && (numbers || known[i].role != CN_ROLE_METRIC))
            return known[i].role;
    for (size_t i = 0; i < sizeof quiet_ends / sizeof *quiet_ends; i++)
        if (ends_in(name, quiet_ends[i]))
            return CN_ROLE_QUIET;
    return numbers ? CN_ROLE_NUMBER : CN_ROLE_FACTOR;
}
