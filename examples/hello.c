/* SPDX-License-Identifier: MIT
 *
 * The library in 40 lines: hello MODEL.gguf TEXT continues the text by 20 tokens.
 *   cc hello.c $(pkg-config --cflags --libs carnot) -o hello
 */
#include <carnot.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct cn_model *model = NULL;
    struct cn_session *session = NULL;
    struct cn_sampler *sampler = NULL;
    struct cn_error err = { "usage: hello MODEL.gguf TEXT" };
    const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };
    int32_t *prompt = NULL, token = -1;
    size_t n = 0, n_bytes;
    int ok =
        argc == 3 && cn_model_open(argv[1], NULL, &model, &err) == CN_OK &&
        cn_session_create(model, NULL, &session, &err) == CN_OK &&
        cn_sampler_create(model, &greedy, &sampler, &err) == CN_OK &&
        cn_tokenize(model, argv[2], strlen(argv[2]), CN_TOKENIZE_BOS, &prompt, &n, &err) == CN_OK &&
        cn_session_eval(session, prompt, (int32_t)n, CN_WANT_LAST, &err) == CN_OK;
    for (int i = 0; ok && i < 20; i++) {
        token = cn_sampler_sample(sampler, cn_session_logits(session, 0));
        if (cn_token_is_end(model, token))
            break;
        const char *bytes = cn_token_bytes(model, token, false, &n_bytes);
        fwrite(bytes, 1, n_bytes, stdout);
        ok = cn_session_eval(session, &token, 1, CN_WANT_LAST, &err) == CN_OK;
    }
    puts("");
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    free(prompt);
    cn_sampler_free(sampler);
    cn_session_free(session);
    cn_model_close(model);
    return !ok;
}
