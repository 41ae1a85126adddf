/* SPDX-License-Identifier: MIT
 *
 * What the files of the tokenizer share: tokenizer.c loads and leads, tokenizer_special.c finds the
 * special tokens in a text, tokenizer_bpe.c, tokenizer_spm.c and tokenizer_chars.c turn the
 * stretches between them into tokens, all by tokenizer_merge.c, two by the rules of
 * tokenizer_rules.c.
 */
#ifndef CN_TOKENIZER_INTERNAL_H
#define CN_TOKENIZER_INTERNAL_H

#include "base/strmap.h"
#include "engine/text/pretokenize.h"
#include "engine/text/tokenizer.h"

enum cn_token_type { /* ids in the file; any other counts as normal */
                     CN_TOKEN_NORMAL = 1,
                     CN_TOKEN_UNKNOWN = 2,
                     CN_TOKEN_CONTROL = 3,
                     CN_TOKEN_USER = 4,
                     CN_TOKEN_UNUSED = 5,
                     CN_TOKEN_BYTE = 6,
};

enum { /* of cn_tokenizer.flags */
       CN_TOKEN_IS_END = 1,
       CN_TOKEN_STRIPS = 2, /* white space right behind it is dropped (phi-3) */
};

enum { CN_NO_ID = -1 };
#define CN_NO_SYMBOL UINT32_MAX

struct cn_tokenizer;
struct cn_token_list;
struct cn_merge_space;

/* What tokenizer.ggml.model names. */
struct cn_tokenizer_model {
    const char *name;
    bool pretokenizes; /* by tokenizer.ggml.pre */
    /* Of files that do not say: the ids that its vocabularies have always had, or CN_NO_ID. */
    int32_t bos, eos, unk;
    bool add_bos, add_space_prefix;
    bool always_bos, never_space_prefix; /* ... and of those that do */
    /* Fills what the model's encode needs; the vocabulary is loaded. */
    enum cn_status (*load)(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                           struct cn_error *err);
    /* The bytes that a normal token stands for; out has room for its text. Returns their number. */
    size_t (*decode)(struct cn_str text, enum cn_token_type type, char *out);
    /* prefix: a space is put in front. */
    void (*encode)(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                   struct cn_merge_space *space, struct cn_token_list *out);
};

/* A pair of symbols that joins. Symbols are the tokens [0, n_vocab) and, numbered on from there,
 * strings that merges or bytes need although no token has their text. */
struct cn_merge_rule {
    uint32_t left, right;
    uint32_t rank; /* the lowest goes first */
    uint32_t product;
};

struct cn_tokenizer {
    int32_t n_vocab;
    struct cn_strmap map;  /* text as in the file -> id; map.keys[id] is the text */
    uint8_t *types;        /* [n_vocab] enum cn_token_type */
    uint8_t *flags;        /* [n_vocab] */
    char *arena;           /* the bytes that tokens stand for, one after the other */
    size_t *offsets;       /* [n_vocab + 1] into the arena */
    size_t longest;        /* bytes of the longest token text */
    int32_t bos, eos, unk; /* or CN_NO_ID */
    bool add_bos, add_eos, add_space_prefix;
    struct cn_str chat_template;

    /* Tokens that are looked for in raw text, sorted by text. */
    uint32_t *special;          /* [n_special] ids */
    uint32_t *special_longest;  /* [n_special] indices into special[], longest text first */
    uint32_t special_from[257]; /* special[] from first byte b on */
    size_t n_special;
    bool has_user_defined;

    const struct cn_tokenizer_model *model;
    const struct cn_pretokenizer *pre; /* byte-level BPE */
    bool pre_missing;                  /* tokenizer.ggml.pre: "default" was taken instead */
    struct cn_merge_rule *rules;       /* BPE: hash table, free where product == CN_NO_SYMBOL */
    size_t n_rules;                    /* its size, a power of two */
    struct cn_strmap extra;            /* BPE: texts of the symbols from n_vocab on */
    char *products;                    /* BPE: memory of some of them */
    uint32_t byte_symbol[256];         /* byte-level BPE: symbol of each byte */

    uint32_t *ranks;         /* SPM: [n_vocab], higher score = lower rank */
    int32_t byte_token[256]; /* SPM, BPE of characters: or CN_NO_ID */
    uint64_t *joints;        /* SPM: bit set of pairs of characters found within a token */
};

static inline bool cn_token_is_special(uint8_t type)
{
    return type == CN_TOKEN_CONTROL || type == CN_TOKEN_UNKNOWN;
}

/* ---- results --------------------------------------------------------------------------------- */

struct cn_token_list {
    int32_t *ids;
    size_t n, capacity;
    bool failed; /* out of memory: what follows is dropped */
};
void cn_token_list_push(struct cn_token_list *list, int32_t id);

/* ---- special tokens in text (tokenizer_special.c) -------------------------------------------- */

/* A stretch of the text: a token, or raw text (token == CN_NO_ID). */
struct cn_stretch {
    const char *p;
    size_t n;
    int32_t token;
};

/* Fills the special* fields; the rest must be loaded. */
enum cn_status cn_special_load(struct cn_tokenizer *t, struct cn_error *err);
/* Cuts the text (n > 0) into *stretches, malloc'ed. Outside markup only user-defined tokens are
 * looked for. */
enum cn_status cn_special_split(const struct cn_tokenizer *t, const char *text, size_t n,
                                const struct cn_text_span *spans, size_t n_spans,
                                struct cn_stretch **stretches, size_t *n_stretches,
                                struct cn_error *err);

/* ---- merging (tokenizer_merge.c) ------------------------------------------------------------- */

struct cn_symbol {
    uint32_t id;    /* the caller's; joined symbols get their product's */
    uint32_t start; /* offset of its text; it ends where the next one starts */
};

/* Whether the symbols joined are one too: text[from..to), of which `left` is a part and `right` the
 * rest. Gives their rank and product. */
struct cn_joiner {
    bool (*join)(const struct cn_joiner *joiner, uint32_t left, uint32_t right, uint32_t from,
                 uint32_t to, uint32_t *rank, uint32_t *product);
    const struct cn_tokenizer *tokenizer;
    const char *text;
};

/* Memory of one call of the tokenizer, reused from piece to piece. */
struct cn_merge_space {
    struct cn_symbol *symbols; /* [capacity + 1] */
    size_t capacity;
    struct cn_merge_node *nodes; /* for long pieces only */
    struct cn_merge_entry *heap;
    size_t long_capacity;
    char *bytes; /* for text in the model's own writing */
    size_t bytes_capacity;
};

/* Makes room for n symbols and the end behind them. False without memory. */
bool cn_merge_reserve(struct cn_merge_space *space, size_t n);
/* Makes room for n bytes; what was there may be lost. False without memory. */
bool cn_merge_reserve_bytes(struct cn_merge_space *space, size_t n);
void cn_merge_space_free(struct cn_merge_space *space);

/* Joins the symbols [0, *n) of the space, lowest rank first, leftmost among equals, until none can
 * be joined; symbols[*n].start is where the piece ends. O(n log n). False without memory. */
bool cn_merge(const struct cn_joiner *joiner, struct cn_merge_space *space, size_t *n);

/* ---- merges of BPE (tokenizer_rules.c) ------------------------------------------------------- */

/* Fills rules, extra and products from tokenizer.ggml.merges. */
enum cn_status cn_rules_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                             struct cn_error *err);
/* Frees extra and products: from then on symbols are known by number only. */
void cn_rules_forget_texts(struct cn_tokenizer *t);
/* The symbol with this text: a token's id, or n_vocab + its place in `extra`. CN_NO_SYMBOL if there
 * is none. */
uint32_t cn_rules_symbol(const struct cn_tokenizer *t, struct cn_str text);
/* The same, but a new text (which it borrows) gets a symbol. CN_NO_SYMBOL without memory. */
uint32_t cn_rules_add_symbol(struct cn_tokenizer *t, struct cn_str text);
/* join of struct cn_joiner. */
bool cn_rules_join(const struct cn_joiner *joiner, uint32_t left, uint32_t right, uint32_t from,
                   uint32_t to, uint32_t *rank, uint32_t *product);

/* ---- the models, as struct cn_tokenizer_model explains --------------------------------------- */

enum cn_status cn_bpe_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                           struct cn_error *err);
size_t cn_bpe_decode(struct cn_str text, enum cn_token_type type, char *out);
void cn_bpe_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                   struct cn_merge_space *space, struct cn_token_list *out);

enum cn_status cn_spm_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                           struct cn_error *err);
size_t cn_spm_decode(struct cn_str text, enum cn_token_type type, char *out);
void cn_spm_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                   struct cn_merge_space *space, struct cn_token_list *out);
/* What SPM shares with BPE of characters. */
void cn_spm_load_bytes(struct cn_tokenizer *t); /* byte_token[] */
/* The text with spaces as U+2581, one more in front if `prefix`, in space->bytes. Returns its
 * length, or SIZE_MAX without memory. */
size_t cn_spm_mark_spaces(const char *text, size_t n, bool prefix, struct cn_merge_space *space);
/* The token of this text, or else those of its bytes, or else the unknown token. */
void cn_spm_emit(const struct cn_tokenizer *t, const char *text, size_t n,
                 struct cn_token_list *out);
/* The length that the lead byte at p announces (1 for a stray byte), cut to n. */
size_t cn_spm_char_length(const char *p, size_t n);

enum cn_status cn_chars_load(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                             struct cn_error *err);
void cn_chars_encode(const struct cn_tokenizer *t, const char *text, size_t n, bool prefix,
                     struct cn_merge_space *space, struct cn_token_list *out);

#endif
