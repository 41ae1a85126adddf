/* SPDX-License-Identifier: MIT
 *
 * Answers as JSON, whole or in pieces (server-sent events).
 */
#ifndef CN_ANSWER_H
#define CN_ANSWER_H

#include "serve/job.h"

/* {"error": {...}} */
void cn_answer_refusal(const struct cn_refusal *refusal, struct cn_json_text *out);
/* The model: {"id": ..., "object": "model", ...} */
void cn_answer_model(const struct cn_service *service, struct cn_json_text *out);
/* The list of models, which is one. */
void cn_answer_models(const struct cn_service *service, struct cn_json_text *out);

/* The whole of a job that is done. */
void cn_answer_whole(const struct cn_job *job, const struct cn_spent *usage,
                     struct cn_json_text *out);

/* What there is new of a sequence as an event, and that it has finished; remembers what was told.
 * Nothing new: no event. usage: what it took so far, or NULL. */
void cn_answer_piece(struct cn_sequence *sequence, const struct cn_spent *usage,
                     struct cn_json_text *out);
/* The end of a stream: with the usage if the request wants it. */
void cn_answer_end(const struct cn_job *job, const struct cn_spent *usage,
                   struct cn_json_text *out);
/* The end of a stream that failed on its way. */
void cn_answer_broken(const struct cn_refusal *refusal, struct cn_json_text *out);

#endif
