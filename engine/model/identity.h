/* SPDX-License-Identifier: MIT
 *
 * Which model it is that something was computed with.
 */
#ifndef CN_IDENTITY_H
#define CN_IDENTITY_H

#include "base/sha256.h"
#include "engine/model/model.h"

/* SHA-256 of the file's keys, of the names, types and shapes of its tensors, and of up to a page
 * from the middle of each: the weights themselves would take seconds. Two files that differ only
 * elsewhere pass for one. */
void cn_model_identity(const struct cn_model *model, char hex[CN_SHA256_HEX]);

#endif
