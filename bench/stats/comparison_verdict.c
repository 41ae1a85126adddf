/* SPDX-License-Identifier: MIT */
#include "bench/stats/comparison.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double ALPHA = 0.05;

struct sentence {
    char *text;
    size_t n, used;
};

__attribute__((format(printf, 2, 3))) static void say(struct sentence *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->text + s->used, s->n - s->used, format, args);
    va_end(args);
    s->used += (size_t)n;
    if (s->used >= s->n)
        s->used = s->n - 1;
}

/* 1.0432 -> 4.3%, 1.00021 -> 0.021% */
static void percent(struct sentence *s, double ratio)
{
    double change = 100 * (ratio - 1);
    say(s, fabs(change) < 0.095 ? "%.2g%%" : fabs(change) < 999.5 ? "%.1f%%" : "%.0f%%", change);
}

static void size_of(struct sentence *s, const struct cn_tost *t, double value)
{
    if (t->scale == CN_SCALE_RATIO)
        percent(s, value);
    else
        say(s, "%.4g", value);
}

/* "B is 3.4% above A (90% interval 2.1% to 4.8%)" */
static void describe_difference(struct sentence *s, const struct cn_comparison *c)
{
    struct cn_tost t = c->tost;
    double a = c->of_a.median, b = c->of_b.median;
    if (isnan(t.estimate)) { /* too few for an interval */
        t.scale = a > 0 && b > 0 ? CN_SCALE_RATIO : CN_SCALE_DIFFERENCE;
        t.estimate = t.scale == CN_SCALE_RATIO ? b / a : b - a;
    }
    const double none = t.scale == CN_SCALE_RATIO ? 1 : 0;
    say(s, "%s is ", c->b);
    if (t.estimate == none) {
        say(s, "level with %s", c->a);
    } else {
        size_of(s, &t, t.estimate > none ? t.estimate : 2 * none - t.estimate);
        say(s, " %s %s", t.estimate > none ? "above" : "below", c->a);
    }
    if (isnan(t.lo))
        return;
    say(s, " (90%% interval ");
    size_of(s, &t, t.lo);
    say(s, " to ");
    size_of(s, &t, t.hi);
    say(s, ")");
}

static void rank_p(struct sentence *s, const struct cn_comparison *c)
{
    say(s, "%s p = %.3g", c->paired ? "Wilcoxon" : "Mann-Whitney", c->p_holm);
    if (c->n_tests > 1)
        say(s, " after Holm for %zu tests", c->n_tests);
}

static void margin(struct sentence *s, const struct cn_tost *t)
{
    if (t->scale == CN_SCALE_RATIO)
        say(s, "%.3g%%", 100 * (t->margin_hi - 1));
    else
        say(s, "%.3g", t->margin_hi);
}

/* One value on each side allows no test, but a result may bring an interval of its own. */
static void describe_single_values(struct sentence *s, const struct cn_comparison *c)
{
    describe_difference(s, c);
    if (isnan(c->lo_a) || isnan(c->hi_a) || isnan(c->lo_b) || isnan(c->hi_b))
        say(s, "; one value of each, so nothing can be said about chance.");
    else if (c->lo_b > c->hi_a || c->hi_b < c->lo_a)
        say(s, "; one value of each, and their 95%% intervals are apart: a difference.");
    else
        say(s, "; one value of each, and their 95%% intervals overlap: no difference shown.");
}

/* The least p that so few values can give: 2 divided by the number of ways to arrange them. */
static double least_p(const struct cn_comparison *c)
{
    const size_t n = c->of_a.n + c->of_b.n;
    double p = 2;
    if (!c->test.exact)
        return 0;
    if (c->paired)
        return ldexp(p, -(int)(c->test.n_a - c->test.n_zero));
    for (size_t i = 1; i <= c->of_a.n; i++)
        p *= (double)i / (double)(n - c->of_a.n + i);
    return p;
}

static void verdict(struct sentence *s, const struct cn_comparison *c)
{
    const struct cn_tost *t = &c->tost;
    const bool differ = c->p_holm < ALPHA, same = t->p < ALPHA;
    const bool beyond = t->lo > t->margin_hi || t->hi < t->margin_lo;
    const size_t n = c->of_a.n < c->of_b.n ? c->of_a.n : c->of_b.n;
    const char *what = c->paired ? "pairs" : "values of each";
    if (c->paired && c->test.n_zero == c->test.n_a) {
        say(s, "%s and %s are equal in every pair (%zu).", c->a, c->b, c->test.n_a);
        return;
    }
    if (c->same_values && !c->paired && n > 1) {
        say(s, "%s and %s hold the same values (%zu each; ", c->a, c->b, n);
        rank_p(s, c);
        say(s, ").");
        return;
    }
    if (n == 1 && c->of_a.n == c->of_b.n) {
        describe_single_values(s, c);
        return;
    }
    describe_difference(s, c);
    say(s, differ ? ": a difference (" : same ? ": no difference shown (" : ": undecided (");
    rank_p(s, c);
    say(s, ")");
    if (same) {
        say(s, differ ? ", but one too small to matter: equivalent within "
                      : ", and equivalent within ");
        margin(s, t);
        say(s, " (TOST p = %.3g", t->p);
        if (c->tost_p_ranks >= ALPHA) /* outliers, or a close call */
            say(s, "; by ranks not quite, p = %.3g", c->tost_p_ranks);
        say(s, ").");
    } else if (differ && beyond) {
        say(s, ", and one of more than ");
        margin(s, t);
        say(s, ".");
    } else if (isnan(t->p)) {
        say(s, "; equivalence cannot be tested with %zu %s.", n, what);
    } else if (!differ && least_p(c) * (double)(c->n_tests > 1 ? c->n_tests : 1) >= ALPHA) {
        say(s, ": %zu %s are too few for this test to show a difference", n, what);
        if (c->n_tests > 1 && least_p(c) < ALPHA) /* Holm's first one is to pass all of them */
            say(s, " among %zu comparisons", c->n_tests);
        say(s, ".");
    } else {
        say(s, differ ? "; whether it is within " : ", and not shown to be equivalent within ");
        margin(s, t);
        say(s, differ ? " is open (TOST p = %.3g" : " either (TOST p = %.3g", t->p);
        if (c->tost_p_ranks < ALPHA)
            say(s, "; by ranks it is, p = %.3g", c->tost_p_ranks);
        say(s, differ ? ")." : "): more runs would tell.");
    }
}

void cn_comparison_verdict(const struct cn_comparison *c, char *text, size_t n)
{
    struct sentence s = { text, n, 0 };
    text[0] = '\0';
    verdict(&s, c);
}
