/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a model: what opens is run, on text that it tokenises itself.
 */
#include <string.h>

#include "engine/carnot.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_TOKENS = 4 };

static void run(const struct cn_model *m)
{
    static const char text[] = "a b\n1 \xc3\xa4\xff";
    struct cn_error err;
    struct cn_session *s;
    struct cn_sampler *sampler;
    int32_t *tokens = NULL;
    size_t n;
    const struct cn_session_options options = {
        .n_ctx = 2 * MAX_TOKENS, .n_batch = 3, .n_logits = MAX_TOKENS, .n_threads = 1
    };
    const struct cn_sampler_options sampling = { .temperature = 1, .top_k = 5, .top_p = 0.9f };
    if (cn_tokenize(m, text, sizeof text - 1, CN_TOKENIZE_BOS, &tokens, &n, &err) != CN_OK)
        return;
    if (n > MAX_TOKENS)
        n = MAX_TOKENS;
    for (size_t i = 0; i < n; i++)
        expect(tokens[i] >= 0 && tokens[i] < cn_model_get_info(m)->n_vocab);
    if (cn_session_create(m, &options, &s, &err) != CN_OK) {
        free(tokens);
        return;
    }
    if (cn_session_eval(s, tokens, (int32_t)n, CN_WANT_ALL, &err) == CN_OK && n > 0 &&
        cn_sampler_create(m, &sampling, &sampler, &err) == CN_OK) {
        int32_t next = cn_sampler_sample(sampler, cn_session_logits(s, (int32_t)n - 1));
        expect(next >= 0 && next < cn_model_get_info(m)->n_vocab);
        size_t n_bytes;
        cn_token_bytes(m, next, true, &n_bytes);
        expect(cn_session_eval(s, &next, 1, CN_WANT_LAST, &err) == CN_OK);
        cn_sampler_free(sampler);
    }
    cn_session_free(s);
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_model *m;
    struct cn_error err = { "" };
    char path[32];
    int fd = fuzz_file(data, n, path);
    if (cn_model_open(path, NULL, &m, &err) == CN_OK) {
        run(m);
        cn_model_close(m);
    } else {
        expect(strstr(err.text, path) != NULL && !strchr(err.text, '\n'));
    }
    close(fd);
    return 0;
}
