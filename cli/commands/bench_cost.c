/* SPDX-License-Identifier: MIT
 *
 * carnot bench --watch-cost: what the profiler takes from the speed that it measures.
 */
#include "cli/commands/bench.h"

#include "bench/model/watch_cost.h"

#include <stdio.h>

enum { PAIRS = 20 };

static struct cn_table *columns(void)
{
    struct cn_table *t = cn_table_create("watch_cost");
    if (!t)
        return NULL;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "meters", "meters", -1);
    cn_table_column(t, "pairs", "pairs", -1);
    cn_table_column(t, "n_tokens", "tokens", -1);
    cn_table_column(t, "tps_off", "tokens/s unwatched", 1);
    cn_table_column(t, "tps_on", "watched", 1);
    cn_table_column(t, "cost_percent", "cost %", 3);
    cn_table_column(t, "cost_lo", "95% from", 3);
    cn_table_column(t, "cost_hi", "to", 3);
    return t;
}

static void meters(const struct cn_profiler *p, char *text, size_t n_bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < cn_profiler_n_channels(p); i++) {
        const struct cn_meter_info *m = cn_profiler_channel(p, i);
        if (m->ok && used < n_bytes)
            used += (size_t)snprintf(text + used, n_bytes - used, "%s%s", used ? "," : "", m->name);
    }
}

static enum cn_status one(struct cn_bench *b, const struct cn_model *model, const char *path,
                          int32_t threads, struct cn_error *err)
{
    struct cn_watch_cost_options o = { .n_threads = threads,
                                       .n_pairs = PAIRS,
                                       .seconds = 0.5,
                                       .profiler = b->suite.profiler,
                                       .cancel = b->suite.cancel };
    struct cn_watch_cost cost;
    enum cn_status status = cn_watch_cost_measure(model, &o, &cost, err);
    if (status != CN_OK)
        return status;
    char names[512];
    meters(b->suite.profiler, names, sizeof names);
    struct cn_table *t = b->table;
    cn_table_row(t);
    cn_table_str(t, "model", cn_bench_model_name(b, path));
    cn_table_i64(t, "threads", threads);
    cn_table_str(t, "meters", names[0] ? names : "none");
    cn_table_i64(t, "pairs", PAIRS);
    cn_table_i64(t, "n_tokens", cost.n_tokens);
    cn_table_f64(t, "tps_off", cost.tps_off);
    cn_table_f64(t, "tps_on", cost.tps_on);
    cn_table_f64(t, "cost_percent", 100 * cost.cost);
    cn_table_f64(t, "cost_lo", 100 * cost.lo);
    cn_table_f64(t, "cost_hi", 100 * cost.hi);
    return CN_OK;
}

int cn_bench_watch_cost(struct cn_bench *b)
{
    struct cn_error err = { "" };
    b->table = columns();
    enum cn_status status = b->table ? CN_OK : CN_ERR_MEMORY;
    for (size_t i = 0; i < b->suite.n_models && status == CN_OK; i++) {
        struct cn_model_options options = { .tiers = b->a->tiers };
        struct cn_model *model;
        status = cn_model_open(b->suite.models[i], &options, &model, &err);
        if (status != CN_OK)
            break;
        for (int t = 0; t < b->suite.threads.n && status == CN_OK; t++)
            status = one(b, model, b->suite.models[i], b->suite.threads.values[t], &err);
        cn_model_close(model);
    }
    int code = status == CN_OK ? CN_EXIT_OK
                               : cn_die("%s", err.text[0] ? err.text : cn_status_name(status));
    if (b->table && cn_table_n_rows(b->table)) {
        const int printed = cn_result_table(b->table, b->a->format);
        code = code == CN_EXIT_OK ? printed : code;
        if (b->a->format == CN_TABLE_MD)
            printf("\nCost of watching: share of decode throughput that phases for each token and "
                   "the sampler take,\nwith and without in turns; median of the pairs.\n");
    }
    cn_table_free(b->table);
    b->table = NULL;
    return code;
}
