/* SPDX-License-Identifier: MIT
 *
 * The interactive form of carnot run.
 */
#ifndef CN_CONVERSE_H
#define CN_CONVERSE_H

#include "cli/commands/run.h"

/* Talks until the input ends; the run has a chat. Returns the exit code. */
int cn_converse(struct cn_run *run);

#endif
