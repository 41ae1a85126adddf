/* SPDX-License-Identifier: MIT
 *
 * The phases of a run that are no forward pass: loading a model, and doing nothing.
 */
#ifndef CN_WATCHED_LOAD_H
#define CN_WATCHED_LOAD_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

/* Sleeps for so long in a phase "idle", from which the baseline comes. Nothing for seconds <= 0. */
void cn_idle_phase(struct cn_profiler *profiler, double seconds, int64_t index);

struct cn_watched_load {
    struct cn_profiler *profiler; /* started */
    double idle_s;                /* spent idle before, as phase 0; 0: none */
    const char *path;             /* of the model; NULL: none is opened */
    struct cn_model_options model;
    const struct cn_session_options *session; /* NULL: none is created */
};

/* Opens a model and creates a session of it in a phase "load". What there is of *model and *session
 * is the caller's to free, after a failure too; what there is not is NULL. */
enum cn_status cn_watched_load(const struct cn_watched_load *load, struct cn_model **model,
                               struct cn_session **session, struct cn_error *err);

#endif
