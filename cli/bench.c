/* SPDX-License-Identifier: MIT
 *
 * carnot bench: speed, joules and shares of the machine's limits, for models x threads x tests.
 */
#include "cli/cli.h"
#include "cli/tokens.h"

#include "bench/generate.h"
#include "bench/machine_probe.h"
#include "bench/model_bench.h"
#include "bench/quality.h"
#include "bench/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_LIST = 32, MIN_PROBE = 256 << 20 };

/* Time spent idle before and after, for the baseline, when there is a meter. */
static const double IDLE_S = 1;

struct int_list {
    int32_t values[MAX_LIST];
    int n;
};

struct arguments {
    struct cn_string_list models;
    const char *prefill, *decode, *depth, *threads, *kv, *precision, *tiers, *meter, *root, *kld,
        *save;
    int64_t reps, batch;
    bool sleep, force_meter;
    enum cn_table_format format;
};

struct bench {
    const struct arguments *a;
    struct int_list prefill, decode, depth, threads;
    enum cn_kv_type kv;
    bool fast;
    struct cn_profiler *profiler;
    struct cn_quality *quality;
    struct cn_table *table;
    struct row {
        struct cn_model_info info; /* strings copied below */
        char model[512], architecture[64], file_type[32], tiers[64];
        int32_t threads, n_tokens, depth;
        bool decode;
        struct cn_bench_result result;
        double kld_mean, kld_p99, top1;
    } * rows;
    size_t n_rows;
    double steps_done, steps;
    /* limits of the test under way */
    struct cn_machine_probe *probe;
    uint32_t tiers;
    int32_t probe_threads;
    bool probe_read;
};

/* The limit of the test under way, measured now: bytes read or int8 operations per second. */
static double limit_now(void *user)
{
    const struct bench *b = user;
    struct cn_machine_rates rates = { .int8_gops = (double)NAN };
    /* The highest tier whose instructions can be timed. */
    for (int t = CN_N_TIERS - 1; t >= 0 && isnan(rates.int8_gops); t--)
        if (b->tiers >> t & 1)
            cn_machine_probe_run(b->probe, b->tiers, (enum cn_tier)t, b->probe_threads, 0.15,
                                 &rates);
    return 1e9 * (b->probe_read ? rates.read_gbps : rates.int8_gops);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static bool parse_list(const char *name, const char *text, int32_t min, struct int_list *list)
{
    list->n = 0;
    for (const char *p = text;; p++) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || (*end && *end != ',') || v < min || v > 1 << 28 || list->n == MAX_LIST) {
            cn_usage_error("%s: numbers from %d on, with commas, expected; '%s' given", name, min,
                           text);
            return false;
        }
        list->values[list->n++] = (int32_t)v;
        if (!*end)
            return true;
        p = end;
    }
}

static void wait_idle(struct bench *b, int64_t index)
{
    if (!cn_profiler_channel(b->profiler, 0)->ok)
        return;
    struct timespec t = { (time_t)IDLE_S, (long)((IDLE_S - floor(IDLE_S)) * 1e9) };
    cn_profiler_phase_begin(b->profiler, "idle", index);
    nanosleep(&t, NULL);
    cn_profiler_phase_end(b->profiler);
}

static enum cn_status bench_one(struct bench *b, const struct cn_model *model, const char *path,
                                const struct cn_perplexity *quality, int32_t threads, int32_t depth,
                                bool decode, int32_t n, struct cn_error *err)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    struct row *rows = realloc(b->rows, (b->n_rows + 1) * sizeof *rows);
    if (!rows)
        return CN_ERR_MEMORY;
    b->rows = rows;
    struct row *row = &rows[b->n_rows];
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
    enum cn_status status = cn_model_bench(model, &o, &row->result, err);
    if (status == CN_OK)
        b->n_rows++;
    cn_progress("bench", ++b->steps_done, b->steps);
    return status;
}

static enum cn_status bench_model(struct bench *b, const char *path, struct cn_error *err)
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

static struct cn_table *make_table(const struct bench *b)
{
    struct cn_table *t = cn_table_create("bench");
    if (!t)
        return NULL;
    const bool metered = cn_profiler_channel(b->profiler, 0)->ok;
    const bool lengths = b->prefill.n > 1 || b->decode.n > 1;
    const bool deep = b->depth.n > 1 || b->depth.values[0] > 0;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "architecture", NULL, -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "bytes", NULL, -1);
    cn_table_column(t, "mib", "MiB", 1);
    cn_table_column(t, "n_params", NULL, -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "kld_mean", b->quality ? "KL" : NULL, 5);
    cn_table_column(t, "kld_p99", NULL, 5);
    cn_table_column(t, "top1_agreement", b->quality ? "same top" : NULL, 3);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "tiers", NULL, -1);
    cn_table_column(t, "kv", NULL, -1);
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "n_tokens", lengths ? "tokens" : NULL, -1);
    cn_table_column(t, "depth", deep ? "depth" : NULL, -1);
    cn_table_column(t, "reps", NULL, -1);
    cn_table_column(t, "tps_median", "tokens/s", 1);
    cn_table_column(t, "tps_lo", "95% from", 1);
    cn_table_column(t, "tps_hi", "to", 1);
    cn_table_column(t, "weight_gbps", "GB/s", 1);
    cn_table_column(t, "bandwidth_share", "of read bw", 2);
    cn_table_column(t, "read_gbps", NULL, 1);
    cn_table_column(t, "gops", NULL, 1);
    cn_table_column(t, "int8_peak_share", "of int8 peak", 2);
    cn_table_column(t, "int8_gops", NULL, 1);
    cn_table_column(t, "j_per_token", "J/token", 4);
    cn_table_column(t, "j_per_token_net", metered ? "net" : NULL, 4);
    cn_table_column(t, "j_uncertainty", metered ? "±" : NULL, 4);
    cn_table_column(t, "watts", NULL, 2);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", metered ? "boundary" : NULL, -1);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "energy_reason", NULL, -1);
    cn_table_column(t, "disturbed", NULL, -1);
    cn_table_column(t, "governor", NULL, -1);
    cn_table_column(t, "celsius", NULL, -1);
    return t;
}

static void put_energy(struct bench *b, const struct row *row)
{
    struct cn_energy e;
    const struct cn_meter_info *meter = cn_profiler_channel(b->profiler, 0);
    cn_profiler_total(b->profiler, 0, row->decode ? "decode" : "prefill", row->result.first_phase,
                      row->result.n_phases, &e);
    const char *status = cn_energy_status_name(e.status);
    cn_table_str(b->table, "energy_status", status);
    cn_table_str(b->table, "meter", meter->ok ? meter->name : NULL);
    cn_table_str(b->table, "boundary", meter->ok ? meter->boundary : NULL);
    cn_table_str(b->table, "energy_reason", meter->ok ? e.reason : meter->reason);
    if (e.status != CN_ENERGY_MEASURED && e.status != CN_ENERGY_MODELLED) {
        cn_table_null(b->table, "j_per_token", status);
        return;
    }
    double per = 1 / (double)row->result.total_tokens;
    cn_table_f64(b->table, "j_per_token", e.joules * per);
    cn_table_f64(b->table, "j_per_token_net", e.joules_net * per);
    cn_table_f64(b->table, "j_uncertainty", e.uncertainty * per);
    cn_table_f64(b->table, "watts", e.joules / ((double)e.busy_ns * 1e-9));
}

/* Of the whole run, so the same in each row. */
static void put_state(struct bench *b)
{
    struct cn_system_state after;
    cn_profiler_state(b->profiler, NULL, &after);
    cn_table_str(b->table, "disturbed", cn_profiler_disturbance(b->profiler));
    cn_table_str(b->table, "governor", after.governor[0] ? after.governor : NULL);
    cn_table_f64(b->table, "celsius", after.celsius);
}

static void put_row(struct bench *b, const struct row *row)
{
    struct cn_table *t = b->table;
    const struct cn_model_info *info = &row->info;
    const struct cn_bench_result *r = &row->result;
    const char *slash = strrchr(row->model, '/');
    static const char *const kv_names[] = {
        [CN_KV_F16] = "f16", [CN_KV_F32] = "f32", [CN_KV_Q8_0] = "q8_0"
    };
    cn_table_row(t);
    cn_table_str(t, "model", b->a->format == CN_TABLE_MD && slash ? slash + 1 : row->model);
    cn_table_str(t, "architecture", row->architecture);
    cn_table_str(t, "file_type", row->file_type);
    cn_table_i64(t, "bytes", info->tensor_bytes);
    cn_table_f64(t, "mib", (double)info->tensor_bytes / 1048576);
    cn_table_i64(t, "n_params", info->n_params);
    cn_table_f64(t, "bpw", info->bpw);
    cn_table_f64(t, "kld_mean", row->kld_mean);
    cn_table_f64(t, "kld_p99", row->kld_p99);
    cn_table_f64(t, "top1_agreement", row->top1);
    cn_table_i64(t, "threads", row->threads);
    cn_table_str(t, "tiers", row->tiers);
    cn_table_str(t, "kv", kv_names[b->kv]);
    cn_table_str(t, "test", row->decode ? "decode" : "prefill");
    cn_table_i64(t, "n_tokens", row->n_tokens);
    cn_table_i64(t, "depth", row->depth);
    cn_table_i64(t, "reps", b->a->reps);
    cn_table_f64(t, "tps_median", r->tps_median);
    cn_table_f64(t, "tps_lo", r->tps_lo);
    cn_table_f64(t, "tps_hi", r->tps_hi);
    double gops = info->decode_ops * r->tps_median * 1e-9;
    cn_table_f64(t, "gops", gops);
    if (row->decode) {
        double gbps = (double)info->decode_bytes * r->tps_median * 1e-9;
        cn_table_f64(t, "weight_gbps", gbps);
        cn_table_f64(t, "bandwidth_share", (double)info->decode_bytes * r->per_limit);
        cn_table_f64(t, "read_gbps", r->limit * 1e-9);
    } else {
        cn_table_f64(t, "int8_peak_share", info->decode_ops * r->per_limit);
        cn_table_f64(t, "int8_gops", r->limit * 1e-9);
    }
    put_energy(b, row);
    put_state(b);
}

/* What the table's blanks and shares mean. */
static void put_notes(const struct bench *b)
{
    if (b->a->format != CN_TABLE_MD)
        return;
    const struct cn_meter_info *meter = cn_profiler_channel(b->profiler, 0);
    const char *note = cn_profiler_note(b->profiler);
    printf("\n");
    if (b->n_rows) {
        const struct row *row = &b->rows[0];
        printf("Tiers %s. Speeds are medians of %d; shares are of limits measured between the "
               "repetitions:\n",
               row->tiers, (int)b->a->reps);
        for (int decode = 0; decode < 2; decode++)
            for (size_t i = 0; i < b->n_rows; i++)
                if (b->rows[i].decode == decode) {
                    printf(decode ? "read %.1f GB/s (%d threads). "
                                  : "int8 %.0f Gop/s (%d threads), ",
                           b->rows[i].result.limit * 1e-9, b->rows[i].threads);
                    break;
                }
        printf("\n");
        if (row->info.tensor_bytes < 64 << 20)
            printf("Models this small stay in the CPU's caches: shares of the memory's read "
                   "bandwidth can "
                   "pass 1.\n");
    }
    if (!meter->ok)
        printf("J/token unsupported: %s%s%s.\n", meter->reason,
               meter->remedy[0] ? ". Remedy: " : "", meter->remedy);
    else
        printf("J/token of the boundary '%s', by %s%s.\n", meter->boundary, meter->name,
               meter->modelled ? ": modelled, not measured" : "");
    if (note)
        printf("%s\n", note);
}

static int finish(struct bench *b)
{
    struct cn_profiler_error err = { "" };
    if (cn_profiler_stop(b->profiler, &err) != 0)
        cn_warn("%s", err.text);
    const char *disturbance = cn_profiler_disturbance(b->profiler);
    if (disturbance)
        cn_warn("the machine was not quiet: %s", disturbance);
    b->table = make_table(b);
    if (!b->table)
        return cn_die("out of memory");
    for (size_t i = 0; i < b->n_rows; i++)
        put_row(b, &b->rows[i]);
    cn_table_print(b->table, b->a->format, stdout);
    put_notes(b);
    int code = CN_EXIT_OK;
    if (b->a->save && !cn_table_save(b->table, b->a->save))
        code = cn_die("%s: %s", b->a->save, strerror(errno));
    cn_table_free(b->table);
    return code;
}

static enum cn_status make_quality(struct bench *b, struct cn_error *err)
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

static int execute(const struct arguments *a)
{
    struct bench b = { .a = a };
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    struct cn_profiler_options profiler = { .root = a->root,
                                            .meter = a->meter,
                                            .force = a->force_meter };
    struct cn_machine_info machine;
    cn_machine_describe(&machine);
    char threads[16];
    snprintf(threads, sizeof threads, "%d", machine.n_usable > 0 ? machine.n_usable : 1);
    if (!parse_list("-p", a->prefill, 0, &b.prefill) ||
        !parse_list("-n", a->decode, 0, &b.decode) || !parse_list("-d", a->depth, 0, &b.depth) ||
        !parse_list("-t", a->threads ? a->threads : threads, 1, &b.threads) ||
        !cn_kv_parse(a->kv, &b.kv) || !cn_precision_parse(a->precision, &b.fast))
        return CN_EXIT_USAGE;
    b.profiler = cn_profiler_create(&profiler, &profiler_err);
    if (!b.profiler || cn_profiler_start(b.profiler, &profiler_err) != 0) {
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
    /* Beyond any cache, as far as the system tells of it. */
    size_t probe_bytes = 4 * (size_t)machine.last_cache_bytes;
    b.probe = cn_machine_probe_create(probe_bytes < MIN_PROBE ? MIN_PROBE : probe_bytes, most);
    enum cn_status status = b.probe ? make_quality(&b, &err) : CN_ERR_MEMORY;
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
    free(b.rows);
    return code;
}

int cn_cmd_bench(int argc, char **argv)
{
    struct arguments a = { .prefill = "512",
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
        { "--precision",   NULL, CN_OPT_STRING, &a.precision,   "P",      "exact; fast is not built in",               0,
         0                                                                                                                     },
        { "--tiers",       NULL, CN_OPT_STRING, &a.tiers,       "LIST",   "kernels to use, like ref,avx2",             0, 0    },
        { "--sleep",       NULL, CN_OPT_FLAG,   &a.sleep,       NULL,     "waiting threads sleep instead of spinning",
         0,                                                                                                               0    },
        { "--meter",       NULL, CN_OPT_STRING, &a.meter,       "NAME",   "energy meter, none: none (the best)",
         0,                                                                                                               0    },
        { "--root",        NULL, CN_OPT_STRING, &a.root,        "DIR",    "where the meters' files are (/)",           0, 0    },
        { "--force-meter", NULL, CN_OPT_FLAG,   &a.force_meter, NULL,
         "believe a battery that is charging",                                                                         0, 0    },
        { "--save",        NULL, CN_OPT_STRING, &a.save,        "FILE",
         "write the table to a file too (.csv, .json, .html)",                                                         0, 0    },
        { "--output",      "-o", CN_OPT_TABLE,  &a.format,      "FORMAT", "md, csv, json, jsonl or sql (md)",
         0,                                                                                                               0    },
    };
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0)
        code = execute(&a);
    free(a.models.items);
    return code;
}
