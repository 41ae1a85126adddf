/* SPDX-License-Identifier: MIT
 *
 * carnot bench: speed, joules and shares of the machine's limits, for models x threads x tests.
 */
#include "cli/commands/bench.h"

#include "cli/lists.h"
#include "cli/outputs.h"
#include "cli/tokens.h"

#include "bench/machine/probe.h"
#include "bench/model/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_PROBE = 256 << 20, MAX_TOKENS = 1 << 28, MAX_THREADS = 1024 };

/* Time spent idle before and after, for the baseline, when there is a meter. */
static const double IDLE_S = 1;
/* Of a repetition for --attribute: some hundred updates of a counter. */
static const double MIX_S = 0.25;

/* The machine's limits now, with the highest tier whose instructions can be timed. */
static void limits_now(const struct cn_bench *b, struct cn_machine_rates *rates)
{
    *rates = (struct cn_machine_rates){ .int8_gops = (double)NAN };
    for (int t = CN_N_TIERS - 1; t >= 0 && isnan(rates->int8_gops); t--)
        if (b->tiers >> t & 1)
            cn_machine_probe_run(b->probe, b->tiers, (enum cn_tier)t, b->probe_threads, 0.15,
                                 rates);
}

/* That of the test under way: bytes read or int8 operations per second. */
static double limit_now(void *user)
{
    struct cn_machine_rates rates;
    const struct cn_bench *b = user;
    limits_now(b, &rates);
    return 1e9 * (b->probe_read ? rates.read_gbps : rates.int8_gops);
}

/* Between the repetitions of --explain, whose limits are the means of all. */
static double all_limits_now(void *user)
{
    struct cn_machine_rates r;
    struct cn_bench *b = user;
    struct cn_machine_rates *sum = &b->limits;
    limits_now(b, &r);
    const double n = b->n_limits++;
    sum->read_gbps += (r.read_gbps - sum->read_gbps) / (n + 1);
    sum->int8_gops += (r.int8_gops - sum->int8_gops) / (n + 1);
    sum->f32_gflops += (r.f32_gflops - sum->f32_gflops) / (n + 1);
    sum->bf16_gops += (r.bf16_gops - sum->bf16_gops) / (n + 1);
    return 1e9 * r.read_gbps;
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static bool parse_list(const char *name, const char *text, int32_t min, int32_t max,
                       struct cn_int_list *list)
{
    list->n = 0;
    for (const char *p = text;; p++) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || (*end && *end != ',') || v < min || v > max || list->n == CN_BENCH_LIST) {
            cn_usage_error("%s: numbers from %d to %d, with commas, at most %d of them, expected; "
                           "'%s' given",
                           name, min, max, CN_BENCH_LIST, text);
            return false;
        }
        list->values[list->n++] = (int32_t)v;
        if (!*end)
            return true;
        p = end;
    }
}

static bool is_zero(const struct cn_int_list *list)
{
    for (int i = 0; i < list->n; i++)
        if (list->values[i])
            return false;
    return true;
}

static void wait_idle(struct cn_bench *b, int64_t index)
{
    if (!cn_profiler_channel(b->profiler, 0)->ok)
        return;
    struct timespec t = { (time_t)IDLE_S, (long)((IDLE_S - floor(IDLE_S)) * 1e9) };
    cn_profiler_phase_begin(b->profiler, "idle", index);
    nanosleep(&t, NULL);
    cn_profiler_phase_end(b->profiler);
}

static enum cn_status explain(struct cn_bench *b, const struct cn_model *model,
                              const struct cn_bench_options *o, struct cn_bench_row *row)
{
    row->explain = malloc(sizeof *row->explain);
    if (!row->explain)
        return CN_ERR_MEMORY;
    row->limits = b->limits;
    cn_explain(model, o, &row->spans, row->result.busy_ns, row->result.total_tokens, &row->limits,
               row->explain);
    return CN_OK;
}

static enum cn_status bench_one(struct cn_bench *b, const struct cn_model *model, const char *path,
                                const struct cn_perplexity *quality, int32_t threads, int32_t depth,
                                bool decode, int32_t n, struct cn_error *err)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    struct cn_bench_row *rows = realloc(b->rows, (b->n_rows + 1) * sizeof *rows);
    if (!rows)
        return CN_ERR_MEMORY;
    b->rows = rows;
    struct cn_bench_row *row = &rows[b->n_rows];
    memset(row, 0, sizeof *row);
    row->info = *info;
    snprintf(row->model, sizeof row->model, "%s", path);
    snprintf(row->architecture, sizeof row->architecture, "%s", info->architecture);
    snprintf(row->file_type, sizeof row->file_type, "%s", info->file_type);
    snprintf(row->tiers, sizeof row->tiers, "%s", info->tiers);
    row->threads = threads;
    row->depth = depth;
    row->decode = decode;
    row->n_tokens = n;
    row->kld_mean = quality ? quality->kld_mean : (double)NAN;
    row->kld_p99 = quality ? quality->kld_p99 : (double)NAN;
    row->top1 = quality ? quality->top1_agreement : (double)NAN;
    struct cn_bench_options o = { .n_threads = threads,
                                  .n_reps = (int32_t)b->a->reps,
                                  .depth = depth,
                                  .n_batch = (int32_t)b->a->batch,
                                  .n_tokens = n,
                                  .decode = decode,
                                  .kv = b->kv,
                                  .fast = b->fast,
                                  .sleep = b->a->sleep,
                                  .profiler = b->profiler,
                                  .limit = limit_now,
                                  .cancel = interrupted,
                                  .user = b };
    const char *bad;
    size_t bad_len;
    cn_tiers_parse(info->tiers, &b->tiers, &bad, &bad_len);
    b->probe_threads = threads;
    b->probe_read = decode;
    enum cn_status status = CN_OK;
    if (b->a->attribute) {
        bool metered = cn_profiler_channel(b->profiler, 0)->ok;
        struct cn_op_mix_options mix = { .n_rounds = metered ? (int32_t)b->a->reps : 2,
                                         .seconds = metered ? MIX_S : MIX_S / 10 };
        status = cn_op_mix_run(model, &o, &mix, &row->mix, err);
    } else {
        const bool spans = b->a->split || b->a->explain;
        if (spans && cn_spans_init(&row->spans, info->n_layer))
            o.spans = &row->spans;
        else if (spans)
            status = CN_ERR_MEMORY;
        o.limit = !b->probe ? NULL : b->a->explain ? all_limits_now : limit_now;
        b->limits = (struct cn_machine_rates){ 0 };
        b->n_limits = 0;
        if (status == CN_OK)
            status = cn_model_bench(model, &o, &row->result, err);
        if (status == CN_OK && b->a->explain)
            status = explain(b, model, &o, row);
    }
    row->huge_pages = cn_huge_page_share(CN_BENCH_SMALL);
    if (status == CN_OK)
        b->n_rows++;
    else
        cn_spans_free(&row->spans);
    cn_progress("bench", ++b->steps_done, b->steps);
    return status;
}

static enum cn_status bench_model(struct cn_bench *b, const char *path, struct cn_error *err)
{
    struct cn_model_options options = { .tiers = b->a->tiers };
    struct cn_model *model;
    enum cn_status status = cn_model_open(path, &options, &model, err);
    if (status != CN_OK)
        return status;
    struct cn_perplexity quality;
    if (b->quality)
        status = cn_quality_measure(b->quality, model, 0, &quality, err);
    const struct cn_perplexity *q = b->quality ? &quality : NULL;
    for (int t = 0; t < b->threads.n; t++)
        for (int d = 0; d < b->depth.n; d++) {
            for (int i = 0; i < b->prefill.n && status == CN_OK; i++)
                if (b->prefill.values[i])
                    status = bench_one(b, model, path, q, b->threads.values[t], b->depth.values[d],
                                       false, b->prefill.values[i], err);
            for (int i = 0; i < b->decode.n && status == CN_OK; i++)
                if (b->decode.values[i])
                    status = bench_one(b, model, path, q, b->threads.values[t], b->depth.values[d],
                                       true, b->decode.values[i], err);
        }
    cn_model_close(model);
    return status;
}

static int finish(struct cn_bench *b)
{
    struct cn_profiler_error err = { "" };
    if (cn_profiler_stop(b->profiler, &err) != 0)
        cn_warn("%s", err.text);
    const char *disturbance = cn_profiler_disturbance(b->profiler);
    if (disturbance)
        cn_warn("the machine was not quiet: %s", disturbance);
    b->table = b->a->attribute ? cn_bench_watts_table(b)
               : b->a->split   ? cn_bench_split_table(b)
               : b->a->explain ? cn_bench_explain_table(b)
                               : cn_bench_table(b);
    if (!b->table)
        return cn_die("out of memory");
    cn_table_print(b->table, b->a->format, stdout);
    if (b->a->format == CN_TABLE_MD)
        (b->a->explain                    ? cn_bench_explain_notes
         : b->a->attribute || b->a->split ? cn_bench_split_notes
                                          : cn_bench_notes)(b);
    int code = CN_EXIT_OK;
    struct cn_error table_err = { "" };
    if (b->a->save && cn_table_save(b->table, b->a->save, &table_err) != CN_OK)
        code = cn_die("%s", table_err.text);
    cn_table_free(b->table);
    return code;
}

static enum cn_status make_quality(struct cn_bench *b, struct cn_error *err)
{
    if (!b->a->kld)
        return CN_OK;
    struct cn_model_options options = { .tiers = b->a->tiers };
    struct cn_model *model;
    enum cn_status status = cn_model_open(b->a->kld, &options, &model, err);
    if (status == CN_OK) {
        status = cn_quality_create(model, 0, &b->quality, err);
        cn_model_close(model);
    }
    return status;
}

static int execute(const struct cn_bench_arguments *a)
{
    struct cn_bench b = { .a = a };
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    struct cn_profiler_options profiler = { .root = a->root,
                                            .meter = a->meter,
                                            .force = a->force_meter };
    struct cn_machine_info machine;
    cn_machine_describe(&machine);
    char threads[16];
    snprintf(threads, sizeof threads, "%d", machine.n_usable > 0 ? machine.n_usable : 1);
    if (!parse_list("-p", a->prefill, 0, MAX_TOKENS, &b.prefill) ||
        !parse_list("-n", a->decode, 0, MAX_TOKENS, &b.decode) ||
        !parse_list("-d", a->depth, 0, MAX_TOKENS, &b.depth) ||
        !parse_list("-t", a->threads ? a->threads : threads, 1, MAX_THREADS, &b.threads) ||
        !cn_kv_parse(a->kv, &b.kv) || !cn_precision_parse(a->precision, &b.fast))
        return CN_EXIT_USAGE;
    if (!a->watch_cost && is_zero(&b.prefill) && is_zero(&b.decode))
        return cn_usage_error("nothing to measure: -p %s and -n %s leave out both tests",
                              a->prefill, a->decode);
    b.profiler = cn_profiler_create(&profiler, &profiler_err);
    if (!b.profiler)
        return cn_meter_refused(profiler_err.text);
    if (!a->watch_cost && cn_profiler_start(b.profiler, &profiler_err) != 0) {
        cn_profiler_free(b.profiler);
        return cn_die("%s", profiler_err.text);
    }
    const char *only = cn_default_model();
    const char *const *models = a->models.n ? a->models.items : &only;
    const size_t n_models = a->models.n ? a->models.n : 1;
    b.steps = (double)n_models * b.threads.n * b.depth.n * (b.prefill.n + b.decode.n);
    int32_t most = 1;
    for (int i = 0; i < b.threads.n; i++)
        most = b.threads.values[i] > most ? b.threads.values[i] : most;
    if (a->watch_cost) {
        int cost = cn_bench_watch_cost(&b, models, n_models);
        cn_profiler_free(b.profiler);
        return cost;
    }
    /* Beyond any cache, as far as the system tells of it. */
    size_t probe_bytes = 4 * (size_t)machine.last_cache_bytes;
    if (!a->split && !a->attribute)
        b.probe = cn_machine_probe_create(probe_bytes < MIN_PROBE ? MIN_PROBE : probe_bytes, most);
    enum cn_status status =
        b.probe || a->split || a->attribute ? make_quality(&b, &err) : CN_ERR_MEMORY;
    wait_idle(&b, 0);
    for (size_t i = 0; i < n_models && status == CN_OK; i++)
        status = bench_model(&b, models[i], &err);
    wait_idle(&b, 1);
    cn_progress("bench", 1, 1);
    /* What was measured before a failure is printed all the same. */
    int code = CN_EXIT_OK;
    if (b.n_rows)
        code = finish(&b);
    if (status != CN_OK)
        code = cn_die("%s", err.text[0] ? err.text : cn_status_name(status));
    cn_machine_probe_free(b.probe);
    cn_quality_free(b.quality);
    cn_profiler_free(b.profiler);
    for (size_t i = 0; i < b.n_rows; i++) {
        cn_spans_free(&b.rows[i].spans);
        cn_op_mix_free(b.rows[i].mix);
        free(b.rows[i].explain);
    }
    free(b.rows);
    return code;
}

/* What excludes what. -1: all is well. */
static int check(const struct cn_bench_arguments *a)
{
    if ((a->split != NULL) + (a->attribute != NULL) + a->watch_cost + a->explain > 1)
        return cn_usage_error("one of --explain, --split, --attribute and --watch-cost, please");
    if (a->split && strcmp(a->split, "ops") != 0 && strcmp(a->split, "layers") != 0 &&
        strcmp(a->split, "formats") != 0)
        return cn_usage_error("--split: ops, layers or formats expected, '%s' given", a->split);
    if (a->attribute && strcmp(a->attribute, "ops") != 0)
        return cn_usage_error("--attribute: ops expected, '%s' given", a->attribute);
    if (a->attribute && a->reps < 2)
        return cn_usage_error("--attribute: 2 repetitions or more expected, %d given",
                              (int)a->reps);
    return -1;
}

int cn_cmd_bench(int argc, char **argv)
{
    struct cn_bench_arguments a = { .prefill = "512",
                                    .decode = "128",
                                    .depth = "0",
                                    .kv = "f16",
                                    .precision = "exact",
                                    .root = getenv("CARNOT_ROOT"),
                                    .reps = 5 };
    const struct cn_usage usage = {
        "carnot bench [-m FILE]... [-p 512] [-n 128] [-d DEPTH] [-t 1,2] [-r 5] [options]",
        "Times prefill (-p tokens at once) and decode (-n tokens one by one) and sets them beside "
        "the\n"
        "machine's limits, measured in the same run. -p, -n, -d and -t take lists: 128,512. 0 "
        "leaves a\n"
        "test out.",
    };
    const struct cn_option options[] = {
        {"--model",        "-m", CN_OPT_LIST,   &a.models,      "FILE",   "GGUF model; may be repeated",               0, 0    },
        { "--prefill",     "-p", CN_OPT_STRING, &a.prefill,     "LIST",   "tokens of the prefill (512)",               0,
         0                                                                                                                     },
        { "--decode",      "-n", CN_OPT_STRING, &a.decode,      "LIST",   "tokens to decode (128)",                    0, 0    },
        { "--depth",       "-d", CN_OPT_STRING, &a.depth,       "LIST",   "tokens in the cache before (0)",            0,
         0                                                                                                                     },
        { "--threads",     "-t", CN_OPT_STRING, &a.threads,     "LIST",   "threads (every core)",                      0, 0    },
        { "--reps",        "-r", CN_OPT_INT,    &a.reps,        "N",      "repetitions (5)",                           1, 256  },
        { "--batch",       "-b", CN_OPT_INT,    &a.batch,       "N",      "tokens per forward pass (512)",             1, 65536},
        { "--kld",         NULL, CN_OPT_STRING, &a.kld,         "FILE",
         "add the divergence from this model, on text it writes itself",                                               0, 0    },
        { "--kv",          NULL, CN_OPT_STRING, &a.kv,          "TYPE",   "KV cache: f32, f16 or q8_0 (f16)",          0, 0    },
        { "--precision",   NULL, CN_OPT_STRING, &a.precision,   "P",
         "exact, or fast: coarser prefill (exact)",                                                                    0, 0    },
        { "--tiers",       NULL, CN_OPT_STRING, &a.tiers,       "LIST",   "kernels to use, like ref,avx2",             0, 0    },
        { "--sleep",       NULL, CN_OPT_FLAG,   &a.sleep,       NULL,     "waiting threads sleep instead of spinning",
         0,                                                                                                               0    },
        { "--meter",       NULL, CN_OPT_STRING, &a.meter,       "NAME",   "energy meter, none: none (the best)",
         0,                                                                                                               0    },
        { "--root",        NULL, CN_OPT_STRING, &a.root,        "DIR",    "where the meters' files are (/)",           0, 0    },
        { "--force-meter", NULL, CN_OPT_FLAG,   &a.force_meter, NULL,
         "take a battery that charges; while it does, joules are unresolved",                                          0, 0    },
        { "--explain",     NULL, CN_OPT_FLAG,   &a.explain,     NULL,
         "what bounds the speed instead: each op's time beside what it needs at best",                                 0, 0    },
        { "--split",       NULL, CN_OPT_STRING, &a.split,       "WHAT",
         "where time and joules go instead, by time: ops, layers or formats",                                          0, 0    },
        { "--attribute",   NULL, CN_OPT_STRING, &a.attribute,   "ops",
         "watts of each op kind instead, by experiment: its share is varied",                                          0, 0    },
        { "--watch-cost",  NULL, CN_OPT_FLAG,   &a.watch_cost,  NULL,
         "what the meters cost in decode speed instead: 20 times with and without",                                    0, 0    },
        { "--save",        NULL, CN_OPT_STRING, &a.save,        "FILE",
         "write the table to a file too (.csv, .json, .html)",                                                         0, 0    },
        { "--output",      "-o", CN_OPT_TABLE,  &a.format,      "FORMAT", "md, csv, json, jsonl or sql (md)",
         0,                                                                                                               0    },
        CN_OPTION_FORCE,
    };
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = check(&a);
    if (code < 0)
        code = cn_check_tiers(a.tiers);
    if (code < 0)
        code = cn_output_check_table("--save", a.save, a.models.items, a.models.n);
    if (code < 0)
        code = execute(&a);
    free(a.models.items);
    return code;
}
