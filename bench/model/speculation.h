/* SPDX-License-Identifier: MIT
 *
 * Speculation under the profiler's eyes: a speculator with the draft's model and session, whose
 * work shows as phases "draft" and "verify", and which can go by joules instead of seconds.
 */
#ifndef CN_SPECULATION_H
#define CN_SPECULATION_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_speculation_options {
    const char *draft; /* the file of a model that drafts; NULL: none */
    int32_t lookup;    /* as in cn_speculator_options */
    bool nextn;        /* the same */
    int32_t n_draft;   /* the same */
    bool for_energy;   /* drafts are as long as saves joules, where the profiler's counter tells
                        * them, rather than seconds */
    const char *tiers; /* of the draft, as in cn_model_options */
    struct cn_session_options session; /* of the draft; n_ctx of the model's session */
    struct cn_profiler *profiler;      /* started; NULL: none */
};

/* Most positions whose logits a session needs for drafts of n_draft tokens (0: as many as are the
 * default): with room for what layers with states evaluate again. */
int32_t cn_speculation_n_logits(int32_t n_draft);

struct cn_speculation_source; /* what a speculator needs */

/* Opens the draft's model and makes the speculator of `session` and `sampler`, which must outlive
 * it. The caller frees it with cn_speculation_close, which is to come before the profiler's end. */
enum cn_status cn_speculation_open(struct cn_session *session, struct cn_sampler *sampler,
                                   const struct cn_speculation_options *options,
                                   struct cn_speculation_source **source, struct cn_error *err);
void cn_speculation_close(struct cn_speculation_source *source); /* NULL is allowed */
/* NULL of NULL. */
struct cn_speculator *cn_speculation_speculator(struct cn_speculation_source *source);
/* Whether drafts go by joules: asked for, and the profiler's counter tells them fast enough. */
bool cn_speculation_by_joules(const struct cn_speculation_source *source);

/* Its phases cost so much, over [first, first + n) of the profiler's: all of them, and the drafts
 * alone. */
void cn_speculation_energy(const struct cn_profiler *profiler, size_t first, size_t n,
                           struct cn_energy *all, struct cn_energy *drafts);

#endif
