/* SPDX-License-Identifier: MIT
 *
 * The budget solver against brute force on many small problems, and on large ones against what must
 * hold of any answer.
 */
#include "engine/make/budget.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_ITEMS = 5, MAX_CHOICES = 6, MANY = 300 };

static uint32_t state = 1;

static uint32_t draw(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

struct problem {
    struct cn_budget_choice choices[MANY][MAX_CHOICES];
    struct cn_budget_item items[MANY];
    size_t n;
    uint64_t least, most;
};

/* Choices in no order, with doubles and some that nobody should want. */
static void make(struct problem *p, size_t n)
{
    p->n = n;
    p->least = p->most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_choices = 1 + draw(MAX_CHOICES);
        double weight = exp(0.01 * (double)draw(600));
        uint64_t low = UINT64_MAX, high = 0;
        for (size_t c = 0; c < n_choices; c++) {
            uint64_t bytes = 10 + draw(90);
            p->choices[i][c] =
                (struct cn_budget_choice){ bytes, weight * exp(-0.07 * (double)bytes) *
                                                      (0.7 + 0.01 * (double)draw(60)) };
            low = bytes < low ? bytes : low;
            high = bytes > high ? bytes : high;
        }
        p->items[i] = (struct cn_budget_item){ p->choices[i], n_choices, 0 };
        p->least += low;
        p->most += high;
    }
}

/* The least loss of items i.. within the budget; infinity: none keeps to it. */
static double best_of_all(const struct problem *p, size_t i, uint64_t budget)
{
    if (i == p->n)
        return 0;
    double best = (double)INFINITY;
    for (size_t c = 0; c < p->items[i].n_choices; c++) {
        const struct cn_budget_choice *choice = &p->items[i].choices[c];
        if (choice->bytes <= budget)
            best = fmin(best, choice->loss + best_of_all(p, i + 1, budget - choice->bytes));
    }
    return best;
}

static void brute_force(void **context)
{
    (void)context;
    static struct problem p;
    int n_problems = 0, n_optimal = 0;
    double worst = 1, mean = 0;
    for (int k = 0; k < 1000; k++) {
        make(&p, 1 + draw(MAX_ITEMS));
        uint64_t budget = p.least + draw((uint32_t)(p.most - p.least + 2));
        double optimum = best_of_all(&p, 0, budget);
        assert_int_equal(cn_budget_solve(p.items, p.n, budget), CN_OK);
        double loss = cn_budget_loss(p.items, p.n);
        assert_true(cn_budget_bytes(p.items, p.n) <= budget);
        assert_true(loss >= optimum * (1 - 1e-12));
        mean += loss / optimum / 1000;
        n_problems++;
        n_optimal += loss <= optimum * (1 + 1e-12);
        worst = fmax(worst, loss / optimum);
    }
    printf("%d of %d optimal, on average %.5f times the optimum, at worst %.3f\n", n_optimal,
           n_problems, mean, worst);
    assert_true(n_optimal >= n_problems * 97 / 100);
    assert_true(mean < 1.005);
    assert_true(worst < 2);
}

/* With all the budget in the world the least loss of each; at the very least the smallest choices;
 * a byte below that nothing. */
static void ends(void **context)
{
    (void)context;
    static struct problem p;
    for (int k = 0; k < 50; k++) {
        make(&p, 20);
        assert_int_equal(cn_budget_solve(p.items, p.n, UINT64_MAX), CN_OK);
        for (size_t i = 0; i < p.n; i++)
            for (size_t c = 0; c < p.items[i].n_choices; c++)
                assert_true(p.choices[i][p.items[i].chosen].loss <= p.choices[i][c].loss);
        assert_int_equal(cn_budget_solve(p.items, p.n, p.least), CN_OK);
        assert_int_equal(cn_budget_bytes(p.items, p.n), p.least);
        assert_int_equal(cn_budget_solve(p.items, p.n, p.least - 1), CN_ERR_ARGUMENT);
        assert_int_equal(cn_budget_bytes(p.items, p.n), p.least);
    }
    assert_int_equal(cn_budget_solve(p.items, 0, 0), CN_OK);
}

/* Hundreds of items: within the budget, nearly all of it used, no single change is better, and the
 * loss close to that of the relaxation, which none can beat: sum of min (loss + lambda bytes) less
 * lambda times the budget, for any lambda >= 0. */
static void large(void **context)
{
    (void)context;
    static struct problem p;
    for (int k = 0; k < 5; k++) {
        make(&p, MANY);
        uint64_t budget = p.least + (p.most - p.least) * (uint64_t)(k + 1) / 7;
        assert_int_equal(cn_budget_solve(p.items, p.n, budget), CN_OK);
        uint64_t used = cn_budget_bytes(p.items, p.n);
        assert_true(used <= budget);
        for (size_t i = 0; i < p.n; i++) {
            const struct cn_budget_choice *now = &p.choices[i][p.items[i].chosen];
            for (size_t c = 0; c < p.items[i].n_choices; c++) {
                const struct cn_budget_choice *other = &p.choices[i][c];
                assert_false(other->loss < now->loss && other->bytes <= now->bytes + budget - used);
            }
        }
        double bound = 0;
        for (double lambda = 1e-4; lambda < 100; lambda *= 1.02) {
            double sum = -lambda * (double)budget;
            for (size_t i = 0; i < p.n; i++) {
                double best = (double)INFINITY;
                for (size_t c = 0; c < p.items[i].n_choices; c++)
                    best =
                        fmin(best, p.choices[i][c].loss + lambda * (double)p.choices[i][c].bytes);
                sum += best;
            }
            bound = fmax(bound, sum);
        }
        double loss = cn_budget_loss(p.items, p.n);
        printf("%llu of %llu bytes, loss %.5f, bound %.5f\n", (unsigned long long)used,
               (unsigned long long)budget, loss, bound);
        assert_true(loss >= bound * (1 - 1e-9));
        assert_true(loss <= bound * 1.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brute_force),
        cmocka_unit_test(ends),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
