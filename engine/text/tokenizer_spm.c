/* SPDX-License-Identifier: MIT
 *
 * SPM ("llama"): a vocabulary with scores, the space written as U+2581, bytes as "<0xHH>".
 *
 * Merging works on a whole stretch of text, not on words. But a merge makes a token, so it can only
 * cross a place between two characters that stand side by side within some token. A bit set over
 * such pairs (`joints`) cuts the text into short segments (in practice words) that cannot influence
 * each other; merging them one by one gives exactly the result of merging the whole.
 */
#include "base/error.h"
#include "engine/text/tokenizer_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOINT_BITS = 18 };

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
enum { SPACE_MARK_BYTES = 3 };

size_t cn_spm_char_length(const char *p, size_t n)
{
    unsigned char lead = (unsigned char)*p;
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return length < n ? length : n;
}

/* The bit for a character p[0..n) behind the byte `before` that ends the character before it. */
static uint32_t joint(char before, const char *p, size_t n)
{
    uint64_t key = (unsigned char)before;
    for (size_t i = 0; i < n; i++)
        key = key << 8 | (unsigned char)p[i];
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> (64 - JOINT_BITS));
}

static void add_joints(uint64_t *joints, struct cn_str text)
{
    size_t n;
    for (size_t i = 0; i < text.n; i += n) {
        n = cn_spm_char_length(text.p + i, text.n - i);
        if (i > 0) {
            uint32_t bit = joint(text.p[i - 1], text.p + i, n);
            joints[bit / 64] |= (uint64_t)1 << bit % 64;
        }
    }
}

/* Larger scores give smaller ranks; NaN, which compares with nothing, goes last. */
static uint32_t rank_of(float score)
{
    if (isnan(score))
        return UINT32_MAX - 1;
    union {
        float f;
        uint32_t u;
    } v = { score + 0.0f }; /* -0 is 0 */
    /* Floats order as sign-magnitude integers. */
    uint32_t rising = v.u >> 31 ? ~v.u : v.u | 0x80000000u;
    return UINT32_MAX - 1 - rising;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t cn_spm_decode(struct cn_str text, enum cn_token_type type, char *out)
{
    if (type == CN_TOKEN_BYTE && text.n == 6 && !memcmp(text.p, "<0x", 3) && text.p[5] == '>') {
        int high = hex_digit(text.p[3]), low = hex_digit(text.p[4]);
        if (high >= 0 && low >= 0) {
            *out = (char)(high << 4 | low);
            return 1;
        }
    }
    size_t n_out = 0;
    for (size_t i = 0; i < text.n;) {
        if (text.n - i >= SPACE_MARK_BYTES && !memcmp(text.p + i, space_mark, SPACE_MARK_BYTES)) {
            out[n_out++] = ' ';
            i += SPACE_MARK_BYTES;
        } else {
            out[n_out++] = text.p[i++];
        }
    }
    return n_out;
}

static enum cn_status load_ranks(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                 struct cn_error *err)
{
    const struct cn_gguf_kv *scores = cn_gguf_find(gguf, "tokenizer.ggml.scores");
    CN_RETURN_IF(!scores, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.scores: missing, but tokenizer.ggml.model is llama");
    CN_RETURN_IF(scores->type != CN_GGUF_ARRAY ||
                     (scores->elem_type != CN_GGUF_F32 && scores->elem_type != CN_GGUF_F64),
                 CN_ERR_FORMAT, err, "tokenizer.ggml.scores: expected an array of f32");
    CN_RETURN_IF(scores->n != (uint64_t)t->n_vocab, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.scores: %llu scores for %d tokens", (unsigned long long)scores->n,
                 t->n_vocab);
    for (int32_t i = 0; i < t->n_vocab; i++)
        t->ranks[i] = rank_of((float)cn_gguf_elem_f64(scores, (uint64_t)i));
    return CN_OK;
}

enum cn_status cn_spm_load(struct cn_tokenizer *t, const struct cn_gguf *gguf, struct cn_error *err)
{
    t->ranks = malloc((size_t)t->n_vocab * sizeof *t->ranks);
    t->joints = calloc(((size_t)1 << JOINT_BITS) / 64, sizeof *t->joints);
    CN_RETURN_IF(!t->ranks || !t->joints, CN_ERR_MEMORY, err, "tokenizer: no memory for %d scores",
                 t->n_vocab);
    CN_TRY(load_ranks(t, gguf, err));
    for (int32_t i = 0; i < t->n_vocab; i++)
        add_joints(t->joints, t->map.keys[i]);
    cn_spm_load_bytes(t);
    return CN_OK;
}

void cn_spm_load_bytes(struct cn_tokenizer *t)
{
    for (unsigned b = 0; b < 256; b++) {
        char name[8], byte = (char)b;
        int n = snprintf(name, sizeof name, "<0x%02X>", b);
        int64_t id = cn_strmap_find(&t->map, (struct cn_str){ name, (size_t)n });
        if (id < 0)
            id = cn_strmap_find(&t->map, (struct cn_str){ &byte, 1 });
        t->byte_token[b] = (int32_t)id;
    }
}

/* ---- encoding -------------------------------------------------------------------------------- */

#define UNSEEN UINT32_MAX /* a symbol that no merge has made: a single character */

static bool join(const struct cn_joiner *joiner, uint32_t left, uint32_t right, uint32_t from,
                 uint32_t to, uint32_t *rank, uint32_t *product)
{
    (void)left;
    (void)right;
    const struct cn_tokenizer *t = joiner->tokenizer;
    if (to - from > t->longest)
        return false;
    int64_t id = cn_strmap_find(&t->map, (struct cn_str){ joiner->text + from, to - from });
    if (id < 0)
        return false;
    *rank = t->ranks[id];
    *product = (uint32_t)id;
    return true;
}

void cn_spm_emit(const struct cn_tokenizer *t, const char *text, size_t n,
                 struct cn_token_list *out)
{
    int64_t id = cn_strmap_find(&t->map, (struct cn_str){ text, n });
    if (id >= 0) {
        cn_token_list_push(out, (int32_t)id);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t token = t->byte_token[(unsigned char)text[i]];
        if (token == CN_NO_ID)
            token = t->unk;
        if (token != CN_NO_ID)
            cn_token_list_push(out, token);
    }
}

size_t cn_spm_mark_spaces(const char *text, size_t n, bool prefix, struct cn_merge_space *space)
{
    size_t n_spaces = prefix;
    for (size_t i = 0; i < n; i++)
        n_spaces += text[i] == ' ';
    if (!cn_merge_reserve_bytes(space, n + SPACE_MARK_BYTES * n_spaces))
        return SIZE_MAX;
    char *out = space->bytes;
    size_t n_out = 0;
    if (prefix) {
        memcpy(out, space_mark, SPACE_MARK_BYTES);
        n_out = SPACE_MARK_BYTES;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(out + n_out, space_mark, SPACE_MARK_BYTES);
            n_out += SPACE_MARK_BYTES;
        } else {
            out[n_out++] = text[i];
        }
    }
    return n_out;
}

void cn_spm_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                   struct cn_merge_space *space, struct cn_token_list *out)
{
    n = cn_spm_mark_spaces(text, n, prefix, space);
    if (n == SIZE_MAX) {
        out->failed = true;
        return;
    }
    const char *marked = space->bytes;
    const struct cn_joiner joiner = { join, t, marked };
    size_t n_symbols = 0;
    for (size_t i = 0; i < n && !out->failed;) {
        if (!cn_merge_reserve(space, n_symbols + 1)) {
            out->failed = true;
            return;
        }
        space->symbols[n_symbols++] = (struct cn_symbol){ UNSEEN, (uint32_t)i };
        i += cn_spm_char_length(marked + i, n - i);
        if (i < n) {
            uint32_t bit = joint(marked[i - 1], marked + i, cn_spm_char_length(marked + i, n - i));
            if (t->joints[bit / 64] >> bit % 64 & 1)
                continue;
        }
        space->symbols[n_symbols].start = (uint32_t)i;
        if (!cn_merge(&joiner, space, &n_symbols)) {
            out->failed = true;
            return;
        }
        for (size_t i_symbol = 0; i_symbol < n_symbols; i_symbol++) {
            const struct cn_symbol *s = space->symbols + i_symbol;
            if (s->id != UNSEEN)
                cn_token_list_push(out, (int32_t)s->id);
            else
                cn_spm_emit(t, marked + s->start, s[1].start - s->start, out);
        }
        n_symbols = 0;
    }
}
