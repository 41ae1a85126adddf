/* SPDX-License-Identifier: MIT
 *
 * Programs held against each other: in each round every rival runs once, in random order, as a
 * process of its own, and prints a table. A figure of a row of this round by
 * the same row's of another rival in the same round is one ratio; rounds go on until the intervals
 * of all ratios have a verdict (bench/stats/sequential.h), or the time is up.
 *
 * A process for each turn, because the pages that memory comes in differ from one process to the
 * next, and with them the speed: within a process such a difference would be taken for the
 * program's.
 */
#ifndef CN_DUEL_H
#define CN_DUEL_H

#include "bench/against/rival_child.h"
#include "bench/stats/dataset.h"
#include "bench/stats/sequential.h"
#include "engine/carnot.h"

enum { CN_DUEL_KEYS = 10, CN_DUEL_RIVALS = 8 };

/* A row of a rival's table. */
struct cn_duel_reading {
    char keys[CN_DUEL_KEYS][96]; /* what the row is of, in the order of the options' keys */
    double figure;               /* more is better; NaN or not above 0: there is none */
};

/* False: the row does not take part. An error where the table is not what was asked for. */
typedef enum cn_status cn_duel_reader(const void *context, const struct cn_dataset *table,
                                      size_t row, bool *takes_part, struct cn_duel_reading *reading,
                                      struct cn_error *err);

struct cn_rival {
    const char *name;
    const char *const *argv; /* [NULL-terminated] */
    cn_duel_reader *read;
};

struct cn_duel_options {
    const struct cn_rival *rivals; /* [n_rivals]; the first is held against each of the others */
    size_t n_rivals;
    const char *const *keys; /* [n_keys] names */
    size_t n_keys;
    const void *context; /* of the readers */
    size_t n_beside;     /* rows of other duels that are judged together with these */
    double margin;       /* of the ratio: 0.05 */
    double seconds;      /* no round begins after that; one is always run */
    uint64_t seed;       /* of the order within the rounds */
    /* The rivals of a round run together and by turns; NULL: one after the other. */
    const struct cn_rival_turns *turns;
    void (*progress)(void *user, double done, double total); /* may be NULL */
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED; may be NULL */
    void *user;
};

struct cn_duel_row {
    struct cn_duel_reading reading; /* its keys; figure: no meaning */
    double *figures;                /* [n_rivals, room] by round; NaN: none */
    bool both[CN_DUEL_RIVALS];      /* [k]: the first and rival k have had it in some round */
    struct cn_sequential judged[CN_DUEL_RIVALS]; /* [k] of the first by rival k, from 1 */
};

struct cn_duel {
    const struct cn_duel_options *options;
    struct cn_duel_row *rows; /* [n_rows] in the order of the first rival's table */
    size_t n_rows;
    size_t n_rounds, room;
    double seconds; /* that it took */
};

/* The caller empties *duel with cn_duel_free, after a failure too; `options` outlives it. */
enum cn_status cn_duel_run(const struct cn_duel_options *options, struct cn_duel *duel,
                           struct cn_error *err);
void cn_duel_free(struct cn_duel *duel);

/* Of a row: a rival's figure in a round; its median over the rounds, NaN if there is none. */
static inline double cn_duel_figure(const struct cn_duel *d, size_t row, size_t rival, size_t round)
{
    return d->rows[row].figures[rival * d->room + round];
}
double cn_duel_median(const struct cn_duel *d, size_t row, size_t rival);

/* What is to be said of the first rival and rival k in this row, as one sentence without a name of
 * the row. */
void cn_duel_sentence(const struct cn_duel *d, size_t row, size_t k, char *text, size_t n);

#endif
