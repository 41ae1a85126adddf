/* SPDX-License-Identifier: MIT
 *
 * Samples recorded elsewhere: CSV, JSON lines, or logcat lines of BatteryManager, as a series.
 */
#ifndef CN_SAMPLES_H
#define CN_SAMPLES_H

#include "profiler/profiler.h"
#include "profiler/samples/series.h"

struct cn_samples {
    struct cn_series series; /* not settled; stamps on the file's own clock until joined */
    int64_t first_ns, last_ns;
    char note[256];    /* what was settled by evidence; may be "" */
    char left_out[96]; /* what the samples were that are missing, if all for one reason; or "" */
};

struct cn_sample_options {
    const char *columns; /* "time=NAME,power=NAME:mW": which column is what; NULL: by their names */
    double volts;        /* of an instrument that records current alone; 0: none */
};

/* A stretch [t0_ns, t1_ns] of CLOCK_MONOTONIC in which CLOCK_REALTIME was offset_ns ahead. */
struct cn_clock_piece {
    int64_t t0_ns, t1_ns, offset_ns;
};

/* Reads a file; its rows must not go back in time. 0, or -1 with the line and what is wrong. The
 * caller frees. options may be NULL. What is accepted is written at cn_attribute_files. */
int cn_samples_load(const char *path, const struct cn_sample_options *options,
                    struct cn_samples *samples, struct cn_profiler_error *err);
void cn_samples_free(struct cn_samples *samples);

/* Moves the stamps to CLOCK_MONOTONIC, given a time [t0_ns, t1_ns] on it that the samples should
 * meet: from CLOCK_REALTIME if they are later than 2001, else from MONOTONIC or BOOTTIME, whichever
 * meets more of that time. offset_ns is added to each stamp first. False if nothing meets (the
 * stamps are as they were). */
bool cn_samples_join(struct cn_samples *samples, const struct cn_clock *clock, int64_t t0_ns,
                     int64_t t1_ns, int64_t offset_ns);
/* Moves the stamps from CLOCK_REALTIME to CLOCK_MONOTONIC where the former was stepped: by the
 * piece of pieces[n], in order of time, that each falls into. */
void cn_samples_follow(struct cn_samples *samples, const struct cn_clock_piece *pieces, size_t n);
/* Adds shift_ns to each stamp. */
void cn_samples_shift(struct cn_samples *samples, int64_t shift_ns);

#endif
