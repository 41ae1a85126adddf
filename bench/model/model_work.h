/* SPDX-License-Identifier: MIT
 *
 * What passes through a model take, told to a profiler while they run.
 */
#ifndef CN_MODEL_WORK_H
#define CN_MODEL_WORK_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

/* Tells the profiler what the session has done since *told (which the caller begins with zeros for
 * a new session), and sets *told. profiler may be NULL. */
void cn_report_work(struct cn_profiler *profiler, const struct cn_session *session,
                    struct cn_work *told);

/* What was done between two counts of one session. */
struct cn_work cn_work_since(const struct cn_work *now, const struct cn_work *then);

#endif
