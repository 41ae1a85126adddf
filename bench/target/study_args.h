/* SPDX-License-Identifier: MIT
 *
 * The words of a command line, put together piece by piece.
 */
#ifndef CN_STUDY_ARGS_H
#define CN_STUDY_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: no word yet. */
struct cn_study_args {
    const char *argv[100]; /* [n], a NULL behind them */
    int n;
    char text[8192];
    size_t n_text;
    bool full; /* a word found no room and is not there */
};

/* Appends one word. */
__attribute__((format(printf, 2, 3))) void cn_study_arg(struct cn_study_args *a, const char *format,
                                                        ...);

#endif
