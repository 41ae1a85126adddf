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

size_t cn_bpe_decode(struct cn_str text, char *out)
{
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

/* ---- merges -------------------------------------------------------------------------------------
 */

static size_t slot_of(const struct cn_tokenizer *t, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) ^ t->map.seed;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29) * 0xd1342543de82ef95u;
    return (h >> 32) & (t->n_rules - 1);
}

/* The rule for the pair, or the free place where it would be. */
static struct cn_merge_rule *find_rule(const struct cn_tokenizer *t, uint32_t left, uint32_t right)
{
    size_t i = slot_of(t, left, right);
    while (t->rules[i].product != UINT32_MAX &&
           (t->rules[i].left != left || t->rules[i].right != right))
        i = (i + 1) & (t->n_rules - 1);
    return &t->rules[i];
}

/* The number of a symbol: a token's id, or n_vocab + its place in `extra`, where it is added if
 * new. UINT32_MAX without memory. */
static uint32_t symbol(const struct cn_tokenizer *t, struct cn_strmap *extra, struct cn_str text)
{
    int64_t id = cn_strmap_find(&t->map, text);
    if (id >= 0)
        return (uint32_t)id;
    id = cn_strmap_find(extra, text);
    if (id < 0) {
        if (extra->n >= INT32_MAX || !cn_strmap_add(extra, text))
            return UINT32_MAX;
        id = (int64_t)extra->n - 1;
    }
    return (uint32_t)t->n_vocab + (uint32_t)id;
}

static enum cn_status load_merges(struct cn_tokenizer *t, const struct cn_gguf_kv *merges,
                                  struct cn_strmap *extra, char *products, struct cn_error *err)
{
    const uint8_t *cursor = merges->data;
    for (uint64_t rank = 0; rank < merges->n; rank++) {
        struct cn_str merge = cn_gguf_next_str(&cursor);
        const char *space = merge.n > 1 ? memchr(merge.p + 1, ' ', merge.n - 1) : NULL;
        if (!space)
            continue; /* joins nothing */
        struct cn_str left = { merge.p, (size_t)(space - merge.p) };
        struct cn_str right = { space + 1, merge.n - left.n - 1 };
        if (right.n == 0)
            continue;
        struct cn_str product = { products, left.n + right.n };
        memcpy(products, left.p, left.n);
        memcpy(products + left.n, right.p, right.n);
        uint32_t l = symbol(t, extra, left), r = symbol(t, extra, right);
        size_t n_parts = extra->n;
        uint32_t p = symbol(t, extra, product);
        if (extra->n > n_parts)
            products += product.n; /* the string is in use now */
        CN_RETURN_IF(l == UINT32_MAX || r == UINT32_MAX || p == UINT32_MAX, CN_ERR_MEMORY, err,
                     "tokenizer.ggml.merges: no memory for %llu merges",
                     (unsigned long long)merges->n);
        struct cn_merge_rule *rule = find_rule(t, l, r);
        if (rule->product == UINT32_MAX)
            *rule = (struct cn_merge_rule){ l, r, (uint32_t)rank, p };
    }
    return CN_OK;
}

enum cn_status cn_bpe_load(struct cn_tokenizer *t, const struct cn_gguf *gguf, struct cn_error *err)
{
    const struct cn_gguf_kv *merges = cn_gguf_find(gguf, "tokenizer.ggml.merges");
    CN_RETURN_IF(!merges, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.merges: missing, but tokenizer.ggml.model is gpt2");
    CN_RETURN_IF(merges->type != CN_GGUF_ARRAY || merges->elem_type != CN_GGUF_STRING,
                 CN_ERR_FORMAT, err, "tokenizer.ggml.merges: expected an array of strings");
    CN_RETURN_IF(merges->n > INT32_MAX, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.merges: %llu merges, at most %d expected",
                 (unsigned long long)merges->n, INT32_MAX);

    enum cn_status status = CN_ERR_MEMORY;
    size_t merge_bytes = 0;
    const uint8_t *cursor = merges->data;
    for (uint64_t i = 0; i < merges->n; i++)
        merge_bytes += cn_gguf_next_str(&cursor).n;
    char *products = malloc(merge_bytes + 1);
    struct cn_strmap extra;
    bool ok = cn_strmap_init(&extra, 256);
    t->n_rules = 16;
    while (t->n_rules < (size_t)merges->n / 2 * 3)
        t->n_rules *= 2;
    t->rules = malloc(t->n_rules * sizeof *t->rules);
    if (!products || !ok || !t->rules) {
        cn_fail(err, status, "tokenizer.ggml.merges: no memory for %llu merges",
                (unsigned long long)merges->n);
        goto done;
    }
    for (size_t i = 0; i < t->n_rules; i++)
        t->rules[i].product = UINT32_MAX;

    char letters[256][4];
    for (unsigned b = 0; b < 256; b++) {
        struct cn_str letter = { letters[b], cn_utf8_put(letter_of(b), letters[b]) };
        t->byte_symbol[b] = symbol(t, &extra, letter);
        if (t->byte_symbol[b] == UINT32_MAX) {
            cn_fail(err, status, "tokenizer: no memory for the alphabet");
            goto done;
        }
    }
    status = load_merges(t, merges, &extra, products, err);
done:
    cn_strmap_free(&extra);
    free(products);
    return status;
}

/* ---- encoding -----------------------------------------------------------------------------------
 */

struct encoder {
    struct cn_joiner joiner;
    struct cn_merge_space *space;
    struct cn_token_list *out;
};

static bool join(const struct cn_joiner *joiner, uint32_t left, uint32_t right, uint32_t from,
                 uint32_t to, uint32_t *rank, uint32_t *product)
{
    (void)from;
    (void)to;
    const struct cn_merge_rule *rule = find_rule(joiner->tokenizer, left, right);
    if (rule->product == UINT32_MAX)
        return false;
    *rank = rule->rank;
    *product = rule->product;
    return true;
}

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
    if (t->pre->ignore_merges && n <= t->longest) {
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

void cn_bpe_encode(const struct cn_tokenizer *t, const char *text, size_t n,
                   struct cn_merge_space *space, struct cn_token_list *out)
{
    struct encoder e = {
        {join, t, NULL},
        space, out
    };
    cn_pretokenize(t->pre, text, n, encode_piece, &e);
}
