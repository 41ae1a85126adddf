/* SPDX-License-Identifier: MIT
 *
 * Whose was which part of the time: passes through the model are shared by requests, and their
 * joules are split by tokens.
 */
#ifndef CN_ACCOUNT_H
#define CN_ACCOUNT_H

#include "profiler/profiler.h"

/* One request's stretches of one phase. {0}: nothing yet. */
struct cn_account {
    struct cn_share *shares; /* [n] */
    size_t n, capacity;
    int64_t n_tokens;
    bool shared; /* some pass was somebody else's too */
    bool failed; /* memory ran out: what is missing makes the joules unknown */
};

/* n_tokens of the n_all of a pass from t0_ns to t1_ns. */
void cn_account_add(struct cn_account *account, int64_t t0_ns, int64_t t1_ns, int32_t n_tokens,
                    int32_t n_all);
void cn_account_free(struct cn_account *account);

/* What requests took, priced. */
struct cn_cost {
    int64_t n_tokens;
    double seconds; /* of passes, by share */
    struct cn_energy energy;
};

void cn_account_price(const struct cn_account *account, struct cn_profiler *profiler,
                      struct cn_cost *cost);

#endif
