/* SPDX-License-Identifier: MIT */
#include "bench/stats/comparison.h"

#include "base/error.h"
#include "bench/stats/column_role.h"
#include "bench/stats/groups.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LEVELS = 64,
    MOST_COMPARISONS = 20000,
    FEW = 8 /* values of a column that may be what the sets are about */
};

struct owned {
    struct cn_groups by, per, pairs; /* pairs: by the columns of per and pair together */
};

struct work {
    const struct cn_dataset *d;
    const struct cn_compare_options *o;
    struct cn_error *err;
    struct cn_comparisons *out;
    struct owned *owned;
    struct cn_columns by, per, pair, metrics;
    size_t *level; /* [n_rows]; SIZE_MAX: of no set */
    size_t *row;   /* [n pairs, n_levels] of paired rows: row + 1, 0 where there is none */
    bool paired;
    double *values; /* [n_levels, n_rows]: of a and b; of all sets, pair by pair */
};

static enum cn_status no_memory(const struct work *w)
{
    return cn_fail(w->err, CN_ERR_MEMORY, "out of memory");
}

/* ---- the sets -------------------------------------------------------------------------------- */

static enum cn_status add_level(struct work *w, const char *name, size_t n)
{
    struct cn_comparisons *out = w->out;
    CN_RETURN_IF(out->n_levels == MOST_LEVELS, CN_ERR_ARGUMENT, w->err,
                 "expected at most %d sets to compare, found more values of %s", MOST_LEVELS,
                 out->by);
    char *copy = strndup(name, n);
    if (!copy)
        return no_memory(w);
    out->levels[out->n_levels++] = copy;
    return CN_OK;
}

/* "column,column" or "column=value,value". */
static enum cn_status find_sets(struct work *w)
{
    const char *wanted = strchr(w->o->by, '=');
    struct cn_comparisons *out = w->out;
    struct cn_groups *by = &w->owned->by;
    char *names = strndup(w->o->by, strcspn(w->o->by, "="));
    enum cn_status status = names ? cn_columns_parse(w->d, names, &w->by, w->err) : no_memory(w);
    free(names);
    if (status != CN_OK)
        return status;
    CN_RETURN_IF(w->by.n == 0, CN_ERR_ARGUMENT, w->err,
                 "expected a column that tells the sets apart, found none in '%.80s'", w->o->by);
    cn_columns_text(w->d, &w->by, out->by, sizeof out->by);
    out->levels = calloc(MOST_LEVELS, sizeof *out->levels);
    w->level = malloc((w->d->n_rows + 1) * sizeof *w->level);
    if (!out->levels || !w->level || !cn_groups_make(w->d, &w->by, by))
        return no_memory(w);
    for (const char *p = wanted; p && *p;) {
        size_t n = strcspn(++p, ",");
        CN_TRY(add_level(w, p, n));
        p += n;
    }
    for (size_t g = 0; !wanted && g < by->n; g++)
        if (by->names[g][0]) /* null says nothing */
            CN_TRY(add_level(w, by->names[g], strlen(by->names[g])));
    for (size_t r = 0; r < w->d->n_rows; r++)
        w->level[r] = SIZE_MAX;
    for (size_t l = 0; l < out->n_levels; l++) {
        bool found = false;
        for (size_t m = 0; m < l; m++)
            CN_RETURN_IF(strcmp(out->levels[l], out->levels[m]) == 0, CN_ERR_ARGUMENT, w->err,
                         "expected different values of %s, found '%.80s' twice", out->by,
                         out->levels[l]);
        for (size_t r = 0; r < w->d->n_rows; r++)
            if (strcmp(by->names[by->of_row[r]], out->levels[l]) == 0) {
                w->level[r] = l;
                found = true;
            }
        CN_RETURN_IF(!found, CN_ERR_ARGUMENT, w->err,
                     "expected rows whose %s is '%.80s', found none", out->by, out->levels[l]);
    }
    CN_RETURN_IF(out->n_levels < 2, CN_ERR_ARGUMENT, w->err,
                 "expected at least two values of %s to compare, found %zu", out->by,
                 out->n_levels);
    return CN_OK;
}

/* ---- which columns do what ------------------------------------------------------------------- */

struct overlap {
    size_t n_values;
    bool shared; /* some value is in two sets */
};

static bool find_overlap(const struct work *w, size_t column, struct overlap *overlap)
{
    struct cn_groups values;
    bool ok = cn_groups_make(w->d, &(struct cn_columns){ &column, 1 }, &values);
    uint64_t *sets = ok ? calloc(values.n + 1, sizeof *sets) : NULL;
    *overlap = (struct overlap){ .n_values = values.n };
    for (size_t r = 0; sets && r < w->d->n_rows; r++) {
        if (w->level[r] == SIZE_MAX)
            continue;
        uint64_t *s = &sets[values.of_row[r]];
        *s |= (uint64_t)1 << w->level[r];
        overlap->shared |= (*s & (*s - 1)) != 0;
    }
    ok = sets != NULL;
    free(sets);
    cn_groups_free(&values);
    return ok;
}

static void add_text(char *list, size_t n, const char *text)
{
    size_t used = strlen(list);
    snprintf(list + used, n - used, "%s%s", used ? ", " : "", text);
}

/* A number that is the same in every row of every set, such as a count of threads. */
static bool is_constant(const struct work *w, size_t column)
{
    double first = (double)NAN;
    for (size_t r = 0; r < w->d->n_rows; r++) {
        double v = cn_dataset_cell(w->d, r, column)->number;
        if (w->level[r] == SIZE_MAX || isnan(v))
            continue;
        if (isnan(first))
            first = v;
        if (v != first)
            return false;
    }
    return true;
}

/* What a column of the table is for, where the options do not say. False if out of memory. */
static bool choose_column(struct work *w, size_t c, struct cn_columns *metrics,
                          struct cn_columns *numbers)
{
    struct overlap overlap;
    enum cn_role role = cn_column_role(w->d, c);
    switch (role) {
    case CN_ROLE_METRIC:
        return cn_columns_add(metrics, c);
    case CN_ROLE_NUMBER:
        return cn_columns_add(numbers, c);
    case CN_ROLE_SPLIT:
    case CN_ROLE_FACTOR:
    case CN_ROLE_REPETITION:
        if (!find_overlap(w, c, &overlap))
            return false;
        if (!overlap.shared) {
            if (overlap.n_values <= FEW && role != CN_ROLE_REPETITION)
                add_text(w->out->apart, sizeof w->out->apart, w->d->columns[c]);
            return true;
        }
        if (role == CN_ROLE_SPLIT)
            return overlap.n_values < 2 || cn_columns_add(&w->per, c);
        return w->o->pair || cn_columns_add(&w->pair, c);
    case CN_ROLE_WORK:
    case CN_ROLE_QUIET:
        break;
    }
    return true;
}

/* Appends those of `from` that are constant, or those that are not. False if out of memory. */
static bool take(const struct work *w, const struct cn_columns *from, bool constant,
                 struct cn_columns *to)
{
    for (size_t i = 0; i < from->n; i++)
        if (is_constant(w, from->items[i]) == constant && !cn_columns_add(to, from->items[i]))
            return false;
    return true;
}

/* Fills w->metrics where the options name none: the metrics of the table or, where it has none that
 * is known, its numbers. Those that never change are no metrics, unless nothing else is left. */
static bool choose_metrics(struct work *w, const struct cn_columns *metrics,
                           const struct cn_columns *numbers)
{
    const struct cn_columns *asked = metrics->n ? metrics : numbers,
                            *rest[2] = { metrics, numbers };
    bool ok =
        take(w, asked, false, &w->metrics) && (w->metrics.n || take(w, asked, true, &w->metrics));
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; ok && i < rest[k]->n; i++) {
            size_t c = rest[k]->items[i];
            if (cn_columns_have(&w->metrics, c))
                continue;
            if (is_constant(w, c))
                add_text(w->out->constant, sizeof w->out->constant, w->d->columns[c]);
            else
                add_text(w->out->left_out, sizeof w->out->left_out, w->d->columns[c]);
        }
    return ok;
}

static enum cn_status choose_columns(struct work *w)
{
    const struct cn_dataset *d = w->d;
    struct cn_columns metrics = { 0 }, numbers = { 0 };
    bool ok = true;
    CN_TRY(cn_columns_parse(d, w->o->per, &w->per, w->err));
    CN_TRY(cn_columns_parse(d, w->o->metrics, &w->metrics, w->err));
    if (w->o->pair && strcmp(w->o->pair, "none") != 0)
        CN_TRY(cn_columns_parse(d, w->o->pair, &w->pair, w->err));
    const size_t n_asked = w->metrics.n;
    for (size_t c = 0; c < d->n_columns && ok; c++)
        if (!cn_columns_have(&w->by, c) && !cn_columns_have(&w->per, c) &&
            !cn_columns_have(&w->pair, c) && !cn_columns_have(&w->metrics, c))
            ok = choose_column(w, c, &metrics, &numbers);
    if (ok && !n_asked)
        ok = choose_metrics(w, &metrics, &numbers);
    for (size_t i = 0; i < numbers.n && n_asked; i++)
        add_text(w->out->left_out, sizeof w->out->left_out, d->columns[numbers.items[i]]);
    free(metrics.items);
    free(numbers.items);
    if (!ok)
        return no_memory(w);
    CN_RETURN_IF(w->metrics.n == 0, CN_ERR_ARGUMENT, w->err,
                 "expected a column of numbers to compare, found none");
    return CN_OK;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* Fills the groups, and row[] if each pair has one row of a set at most; says in *twice where not:
 * two rows, from 1. */
static bool find_pairs(struct work *w, size_t twice[2])
{
    const size_t n_levels = w->out->n_levels;
    struct cn_columns both = { 0 };
    bool ok = true;
    cn_groups_free(&w->owned->per);
    cn_groups_free(&w->owned->pairs);
    for (size_t i = 0; i < w->per.n && ok; i++)
        ok = cn_columns_add(&both, w->per.items[i]);
    for (size_t i = 0; i < w->pair.n && ok; i++)
        ok = cn_columns_add(&both, w->pair.items[i]);
    ok = ok && cn_groups_make(w->d, &w->per, &w->owned->per) &&
         cn_groups_make(w->d, &both, &w->owned->pairs);
    free(both.items);
    free(w->row);
    w->row = ok ? calloc(w->owned->pairs.n * n_levels + 1, sizeof *w->row) : NULL;
    if (!w->row)
        return false;
    twice[0] = 0;
    for (size_t r = 0; r < w->d->n_rows && !twice[0]; r++) {
        if (w->level[r] == SIZE_MAX)
            continue;
        size_t *row = &w->row[w->owned->pairs.of_row[r] * n_levels + w->level[r]];
        if (*row) {
            twice[0] = *row;
            twice[1] = r + 1;
        }
        *row = r + 1;
    }
    return true;
}

/* Without the columns that say the same everywhere, unless all do. */
static enum cn_status describe_pairs(struct work *w)
{
    struct cn_columns telling = { 0 };
    bool ok = true;
    for (size_t i = 0; i < w->pair.n && ok; i++) {
        struct overlap overlap;
        ok = find_overlap(w, w->pair.items[i], &overlap) &&
             (overlap.n_values < 2 || cn_columns_add(&telling, w->pair.items[i]));
    }
    cn_columns_text(w->d, telling.n ? &telling : &w->pair, w->out->pairing, sizeof w->out->pairing);
    free(telling.items);
    return ok ? CN_OK : no_memory(w);
}

static enum cn_status pair_rows(struct work *w)
{
    size_t twice[2];
    if (!find_pairs(w, twice))
        return no_memory(w);
    w->paired =
        !twice[0] && (w->pair.n || w->per.n) && !(w->o->pair && strcmp(w->o->pair, "none") == 0);
    CN_RETURN_IF(twice[0] && w->pair.n && w->o->pair, CN_ERR_ARGUMENT, w->err,
                 "expected one row of each set with the same %s, found rows %zu and %zu: name more "
                 "columns, or say that there are no pairs",
                 w->o->pair, twice[0], twice[1]);
    if (twice[0] && w->pair.n) {
        /* Nothing tells repetitions apart: what they have in common is compared on its own. */
        for (size_t i = 0; i < w->pair.n; i++) {
            struct overlap overlap;
            if (!find_overlap(w, w->pair.items[i], &overlap) ||
                (overlap.n_values > 1 && !cn_columns_add(&w->per, w->pair.items[i])))
                return no_memory(w);
        }
        w->pair.n = 0;
        if (!find_pairs(w, twice))
            return no_memory(w);
    }
    return w->paired ? describe_pairs(w) : CN_OK;
}

/* ---- warnings -------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void warn(struct work *w, const char *format, ...)
{
    const size_t most = sizeof w->out->warnings / sizeof *w->out->warnings;
    size_t i = 0;
    while (i < most && w->out->warnings[i][0])
        i++;
    if (i == most)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(w->out->warnings[i], sizeof *w->out->warnings, format, args);
    va_end(args);
}

static void check_work(struct work *w, size_t column)
{
    const size_t n_levels = w->out->n_levels;
    size_t differ = 0;
    const char *first[2] = { "", "" }, *where = "";
    for (size_t p = 0; p < w->owned->pairs.n; p++) {
        const char *seen = NULL;
        for (size_t l = 0; l < n_levels; l++) {
            size_t r = w->row[p * n_levels + l];
            const char *text = r ? cn_dataset_cell(w->d, r - 1, column)->text : NULL;
            if (!text)
                continue;
            if (seen && strcmp(seen, text) != 0) {
                if (differ++ == 0) {
                    first[0] = seen;
                    first[1] = text;
                    where = w->owned->pairs.names[p];
                }
                break;
            }
            seen = text;
        }
    }
    if (differ)
        warn(w, "%.40s differs in %zu pairs, first in '%.60s' (%.20s and %.20s): not like for like",
             w->d->columns[column], differ, where, first[0], first[1]);
}

static void check_pairs(struct work *w)
{
    const size_t n_levels = w->out->n_levels;
    size_t alone = 0;
    for (size_t p = 0; p < w->owned->pairs.n; p++) {
        size_t there = 0;
        for (size_t l = 0; l < n_levels; l++)
            there += w->row[p * n_levels + l] != 0;
        alone += there == 1;
    }
    if (alone)
        warn(w, "%zu rows have no partner and are left out", alone);
    for (size_t c = 0; c < w->d->n_columns; c++)
        if (cn_column_role(w->d, c) == CN_ROLE_WORK)
            check_work(w, c);
}

/* ---- the tests ------------------------------------------------------------------------------- */

/* The values of one metric of sets a and b in a group; *n_a == *n_b if paired. */
static void gather(const struct work *w, size_t per, size_t metric, size_t a, size_t b, size_t *n_a,
                   size_t *n_b)
{
    const size_t n_levels = w->out->n_levels;
    double *x = w->values, *y = w->values + w->d->n_rows;
    *n_a = *n_b = 0;
    if (!w->paired) {
        for (size_t r = 0; r < w->d->n_rows; r++) {
            double v = cn_dataset_cell(w->d, r, metric)->number;
            if (isnan(v) || w->owned->per.of_row[r] != per)
                continue;
            if (w->level[r] == a)
                x[(*n_a)++] = v;
            if (w->level[r] == b)
                y[(*n_b)++] = v;
        }
        return;
    }
    for (size_t p = 0; p < w->owned->pairs.n; p++) {
        size_t i = w->row[p * n_levels + a], j = w->row[p * n_levels + b];
        if (!i || !j || w->owned->per.of_row[i - 1] != per)
            continue;
        double v = cn_dataset_cell(w->d, i - 1, metric)->number;
        double u = cn_dataset_cell(w->d, j - 1, metric)->number;
        if (isnan(v) || isnan(u))
            continue;
        x[(*n_a)++] = v;
        y[(*n_b)++] = u;
    }
}

static bool all_above_zero(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(x[i] > 0))
            return false;
    return true;
}

/* That b is above (below, if `above` is false) `margin` times a, or `margin` more: by ranks,
 * one-sided. x, y: as the equivalence test takes them, logarithms for ratios. */
static bool beyond_by_ranks(const struct cn_comparison *c, double *x, double *y, double margin,
                            bool above, const struct cn_rank_options *rank, double *p)
{
    const size_t n_a = c->of_a.n, n_b = c->of_b.n;
    struct cn_rank_test test;
    for (size_t i = 0; i < n_b; i++)
        y[i] -= margin;
    bool ok = c->paired ? cn_wilcoxon(x, y, n_a, rank, &test)
                        : cn_mann_whitney(x, n_a, y, n_b, rank, &test);
    for (size_t i = 0; i < n_b; i++)
        y[i] += margin;
    *p = above ? test.p_above : test.p_below;
    return ok;
}

bool cn_comparison_equivalence(struct cn_comparison *c, double *x, double *y, double margin,
                               const struct cn_rank_options *rank)
{
    const size_t n_a = c->of_a.n, n_b = c->of_b.n;
    const bool ratio = all_above_zero(x, n_a) && all_above_zero(y, n_b);
    const enum cn_scale scale = ratio ? CN_SCALE_RATIO : CN_SCALE_DIFFERENCE;
    double p_lo, p_hi, unused;
    if (!ratio)
        margin *= fabs(c->of_a.median);
    if (c->paired)
        cn_tost_paired(x, y, n_a, scale, margin, &c->tost);
    else
        cn_tost_unpaired(x, n_a, y, n_b, scale, margin, &c->tost);
    for (size_t i = 0; ratio && i < n_a; i++)
        x[i] = log(x[i]);
    for (size_t i = 0; ratio && i < n_b; i++)
        y[i] = log(y[i]);
    margin = ratio ? log1p(margin) : margin;
    if (!beyond_by_ranks(c, x, y, -margin, true, rank, &p_lo) ||
        !beyond_by_ranks(c, x, y, margin, false, rank, &p_hi))
        return false;
    c->tost_p_ranks = fmax(p_lo, p_hi);
    c->p_normal = (double)NAN;
    for (size_t i = 0; c->paired && i < n_a; i++)
        x[i] = y[i] - x[i];
    return !c->paired || cn_shapiro(x, n_a, &unused, &c->p_normal);
}

/* The interval of a lone value: x_lo and x_hi beside x or x_median. */
static void lone_interval(const struct work *w, size_t per, size_t metric, size_t level, double *lo,
                          double *hi)
{
    static const char suffix[] = "_median";
    const char *name = w->d->columns[metric];
    size_t n = strlen(name), n_suffix = sizeof suffix - 1;
    char bound[256];
    *lo = *hi = (double)NAN;
    if (n >= sizeof bound - 4)
        return;
    if (n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0)
        n -= n_suffix;
    snprintf(bound, sizeof bound, "%.*s_lo", (int)n, name);
    int64_t c_lo = cn_dataset_column(w->d, bound, n + 3);
    snprintf(bound, sizeof bound, "%.*s_hi", (int)n, name);
    int64_t c_hi = cn_dataset_column(w->d, bound, n + 3);
    for (size_t r = 0; r < w->d->n_rows && c_lo >= 0 && c_hi >= 0; r++)
        if (w->level[r] == level && w->owned->per.of_row[r] == per) {
            *lo = cn_dataset_cell(w->d, r, (size_t)c_lo)->number;
            *hi = cn_dataset_cell(w->d, r, (size_t)c_hi)->number;
        }
}

static enum cn_status compare(struct work *w, size_t per, size_t metric, size_t a, size_t b)
{
    struct cn_comparisons *out = w->out;
    double *x = w->values, *y = w->values + w->d->n_rows, lone = (double)NAN;
    size_t n_a, n_b;
    CN_RETURN_IF(out->n == MOST_COMPARISONS, CN_ERR_ARGUMENT, w->err,
                 "expected at most %d comparisons, found more: name metrics and fewer sets",
                 MOST_COMPARISONS);
    gather(w, per, metric, a, b, &n_a, &n_b);
    if (!n_a || !n_b)
        return CN_OK;                   /* such as joules where there is no meter */
    if ((out->n & (out->n - 1)) == 0) { /* full at powers of two */
        struct cn_comparison *items =
            realloc(out->items, (out->n ? 2 * out->n : 1) * sizeof *items);
        if (!items)
            return no_memory(w);
        out->items = items;
    }
    struct cn_comparison *c = &out->items[out->n++];
    *c = (struct cn_comparison){ .metric = w->d->columns[metric],
                                 .per = w->owned->per.names[per],
                                 .a = out->levels[a],
                                 .b = out->levels[b],
                                 .paired = w->paired,
                                 .lo_a = lone,
                                 .hi_a = lone,
                                 .lo_b = lone,
                                 .hi_b = lone };
    bool ok = w->paired ? cn_wilcoxon(x, y, n_a, &w->o->rank, &c->test)
                        : cn_mann_whitney(x, n_a, y, n_b, &w->o->rank, &c->test);
    /* A summary sorts, and the pairs are still needed. */
    double *copy = malloc((n_a + n_b) * sizeof *copy);
    if (!ok || !copy) {
        free(copy);
        return no_memory(w);
    }
    memcpy(copy, x, n_a * sizeof *x);
    memcpy(copy + n_a, y, n_b * sizeof *y);
    cn_summarise(copy, n_a, &c->of_a);
    cn_summarise(copy + n_a, n_b, &c->of_b);
    c->same_values = n_a == n_b;
    for (size_t i = 0; i < n_a && c->same_values; i++)
        c->same_values = copy[i] == copy[n_a + i];
    free(copy);
    if (n_a == 1 && n_b == 1) {
        lone_interval(w, per, metric, a, &c->lo_a, &c->hi_a);
        lone_interval(w, per, metric, b, &c->lo_b, &c->hi_b);
    }
    return cn_comparison_equivalence(c, x, y, w->o->margin, &w->o->rank) ? CN_OK : no_memory(w);
}

/* Friedman's test of the blocks that have all sets. */
static enum cn_status order(struct work *w, size_t per, size_t metric)
{
    const size_t n_levels = w->out->n_levels;
    size_t n = 0;
    for (size_t p = 0; p < w->owned->pairs.n; p++) {
        bool whole = true;
        for (size_t l = 0; l < n_levels && whole; l++) {
            size_t r = w->row[p * n_levels + l];
            whole = r && w->owned->per.of_row[r - 1] == per;
            if (whole)
                w->values[n * n_levels + l] = cn_dataset_cell(w->d, r - 1, metric)->number;
            whole = whole && !isnan(w->values[n * n_levels + l]);
        }
        n += whole;
    }
    if (n == 0)
        return CN_OK;
    struct cn_ordering *orderings =
        realloc(w->out->orderings, (w->out->n_orderings + 1) * sizeof *orderings);
    if (!orderings)
        return no_memory(w);
    w->out->orderings = orderings;
    struct cn_ordering *o = &orderings[w->out->n_orderings];
    *o = (struct cn_ordering){ .metric = w->d->columns[metric],
                               .per = w->owned->per.names[per],
                               .mean_ranks = malloc(n_levels * sizeof *o->mean_ranks) };
    if (!o->mean_ranks)
        return no_memory(w);
    w->out->n_orderings++;
    return cn_friedman(w->values, n, n_levels, o->mean_ranks, &o->friedman) ? CN_OK : no_memory(w);
}

static enum cn_status correct(struct work *w)
{
    struct cn_comparisons *out = w->out;
    double *p = malloc((out->n + 1) * sizeof *p);
    if (!p)
        return no_memory(w);
    for (size_t i = 0; i < out->n; i++)
        p[i] = out->items[i].test.p;
    bool ok = cn_holm(p, out->n);
    for (size_t i = 0; i < out->n; i++) {
        out->items[i].p_holm = p[i];
        out->items[i].n_tests = out->n;
    }
    free(p);
    return ok ? CN_OK : no_memory(w);
}

static enum cn_status compare_all(struct work *w)
{
    CN_TRY(find_sets(w));
    CN_TRY(choose_columns(w));
    CN_TRY(pair_rows(w));
    if (!cn_groups_describe(w->d, &w->per, &w->owned->per))
        return no_memory(w);
    if (w->paired)
        check_pairs(w);
    const size_t n_levels = w->out->n_levels;
    w->values = malloc(n_levels * (w->d->n_rows + 1) * sizeof *w->values);
    if (!w->values)
        return no_memory(w);
    for (size_t per = 0; per < w->owned->per.n; per++)
        for (size_t m = 0; m < w->metrics.n; m++) {
            const size_t metric = w->metrics.items[m];
            for (size_t a = 0; a < n_levels; a++)
                for (size_t b = a + 1; b < n_levels; b++)
                    CN_TRY(compare(w, per, metric, a, b));
            if (w->paired && n_levels > 2)
                CN_TRY(order(w, per, metric));
        }
    CN_RETURN_IF(w->out->n == 0, CN_ERR_ARGUMENT, w->err,
                 "expected values of %s in two sets%s, found none",
                 w->d->columns[w->metrics.items[0]], w->paired ? " that pair" : "");
    return correct(w);
}

enum cn_status cn_compare(const struct cn_dataset *dataset,
                          const struct cn_compare_options *options,
                          struct cn_comparisons **comparisons, struct cn_error *err)
{
    struct work w = { .d = dataset, .o = options, .err = err };
    w.out = calloc(1, sizeof *w.out);
    w.owned = calloc(1, sizeof *w.owned);
    if (w.out)
        w.out->owned = w.owned;
    else
        free(w.owned);
    enum cn_status status = w.out && w.owned ? compare_all(&w) : no_memory(&w);
    if (status == CN_OK)
        *comparisons = w.out;
    else
        cn_comparisons_free(w.out);
    free(w.by.items);
    free(w.per.items);
    free(w.pair.items);
    free(w.metrics.items);
    free(w.level);
    free(w.row);
    free(w.values);
    return status;
}

void cn_comparisons_free(struct cn_comparisons *c)
{
    if (!c)
        return;
    struct owned *owned = c->owned;
    if (owned) {
        cn_groups_free(&owned->by);
        cn_groups_free(&owned->per);
        cn_groups_free(&owned->pairs);
    }
    for (size_t i = 0; i < c->n_levels; i++)
        free(c->levels[i]);
    for (size_t i = 0; i < c->n_orderings; i++)
        free(c->orderings[i].mean_ranks);
    free(c->levels);
    free(c->orderings);
    free(c->items);
    free(owned);
    free(c);
}
