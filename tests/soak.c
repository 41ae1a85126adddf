/* SPDX-License-Identifier: MIT
 *
 * Memory over a long life (make soak): many tokens from one session, and many sessions and models
 * opened and closed. What is resident after a tenth of the work is what is resident at the end.
 * soak MODEL N_TOKENS N_SESSIONS
 */
#include "engine/carnot.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALLOWED_KIB = 256 }; /* of growth: an allocator's rounding, a page table */

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        exit(2);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void must(enum cn_status status, const struct cn_error *err)
{
    if (status == CN_OK)
        return;
    fprintf(stderr, "soak: %s\n", err->text);
    exit(1);
}

/* Prints at each tenth; exits if memory grew since the first. */
static void account(const char *what, long i, long n, long *first)
{
    if (i * 10 / n == (i - 1) * 10 / n)
        return;
    long now = resident_kib();
    printf("%-8s %8ld  %6ld KiB resident, %6zu KiB in use\n", what, i, now,
           mallinfo2().uordblks / 1024);
    if (*first == 0)
        *first = now;
    if (now > *first + ALLOWED_KIB) {
        fprintf(stderr, "soak: grew by %ld KiB\n", now - *first);
        exit(1);
    }
}

static void generate(const struct cn_model *model, long n_tokens)
{
    const struct cn_session_options options = { .n_ctx = 256, .n_threads = 2 };
    const struct cn_sampler_options sampling = { .temperature = 1,
                                                 .top_k = 20,
                                                 .top_p = 0.9f,
                                                 .repeat_penalty = 1.1f,
                                                 .repeat_last_n = 64,
                                                 .ignore_eos = true };
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_error err;
    int32_t token = 1;
    long first = 0;
    must(cn_session_create(model, &options, &session, &err), &err);
    must(cn_sampler_create(model, &sampling, &sampler, &err), &err);
    for (long i = 1; i <= n_tokens; i++) {
        if (cn_session_position(session) == cn_session_n_ctx(session))
            must(cn_session_rewind(session, 16, &err), &err);
        must(cn_session_eval(session, &token, 1, CN_WANT_LAST, &err), &err);
        token = cn_sampler_sample(sampler, cn_session_logits(session, 0));
        account("tokens", i, n_tokens, &first);
    }
    cn_sampler_free(sampler);
    cn_session_free(session);
}

/* Each tenth one with a model of its own. */
static void open_and_close(const char *path, const struct cn_model *shared, long n_sessions)
{
    static const int32_t prompt[] = { 1, 5, 6, 7 };
    const struct cn_session_options options = { .n_ctx = 64, .n_threads = 2 };
    struct cn_error err;
    long first = 0;
    for (long i = 1; i <= n_sessions; i++) {
        struct cn_model *own = NULL;
        struct cn_session *session;
        if (i % 10 == 0)
            must(cn_model_open(path, NULL, &own, &err), &err);
        must(cn_session_create(own ? own : shared, &options, &session, &err), &err);
        must(cn_session_eval(session, prompt, 4, CN_WANT_LAST, &err), &err);
        cn_session_free(session);
        cn_model_close(own);
        account("sessions", i, n_sessions, &first);
    }
}

int main(int argc, char **argv)
{
    struct cn_model *model;
    struct cn_error err;
    if (argc != 4) {
        fprintf(stderr, "usage: soak MODEL N_TOKENS N_SESSIONS\n");
        return 2;
    }
    must(cn_model_open(argv[1], NULL, &model, &err), &err);
    generate(model, strtol(argv[2], NULL, 10));
    open_and_close(argv[1], model, strtol(argv[3], NULL, 10));
    cn_model_close(model);
    return 0;
}
