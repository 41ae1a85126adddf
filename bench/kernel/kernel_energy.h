/* SPDX-License-Identifier: MIT
 *
 * What a kernel's weights cost in joules: the same work over and over, for as long as the meter
 * needs to tell.
 */
#ifndef CN_KERNEL_ENERGY_H
#define CN_KERNEL_ENERGY_H

#include "bench/kernel/kernel_bench.h"
#include "profiler/profiler.h"

struct cn_kernel_energy {
    struct cn_kernel_load load; /* what was done */
    double seconds;             /* that it took */
    /* Picojoules by weight and token, gross; less the idle baseline; half the width of their 95%
     * interval. NaN unless measured or modelled. */
    double pj, pj_net, uncertainty;
    double watts; /* gross */
    enum cn_energy_status status;
    char reason[320]; /* why not measured */
};

/* Has the case that was set in `bench` done with one set, idle before and after, in phases of a
 * quarter of a second and, where the meter cannot resolve those, four times as long, and again, up
 * to most_s. The profiler is started and stopped here. False if it cannot be: err says why. */
bool cn_kernel_energy_measure(struct cn_kernel_bench *bench, const struct cn_kernel_set *set,
                              struct cn_profiler *profiler, double most_s,
                              struct cn_kernel_energy *energy, struct cn_profiler_error *err);

#endif
