/* SPDX-License-Identifier: MIT
 *
 * What carnot kernels and carnot bench share where they hold this program against another one.
 */
#ifndef CN_CLI_AGAINST_H
#define CN_CLI_AGAINST_H

#include "base/table.h"
#include "bench/against/duel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cn_against {
    const char *metric; /* what the figures are, "weights_per_s" */
    double scale;       /* of the figures in a table for people, and what they are then: */
    const char *title;  /* "Gweights/s" */
    double margin;      /* percent */
    double seconds;     /* 0: CN_AGAINST_SECONDS */
    uint64_t seed;
    bool samples; /* a row for each round of each rival instead of the verdicts */
    const char *save;
    enum cn_table_format format;
};

#define CN_AGAINST_SECONDS 60.0
#define CN_AGAINST_MARGIN  5.0
/* By turns of milliseconds it takes as long. */
#define CN_AGAINST_KERNELS_MARGIN 3.0

/* Options of a duel as `a` says, with progress and Ctrl-C; the caller adds rivals and keys. */
struct cn_duel_options cn_against_options(const struct cn_against *a);

/* This program's path for argv[0] of a rival, into path[n]. */
const char *cn_against_self(char *path, size_t n);

/* What `program` says to --version: "carnot 0.1.0 8aa608b", into text[n]; "" if nothing. */
void cn_against_version(const char *program, char *text, size_t n);

/* Prints what n duels came to, saves it, and for people says it in sentences. Returns
 * CN_EXIT_SLOWER if a row of the first rival is slower beyond the margin. */
int cn_against_print(const struct cn_against *a, const struct cn_duel *duels, size_t n);

/* Fills reading->keys[i] from the columns names[n], and the figure from `metric`. CN_ERR_FORMAT if
 * the table lacks one of them. */
enum cn_status cn_against_read(const struct cn_dataset *table, size_t row, const char *const *names,
                               size_t n, const char *metric, struct cn_duel_reading *reading,
                               struct cn_error *err);

#endif
