/* SPDX-License-Identifier: MIT
 *
 * The sessions that requests run on, and what they keep between requests: a conversation that goes
 * on finds the lane that holds its beginning.
 */
#ifndef CN_SERVE_LANES_H
#define CN_SERVE_LANES_H

#include "engine/carnot.h"

struct cn_lane {
    struct cn_session *session;
    int32_t *tokens; /* [n_ctx] those that the session holds: [n] */
    int32_t n;
    int64_t used;        /* when it was last let go of, as a count */
    bool busy;           /* somebody's */
    struct cn_work told; /* of the session, for the meter */
};

struct cn_lanes;

/* n lanes of one model, 1 to CN_MAX_LANES. */
enum cn_status cn_lanes_create(const struct cn_model *model,
                               const struct cn_session_options *options, int32_t n,
                               struct cn_lanes **lanes, struct cn_error *err);
void cn_lanes_free(struct cn_lanes *lanes); /* NULL is allowed */

/* Of one lane: keys, values and states. */
size_t cn_lanes_bytes(const struct cn_lanes *lanes);
/* Tokens that lanes hold which are nobody's at present. */
int64_t cn_lanes_kept(const struct cn_lanes *lanes);

/* A lane that is free becomes the caller's, holding the first *n_kept tokens of prompt[n], at most
 * n_keep of them (< n). NULL without an error if none is free, with one if it could not be made
 * ready. */
struct cn_lane *cn_lanes_take(struct cn_lanes *lanes, const int32_t *prompt, int32_t n,
                              int32_t n_keep, int32_t *n_kept, struct cn_error *err);
/* What it holds is kept for a prompt that begins so, until the lane is needed. */
void cn_lanes_return(struct cn_lanes *lanes, struct cn_lane *lane);

/* One pass for all: steps[i] is of the session of lanes of[i]. After a failure lanes hold what they
 * hold: cn_lane.n says it. */
enum cn_status cn_lanes_eval(struct cn_lanes *lanes, struct cn_lane *const *of,
                             const struct cn_step *steps, size_t n, struct cn_error *err);

#endif
