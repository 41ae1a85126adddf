/* SPDX-License-Identifier: MIT
 *
 * Cycles where the CPU's own counter cannot be read (virtual machines, perf_event_paranoid): the
 * time-stamp counter ticks at one rate whatever the core does, so its cycles are those of a core at
 * its nominal frequency.
 */
#ifndef CN_CYCLES_H
#define CN_CYCLES_H

#include <stdbool.h>

/* Ticks per second of the time-stamp counter, measured once against the clock; NaN on a machine
 * without one. */
double cn_tsc_hz(void);

/* Whether perf_event counts core cycles of this process. */
bool cn_core_cycles_there(void);

#endif
