/* SPDX-License-Identifier: MIT
 *
 * The energy model of a machine, as a file: J = static W x seconds + J per byte read + J per
 * operation of 8-bit integers + J per weight unpacked. It is fitted elsewhere; here it is stored,
 * read and evaluated.
 */
#ifndef CN_ENERGY_MODEL_H
#define CN_ENERGY_MODEL_H

#include "profiler/profiler.h"

enum { CN_MODEL_TERMS = 4, CN_MODEL_THREADS = 64 };

/* What something took, in the order of the terms. */
struct cn_model_row {
    double x[CN_MODEL_TERMS]; /* seconds, bytes, int8 operations, weights unpacked */
};

/* How long it takes with so many threads: a sum over the last three terms. */
struct cn_time_model {
    int n_threads;
    double coef[CN_MODEL_TERMS - 1]; /* seconds per byte, operation, weight */
    double spread;                   /* standard deviation of the relative error */
};

struct cn_energy_model {
    double coef[CN_MODEL_TERMS]; /* W, J/byte, J/operation, J/weight */
    double cov[CN_MODEL_TERMS][CN_MODEL_TERMS];
    double t95;    /* half widths of 95% intervals in standard errors */
    double spread; /* standard deviation of the relative error of a configuration */
    int n_fitted, n_held_out;
    double held_out_error; /* largest relative error of a held-out configuration; NaN: none was */
    char meter[96], boundary[48], cpu[128];
    struct cn_time_model times[CN_MODEL_THREADS];
    int n_times;
};

/* Joules of a row. half, if not NULL: half width of the 95% interval of a new configuration. */
double cn_energy_model_joules(const struct cn_energy_model *m, const struct cn_model_row *row,
                              double *half);

/* JSON lines: the first has the key energy_model, one more for each time model. Written under a
 * temporary name first. 0, or -1 with what is wrong and where. */
int cn_energy_model_save(const struct cn_energy_model *m, const char *path,
                         struct cn_profiler_error *err);
int cn_energy_model_load(const char *path, struct cn_energy_model *m,
                         struct cn_profiler_error *err);

#endif
