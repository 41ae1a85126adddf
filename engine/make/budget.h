/* SPDX-License-Identifier: MIT
 *
 * One choice for each of many items, so that the losses' sum is least while the bytes' sum keeps
 * to a budget: the multiple-choice knapsack problem.
 */
#ifndef CN_BUDGET_H
#define CN_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/carnot.h"

struct cn_budget_choice {
    uint64_t bytes;
    double loss; /* finite */
};

struct cn_budget_item {
    const struct cn_budget_choice *choices; /* [n_choices], in any order, at least one */
    size_t n_choices;
    size_t chosen; /* out */
};

/* Lagrangian relaxation (Everett 1963) on the lower convex hull of each item's (bytes, loss), whose
 * answer is optimal for the bytes that it uses; what is left of the budget is then spent on single
 * changes and on exchanges between two items while they lower the loss. CN_ERR_ARGUMENT if even the
 * smallest choices exceed the budget (`chosen` then names them); sums must be representable. */
enum cn_status cn_budget_solve(struct cn_budget_item *items, size_t n_items, uint64_t budget);

/* Sum of the chosen. */
uint64_t cn_budget_bytes(const struct cn_budget_item *items, size_t n_items);
double cn_budget_loss(const struct cn_budget_item *items, size_t n_items);

#endif
