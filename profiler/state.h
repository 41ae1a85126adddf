/* SPDX-License-Identifier: MIT
 *
 * The state of the machine beside the joules: read at the start and the end of a run, compared
 * after it.
 */
#ifndef CN_STATE_H
#define CN_STATE_H

#include "profiler/profiler.h"

/* Reads what there is under root ("" stands for "/"); the rest is NaN, -1 or "". Takes some
 * milliseconds. */
void cn_state_read(const char *root, struct cn_system_state *state);

/* Writes what was not as quiet as a measurement wants, as one line; "" if nothing. */
void cn_state_judge(const struct cn_system_state *before, const struct cn_system_state *after,
                    char *text, size_t n_bytes);

#endif
