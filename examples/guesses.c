/* SPDX-License-Identifier: MIT
 *
 * Several tokens for one pass: guesses MODEL.gguf TEXT [DRAFT.gguf] continues the text by 40
 * tokens. What may come next is drafted by a smaller model of the same vocabulary, or taken from
 * the text itself; the tokens are those that the model alone would choose.
 *   cc guesses.c $(pkg-config --cflags --libs carnot) -o guesses
 */
#include <carnot.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_TOKENS = 40, N_LOGITS = 16 };

/* A model and its session; 0, or 1 with err filled. */
static int open_model(const char *path, int32_t n_logits, struct cn_model **model,
                      struct cn_session **session, struct cn_error *err)
{
    const struct cn_session_options options = { .n_logits = n_logits };
    return cn_model_open(path, NULL, model, err) != CN_OK ||
           cn_session_create(*model, &options, session, err) != CN_OK;
}

static int generate(struct cn_speculator *speculator, const struct cn_model *model,
                    struct cn_error *err)
{
    int32_t tokens[N_TOKENS], n = 0;
    for (int32_t done = 0; done < N_TOKENS; done += n) {
        if (cn_speculator_next(speculator, tokens, N_TOKENS - done, &n, err) != CN_OK)
            return 1;
        for (int32_t i = 0; i < n; i++) {
            size_t n_bytes;
            if (cn_token_is_end(model, tokens[i]))
                return 0;
            const char *bytes = cn_token_bytes(model, tokens[i], false, &n_bytes);
            fwrite(bytes, 1, n_bytes, stdout);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct cn_model *model = NULL, *draft_model = NULL;
    struct cn_session *session = NULL, *draft = NULL;
    struct cn_sampler *sampler = NULL;
    struct cn_speculator *speculator = NULL;
    struct cn_speculation told;
    struct cn_error err = { "usage: guesses MODEL.gguf TEXT [DRAFT.gguf]" };
    const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };
    int32_t *prompt = NULL, kept;
    size_t n = 0;
    int failed =
        argc < 3 || open_model(argv[1], N_LOGITS, &model, &session, &err) ||
        (argc > 3 && open_model(argv[3], 1, &draft_model, &draft, &err)) ||
        cn_sampler_create(model, &greedy, &sampler, &err) != CN_OK ||
        cn_tokenize(model, argv[2], strlen(argv[2]), CN_TOKENIZE_BOS, &prompt, &n, &err) != CN_OK;
    const struct cn_speculator_options options = { .draft = draft, .lookup = draft ? 0 : 3 };
    failed = failed ||
             cn_speculator_create(session, sampler, &options, &speculator, &err) != CN_OK ||
             cn_speculator_prompt(speculator, prompt, (int32_t)n, &kept, &err) != CN_OK ||
             generate(speculator, model, &err);
    puts("");
    if (failed) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        cn_speculator_told(speculator, &told);
        fprintf(stderr, "%lld passes, %lld of %lld drafted tokens kept\n", (long long)told.n_passes,
                (long long)told.n_accepted, (long long)told.n_drafted);
    }
    free(prompt);
    cn_speculator_free(speculator);
    cn_sampler_free(sampler);
    cn_session_free(draft);
    cn_session_free(session);
    cn_model_close(draft_model);
    cn_model_close(model);
    return failed;
}
