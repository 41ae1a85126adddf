/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_energy.h"

#include "bench/model/watched_load.h"

#include <math.h>
#include <stdio.h>

static const double FIRST_S = 0.25, LONGER = 4;

/* One attempt. False if the profiler fails. */
static bool attempt(struct cn_kernel_bench *bench, const struct cn_kernel_set *set,
                    struct cn_profiler *profiler, double seconds, struct cn_kernel_energy *energy,
                    struct cn_profiler_error *err)
{
    if (cn_profiler_start(profiler, err) != 0)
        return false;
    cn_idle_phase(profiler, fmin(seconds, 1), 0);
    cn_profiler_phase_begin(profiler, "kernel", 0);
    cn_kernel_bench_load(bench, set, seconds, &energy->load);
    cn_profiler_phase_end(profiler);
    cn_idle_phase(profiler, fmin(seconds, 1), 1);
    return cn_profiler_stop(profiler, err) == 0;
}

static void price(const struct cn_profiler *profiler, struct cn_kernel_energy *energy)
{
    struct cn_energy e;
    cn_profiler_total(profiler, 0, "kernel", 0, SIZE_MAX, &e);
    energy->status = e.status;
    energy->seconds = (double)e.busy_ns * 1e-9;
    snprintf(energy->reason, sizeof energy->reason, "%s", e.reason ? e.reason : "");
    const double per = 1e12 / energy->load.weights;
    energy->pj = e.joules * per;
    energy->pj_net = e.joules_net * per;
    energy->uncertainty = e.uncertainty * per;
    energy->watts = e.joules / energy->seconds;
}

bool cn_kernel_energy_measure(struct cn_kernel_bench *bench, const struct cn_kernel_set *set,
                              struct cn_profiler *profiler, double most_s,
                              struct cn_kernel_energy *energy, struct cn_profiler_error *err)
{
    *energy = (struct cn_kernel_energy){ .status = CN_ENERGY_UNRESOLVED };
    double seconds = FIRST_S;
    do {
        if (!attempt(bench, set, profiler, seconds, energy, err))
            return false;
        price(profiler, energy);
        seconds *= LONGER;
    } while (energy->status == CN_ENERGY_UNRESOLVED && seconds <= most_s);
    return true;
}
