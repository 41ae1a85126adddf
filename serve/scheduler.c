/* SPDX-License-Identifier: MIT
 *
 * A pass: each lane that answers gets its one token, and what is left of the budget goes to
 * prompts, the oldest first; so those that answer never wait for more than a slice of a prompt. The
 * time of a pass is from the end of the one before to its own end, whatever was done in it: passes
 * leave no time between them that would be nobody's.
 */
#include "serve/scheduler.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/threads.h"
#include "bench/model/model_work.h"
#include "engine/tools.h"
#include "serve/answer.h"
#include "serve/tool_calls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLICE = 64,                   /* tokens of prompts in a pass in which others answer */
    REST_S = 10,                  /* idle time is told to the meter so often */
    REST_LEAST_NS = 250000000,    /* and if it was so long */
    USAGE_EVERY_NS = 200000000,   /* what an answer took so far is told so often */
    SWEEP_EVERY_NS = 200000000,   /* whether those that wait do so in vain is looked at so often */
    FORGET_EVERY_NS = 1000000000, /* and what the meter said before all answers is forgotten */
};

struct cn_scheduler {
    const struct cn_service *service;
    struct cn_lanes *lanes;
    struct cn_tally *tally;
    int32_t n_lanes, n_batch, n_logits;
    int64_t max_waiting;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct cn_job *first, *last; /* the queue: some sequence of theirs has no lane yet */
    int64_t n_waiting, n_open;
    bool draining;

    /* The thread's. */
    struct cn_sequence *active[CN_MAX_LANES]; /* [n_active], the oldest first */
    int32_t n_active;
    struct cn_job **jobs; /* [n_jobs] that have begun: at most those that wait and those on lanes */
    int32_t n_jobs;
    int64_t edge_ns, forgot_ns, swept_ns;
};

/* ---- ends of answers ------------------------------------------------------------------------- */

static void count_usage(const struct cn_job *job, struct cn_profiler *profiler,
                        struct cn_spent *usage)
{
    *usage = (struct cn_spent){ .shared = job->prefill.shared || job->decode.shared,
                                .meter = cn_profiler_channel(profiler, 0),
                                .first_token_s = (double)NAN };
    for (size_t i = 0; i < job->n_sequences; i++) {
        const struct cn_sequence *s = &job->sequences[i];
        /* Of a prompt's choices the first has paid for it. */
        if (s->index % job->request.n_choices == 0) {
            usage->prompt_tokens += s->n_prompt;
            usage->cached_tokens += s->n_cached;
        }
        usage->completion_tokens += s->n_generated;
        usage->reasoning_tokens += s->speech.thinking.n_tokens;
    }
    if (job->first_token_ns)
        usage->first_token_s = 1e-9 * (double)(job->first_token_ns - job->arrived_ns);
    cn_account_price(&job->prefill, profiler, &usage->prefill);
    cn_account_price(&job->decode, profiler, &usage->decode);
}

/* Hands on what there is in `text`, which is emptied; and, with a status, that it is the answer to
 * or its end. */
static void tell(struct cn_job *job, struct cn_json_text *text, int status, bool ended)
{
    pthread_mutex_lock(&job->lock);
    if (text->n > 0)
        cn_json_text_add(&job->out, text->p, text->n);
    job->out.failed |= text->failed;
    if (job->status == 0)
        job->status = status;
    job->ended |= ended;
    if (job->out.failed || (job->out.n > CN_MAX_UNREAD_BYTES && job->request.stream))
        job->gone = true;
    if (job->listener.ready)
        job->listener.ready(job->listener.user);
    pthread_mutex_unlock(&job->lock);
    cn_json_text_free(text);
}

static void let_go(struct cn_scheduler *s, struct cn_sequence *sequence)
{
    if (!sequence->lane)
        return;
    cn_lanes_return(s->lanes, sequence->lane);
    sequence->lane = NULL;
    cn_sampler_free(sequence->sampler);
    sequence->sampler = NULL;
    int32_t i = 0;
    while (s->active[i] != sequence)
        i++;
    memmove(&s->active[i], &s->active[i + 1], (size_t)(s->n_active - i - 1) * sizeof *s->active);
    s->n_active--;
}

/* With the lock held. */
static void enqueue(struct cn_scheduler *s, struct cn_job *job)
{
    job->next = NULL;
    *(s->last ? &s->last->next : &s->first) = job;
    s->last = job;
    s->n_waiting++;
}

/* Takes a job out of the queue, if it is there. With the lock held. */
static void unqueue(struct cn_scheduler *s, const struct cn_job *job)
{
    struct cn_job *before = NULL;
    for (struct cn_job *j = s->first; j; before = j, j = j->next) {
        if (j != job)
            continue;
        *(before ? &before->next : &s->first) = j->next;
        if (s->last == j)
            s->last = before;
        s->n_waiting--;
        return;
    }
}

/* The scheduler has done with the job. */
static void close_job(struct cn_scheduler *s, struct cn_job *job)
{
    for (size_t i = 0; i < job->n_sequences; i++)
        let_go(s, &job->sequences[i]);
    for (int32_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i] == job)
            s->jobs[i--] = s->jobs[--s->n_jobs];
    pthread_mutex_lock(&s->lock);
    unqueue(s, job);
    s->n_open--;
    pthread_mutex_unlock(&s->lock);
    cn_job_release(job);
}

static void fail_job(struct cn_scheduler *s, struct cn_job *job, const struct cn_refusal *why)
{
    struct cn_json_text text = { 0 };
    struct cn_spent usage;
    pthread_mutex_lock(&job->lock);
    const bool begun = job->status != 0;
    pthread_mutex_unlock(&job->lock);
    if (begun)
        cn_answer_broken(why, &text);
    else
        cn_answer_refusal(why, &text);
    count_usage(job, s->service->profiler, &usage);
    cn_tally_usage(s->tally, &usage); /* it cost what it cost */
    tell(job, &text, why->status, true);
    close_job(s, job);
}

static void finish_job(struct cn_scheduler *s, struct cn_job *job)
{
    struct cn_json_text text = { 0 };
    struct cn_spent usage;
    count_usage(job, s->service->profiler, &usage);
    cn_tally_usage(s->tally, &usage);
    if (job->request.stream)
        cn_answer_end(job, &usage, &text);
    else
        cn_answer_whole(job, &usage, &text);
    if (text.failed) {
        struct cn_refusal why;
        cn_json_text_free(&text);
        cn_refuse(&why, 500, NULL, "", "out of memory");
        fail_job(s, job, &why);
        return;
    }
    tell(job, &text, 200, true);
    close_job(s, job);
}

/* Nobody waits for it any more. */
static void drop_job(struct cn_scheduler *s, struct cn_job *job)
{
    struct cn_json_text none = { 0 };
    struct cn_spent usage;
    count_usage(job, s->service->profiler, &usage);
    cn_tally_usage(s->tally, &usage);
    tell(job, &none, 0, true);
    close_job(s, job);
}

/* Whether it is over before its end: nobody waits, or it took too long. */
static bool is_over(struct cn_scheduler *s, struct cn_job *job)
{
    pthread_mutex_lock(&job->lock);
    if (!job->gone && job->listener.gone)
        job->gone = job->listener.gone(job->listener.user);
    const bool gone = job->gone;
    pthread_mutex_unlock(&job->lock);
    if (gone) {
        drop_job(s, job);
        return true;
    }
    if (job->deadline_ns == 0 || s->edge_ns < job->deadline_ns)
        return false;
    struct cn_refusal why;
    cn_refuse(&why, 504, "timeout", "", "the answer took longer than %g s (--timeout)",
              s->service->timeout_s);
    fail_job(s, job, &why);
    return true;
}

/* Those that wait in vain make room for others. */
static void sweep(struct cn_scheduler *s)
{
    struct cn_job *job;
    do {
        pthread_mutex_lock(&s->lock);
        for (job = s->first; job; job = job->next) {
            pthread_mutex_lock(&job->lock);
            const bool gone =
                job->gone || (job->listener.gone && job->listener.gone(job->listener.user));
            pthread_mutex_unlock(&job->lock);
            if (gone || (job->deadline_ns && s->edge_ns >= job->deadline_ns))
                break;
        }
        pthread_mutex_unlock(&s->lock);
    } while (job && is_over(s, job));
}

/* ---- beginnings ------------------------------------------------------------------------------ */

static void sampler_options(const struct cn_sequence *sequence, struct cn_sampler_options *o)
{
    const struct cn_request *r = &sequence->job->request;
    *o = (struct cn_sampler_options){ .temperature = (float)r->temperature,
                                      .top_k = r->top_k,
                                      .top_p = (float)r->top_p,
                                      .min_p = (float)r->min_p,
                                      .repeat_penalty = (float)r->repeat_penalty,
                                      .repeat_last_n = 64,
                                      .seed = r->seed + (uint64_t)sequence->index,
                                      .ignore_eos = r->ignore_eos,
                                      .bias = r->bias,
                                      .n_bias = r->n_bias };
}

/* Tokens of the prompt that are to be evaluated: the last one only if something is to follow it. */
static int32_t n_to_feed(const struct cn_sequence *sequence)
{
    if (sequence->n_most > 0)
        return sequence->n_prompt;
    return sequence->all_logits ? sequence->n_prompt - 1 : 0;
}

/* Gives it a lane. False without one: if the job goes on, none was free. */
static bool begin(struct cn_scheduler *s, struct cn_sequence *sequence)
{
    struct cn_job *job = sequence->job;
    const struct cn_service *service = s->service;
    const struct cn_request *request = &job->request;
    struct cn_sampler_options o;
    struct cn_error err = { "" };
    const int32_t n = n_to_feed(sequence);
    sampler_options(sequence, &o);
    sequence->lane = cn_lanes_take(s->lanes, sequence->prompt, n,
                                   sequence->all_logits ? 0
                                   : n > 0              ? n - 1
                                                        : 0,
                                   &sequence->n_cached, &err);
    if (sequence->lane) {
        s->active[s->n_active++] = sequence;
        if (cn_sampler_create(service->model, &o, &sequence->sampler, &err) != CN_OK)
            sequence->sampler = NULL;
    }
    if (!sequence->lane || !sequence->sampler) {
        struct cn_refusal why;
        cn_refuse(&why, 500, NULL, "", "%s", err.text[0] ? err.text : "no lane");
        fail_job(s, job, &why);
        return false;
    }
    for (int32_t i = 0; i < sequence->n_prompt; i++)
        cn_sampler_accept(sequence->sampler, sequence->prompt[i]);
    sequence->n_fed = sequence->lane->n;
    cn_speech_begin(&sequence->speech, service->model, cn_job_chat(job), request,
                    request->tools && service->marks.form != CN_CALL_NONE ? &service->marks : NULL,
                    sequence->prompt, (size_t)sequence->n_prompt);
    if (sequence->all_logits)
        cn_token_notes_add(&sequence->notes, service->model, NULL, sequence->prompt[0]);
    if (job->n_started++ == 0)
        s->jobs[s->n_jobs++] = job;
    return true;
}

static bool in_prompt(const struct cn_sequence *sequence)
{
    return sequence->n_fed < n_to_feed(sequence);
}

/* Whether the prompt is being evaluated for another choice, which this one can take a copy of then.
 */
static bool better_wait(const struct cn_scheduler *s, const struct cn_sequence *sequence)
{
    for (int32_t i = 0; i < s->n_active && !sequence->all_logits; i++)
        if (s->active[i]->prompt == sequence->prompt && in_prompt(s->active[i]))
            return true;
    return false;
}

/* The next sequence of the queue. Jobs with several take turns with others. NULL: none. */
static struct cn_sequence *next_waiting(struct cn_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    struct cn_job *job = s->first;
    while (job && better_wait(s, &job->sequences[job->n_started]))
        job = job->next;
    if (job) {
        unqueue(s, job);
        if (job->n_started + 1 < job->n_sequences)
            enqueue(s, job);
    }
    pthread_mutex_unlock(&s->lock);
    return job ? &job->sequences[job->n_started] : NULL;
}

static void admit(struct cn_scheduler *s)
{
    while (s->n_active < s->n_lanes) {
        struct cn_sequence *sequence = next_waiting(s);
        if (!sequence)
            return;
        if (!is_over(s, sequence->job))
            begin(s, sequence);
    }
}

/* ---- passes ---------------------------------------------------------------------------------- */

struct pass {
    struct cn_step steps[CN_MAX_LANES];
    struct cn_lane *lanes[CN_MAX_LANES];
    struct cn_sequence *of[CN_MAX_LANES];
    size_t n;
    int32_t n_tokens;
};

static void add_step(struct pass *pass, struct cn_sequence *sequence, const int32_t *tokens,
                     int32_t n, enum cn_want want)
{
    pass->steps[pass->n] = (struct cn_step){ sequence->lane->session, tokens, n, want };
    pass->lanes[pass->n] = sequence->lane;
    pass->of[pass->n++] = sequence;
    pass->n_tokens += n;
}

static void plan(struct cn_scheduler *s, struct pass *pass)
{
    *pass = (struct pass){ .n = 0 };
    for (int32_t i = 0; i < s->n_active; i++) {
        struct cn_sequence *sequence = s->active[i];
        if (!in_prompt(sequence) && sequence->n_generated > 0)
            add_step(pass, sequence, &sequence->last, 1, CN_WANT_LAST);
    }
    int32_t budget = (pass->n > 0 && SLICE < s->n_batch ? SLICE : s->n_batch) - (int32_t)pass->n;
    for (int32_t i = 0; i < s->n_active && budget > 0; i++) {
        struct cn_sequence *sequence = s->active[i];
        int32_t n = n_to_feed(sequence) - sequence->n_fed;
        if (n <= 0)
            continue;
        const int32_t most = sequence->all_logits && s->n_logits < budget ? s->n_logits : budget;
        const bool last = n <= most;
        n = last ? n : most;
        budget -= n;
        add_step(pass, sequence, sequence->prompt + sequence->n_fed, n,
                 sequence->all_logits ? CN_WANT_ALL
                 : last               ? CN_WANT_LAST
                                      : CN_WANT_NONE);
    }
}

/* What the logits behind a prompt or a token lead to. */
static void choose(struct cn_scheduler *s, struct cn_sequence *sequence, const float *logits)
{
    const struct cn_service *service = s->service;
    struct cn_job *job = sequence->job;
    const struct cn_chat *chat = cn_job_chat(job);
    const int32_t token = cn_sampler_sample(sequence->sampler, logits);
    if (!job->first_token_ns)
        job->first_token_ns = cn_now_ns(CLOCK_MONOTONIC);
    if (!job->request.ignore_eos &&
        (chat ? cn_chat_is_end(chat, token) : cn_token_is_end(service->model, token))) {
        sequence->finish = "stop";
        return;
    }
    if (job->request.n_logprobs >= 0)
        cn_token_notes_add(&sequence->notes, service->model, logits, token);
    sequence->last = token;
    sequence->n_generated++;
    cn_speech_token(&sequence->speech, token);
    if (sequence->speech.stopped)
        sequence->finish = "stop";
    else if (sequence->n_generated == sequence->n_most)
        sequence->finish = "length";
}

static bool is_finite(const struct cn_scheduler *s, const float *logits)
{
    return logits && cn_all_finite(logits, cn_model_get_info(s->service->model)->n_vocab);
}

/* After its step was evaluated. False: the model's logits are of no use. */
static bool go_on(struct cn_scheduler *s, struct cn_sequence *sequence, const struct cn_step *step)
{
    const struct cn_session *session = step->session;
    const bool prompt = in_prompt(sequence);
    if (prompt) {
        sequence->job->pass_prefill += step->n;
        if (sequence->all_logits)
            for (int32_t i = 0; i < step->n; i++) {
                const int32_t next = sequence->n_fed + i + 1;
                const float *logits = cn_session_logits(session, i);
                if (!is_finite(s, logits))
                    return false;
                if (next < sequence->n_prompt)
                    cn_token_notes_add(&sequence->notes, s->service->model, logits,
                                       sequence->prompt[next]);
            }
        sequence->n_fed += step->n;
        if (in_prompt(sequence) || sequence->n_most == 0)
            return true;
    } else {
        sequence->job->pass_decode += step->n;
    }
    const float *logits = cn_session_logits(session, step->want == CN_WANT_ALL ? step->n - 1 : 0);
    if (!is_finite(s, logits))
        return false;
    choose(s, sequence, logits);
    return true;
}

/* The end of a sequence's answer. */
static void conclude(struct cn_scheduler *s, struct cn_sequence *sequence)
{
    struct cn_speech *speech = &sequence->speech;
    struct cn_json_text calls = { 0 };
    cn_speech_end(speech);
    if (speech->calling &&
        cn_tool_calls_write(speech->marks, &sequence->job->request, speech->calls.p,
                            speech->calls.n, "x", false, &calls) > 0)
        sequence->finish = "tool_calls";
    else if (speech->calling) /* it looked like one */
        cn_json_text_add(&speech->content, speech->calls.p, speech->calls.n);
    cn_json_text_free(&calls);
    sequence->job->n_finished++;
    let_go(s, sequence);
}

/* ---- after a pass ---------------------------------------------------------------------------- */

static void account(struct cn_scheduler *s, const struct pass *pass)
{
    struct cn_profiler *profiler = s->service->profiler;
    for (size_t i = 0; i < pass->n; i++)
        cn_report_work(profiler, pass->lanes[i]->session, &pass->lanes[i]->told);
    const int64_t now = cn_profiler_edge(profiler);
    for (int32_t i = 0; i < s->n_jobs; i++) {
        struct cn_job *job = s->jobs[i];
        if (job->pass_prefill > 0)
            cn_account_add(&job->prefill, s->edge_ns, now, job->pass_prefill, pass->n_tokens);
        if (job->pass_decode > 0)
            cn_account_add(&job->decode, s->edge_ns, now, job->pass_decode, pass->n_tokens);
        job->pass_prefill = job->pass_decode = 0;
    }
    s->edge_ns = now;
    if (now - s->forgot_ns < FORGET_EVERY_NS)
        return;
    int64_t oldest = now;
    for (int32_t i = 0; i < s->n_jobs; i++)
        oldest = s->jobs[i]->arrived_ns < oldest ? s->jobs[i]->arrived_ns : oldest;
    cn_profiler_forget(profiler, oldest);
    s->forgot_ns = now;
}

/* New pieces of a stream. */
static void tell_pieces(struct cn_scheduler *s, struct cn_job *job)
{
    struct cn_json_text text = { 0 };
    struct cn_spent usage;
    const struct cn_spent *told = NULL;
    if (job->request.continuous_usage && s->edge_ns - job->told_usage_ns > USAGE_EVERY_NS) {
        count_usage(job, s->service->profiler, &usage);
        job->told_usage_ns = s->edge_ns;
        told = &usage;
    }
    for (size_t i = 0; i < job->n_sequences; i++) {
        struct cn_sequence *sequence = &job->sequences[i];
        if ((sequence->n_generated > 0 || sequence->finish) &&
            (sequence->lane || (sequence->finish && sequence->told_finish == false))) {
            cn_answer_piece(sequence, told, &text);
            sequence->told_finish = sequence->finish != NULL;
        }
    }
    if (text.n > 0 || text.failed)
        tell(job, &text, 200, false);
}

static bool memory_failed(const struct cn_job *job)
{
    bool failed = false;
    for (size_t i = 0; i < job->n_sequences; i++)
        failed |= cn_speech_failed(&job->sequences[i].speech) || job->sequences[i].notes.failed;
    return failed;
}

/* Jobs are looked at from the last to the first: they leave the list while it is walked. */
static void tell_all(struct cn_scheduler *s)
{
    for (int32_t i = s->n_jobs; i-- > 0;) {
        struct cn_job *job = s->jobs[i];
        if (memory_failed(job)) {
            struct cn_refusal why;
            cn_refuse(&why, 500, NULL, "", "out of memory");
            fail_job(s, job, &why);
            continue;
        }
        if (is_over(s, job))
            continue;
        if (job->request.stream)
            tell_pieces(s, job);
        if (job->n_finished == job->n_sequences)
            finish_job(s, job);
    }
}

static void fail_all(struct cn_scheduler *s, enum cn_status status, const struct cn_error *err)
{
    struct cn_refusal why;
    cn_refuse(&why, status == CN_ERR_CANCELLED ? 503 : 500, NULL, "", "%s",
              status == CN_ERR_CANCELLED ? "the server is ending" : err->text);
    while (s->n_jobs > 0)
        fail_job(s, s->jobs[0], &why);
}

static void run_pass(struct cn_scheduler *s)
{
    struct pass pass;
    struct cn_error err = { "" };
    enum cn_status status = CN_OK;
    plan(s, &pass);
    if (pass.n > 0)
        status = cn_lanes_eval(s->lanes, pass.lanes, pass.steps, pass.n, &err);
    if (atomic_load(s->service->cancel))
        status = CN_ERR_CANCELLED;
    for (size_t i = 0; i < pass.n && status == CN_OK; i++)
        if (!go_on(s, pass.of[i], &pass.steps[i]))
            status = cn_fail(&err, CN_ERR_FORMAT, "the model's logits are not finite");
    for (int32_t i = s->n_active; i-- > 0 && status == CN_OK;) {
        struct cn_sequence *sequence = s->active[i];
        if (!sequence->finish && sequence->n_most == 0 && !in_prompt(sequence))
            sequence->finish = "length";
        if (sequence->finish)
            conclude(s, sequence);
    }
    account(s, &pass);
    if (status == CN_OK)
        tell_all(s);
    else
        fail_all(s, status, &err);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void note_lanes(struct cn_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    const int64_t n_waiting = s->n_waiting;
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->tally->lock);
    s->tally->n_lanes = s->n_lanes;
    s->tally->n_busy = s->n_active;
    s->tally->n_waiting = n_waiting;
    s->tally->kept_tokens = cn_lanes_kept(s->lanes);
    s->tally->lane_bytes = cn_lanes_bytes(s->lanes);
    pthread_mutex_unlock(&s->tally->lock);
}

/* The time up to now_ns was idle. */
static void rest(struct cn_scheduler *s, int64_t now_ns)
{
    struct cn_profiler *profiler = s->service->profiler;
    if (now_ns - s->edge_ns >= REST_LEAST_NS)
        cn_profiler_rested(profiler, s->edge_ns, now_ns);
    if (now_ns > s->edge_ns)
        s->edge_ns = now_ns;
}

/* Waits for a job. False: there will be none. */
static bool wait_for_job(struct cn_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->draining) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += REST_S;
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
        if (s->first || s->draining)
            break;
        pthread_mutex_unlock(&s->lock);
        rest(s, cn_profiler_edge(s->service->profiler));
        cn_profiler_forget(s->service->profiler, s->edge_ns);
        pthread_mutex_lock(&s->lock);
    }
    const bool any = s->first != NULL;
    const int64_t arrived = any ? s->first->arrived_ns : 0;
    pthread_mutex_unlock(&s->lock);
    cn_profiler_edge(s->service->profiler);
    if (any)
        rest(s, arrived);
    return any;
}

static void *run(void *argument)
{
    struct cn_scheduler *s = argument;
    s->edge_ns = s->forgot_ns = cn_profiler_edge(s->service->profiler);
    for (;;) {
        if (s->n_active == 0) {
            note_lanes(s);
            if (!wait_for_job(s))
                break;
        }
        admit(s);
        note_lanes(s);
        if (s->n_active > 0)
            run_pass(s);
        if (s->edge_ns - s->swept_ns >= SWEEP_EVERY_NS) {
            sweep(s);
            s->swept_ns = s->edge_ns;
        }
    }
    return NULL;
}

/* ---- from other threads ---------------------------------------------------------------------- */

enum cn_status cn_scheduler_start(const struct cn_service *service, struct cn_lanes *lanes,
                                  int32_t n_lanes, int32_t n_batch, int32_t n_logits,
                                  int64_t max_waiting, struct cn_tally *tally,
                                  struct cn_scheduler **scheduler, struct cn_error *err)
{
    struct cn_scheduler *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "no memory for the scheduler");
    s->service = service;
    s->lanes = lanes;
    s->tally = tally;
    s->n_lanes = n_lanes;
    s->n_batch = n_batch;
    s->n_logits = n_logits;
    s->max_waiting = max_waiting;
    s->jobs = calloc((size_t)max_waiting + CN_MAX_LANES + 1, sizeof *s->jobs);
    if (!s->jobs) {
        free(s);
        return cn_fail(err, CN_ERR_MEMORY, "no memory for a queue of %lld", (long long)max_waiting);
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    const int refused = cn_thread_start(&s->thread, run, s);
    if (refused) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
        free(s->jobs);
        free(s);
        return cn_fail(err, CN_ERR_IO, "cannot start a thread: %s", strerror(refused));
    }
    *scheduler = s;
    return CN_OK;
}

bool cn_scheduler_submit(struct cn_scheduler *s, struct cn_job *job, struct cn_refusal *refusal)
{
    bool taken = false;
    pthread_mutex_lock(&job->lock);
    job->n_holders++;
    pthread_mutex_unlock(&job->lock);
    pthread_mutex_lock(&s->lock);
    if (s->draining) {
        cn_refuse(refusal, 503, NULL, "", "the server is ending");
    } else if (s->n_waiting >= s->max_waiting) {
        cn_refuse(refusal, 429, "queue_full", "", "%lld requests wait already",
                  (long long)s->n_waiting);
    } else {
        taken = true;
        enqueue(s, job);
        s->n_open++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (!taken)
        cn_job_release(job);
    return taken;
}

int64_t cn_scheduler_n_open(struct cn_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    const int64_t n = s->n_open;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void cn_scheduler_drain(struct cn_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->draining = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void cn_scheduler_stop(struct cn_scheduler *s)
{
    if (!s)
        return;
    cn_scheduler_drain(s);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->jobs);
    free(s);
}
