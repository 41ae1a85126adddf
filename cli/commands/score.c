/* SPDX-License-Identifier: MIT
 *
 * carnot score: accuracy of models on a file of tasks, with its interval.
 */
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/tokens.h"

#include "base/table.h"
#include "bench/quality/scoring.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATA_BYTES = 1 << 30, MAX_PREFIX_BYTES = 16 << 20 };

struct arguments {
    struct cn_string_list models, stops;
    const char *task, *data, *prefix, *kv, *tiers, *precision;
    int64_t tasks, predict, threads;
    bool answers;
    enum cn_table_format format;
};

/* The model under way, for the callbacks. */
struct under_way {
    const char *path, *name;
    struct cn_table *table; /* of answers; NULL: they are not wanted */
};

static const struct cn_usage usage = {
    "carnot score [-m FILE]... --task hellaswag|choice|generate -f DATA [options]",
    "Accuracy on tasks, with its 95% interval (Wilson).\n"
    "\n"
    "hellaswag  six lines a task: context, number of the right ending from 0, four endings\n"
    "choice     a JSON object a line: {\"question\": \"...\", \"choices\": [...], \"answer\": "
    "index}\n"
    "generate   a JSON object a line: {\"prompt\": \"...\", \"answer\": \"...\"}\n"
    "\n"
    "Of endings and choices the one whose tokens have the largest mean log-likelihood behind the\n"
    "prompt is the answer (raw: the largest sum). Generated answers are greedy and compared "
    "exactly.\n"
    "With --tasks the first N of the file are taken, always the same.\n"
    "\n"
    "  carnot score -m model.gguf --task hellaswag -f hellaswag.txt --tasks 400\n"
    "  carnot score -m model.gguf --task generate -f gsm8k.jsonl --prefix examples.txt \\\n"
    "      --stop Question: --regex 'answer is (-?[0-9]+)'",
};

static bool progress(void *user, size_t done, size_t total, double accuracy)
{
    const struct under_way *w = user;
    char what[256];
    snprintf(what, sizeof what, "%s: accuracy %.3f", w->name, accuracy);
    cn_progress(what, (double)done, (double)total);
    return cn_interrupted();
}

static void set_text(struct cn_table *t, const char *key, struct cn_score_text s)
{
    char *copy = strndup(s.p, s.n);
    cn_table_str(t, key, copy);
    free(copy);
}

static void add_answer(void *user, const struct cn_score_outcome *o)
{
    const struct under_way *w = user;
    cn_table_row(w->table);
    cn_table_str(w->table, "model", w->path);
    cn_table_i64(w->table, "line", (int64_t)o->task->line);
    cn_table_bool(w->table, "right", o->right);
    if (o->task->n_choices == 0) {
        set_text(w->table, "expected", o->task->answer);
        set_text(w->table, "got", o->got);
        set_text(w->table, "text", o->text);
        return;
    }
    cn_table_i64(w->table, "expected", o->task->right);
    cn_table_i64(w->table, "got", o->chosen);
    cn_table_i64(w->table, "got_raw", o->chosen_raw);
    set_text(w->table, "text", o->task->choices[o->chosen]);
}

static struct cn_table *answer_table(bool choices)
{
    struct cn_table *t = cn_table_create("score_answers");
    if (!t)
        return NULL;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "line", "line", -1);
    cn_table_column(t, "right", "right", -1);
    cn_table_column(t, "expected", "expected", -1);
    cn_table_column(t, "got", "got", -1);
    cn_table_column(t, "got_raw", choices ? "raw" : NULL, -1);
    cn_table_column(t, "text", "text", -1);
    return t;
}

static struct cn_table *score_table(bool choices)
{
    struct cn_table *t = cn_table_create("score");
    if (!t)
        return NULL;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "task", "task", -1);
    cn_table_column(t, "tasks", "tasks", -1);
    cn_table_column(t, "correct", "right", -1);
    cn_table_column(t, "accuracy", "accuracy", 4);
    cn_table_column(t, "accuracy_lo", "from", 4);
    cn_table_column(t, "accuracy_hi", "to", 4);
    cn_table_column(t, "accuracy_raw", choices ? "raw" : NULL, 4);
    cn_table_column(t, "raw_lo", choices ? "from " : NULL, 4);
    cn_table_column(t, "raw_hi", choices ? "to " : NULL, 4);
    cn_table_column(t, "chance", choices ? "chance" : NULL, 4);
    return t;
}

static void add_row(struct cn_table *t, const char *path, const struct cn_model_info *info,
                    const char *task, const struct cn_score *s)
{
    cn_table_row(t);
    cn_table_str(t, "model", path);
    cn_table_str(t, "file_type", info->file_type);
    cn_table_f64(t, "bpw", info->bpw);
    cn_table_str(t, "task", task);
    cn_table_i64(t, "tasks", s->n_tasks);
    cn_table_i64(t, "correct", s->n_right);
    cn_table_f64(t, "accuracy", s->accuracy);
    cn_table_f64(t, "accuracy_lo", s->lo);
    cn_table_f64(t, "accuracy_hi", s->hi);
    cn_table_f64(t, "accuracy_raw", s->accuracy_raw);
    cn_table_f64(t, "raw_lo", s->raw_lo);
    cn_table_f64(t, "raw_hi", s->raw_hi);
    cn_table_f64(t, "chance", s->chance);
}

struct data {
    const char *text; /* of the file, [n_bytes] */
    size_t n_bytes;
    struct cn_score_tasks tasks; /* n == 0: not parsed yet */
};

static enum cn_status parse(const struct arguments *a, struct data *d, struct cn_error *err)
{
    if (d->tasks.n > 0)
        return CN_OK;
    return cn_score_parse(d->tasks.kind, d->text, d->n_bytes, a->data, (size_t)a->tasks, &d->tasks,
                          err);
}

/* One model: opened, scored, told. */
static int score(const struct arguments *a, const char *path, struct data *data,
                 struct cn_score_options *o, struct cn_table *scores, struct cn_table *answers)
{
    struct cn_error err = { "" };
    struct cn_model *model = NULL;
    struct cn_model_options model_options = { .tiers = a->tiers };
    struct cn_score result;
    const char *slash = strrchr(path, '/');
    struct under_way way = { path, slash ? slash + 1 : path, answers };
    o->user = &way;
    o->outcome = answers ? add_answer : NULL;
    bool ok = cn_open_model(path, &model_options, 0, &model, &err) == CN_OK &&
              parse(a, data, &err) == CN_OK &&
              cn_score_run(model, &data->tasks, o, &result, &err) == CN_OK;
    cn_progress(way.name, 1, 1); /* ends the line after a failure too */
    if (ok)
        add_row(scores, path, cn_model_get_info(model), a->task, &result);
    else
        cn_die("%s", err.text);
    cn_model_close(model);
    return ok ? CN_EXIT_OK : CN_EXIT_FAILED;
}

static int score_all(const struct arguments *a, struct data *data, struct cn_score_options *o)
{
    const bool choices = data->tasks.kind != CN_SCORE_GENERATE;
    struct cn_table *scores = score_table(choices);
    struct cn_table *answers = a->answers ? answer_table(choices) : NULL;
    const char *only = cn_default_model();
    const char *const *models = a->models.n ? a->models.items : &only;
    int code = CN_EXIT_OK;
    if (!scores || (a->answers && !answers))
        code = cn_die("out of memory");
    for (size_t i = 0; code == CN_EXIT_OK && i < (a->models.n ? a->models.n : 1); i++)
        code = score(a, models[i], data, o, scores, answers);
    struct cn_table *shown = answers ? answers : scores;
    /* Of answers those of a broken model stand there too: they would look like all. */
    if (shown && cn_table_n_rows(shown) && (!answers || code == CN_EXIT_OK))
        cn_table_print(shown, a->format, stdout);
    cn_table_free(scores);
    cn_table_free(answers);
    return code;
}

static int run(const struct arguments *a, enum cn_score_kind kind, struct cn_score_options *o)
{
    struct data data = { .tasks = { .kind = kind } };
    char *prefix = NULL, *text = cn_read_text(a->data, MAX_DATA_BYTES, &data.n_bytes);
    int code = CN_EXIT_FAILED;
    data.text = text;
    if (text && a->prefix)
        o->prefix = prefix = cn_read_text(a->prefix, MAX_PREFIX_BYTES, &o->n_prefix);
    if (text && (prefix || !a->prefix))
        code = score_all(a, &data, o);
    cn_score_tasks_free(&data.tasks);
    free(text);
    free(prefix);
    return code;
}

static bool parse_kind(const char *name, enum cn_score_kind *kind)
{
    for (int k = 0; k < CN_N_SCORE_KINDS; k++) {
        if (strcmp(name, cn_score_kind_name((enum cn_score_kind)k)) == 0) {
            *kind = (enum cn_score_kind)k;
            return true;
        }
    }
    return false;
}

/* What asks for an answer in words makes no sense with choices. */
static bool only_generates(const struct arguments *a, const struct cn_score_options *o)
{
    return a->stops.n > 0 || a->predict > 0 || o->regex;
}

/* -1: all is well. */
static int check_values(const struct arguments *a, const struct cn_score_options *o)
{
    for (size_t i = 0; i < a->stops.n; i++)
        if (!a->stops.items[i][0])
            return cn_usage_error("--stop: a text expected, '' given");
    if (o->regex) {
        regex_t re;
        char why[128];
        int wrong = regcomp(&re, o->regex, REG_EXTENDED);
        if (wrong) {
            regerror(wrong, &re, why, sizeof why);
            return cn_usage_error("--regex '%s': %s", o->regex, why);
        }
        regfree(&re);
    }
    return cn_check_tiers(a->tiers);
}

int cn_cmd_score(int argc, char **argv)
{
    struct arguments a = { .kv = "f16", .precision = "exact" };
    struct cn_score_options o = { .progress = progress };
    enum cn_score_kind kind = CN_SCORE_HELLASWAG;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_LIST, &a.models, "FILE", "GGUF model; may be repeated", 0, 0 },
        { "--task", NULL, CN_OPT_STRING, &a.task, "NAME", "hellaswag, choice or generate", 0, 0 },
        { "--file", "-f", CN_OPT_STRING, &a.data, "DATA", "the tasks", 0, 0 },
        { "--tasks", NULL, CN_OPT_INT, &a.tasks, "N", "the first N tasks of the file (all)",
          1, 1 << 30 },
        { "--prefix", NULL, CN_OPT_STRING, &a.prefix, "FILE",
          "text before every prompt: examples; evaluated once", 0, 0 },
        { "--predict", "-n", CN_OPT_INT, &a.predict, "N",
          "generate: most tokens of an answer (256)", 1, 1 << 20 },
        { "--stop", NULL, CN_OPT_LIST, &a.stops, "TEXT",
          "generate: an answer ends before this text; may be repeated (a newline)", 0, 0 },
        { "--regex", NULL, CN_OPT_STRING, &o.regex, "RE",
          "generate: compare what the first group of its first match holds", 0, 0 },
        { "--answers", NULL, CN_OPT_FLAG, &a.answers, NULL,
          "print the answer to each task instead of the sums", 0, 0 },
        { "--kv", NULL, CN_OPT_STRING, &a.kv, "TYPE", "KV cache: f32, f16 or q8_0 (f16)", 0, 0 },
        { "--threads", "-t", CN_OPT_INT, &a.threads, "N", "threads (every core)", 1, 1024 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--precision", NULL, CN_OPT_STRING, &a.precision, "P", "exact, or fast: coarser prefill (exact)", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &a.format, "FORMAT",
          "md, csv, json, jsonl or sql (md)", 0, 0 },
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0) {
        o.n_threads = (int32_t)a.threads;
        o.n_predict = (int32_t)a.predict;
        o.stops = a.stops.items;
        o.n_stops = a.stops.n;
        if (!a.task || !parse_kind(a.task, &kind))
            code = cn_usage_error("--task: hellaswag, choice or generate expected, %s%s%s",
                                  a.task ? "'" : "nothing", a.task ? a.task : "",
                                  a.task ? "' given" : " given");
        else if (!a.data)
            code = cn_usage_error("-f DATA is needed");
        else if (kind != CN_SCORE_GENERATE && only_generates(&a, &o))
            code = cn_usage_error("--predict, --stop and --regex are for --task generate");
        else if (!cn_kv_parse(a.kv, &o.kv) || !cn_precision_parse(a.precision, &o.fast))
            code = CN_EXIT_USAGE;
        else if ((code = check_values(&a, &o)) < 0)
            code = run(&a, kind, &o);
    }
    free(a.models.items);
    free(a.stops.items);
    return code;
}
