/* SPDX-License-Identifier: MIT
 *
 * A NextN block, which a model may have been trained with behind its layers (arXiv 2412.19437,
 * section 2.2; `nextn` in the names of its tensors): an ordinary layer that guesses one token more.
 * Of position i it reads h_i, the vector that the output matrix reads there, and the embedding of
 * the token behind it, t_(i+1), and gives the logits of t_(i+2):
 *
 *   x = eh_proj [enorm(embedding of t_(i+1)); hnorm(h_i)]
 *   h' = shared_head_norm(layer(x)), logits = output h'
 *
 * with keys and values of its own in row i. To guess further, h' stands for h_(i+1), which nobody
 * knows yet. The paper leaves open whether h_i is taken before or behind the final norm. It is
 * taken behind it here: then h_i and h' are of the same kind, what an output matrix reads, so that
 * a guess can stand for the other. It decides how often guesses are right and never what a text
 * becomes.
 */
#ifndef CN_NEXTN_H
#define CN_NEXTN_H

#include "engine/run/session.h"

/* What a session keeps for the block. */
struct cn_nextn {
    float *hidden;  /* [n_ctx, n_embd]: h of each position, or h' in its place */
    int32_t n_rows; /* what passes have made: of the positions before this one */
    float *logits;  /* [n_vocab] of the last cn_nextn_eval */
    void *arena;
};

/* Has the session keep what the block needs, from here on: s->nextn. CN_ERR_UNSUPPORTED if the
 * model has no such block, with the reason. cn_session_free frees it. */
enum cn_status cn_nextn_begin(struct cn_session *s, struct cn_error *err);
void cn_nextn_free(struct cn_nextn *nextn);

/* Where the pass under way is to put h of n positions; NULL: it is not wanted. */
static inline float *cn_nextn_rows(struct cn_session *s, int64_t position, int64_t n)
{
    struct cn_nextn *nextn = s->nextn;
    if (!nextn || position > nextn->n_rows)
        return NULL;
    nextn->n_rows = (int32_t)(position + n);
    return nextn->hidden + position * s->model->hp.n_embd;
}

/* Runs the block at the positions [position, position + n), n >= 1, tokens[n] being those behind
 * each; h of each must be there. `guess`: s->nextn->logits are wanted, and h' takes the place of h
 * of position + n, which must be below n_ctx. CN_ERR_CANCELLED leaves no logits. */
enum cn_status cn_nextn_eval(struct cn_session *s, int32_t position, const int32_t *tokens,
                             int32_t n, bool guess, struct cn_error *err);

#endif
