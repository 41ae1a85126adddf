/* SPDX-License-Identifier: MIT
 *
 * What passes through a model take, told beforehand; and told to a profiler while they run.
 */
#ifndef CN_MODEL_WORK_H
#define CN_MODEL_WORK_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_weight;
enum { CN_OP_WEIGHTS = 6 };

/* The matrices that an op of a layer (-1: outside the layers) multiplies with. Returns their
 * number.
 */
int cn_model_op_weights(const struct cn_model *model, enum cn_op op, int layer,
                        const struct cn_weight *weights[CN_OP_WEIGHTS]);

/* Adds what the op does with them in a pass of n_tokens; see cn_model_pass_work. */
void cn_model_op_work(const struct cn_model *model, enum cn_op op, int layer, int32_t n_tokens,
                      struct cn_work *work);

/* One pass of n_tokens (>= 1) at position 0, logits of the last one wanted: what cn_session_work
 * will count, but for the KV cache. Of a mixture, tokens are taken to choose their experts at
 * random. */
void cn_model_pass_work(const struct cn_model *model, int32_t n_tokens, struct cn_work *work);

/* Tells the profiler what the session has done since *told (which the caller begins with zeros for
 * a new session), and sets *told. profiler may be NULL. */
void cn_report_work(struct cn_profiler *profiler, const struct cn_session *session,
                    struct cn_work *told);

#endif
