/* SPDX-License-Identifier: MIT */
#include "engine/run/draft_length.h"

#include <math.h>

/* The weight of the newest measurement, once there are some; how far above the mean it counts at
 * most, in usual distances from there, and what these are at least, in means: other programs take
 * the CPU away now and then, and what is measured most often, passes over one token, must not seem
 * dear for that. */
static const double NEWEST = 1.0 / 8, MOST = 3, LEAST_SPREAD = 0.05;
/* What an earlier draft counts beside the next one. */
static const double FADE = 0.97;
/* How likely a draft is before any was tried, as if of two. Of those but kind 0 it is seen for
 * nothing whether they would have been right, so they need not be tried to be known. */
static const double PRIOR = 0.5, PRIOR_SEEN = 0.05;
/* Drafts have to promise so much more than none. */
static const double WORTH = 1.03;
/* What one more token in a pass is taken to cost where nothing tells, in passes over one token. */
static const double SLOPE = 0.1;

enum { EXPLORE_EVERY = 64, FIRST_PATIENCE = 32, LAST_PATIENCE = 512 };

static void measured(struct cn_draft_cost *c, double cost)
{
    if (!isfinite(cost) || cost < 0)
        return;
    const double most = c->mean + MOST * fmax(c->spread, LEAST_SPREAD * c->mean);
    if (c->n >= 3 && cost > most)
        cost = most;
    c->n++;
    const double weight = fmax(NEWEST, 1 / (double)c->n);
    if (c->n > 1)
        c->spread += (fabs(cost - c->mean) - c->spread) * weight;
    c->mean += (cost - c->mean) * weight;
}

void cn_draft_length_pass(struct cn_draft_length *l, int32_t n, double cost)
{
    measured(&l->pass[n], cost);
}

void cn_draft_length_draft(struct cn_draft_length *l, int32_t n, double cost)
{
    measured(&l->token, cost / n);
}

void cn_draft_length_outcome(struct cn_draft_length *l, int kind, int32_t n_right, bool all_right)
{
    for (int32_t i = 0; i < n_right + !all_right; i++) {
        l->kinds[kind].right = l->kinds[kind].right * FADE + (i < n_right);
        l->kinds[kind].tried = l->kinds[kind].tried * FADE + 1;
    }
}

double cn_draft_length_rate(const struct cn_draft_length *l, int kind)
{
    return (l->kinds[kind].right + (kind == 0 ? 2 * PRIOR : 2 * PRIOR_SEEN)) /
           (l->kinds[kind].tried + 2);
}

double cn_draft_length_pass_cost(const struct cn_draft_length *l, int32_t n)
{
    int32_t below = 0, above = 0;
    double least = (double)INFINITY; /* of passes over as many tokens or more */
    for (int32_t i = CN_DRAFT_MOST + 1; i >= 1; i--) {
        if (l->pass[i].n == 0)
            continue;
        if (i >= n) {
            above = i;
            least = fmin(least, l->pass[i].mean);
        } else if (below == 0) {
            below = i;
        }
    }
    if (below == 0)
        return above ? least : 1;
    const double from = l->pass[below].mean;
    if (above == n)
        return least;
    const double slope = above ? (l->pass[above].mean - from) / (above - below)
                               : SLOPE * cn_draft_length_pass_cost(l, 1);
    return fmin(least, from + slope * (n - below));
}

double cn_draft_length_yield(const struct cn_draft_length *l, int kind, int32_t n_pending,
                             int32_t n)
{
    const double rate = cn_draft_length_rate(l, kind);
    return (1 - pow(rate, n + 1)) / (1 - rate) /
           (cn_draft_length_pass_cost(l, n_pending + n) + n * l->token.mean);
}

int32_t cn_draft_length_choose(struct cn_draft_length *l, int kind, int32_t n_pending,
                               int32_t n_max, bool probe)
{
    const int64_t pass = l->passes++;
    if (l->pass[1].n == 0 || n_max == 0)
        return 0;
    int32_t best = 0;
    double most = WORTH * cn_draft_length_yield(l, kind, n_pending, 0);
    for (int32_t n = 1; n <= n_max; n++) {
        const double yield = cn_draft_length_yield(l, kind, n_pending, n);
        if (yield > most) {
            most = yield;
            best = n;
        }
    }
    if (best > 0) {
        l->since_draft = 0;
        l->patience = FIRST_PATIENCE;
        /* What lies beside the best may have become better. */
        if (pass % EXPLORE_EVERY == EXPLORE_EVERY - 1)
            return pass / EXPLORE_EVERY % 2 || best == n_max ? 0 : best + 1;
        return best;
    }
    if (l->patience == 0)
        l->patience = FIRST_PATIENCE;
    if (!probe || ++l->since_draft < l->patience)
        return 0;
    l->since_draft = 0;
    l->patience = l->patience * 2 < LAST_PATIENCE ? l->patience * 2 : LAST_PATIENCE;
    return 1;
}
