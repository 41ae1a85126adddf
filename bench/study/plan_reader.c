/* SPDX-License-Identifier: MIT */
#include "bench/study/plan_reader.h"

#include "base/error.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything a plan points to. */
struct block {
    struct block *next;
    max_align_t bytes[];
};

void *cn_plan_keep(struct cn_plan_reader *p, size_t n_bytes)
{
    struct block *b = calloc(1, sizeof *b + n_bytes);
    if (!b)
        return NULL;
    b->next = p->plan->memory;
    p->plan->memory = b;
    return b->bytes;
}

char *cn_plan_keep_text(struct cn_plan_reader *p, const char *text)
{
    char *copy = cn_plan_keep(p, strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

__attribute__((format(printf, 2, 3))) enum cn_status cn_plan_wrong(struct cn_plan_reader *p,
                                                                   const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    cn_format_fit(text, sizeof text, format, args);
    va_end(args);
    return cn_fail(p->err, CN_ERR_FORMAT, "%s:%d: %s: %s", p->source->name, p->line, p->words[0],
                   text);
}

enum cn_status cn_plan_no_memory(struct cn_plan_reader *p)
{
    return cn_fail(p->err, CN_ERR_MEMORY, "out of memory");
}

bool cn_plan_grow(struct cn_plan_reader *p, void *items_at, size_t n, size_t item_bytes,
                  enum cn_status *status)
{
    void *items;
    memcpy(&items, items_at, sizeof items);
    if (n == CN_PLAN_LEVELS) {
        *status = cn_plan_wrong(p, "at most %d expected", CN_PLAN_LEVELS);
        return false;
    }
    if (n == 0) {
        items = cn_plan_keep(p, CN_PLAN_LEVELS * item_bytes);
        memcpy(items_at, &items, sizeof items);
    }
    if (!items)
        *status = cn_plan_no_memory(p);
    return items != NULL;
}

void cn_plan_forget(struct cn_study_plan *plan)
{
    for (struct block *b = plan->memory, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    plan->memory = NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

enum cn_status cn_plan_number(struct cn_plan_reader *p, const char *word, double min, double max,
                              double *value)
{
    char *end;
    double v = strtod(word, &end);
    if (end == word || *end || !(v >= min && v <= max))
        return cn_plan_wrong(p, "a number from %g to %g expected, '%s' found", min, max, word);
    *value = v;
    return CN_OK;
}

enum cn_status cn_plan_whole(struct cn_plan_reader *p, const char *word, int min, int max,
                             int *value)
{
    double v = 0;
    CN_TRY(cn_plan_number(p, word, min, max, &v));
    if (v != floor(v))
        return cn_plan_wrong(p, "a whole number expected, '%s' found", word);
    *value = (int)v;
    return CN_OK;
}

enum cn_status cn_plan_yes_no(struct cn_plan_reader *p, const char *yes, const char *no,
                              bool *value)
{
    if (p->n_words != 2 || (strcmp(p->words[1], yes) != 0 && strcmp(p->words[1], no) != 0))
        return cn_plan_wrong(p, "'%s' or '%s' expected", yes, no);
    *value = strcmp(p->words[1], yes) == 0;
    return CN_OK;
}

enum cn_status cn_plan_path(struct cn_plan_reader *p, const char *word, const char **value)
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
            return cn_plan_wrong(p, "the environment variable %s is not set (in '%s')", name, word);
        n += (size_t)snprintf(out + n, sizeof out - n, "%s", v);
        c = close + 1;
    }
    if (n >= sizeof out - 1)
        return cn_plan_wrong(p, "this path is too long");
    out[n] = 0;
    bool relative = out[0] != '/' && p->source->folder[0];
    char *full = cn_plan_keep(p, strlen(p->source->folder) + n + 2);
    if (!full)
        return cn_plan_no_memory(p);
    sprintf(full, "%s%s%s", relative ? p->source->folder : "", relative ? "/" : "", out);
    *value = full;
    return CN_OK;
}

enum cn_status cn_plan_label(struct cn_plan_reader *p, const char *word, const char **value)
{
    for (const char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-+", *c))
            return cn_plan_wrong(p, "letters, digits and . _ - + expected, '%s' found", word);
    if (!*word || *word == '.' || strlen(word) > 64)
        return cn_plan_wrong(p, "a name of 1 to 64 characters expected, '%s' found", word);
    *value = cn_plan_keep_text(p, word);
    return *value ? CN_OK : cn_plan_no_memory(p);
}

enum cn_status cn_plan_add_word(struct cn_plan_reader *p, struct cn_study_words *list,
                                const char *word)
{
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], word) == 0)
            return cn_plan_wrong(p, "'%s' is there twice", word);
    if (cn_plan_grow(p, &list->items, list->n, sizeof *list->items, &status)) {
        list->items[list->n] = cn_plan_keep_text(p, word);
        status = list->items[list->n++] ? CN_OK : cn_plan_no_memory(p);
    }
    return status;
}

/* ---- a line ---------------------------------------------------------------------------------- */

/* The text of a prompt is its line up to the end, less quotes around the whole. */
static enum cn_status take_rest(struct cn_plan_reader *p, const char *from)
{
    if (!(p->rest = cn_plan_keep_text(p, from)))
        return cn_plan_no_memory(p);
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

enum cn_status cn_plan_split(struct cn_plan_reader *p, char *line)
{
    p->n_words = 0;
    p->words[0] = line;
    for (char *c = line;;) {
        c += strspn(c, " \t\r");
        if (!*c || *c == '#')
            return CN_OK;
        if (p->n_words == 2 && strcmp(p->words[0], "prompt") == 0)
            return take_rest(p, c);
        if (p->n_words == CN_PLAN_WORDS)
            return cn_plan_wrong(p, "at most %d words expected", CN_PLAN_WORDS - 1);
        bool quoted = *c == '"';
        char *end = quoted ? strchr(c + 1, '"') : c + strcspn(c, " \t\r");
        if (!end)
            return cn_plan_wrong(p, "a closing quote expected");
        p->words[p->n_words++] = c + quoted;
        if (!*end)
            return CN_OK;
        *end = 0;
        c = end + 1;
    }
}
