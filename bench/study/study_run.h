/* SPDX-License-Identifier: MIT
 *
 * Carrying out a study: files are made, prompts tokenised, every pending run is run on its target,
 * then the quality of each file is measured. What is finished is in the database at once; killed at
 * any moment, the same call goes on where it stopped.
 */
#ifndef CN_STUDY_RUN_H
#define CN_STUDY_RUN_H

#include "bench/study/study_table.h"
#include "profiler/profiler.h"

struct cn_study_options {
    const char *plan; /* file; NULL: the plan in the database */
    const char *db;
    const char *work;           /* folder for files made on the way; NULL: beside the database */
    const char *const *targets; /* [n_targets] "local", "adb:SERIAL", ...; 0: local */
    size_t n_targets;
    struct cn_study_shard shard; /* n 0: whole, or as the database has it */
    const char *program;         /* this one: runs are its children */
    const char *device_binary;   /* what adb and ssh targets run; NULL: the build beside it */
    const char *default_model;   /* what a plan calls "default" */
    const char *root;            /* of the meters; NULL: "/" */
    bool force;                  /* go on where a check refuses */
    bool retry;                  /* failed runs too */
    void *user;
    /* done and total count the runs of this call. May be NULL. */
    void (*progress)(void *user, const char *what, double done, double total);
    /* A line for the user. May be NULL. */
    void (*note)(void *user, const char *text);
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED; may be NULL */
};

/* What of a shard could not be had, now or in earlier calls. */
struct cn_study_lack {
    size_t n_runs, n_failed, n_skipped; /* of n_runs */
    size_t n_quality, n_quality_failed;
};

/* CN_OK: no run of the shard is pending any more; *lack says how many are not done all the same. */
enum cn_status cn_study_run(const struct cn_study_options *options, struct cn_study_lack *lack,
                            struct cn_error *err);

/* Joins databases of the same study, parts[n], into a new one. A run may be done in one of them
 * only; files of a name must be the same. Nothing is left at `out` on failure. */
enum cn_status cn_study_merge(const char *out, const char *const *parts, size_t n,
                              struct cn_error *err);

/* Joins the traces of finished runs with samples that a meter recorded meanwhile (the forms of
 * cn_attribute_files), by their clocks; runs that the samples do not tell about stay as they are.
 * target NULL: of every target. *n_traced: runs that have a trace, *n_joined: that have joules now;
 * none is a failure. */
enum cn_status cn_study_import_samples(const char *db, const char *samples, const char *target,
                                       const struct cn_attribute_options *options, size_t *n_joined,
                                       size_t *n_traced, struct cn_error *err);

#endif
