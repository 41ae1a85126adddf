/* SPDX-License-Identifier: MIT
 *
 * Generating with the default model, whose vocabulary has a token for every byte.
 */
#include "base/clock.h"
#include "bench/model/generate.h"

#include "base/utf8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_model *model;
static int32_t n_vocab, end_token, prompt[4];

enum { N_PROMPT = 4 };

static struct cn_session *open_session(int32_t n_ctx, bool (*cancel)(void *), void *user)
{
    struct cn_session_options o = {
        .n_ctx = n_ctx, .n_threads = 1, .callbacks = {.cancel = cancel, .user = user}
    };
    struct cn_session *s = NULL;
    assert_int_equal(cn_session_create(model, &o, &s, NULL), CN_OK);
    return s;
}

static struct cn_sampler *open_sampler(float temperature, const struct cn_logit_bias *bias,
                                       size_t n_bias)
{
    struct cn_sampler_options o = { .temperature = temperature,
                                    .top_p = 1,
                                    .repeat_penalty = 1,
                                    .seed = 5,
                                    .bias = bias,
                                    .n_bias = n_bias };
    struct cn_sampler *s = NULL;
    assert_int_equal(cn_sampler_create(model, &o, &s, NULL), CN_OK);
    return s;
}

/* What a generation showed. */
struct shown {
    char text[4096], expected[4096]; /* shown so far; bytes of the tokens so far */
    size_t n_text, n_expected;
    bool shown_to[4097]; /* a piece ended there */
    int32_t last[64];
    int n_tokens, n_euro, stop_after;
};

static bool on_token(void *user, int32_t token, const char *text, size_t n)
{
    struct shown *s = user;
    assert_true(s->n_text + n <= sizeof s->text);
    memcpy(s->text + s->n_text, text, n);
    s->n_text += n;
    s->shown_to[s->n_text] = true;
    s->n_euro += n == 3 && memcmp(text, "\xe2\x82\xac", 3) == 0;
    if (token < 0)
        return false;
    size_t n_bytes;
    const char *bytes = cn_token_bytes(model, token, false, &n_bytes);
    assert_true(s->n_expected + n_bytes <= sizeof s->expected);
    memcpy(s->expected + s->n_expected, bytes, n_bytes);
    s->n_expected += n_bytes;
    if (s->n_tokens < 64)
        s->last[s->n_tokens] = token;
    return ++s->n_tokens == s->stop_after;
}

static enum cn_status generate(struct cn_session *session, struct cn_sampler *sampler,
                               int32_t n_predict, bool ignore_end, struct shown *shown,
                               struct cn_generation *g)
{
    struct cn_generate_options o = {
        .n_predict = n_predict, .ignore_end = ignore_end, .token = on_token, .user = shown
    };
    struct cn_error err = { "" };
    return cn_generate(session, model, sampler, prompt, N_PROMPT, &o, g, &err);
}

static int32_t byte_token(unsigned char byte)
{
    for (int32_t t = 0; t < n_vocab; t++) {
        size_t n;
        const char *p = cn_token_bytes(model, t, false, &n);
        if (n == 1 && (unsigned char)p[0] == byte)
            return t;
    }
    fail_msg("no token for byte %02x", byte);
    return -1;
}

/* Random sequences of the bytes of a three-byte character, one of a two-byte one and a letter: all
 * ways to be half of a character, whole or broken. */
static void whole_characters(void **state)
{
    static const unsigned char bytes[] = { 0xe2, 0x82, 0xac, 0xc3, 'a' };
    static struct shown shown;
    struct cn_logit_bias *bias = malloc((size_t)n_vocab * sizeof *bias);
    struct cn_generation g;
    (void)state;
    assert_non_null(bias);
    for (int32_t t = 0; t < n_vocab; t++)
        bias[t] = (struct cn_logit_bias){ t, -INFINITY };
    for (size_t i = 0; i < sizeof bytes; i++)
        bias[byte_token(bytes[i])].bias = i < 3 ? 2 : 0;
    struct cn_session *session = open_session(512, NULL, NULL);
    struct cn_sampler *sampler = open_sampler(100, bias, (size_t)n_vocab);
    memset(&shown, 0, sizeof shown);
    assert_int_equal(generate(session, sampler, 400, true, &shown, &g), CN_OK);
    assert_int_equal(g.n_generated, 400);
    assert_int_equal(shown.n_text, 400);
    assert_int_equal(shown.n_expected, 400);
    assert_memory_equal(shown.text, shown.expected, 400);
    assert_true(shown.n_euro >= 1);
    /* Every character (or byte that is none) came in one piece. */
    for (size_t at = 0, length; at < 400; at += length) {
        cn_utf8_next(shown.text + at, 400 - at, &length);
        for (size_t i = 1; i < length; i++)
            assert_false(shown.shown_to[at + i]);
    }
    cn_sampler_free(sampler);
    cn_session_free(session);
    free(bias);
}

static void limits(void **state)
{
    (void)state;
    struct cn_session *session = open_session(64, NULL, NULL);
    struct cn_sampler *sampler = open_sampler(0, NULL, 0);
    struct cn_generation g;
    static struct shown shown, shorter;

    memset(&shown, 0, sizeof shown);
    assert_int_equal(generate(session, sampler, 0, false, &shown, &g), CN_OK);
    assert_int_equal(g.n_generated, 0);
    assert_int_equal(shown.n_tokens, 0);
    assert_int_equal(g.n_prompt, N_PROMPT);
    assert_int_equal(cn_session_position(session), N_PROMPT);
    assert_false(g.ended || g.context_full);
    assert_true(g.prefill_s > 0 && g.ttft_s == 0);

    assert_int_equal(cn_session_rewind(session, 0, NULL), CN_OK);
    memset(&shown, 0, sizeof shown);
    assert_int_equal(generate(session, sampler, 6, true, &shown, &g), CN_OK);
    assert_int_equal(g.n_generated, 6);
    assert_int_equal(shown.n_tokens, 6);
    /* The last one chosen is not evaluated. */
    assert_int_equal(cn_session_position(session), N_PROMPT + 5);
    assert_false(g.ended || g.context_full);
    assert_true(g.ttft_s >= g.prefill_s && g.decode_s > 0 && g.sample_s > 0);

    /* Stopped by the callback, with the same tokens up to there. */
    assert_int_equal(cn_session_rewind(session, 0, NULL), CN_OK);
    memset(&shorter, 0, sizeof shorter);
    shorter.stop_after = 3;
    assert_int_equal(generate(session, sampler, 6, true, &shorter, &g), CN_OK);
    assert_int_equal(g.n_generated, 3);
    assert_false(g.ended);
    assert_memory_equal(shorter.last, shown.last, 3 * sizeof shown.last[0]);

    /* Until the context is full: the token behind the last position is still chosen. */
    assert_int_equal(cn_session_rewind(session, 0, NULL), CN_OK);
    memset(&shown, 0, sizeof shown);
    assert_int_equal(generate(session, sampler, -1, true, &shown, &g), CN_OK);
    assert_true(g.context_full);
    assert_false(g.ended);
    assert_int_equal(cn_session_position(session), 64);
    assert_int_equal(g.n_generated, 64 - N_PROMPT + 1);

    /* The same prompt again: all but its last token is there, and the rest goes. */
    memset(&shorter, 0, sizeof shorter);
    assert_int_equal(generate(session, sampler, 3, true, &shorter, &g), CN_OK);
    assert_int_equal(g.n_kept, N_PROMPT - 1);
    assert_int_equal(g.n_prompt, N_PROMPT);
    assert_int_equal(cn_session_position(session), N_PROMPT + 2);
    assert_memory_equal(shorter.last, shown.last, 3 * sizeof shown.last[0]);
    cn_sampler_free(sampler);
    cn_session_free(session);
}

static void ends(void **state)
{
    const struct cn_logit_bias bias = { end_token, 1e6f };
    struct cn_session *session = open_session(64, NULL, NULL);
    struct cn_sampler *sampler = open_sampler(0, &bias, 1);
    struct cn_generation g;
    static struct shown shown;
    (void)state;
    assert_int_equal(generate(session, sampler, 5, false, &shown, &g), CN_OK);
    assert_true(g.ended);
    assert_int_equal(g.n_generated, 0);
    assert_int_equal(shown.n_tokens, 0);

    /* Ignored, it goes on, and is not shown. */
    assert_int_equal(cn_session_rewind(session, 0, NULL), CN_OK);
    assert_int_equal(generate(session, sampler, 5, true, &shown, &g), CN_OK);
    assert_false(g.ended);
    assert_int_equal(g.n_generated, 5);
    assert_int_equal(shown.n_text, 0);
    cn_sampler_free(sampler);
    cn_session_free(session);
}

static bool after_some(void *user)
{
    return ++*(int *)user > 30;
}

static void failures(void **state)
{
    int asked = 0;
    struct cn_session *session = open_session(64, after_some, &asked);
    struct cn_sampler *sampler = open_sampler(0, NULL, 0);
    struct cn_generation g;
    static struct shown shown;
    (void)state;
    /* Asked per layer, of which there are 8: the prompt and two tokens pass. */
    assert_int_equal(generate(session, sampler, 20, true, &shown, &g), CN_ERR_CANCELLED);
    assert_int_equal(g.n_generated, 3);
    assert_int_equal(shown.n_tokens, 3);
    cn_session_free(session);

    session = open_session(64, NULL, NULL);
    int32_t good = prompt[2];
    prompt[2] = n_vocab;
    assert_int_equal(generate(session, sampler, 20, true, &shown, &g), CN_ERR_ARGUMENT);
    assert_int_equal(g.n_generated, 0);
    prompt[2] = good;
    cn_session_free(session);
    cn_sampler_free(sampler);
}

static void clock_and_memory(void **state)
{
    (void)state;
    double a = cn_seconds(), b = cn_seconds();
    assert_true(a > 0 && b >= a);
    assert_true(cn_peak_rss() > 1 << 20);
}

static int open_model(void **state)
{
    (void)state;
    if (cn_model_open("models/prose-8m-f16.gguf", NULL, &model, NULL) != CN_OK)
        return 1;
    const struct cn_model_info *info = cn_model_get_info(model);
    n_vocab = info->n_vocab;
    end_token = info->eos;
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = i ? 300 + i : info->bos;
    return end_token < 0;
}

static int close_model(void **state)
{
    (void)state;
    cn_model_close(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_characters),
        cmocka_unit_test(limits),
        cmocka_unit_test(ends),
        cmocka_unit_test(failures),
        cmocka_unit_test(clock_and_memory),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
