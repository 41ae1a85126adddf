/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/study/study_run.h: a study under way, the sites it runs on, jobs and what they
 * wrote.
 */
#ifndef CN_STUDY_PART_H
#define CN_STUDY_PART_H

#include "base/json.h"
#include "bench/study/study_run.h"
#include "bench/target/study_args.h"
#include "bench/target/study_folder.h"
#include "bench/target/study_target.h"

struct cn_study {
    const struct cn_study_options *o;
    struct cn_study_plan plan;
    struct cn_study_shard shard;
    struct cn_study_db *db;
    int lock;            /* a descriptor that holds the database; -1: none */
    char work[PATH_MAX]; /* absolute */
    char tag[128];       /* in names of files: several studies may share a work folder */
    struct cn_error *err;
};

/* study_open.c: finds or makes the database, the plan's or that of s->o->db, and the work folder;
 * holds the database, so that no second process works on it. CN_ERR_ARGUMENT: one does. What it
 * made it removes again if it fails. The caller closes the study, also then. */
enum cn_status cn_study_open(struct cn_study *s);
void cn_study_close(struct cn_study *s);
/* Runs of the shard that are neither done nor given up. */
enum cn_status cn_study_count_left(struct cn_study *s, double *left);

__attribute__((format(printf, 2, 3))) void cn_study_note(const struct cn_study *s,
                                                         const char *format, ...);

/* ---- study_jobs.c: sites and their jobs ------------------------------------------------------ */

/* A target in use. */
struct cn_study_site {
    const struct cn_study_target *target;
    void *state;
    struct cn_study_target_options options;
    struct cn_study_device device;
    const char *name; /* "adb:SERIAL" */
    int64_t id;       /* row of `devices` */
    double cpus;      /* NaN: unknown */
    char tiers[64];
    double celsius; /* at the start; NaN: unknown */
};

/* Reaches and prepares a target. The caller closes the site, also after a failure. */
enum cn_status cn_study_site_open(const struct cn_study *s, const char *name,
                                  struct cn_study_site *site);
void cn_study_site_close(struct cn_study_site *site);

/* Runs a job and brings what it wrote here. */
enum cn_status cn_study_job(const struct cn_study *s, const struct cn_study_site *site,
                            const char *name, const struct cn_study_args *args,
                            struct cn_study_outcome *outcome);
/* Why a job failed, as one line; "" if it did not. */
void cn_study_job_reason(const struct cn_study_outcome *outcome, char *text, size_t n_bytes);
/* A file that the job wrote; *text is malloc'ed and has a NUL behind. */
enum cn_status cn_study_job_text(const struct cn_study_outcome *outcome, const char *name,
                                 char **text, size_t *n, struct cn_error *err);
/* The first object of a JSON file, an array or lines of them. The caller frees *json. */
enum cn_status cn_study_job_json(const struct cn_study_outcome *outcome, const char *name,
                                 struct cn_json **json, const struct cn_json_value **object,
                                 struct cn_error *err);
void cn_study_job_forget(const struct cn_study_outcome *outcome);

enum { CN_STUDY_REASON = 600, CN_STUDY_PIECES = 8 };

/* Lets a model write text to a file: pieces of 400 tokens, short enough for every model's context,
 * as freely as it can (temperature 1, seeds from 1 on). `reason` says why it could not; "" if it
 * could. */
enum cn_status cn_study_own_text(const struct cn_study *s, const struct cn_study_site *host,
                                 const char *model, int n_pieces, const char *path,
                                 char reason[CN_STUDY_REASON]);

/* Sets the columns from `first` on, of the row of `table` with this rowid, to the members of the
 * object that are called so. Others are left alone, whatever the object says. */
enum cn_status cn_study_store(const struct cn_study *s, const char *table, const char *first,
                              int64_t rowid, const struct cn_json_value *object);

/* ---- study_energy.c -------------------------------------------------------------------------- */

/* The phases of a record, in place of those that the run had; within a transaction. */
enum cn_status cn_study_store_phases(const struct cn_study *s, int64_t run,
                                     const struct cn_json_value *phases);
/* The energy of a run, in place of what it had; within a transaction. */
enum cn_status cn_study_store_energy(const struct cn_study *s, int64_t run,
                                     const struct cn_json_value *energy);
/* Joins trace.jsonl of a job with samples; *energy is as in a record. The caller frees *json. */
enum cn_status cn_study_join(const struct cn_study_outcome *outcome, const char *samples,
                             const struct cn_attribute_options *options, struct cn_json **json,
                             const struct cn_json_value **energy, struct cn_error *err);

/* ---- the stages ------------------------------------------------------------------------------ */

/* study_files.c: makes, hashes and describes the model files; tokenises the prompts. */
enum cn_status cn_study_prepare(struct cn_study *s, const struct cn_study_site *host);
/* study_checks.c: CN_ERR_ARGUMENT if the machine's state forbids measuring, unless forced. */
enum cn_status cn_study_check(const struct cn_study *s, const struct cn_study_site *site);
/* study_checks.c: whether a device, or this machine, has the meter that its runs will ask for.
 * CN_ERR_ARGUMENT if the plan names one that it lacks, unless forced; where none is named and none
 * is there, the user is told that joules will be missing. */
enum cn_status cn_study_check_meter(const struct cn_study *s, const struct cn_study_site *site);
enum cn_status cn_study_check_local_meter(const struct cn_study *s);
/* study_device.c: the row of `devices`, and `limits`. */
enum cn_status cn_study_describe(const struct cn_study *s, struct cn_study_site *site);
/* study_worker.c: all runs that this site can take. alone: it shows progress. */
enum cn_status cn_study_work(struct cn_study *s, const char *target, bool alone);
/* study_kernels.c: the command of a run of a plan of kernels (format, tiers "" for all, threads 0
 * for one, prompt: the row that stands for its shape and cores), and what it said, within the
 * transaction that makes the run done. reason: why that is no result; "" if it is. */
enum cn_status cn_study_kernels_command(const struct cn_study *s, const char *format,
                                        const char *tiers, int64_t threads, int64_t prompt,
                                        struct cn_study_args *args);
enum cn_status cn_study_kernels_store(const struct cn_study *s, int64_t run,
                                      const struct cn_study_outcome *outcome);
void cn_study_kernels_problem(const struct cn_study_outcome *outcome, char reason[CN_STUDY_REASON]);
/* study_quality.c */
enum cn_status cn_study_measure_quality(struct cn_study *s, const struct cn_study_site *host);

#endif
