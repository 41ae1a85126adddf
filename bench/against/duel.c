/* SPDX-License-Identifier: MIT */
#include "bench/against/duel.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 2000, MAX_ROWS = 4096 };

static enum cn_status no_memory(struct cn_error *err)
{
    return cn_fail(err, CN_ERR_MEMORY, "out of memory");
}

/* ---- the figures ----------------------------------------------------------------------------- */

static bool more_rounds(struct cn_duel *d)
{
    const size_t n = d->options->n_rivals, room = d->room * 2;
    for (size_t r = 0; r < d->n_rows; r++) {
        double *larger = malloc(n * room * sizeof *larger);
        if (!larger)
            return false;
        for (size_t i = 0; i < n * room; i++)
            larger[i] = (double)NAN;
        for (size_t k = 0; k < n; k++)
            memcpy(larger + k * room, d->rows[r].figures + k * d->room, d->room * sizeof *larger);
        free(d->rows[r].figures);
        d->rows[r].figures = larger;
    }
    d->room = room;
    return true;
}

/* The row with these keys, made if there is none. NULL without memory, or if there are too many. */
static struct cn_duel_row *row_of(struct cn_duel *d, const struct cn_duel_reading *reading)
{
    const size_t n_keys = d->options->n_keys, n = d->options->n_rivals * d->room;
    for (size_t r = 0; r < d->n_rows; r++) {
        size_t k = 0;
        while (k < n_keys && strcmp(d->rows[r].reading.keys[k], reading->keys[k]) == 0)
            k++;
        if (k == n_keys)
            return &d->rows[r];
    }
    struct cn_duel_row *rows =
        d->n_rows < MAX_ROWS ? realloc(d->rows, (d->n_rows + 1) * sizeof *rows) : NULL;
    if (!rows)
        return NULL;
    d->rows = rows;
    struct cn_duel_row *row = &rows[d->n_rows];
    *row = (struct cn_duel_row){ .reading = *reading, .figures = malloc(n * sizeof(double)) };
    if (!row->figures)
        return NULL;
    for (size_t i = 0; i < n; i++)
        row->figures[i] = (double)NAN;
    d->n_rows++;
    return row;
}

static enum cn_status take_table(struct cn_duel *d, size_t rival, const struct cn_dataset *table,
                                 struct cn_error *err)
{
    const struct cn_rival *r = &d->options->rivals[rival];
    size_t n_taken = 0;
    for (size_t i = 0; i < table->n_rows; i++) {
        struct cn_duel_reading reading = { .figure = (double)NAN };
        bool takes_part = false;
        CN_TRY(r->read(d->options->context, table, i, &takes_part, &reading, err));
        if (!takes_part)
            continue;
        struct cn_duel_row *row = row_of(d, &reading);
        if (!row)
            return no_memory(err);
        double *figure = &row->figures[rival * d->room + d->n_rounds];
        CN_RETURN_IF(!isnan(*figure), CN_ERR_FORMAT, err,
                     "%s: one row for each combination expected, two found of '%s %s %s'", r->name,
                     reading.keys[0], reading.keys[1], reading.keys[2]);
        if (reading.figure > 0)
            *figure = reading.figure;
        n_taken++;
    }
    CN_RETURN_IF(!n_taken, CN_ERR_FORMAT, err, "%s: rows with a speed expected, none found",
                 r->argv[0]);
    return CN_OK;
}

static enum cn_status take_text(struct cn_duel *d, size_t rival, const char *text, size_t n,
                                struct cn_error *err)
{
    struct cn_dataset *table = NULL;
    enum cn_status status = cn_dataset_parse(text, n, d->options->rivals[rival].name, &table, err);
    if (status == CN_OK)
        status = take_table(d, rival, table, err);
    cn_dataset_free(table);
    return status;
}

/* Runs n rivals at once. */
static enum cn_status run_rivals(struct cn_duel *d, const size_t *rivals, size_t n,
                                 struct cn_error *err)
{
    const struct cn_duel_options *o = d->options;
    const char *const *argv[CN_DUEL_RIVALS];
    char *text[CN_DUEL_RIVALS];
    size_t n_bytes[CN_DUEL_RIVALS];
    for (size_t i = 0; i < n; i++)
        argv[i] = o->rivals[rivals[i]].argv;
    CN_TRY(cn_rival_children(argv, n, o->turns, o->cancel, o->user, text, n_bytes, err));
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < n; i++) {
        if (status == CN_OK)
            status = take_text(d, rivals[i], text[i], n_bytes[i], err);
        free(text[i]);
    }
    return status;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static enum cn_status run_round(struct cn_duel *d, struct cn_rng *rng, struct cn_error *err)
{
    size_t order[CN_DUEL_RIVALS];
    const size_t n = d->options->n_rivals;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n - 1; i > 0; i--) {
        const size_t k = (size_t)cn_rng_below(rng, i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    if (d->n_rounds == d->room && !more_rounds(d))
        return no_memory(err);
    /* Rows stand in the order of the first rival's table, so it begins once. */
    if (d->n_rounds == 0)
        for (size_t i = 0; i < n; i++)
            order[i] = i;
    const size_t together = d->options->turns ? n : 1;
    for (size_t i = 0; i < n; i += together)
        CN_TRY(run_rivals(d, order + i, together, err));
    d->n_rounds++;
    return CN_OK;
}

/* The logarithms of the ratios of a row so far. Returns how many. */
static size_t ratios(const struct cn_duel *d, size_t row, size_t k, double *logs)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_rounds; i++) {
        const double a = cn_duel_figure(d, row, 0, i), b = cn_duel_figure(d, row, k, i);
        if (!isnan(a) && !isnan(b))
            logs[n++] = log(a / b);
    }
    return n;
}

static size_t n_pairs(const struct cn_duel *d)
{
    size_t n = 0;
    for (size_t r = 0; r < d->n_rows; r++)
        for (size_t k = 1; k < d->options->n_rivals; k++)
            n += d->rows[r].both[k];
    return n;
}

/* Looks at the rows without a verdict. *open: how many have none then. */
static enum cn_status judge(struct cn_duel *d, size_t *open, struct cn_error *err)
{
    double *logs = malloc(d->n_rounds * sizeof *logs);
    if (!logs)
        return no_memory(err);
    for (size_t r = 0; r < d->n_rows; r++)
        for (size_t k = 1; k < d->options->n_rivals; k++)
            d->rows[r].both[k] = ratios(d, r, k, logs) > 0;
    const size_t n_rows = n_pairs(d) + d->options->n_beside;
    bool ok = true;
    *open = 0;
    for (size_t r = 0; r < d->n_rows && ok; r++)
        for (size_t k = 1; k < d->options->n_rivals && ok; k++) {
            struct cn_sequential *s = &d->rows[r].judged[k];
            if (s->verdict != CN_SEQUENTIAL_UNDECIDED || !d->rows[r].both[k])
                continue;
            ok = cn_sequential_judge(logs, ratios(d, r, k, logs), n_rows, d->options->margin, s);
            *open += s->verdict == CN_SEQUENTIAL_UNDECIDED;
        }
    free(logs);
    return ok ? CN_OK : no_memory(err);
}

static enum cn_status run_rounds(struct cn_duel *d, struct cn_error *err)
{
    const struct cn_duel_options *o = d->options;
    struct cn_rng rng = { o->seed };
    const double start = cn_seconds();
    size_t due = cn_sequential_next(0), open = 1;
    for (bool late = false; open && !late && d->n_rounds < MAX_ROUNDS;) {
        CN_TRY(run_round(d, &rng, err));
        d->seconds = cn_seconds() - start;
        late = d->seconds >= o->seconds;
        if (o->progress)
            o->progress(o->user, d->seconds, o->seconds);
        if (d->n_rounds < due && !late)
            continue;
        CN_TRY(judge(d, &open, err));
        due = cn_sequential_next(d->n_rounds);
    }
    return CN_OK;
}

enum cn_status cn_duel_run(const struct cn_duel_options *options, struct cn_duel *duel,
                           struct cn_error *err)
{
    *duel = (struct cn_duel){ .options = options, .room = 16 };
    return run_rounds(duel, err);
}

void cn_duel_free(struct cn_duel *d)
{
    for (size_t r = 0; r < d->n_rows; r++)
        free(d->rows[r].figures);
    free(d->rows);
    *d = (struct cn_duel){ .n_rows = 0 };
}

/* ---- what they say --------------------------------------------------------------------------- */

double cn_duel_median(const struct cn_duel *d, size_t row, size_t rival)
{
    double *x = malloc((d->n_rounds + 1) * sizeof *x), median = (double)NAN;
    size_t n = 0;
    for (size_t i = 0; x && i < d->n_rounds; i++)
        if (!isnan(cn_duel_figure(d, row, rival, i)))
            x[n++] = cn_duel_figure(d, row, rival, i);
    if (n)
        median = cn_median(x, n);
    free(x);
    return median;
}

static double percent(double ratio)
{
    return 100 * fabs(ratio - 1);
}

/* "1.9% slower to 0.4% faster", "10.8% to 13.0%" where the word has been said. */
static void interval(const struct cn_sequential *s, char *text, size_t n)
{
    if (s->lo >= 1 || s->hi <= 1)
        snprintf(text, n, "%.1f%% to %.1f%%", fmin(percent(s->lo), percent(s->hi)),
                 fmax(percent(s->lo), percent(s->hi)));
    else
        snprintf(text, n, "%.1f%% slower to %.1f%% faster", percent(s->lo), percent(s->hi));
}

void cn_duel_sentence(const struct cn_duel *d, size_t row, size_t k, char *text, size_t n)
{
    const struct cn_duel_options *o = d->options;
    const struct cn_duel_row *r = &d->rows[row];
    const struct cn_sequential *s = &r->judged[k];
    const char *ours = o->rivals[0].name, *theirs = o->rivals[k].name;
    const double margin = 100 * o->margin;
    char range[64], change[64];
    if (!r->both[k]) {
        const bool mine = !isnan(cn_duel_median(d, row, 0));
        snprintf(text, n, "not compared: %s has no figure for it", mine ? theirs : ours);
        return;
    }
    snprintf(change, sizeof change, "%.1f%% %s than %s", percent(s->ratio),
             s->ratio < 1 ? "slower" : "faster", theirs);
    interval(s, range, sizeof range);
    if (isnan(s->lo))
        snprintf(
            text, n,
            "undecided: %s in %zu of the %d rounds that a verdict needs; more time (--seconds) "
            "would tell",
            change, s->n, CN_SEQUENTIAL_LEAST);
    else if (s->verdict == CN_SEQUENTIAL_EQUIVALENT)
        snprintf(text, n, "equivalent to %s within %.3g%%: %.1f%% %s (%s; %zu rounds)", theirs,
                 margin, percent(s->ratio), s->ratio < 1 ? "slower" : "faster", range, s->n);
    else if (s->verdict != CN_SEQUENTIAL_UNDECIDED)
        snprintf(text, n, "%s (%s; %zu rounds), beyond the margin of %.3g%%", change, range, s->n,
                 margin);
    else if (s->lo > 1 || s->hi < 1)
        snprintf(text, n,
                 "undecided: %s (%s; %zu rounds), but whether by more than %.3g%% is open; more "
                 "time (--seconds) would tell",
                 change, range, s->n, margin);
    else
        snprintf(text, n,
                 "undecided: %s (%s; %zu rounds): the rounds differ too much for a margin of "
                 "%.3g%%; more time (--seconds) or a quieter machine would tell",
                 change, range, s->n, margin);
}
