/* SPDX-License-Identifier: MIT
 *
 * How many tokens to draft before the next pass: as many as promise the most kept tokens for what a
 * pass over so many tokens and a drafted token have cost, and by how often drafts were right.
 * Costs are in any unit that is to be small, seconds or joules.
 */
#ifndef CN_DRAFT_LENGTH_H
#define CN_DRAFT_LENGTH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CN_DRAFT_MOST = 63, /* tokens drafted before a pass, at the most */
    CN_DRAFT_KINDS = 16 /* of drafts whose chances differ: 0 of a model, others of a look-up, by the
                         * length of the n-gram that fits */
};

struct cn_draft_cost {
    double mean;   /* of the last measurements, the newest with the most weight */
    double spread; /* how far from it they were, the same way */
    int64_t n;     /* measurements */
};

/* All zero: nothing is known yet. */
struct cn_draft_length {
    struct cn_draft_cost pass[CN_DRAFT_MOST + 2]; /* [n]: of a pass over n tokens */
    struct cn_draft_cost token;                   /* of a drafted token */
    struct {
        double right, tried; /* recent ones; older ones fade */
    } kinds[CN_DRAFT_KINDS];
    int64_t passes, since_draft, patience;
};

/* A pass over n tokens cost so much; so did drafting n tokens. What is not finite or below 0 is not
 * counted. 1 <= n <= CN_DRAFT_MOST + 1. */
void cn_draft_length_pass(struct cn_draft_length *length, int32_t n, double cost);
void cn_draft_length_draft(struct cn_draft_length *length, int32_t n, double cost);
/* Of a draft of `kind` so many tokens were right, and then one was wrong or (all_right) none. */
void cn_draft_length_outcome(struct cn_draft_length *length, int kind, int32_t n_right,
                             bool all_right);

/* The probability that the next token of such a draft is right, 0 < p < 1. */
double cn_draft_length_rate(const struct cn_draft_length *length, int kind);
/* What a pass over n tokens costs, between and beyond the measured ones as if on a line; a pass is
 * never dearer than one over more tokens. 1 before anything was measured. */
double cn_draft_length_pass_cost(const struct cn_draft_length *length, int32_t n);
/* Tokens kept for each unit of cost of a pass over n_pending tokens of the text, that no
 * pass has seen yet, and n drafted ones; together CN_DRAFT_MOST + 1 at the most. */
double cn_draft_length_yield(const struct cn_draft_length *length, int kind, int32_t n_pending,
                             int32_t n);

/* How many tokens to draft now, 0 to n_max; the first time none. `probe`: drafts are tried now and
 * then even where they do not pay, to see whether that has changed. */
int32_t cn_draft_length_choose(struct cn_draft_length *length, int kind, int32_t n_pending,
                               int32_t n_max, bool probe);

#endif
