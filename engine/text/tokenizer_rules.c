/* SPDX-License-Identifier: MIT
 *
 * The merges of BPE ("left right" in the order of their ranks) as a hash table from pairs of
 * symbols.
 */
#include "base/error.h"
#include "engine/text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

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
    while (t->rules[i].product != CN_NO_SYMBOL &&
           (t->rules[i].left != left || t->rules[i].right != right))
        i = (i + 1) & (t->n_rules - 1);
    return &t->rules[i];
}

uint32_t cn_rules_symbol(const struct cn_tokenizer *t, struct cn_str text)
{
    int64_t id = cn_strmap_find(&t->map, text);
    if (id >= 0)
        return (uint32_t)id;
    id = cn_strmap_find(&t->extra, text);
    return id >= 0 ? (uint32_t)t->n_vocab + (uint32_t)id : CN_NO_SYMBOL;
}

uint32_t cn_rules_add_symbol(struct cn_tokenizer *t, struct cn_str text)
{
    uint32_t found = cn_rules_symbol(t, text);
    if (found != CN_NO_SYMBOL)
        return found;
    if (t->extra.n >= INT32_MAX || !cn_strmap_add(&t->extra, text))
        return CN_NO_SYMBOL;
    return (uint32_t)t->n_vocab + (uint32_t)t->extra.n - 1;
}

static enum cn_status load_merges(struct cn_tokenizer *t, const struct cn_gguf_kv *merges,
                                  struct cn_error *err)
{
    const uint8_t *cursor = merges->data;
    char *products = t->products;
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
        uint32_t l = cn_rules_add_symbol(t, left), r = cn_rules_add_symbol(t, right);
        size_t n_parts = t->extra.n;
        uint32_t p = cn_rules_add_symbol(t, product);
        if (t->extra.n > n_parts)
            products += product.n; /* the string is in use now */
        CN_RETURN_IF(l == CN_NO_SYMBOL || r == CN_NO_SYMBOL || p == CN_NO_SYMBOL, CN_ERR_MEMORY,
                     err, "tokenizer.ggml.merges: no memory for %llu merges",
                     (unsigned long long)merges->n);
        struct cn_merge_rule *rule = find_rule(t, l, r);
        if (rule->product == CN_NO_SYMBOL)
            *rule = (struct cn_merge_rule){ l, r, (uint32_t)rank, p };
    }
    return CN_OK;
}

enum cn_status cn_rules_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                             struct cn_error *err)
{
    const struct cn_gguf_kv *merges = cn_gguf_find(gguf, "tokenizer.ggml.merges");
    CN_RETURN_IF(!merges, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.merges: missing, but tokenizer.ggml.model is %s", t->model->name);
    CN_RETURN_IF(merges->type != CN_GGUF_ARRAY || merges->elem_type != CN_GGUF_STRING,
                 CN_ERR_FORMAT, err, "tokenizer.ggml.merges: expected an array of strings");
    CN_RETURN_IF(merges->n > INT32_MAX, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.merges: %llu merges, at most %d expected",
                 (unsigned long long)merges->n, INT32_MAX);
    size_t merge_bytes = 0;
    const uint8_t *cursor = merges->data;
    for (uint64_t i = 0; i < merges->n; i++)
        merge_bytes += cn_gguf_next_str(&cursor).n;
    t->products = malloc(merge_bytes + 1);
    t->n_rules = 16;
    while (t->n_rules < (size_t)merges->n / 2 * 3)
        t->n_rules *= 2;
    t->rules = malloc(t->n_rules * sizeof *t->rules);
    CN_RETURN_IF(!t->products || !t->rules || !cn_strmap_init(&t->extra, 256), CN_ERR_MEMORY, err,
                 "tokenizer.ggml.merges: no memory for %llu merges", (unsigned long long)merges->n);
    for (size_t i = 0; i < t->n_rules; i++)
        t->rules[i].product = CN_NO_SYMBOL;
    return load_merges(t, merges, err);
}

void cn_rules_forget_texts(struct cn_tokenizer *t)
{
    cn_strmap_free(&t->extra);
    t->extra = (struct cn_strmap){ 0 };
    free(t->products);
    t->products = NULL;
}

bool cn_rules_join(const struct cn_joiner *joiner, uint32_t left, uint32_t right, uint32_t from,
                   uint32_t to, uint32_t *rank, uint32_t *product)
{
    (void)from;
    (void)to;
    const struct cn_merge_rule *rule = find_rule(joiner->tokenizer, left, right);
    if (rule->product == CN_NO_SYMBOL)
        return false;
    *rank = rule->rank;
    *product = rule->product;
    return true;
}
