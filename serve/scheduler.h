/* SPDX-License-Identifier: MIT
 *
 * One thread that runs the model: it takes jobs from a queue, gives their sequences lanes, and
 * evaluates one pass for all lanes after the other.
 */
#ifndef CN_SCHEDULER_H
#define CN_SCHEDULER_H

#include "serve/job.h"
#include "serve/serve_lanes.h"
#include "serve/tally.h"

struct cn_scheduler;

/* Answers are held for slow readers up to so much; who is further behind is left. */
enum { CN_MAX_UNREAD_BYTES = 4 << 20 };

/* Starts the thread. service, lanes and tally must outlive it; max_waiting: jobs in the queue, at
 * least 1. */
enum cn_status cn_scheduler_start(const struct cn_service *service, struct cn_lanes *lanes,
                                  int32_t n_lanes, int32_t n_batch, int32_t n_logits,
                                  int64_t max_waiting, struct cn_tally *tally,
                                  struct cn_scheduler **scheduler, struct cn_error *err);

/* Puts a job in the queue, which then holds it too. False with a refusal: 429 if the queue is full,
 * 503 if the server is about to end. */
bool cn_scheduler_submit(struct cn_scheduler *scheduler, struct cn_job *job,
                         struct cn_refusal *refusal);
/* Jobs that are not done. */
int64_t cn_scheduler_n_open(struct cn_scheduler *scheduler);
/* From now on no job is taken; those that are there are done. */
void cn_scheduler_drain(struct cn_scheduler *scheduler);
/* Drains, waits for the thread and frees all. NULL is allowed. */
void cn_scheduler_stop(struct cn_scheduler *scheduler);

#endif
