/* SPDX-License-Identifier: MIT */
#include "bench/target/study_args.h"

#include <stdarg.h>
#include <stdio.h>

void cn_study_arg(struct cn_study_args *a, const char *format, ...)
{
    enum { MAX = sizeof a->argv / sizeof *a->argv - 1 };
    size_t room = sizeof a->text - a->n_text;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(a->text + a->n_text, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room || a->n == MAX) {
        a->full = true;
        return;
    }
    a->argv[a->n++] = a->text + a->n_text;
    a->argv[a->n] = NULL;
    a->n_text += (size_t)n + 1;
}
