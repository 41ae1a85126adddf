/* SPDX-License-Identifier: MIT
 *
 * Option values that are lists with commas, and names that several commands take.
 */
#ifndef CN_LISTS_H
#define CN_LISTS_H

#include <stdint.h>

/* The tiers to use: `list` (of option `name`), else CARNOT_TIERS, else all of this machine. Warns
 * of those that this machine lacks. Returns -1, or the exit code after a message. */
int cn_parse_tiers(const char *name, const char *list, uint32_t *mask);

/* Whether the names in `list` (of --tiers), else in CARNOT_TIERS, are names of tiers: for commands
 * whose model looks at what this machine has. Returns -1, or the exit code after a message. */
int cn_check_tiers(const char *list);

/* What cn_profiler_create said, which fails at a wrong --meter or for want of memory. Returns the
 * exit code. */
int cn_meter_refused(const char *why);

enum { CN_MAX_COUNTS = 64 };

/* "1,2,4" to counts[0..*n), each from 1 to max, at most CN_MAX_COUNTS. Returns -1, or the exit code
 * after a message that names the option. */
int cn_parse_counts(const char *name, const char *list, int max, int *counts, int *n);

/* 1, 2, 4, ... and `most` itself to counts[CN_MAX_COUNTS]; returns how many. */
int cn_default_counts(int most, int *counts);

#endif
