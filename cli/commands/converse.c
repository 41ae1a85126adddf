/* SPDX-License-Identifier: MIT
 *
 * The interactive form of carnot run. Each turn renders the whole conversation and evaluates what
 * the session does not hold yet, so the history is always as the template wants it. What the model
 * thinks before an answer goes to stderr; the answer alone goes to stdout.
 */
#include "cli/commands/converse.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Text that grows. */
struct text {
    char *p;
    size_t n, capacity;
};

struct talk {
    struct cn_run *run;
    struct cn_chat_message *messages;
    size_t n_messages;
    struct text answer, thought;
    struct cn_thinking thinking;
    bool thinks; /* what was put last was thinking */
    bool failed; /* memory ran out inside a callback */
};

static bool add(struct text *text, const char *p, size_t n)
{
    if (n >= text->capacity - text->n) {
        size_t capacity = 2 * text->capacity + n + 64;
        char *grown = realloc(text->p, capacity);
        if (!grown)
            return false;
        text->p = grown;
        text->capacity = capacity;
    }
    memcpy(text->p + text->n, p, n);
    text->n += n;
    return true;
}

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
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = 0;
    t->messages[t->n_messages++] =
        (struct cn_chat_message){ .role = role, .content = copy, .n_content = n };
    return true;
}

/* The answer as the template wants it in the history: thinking apart where it asks for that, else
 * between its marks, and the template keeps or drops it. */
static bool append_answer(struct talk *t)
{
    const struct cn_chat_thinking *marks = &t->thinking.marks;
    if (t->thought.n == 0)
        return append(t, "assistant", t->answer.p, t->answer.n);
    if (marks->separate) {
        if (!append(t, "assistant", t->answer.p, t->answer.n))
            return false;
        struct cn_chat_message *m = &t->messages[t->n_messages - 1];
        char *copy = malloc(t->thought.n + 1);
        if (!copy)
            return false;
        memcpy(copy, t->thought.p, t->thought.n);
        m->reasoning = copy;
        m->n_reasoning = t->thought.n;
        return true;
    }
    struct text whole = { 0 };
    bool ok = add(&whole, marks->open, strlen(marks->open)) &&
              add(&whole, t->thought.p, t->thought.n) &&
              add(&whole, marks->close, strlen(marks->close)) && add(&whole, "\n\n", 2) &&
              (t->answer.n == 0 || add(&whole, t->answer.p, t->answer.n)) &&
              append(t, "assistant", whole.p, whole.n);
    free(whole.p);
    return ok;
}

static void on_text(void *user, bool reasoning, const char *text, size_t n)
{
    struct talk *t = user;
    t->failed |= !add(reasoning ? &t->thought : &t->answer, text, n);
    if (t->run->ids)
        return;
    bool dim = isatty(STDERR_FILENO);
    if (reasoning && !t->thinks)
        fputs(dim ? "\033[2m" : "thinking: ", stderr);
    if (!reasoning && t->thinks)
        fputs(dim ? "\033[0m\n" : "\n", stderr);
    t->thinks = reasoning;
    fwrite(text, 1, n, reasoning ? stderr : stdout);
}

static bool on_token(void *user, int32_t token, const char *text, size_t n)
{
    struct talk *t = user;
    (void)text;
    (void)n;
    if (t->run->ids) /* without its text, which on_text takes */
        return cn_run_print(t->run, token, "", 0) || t->failed;
    fflush(stdout);
    return cn_interrupted() || ferror(stdout) || t->failed;
}

/* What thinking cost, on stderr. */
static void tell_thinking(const struct talk *t, const struct cn_generation *g)
{
    if (g->n_reasoning > 0)
        fprintf(stderr, "carnot run: %d of %d tokens were thinking\n", g->n_reasoning,
                g->n_generated);
    if (t->thinks && isatty(STDERR_FILENO))
        fputs("\033[0m", stderr);
}

/* Answers the last message. False after a message if the conversation cannot go on. */
static bool answer(struct talk *t)
{
    struct cn_run *run = t->run;
    struct cn_error err = { "" };
    int32_t *tokens = NULL;
    size_t n;
    if (cn_chat_tokens(run->chat, t->messages, t->n_messages, true, &tokens, &n, &err) != CN_OK) {
        cn_die("%s", err.text);
        return false;
    }
    t->answer.n = t->thought.n = 0;
    t->thinks = false;
    cn_thinking_begin(&t->thinking, run->chat, run->model, tokens, n);
    struct cn_generation g;
    struct cn_generate_options o = { .n_predict = run->n_predict,
                                     .chat = run->chat,
                                     .thinking = &t->thinking,
                                     .profiler = run->profiler,
                                     .speculator = cn_speculation_speculator(run->drafts),
                                     .token = on_token,
                                     .user = t };
    enum cn_status status =
        cn_generate(run->session, run->model, run->sampler, tokens, (int32_t)n, &o, &g, &err);
    if (t->thinks)
        fputc('\n', stderr);
    printf("\n");
    fflush(stdout);
    tell_thinking(t, &g);
    t->failed |= !cn_run_keep_answer(run, &g);
    free(tokens);
    if (status == CN_ERR_CONTEXT || (status == CN_OK && g.context_full)) {
        cn_warn("the context of %d tokens is full; start anew, or give -c",
                cn_session_n_ctx(run->session));
        return false;
    }
    if (status != CN_OK && status != CN_ERR_CANCELLED) {
        cn_die("%s", err.text);
        return false;
    }
    return !t->failed && !cn_result_lost() && append_answer(t);
}

int cn_converse(struct cn_run *run)
{
    struct talk t = {
        .run = run, .thinking = {.put = on_text, .user = &t}
    };
    char *line = NULL;
    size_t capacity = 0;
    int code = CN_EXIT_OK;
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
        n -= n > 0 && line[n - 1] == '\n';
        n -= n > 0 && line[n - 1] == '\r';
        if (n == 0)
            continue;
        if (!append(&t, "user", line, (size_t)n) || !answer(&t)) {
            code = CN_EXIT_FAILED;
            break;
        }
    }
    if (terminal)
        printf("\n");
    for (size_t i = 0; i < t.n_messages; i++) {
        free((char *)(uintptr_t)t.messages[i].content);
        free((char *)(uintptr_t)t.messages[i].reasoning);
    }
    free(t.messages);
    free(t.answer.p);
    free(t.thought.p);
    free(line);
    return code;
}
