/* SPDX-License-Identifier: MIT
 *
 * Byte-level BPE ("gpt2"). Vocabulary and merges are written in an alphabet that shows every byte
 * as a printable letter: bytes 33..126, 161..172 and 174..255 as the code point of the same number,
 * the other 68 in order as 256, 257, ...
 */
#include "base/error.h"
#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t letter_of(unsigned byte)
{
    if (byte <= 32)
        return 256 + byte;
    if (byte >= 127 && byte <= 160)
        return 256 + 33 + byte - 127;
    return byte == 173 ? 256 + 67 : byte;
}

/* The byte that a letter of the alphabet shows, or -1. */
static int byte_of(uint32_t letter)
{
    int byte = -1;
    if (letter < 256)
        byte = (int)letter;
    else if (letter < 256 + 33)
        byte = (int)letter - 256;
    else if (letter < 256 + 67)
        byte = (int)letter - 256 - 33 + 127;
    else if (letter == 256 + 67)
        byte = 173;
    return byte >= 0 && letter_of((unsigned)byte) == letter ? byte : -1;
}

size_t cn_bpe_decode(struct cn_str text, enum cn_token_type type, char *out)
{
    (void)type;
    size_t n_out = 0, n;
    for (size_t i = 0; i < text.n; i += n) {
        uint32_t cp = cn_utf8_next(text.p + i, text.n - i, &n);
        int byte = byte_of(cp);
        if (byte >= 0) {
            out[n_out++] = (char)byte;
        } else { /* not of the alphabet: as it stands */
            memcpy(out + n_out, text.p + i, n);
            n_out += n;
        }
    }
    return n_out;
}

enum cn_status cn_bpe_load(struct cn_tokenizer *t, const struct cn_gguf *gguf, struct cn_error *err)
{
    CN_TRY(cn_rules_load(t, gguf, err));
    char letters[256][4];
    for (unsigned b = 0; b < 256; b++) {
        struct cn_str letter = { letters[b], cn_utf8_put(letter_of(b), letters[b]) };
        t->byte_symbol[b] = cn_rules_add_symbol(t, letter);
        CN_RETURN_IF(t->byte_symbol[b] == CN_NO_SYMBOL, CN_ERR_MEMORY, err,
                     "tokenizer: no memory for the alphabet");
    }
    cn_rules_forget_texts(t);
    return CN_OK;
}

/* ---- encoding -------------------------------------------------------------------------------- */

struct encoder {
    struct cn_joiner joiner;
    struct cn_merge_space *space;
    struct cn_token_list *out;
};

/* The token whose bytes are exactly this piece, or CN_NO_ID. */
static int32_t whole_token(const struct cn_tokenizer *t, const char *piece, size_t n,
                           struct cn_merge_space *space)
{
    size_t n_text = 0;
    for (size_t i = 0; i < n; i++)
        n_text += cn_utf8_put(letter_of((unsigned char)piece[i]), space->bytes + n_text);
    return (int32_t)cn_strmap_find(&t->map, (struct cn_str){ space->bytes, n_text });
}

static void encode_piece(void *user, const char *piece, size_t n)
{
    struct encoder *e = user;
    const struct cn_tokenizer *t = e->joiner.tokenizer;
    if ((t->pre->flags & CN_PRE_WHOLE_TOKENS) && n <= t->longest) {
        if (!cn_merge_reserve_bytes(e->space, 2 * n)) {
            e->out->failed = true;
            return;
        }
        int32_t id = whole_token(t, piece, n, e->space);
        if (id >= 0) {
            cn_token_list_push(e->out, id);
            return;
        }
    }
    if (!cn_merge_reserve(e->space, n)) {
        e->out->failed = true;
        return;
    }
    struct cn_symbol *s = e->space->symbols;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct cn_symbol){ t->byte_symbol[(unsigned char)piece[i]], (uint32_t)i };
    s[n].start = (uint32_t)n;
    if (!cn_merge(&e->joiner, e->space, &n)) {
        e->out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i].id < (uint32_t)t->n_vocab) {
            cn_token_list_push(e->out, (int32_t)s[i].id);
            continue;
        }
        /* Not a token: those of its bytes that are. */
        for (uint32_t b = s[i].start; b < s[i + 1].start; b++) {
            uint32_t id = t->byte_symbol[(unsigned char)piece[b]];
            if (id < (uint32_t)t->n_vocab)
                cn_token_list_push(e->out, (int32_t)id);
        }
    }
}

void cn_bpe_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                   struct cn_merge_space *space, struct cn_token_list *out)
{
    (void)prefix;
    struct encoder e = {
        {cn_rules_join, t, NULL},
        space, out
    };
    cn_pretokenize(t->pre, text, n, encode_piece, &e);
}
