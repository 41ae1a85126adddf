/* SPDX-License-Identifier: MIT
 *
 * The energy model of a machine from measured configurations, and what it says of others.
 */
#ifndef CN_ENERGY_FIT_H
#define CN_ENERGY_FIT_H

#include "engine/carnot.h"
#include "profiler/energy_model.h"

/* A configuration: a model's test on some threads. */
struct cn_sweep_point {
    int model; /* index of models */
    char file_type[32];
    int threads;
    bool decode;
    bool held_out; /* not used for the fit, but to check it */
    bool floats;   /* weights of float formats do most of the work: no term tells of them */
    int64_t tokens;
    struct cn_model_row took;   /* all turns together */
    double joules, uncertainty; /* NaN: not known */
    double predicted, half;     /* by the model; NaN without one */
};

/* Fits the points that are not held out, then predicts each. Terms that come out below 0 are held
 * at 0, as no machine gains by work. Meter, boundary and cpu are left empty. False, with a sentence
 * in *why, if the points do not give a model. */
bool cn_energy_fit(struct cn_sweep_point *points, int n, struct cn_energy_model *model,
                   const char **why);

/* Seconds and joules per token that the model predicts for a machine with so many threads. */
struct cn_prediction {
    double s_per_token, j_per_token;
    double j_lo, j_hi; /* 95%: of a model that was not in the sweep */
};

/* n_tokens in one pass, or one token if `decode`. False, with a sentence in *why, if the model has
 * nothing on that number of threads, or cannot say. */
bool cn_energy_predict(const struct cn_energy_model *m, const struct cn_model *model, bool decode,
                       int32_t n_tokens, int threads, struct cn_prediction *p, const char **why);

#endif
