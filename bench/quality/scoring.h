/* SPDX-License-Identifier: MIT
 *
 * Accuracy on tasks: the likeliest of several endings (HellaSwag; MMLU-, ARC- and TruthfulQA-style
 * choices), or a generated answer compared with the right one (GSM8K-style).
 */
#ifndef CN_SCORING_H
#define CN_SCORING_H

#include "engine/carnot.h"

enum cn_score_kind { CN_SCORE_HELLASWAG, CN_SCORE_CHOICE, CN_SCORE_GENERATE, CN_N_SCORE_KINDS };

/* "hellaswag", "choice", "generate". */
const char *cn_score_kind_name(enum cn_score_kind kind);

/* ---- tasks ----------------------------------------------------------------------------------- */

struct cn_score_text {
    const char *p; /* [n], no terminator */
    size_t n;
};

struct cn_score_task {
    size_t line; /* of the file, from 1 */
    struct cn_score_text prompt;
    struct cn_score_text answer;         /* of CN_SCORE_GENERATE */
    const struct cn_score_text *choices; /* [n_choices]; 0 for CN_SCORE_GENERATE */
    int32_t n_choices, right;            /* at least 2; right: index of the right one */
};

struct cn_score_tasks {
    enum cn_score_kind kind;
    struct cn_score_task *tasks; /* [n], n >= 1 */
    size_t n;
    struct cn_score_text *choices; /* of all tasks */
    char *strings;
};

/* Reads the first max_tasks tasks (0: all) of text[0..n_bytes); `name` (of the file) starts the
 * message of an error. The caller frees them; they do not need the text.
 * HellaSwag: six lines a task: context, index of the right ending from 0, four endings.
 * Choice: a JSON object a line: {"question": "...", "choices": ["...", ...], "answer": index}.
 * Generate: a JSON object a line: {"prompt": "...", "answer": "..."}.
 * Other members and blank lines are passed over. */
enum cn_status cn_score_parse(enum cn_score_kind kind, const char *text, size_t n_bytes,
                              const char *name, size_t max_tasks, struct cn_score_tasks *tasks,
                              struct cn_error *err);
void cn_score_tasks_free(struct cn_score_tasks *tasks);

/* ---- scoring --------------------------------------------------------------------------------- */

/* What became of one task. Lives as long as the call it is given in. */
struct cn_score_outcome {
    const struct cn_score_task *task;
    int32_t chosen, chosen_raw; /* by mean and by sum of log-likelihoods; -1 where generated */
    const double *mean, *sum;   /* [n_choices] these, in nats; NULL where generated */
    bool right, right_raw;
    struct cn_score_text text; /* generated, up to the stop string */
    struct cn_score_text got;  /* of it, what was compared */
};

struct cn_score_options {
    const char *prefix; /* [n_prefix] goes before every prompt: examples */
    size_t n_prefix;
    int32_t n_threads; /* 0: every core */
    enum cn_kv_type kv;
    bool fast;
    /* CN_SCORE_GENERATE */
    int32_t n_predict; /* most tokens of an answer; 0: 256 */
    /* The answer ends before the first of these, at the model's end, or after n_predict tokens. */
    const char *const *stops; /* [n_stops], none empty; 0: a newline */
    size_t n_stops;
    /* POSIX extended regular expression: of its first match in the generated text the first group
     * (the whole match if it has none) is compared, and no match is wrong. NULL: the text itself is
     * compared, without blanks at its ends. */
    const char *regex;
    void *user;
    void (*outcome)(void *user, const struct cn_score_outcome *outcome); /* may be NULL */
    /* Called after each task; true ends with CN_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *user, size_t done, size_t total, double accuracy);
};

struct cn_score {
    int64_t n_tasks, n_right;
    /* The ending with the largest mean log-likelihood of its tokens is the answer; or, of
     * CN_SCORE_GENERATE, what was generated. lo, hi: 95% (Wilson). */
    double accuracy, lo, hi;
    /* By the sum of the log-likelihoods, which favours short endings; NaN where generated. */
    double accuracy_raw, raw_lo, raw_hi;
    double chance; /* expected of guessing; NaN where generated */
};

/* Prompt and ending are joined by a space and tokenised together, with BOS if the model adds it;
 * the endings' tokens begin where those of the task's texts differ. Greedy generation. The same
 * prompts in the same order give the same result. */
enum cn_status cn_score_run(const struct cn_model *model, const struct cn_score_tasks *tasks,
                            const struct cn_score_options *options, struct cn_score *result,
                            struct cn_error *err);

/* 95% interval of a share of n_right in n >= 1 (Wilson 1927). */
void cn_wilson(int64_t n_right, int64_t n, double *lo, double *hi);

#endif
