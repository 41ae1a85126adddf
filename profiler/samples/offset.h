/* SPDX-License-Identifier: MIT
 *
 * How far the clock of samples is off, found from the samples themselves: phases of different kinds
 * take different power, so at the right offset the kinds explain most of the power's changes.
 */
#ifndef CN_OFFSET_H
#define CN_OFFSET_H

#include "profiler/watch.h"

struct cn_offset {
    int64_t ns;       /* to be added to the samples' stamps */
    double explained; /* share of the power's variance that the kinds of phases explain there */
    double next;      /* the same of the next best offset that is not beside it; 0: none */
};

/* Tries offsets up to search_ns both ways on a settled series whose stamps are near the phases'
 * clock. phases[n] in order of begin; pointers to equal kinds are equal. A gauge that tells the
 * mean of its last period is late by half of it: the offset found makes up for that too. False,
 * with a sentence in *why, if there is nothing to go by, or memory is short. */
bool cn_offset_find(const struct cn_series *series, const struct cn_phase *phases, size_t n,
                    int64_t search_ns, struct cn_offset *offset, const char **why);

#endif
