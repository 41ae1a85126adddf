/* SPDX-License-Identifier: MIT */
#include "bench/study/study_plan.h"

#include "base/error.h"
#include "base/plain_text.h"
#include "engine/tools.h"
#include "profiler/profiler.h"
#include "quant/quant.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_TEXT_BYTES = 1 << 20,
    MAX_PROMPT_BYTES = 16 << 20,
    MAX_WORDS = 256,
    MAX_LEVELS = 64, /* of a factor */
    MAX_TOKENS = 1 << 24,
    MAX_SECONDS = 7 * 86400,
};

/* Everything a plan points to. */
struct block {
    struct block *next;
    max_align_t bytes[];
};

struct parser {
    const struct cn_study_plan_source *source;
    struct cn_study_plan *plan;
    struct cn_error *err;
    int line;
    char *words[MAX_WORDS]; /* of the line; [0] is the key */
    int n_words;
    char *rest; /* the text of a prompt */
    uint32_t seen;
};

static void *keep(struct parser *p, size_t n_bytes)
{
    struct block *b = calloc(1, sizeof *b + n_bytes);
    if (!b)
        return NULL;
    b->next = p->plan->memory;
    p->plan->memory = b;
    return b->bytes;
}

static char *keep_text(struct parser *p, const char *text)
{
    char *copy = keep(p, strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

__attribute__((format(printf, 2, 3))) static enum cn_status wrong(struct parser *p,
                                                                  const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cn_fail(p->err, CN_ERR_FORMAT, "%s:%d: %s: %s", p->source->name, p->line, p->words[0],
                   text);
}

static enum cn_status no_memory(struct parser *p)
{
    return cn_fail(p->err, CN_ERR_MEMORY, "out of memory");
}

/* Makes room for one more in items[n]; false after a message. Blocks of outgrown arrays stay until
 * the plan goes. */
static bool grow(struct parser *p, void *items_at, size_t n, size_t item_bytes,
                 enum cn_status *status)
{
    void *items;
    memcpy(&items, items_at, sizeof items);
    if (n == MAX_LEVELS) {
        *status = wrong(p, "at most %d expected", MAX_LEVELS);
        return false;
    }
    if (n == 0) {
        items = keep(p, MAX_LEVELS * item_bytes);
        memcpy(items_at, &items, sizeof items);
    }
    if (!items)
        *status = no_memory(p);
    return items != NULL;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static enum cn_status number(struct parser *p, const char *word, double min, double max,
                             double *value)
{
    char *end;
    double v = strtod(word, &end);
    if (end == word || *end || !(v >= min && v <= max))
        return wrong(p, "a number from %g to %g expected, '%s' found", min, max, word);
    *value = v;
    return CN_OK;
}

static enum cn_status whole(struct parser *p, const char *word, int min, int max, int *value)
{
    double v = 0;
    CN_TRY(number(p, word, min, max, &v));
    if (v != floor(v))
        return wrong(p, "a whole number expected, '%s' found", word);
    *value = (int)v;
    return CN_OK;
}

static enum cn_status yes_no(struct parser *p, const char *yes, const char *no, bool *value)
{
    if (p->n_words != 2 || (strcmp(p->words[1], yes) != 0 && strcmp(p->words[1], no) != 0))
        return wrong(p, "'%s' or '%s' expected", yes, no);
    *value = strcmp(p->words[1], yes) == 0;
    return CN_OK;
}

/* Puts values of environment variables in place of ${NAME}, and the plan's folder in front. */
static enum cn_status path(struct parser *p, const char *word, const char **value)
{
    char out[4096];
    size_t n = 0;
    if (strcmp(word, "default") == 0) {
        *value = p->source->default_model;
        return CN_OK;
    }
    for (const char *c = word; *c && n < sizeof out - 1;) {
        const char *close = strncmp(c, "${", 2) == 0 ? strchr(c, '}') : NULL;
        if (!close) {
            out[n++] = *c++;
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(close - c - 2), c + 2);
        const char *v = getenv(name);
        if (!v)
            return wrong(p, "the environment variable %s is not set (in '%s')", name, word);
        n += (size_t)snprintf(out + n, sizeof out - n, "%s", v);
        c = close + 1;
    }
    if (n >= sizeof out - 1)
        return wrong(p, "this path is too long");
    out[n] = 0;
    bool relative = out[0] != '/' && p->source->folder[0];
    char *full = keep(p, strlen(p->source->folder) + n + 2);
    if (!full)
        return no_memory(p);
    sprintf(full, "%s%s%s", relative ? p->source->folder : "", relative ? "/" : "", out);
    *value = full;
    return CN_OK;
}

/* Labels become parts of file names. */
static enum cn_status label(struct parser *p, const char *word, const char **value)
{
    for (const char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-+", *c))
            return wrong(p, "letters, digits and . _ - + expected, '%s' found", word);
    if (!*word || *word == '.' || strlen(word) > 64)
        return wrong(p, "a name of 1 to 64 characters expected, '%s' found", word);
    *value = keep_text(p, word);
    return *value ? CN_OK : no_memory(p);
}

static enum cn_status add_word(struct parser *p, struct cn_study_words *list, const char *word)
{
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], word) == 0)
            return wrong(p, "'%s' is there twice", word);
    if (grow(p, &list->items, list->n, sizeof *list->items, &status)) {
        list->items[list->n] = keep_text(p, word);
        status = list->items[list->n++] ? CN_OK : no_memory(p);
    }
    return status;
}

/* ---- lines ------------------------------------------------------------------------------------
 */

static enum cn_status line_name(struct parser *p)
{
    return label(p, p->words[1], &p->plan->name);
}

static enum cn_status line_seed(struct parser *p)
{
    double v = 0;
    CN_TRY(number(p, p->words[1], 0, 9007199254740992.0, &v));
    p->plan->seed = (uint64_t)v;
    return CN_OK;
}

static enum cn_status line_repetitions(struct parser *p)
{
    return whole(p, p->words[1], 1, 10000, &p->plan->repetitions);
}

static enum cn_status line_warmup(struct parser *p)
{
    return whole(p, p->words[1], 0, 100, &p->plan->warmup);
}

static enum cn_status line_context(struct parser *p)
{
    return whole(p, p->words[1], 1, MAX_TOKENS, &p->plan->context);
}

static enum cn_status add_model(struct parser *p, const char *name, const char *quant,
                                const char *file, const char *imatrix, const char *calibrate)
{
    struct cn_study_plan *plan = p->plan;
    struct cn_study_model m = { .line = p->line };
    enum cn_status status = CN_OK;
    CN_TRY(label(p, name, &m.label));
    if (quant)
        CN_TRY(label(p, quant, &m.quant));
    CN_TRY(path(p, file, &m.path));
    if (imatrix)
        CN_TRY(path(p, imatrix, &m.imatrix));
    if (calibrate && strcmp(calibrate, "own") == 0)
        m.calibrate = "";
    else if (calibrate)
        CN_TRY(path(p, calibrate, &m.calibrate));
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct cn_study_model *o = &plan->models[i];
        if (strcmp(o->label, name) == 0 && (!o->quant || !quant || strcmp(o->quant, quant) == 0))
            return wrong(p, "'%s%s%s' is there twice", name, quant ? " " : "", quant ? quant : "");
    }
    if (grow(p, &plan->models, plan->n_models, sizeof m, &status))
        plan->models[plan->n_models++] = m;
    return status;
}

static enum cn_status line_model(struct parser *p)
{
    bool more = p->n_words == 5, imatrix = more && strcmp(p->words[3], "imatrix") == 0;
    bool calibrate = more && strcmp(p->words[3], "calibrate") == 0;
    if (p->n_words != 3 && !imatrix && !calibrate)
        return wrong(p, "LABEL FILE [imatrix FILE | calibrate TEXT | calibrate own] expected");
    return add_model(p, p->words[1], NULL, p->words[2], imatrix ? p->words[4] : NULL,
                     calibrate ? p->words[4] : NULL);
}

static enum cn_status line_file(struct parser *p)
{
    return add_model(p, p->words[1], p->words[2], p->words[3], NULL, NULL);
}

static enum cn_status line_quant(struct parser *p)
{
    for (int i = 1; i < p->n_words; i++) {
        const char *checked;
        CN_TRY(label(p, p->words[i], &checked));
        if (!cn_file_type_by_name(checked))
            return wrong(p, "a file type like Q4_K_M or IQ4_XS expected, '%s' found", checked);
        CN_TRY(add_word(p, &p->plan->quants, checked));
    }
    return CN_OK;
}

/* A single tier stands for all up to it: what a machine of that kind would use. */
static enum cn_status line_tiers(struct parser *p)
{
    static const char *const up_to[CN_N_TIERS] = {
        [CN_TIER_REF] = "ref",
        [CN_TIER_AVX2] = "ref,avx2",
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
            return wrong(p, "'all' or tiers like avx2 expected, '%.*s' found", (int)bad_len, bad);
        for (int t = 0; t < CN_N_TIERS; t++)
            if (strcmp(list, cn_tier_name((enum cn_tier)t)) == 0)
                list = up_to[t];
        CN_TRY(add_word(p, &p->plan->tiers, list));
    }
    return CN_OK;
}

static enum cn_status line_threads(struct parser *p)
{
    struct cn_study_plan *plan = p->plan;
    for (int i = 1; i < p->n_words; i++) {
        struct cn_study_threads t = { 0, 0 };
        char *slash = strchr(p->words[i], '/');
        enum cn_status status = CN_OK;
        if (slash) {
            *slash = 0;
            CN_TRY(whole(p, slash + 1, 1, 1024, &t.prefill));
        }
        if (strcmp(p->words[i], "all") != 0)
            CN_TRY(whole(p, p->words[i], 1, 1024, &t.decode));
        for (size_t k = 0; k < plan->n_threads; k++)
            if (plan->threads[k].decode == t.decode && plan->threads[k].prefill == t.prefill)
                return wrong(p, "'%s' is there twice", p->words[i]);
        if (!grow(p, &plan->threads, plan->n_threads, sizeof t, &status))
            return status;
        plan->threads[plan->n_threads++] = t;
    }
    return CN_OK;
}

static enum cn_status line_kv(struct parser *p)
{
    for (int i = 1; i < p->n_words; i++) {
        const char *w = p->words[i];
        if (strcmp(w, "f32") != 0 && strcmp(w, "f16") != 0 && strcmp(w, "q8_0") != 0)
            return wrong(p, "f32, f16 or q8_0 expected, '%s' found", w);
        CN_TRY(add_word(p, &p->plan->kvs, w));
    }
    return CN_OK;
}

static enum cn_status read_prompt(struct parser *p, const char *file, const char **text)
{
    const char *full;
    CN_TRY(path(p, file, &full));
    FILE *f = fopen(full, "rb");
    if (!f)
        return wrong(p, "%s: %s", full, strerror(errno));
    char *bytes = keep(p, MAX_PROMPT_BYTES + 1);
    size_t n = bytes ? fread(bytes, 1, MAX_PROMPT_BYTES + 1, f) : 0;
    bool failed = ferror(f);
    int why = errno;
    fclose(f);
    if (!bytes)
        return no_memory(p);
    if (failed)
        return wrong(p, "%s: %s", full, strerror(why));
    if (n > MAX_PROMPT_BYTES || memchr(bytes, 0, n))
        return wrong(p, "%s: a text of at most %d MiB expected", full, MAX_PROMPT_BYTES >> 20);
    cn_plain_text(bytes, n);
    *text = bytes;
    return CN_OK;
}

static enum cn_status add_prompt(struct parser *p, struct cn_study_prompt *prompt)
{
    struct cn_study_plan *plan = p->plan;
    enum cn_status status = CN_OK;
    CN_TRY(label(p, p->words[1], &prompt->name));
    for (size_t i = 0; i < plan->n_prompts; i++)
        if (strcmp(plan->prompts[i].name, prompt->name) == 0)
            return wrong(p, "'%s' is there twice", prompt->name);
    if (grow(p, &plan->prompts, plan->n_prompts, sizeof *prompt, &status))
        plan->prompts[plan->n_prompts++] = *prompt;
    return status;
}

static enum cn_status line_prompt(struct parser *p)
{
    struct cn_study_prompt prompt = { .name = NULL };
    prompt.text = p->rest;
    if (p->rest[0] == '@')
        CN_TRY(read_prompt(p, p->rest + 1, &prompt.text));
    return add_prompt(p, &prompt);
}

static enum cn_status line_ids(struct parser *p)
{
    char text[16 * MAX_WORDS] = "";
    struct cn_study_prompt prompt = { .name = NULL };
    for (int i = 2; i < p->n_words; i++) {
        int id;
        CN_TRY(whole(p, p->words[i], 0, INT32_MAX - 1, &id));
        sprintf(text + strlen(text), i > 2 ? " %d" : "%d", id);
    }
    if (!(prompt.ids = keep_text(p, text)))
        return no_memory(p);
    return add_prompt(p, &prompt);
}

static enum cn_status lengths(struct parser *p, int **values, size_t *n, int min)
{
    for (int i = 1; i < p->n_words; i++) {
        enum cn_status status = CN_OK;
        int v = 0;
        if (min > 0 || strcmp(p->words[i], "all") != 0)
            CN_TRY(whole(p, p->words[i], 1, MAX_TOKENS, &v));
        for (size_t k = 0; k < *n; k++)
            if ((*values)[k] == v)
                return wrong(p, "'%s' is there twice", p->words[i]);
        if (!grow(p, values, *n, sizeof **values, &status))
            return status;
        (*values)[(*n)++] = v;
    }
    return CN_OK;
}

static enum cn_status line_input(struct parser *p)
{
    return lengths(p, &p->plan->inputs, &p->plan->n_inputs, 0);
}

static enum cn_status line_output(struct parser *p)
{
    return lengths(p, &p->plan->outputs, &p->plan->n_outputs, 1);
}

static enum cn_status line_chat(struct parser *p)
{
    return yes_no(p, "yes", "no", &p->plan->chat);
}

static enum cn_status line_traces(struct parser *p)
{
    return yes_no(p, "keep", "drop", &p->plan->keep_traces);
}

static enum cn_status line_meter(struct parser *p)
{
    struct cn_profiler_error err;
    if (cn_meters_check(p->words[1], &err) != 0)
        return wrong(p, "%s", err.text);
    p->plan->meter = keep_text(p, p->words[1]);
    return p->plan->meter ? CN_OK : no_memory(p);
}

static enum cn_status line_idle(struct parser *p)
{
    return number(p, p->words[1], 0, 3600, &p->plan->idle_s);
}

static enum cn_status line_timeout(struct parser *p)
{
    return number(p, p->words[1], 1, MAX_SECONDS, &p->plan->timeout_s);
}

static enum cn_status line_limits(struct parser *p)
{
    p->plan->limits_s = 0;
    return strcmp(p->words[1], "none") == 0 ? CN_OK
                                            : number(p, p->words[1], 0.01, 60, &p->plan->limits_s);
}

static enum cn_status line_cooldown(struct parser *p)
{
    struct cn_study_plan *plan = p->plan;
    const char *kind = p->words[1];
    if (p->n_words == 2 && strcmp(kind, "none") == 0) {
        plan->cooldown = CN_COOLDOWN_NONE;
        return CN_OK;
    }
    if (p->n_words == 3 && strcmp(kind, "time") == 0) {
        plan->cooldown = CN_COOLDOWN_TIME;
        return number(p, p->words[2], 0, MAX_SECONDS, &plan->cooldown_s);
    }
    bool below = strcmp(kind, "below") == 0;
    if (p->n_words == 5 && (below || strcmp(kind, "rise") == 0) &&
        strcmp(p->words[3], "limit") == 0) {
        plan->cooldown = below ? CN_COOLDOWN_BELOW : CN_COOLDOWN_RISE;
        CN_TRY(number(p, p->words[2], 0, 120, &plan->cooldown_celsius));
        return number(p, p->words[4], 1, MAX_SECONDS, &plan->cooldown_s);
    }
    return wrong(p, "none, time S, below CELSIUS limit S, or rise CELSIUS limit S expected");
}

static enum cn_status line_checks(struct parser *p)
{
    static const char *const names[] = { "warn", "refuse", "off" };
    for (int i = 0; i < 3; i++)
        if (strcmp(p->words[1], names[i]) == 0) {
            p->plan->checks = (enum cn_study_checks)i;
            return CN_OK;
        }
    return wrong(p, "warn, refuse or off expected, '%s' found", p->words[1]);
}

static bool is_quality_option(const char *word)
{
    return !strcmp(word, "chunks") || !strcmp(word, "tasks") || !strcmp(word, "ctx");
}

static enum cn_status line_quality(struct parser *p)
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
        CN_TRY(path(p, p->words[at++], &q.path));
    else if (strcmp(p->words[1], "divergence") == 0) {
        q.measure = "divergence";
        if (p->n_words > 2 && !is_quality_option(p->words[2]))
            CN_TRY(path(p, p->words[at++], &q.path));
    } else
        return wrong(p, "perplexity, hellaswag, choice or generate with a file, or divergence "
                        "expected");
    for (; at + 1 < p->n_words; at += 2) {
        const char *what = p->words[at];
        if (!is_quality_option(what))
            break;
        if (!strcmp(what, "ctx"))
            CN_TRY(whole(p, p->words[at + 1], 8, 1 << 20, &q.ctx));
        else
            CN_TRY(whole(p, p->words[at + 1], 1, 1 << 20, &q.count));
    }
    if (at < p->n_words)
        return wrong(p, "chunks N, tasks N or ctx N expected, '%s' found", p->words[at]);
    for (size_t i = 0; i < plan->n_quality; i++)
        if (!strcmp(plan->quality[i].measure, q.measure) && !strcmp(plan->quality[i].path, q.path))
            return wrong(p, "this measure is there twice");
    if (grow(p, &plan->quality, plan->n_quality, sizeof q, &status))
        plan->quality[plan->n_quality++] = q;
    return status;
}

/* clang-format off */
static const struct line {
    const char *key;
    enum cn_status (*read)(struct parser *p);
    int min_words, max_words; /* behind the key */
    bool again;               /* may be there several times */
} lines[] = {
    { "name",        line_name,        1, 1,         false },
    { "seed",        line_seed,        1, 1,         false },
    { "repetitions", line_repetitions, 1, 1,         false },
    { "warmup",      line_warmup,      1, 1,         false },
    { "model",       line_model,       2, 4,         true  },
    { "file",        line_file,        3, 3,         true  },
    { "quant",       line_quant,       1, MAX_WORDS, true  },
    { "tiers",       line_tiers,       1, MAX_WORDS, true  },
    { "threads",     line_threads,     1, MAX_WORDS, true  },
    { "kv",          line_kv,          1, MAX_WORDS, true  },
    { "prompt",      line_prompt,      2, MAX_WORDS, true  },
    { "ids",         line_ids,         2, MAX_WORDS, true  },
    { "input",       line_input,       1, MAX_WORDS, true  },
    { "output",      line_output,      1, MAX_WORDS, true  },
    { "context",     line_context,     1, 1,         false },
    { "chat",        line_chat,        1, 1,         false },
    { "meter",       line_meter,       1, 1,         false },
    { "idle",        line_idle,        1, 1,         false },
    { "cooldown",    line_cooldown,    1, 4,         false },
    { "timeout",     line_timeout,     1, 1,         false },
    { "checks",      line_checks,      1, 1,         false },
    { "limits",      line_limits,      1, 1,         false },
    { "traces",      line_traces,      1, 1,         false },
    { "quality",     line_quality,     1, 6,         true  },
};
/* clang-format on */

enum { N_LINES = sizeof lines / sizeof *lines };

/* The text of a prompt is its line up to the end, less quotes around the whole. */
static enum cn_status take_rest(struct parser *p, const char *from)
{
    if (!(p->rest = keep_text(p, from)))
        return no_memory(p);
    size_t n = strlen(p->rest);
    while (n && strchr(" \t\r", p->rest[n - 1]))
        p->rest[--n] = 0;
    if (p->rest[0] == '"' && n > 1 && p->rest[n - 1] == '"') {
        p->rest[n - 1] = 0;
        p->rest++;
    }
    p->words[p->n_words++] = p->rest;
    return CN_OK;
}

/* Splits a line at blanks into p->words; quotes keep them together. */
static enum cn_status split(struct parser *p, char *line)
{
    p->n_words = 0;
    p->words[0] = line;
    for (char *c = line;;) {
        c += strspn(c, " \t\r");
        if (!*c || *c == '#')
            return CN_OK;
        if (p->n_words == 2 && strcmp(p->words[0], "prompt") == 0)
            return take_rest(p, c);
        if (p->n_words == MAX_WORDS)
            return wrong(p, "at most %d words expected", MAX_WORDS - 1);
        bool quoted = *c == '"';
        char *end = quoted ? strchr(c + 1, '"') : c + strcspn(c, " \t\r");
        if (!end)
            return wrong(p, "a closing quote expected");
        p->words[p->n_words++] = c + quoted;
        if (!*end)
            return CN_OK;
        *end = 0;
        c = end + 1;
    }
}

static enum cn_status read_line(struct parser *p, char *text)
{
    CN_TRY(split(p, text));
    if (p->n_words == 0)
        return CN_OK;
    for (int i = 0; i < N_LINES; i++) {
        const struct line *l = &lines[i];
        if (strcmp(l->key, p->words[0]) != 0)
            continue;
        int n = p->n_words - 1;
        if (n < l->min_words || n > l->max_words)
            return wrong(p, n < l->min_words ? "too little on this line" : "too much on this line");
        if (!l->again && p->seen >> i & 1)
            return wrong(p, "there is such a line already");
        p->seen |= 1u << i;
        return l->read(p);
    }
    return cn_fail(p->err, CN_ERR_FORMAT,
                   "%s:%d: unknown key '%.64s' (docs/STUDY.md lists what a plan can say)",
                   p->source->name, p->line, p->words[0]);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

/* What is not said. */
static enum cn_status complete(struct parser *p)
{
    struct cn_study_plan *plan = p->plan;
    const char *name = p->source->name;
    enum cn_status status = CN_OK;
    bool to_quantise = false;
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
    p->words[0] = (char[]){ "plan" };
    if (!plan->name)
        plan->name = "study";
    if (!plan->tiers.n)
        status = add_word(p, &plan->tiers, "");
    if (status == CN_OK && !plan->kvs.n)
        status = add_word(p, &plan->kvs, "f16");
    if (status == CN_OK && !plan->n_threads &&
        grow(p, &plan->threads, 0, sizeof *plan->threads, &status))
        plan->n_threads = 1;
    if (status == CN_OK && !plan->n_inputs && grow(p, &plan->inputs, 0, sizeof(int), &status))
        plan->n_inputs = 1;
    if (status == CN_OK && !plan->n_outputs && grow(p, &plan->outputs, 0, sizeof(int), &status))
        plan->outputs[plan->n_outputs++] = 100;
    return status;
}

enum cn_status cn_study_plan_parse(const struct cn_study_plan_source *source,
                                   struct cn_study_plan *out, struct cn_error *err)
{
    struct cn_study_plan plan = {
        .seed = 1, .repetitions = 10, .warmup = 1, .idle_s = 1, .limits_s = 0.3, .timeout_s = 3600
    };
    struct parser p = { .source = source, .plan = &plan, .err = err };
    CN_RETURN_IF(source->n_bytes > MAX_TEXT_BYTES, CN_ERR_FORMAT, err,
                 "%s: at most %d MiB expected", source->name, MAX_TEXT_BYTES >> 20);
    CN_RETURN_IF(memchr(source->text, 0, source->n_bytes), CN_ERR_FORMAT, err,
                 "%s: a text expected, a byte 0 found", source->name);
    char *text = keep(&p, source->n_bytes + 1);
    enum cn_status status = text ? CN_OK : no_memory(&p);
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
    for (size_t i = 0; i < plan->n_quality; i++)
        CN_TRY(look(source, plan->quality[i].line, "quality", plan->quality[i].path, err));
    return CN_OK;
}

void cn_study_plan_free(struct cn_study_plan *plan)
{
    for (struct block *b = plan->memory, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *plan = (struct cn_study_plan){ .memory = NULL };
}
