/* SPDX-License-Identifier: MIT
 *
 * The interactive form of carnot run. Each turn renders the whole conversation and evaluates what
 * the session does not hold yet, so the history is always as the template wants it.
 */
#include "cli/cli.h"
#include "cli/commands/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct talk {
    struct cn_run *run;
    struct cn_chat_message *messages;
    size_t n_messages;
    int32_t *held; /* tokens in the session, [n_held] */
    size_t n_held;
    char *answer;
    size_t n_answer;
    bool failed; /* memory ran out inside a callback */
};

static bool append(struct talk *t, const char *role, const char *text, size_t n)
{
    struct cn_chat_message *m = realloc(t->messages, (t->n_messages + 1) * sizeof *m);
    char *copy = malloc(n + 1);
    if (m)
        t->messages = m;
    if (!m || !copy) {
        free(copy);
        return false;
    }
    memcpy(copy, text, n);
    copy[n] = 0;
    t->messages[t->n_messages++] = (struct cn_chat_message){ role, copy, n };
    return true;
}

static bool on_token(void *user, int32_t token, const char *text, size_t n)
{
    struct talk *t = user;
    char *grown = realloc(t->answer, t->n_answer + n + 1);
    if (!grown) {
        t->failed = true;
        return true;
    }
    t->answer = grown;
    memcpy(t->answer + t->n_answer, text, n);
    t->n_answer += n;
    return cn_run_print(t->run, token, text, n);
}

/* Answers the last message. False after a message if the conversation cannot go on. */
static bool answer(struct talk *t)
{
    struct cn_run *run = t->run;
    struct cn_error err = { "" };
    int32_t *tokens = NULL;
    size_t n, same = 0;
    if (cn_chat_tokenize(run->model, run->template_name, t->messages, t->n_messages, true, &tokens,
                         &n, &err) != CN_OK) {
        cn_die("%s", err.text);
        return false;
    }
    while (same < t->n_held && same + 1 < n && t->held[same] == tokens[same])
        same++;
    if (cn_session_rewind(run->session, (int32_t)same, &err) != CN_OK) {
        same = 0;
        cn_session_rewind(run->session, 0, NULL);
    }
    t->n_answer = 0;
    struct cn_generation g;
    struct cn_generate_options o = {
        .n_predict = run->n_predict, .profiler = run->profiler, .token = on_token, .user = t
    };
    enum cn_status status = cn_generate(run->session, run->model, run->sampler, tokens + same,
                                        (int32_t)(n - same), &o, &g, &err);
    printf("\n");
    fflush(stdout);
    /* Only the prompt is known to be in the session token by token. */
    free(t->held);
    t->held = tokens;
    t->n_held = status == CN_OK || status == CN_ERR_CANCELLED ? n : 0;
    if ((size_t)cn_session_position(run->session) < t->n_held)
        t->n_held = (size_t)cn_session_position(run->session);
    if (status == CN_ERR_CONTEXT || (status == CN_OK && g.context_full)) {
        cn_warn("the context of %d tokens is full; start anew, or give -c",
                cn_session_n_ctx(run->session));
        return false;
    }
    if (status != CN_OK && status != CN_ERR_CANCELLED) {
        cn_die("%s", err.text);
        return false;
    }
    return !t->failed && !cn_result_lost() &&
           append(t, "assistant", t->answer ? t->answer : "", t->n_answer);
}

int cn_converse(struct cn_run *run)
{
    struct talk t = { .run = run };
    char *line = NULL;
    size_t capacity = 0;
    int code = CN_EXIT_OK;
    if (!run->template_name && !cn_chat_template_of(run->model))
        return cn_die("the model's chat template is missing or of an unknown kind: name one with "
                      "--template");
    const bool terminal = isatty(STDIN_FILENO);
    for (;;) {
        if (terminal) {
            fputs("> ", stdout);
            fflush(stdout);
        }
        cn_interrupt_clear();
        errno = 0;
        ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0 && !feof(stdin) && !cn_interrupted())
            code = cn_die("standard input: cannot read: %s", strerror(errno));
        if (n < 0)
            break;
        if (n > 0 && line[n - 1] == '\n')
            n--;
        if (n == 0)
            continue;
        if (!append(&t, "user", line, (size_t)n) || !answer(&t)) {
            code = CN_EXIT_FAILED;
            break;
        }
    }
    if (terminal)
        printf("\n");
    for (size_t i = 0; i < t.n_messages; i++)
        free((char *)(uintptr_t)t.messages[i].content);
    free(t.messages);
    free(t.held);
    free(t.answer);
    free(line);
    return code;
}
