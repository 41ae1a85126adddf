/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: sentences put together from pieces.
 */
#ifndef CN_REPORT_TEXT_H
#define CN_REPORT_TEXT_H

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct cn_say {
    char s[1600]; /* what does not fit is cut off */
};

/* Appends. */
__attribute__((format(printf, 2, 3))) static inline void cn_say(struct cn_say *t,
                                                                const char *format, ...)
{
    size_t n = strlen(t->s);
    va_list args;
    va_start(args, format);
    vsnprintf(t->s + n, sizeof t->s - n, format, args);
    va_end(args);
}

/* The first letter of a sentence. */
static inline void cn_capital(struct cn_say *t)
{
    t->s[0] = (char)toupper((unsigned char)t->s[0]);
}

/* "p = 0.012", "p < 0.001". */
static inline void cn_say_p(struct cn_say *t, const char *name, double p)
{
    if (p < 0.001)
        cn_say(t, "%s < 0.001", name);
    else
        cn_say(t, "%s = %.2g", name, p);
}

#endif
