/* SPDX-License-Identifier: MIT
 *
 * Files of tasks.
 */
#include "bench/quality/scoring.h"

#include "base/error.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 256, HELLASWAG_ENDINGS = 4 };

struct reader {
    const char *at, *end, *name;
    size_t line; /* number of the last line taken */
    struct cn_score_tasks *to;
    size_t room, n_choices, choices_room, n_strings;
    struct cn_error *err;
};

const char *cn_score_kind_name(enum cn_score_kind kind)
{
    static const char *const names[CN_N_SCORE_KINDS] = {
        [CN_SCORE_HELLASWAG] = "hellaswag",
        [CN_SCORE_CHOICE] = "choice",
        [CN_SCORE_GENERATE] = "generate",
    };
    return (unsigned)kind < CN_N_SCORE_KINDS ? names[kind] : NULL;
}

/* The next line without its end; false at the end of the text. */
static bool take_line(struct reader *r, struct cn_score_text *line)
{
    if (r->at == r->end)
        return false;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *stop = newline ? newline : r->end;
    *line = (struct cn_score_text){ r->at, (size_t)(stop - r->at) };
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    r->at = newline ? newline + 1 : r->end;
    r->line++;
    return true;
}

static bool is_blank(struct cn_score_text s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t')
            return false;
    return true;
}

/* Strings are never longer than their lines, so they fit a block of the text's size. */
static struct cn_score_text keep(struct reader *r, const char *p, size_t n)
{
    char *copy = r->to->strings + r->n_strings;
    memcpy(copy, p, n);
    r->n_strings += n;
    return (struct cn_score_text){ copy, n };
}

static bool grow(void **array, size_t n, size_t *room, size_t elem_bytes)
{
    if (n < *room)
        return true;
    size_t more = *room ? 2 * *room : 64;
    void *p = realloc(*array, more * elem_bytes);
    if (!p)
        return false;
    *array = p;
    *room = more;
    return true;
}

static enum cn_status add_choice(struct reader *r, const char *p, size_t n)
{
    void *array = r->to->choices;
    bool ok = grow(&array, r->n_choices, &r->choices_room, sizeof *r->to->choices);
    r->to->choices = array;
    CN_RETURN_IF(!ok, CN_ERR_MEMORY, r->err, "%s: out of memory", r->name);
    r->to->choices[r->n_choices++] = keep(r, p, n);
    return CN_OK;
}

static enum cn_status add_task(struct reader *r, struct cn_score_task task)
{
    void *array = r->to->tasks;
    bool ok = grow(&array, r->to->n, &r->room, sizeof *r->to->tasks);
    r->to->tasks = array;
    CN_RETURN_IF(!ok, CN_ERR_MEMORY, r->err, "%s: out of memory", r->name);
    r->to->tasks[r->to->n++] = task;
    return CN_OK;
}

/* ---- HellaSwag ------------------------------------------------------------------------------- */

static enum cn_status read_hellaswag(struct reader *r, struct cn_score_text context)
{
    struct cn_score_task task = { .line = r->line, .n_choices = HELLASWAG_ENDINGS };
    struct cn_score_text line = { "", 0 };
    task.prompt = keep(r, context.p, context.n);
    bool there = take_line(r, &line);
    CN_RETURN_IF(!there || line.n != 1 || line.p[0] < '0' || line.p[0] >= '0' + HELLASWAG_ENDINGS,
                 CN_ERR_FORMAT, r->err,
                 "%s: line %zu: the number of the right ending, 0 to 3, expected%s", r->name,
                 there ? r->line : r->line + 1, there ? "" : "; the file ends there");
    task.right = line.p[0] - '0';
    for (int i = 0; i < HELLASWAG_ENDINGS; i++) {
        CN_RETURN_IF(!take_line(r, &line), CN_ERR_FORMAT, r->err,
                     "%s: line %zu: an ending expected; the file ends there", r->name, r->line + 1);
        CN_RETURN_IF(is_blank(line), CN_ERR_FORMAT, r->err,
                     "%s: line %zu: an ending expected, a blank line found", r->name, r->line);
        CN_TRY(add_choice(r, line.p, line.n));
    }
    return add_task(r, task);
}

/* ---- JSONL ----------------------------------------------------------------------------------- */

static enum cn_status need(const struct reader *r, const struct cn_json_value *object,
                           const char *key, enum cn_json_type type,
                           const struct cn_json_value **value)
{
    const struct cn_json_value *v = cn_json_get(object, key);
    CN_RETURN_IF(!v, CN_ERR_FORMAT, r->err, "%s: line %zu: no \"%s\"", r->name, r->line, key);
    CN_RETURN_IF(v->type != type, CN_ERR_FORMAT, r->err,
                 "%s: line %zu: \"%s\": %s expected, %s found", r->name, r->line, key,
                 cn_json_type_name(type), cn_json_type_name(v->type));
    *value = v;
    return CN_OK;
}

static enum cn_status read_choice(struct reader *r, const struct cn_json_value *object)
{
    const struct cn_json_value *question = NULL, *choices = NULL, *answer = NULL;
    CN_TRY(need(r, object, "question", CN_JSON_STRING, &question));
    CN_TRY(need(r, object, "choices", CN_JSON_ARRAY, &choices));
    CN_TRY(need(r, object, "answer", CN_JSON_NUMBER, &answer));
    CN_RETURN_IF(choices->n_children < 2 || choices->n_children > MAX_CHOICES, CN_ERR_FORMAT,
                 r->err, "%s: line %zu: 2 to %d choices expected, %zu found", r->name, r->line,
                 MAX_CHOICES, choices->n_children);
    double index = answer->number;
    CN_RETURN_IF(!(index >= 0 && index < (double)choices->n_children) || index != floor(index),
                 CN_ERR_FORMAT, r->err,
                 "%s: line %zu: \"answer\": index 0 to %zu of a choice expected, %g found", r->name,
                 r->line, choices->n_children - 1, index);
    struct cn_score_task task = { .line = r->line,
                                  .n_choices = (int32_t)choices->n_children,
                                  .right = (int32_t)index };
    task.prompt = keep(r, question->string, question->n_string);
    for (const struct cn_json_value *c = choices->first; c; c = c->next) {
        CN_RETURN_IF(c->type != CN_JSON_STRING || c->n_string == 0, CN_ERR_FORMAT, r->err,
                     "%s: line %zu: \"choices\": strings that are not empty expected, %s found",
                     r->name, r->line,
                     c->type == CN_JSON_STRING ? "an empty one" : cn_json_type_name(c->type));
        CN_TRY(add_choice(r, c->string, c->n_string));
    }
    return add_task(r, task);
}

static enum cn_status read_generate(struct reader *r, const struct cn_json_value *object)
{
    const struct cn_json_value *prompt = NULL, *answer = NULL;
    CN_TRY(need(r, object, "prompt", CN_JSON_STRING, &prompt));
    CN_TRY(need(r, object, "answer", CN_JSON_STRING, &answer));
    struct cn_score_task task = { .line = r->line };
    task.prompt = keep(r, prompt->string, prompt->n_string);
    task.answer = keep(r, answer->string, answer->n_string);
    return add_task(r, task);
}

static enum cn_status read_json(struct reader *r, struct cn_score_text line)
{
    struct cn_json *json = NULL;
    char where[512];
    snprintf(where, sizeof where, "%.480s: line %zu", r->name, r->line);
    CN_TRY(cn_json_parse(line.p, line.n, where, &json, r->err));
    enum cn_status status = r->to->kind == CN_SCORE_CHOICE ? read_choice(r, cn_json_root(json))
                                                           : read_generate(r, cn_json_root(json));
    cn_json_free(json);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------- */

static enum cn_status read_all(struct reader *r, size_t max_tasks)
{
    struct cn_score_text line;
    while ((max_tasks == 0 || r->to->n < max_tasks) && take_line(r, &line)) {
        if (is_blank(line))
            continue;
        CN_TRY(r->to->kind == CN_SCORE_HELLASWAG ? read_hellaswag(r, line) : read_json(r, line));
    }
    CN_RETURN_IF(r->to->n == 0, CN_ERR_FORMAT, r->err, "%s: no tasks in this file", r->name);
    /* The array of choices has moved while it grew. */
    size_t first = 0;
    for (size_t i = 0; i < r->to->n; i++) {
        struct cn_score_task *t = &r->to->tasks[i];
        t->choices = t->n_choices ? r->to->choices + first : NULL;
        first += (size_t)t->n_choices;
    }
    return CN_OK;
}

enum cn_status cn_score_parse(enum cn_score_kind kind, const char *text, size_t n_bytes,
                              const char *name, size_t max_tasks, struct cn_score_tasks *tasks,
                              struct cn_error *err)
{
    /* The texts have no ends of their own; the last one's is for what looks beyond it. */
    struct cn_score_tasks to = { .kind = kind, .strings = calloc(n_bytes + 1, 1) };
    struct reader r = { .at = text, .end = text + n_bytes, .name = name, .to = &to, .err = err };
    CN_RETURN_IF(!to.strings, CN_ERR_MEMORY, err, "%s: out of memory", name);
    enum cn_status status = read_all(&r, max_tasks);
    if (status == CN_OK)
        *tasks = to;
    else
        cn_score_tasks_free(&to);
    return status;
}

void cn_score_tasks_free(struct cn_score_tasks *tasks)
{
    free(tasks->tasks);
    free(tasks->choices);
    free(tasks->strings);
    *tasks = (struct cn_score_tasks){ .kind = tasks->kind };
}
