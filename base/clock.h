/* SPDX-License-Identifier: MIT
 *
 * The time, as a clock of the system tells it.
 */
#ifndef CN_CLOCK_H
#define CN_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Now, on a CLOCK_*, in ns; in seconds. */
int64_t cn_now_ns(clockid_t clock);
double cn_now_s(clockid_t clock);

/* Seconds, monotonic. */
double cn_seconds(void);

#endif
