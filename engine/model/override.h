/* SPDX-License-Identifier: MIT
 *
 * Other weights in the place of a model's own, in memory: what would one tensor in another format
 * do to the model?
 */
#ifndef CN_OVERRIDE_H
#define CN_OVERRIDE_H

#include "engine/carnot.h"

struct cn_format;

/* From now on tensor `name`, a matrix that `model` uses, has the format and the data (all its rows,
 * all its matrices; the caller keeps them alive while they are in use). A tied output changes with
 * the embedding. With data NULL the file's own come back, and format is not looked at. False: the
 * model has no such matrix, or its rows cannot have this format.
 *
 * No session of the model may be in use, and sessions made before must be made anew: their buffers
 * fit the formats that there were. */
bool cn_model_override(struct cn_model *model, const char *name, const struct cn_format *format,
                       const void *data);

#endif
