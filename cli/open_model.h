/* SPDX-License-Identifier: MIT
 *
 * How commands that show what a model says open it.
 */
#ifndef CN_OPEN_MODEL_H
#define CN_OPEN_MODEL_H

#include <stdint.h>

#include "engine/carnot.h"

/* As cn_model_open(). Warns of what the file leaves open, and if n_ctx tokens (0: the command's own
 * choice) are more than the model was trained on. */
enum cn_status cn_open_model(const char *path, const struct cn_model_options *options,
                             int64_t n_ctx, struct cn_model **model, struct cn_error *err);

/* The warnings alone, of a model that was opened from `path`. */
void cn_warn_of_model(const char *path, const struct cn_model *model, int64_t n_ctx);

#endif
