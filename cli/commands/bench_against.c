/* SPDX-License-Identifier: MIT
 *
 * carnot bench --against, --external: this program and others on the same model, in turns.
 */
#include "cli/commands/bench.h"

#include "base/error.h"
#include "bench/target/study_args.h"
#include "cli/commands/against.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = { "model", "threads", "test", "n_tokens", "depth" };
enum { N_KEYS = sizeof keys / sizeof *keys, MODEL = 0, THREADS, TEST, TOKENS, DEPTH };

/* What a model is measured with. */
struct contest {
    const struct cn_bench_arguments *a;
    const char *model, *threads;
    struct cn_study_args words[CN_DUEL_RIVALS];
    char names[CN_DUEL_RIVALS][64];
    struct cn_rival rivals[CN_DUEL_RIVALS];
    size_t n;
};

/* ---- rows ------------------------------------------------------------------------------------ */

static enum cn_status read_ours(const void *context, const struct cn_dataset *table, size_t row,
                                bool *takes_part, struct cn_duel_reading *reading,
                                struct cn_error *err)
{
    (void)context;
    *takes_part = true;
    return cn_against_read(table, row, keys, N_KEYS, "tps_median", reading, err);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A row of llama-bench: n_prompt tokens at once, or n_gen one by one; both is another test. */
static enum cn_status read_llama_bench(const void *context, const struct cn_dataset *table,
                                       size_t row, bool *takes_part,
                                       struct cn_duel_reading *reading, struct cn_error *err)
{
    static const char *const columns[] = { "n_prompt", "n_gen", "n_threads", "avg_ts" };
    const struct contest *c = context;
    double values[4];
    for (int i = 0; i < 4; i++) {
        values[i] = cn_dataset_at(table, row, columns[i])->number;
        CN_RETURN_IF(
            isnan(values[i]), CN_ERR_FORMAT, err,
            "numbers called n_prompt, n_gen, n_threads and avg_ts expected, as llama-bench "
            "-o json prints them; none found called %s",
            columns[i]);
    }
    const char *file = cn_dataset_at(table, row, "model_filename")->text;
    CN_RETURN_IF(file && strcmp(base_name(file), base_name(c->model)) != 0, CN_ERR_FORMAT, err,
                 "%s expected as model_filename, found %s", base_name(c->model), file);
    const bool decode = values[1] > 0;
    const double depth = cn_dataset_at(table, row, "n_depth")->number;
    *takes_part = decode != (values[0] > 0);
    snprintf(reading->keys[MODEL], sizeof *reading->keys, "%s", c->model);
    snprintf(reading->keys[THREADS], sizeof *reading->keys, "%.0f", values[2]);
    snprintf(reading->keys[TEST], sizeof *reading->keys, "%s", decode ? "decode" : "prefill");
    snprintf(reading->keys[TOKENS], sizeof *reading->keys, "%.0f", decode ? values[1] : values[0]);
    snprintf(reading->keys[DEPTH], sizeof *reading->keys, "%.0f", isnan(depth) ? 0 : depth);
    reading->figure = values[3];
    return CN_OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

static void carnot_words(const struct contest *c, const char *program, struct cn_study_args *w)
{
    const struct cn_bench_arguments *a = c->a;
    const struct {
        const char *option, *value;
    } given[] = {
        {"-m",           c->model    },
        { "-p",          a->prefill  },
        { "-n",          a->decode   },
        { "-d",          a->depth    },
        { "-t",          c->threads  },
        { "--kv",        a->kv       },
        { "--precision", a->precision},
        { "--tiers",     a->tiers    },
        { "--meter",     "none"      },
        { "-o",          "json"      },
    };
    cn_study_arg(w, "%s", program);
    cn_study_arg(w, "bench");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value) {
            cn_study_arg(w, "%s", given[i].option);
            cn_study_arg(w, "%s", given[i].value);
        }
    cn_study_arg(w, "-r");
    cn_study_arg(w, "%d", a->reps ? (int)a->reps : 1);
    if (a->batch) {
        cn_study_arg(w, "-b");
        cn_study_arg(w, "%d", (int)a->batch);
    }
    if (a->sleep)
        cn_study_arg(w, "--sleep");
}

/* The command with what {model}, {prefill}, {decode}, {depth} and {threads} stand for; the model's
 * name in quotes that a shell takes off. False if it is too long. */
static bool fill_in(const struct contest *c, const char *command, char *text, size_t n)
{
    const struct {
        const char *name, *value;
    } places[] = {
        {"{model}",    c->model     },
        { "{prefill}", c->a->prefill},
        { "{decode}",  c->a->decode },
        { "{depth}",   c->a->depth  },
        { "{threads}", c->threads   },
    };
    size_t used = 0;
    while (*command && used + 8 < n) {
        size_t i = 0;
        while (i < 5 && strncmp(command, places[i].name, strlen(places[i].name)) != 0)
            i++;
        if (i == 5) {
            text[used++] = *command++;
            continue;
        }
        command += strlen(places[i].name);
        if (i == 0)
            text[used++] = '\'';
        for (const char *v = places[i].value; *v && used + 8 < n; v++) {
            const char *as = *v == '\'' ? "'\\''" : (char[]){ *v, 0 };
            used += (size_t)snprintf(text + used, n - used, "%s", as);
        }
        if (i == 0)
            text[used++] = '\'';
    }
    text[used] = 0;
    return !*command;
}

/* "NAME=COMMAND". Returns -1, or the exit code. */
static int add_external(struct contest *c, const char *text)
{
    const char *equals = strchr(text, '=');
    char command[4096];
    struct cn_study_args *w = &c->words[c->n];
    if (!equals || equals == text || equals - text >= (long)sizeof *c->names || !equals[1])
        return cn_usage_error("--external takes NAME=COMMAND, not '%s'", text);
    if (c->n == CN_DUEL_RIVALS)
        return cn_usage_error("--external: at most %d of them", CN_DUEL_RIVALS - 1);
    snprintf(c->names[c->n], sizeof *c->names, "%.*s", (int)(equals - text), text);
    if (!fill_in(c, equals + 1, command, sizeof command))
        return cn_usage_error("--external: a command of at most %zu bytes expected",
                              sizeof command);
    cn_study_arg(w, "sh");
    cn_study_arg(w, "-c");
    cn_study_arg(w, "%s", command);
    c->rivals[c->n] = (struct cn_rival){ c->names[c->n], w->argv, read_llama_bench };
    c->n++;
    return -1;
}

static void add_carnot(struct contest *c, const char *name, const char *program)
{
    struct cn_study_args *w = &c->words[c->n];
    snprintf(c->names[c->n], sizeof *c->names, "%s", name);
    carnot_words(c, program, w);
    c->rivals[c->n] = (struct cn_rival){ c->names[c->n], w->argv, read_ours };
    c->n++;
}

/* Everybody who measures this model. Returns -1, or the exit code. */
static int fill_contest(struct contest *c)
{
    const struct cn_bench_arguments *a = c->a;
    char self[PATH_MAX];
    int code = -1;
    add_carnot(c, a->against ? "new" : "carnot", cn_against_self(self, sizeof self));
    if (a->against)
        add_carnot(c, "old", a->against);
    for (size_t i = 0; i < a->external.n && code < 0; i++)
        code = add_external(c, a->external.items[i]);
    for (size_t i = 0; i < c->n && code < 0; i++)
        if (c->words[i].full)
            code = cn_usage_error("%s: too many or too long arguments", c->names[i]);
    return code;
}

/* ---- all models ------------------------------------------------------------------------------ */

static int run_contest(struct contest *c, const struct cn_against *against, size_t n_models,
                       struct cn_duel_options *o, struct cn_duel *duel)
{
    struct cn_error err = { "" };
    int code = fill_contest(c);
    if (code >= 0)
        return code;
    *o = cn_against_options(against);
    o->rivals = c->rivals;
    o->n_rivals = c->n;
    o->keys = keys;
    o->n_keys = N_KEYS;
    o->context = c;
    o->seconds /= (double)n_models;
    /* Each model has as many rows. */
    size_t rows = 2;
    for (const char *p = c->threads; (p = strchr(p, ',')) != NULL; p++)
        rows += 2;
    o->n_beside = (n_models - 1) * rows * (c->n - 1);
    const enum cn_status status = cn_duel_run(o, duel, &err);
    cn_progress("against", 1, 1);
    return status == CN_OK ? -1 : cn_die("%s", err.text);
}

int cn_bench_against(const struct cn_bench_arguments *a, const char *threads)
{
    const char *only = cn_default_model();
    const char *const *models = a->models.n ? a->models.items : &only;
    const size_t n = a->models.n ? a->models.n : 1;
    const struct cn_against against = { .metric = "tps",
                                        .scale = 1,
                                        .title = "tokens/s",
                                        .margin = a->margin,
                                        .seconds = a->seconds,
                                        .seed = (uint64_t)a->seed,
                                        .samples = a->samples,
                                        .save = a->save,
                                        .format = a->format };
    struct contest *contests = calloc(n, sizeof *contests);
    struct cn_duel_options *options = calloc(n, sizeof *options);
    struct cn_duel *duels = calloc(n, sizeof *duels);
    int code = contests && options && duels ? -1 : cn_die("out of memory");
    for (size_t i = 0; i < n && code < 0; i++) {
        contests[i] = (struct contest){ .a = a, .model = models[i], .threads = threads };
        code = run_contest(&contests[i], &against, n, &options[i], &duels[i]);
    }
    if (code < 0)
        code = cn_against_print(&against, duels, n);
    for (size_t i = 0; duels && i < n; i++)
        cn_duel_free(&duels[i]);
    free(contests);
    free(options);
    free(duels);
    return code;
}
