/* SPDX-License-Identifier: MIT */
#include "bench/study/plan_reader.h"

#include "base/error.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "base/readfile.h"
#include "engine/tools.h"
#include "profiler/profiler.h"
#include "quant/quant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_TEXT_BYTES = 1 << 20,
    MAX_PROMPT_BYTES = 16 << 20,
    MAX_TOKENS = 1 << 24,
    MAX_SECONDS = 7 * 86400,
};

/* ---- lines ----------------------------------------------------------------------------------- */

static enum cn_status line_name(struct cn_plan_reader *p)
{
    return cn_plan_label(p, p->words[1], &p->plan->name);
}

static enum cn_status line_seed(struct cn_plan_reader *p)
{
    double v = 0;
    CN_TRY(cn_plan_number(p, p->words[1], 0, 9007199254740992.0, &v));
    p->plan->seed = (uint64_t)v;
    return CN_OK;
}

static enum cn_status line_repetitions(struct cn_plan_reader *p)
{
    return cn_plan_whole(p, p->words[1], 1, 10000, &p->plan->repetitions);
}

static enum cn_status line_warmup(struct cn_plan_reader *p)
{
    return cn_plan_whole(p, p->words[1], 0, 100, &p->plan->warmup);
}

static enum cn_status line_context(struct cn_plan_reader *p)
{
    return cn_plan_whole(p, p->words[1], 1, MAX_TOKENS, &p->plan->context);
}

static enum cn_status line_fill(struct cn_plan_reader *p)
{
    return cn_plan_whole(p, p->words[1], 1, MAX_TOKENS, &p->plan->fill);
}

static enum cn_status add_model(struct cn_plan_reader *p, const char *name, const char *quant,
                                const char *file, const char *imatrix, const char *calibrate)
{
    struct cn_study_plan *plan = p->plan;
    struct cn_study_model m = { .line = p->line };
    enum cn_status status = CN_OK;
    CN_TRY(cn_plan_label(p, name, &m.label));
    if (quant)
        CN_TRY(cn_plan_label(p, quant, &m.quant));
    CN_TRY(cn_plan_path(p, file, &m.path));
    if (imatrix)
        CN_TRY(cn_plan_path(p, imatrix, &m.imatrix));
    if (calibrate && strcmp(calibrate, "own") == 0)
        m.calibrate = "";
    else if (calibrate)
        CN_TRY(cn_plan_path(p, calibrate, &m.calibrate));
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct cn_study_model *o = &plan->models[i];
        if (strcmp(o->label, name) == 0 && (!o->quant || !quant || strcmp(o->quant, quant) == 0))
            return cn_plan_wrong(p, "'%s%s%s' is there twice", name, quant ? " " : "",
                                 quant ? quant : "");
    }
    if (cn_plan_grow(p, &plan->models, plan->n_models, sizeof m, &status))
        plan->models[plan->n_models++] = m;
    return status;
}

static enum cn_status line_model(struct cn_plan_reader *p)
{
    bool more = p->n_words == 5, imatrix = more && strcmp(p->words[3], "imatrix") == 0;
    bool calibrate = more && strcmp(p->words[3], "calibrate") == 0;
    if (p->n_words != 3 && !imatrix && !calibrate)
        return cn_plan_wrong(p,
                             "LABEL FILE [imatrix FILE | calibrate TEXT | calibrate own] expected");
    return add_model(p, p->words[1], NULL, p->words[2], imatrix ? p->words[4] : NULL,
                     calibrate ? p->words[4] : NULL);
}

static enum cn_status line_file(struct cn_plan_reader *p)
{
    return add_model(p, p->words[1], p->words[2], p->words[3], NULL, NULL);
}

static enum cn_status line_quant(struct cn_plan_reader *p)
{
    for (int i = 1; i < p->n_words; i++) {
        const char *checked;
        CN_TRY(cn_plan_label(p, p->words[i], &checked));
        if (!cn_file_type_by_name(checked))
            return cn_plan_wrong(p, "a file type like Q4_K_M or IQ4_XS expected, '%s' found",
                                 checked);
        CN_TRY(cn_plan_add_word(p, &p->plan->quants, checked));
    }
    return CN_OK;
}

/* A single tier stands for all up to it: what a machine of that kind would use. */
static enum cn_status line_tiers(struct cn_plan_reader *p)
{
    static const char *const up_to[CN_N_TIERS] = {
        [CN_TIER_REF] = "ref",
        [CN_TIER_AVX2] = "ref,avx2",
        [CN_TIER_AVXVNNI] = "ref,avx2,avxvnni",
        [CN_TIER_AVX512] = "ref,avx2,avx512",
        [CN_TIER_AMX] = "ref,avx2,avx512,amx",
        [CN_TIER_NEON] = "ref,neon",
        [CN_TIER_DOTPROD] = "ref,neon,dotprod",
        [CN_TIER_I8MM] = "ref,neon,dotprod,i8mm",
    };
    for (int i = 1; i < p->n_words; i++) {
        const char *list = p->words[i], *bad;
        size_t bad_len;
        uint32_t mask;
        if (strcmp(list, "all") == 0)
            list = "";
        else if (!cn_tiers_parse(list, &mask, &bad, &bad_len))
            return cn_plan_wrong(p, "'all' or tiers like avx2 expected, '%.*s' found", (int)bad_len,
                                 bad);
        for (int t = 0; t < CN_N_TIERS; t++)
            if (strcmp(list, cn_tier_name((enum cn_tier)t)) == 0)
                list = up_to[t];
        CN_TRY(cn_plan_add_word(p, &p->plan->tiers, list));
    }
    return CN_OK;
}

static enum cn_status line_threads(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    for (int i = 1; i < p->n_words; i++) {
        struct cn_study_threads t = { 0, 0 };
        char *slash = strchr(p->words[i], '/');
        enum cn_status status = CN_OK;
        if (slash) {
            *slash = 0;
            CN_TRY(cn_plan_whole(p, slash + 1, 1, 1024, &t.prefill));
        }
        if (strcmp(p->words[i], "all") != 0)
            CN_TRY(cn_plan_whole(p, p->words[i], 1, 1024, &t.decode));
        for (size_t k = 0; k < plan->n_threads; k++)
            if (plan->threads[k].decode == t.decode && plan->threads[k].prefill == t.prefill)
                return cn_plan_wrong(p, "'%s' is there twice", p->words[i]);
        if (!cn_plan_grow(p, &plan->threads, plan->n_threads, sizeof t, &status))
            return status;
        plan->threads[plan->n_threads++] = t;
    }
    return CN_OK;
}

static enum cn_status line_kv(struct cn_plan_reader *p)
{
    for (int i = 1; i < p->n_words; i++) {
        const char *w = p->words[i];
        if (strcmp(w, "f32") != 0 && strcmp(w, "f16") != 0 && strcmp(w, "q8_0") != 0)
            return cn_plan_wrong(p, "f32, f16 or q8_0 expected, '%s' found", w);
        CN_TRY(cn_plan_add_word(p, &p->plan->kvs, w));
    }
    return CN_OK;
}

static enum cn_status read_prompt(struct cn_plan_reader *p, const char *file, const char **text)
{
    const char *full;
    CN_TRY(cn_plan_path(p, file, &full));
    const struct cn_readfile_options o = { .max_bytes = MAX_PROMPT_BYTES, .regular = true };
    struct cn_error err;
    char *read;
    size_t n;
    enum cn_status status = cn_readfile(full, &o, &read, &n, &err);
    if (status != CN_OK)
        return status == CN_ERR_MEMORY ? cn_plan_no_memory(p) : cn_plan_wrong(p, "%s", err.text);
    char *bytes = cn_plan_keep(p, n + 1);
    if (bytes)
        memcpy(bytes, read, n + 1);
    free(read);
    if (!bytes)
        return cn_plan_no_memory(p);
    if (memchr(bytes, 0, n))
        return cn_plan_wrong(p, "%s: a text without NUL bytes expected", full);
    cn_plain_text(bytes, n);
    *text = bytes;
    return CN_OK;
}

static enum cn_status add_prompt(struct cn_plan_reader *p, struct cn_study_prompt *prompt)
{
    struct cn_study_plan *plan = p->plan;
    enum cn_status status = CN_OK;
    CN_TRY(cn_plan_label(p, p->words[1], &prompt->name));
    for (size_t i = 0; i < plan->n_prompts; i++)
        if (strcmp(plan->prompts[i].name, prompt->name) == 0)
            return cn_plan_wrong(p, "'%s' is there twice", prompt->name);
    if (cn_plan_grow(p, &plan->prompts, plan->n_prompts, sizeof *prompt, &status))
        plan->prompts[plan->n_prompts++] = *prompt;
    return status;
}

static enum cn_status line_prompt(struct cn_plan_reader *p)
{
    struct cn_study_prompt prompt = { .name = NULL };
    prompt.text = p->rest;
    if (p->rest[0] == '@')
        CN_TRY(read_prompt(p, p->rest + 1, &prompt.text));
    return add_prompt(p, &prompt);
}

static enum cn_status line_ids(struct cn_plan_reader *p)
{
    char text[16 * CN_PLAN_WORDS] = "";
    struct cn_study_prompt prompt = { .name = NULL };
    for (int i = 2; i < p->n_words; i++) {
        int id;
        CN_TRY(cn_plan_whole(p, p->words[i], 0, INT32_MAX - 1, &id));
        sprintf(text + strlen(text), i > 2 ? " %d" : "%d", id);
    }
    if (!(prompt.ids = cn_plan_keep_text(p, text)))
        return cn_plan_no_memory(p);
    return add_prompt(p, &prompt);
}

static enum cn_status lengths(struct cn_plan_reader *p, int **values, size_t *n, int min)
{
    for (int i = 1; i < p->n_words; i++) {
        enum cn_status status = CN_OK;
        int v = 0;
        if (min > 0 || strcmp(p->words[i], "all") != 0)
            CN_TRY(cn_plan_whole(p, p->words[i], 1, MAX_TOKENS, &v));
        for (size_t k = 0; k < *n; k++)
            if ((*values)[k] == v)
                return cn_plan_wrong(p, "'%s' is there twice", p->words[i]);
        if (!cn_plan_grow(p, values, *n, sizeof **values, &status))
            return status;
        (*values)[(*n)++] = v;
    }
    return CN_OK;
}

static enum cn_status line_input(struct cn_plan_reader *p)
{
    return lengths(p, &p->plan->inputs, &p->plan->n_inputs, 0);
}

static enum cn_status line_output(struct cn_plan_reader *p)
{
    return lengths(p, &p->plan->outputs, &p->plan->n_outputs, 1);
}

static enum cn_status line_chat(struct cn_plan_reader *p)
{
    return cn_plan_yes_no(p, "yes", "no", &p->plan->chat);
}

/* A value as JSON: as it is written if it is some, else a string of it. */
static enum cn_status json_value(struct cn_plan_reader *p, const char *word, const char **value)
{
    struct cn_json *doc = NULL;
    bool json = cn_json_parse(word, strlen(word), "value", &doc, NULL) == CN_OK;
    char *text = cn_plan_keep(p, strlen(word) + 3);
    cn_json_free(doc);
    if (!json && strpbrk(word, "\"\\{}[]"))
        return cn_plan_wrong(p, "JSON or a word expected, '%s' found", word);
    if (text)
        sprintf(text, json ? "%s" : "\"%s\"", word);
    *value = text;
    return text ? CN_OK : cn_plan_no_memory(p);
}

static enum cn_status line_template_arg(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    struct cn_study_argument a = { .key = cn_plan_keep_text(p, p->words[1]) };
    enum cn_status status = a.key ? CN_OK : cn_plan_no_memory(p);
    for (int i = 2; i < p->n_words && status == CN_OK; i++) {
        const char *value;
        CN_TRY(json_value(p, p->words[i], &value));
        CN_TRY(cn_plan_add_word(p, &a.values, value));
    }
    if (status == CN_OK && cn_plan_grow(p, &plan->arguments, plan->n_arguments, sizeof a, &status))
        plan->arguments[plan->n_arguments++] = a;
    return status;
}

/* Each prompt that is a text with each value of the argument, which its name tells then. */
static enum cn_status cross_argument(struct cn_plan_reader *p,
                                     const struct cn_study_argument *argument)
{
    struct cn_study_plan *plan = p->plan;
    struct cn_study_prompt *before = plan->prompts;
    size_t n = plan->n_prompts;
    enum cn_status status = CN_OK;
    plan->prompts = NULL;
    plan->n_prompts = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < (before[i].text ? argument->values.n : 1); v++) {
            struct cn_study_prompt prompt = before[i];
            const char *value = argument->values.items[v];
            size_t n_name = strlen(prompt.name), n_all = prompt.arguments.n;
            char *name = cn_plan_keep(p, n_name + strlen(argument->key) + strlen(value) + 3);
            const char **all = cn_plan_keep(p, (n_all + 1) * sizeof *all);
            if (!name || !all)
                return cn_plan_no_memory(p);
            if (prompt.text) {
                sprintf(name, "%s %s=%s", prompt.name, argument->key, value);
                if (n_all > 0)
                    memcpy(all, prompt.arguments.items, n_all * sizeof *all);
                all[n_all] = name + n_name + 1;
                prompt.arguments = (struct cn_study_words){ all, n_all + 1 };
                prompt.name = name;
            }
            if (!cn_plan_grow(p, &plan->prompts, plan->n_prompts, sizeof prompt, &status))
                return status;
            plan->prompts[plan->n_prompts++] = prompt;
        }
    return CN_OK;
}

static enum cn_status line_traces(struct cn_plan_reader *p)
{
    return cn_plan_yes_no(p, "keep", "drop", &p->plan->keep_traces);
}

static enum cn_status line_meter(struct cn_plan_reader *p)
{
    struct cn_profiler_error err;
    if (cn_meters_check(p->words[1], &err) != 0)
        return cn_plan_wrong(p, "%s", err.text);
    p->plan->meter = cn_plan_keep_text(p, p->words[1]);
    return p->plan->meter ? CN_OK : cn_plan_no_memory(p);
}

static enum cn_status line_idle(struct cn_plan_reader *p)
{
    return cn_plan_number(p, p->words[1], 0, 3600, &p->plan->idle_s);
}

static enum cn_status line_timeout(struct cn_plan_reader *p)
{
    return cn_plan_number(p, p->words[1], 1, MAX_SECONDS, &p->plan->timeout_s);
}

static enum cn_status line_limits(struct cn_plan_reader *p)
{
    p->plan->limits_s = 0;
    return strcmp(p->words[1], "none") == 0
               ? CN_OK
               : cn_plan_number(p, p->words[1], 0.01, 60, &p->plan->limits_s);
}

static enum cn_status line_cooldown(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    const char *kind = p->words[1];
    if (p->n_words == 2 && strcmp(kind, "none") == 0) {
        plan->cooldown = CN_COOLDOWN_NONE;
        return CN_OK;
    }
    if (p->n_words == 3 && strcmp(kind, "time") == 0) {
        plan->cooldown = CN_COOLDOWN_TIME;
        return cn_plan_number(p, p->words[2], 0, MAX_SECONDS, &plan->cooldown_s);
    }
    bool below = strcmp(kind, "below") == 0;
    if (p->n_words == 5 && (below || strcmp(kind, "rise") == 0) &&
        strcmp(p->words[3], "limit") == 0) {
        plan->cooldown = below ? CN_COOLDOWN_BELOW : CN_COOLDOWN_RISE;
        CN_TRY(cn_plan_number(p, p->words[2], 0, 120, &plan->cooldown_celsius));
        return cn_plan_number(p, p->words[4], 1, MAX_SECONDS, &plan->cooldown_s);
    }
    return cn_plan_wrong(p,
                         "none, time S, below CELSIUS limit S, or rise CELSIUS limit S expected");
}

static enum cn_status line_checks(struct cn_plan_reader *p)
{
    static const char *const names[] = { "warn", "refuse", "off" };
    for (int i = 0; i < 3; i++)
        if (strcmp(p->words[1], names[i]) == 0) {
            p->plan->checks = (enum cn_study_checks)i;
            return CN_OK;
        }
    return cn_plan_wrong(p, "warn, refuse or off expected, '%s' found", p->words[1]);
}

static bool is_quality_option(const char *word)
{
    return !strcmp(word, "chunks") || !strcmp(word, "tasks") || !strcmp(word, "ctx");
}

static enum cn_status line_quality(struct cn_plan_reader *p)
{
    static const char *const measures[] = { "perplexity", "hellaswag", "choice", "generate" };
    struct cn_study_plan *plan = p->plan;
    struct cn_study_quality q = { .path = "", .line = p->line };
    enum cn_status status = CN_OK;
    int at = 2;
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        if (strcmp(p->words[1], measures[i]) == 0)
            q.measure = measures[i];
    if (q.measure && p->n_words > 2)
        CN_TRY(cn_plan_path(p, p->words[at++], &q.path));
    else if (strcmp(p->words[1], "divergence") == 0) {
        q.measure = "divergence";
        if (p->n_words > 2 && !is_quality_option(p->words[2]))
            CN_TRY(cn_plan_path(p, p->words[at++], &q.path));
    } else
        return cn_plan_wrong(p,
                             "perplexity, hellaswag, choice or generate with a file, or divergence "
                             "expected");
    for (; at + 1 < p->n_words; at += 2) {
        const char *what = p->words[at];
        if (!is_quality_option(what))
            break;
        if (!strcmp(what, "ctx"))
            CN_TRY(cn_plan_whole(p, p->words[at + 1], 8, 1 << 20, &q.ctx));
        else
            CN_TRY(cn_plan_whole(p, p->words[at + 1], 1, 1 << 20, &q.count));
    }
    if (at < p->n_words)
        return cn_plan_wrong(p, "chunks N, tasks N or ctx N expected, '%s' found", p->words[at]);
    for (size_t i = 0; i < plan->n_quality; i++)
        if (!strcmp(plan->quality[i].measure, q.measure) && !strcmp(plan->quality[i].path, q.path))
            return cn_plan_wrong(p, "this measure is there twice");
    if (cn_plan_grow(p, &plan->quality, plan->n_quality, sizeof q, &status))
        plan->quality[plan->n_quality++] = q;
    return status;
}

/* clang-format off */
static const struct line {
    const char *key;
    enum cn_status (*read)(struct cn_plan_reader *p);
    int min_words, max_words; /* behind the key */
    bool again;               /* may be there several times */
} lines[] = {
    { "name",        line_name,        1, 1,         false },
    { "seed",        line_seed,        1, 1,         false },
    { "repetitions", line_repetitions, 1, 1,         false },
    { "warmup",      line_warmup,      1, 1,         false },
    { "model",       line_model,       2, 4,         true  },
    { "file",        line_file,        3, 3,         true  },
    { "quant",       line_quant,       1, CN_PLAN_WORDS, true  },
    { "tiers",       line_tiers,       1, CN_PLAN_WORDS, true  },
    { "threads",     line_threads,     1, CN_PLAN_WORDS, true  },
    { "kv",          line_kv,          1, CN_PLAN_WORDS, true  },
    { "draft",       cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "lookup",      cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "mtp",         cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "lanes",       cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "frequency",   cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "governor",    cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "power-limit", cn_plan_lever,    1, CN_PLAN_WORDS, true  },
    { "prompt",      line_prompt,      2, CN_PLAN_WORDS, true  },
    { "ids",         line_ids,         2, CN_PLAN_WORDS, true  },
    { "input",       line_input,       1, CN_PLAN_WORDS, true  },
    { "output",      line_output,      1, CN_PLAN_WORDS, true  },
    { "context",     line_context,     1, 1,         false },
    { "fill",        line_fill,        1, 1,         false },
    { "chat",        line_chat,        1, 1,         false },
    { "template-arg", line_template_arg, 2, CN_PLAN_WORDS, true },
    { "meter",       line_meter,       1, 1,         false },
    { "idle",        line_idle,        1, 1,         false },
    { "cooldown",    line_cooldown,    1, 4,         false },
    { "timeout",     line_timeout,     1, 1,         false },
    { "checks",      line_checks,      1, 1,         false },
    { "limits",      line_limits,      1, 1,         false },
    { "traces",      line_traces,      1, 1,         false },
    { "quality",     line_quality,     1, 6,         true  },
    { "kernels",     cn_plan_kernels,  1, CN_PLAN_WORDS, true },
    { "shape",       cn_plan_shape,    1, CN_PLAN_WORDS, true },
    { "cores",       cn_plan_cores,    1, CN_PLAN_WORDS, true },
    { "job",         cn_plan_kernel_list, 1, CN_PLAN_WORDS, false },
    { "tokens",      cn_plan_kernel_list, 1, CN_PLAN_WORDS, false },
    { "cache",       cn_plan_kernel_list, 1, CN_PLAN_WORDS, false },
};
/* clang-format on */

enum { N_LINES = sizeof lines / sizeof *lines };

static enum cn_status read_line(struct cn_plan_reader *p, char *text)
{
    CN_TRY(cn_plan_split(p, text));
    if (p->n_words == 0)
        return CN_OK;
    for (int i = 0; i < N_LINES; i++) {
        const struct line *l = &lines[i];
        if (strcmp(l->key, p->words[0]) != 0)
            continue;
        int n = p->n_words - 1;
        if (n < l->min_words || n > l->max_words)
            return cn_plan_wrong(p, n < l->min_words ? "too little on this line"
                                                     : "too much on this line");
        if (!l->again && p->seen >> i & 1)
            return cn_plan_wrong(p, "there is such a line already");
        p->seen |= (uint64_t)1 << i;
        return l->read(p);
    }
    return cn_fail(p->err, CN_ERR_FORMAT,
                   "%s:%d: unknown key '%.64s' (docs/STUDY.md lists what a plan can say)",
                   p->source->name, p->line, p->words[0]);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What is not said. */
static enum cn_status complete(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    const char *name = p->source->name;
    enum cn_status status = CN_OK;
    bool to_quantise = false;
    if (plan->kernels.formats.n)
        CN_TRY(cn_plan_complete_kernels(p));
    const struct cn_study_kernels *k = &plan->kernels;
    CN_RETURN_IF(!k->formats.n && (k->shapes.n || k->cores.n || k->jobs || k->tokens || k->caches),
                 CN_ERR_FORMAT, p->err,
                 "%s: a line 'kernels' expected, beside shape, cores, job, tokens or cache", name);
    for (size_t i = 0; i < plan->n_models; i++)
        to_quantise |= !plan->models[i].quant;
    CN_RETURN_IF(!plan->n_models, CN_ERR_FORMAT, p->err, "%s: a line 'model' or 'file' expected",
                 name);
    CN_RETURN_IF(!plan->n_prompts, CN_ERR_FORMAT, p->err, "%s: a line 'prompt' or 'ids' expected",
                 name);
    CN_RETURN_IF(to_quantise && !plan->quants.n, CN_ERR_FORMAT, p->err,
                 "%s: a line 'quant' expected, beside 'model'", name);
    CN_RETURN_IF(!to_quantise && plan->quants.n, CN_ERR_FORMAT, p->err,
                 "%s: 'quant' is for lines 'model', and there is none", name);
    CN_RETURN_IF(plan->n_arguments && !plan->chat, CN_ERR_FORMAT, p->err,
                 "%s: a line 'chat yes' expected, beside 'template-arg'", name);
    const struct cn_study_levels *l = plan->levels;
    CN_RETURN_IF(plan->fill && (l[CN_LEVER_DRAFT].n || l[CN_LEVER_LOOKUP].n || l[CN_LEVER_MTP].n ||
                                l[CN_LEVER_LANES].n),
                 CN_ERR_FORMAT, p->err,
                 "%s: 'fill' does not go with draft, lookup, mtp and lanes: behind a past that "
                 "nobody evaluated guesses mean nothing",
                 name);
    p->words[0] = (char[]){ "plan" };
    for (size_t i = 0; i < plan->n_arguments; i++)
        CN_TRY(cross_argument(p, &plan->arguments[i]));
    CN_TRY(cn_plan_complete_levers(p));
    if (!plan->name)
        plan->name = "study";
    if (!plan->tiers.n)
        status = cn_plan_add_word(p, &plan->tiers, "");
    if (status == CN_OK && !plan->kvs.n)
        status = cn_plan_add_word(p, &plan->kvs, "f16");
    if (status == CN_OK && !plan->n_threads &&
        cn_plan_grow(p, &plan->threads, 0, sizeof *plan->threads, &status))
        plan->n_threads = 1;
    if (status == CN_OK && !plan->n_inputs &&
        cn_plan_grow(p, &plan->inputs, 0, sizeof(int), &status))
        plan->n_inputs = 1;
    if (status == CN_OK && !plan->n_outputs &&
        cn_plan_grow(p, &plan->outputs, 0, sizeof(int), &status))
        plan->outputs[plan->n_outputs++] = 100;
    return status;
}

enum cn_status cn_study_plan_parse(const struct cn_study_plan_source *source,
                                   struct cn_study_plan *out, struct cn_error *err)
{
    struct cn_study_plan plan = {
        .seed = 1, .repetitions = 10, .warmup = 1, .idle_s = 1, .limits_s = 0.3, .timeout_s = 3600
    };
    struct cn_plan_reader p = { .source = source, .plan = &plan, .err = err };
    CN_RETURN_IF(source->n_bytes > MAX_TEXT_BYTES, CN_ERR_FORMAT, err,
                 "%s: at most %d MiB expected", source->name, MAX_TEXT_BYTES >> 20);
    CN_RETURN_IF(memchr(source->text, 0, source->n_bytes), CN_ERR_FORMAT, err,
                 "%s: a text expected, a byte 0 found", source->name);
    char *text = cn_plan_keep(&p, source->n_bytes + 1);
    enum cn_status status = text ? CN_OK : cn_plan_no_memory(&p);
    if (text)
        memcpy(text, source->text, source->n_bytes);
    for (char *line = text, *next; line && status == CN_OK; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        p.line++;
        status = read_line(&p, line);
    }
    if (status == CN_OK)
        status = complete(&p);
    if (status == CN_OK)
        *out = plan;
    else
        cn_study_plan_free(&plan);
    return status;
}

static enum cn_status look(const struct cn_study_plan_source *source, int line, const char *key,
                           const char *path, struct cn_error *err)
{
    CN_RETURN_IF(path && *path && access(path, R_OK) != 0, CN_ERR_IO, err, "%s:%d: %s: %s: %s",
                 source->name, line, key, path, strerror(errno));
    return CN_OK;
}

enum cn_status cn_study_plan_look(const struct cn_study_plan_source *source,
                                  const struct cn_study_plan *plan, struct cn_error *err)
{
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct cn_study_model *m = &plan->models[i];
        const char *key = m->quant ? "file" : "model";
        CN_TRY(look(source, m->line, key, m->path, err));
        CN_TRY(look(source, m->line, key, m->imatrix, err));
        CN_TRY(look(source, m->line, key, m->calibrate, err));
    }
    for (size_t i = 0; i < plan->levels[CN_LEVER_DRAFT].n; i++)
        CN_TRY(look(source, plan->levels[CN_LEVER_DRAFT].items[i].line, "draft",
                    plan->levels[CN_LEVER_DRAFT].items[i].draft, err));
    for (size_t i = 0; i < plan->n_quality; i++)
        CN_TRY(look(source, plan->quality[i].line, "quality", plan->quality[i].path, err));
    return CN_OK;
}

void cn_study_plan_free(struct cn_study_plan *plan)
{
    cn_plan_forget(plan);
    *plan = (struct cn_study_plan){ .memory = NULL };
}
