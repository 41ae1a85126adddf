/* SPDX-License-Identifier: MIT
 *
 * Which number of threads, which cores, and spinning or sleeping, cost a model least.
 */
#ifndef CN_TUNING_H
#define CN_TUNING_H

#include "bench/machine/core_sets.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

enum cn_tune_goal {
    CN_TUNE_TIME,
    CN_TUNE_ENERGY,
    CN_TUNE_EDP, /* energy-delay product: joules x seconds */
    CN_TUNE_N_GOALS
};

/* "time", "energy", "edp"; NULL out of range. */
const char *cn_tune_goal_name(enum cn_tune_goal goal);

struct cn_tune_options {
    enum cn_tune_goal goal;
    int32_t n_prefill,
        n_decode;     /* tokens of a pass, of a context; how the two weigh in the choice */
    double seconds;   /* of a turn's prefill, and of its decode, at least */
    int32_t n_rounds; /* 2 to 256; in each every candidate takes its turn */
    const struct cn_core_set *sets;
    int n_sets;
    const char *root;   /* where frequencies are set; NULL: "/" */
    const int *threads; /* [n_threads]; more than a set has are left out there */
    int n_threads;
    struct cn_profiler *profiler;                            /* started */
    void (*progress)(void *user, double done, double total); /* may be NULL */
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED; may be NULL */
    /* Cores of this set, or their frequency, are not to be had, or no longer: it is left out. May
     * be NULL. */
    void (*lost)(void *user, const struct cn_core_set *set);
    void *user;
};

/* A way to run one of the two tests, and what it cost. */
struct cn_candidate {
    int set, threads;
    bool sleep, decode;
    double seconds, s_lo, s_hi; /* per token: median of the rounds, 95% interval */
    double joules, j_lo, j_hi;  /* per token; NaN: not known */
    double cost, lo, hi;        /* by the goal, per token: s, J, or J s; NaN: not known */
    bool chosen;
};

struct cn_tune; /* the turns */

/* The caller frees *tune. CN_ERR_IO also if none of the sets can be had. The calling thread's cores
 * are as before afterwards. */
enum cn_status cn_tune_run(const struct cn_model *model, const struct cn_tune_options *options,
                           struct cn_tune **tune, struct cn_error *err);
void cn_tune_free(struct cn_tune *tune); /* NULL is allowed */

/* After the profiler was stopped: prices the candidates and chooses. Cores and sleeping hold for a
 * whole run, so the cheapest pair of thread counts is looked for within each, and the pair that is
 * cheapest for n_prefill and n_decode tokens together is chosen. Candidates belong to the tune.
 * NULL, with a sentence in *why, if nothing can be chosen. */
const struct cn_candidate *cn_tune_choose(struct cn_tune *tune, const struct cn_profiler *profiler,
                                          int *n, const char **why);

#endif
