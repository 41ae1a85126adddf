/* SPDX-License-Identifier: MIT
 *
 * The energy model of a machine: a designed sweep over models in different formats, numbers of
 * threads, prefill and decode, in which bytes, operations and unpacked weights come in different
 * proportions; a fit on some of the configurations; and a check on the others.
 */
#ifndef CN_ENERGY_SWEEP_H
#define CN_ENERGY_SWEEP_H

#include "bench/machine/energy_fit.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_sweep_options {
    const char *const *models; /* [n_models] files; best one of each format */
    int n_models;
    const int *threads; /* [n_threads] */
    int n_threads;
    int32_t n_prefill, n_decode; /* tokens of a pass; context of the decode */
    int32_t n_rounds;            /* in each every configuration takes its turn, in random order */
    double seconds;              /* of a turn, at least */
    const char *tiers;
    struct cn_profiler *profiler;                            /* started */
    void (*progress)(void *user, double done, double total); /* may be NULL */
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED; may be NULL */
    /* Told after each pass what it took, also of those that are not counted; may be NULL. */
    void (*told)(void *user, const struct cn_work *pass);
    void *user;
};

struct cn_sweep; /* the turns */

/* The caller frees *sweep. */
enum cn_status cn_sweep_run(const struct cn_sweep_options *options, struct cn_sweep **sweep,
                            struct cn_error *err);
void cn_sweep_free(struct cn_sweep *sweep); /* NULL is allowed */

/* After the profiler was stopped: the joules of each point; what is not known stays NaN, and *why
 * (may be NULL) then says why. The points belong to the sweep. */
struct cn_sweep_point *cn_sweep_price(struct cn_sweep *sweep, const struct cn_profiler *profiler,
                                      int *n, const char **why);

#endif
