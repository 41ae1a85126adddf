/* SPDX-License-Identifier: MIT
 *
 * What `carnot run` and its interactive form share, and print.
 */
#ifndef CN_RUN_H
#define CN_RUN_H

#include "bench/model/continuations.h"
#include "bench/model/generate.h"
#include "bench/model/run_record.h"
#include "bench/model/speculation.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_run {
    struct cn_model *model;
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_speculation_source *drafts;      /* NULL: one token for each pass */
    const struct cn_session_options *options;  /* of the session, */
    const struct cn_sampler_options *sampling; /* and of the sampler, for those who make more */
    struct cn_profiler *profiler;
    struct cn_chat *chat;          /* NULL: the prompt is plain text */
    struct cn_run_answer *answers; /* [n_answers], of a chat; the caller of all frees them */
    size_t n_answers;
    struct cn_generation sum; /* of the answers of a chat: its tokens and seconds */
    int64_t n_decoded;        /* tokens generated that were evaluated: not the last of an answer */
    int32_t n_predict;
    bool ignore_eos, ids, fast;
    bool filled;                  /* most of the prompt was not evaluated */
    struct cn_run_record *record; /* NULL: none is kept */
};

/* What one answer took, for the trace. */
struct cn_run_answer {
    int32_t n_prompt, n_kept, n_generated, n_reasoning;
    size_t phases_from, reasoning_to, phases_to; /* of the profiler */
};

/* Prints tokens as they come (text, or ids): for cn_generate_options. */
bool cn_run_print(void *user, int32_t token, const char *text, size_t n);
/* Prints several continuations of a prompt, a heading above each; with ids a line each. prompt:
 * what the texts read on from; NULL: nothing. */
void cn_run_print_several(const struct cn_run *run, const struct cn_continuations *samples,
                          const char *prompt, uint64_t seed);
/* Keeps what the answer took, and adds it to the sum. False without memory. */
bool cn_run_keep_answer(struct cn_run *run, const struct cn_generation *g);
/* The answers as lines of a trace, after the profiler was stopped. */
void cn_run_print_answers(const struct cn_run *run, FILE *out);
/* Prints what drafts did for `generation`, as a part of the summary. */
void cn_run_say_drafts(const struct cn_generation *generation);
/* Prints "WHAT 0.1 J/token ±0.01 (net 0.09)" or why not, without a newline. */
void cn_run_say_energy(const char *what, const struct cn_energy *energy, int64_t n_tokens);
/* Prints the end of a summary: the meter, or why there are no joules, and the memory. */
void cn_run_say_meter(const struct cn_run *run);

#endif
