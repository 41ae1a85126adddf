/* SPDX-License-Identifier: MIT
 *
 * BPE of characters ("gemma4"): merges by rank as in byte-level BPE, but over UTF-8 characters, in
 * a vocabulary written as SPM's is: spaces as U+2581, bytes as "<0xHH>".
 *
 * A run of line feeds stands on its own: it is a token as a whole, or merged apart from the rest.
 */
#include "engine/text/tokenizer_internal.h"

enum cn_status cn_chars_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                             struct cn_error *err)
{
    cn_spm_load_bytes(t);
    return cn_rules_load(t, gguf, err);
}

/* One run of line feeds or of anything else, spaces marked. */
static void encode_run(const struct cn_tokenizer *t, const char *text, size_t n,
                       struct cn_merge_space *space, struct cn_token_list *out)
{
    if (*text == '\n' && n <= t->longest) {
        int64_t id = cn_strmap_find(&t->map, (struct cn_str){ text, n });
        if (id >= 0) {
            cn_token_list_push(out, (int32_t)id);
            return;
        }
    }
    const struct cn_joiner joiner = { cn_rules_join, t, text };
    size_t n_symbols = 0;
    for (size_t i = 0, length; i < n; i += length) {
        length = cn_spm_char_length(text + i, n - i);
        if (!cn_merge_reserve(space, n_symbols + 1)) {
            out->failed = true;
            return;
        }
        uint32_t id = cn_rules_symbol(t, (struct cn_str){ text + i, length });
        space->symbols[n_symbols++] = (struct cn_symbol){ id, (uint32_t)i };
    }
    space->symbols[n_symbols].start = (uint32_t)n;
    if (!cn_merge(&joiner, space, &n_symbols)) {
        out->failed = true;
        return;
    }
    const struct cn_symbol *s = space->symbols;
    for (size_t i = 0; i < n_symbols; i++) {
        if (s[i].id < (uint32_t)t->n_vocab)
            cn_token_list_push(out, (int32_t)s[i].id);
        else
            cn_spm_emit(t, text + s[i].start, s[i + 1].start - s[i].start, out);
    }
}

void cn_chars_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                     struct cn_merge_space *space, struct cn_token_list *out)
{
    n = cn_spm_mark_spaces(text, n, prefix, space);
    if (n == SIZE_MAX) {
        out->failed = true;
        return;
    }
    const char *marked = space->bytes;
    for (size_t from = 0, to; from < n && !out->failed; from = to) {
        for (to = from + 1; to < n && (marked[to] == '\n') == (marked[from] == '\n');)
            to++;
        encode_run(t, marked + from, to - from, space, out);
    }
}
