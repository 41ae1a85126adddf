/* SPDX-License-Identifier: MIT
 *
 * The limits of a compilation or rendering, and what an error says.
 */
#include "engine/jinja/jinja_value.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    MAX_PARSE_DEPTH = 200,
    MAX_DEPTH = 1500, /* the frames of one level are some hundred bytes */
};

_Noreturn void cn_j_fail(struct cn_jrun *run, enum cn_status status, const char *format, ...)
{
    char text[sizeof run->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++) /* one line, whatever the template says */
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = ' ';
    run->status = cn_fail(run->err, status, "chat template, line %u: %s", run->line, text);
    longjmp(run->escape, 1);
}

void *cn_j_alloc(struct cn_jrun *run, size_t n)
{
    void *p = cn_arena_alloc(run->arena, n);
    if (!p)
        cn_j_fail(run, CN_ERR_MEMORY, "no memory, or more than %zu MiB needed",
                  run->arena->limit >> 20);
    return p;
}

void *cn_j_grow(struct cn_jrun *run, void *p, size_t n_old, size_t n_new)
{
    void *grown = cn_arena_grow(run->arena, p, n_old, n_new);
    if (!grown)
        cn_j_fail(run, CN_ERR_MEMORY, "no memory, or more than %zu MiB needed",
                  run->arena->limit >> 20);
    return grown;
}

void cn_j_work(struct cn_jrun *run, size_t steps, size_t bytes)
{
    size_t work = steps + bytes / 64;
    if ((uint64_t)work > (uint64_t)run->work_left)
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "more than %d steps", CN_J_MAX_WORK);
    run->work_left -= (int64_t)work;
}

void cn_j_enter(struct cn_jrun *run)
{
    int most = run->jinja ? MAX_DEPTH : MAX_PARSE_DEPTH;
    if (++run->depth > most)
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "nested more than %d deep", most);
}

void cn_j_leave(struct cn_jrun *run)
{
    run->depth--;
}
