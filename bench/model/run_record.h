/* SPDX-License-Identifier: MIT
 *
 * One run of a model as a row that can be kept: what was generated, how fast, for how many joules,
 * on which machine in which state. `carnot run --record` writes it and studies are made of it: keys
 * are the columns of `runs` in bench/study/study_schema.h, and "phases" holds rows of `phases`.
 */
#ifndef CN_RUN_RECORD_H
#define CN_RUN_RECORD_H

#include "bench/model/generate.h"

struct cn_run_record; /* the text as it comes */

/* NULL if out of memory. The caller frees it. */
struct cn_run_record *cn_run_record_create(void);
void cn_run_record_free(struct cn_run_record *record);

/* For each call of cn_generate_options.token. */
void cn_run_record_token(struct cn_run_record *record, int32_t token, const char *text, size_t n);

struct cn_run_facts {
    const struct cn_model *model;
    const struct cn_profiler *profiler;     /* stopped */
    const struct cn_generation *generation; /* n_generated: of all samples together */
    int64_t n_decoded,
        n_passes;    /* tokens that were evaluated after the prompt, in so many passes */
    size_t kv_bytes; /* of all sessions */
    int32_t n_threads, n_threads_prefill; /* as asked; 0: every core, as n_threads */
    const char *kv;                       /* "f16" */
    const char *carnot;                   /* version and commit */
};

/* Writes the record, one row, in the format that the name of the file ends in (.json, .csv, ...).
 * CN_ERR_IO, CN_ERR_MEMORY. */
enum cn_status cn_run_record_save(const struct cn_run_record *record,
                                  const struct cn_run_facts *facts, const char *path,
                                  struct cn_error *err);

/* The same with the energy alone: a trace that was joined with samples (cn_attribute_files). */
enum cn_status cn_run_record_save_energy(const struct cn_profiler *profiler, const char *path,
                                         struct cn_error *err);

#endif
