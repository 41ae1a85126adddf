/* SPDX-License-Identifier: MIT */
#include "engine/make/budget.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A step along an item's hull, from the choice before to this one. */
struct step {
    size_t item, choice, order; /* order: of the step among all as they were found */
    uint64_t bytes;             /* more than before */
    double gain;                /* loss less per byte */
};

static const struct cn_budget_choice *chosen(const struct cn_budget_item *item)
{
    return &item->choices[item->chosen];
}

uint64_t cn_budget_bytes(const struct cn_budget_item *items, size_t n_items)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n_items; i++)
        sum += chosen(&items[i])->bytes;
    return sum;
}

double cn_budget_loss(const struct cn_budget_item *items, size_t n_items)
{
    double sum = 0;
    for (size_t i = 0; i < n_items; i++)
        sum += chosen(&items[i])->loss;
    return sum;
}

/* The smallest choice; of several the one with the least loss. */
static size_t smallest(const struct cn_budget_item *item)
{
    size_t best = 0;
    for (size_t c = 1; c < item->n_choices; c++) {
        const struct cn_budget_choice *a = &item->choices[c], *b = &item->choices[best];
        if (a->bytes < b->bytes || (a->bytes == b->bytes && a->loss < b->loss))
            best = c;
    }
    return best;
}

/* The next corner of the lower hull behind choice `at`: the one with the steepest descent from it,
 * the farthest of several. n_choices: none descends. */
static size_t next_corner(const struct cn_budget_item *item, size_t at, double *gain)
{
    size_t best = item->n_choices;
    *gain = 0;
    for (size_t c = 0; c < item->n_choices; c++) {
        const struct cn_budget_choice *from = &item->choices[at], *to = &item->choices[c];
        if (to->bytes <= from->bytes || to->loss >= from->loss)
            continue;
        double g = (from->loss - to->loss) / (double)(to->bytes - from->bytes);
        if (g > *gain || (g == *gain && to->bytes > item->choices[best].bytes)) {
            *gain = g;
            best = c;
        }
    }
    return best;
}

static int steepest_first(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Steps in falling order of their gain are what a falling multiplier would let in one by one; those
 * of one item come in the order of its hull, whose slopes fall. Where a step does not fit, its item
 * goes no further. */
static uint64_t take_steps(struct cn_budget_item *items, struct step *steps, size_t n, bool *stuck,
                           uint64_t left)
{
    qsort(steps, n, sizeof *steps, steepest_first);
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        if (stuck[s->item])
            continue;
        if (s->bytes > left) {
            stuck[s->item] = true;
            continue;
        }
        items[s->item].chosen = s->choice;
        left -= s->bytes;
    }
    return left;
}

struct change {
    size_t item[2], choice[2]; /* item[1] == item[0]: one alone */
    double loss;
};

static void consider(struct change *best, double loss, size_t i, size_t c, size_t j, size_t d)
{
    if (loss < best->loss)
        *best = (struct change){
            {i,  j},
            { c, d},
            loss
        };
}

/* The change of one item, or of one and another, that lowers the loss most within what is left.
 * False: there is none. */
static bool best_change(const struct cn_budget_item *items, size_t n, uint64_t left, bool pairs,
                        struct change *best)
{
    best->loss = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cn_budget_choice *now = chosen(&items[i]);
        for (size_t c = 0; c < items[i].n_choices; c++) {
            const struct cn_budget_choice *to = &items[i].choices[c];
            double loss = to->loss - now->loss;
            if (loss >= 0)
                continue;
            if (to->bytes <= now->bytes + left) {
                consider(best, loss, i, c, i, c);
                continue;
            }
            /* Too dear: another item has to give up the rest. */
            uint64_t missing = to->bytes - now->bytes - left;
            for (size_t j = 0; pairs && j < n; j++) {
                const struct cn_budget_choice *other = chosen(&items[j]);
                for (size_t d = 0; j != i && d < items[j].n_choices; d++) {
                    const struct cn_budget_choice *less = &items[j].choices[d];
                    if (less->bytes + missing <= other->bytes)
                        consider(best, loss + less->loss - other->loss, i, c, j, d);
                }
            }
        }
    }
    return best->loss < 0;
}

static void improve(struct cn_budget_item *items, size_t n, uint64_t left)
{
    enum {
        MAX_CHANGES = 10000, /* each lowers the loss, so that it ends; this bounds the time */
        MAX_PAIRED = 1000,   /* with more items exchanges cost more than they can bring */
    };
    struct change best;
    for (int i = 0; i < MAX_CHANGES && best_change(items, n, left, n <= MAX_PAIRED, &best); i++) {
        for (int k = 0; k < 2; k++) {
            struct cn_budget_item *item = &items[best.item[k]];
            left += chosen(item)->bytes; /* may pass the budget only until the other one changes */
            item->chosen = best.choice[k];
            left -= chosen(item)->bytes;
        }
    }
}

enum cn_status cn_budget_solve(struct cn_budget_item *items, size_t n_items, uint64_t budget)
{
    size_t n_choices = 0, n_steps = 0;
    for (size_t i = 0; i < n_items; i++) {
        items[i].chosen = smallest(&items[i]);
        n_choices += items[i].n_choices;
    }
    uint64_t least = cn_budget_bytes(items, n_items);
    if (least > budget)
        return CN_ERR_ARGUMENT;
    struct step *steps = malloc((n_choices + 1) * sizeof *steps);
    bool *stuck = calloc(n_items + 1, sizeof *stuck);
    if (!steps || !stuck) {
        free(steps);
        free(stuck);
        return CN_ERR_MEMORY;
    }
    for (size_t i = 0; i < n_items; i++) {
        double gain, last = HUGE_VAL;
        for (size_t at = items[i].chosen, to;
             (to = next_corner(&items[i], at, &gain)) < items[i].n_choices; at = to) {
            last = fmin(last, gain); /* slopes fall; rounding must not say otherwise */
            steps[n_steps] = (struct step){
                .item = i,
                .choice = to,
                .order = n_steps,
                .bytes = items[i].choices[to].bytes - items[i].choices[at].bytes,
                .gain = last,
            };
            n_steps++;
        }
    }
    uint64_t left = take_steps(items, steps, n_steps, stuck, budget - least);
    improve(items, n_items, left);
    free(steps);
    free(stuck);
    return CN_OK;
}
