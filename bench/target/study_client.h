/* SPDX-License-Identifier: MIT
 *
 * Runs the programs that reach other machines (adb, ssh, scp), each without a shell in between.
 */
#ifndef CN_STUDY_CLIENT_H
#define CN_STUDY_CLIENT_H

#include "bench/target/study_args.h"
#include "bench/target/study_target.h"

struct cn_study_client {
    struct cn_study_args args; /* the program first, looked for in PATH */
    const char *input;         /* text that it reads; NULL: see input_file */
    const char *input_file;    /* NULL: it reads nothing */
    double limit_s;            /* ended after so long; 0: never */
};

/* What it left. The caller frees `out`. */
struct cn_study_said {
    int exit_code;     /* -1: killed, by the limit or otherwise */
    bool missing;      /* there is no such program */
    char *out;         /* stdout, a NUL behind */
    char errors[2048]; /* the start of stderr */
    char line[512];    /* its last line that says something; "" */
};

/* CN_ERR_CANCELLED as options->cancel asks. A program that fails is CN_OK. `said` is empty after an
 * error. */
enum cn_status cn_study_client_run(const struct cn_study_client *client,
                                   const struct cn_study_target_options *options,
                                   struct cn_study_said *said, struct cn_error *err);

#endif
