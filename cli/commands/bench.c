/* SPDX-License-Identifier: MIT
 *
 * carnot bench: speed, joules and shares of the machine's limits, for models x threads x tests.
 */
#include "cli/commands/bench.h"

#include "cli/commands/against.h"
#include "cli/lists.h"
#include "cli/outputs.h"
#include "cli/tokens.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 28, MAX_THREADS = 1024, MAX_TEXT_BYTES = 64 << 20 };

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static void progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("bench", done, total);
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

static int finish(struct cn_bench *b)
{
    struct cn_profiler_error err = { "" };
    if (cn_profiler_stop(b->suite.profiler, &err) != 0)
        cn_warn("%s", err.text);
    const char *disturbance = cn_profiler_disturbance(b->suite.profiler);
    if (disturbance)
        cn_warn("the machine was not quiet: %s", disturbance);
    b->table = b->a->attribute ? cn_bench_watts_table(b)
               : b->a->split   ? cn_bench_split_table(b)
               : b->a->explain ? cn_bench_explain_table(b)
                               : cn_bench_table(b);
    if (!b->table)
        return cn_die("out of memory");
    int code = cn_result_table(b->table, b->a->format);
    if (b->a->format == CN_TABLE_MD)
        (b->a->explain                    ? cn_bench_explain_notes
         : b->a->attribute || b->a->split ? cn_bench_split_notes
                                          : cn_bench_notes)(b);
    struct cn_error table_err = { "" };
    if (b->a->save && cn_table_save(b->table, b->a->save, &table_err) != CN_OK)
        code = cn_die("%s", table_err.text);
    cn_table_free(b->table);
    return code;
}

static int execute(const struct cn_bench_arguments *a)
{
    const char *only = cn_default_model();
    struct cn_bench b = { .a = a };
    b.suite = (struct cn_bench_suite_options){ .models = a->models.n ? a->models.items : &only,
                                               .n_models = a->models.n ? a->models.n : 1,
                                               .tiers = a->tiers,
                                               .base = a->kld,
                                               .n_reps = a->reps ? (int32_t)a->reps : 5,
                                               .n_batch = (int32_t)a->batch,
                                               .kind = a->attribute ? CN_BENCH_WATTS
                                                       : a->split   ? CN_BENCH_SPLIT
                                                       : a->explain ? CN_BENCH_EXPLAIN
                                                                    : CN_BENCH_SPEED,
                                               .sleep = a->sleep,
                                               .progress = progress,
                                               .cancel = interrupted };
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    struct cn_profiler_options profiler = { .root = a->root,
                                            .meter = a->meter,
                                            .force = a->force_meter };
    struct cn_machine_info machine;
    cn_machine_describe(&machine);
    char threads[16];
    snprintf(threads, sizeof threads, "%d", machine.n_usable > 0 ? machine.n_usable : 1);
    struct cn_bench_suite_options *s = &b.suite;
    if (!parse_list("-p", a->prefill, 0, MAX_TOKENS, &s->prefill) ||
        !parse_list("-n", a->decode, 0, MAX_TOKENS, &s->decode) ||
        !parse_list("-d", a->depth, 0, MAX_TOKENS, &s->depth) ||
        !parse_list("-t", a->threads ? a->threads : threads, 1, MAX_THREADS, &s->threads) ||
        !parse_list("--lanes", a->lanes, 1, CN_MAX_LANES, &s->lanes) ||
        !cn_kv_parse(a->kv, &s->kv) || !cn_precision_parse(a->precision, &s->fast))
        return CN_EXIT_USAGE;
    if (!a->watch_cost && is_zero(&s->prefill) && is_zero(&s->decode))
        return cn_usage_error("nothing to measure: -p %s and -n %s leave out both tests",
                              a->prefill, a->decode);
    if (a->against || a->external.n)
        return cn_bench_against(a, a->threads ? a->threads : threads);
    const struct cn_speculation_options drafts = cn_drafts_options(&a->drafts);
    char *text = NULL;
    if (cn_drafts_asked(&a->drafts))
        s->drafts = &drafts;
    if (a->text && !(s->text = text = cn_read_text(a->text, MAX_TEXT_BYTES, &s->n_text)))
        return CN_EXIT_FAILED;
    s->profiler = cn_profiler_create(&profiler, &profiler_err);
    if (!s->profiler) {
        free(text);
        return cn_meter_refused(profiler_err.text);
    }
    int code = CN_EXIT_OK;
    if (a->watch_cost) {
        code = cn_bench_watch_cost(&b);
    } else if (cn_profiler_start(s->profiler, &profiler_err) != 0) {
        code = cn_die("%s", profiler_err.text);
    } else {
        enum cn_status status = cn_bench_suite_run(s, &b.rows, &b.n_rows, &err);
        cn_progress("bench", 1, 1);
        /* What was measured before a failure is printed all the same. */
        if (b.n_rows)
            code = finish(&b);
        if (status != CN_OK)
            code = cn_die("%s", err.text[0] ? err.text : cn_status_name(status));
        cn_bench_rows_free(b.rows, b.n_rows);
    }
    cn_profiler_free(s->profiler);
    free(text);
    return code;
}

/* What excludes what. -1: all is well. */
static int check(const struct cn_bench_arguments *a)
{
    if ((a->split != NULL) + (a->attribute != NULL) + a->watch_cost + a->explain > 1)
        return cn_usage_error("one of --explain, --split, --attribute and --watch-cost, please");
    const bool beside = a->against || a->external.n;
    if (beside && (a->split || a->attribute || a->watch_cost || a->explain || a->kld || a->meter))
        return cn_usage_error("--against and --external compare speeds: without %s",
                              a->kld     ? "--kld"
                              : a->meter ? "--meter"
                                         : "--explain, --split, --attribute and --watch-cost");
    const bool drafts = cn_drafts_asked(&a->drafts);
    if (drafts && (beside || a->split || a->attribute || a->watch_cost || a->explain))
        return cn_usage_error("%s is measured beside plain decode: without %s",
                              cn_drafts_name(&a->drafts),
                              beside ? "--against and --external"
                                     : "--explain, --split, --attribute and --watch-cost");
    if (drafts && strcmp(a->depth, "0") != 0)
        return cn_usage_error("-d does not go with %s, whose depth is the text's (-f)",
                              cn_drafts_name(&a->drafts));
    if (!drafts && a->text)
        return cn_usage_error("-f goes with --draft, --lookup or --mtp");
    if (!beside && (a->samples || a->seconds > 0))
        return cn_usage_error("%s goes with --against or --external",
                              a->samples ? "--samples" : "--seconds");
    if (a->split && strcmp(a->split, "ops") != 0 && strcmp(a->split, "layers") != 0 &&
        strcmp(a->split, "formats") != 0)
        return cn_usage_error("--split: ops, layers or formats expected, '%s' given", a->split);
    if (a->attribute && strcmp(a->attribute, "ops") != 0)
        return cn_usage_error("--attribute: ops expected, '%s' given", a->attribute);
    if (strcmp(a->lanes, "1") != 0 &&
        (beside || drafts || a->split || a->attribute || a->watch_cost || a->explain))
        return cn_usage_error("--lanes goes without %s",
                              beside   ? "--against and --external"
                              : drafts ? cn_drafts_name(&a->drafts)
                                       : "--explain, --split, --attribute and --watch-cost");
    if (a->attribute && a->reps == 1)
        return cn_usage_error("--attribute: 2 repetitions or more expected, %d given",
                              (int)a->reps);
    return cn_drafts_check(&a->drafts);
}

int cn_cmd_bench(int argc, char **argv)
{
    struct cn_bench_arguments a = { .prefill = "512",
                                    .decode = "128",
                                    .depth = "0",
                                    .lanes = "1",
                                    .kv = "f16",
                                    .precision = "exact",
                                    .root = getenv("CARNOT_ROOT"),
                                    .seed = 1,
                                    .margin = CN_AGAINST_MARGIN };
    const struct cn_usage usage = {
        "carnot bench [-m FILE]... [-p 512] [-n 128] [-d DEPTH] [-t 1,2] [-r 5] [options]",
        "Times prefill (-p tokens at once) and decode (-n tokens one by one) and sets them beside "
        "the\n"
        "machine's limits, measured in the same run. -p, -n, -d and -t take lists: 128,512. 0 "
        "leaves a\n"
        "test out. With --draft or --lookup decode is measured with and without guesses, the same "
        "text in\n"
        "turns; tokens/s and J/token are of the tokens that were kept.",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        {"--model",        "-m", CN_OPT_LIST,   &a.models,      "FILE",   "GGUF model; may be repeated",               0, 0    },
        { "--prefill",     "-p", CN_OPT_STRING, &a.prefill,     "LIST",   "tokens of the prefill (512)",               0,
         0                                                                                                                     },
        { "--decode",      "-n", CN_OPT_STRING, &a.decode,      "LIST",   "tokens to decode (128)",                    0, 0    },
        { "--depth",       "-d", CN_OPT_STRING, &a.depth,       "LIST",   "tokens in the cache before (0)",            0,
         0                                                                                                                     },
        { "--threads",     "-t", CN_OPT_STRING, &a.threads,     "LIST",   "threads (every core)",                      0, 0    },
        { "--lanes",       NULL, CN_OPT_STRING, &a.lanes,       "LIST",   "sequences to decode together, up to 16 (1); tokens/s and J/token are of all", 0, 0 },
        { "--reps",        "-r", CN_OPT_INT,    &a.reps,        "N",      "repetitions (5; with --against or --external 1)",                           1, 256  },
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
        { "--against",     NULL, CN_OPT_STRING, &a.against,     "PROGRAM",
          "another build of carnot: which of the two is faster? Exit 3: a test of this one is slower",      0, 0    },
        { "--external",    NULL, CN_OPT_LIST,   &a.external,    "NAME=COMMAND",
          "a program that prints llama-bench's JSON, in turns with this one; {model}, {prefill}, {decode}, {depth}, {threads} stand for those; may be repeated", 0, 0 },
        { "--margin",      NULL, CN_OPT_FLOAT,  &a.margin,      "PERCENT",
          "with those two: differences below it do not matter (5)",                        0.01, 1000 },
        { "--seconds",     NULL, CN_OPT_FLOAT,  &a.seconds,     "S",      "with those two: at most, for all (60)",  0.001, 864000 },
        { "--seed",        NULL, CN_OPT_INT,    &a.seed,        "N",      "with those two: of the order of turns (1)", 0, 9e15 },
        { "--samples",     NULL, CN_OPT_FLAG,   &a.samples,     NULL,     "with those two: a row for each round",   0, 0 },
        CN_OPTIONS_DRAFT(a.drafts),
        { "--file",        "-f", CN_OPT_STRING, &a.text,        "FILE",   "with those: the text to go on from (a sentence)", 0, 0 },
        { "--save",        NULL, CN_OPT_STRING, &a.save,        "FILE",
         "write the table to a file too (.csv, .json, .html)",                                                         0, 0    },
        { "--output",      "-o", CN_OPT_TABLE,  &a.format,      "FORMAT", "md, csv, json, jsonl or sql (md)",
         0,                                                                                                               0    },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
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
    free(a.external.items);
    return code;
}
