/* SPDX-License-Identifier: MIT
 *
 * Several texts at once: lanes MODEL.gguf TEXT... continues each by 20 tokens. They share what
 * reads the model: a pass gives a token of every text and reads the weights once.
 *   cc lanes.c $(pkg-config --cflags --libs carnot) -o lanes
 */
#include <carnot.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 20 };

struct lane {
    struct cn_session *session;
    struct cn_sampler *sampler;
    int32_t *prompt;
    int32_t tokens[TOKENS];
    int n, ended;
};

static struct cn_error err = { "usage: lanes MODEL.gguf TEXT..., 16 texts at most" };

static int begin(struct lane *lane, const struct cn_model *model, struct cn_group *group,
                 const char *text, struct cn_step *step)
{
    const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };
    size_t n = 0;
    int ok =
        cn_group_join(group, &lane->session, &err) == CN_OK &&
        cn_sampler_create(model, &greedy, &lane->sampler, &err) == CN_OK &&
        cn_tokenize(model, text, strlen(text), CN_TOKENIZE_BOS, &lane->prompt, &n, &err) == CN_OK;
    *step = (struct cn_step){ lane->session, lane->prompt, (int32_t)n, CN_WANT_LAST };
    return ok;
}

/* Chooses the lane's next token; whether it is to be evaluated. */
static int choose(struct lane *lane, const struct cn_model *model, struct cn_step *step)
{
    if (lane->ended || lane->n == TOKENS)
        return 0;
    int32_t *token = &lane->tokens[lane->n];
    *token = cn_sampler_sample(lane->sampler, cn_session_logits(lane->session, 0));
    lane->ended = cn_token_is_end(model, *token);
    lane->n += !lane->ended;
    *step = (struct cn_step){ lane->session, token, 1, CN_WANT_LAST };
    return !lane->ended;
}

static void show(const struct lane *lane, const struct cn_model *model)
{
    for (int i = 0; i < lane->n; i++) {
        size_t n_bytes;
        const char *bytes = cn_token_bytes(model, lane->tokens[i], false, &n_bytes);
        fwrite(bytes, 1, n_bytes, stdout);
    }
    puts("");
}

int main(int argc, char **argv)
{
    const int n = argc - 2;
    struct cn_model *model = NULL;
    struct cn_group *group = NULL;
    struct lane lanes[CN_MAX_LANES] = { { .session = NULL } };
    struct cn_step steps[CN_MAX_LANES];
    int ok = n >= 1 && n <= CN_MAX_LANES && cn_model_open(argv[1], NULL, &model, &err) == CN_OK &&
             cn_group_create(model, NULL, n, &group, &err) == CN_OK;
    for (int i = 0; ok && i < n; i++)
        ok = begin(&lanes[i], model, group, argv[2 + i], &steps[i]);
    for (size_t n_steps = (size_t)n; ok && n_steps > 0;) {
        ok = cn_group_eval(group, steps, n_steps, &err) == CN_OK;
        n_steps = 0;
        for (int i = 0; ok && i < n; i++)
            n_steps += (size_t)choose(&lanes[i], model, &steps[n_steps]);
    }
    for (int i = 0; ok && i < n; i++)
        show(&lanes[i], model);
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    for (int i = 0; i < n && i < CN_MAX_LANES; i++) {
        free(lanes[i].prompt);
        cn_sampler_free(lanes[i].sampler);
        cn_session_free(lanes[i].session);
    }
    cn_group_free(group);
    cn_model_close(model);
    return !ok;
}
