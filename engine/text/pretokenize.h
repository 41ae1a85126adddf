/* SPDX-License-Identifier: MIT
 *
 * Pre-tokenizers of byte-level BPE: they cut a text into the pieces that are then merged on their
 * own. Each is a list of regular expressions (named by tokenizer.ggml.pre); here every expression
 * is a hand-written matcher, linear in the length of its match.
 */
#ifndef CN_PRETOKENIZE_H
#define CN_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

enum cn_pre_flag {
    CN_PRE_WHOLE_TOKENS = 1, /* a piece that is a token becomes it without merging */
    CN_PRE_BOS = 2,          /* BOS is added if the file does not say */
};

struct cn_pretokenizer {
    const char *name;
    const struct cn_pre_step *steps; /* ends with a step without a matcher */
    unsigned flags;                  /* of enum cn_pre_flag */
};

/* The name of row i of pretokenizers.def; NULL behind the last. */
const char *cn_pretokenizer_name(size_t i);

/* The pre-tokenizer called name[0..n); NULL if there is none. "default" is one of them. */
const struct cn_pretokenizer *cn_pretokenizer_find(const char *name, size_t n);

/* Calls emit for each piece of text[0..n) in order. The pieces are not empty and together they are
 * the text. Bytes that are not UTF-8 count as symbols. */
void cn_pretokenize(const struct cn_pretokenizer *pre, const char *text, size_t n,
                    void (*emit)(void *user, const char *piece, size_t n_piece), void *user);

#endif
