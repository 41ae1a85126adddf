/* SPDX-License-Identifier: MIT
 *
 * How long drafts are, on machines whose costs are known.
 */
#include "engine/run/draft_length.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A machine: a pass over n tokens costs base + slope * n, a drafted token `draft`; each is right
 * with probability `rate`. */
struct machine {
    double base, slope, draft, rate;
};

static double pass_cost(const struct machine *m, int32_t n)
{
    return m->base + m->slope * n;
}

/* Tokens kept per cost with n drafted. */
static double truth(const struct machine *m, int32_t n)
{
    return (1 - pow(m->rate, n + 1)) / (1 - m->rate) / (pass_cost(m, n + 1) + n * m->draft);
}

/* Passes with the lengths chosen; tokens kept per cost over the last half. */
static double play(struct cn_draft_length *l, const struct machine *m, int n_max, int n_passes,
                   bool probe, struct cn_rng *rng)
{
    double cost = 0, kept = 0;
    for (int i = 0; i < n_passes; i++) {
        int32_t n = cn_draft_length_choose(l, 0, 1, n_max, probe), right = 0;
        assert_in_range(n, 0, n_max);
        while (right < n && cn_rng_uniform(rng) < m->rate)
            right++;
        /* Noise of a fifth, and now and then another program. */
        double noise = 1 + 0.2 * (cn_rng_uniform(rng) - 0.5) + (cn_rng_below(rng, 50) == 0);
        double pass = pass_cost(m, n + 1) * noise;
        cn_draft_length_pass(l, n + 1, pass);
        if (n > 0) {
            cn_draft_length_draft(l, n, n * m->draft * noise);
            cn_draft_length_outcome(l, 0, right, right == n);
        }
        if (i >= n_passes / 2) {
            cost += pass_cost(m, n + 1) + n * m->draft;
            kept += 1 + right;
        }
    }
    return kept / cost;
}

/* Whatever the machine, nearly what the best length would give, and never much less than no draft.
 */
static void near_the_best(void **state)
{
    static const struct machine machines[] = {
        {1,    0.01, 0.1, 0.9}, /* passes over many tokens for the price of one */
        { 1,   0.01, 0,   0.5}, /* drafts for nothing */
        { 1,   0.2,  0.1, 0.7}, /* as small batches are */
        { 1,   0.2,  0.3, 0.3}, /* hardly right */
        { 0.1, 0.9,  0.1, 0.9}, /* no gain in a batch */
        { 1,   0.05, 0.9, 0.6}, /* a draft as dear as the model */
    };
    (void)state;
    for (size_t k = 0; k < sizeof machines / sizeof *machines; k++) {
        const struct machine *m = &machines[k];
        struct cn_draft_length l = { .passes = 0 };
        struct cn_rng rng = { 11 + k };
        double best = truth(m, 0);
        int32_t length = 0;
        for (int32_t n = 1; n <= 15; n++)
            if (truth(m, n) > best) {
                best = truth(m, n);
                length = n;
            }
        const double got = play(&l, m, 15, 3000, true, &rng);
        printf("machine %zu: best %d tokens, %.3f; got %.3f, without %.3f\n", k, length, best, got,
               truth(m, 0));
        assert_true(got > 0.9 * best);
        assert_true(got > 0.97 * truth(m, 0));
    }
}

/* Where drafts stop being right they stop being made, and come back when they are. */
static void follows_the_text(void **state)
{
    struct machine m = { 1, 0.05, 0.05, 0.95 };
    struct cn_draft_length l = { .passes = 0 };
    struct cn_rng rng = { 3 };
    (void)state;
    play(&l, &m, 15, 200, true, &rng);
    assert_true(cn_draft_length_rate(&l, 0) > 0.85);
    m.rate = 0;
    assert_true(play(&l, &m, 15, 600, true, &rng) > 0.97 * truth(&m, 0));
    m.rate = 0.95;
    assert_true(play(&l, &m, 15, 1200, true, &rng) > 2 * truth(&m, 0));
}

/* A text of 300 tokens with look-ups, on a machine where a pass over one token more costs `slope`
 * more, and one pass in 30 waits for another program, twice as long as it takes. found, right [4]:
 * how often the last 1 to 3 tokens stood before, and how often what followed does so again. The
 * speed, in those of a text without look-ups. */
static double look_ups(double slope, const double *found, const double *right, struct cn_rng *rng)
{
    enum { N_TOKENS = 300, MOST = 15 };
    struct cn_draft_length l = { .passes = 0 };
    double cost = 0;
    int done = 0;
    while (done < N_TOKENS) {
        double u = cn_rng_uniform(rng);
        int kind = 3, n_right = 0;
        while (kind > 0 && u >= found[kind])
            u -= found[kind--];
        while (kind > 0 && n_right < MOST && cn_rng_uniform(rng) < right[kind])
            n_right++;
        const int n = cn_draft_length_choose(&l, kind, 1, kind > 0 ? MOST : 0, false);
        const int kept = n < n_right ? n : n_right;
        const double pass = 1 + slope * n;
        cn_draft_length_pass(
            &l, 1 + n,
            pass * (0.9 + 0.2 * cn_rng_uniform(rng) + (cn_rng_below(rng, 30) == 0 ? 2 : 0)));
        if (n > 0)
            cn_draft_length_outcome(&l, kind, kept, kept == n);
        else if (kind > 0)
            cn_draft_length_outcome(&l, kind, n_right > 0, n_right > 0);
        cost += pass;
        done += kept + 1;
    }
    return done / cost;
}

/* Look-ups cost next to nothing in a text that does not quote itself, and gain in one that does. */
static void look_ups_of_texts(void **state)
{
    static const double slopes[] = { 0.03, 0.1, 0.2, 0.35, 0.5, 0.8 };
    static const struct {
        const char *name;
        double found[4], right[4];
    } texts[] = {
        {"prose",        { 0, 0.6, 0.15, 0.05 }, { 0, 0.08, 0.15, 0.25 }},
        { "more of it",  { 0, 0.6, 0.2, 0.1 },   { 0, 0.12, 0.25, 0.35 }},
        { "no language", { 0, 0.6, 0.1, 0.02 },  { 0, 0.03, 0.03, 0.03 }},
        { "quotes",      { 0, 0.03, 0.02, 0.9 }, { 0, 0.1, 0.3, 0.95 }  },
    };
    enum { N_TEXTS = 100 };
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        for (size_t s = 0; s < sizeof slopes / sizeof *slopes; s++) {
            struct cn_rng rng = { 17 };
            double mean = 0;
            int below = 0;
            for (int i = 0; i < N_TEXTS; i++) {
                const double speed = look_ups(slopes[s], texts[t].found, texts[t].right, &rng);
                mean += speed / N_TEXTS;
                below += speed < 0.97;
            }
            printf("%s, %.2f a token: %.3f times the speed, %d of %d below 0.97\n", texts[t].name,
                   slopes[s], mean, below, N_TEXTS);
            assert_true(mean > 0.99 && below <= 5);
            if (t == 3 && slopes[s] < 0.3)
                assert_true(mean > 2);
        }
}

/* Kinds do not learn from each other. */
static void kinds(void **state)
{
    struct cn_draft_length l = { .passes = 0 };
    (void)state;
    for (int32_t n = 1; n <= 16; n++)
        cn_draft_length_pass(&l, n, 1 + 0.1 * n);
    for (int i = 0; i < 20; i++) {
        cn_draft_length_outcome(&l, 3, 5, true);
        cn_draft_length_outcome(&l, 1, 0, false);
    }
    assert_true(cn_draft_length_rate(&l, 3) > 0.9);
    assert_true(cn_draft_length_rate(&l, 1) < 0.1);
    assert_true(cn_draft_length_choose(&l, 3, 1, 15, false) > 5);
    assert_int_equal(cn_draft_length_choose(&l, 1, 1, 15, false), 0);
}

static void costs(void **state)
{
    struct cn_draft_length l = { .passes = 0 };
    (void)state;
    assert_true(cn_draft_length_pass_cost(&l, 5) == 1);
    cn_draft_length_pass(&l, 1, 2);
    assert_true(fabs(cn_draft_length_pass_cost(&l, 6) - 3) < 1e-12); /* a tenth a token more */
    cn_draft_length_pass(&l, 5, 6);
    assert_true(fabs(cn_draft_length_pass_cost(&l, 3) - 4) < 1e-12);
    /* Over more tokens it is never cheaper. */
    cn_draft_length_pass(&l, 8, 5);
    assert_true(fabs(cn_draft_length_pass_cost(&l, 5) - 5) < 1e-12);
    /* What is no cost is not counted. */
    cn_draft_length_pass(&l, 8, (double)NAN);
    cn_draft_length_pass(&l, 8, -1);
    assert_true(fabs(cn_draft_length_pass_cost(&l, 8) - 5) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_the_best),
        cmocka_unit_test(follows_the_text),
        cmocka_unit_test(look_ups_of_texts),
        cmocka_unit_test(kinds),
        cmocka_unit_test(costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
