/* SPDX-License-Identifier: MIT
 *
 * What `carnot run` and its interactive form share.
 */
#ifndef CN_RUN_H
#define CN_RUN_H

#include "bench/model/generate.h"
#include "bench/model/run_record.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_run {
    struct cn_model *model;
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_profiler *profiler;
    const char *template_name; /* NULL: the model's own */
    int32_t n_predict;
    bool ignore_eos, ids, fast;
    struct cn_run_record *record; /* NULL: none is kept */
};

/* Talks until the input ends. Returns the exit code. */
int cn_converse(struct cn_run *run);

/* Prints tokens as they come (text, or ids): for cn_generate_options. */
bool cn_run_print(void *user, int32_t token, const char *text, size_t n);

#endif
