/* SPDX-License-Identifier: MIT */
#include "serve/token_notes.h"

#include "engine/run/log_prob.h"

#include <math.h>
#include <stdlib.h>

static bool grow(struct cn_token_notes *notes)
{
    if (notes->n < notes->capacity)
        return true;
    const size_t capacity = 2 * notes->capacity + 64, n_top = (size_t)notes->n_top;
    struct cn_likely *tokens = realloc(notes->tokens, capacity * sizeof *tokens);
    if (tokens)
        notes->tokens = tokens;
    struct cn_likely *top =
        tokens && n_top ? realloc(notes->top, capacity * n_top * sizeof *top) : NULL;
    if (top)
        notes->top = top;
    notes->failed |= !tokens || (n_top && !top);
    if (!notes->failed)
        notes->capacity = capacity;
    return !notes->failed;
}

/* The n likeliest of logits[n_vocab]; `shift` turns a logit into a logarithm. */
static void find_top(const float *logits, int32_t n_vocab, double shift, struct cn_likely *top,
                     int32_t n)
{
    int32_t found = 0;
    for (int32_t i = 0; i < n_vocab; i++) {
        if (found == n && !((double)logits[i] + shift > top[n - 1].log_prob))
            continue;
        int32_t at = found < n ? found++ : n - 1;
        for (; at > 0 && (double)logits[i] + shift > top[at - 1].log_prob; at--)
            top[at] = top[at - 1];
        top[at] = (struct cn_likely){ i, (double)logits[i] + shift };
    }
    for (; found < n; found++)
        top[found] = (struct cn_likely){ -1, (double)NAN };
}

void cn_token_notes_add(struct cn_token_notes *notes, const struct cn_model *model,
                        const float *logits, int32_t token)
{
    if (!grow(notes))
        return;
    const double log_prob = logits ? cn_log_prob(model, logits, token) : (double)NAN;
    struct cn_likely *top = notes->top ? notes->top + notes->n * (size_t)notes->n_top : NULL;
    notes->tokens[notes->n++] = (struct cn_likely){ token, log_prob };
    for (int32_t i = 0; !logits && i < notes->n_top; i++)
        top[i] = (struct cn_likely){ -1, (double)NAN };
    if (logits && notes->n_top > 0)
        find_top(logits, cn_model_get_info(model)->n_vocab, log_prob - (double)logits[token], top,
                 notes->n_top);
}

void cn_token_notes_free(struct cn_token_notes *notes)
{
    free(notes->tokens);
    free(notes->top);
    *notes = (struct cn_token_notes){ .n_top = notes->n_top };
}
