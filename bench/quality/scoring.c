/* SPDX-License-Identifier: MIT */
#include "bench/quality/scoring.h"

#include "base/error.h"
#include "engine/run/log_prob.h"
#include "engine/tools.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOGITS_BYTES = 64 << 20, /* memory for logits */
    DEFAULT_PREDICT = 256,
    MAX_PREDICT = 1 << 20,
};

struct tokens {
    int32_t *p;
    int32_t n;
};

struct run {
    const struct cn_model *model;
    const struct cn_score_options *options;
    struct cn_group *group;
    struct cn_session *lanes[CN_MAX_LANES]; /* endings are evaluated together; */
    int32_t n_lanes;
    struct cn_session *session; /* the first of them holds what comes before */
    struct tokens *texts;       /* of all tasks, in order: one a choice, or one a prompt */
    size_t n_texts;
    int32_t n_logits, n_longest;
    double *likelihoods; /* [2 * most choices] */
    char *text;          /* generated */
    size_t n_text, text_room;
    regex_t regex;
    bool have_regex;
    struct cn_error *err;
};

void cn_wilson(int64_t n_right, int64_t n, double *lo, double *hi)
{
    const double z = 1.959963984540054, N = (double)n, p = (double)n_right / N;
    double centre = (p + z * z / (2 * N)) / (1 + z * z / N);
    double half = z / (1 + z * z / N) * sqrt(p * (1 - p) / N + z * z / (4 * N * N));
    *lo = n_right == 0 ? 0 : centre - half;
    *hi = n_right == n ? 1 : centre + half;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* prefix, prompt, and for an ending a space and it. */
static enum cn_status tokenise(struct run *r, const struct cn_score_task *task,
                               const struct cn_score_text *ending, struct tokens *tokens)
{
    const struct cn_score_options *o = r->options;
    size_t n = o->n_prefix + task->prompt.n + (ending ? 1 + ending->n : 0), n_tokens;
    char *text = malloc(n + 1), *at = text;
    CN_RETURN_IF(!text, CN_ERR_MEMORY, r->err, "out of memory");
    if (o->n_prefix > 0)
        memcpy(at, o->prefix, o->n_prefix);
    at += o->n_prefix;
    memcpy(at, task->prompt.p, task->prompt.n);
    at += task->prompt.n;
    if (ending) {
        *at = ' ';
        memcpy(at + 1, ending->p, ending->n);
    }
    enum cn_status status = cn_tokenize(r->model, text, n, CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT,
                                        &tokens->p, &n_tokens, r->err);
    free(text);
    CN_TRY(status);
    if (n_tokens == 0 || n_tokens > INT32_MAX / 2) {
        free(tokens->p);
        tokens->p = NULL;
        return cn_fail(r->err, CN_ERR_ARGUMENT, "task of line %zu: %zu tokens", task->line,
                       n_tokens);
    }
    tokens->n = (int32_t)n_tokens;
    if (tokens->n > r->n_longest)
        r->n_longest = tokens->n;
    return CN_OK;
}

/* All of them before any is evaluated: the session is made for the longest. */
static enum cn_status tokenise_all(struct run *r, const struct cn_score_tasks *tasks)
{
    size_t n = 0, most = 1;
    for (size_t i = 0; i < tasks->n; i++) {
        size_t choices = (size_t)tasks->tasks[i].n_choices;
        n += choices ? choices : 1;
        most = choices > most ? choices : most;
    }
    r->texts = calloc(n, sizeof *r->texts);
    r->likelihoods = malloc(2 * most * sizeof *r->likelihoods);
    CN_RETURN_IF(!r->texts || !r->likelihoods, CN_ERR_MEMORY, r->err, "out of memory");
    for (size_t i = 0; i < tasks->n; i++) {
        const struct cn_score_task *t = &tasks->tasks[i];
        for (int32_t k = 0; k < t->n_choices || k == 0; k++) {
            CN_TRY(tokenise(r, t, t->n_choices ? &t->choices[k] : NULL, &r->texts[r->n_texts]));
            r->n_texts++;
        }
    }
    return CN_OK;
}

static int32_t common(const int32_t *a, int32_t n_a, const int32_t *b, int32_t n_b)
{
    int32_t n = 0;
    while (n < n_a && n < n_b && a[n] == b[n])
        n++;
    return n;
}

/* ---- likelihoods ----------------------------------------------------------------------------- */

/* The session holds the prompt then, with the logits behind it. What it held already of its
 * beginning is kept: examples before every prompt. */
static enum cn_status hold(struct run *r, const int32_t *prompt, int32_t n)
{
    int32_t n_kept;
    return cn_session_prompt(r->session, prompt, n, &n_kept, r->err);
}

/* log p(target). */
static enum cn_status log_prob(struct run *r, const float *logits, int32_t target, double *value)
{
    *value = cn_log_prob(r->model, logits, target);
    CN_RETURN_IF(!isfinite(*value), CN_ERR_FORMAT, r->err,
                 "the model's logits are not finite at position %d",
                 cn_session_position(r->session));
    return CN_OK;
}

/* Adds to sums[n] the log-likelihoods of the tokens behind each ending's first, n <= n_lanes. The
 * first lane holds the n_common tokens before that. */
static enum cn_status add_endings(struct run *r, const struct tokens *texts, int32_t n,
                                  int32_t n_common, double *sums)
{
    for (int32_t k = 1; k < n; k++)
        CN_TRY(cn_session_fork(r->lanes[k], r->session, r->err));
    for (int32_t at = n_common;; at += r->n_logits) {
        struct cn_step steps[CN_MAX_LANES];
        int32_t of[CN_MAX_LANES]; /* whose they are */
        size_t n_steps = 0;
        for (int32_t k = 0; k < n; k++) {
            const int32_t left = texts[k].n - 1 - at;
            if (left <= 0)
                continue;
            of[n_steps] = k;
            steps[n_steps++] =
                (struct cn_step){ r->lanes[k], texts[k].p + at,
                                  left < r->n_logits ? left : r->n_logits, CN_WANT_ALL };
        }
        if (n_steps == 0)
            return CN_OK;
        CN_TRY(cn_group_eval(r->group, steps, n_steps, r->err));
        for (size_t s = 0; s < n_steps; s++)
            for (int32_t i = 0; i < steps[s].n; i++) {
                const float *logits = cn_session_logits(steps[s].session, i);
                double p;
                CN_TRY(log_prob(r, logits, steps[s].tokens[i + 1], &p));
                sums[of[s]] += p;
            }
    }
}

/* The tokens that all endings share, at least one less than the shortest has: each keeps one to be
 * judged by. */
static int32_t common_prefix(const struct tokens *texts, int32_t n)
{
    int32_t shared = texts[0].n;
    for (int32_t k = 0; k < n; k++) {
        int32_t c = common(texts[0].p, shared, texts[k].p, texts[k].n);
        shared = c < texts[k].n - 1 ? c : texts[k].n - 1;
    }
    return shared;
}

static enum cn_status likelihoods(struct run *r, const struct cn_score_task *task,
                                  const struct tokens *texts, double *mean, double *sum)
{
    const int32_t n_common = common_prefix(texts, task->n_choices);
    CN_RETURN_IF(n_common < 1, CN_ERR_ARGUMENT, r->err,
                 "task of line %zu: no token comes before its endings, and the model adds no BOS",
                 task->line);
    CN_TRY(hold(r, texts[0].p, n_common));
    for (int32_t k = 0; k < task->n_choices; k++)
        CN_TRY(log_prob(r, cn_session_logits(r->session, 0), texts[k].p[n_common], &sum[k]));
    for (int32_t k = 0; k < task->n_choices; k += r->n_lanes) {
        const int32_t left = task->n_choices - k;
        CN_TRY(cn_session_rewind(r->session, n_common, r->err));
        CN_TRY(add_endings(r, texts + k, left < r->n_lanes ? left : r->n_lanes, n_common, sum + k));
    }
    for (int32_t k = 0; k < task->n_choices; k++)
        mean[k] = sum[k] / (double)(texts[k].n - n_common);
    return CN_OK;
}

/* The first of the largest. */
static int32_t largest(const double *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static enum cn_status choose(struct run *r, const struct cn_score_task *task,
                             const struct tokens *texts, struct cn_score_outcome *out)
{
    double *mean = r->likelihoods, *sum = mean + task->n_choices;
    CN_TRY(likelihoods(r, task, texts, mean, sum));
    out->mean = mean;
    out->sum = sum;
    out->chosen = largest(mean, task->n_choices);
    out->chosen_raw = largest(sum, task->n_choices);
    out->right = out->chosen == task->right;
    out->right_raw = out->chosen_raw == task->right;
    return CN_OK;
}

/* ---- generated answers ----------------------------------------------------------------------- */

static bool add_text(struct run *r, const char *p, size_t n)
{
    if (r->n_text + n + 1 > r->text_room) {
        size_t room = 2 * r->text_room + n + 1024;
        char *more = realloc(r->text, room);
        if (!more)
            return false;
        r->text = more;
        r->text_room = room;
    }
    memcpy(r->text + r->n_text, p, n);
    r->n_text += n;
    r->text[r->n_text] = 0;
    return true;
}

/* Cuts the text before the first stop string, of which the last n_new bytes may be a part. */
static bool stopped(struct run *r, size_t n_new)
{
    static const char *const newline[] = { "\n" };
    const struct cn_score_options *o = r->options;
    const char *const *stops = o->n_stops ? o->stops : newline;
    size_t cut = r->n_text;
    bool found = false;
    for (size_t i = 0; i < (o->n_stops ? o->n_stops : 1); i++) {
        size_t n = strlen(stops[i]), from = r->n_text - n_new;
        from = from > n - 1 ? from - (n - 1) : 0;
        const char *at = memmem(r->text + from, r->n_text - from, stops[i], n);
        if (at && (size_t)(at - r->text) <= cut) {
            cut = (size_t)(at - r->text);
            found = true;
        }
    }
    r->n_text = cut;
    r->text[cut] = 0;
    return found;
}

static int32_t argmax(const float *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static struct cn_score_text trim(struct cn_score_text s)
{
    static const char blanks[] = " \t\r\n";
    while (s.n > 0 && memchr(blanks, s.p[0], sizeof blanks - 1)) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && memchr(blanks, s.p[s.n - 1], sizeof blanks - 1))
        s.n--;
    return s;
}

static void judge(struct run *r, const struct cn_score_task *task, struct cn_score_outcome *out)
{
    out->text = (struct cn_score_text){ r->text, r->n_text };
    out->got = out->text;
    if (r->have_regex) {
        regmatch_t m[2];
        if (regexec(&r->regex, r->text, 2, m, 0) != 0) {
            out->got = (struct cn_score_text){ r->text, 0 };
            return;
        }
        regmatch_t g = r->regex.re_nsub > 0 && m[1].rm_so >= 0 ? m[1] : m[0];
        out->got = (struct cn_score_text){ r->text + g.rm_so, (size_t)(g.rm_eo - g.rm_so) };
    }
    out->got = trim(out->got);
    struct cn_score_text answer = trim(task->answer);
    out->right = out->got.n == answer.n && memcmp(out->got.p, answer.p, answer.n) == 0;
}

static int32_t n_predict(const struct run *r)
{
    return r->options->n_predict ? r->options->n_predict : DEFAULT_PREDICT;
}

static enum cn_status generate(struct run *r, const struct cn_score_task *task,
                               const struct tokens *prompt, struct cn_score_outcome *out)
{
    const int32_t n_vocab = cn_model_get_info(r->model)->n_vocab;
    r->n_text = 0;
    CN_RETURN_IF(!add_text(r, "", 0), CN_ERR_MEMORY, r->err, "out of memory");
    CN_TRY(hold(r, prompt->p, prompt->n));
    for (int32_t i = 0; i < n_predict(r); i++) {
        const float *logits = cn_session_logits(r->session, 0);
        CN_RETURN_IF(!cn_all_finite(logits, n_vocab), CN_ERR_FORMAT, r->err,
                     "the model's logits are not finite at position %d",
                     cn_session_position(r->session) - 1);
        int32_t token = argmax(logits, n_vocab);
        if (cn_token_is_end(r->model, token))
            break;
        size_t n;
        const char *bytes = cn_token_bytes(r->model, token, false, &n);
        CN_RETURN_IF(!add_text(r, bytes, n), CN_ERR_MEMORY, r->err, "out of memory");
        if (stopped(r, n))
            break;
        if (i + 1 < n_predict(r))
            CN_TRY(cn_session_eval(r->session, &token, 1, CN_WANT_LAST, r->err));
    }
    judge(r, task, out);
    return CN_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

static enum cn_status run_tasks(struct run *r, const struct cn_score_tasks *tasks,
                                struct cn_score *s)
{
    const struct cn_score_options *o = r->options;
    const struct tokens *texts = r->texts;
    int64_t n_right = 0, n_right_raw = 0;
    double guessed = 0;
    for (size_t i = 0; i < tasks->n; i++) {
        const struct cn_score_task *t = &tasks->tasks[i];
        struct cn_score_outcome out = { .task = t, .chosen = -1, .chosen_raw = -1 };
        if (t->n_choices) {
            CN_TRY(choose(r, t, texts, &out));
            texts += t->n_choices;
            guessed += 1.0 / t->n_choices;
        } else {
            CN_TRY(generate(r, t, texts++, &out));
        }
        n_right += out.right;
        n_right_raw += out.right_raw;
        if (o->outcome)
            o->outcome(o->user, &out);
        CN_RETURN_IF(o->progress &&
                         o->progress(o->user, i + 1, tasks->n, (double)n_right / (double)(i + 1)),
                     CN_ERR_CANCELLED, r->err, "interrupted");
    }
    *s = (struct cn_score){ .n_tasks = (int64_t)tasks->n, .n_right = n_right };
    s->accuracy = (double)n_right / (double)tasks->n;
    cn_wilson(n_right, s->n_tasks, &s->lo, &s->hi);
    s->accuracy_raw = s->raw_lo = s->raw_hi = s->chance = (double)NAN;
    if (tasks->kind != CN_SCORE_GENERATE) {
        s->accuracy_raw = (double)n_right_raw / (double)tasks->n;
        cn_wilson(n_right_raw, s->n_tasks, &s->raw_lo, &s->raw_hi);
        s->chance = guessed / (double)tasks->n;
    }
    return CN_OK;
}

static enum cn_status start(struct run *r, const struct cn_score_tasks *tasks)
{
    const struct cn_score_options *o = r->options;
    CN_RETURN_IF(n_predict(r) < 1 || n_predict(r) > MAX_PREDICT, CN_ERR_ARGUMENT, r->err,
                 "tokens of an answer: 1 to %d expected, %d given", MAX_PREDICT, n_predict(r));
    for (size_t i = 0; i < o->n_stops; i++)
        CN_RETURN_IF(!o->stops[i][0], CN_ERR_ARGUMENT, r->err, "a stop string must not be empty");
    if (o->regex) {
        int code = regcomp(&r->regex, o->regex, REG_EXTENDED);
        char why[128];
        if (code != 0)
            regerror(code, &r->regex, why, sizeof why);
        CN_RETURN_IF(code != 0, CN_ERR_ARGUMENT, r->err, "regular expression '%s': %s", o->regex,
                     why);
        r->have_regex = true;
    }
    CN_TRY(tokenise_all(r, tasks));
    const bool choices = tasks->kind != CN_SCORE_GENERATE;
    const int32_t n_ctx = r->n_longest + (choices ? 0 : n_predict(r));
    int32_t most = 1; /* endings of a task */
    for (size_t i = 0; i < tasks->n; i++)
        most = tasks->tasks[i].n_choices > most ? tasks->tasks[i].n_choices : most;
    most = most < CN_MAX_LANES ? most : CN_MAX_LANES;
    r->n_logits = LOGITS_BYTES / 4 / cn_model_get_info(r->model)->n_vocab / most;
    r->n_logits = r->n_logits < 8 ? 8 : r->n_logits > 512 ? 512 : r->n_logits;
    struct cn_session_options session = { .n_ctx = n_ctx,
                                          .n_logits = choices ? r->n_logits : 1,
                                          .n_threads = o->n_threads,
                                          .kv = o->kv,
                                          .fast = o->fast };
    CN_TRY(cn_group_create(r->model, &session, most, &r->group, r->err));
    for (; r->n_lanes < most; r->n_lanes++)
        CN_TRY(cn_group_join(r->group, &r->lanes[r->n_lanes], r->err));
    r->session = r->lanes[0];
    return CN_OK;
}

enum cn_status cn_score_run(const struct cn_model *model, const struct cn_score_tasks *tasks,
                            const struct cn_score_options *options, struct cn_score *result,
                            struct cn_error *err)
{
    struct run r = { .model = model, .options = options, .err = err };
    enum cn_status status = start(&r, tasks);
    if (status == CN_OK)
        status = run_tasks(&r, tasks, result);
    for (int32_t k = 0; k < r.n_lanes; k++)
        cn_session_free(r.lanes[k]);
    cn_group_free(r.group);
    for (size_t i = 0; i < r.n_texts; i++)
        free(r.texts[i].p);
    free(r.texts);
    free(r.likelihoods);
    free(r.text);
    if (r.have_regex)
        regfree(&r.regex);
    return status;
}
