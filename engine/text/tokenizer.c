/* SPDX-License-Identifier: MIT */
#include "engine/text/tokenizer.h"

#include "base/error.h"
#include "engine/text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Offsets into a text are 32 bits, and SPM writes a space as three bytes. */
enum { MAX_TEXT_BYTES = 1 << 30 };

/* ---- loading: the vocabulary ----------------------------------------------------------------- */

static enum cn_status load_texts(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                 struct cn_error *err)
{
    const struct cn_gguf_kv *tokens = cn_gguf_find(gguf, "tokenizer.ggml.tokens");
    CN_RETURN_IF(!tokens, CN_ERR_FORMAT, err, "tokenizer.ggml.tokens: missing");
    CN_RETURN_IF(tokens->type != CN_GGUF_ARRAY || tokens->elem_type != CN_GGUF_STRING,
                 CN_ERR_FORMAT, err, "tokenizer.ggml.tokens: expected an array of strings");
    CN_RETURN_IF(tokens->n == 0 || tokens->n > INT32_MAX, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.tokens: 1 to %d tokens expected, found %llu", INT32_MAX,
                 (unsigned long long)tokens->n);
    size_t n = (size_t)tokens->n;
    t->n_vocab = (int32_t)n;
    t->types = malloc(n);
    t->flags = calloc(n, 1);
    t->offsets = malloc((n + 1) * sizeof *t->offsets);
    bool ok = cn_strmap_init(&t->map, n) && t->types && t->flags && t->offsets;
    const uint8_t *cursor = tokens->data;
    for (size_t i = 0; i < n && ok; i++) {
        struct cn_str text = cn_gguf_next_str(&cursor);
        t->longest = text.n > t->longest ? text.n : t->longest;
        ok = cn_strmap_add(&t->map, text);
    }
    CN_RETURN_IF(!ok, CN_ERR_MEMORY, err, "tokenizer: no memory for %zu tokens", n);
    memset(t->types, CN_TOKEN_NORMAL, n);
    return CN_OK;
}

static enum cn_status load_types(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                 struct cn_error *err)
{
    const struct cn_gguf_kv *types = cn_gguf_find(gguf, "tokenizer.ggml.token_type");
    if (!types)
        return CN_OK;
    bool is_integer = types->elem_type <= CN_GGUF_I32 || types->elem_type == CN_GGUF_U64 ||
                      types->elem_type == CN_GGUF_I64;
    CN_RETURN_IF(types->type != CN_GGUF_ARRAY || !is_integer, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.token_type: expected an array of i32");
    CN_RETURN_IF(types->n != (uint64_t)t->n_vocab, CN_ERR_FORMAT, err,
                 "tokenizer.ggml.token_type: %llu types for %d tokens",
                 (unsigned long long)types->n, t->n_vocab);
    for (int32_t i = 0; i < t->n_vocab; i++) {
        int64_t type = cn_gguf_elem_i64(types, (uint64_t)i);
        if (type >= CN_TOKEN_NORMAL && type <= CN_TOKEN_BYTE)
            t->types[i] = (uint8_t)type;
    }
    return CN_OK;
}

static int32_t find(const struct cn_tokenizer *t, const char *text)
{
    return cn_tokenizer_find(t, text, strlen(text));
}

/* A special id; one outside the vocabulary is ignored, as if the key were absent. */
static enum cn_status load_id(const struct cn_tokenizer *t, const struct cn_gguf *gguf,
                              const char *key, int32_t *id, struct cn_error *err)
{
    int64_t value = *id;
    CN_TRY(cn_gguf_get_i64(gguf, key, INT64_MIN, INT64_MAX, &value, err));
    if (value >= 0 && value < t->n_vocab)
        *id = (int32_t)value;
    return CN_OK;
}

/* Tokens that end a generation, known by their text because many files do not name them by id.
 * They count as control tokens, but for "</s>", which phi-3 files rely on being user defined. */
static const struct {
    const char *text;
    bool keeps_type;
    const char *unless; /* ... the vocabulary has this one, in whose models it ends no generation */
} end_texts[] = {
    {"<|eot_id|>",                                               false, NULL              },
    { "<|im_end|>",                                              false, NULL              },
    { "<|end|>",                                                 false, "<|return|>"      },
    { "<|return|>",                                              false, NULL              },
    { "<|call|>",                                                false, NULL              },
    { "<end_of_turn>",                                           false, NULL              },
    { "<turn|>",                                                 false, NULL              },
    { "<|tool_response>",                                        false, NULL              },
    { "<eos>",                                                   false, NULL              },
    { "<|endoftext|>",                                           false, NULL              },
    { "<|end_of_text|>",                                         false, NULL              },
    { "<|eom_id|>",                                              false, NULL              },
    { "<EOT>",                                                   false, NULL              },
    { "[EOT]",                                                   false, NULL              },
    { "[EOS]",                                                   false, NULL              },
    { "<end_of_utterance>",                                      false, NULL              },
 /* <|end of sentence|> of DeepSeek, in full-width bars and low blocks */
    { "<\xef\xbd\x9c"
      "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", false, NULL              },
    { "</s>",                                                    true,  "<|tool_response>"},
    { "<|fim_pad|>",                                             false, NULL              },
    { "<|repo_name|>",                                           false, NULL              },
    { "<|file_sep|>",                                            false, NULL              },
};

static enum cn_status load_ends(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                struct cn_error *err)
{
    static const char *const keys[] = {
        "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
        "tokenizer.ggml.fim_sep_token_id",
    };
    if (t->eos != CN_NO_ID)
        t->flags[t->eos] |= CN_TOKEN_IS_END;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id = CN_NO_ID;
        CN_TRY(load_id(t, gguf, keys[i], &id, err));
        if (id != CN_NO_ID)
            t->flags[id] |= CN_TOKEN_IS_END;
    }
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++) {
        int32_t id = find(t, end_texts[i].text);
        if (id == CN_NO_ID || (end_texts[i].unless && find(t, end_texts[i].unless) != CN_NO_ID))
            continue;
        t->flags[id] |= CN_TOKEN_IS_END;
        if (!end_texts[i].keeps_type)
            t->types[id] = CN_TOKEN_CONTROL;
    }
    return CN_OK;
}

/* "phi3", "Phi-3", "Phi 3.5", ... anywhere in the name. */
static bool is_phi3_name(struct cn_str name)
{
    for (size_t i = 0; i + 4 <= name.n; i++) {
        const char *p = name.p + i;
        bool apart = p[3] == '-' || p[3] == ' ' || p[3] == '_';
        if (!strncasecmp(p, "phi", 3) && i + 3 + apart < name.n && p[3 + apart] == '3')
            return true;
    }
    return false;
}

/* The token attributes that no key of a file holds: phi-3 was trained without the white space
 * behind its special tokens. */
static enum cn_status load_strips(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                  struct cn_error *err)
{
    struct cn_str name = { 0 };
    CN_TRY(cn_gguf_get_str(gguf, "general.name", &name, err));
    if (!is_phi3_name(name))
        return CN_OK;
    for (int32_t id = 0; id < t->n_vocab; id++)
        t->flags[id] |= CN_TOKEN_STRIPS;
    static const char *const keep[] = { "<unk>", "<s>", "<|endoftext|>" };
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        int32_t id = find(t, keep[i]);
        if (id != CN_NO_ID)
            t->flags[id] &= (uint8_t)~CN_TOKEN_STRIPS;
    }
    return CN_OK;
}

/* What each token stands for in the output. */
static enum cn_status load_bytes(struct cn_tokenizer *t, struct cn_error *err)
{
    size_t n_bytes = 0;
    for (int32_t id = 0; id < t->n_vocab; id++)
        n_bytes += t->map.keys[id].n;
    t->arena = malloc(n_bytes + 1);
    CN_RETURN_IF(!t->arena, CN_ERR_MEMORY, err, "tokenizer: no memory for %zu bytes of text",
                 n_bytes);
    size_t at = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        struct cn_str text = t->map.keys[id];
        t->offsets[id] = at;
        if (cn_token_is_special(t->types[id]) || t->types[id] == CN_TOKEN_USER) {
            memcpy(t->arena + at, text.p, text.n);
            at += text.n;
        } else {
            at += t->model->decode(text, (enum cn_token_type)t->types[id], t->arena + at);
        }
    }
    t->offsets[t->n_vocab] = at;
    return CN_OK;
}

/* ---- loading: the model ---------------------------------------------------------------------- */

/* A name from the file, fit to be printed. */
static const char *shown(struct cn_str name, char out[64])
{
    size_t n = name.n < 63 ? name.n : 63;
    for (size_t i = 0; i < n; i++)
        out[i] = name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
    out[n] = '\0';
    return out;
}

static const struct cn_tokenizer_model models[] = {
    {.name = "gpt2",
     .pretokenizes = true,
     .bos = CN_NO_ID,
     .eos = CN_NO_ID,
     .unk = CN_NO_ID,
     .load = cn_bpe_load,
     .decode = cn_bpe_decode,
     .encode = cn_bpe_encode     },
    {               .name = "llama",
     .bos = 1,
     .eos = 2,
     .unk = 0,
     .add_bos = true,
     .add_space_prefix = true,
     .load = cn_spm_load,
     .decode = cn_spm_decode,
     .encode = cn_spm_encode },
    { .name = "gemma4",
     .bos = CN_NO_ID,
     .eos = CN_NO_ID,
     .unk = CN_NO_ID,
     .add_bos = true,
     .always_bos = true,
     .never_space_prefix = true,
     .load = cn_chars_load,
     .decode = cn_spm_decode,
     .encode = cn_chars_encode },
};

/* Which model and pre-tokenizer. */
static enum cn_status load_kind(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                struct cn_error *err)
{
    char buf[64];
    struct cn_str model = { 0 }, pre = { 0 };
    CN_TRY(cn_gguf_get_str(gguf, "tokenizer.ggml.model", &model, err));
    CN_RETURN_IF(!model.p, CN_ERR_FORMAT, err, "tokenizer.ggml.model: missing");
    CN_TRY(cn_gguf_get_str(gguf, "tokenizer.ggml.pre", &pre, err));
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strlen(models[i].name) == model.n && !memcmp(models[i].name, model.p, model.n))
            t->model = &models[i];
    CN_RETURN_IF(!t->model, CN_ERR_UNSUPPORTED, err,
                 "tokenizer.ggml.model: expected gpt2, llama or gemma4, found \"%s\"",
                 shown(model, buf));
    if (!t->model->pretokenizes)
        return CN_OK;
    t->pre_missing = !pre.p;
    t->pre = pre.p ? cn_pretokenizer_find(pre.p, pre.n) : cn_pretokenizer_find("default", 7);
    CN_RETURN_IF(!t->pre, CN_ERR_UNSUPPORTED, err,
                 "tokenizer.ggml.pre: unknown pre-tokenizer \"%s\"", shown(pre, buf));
    return CN_OK;
}

/* A special id by default: only if the vocabulary has such a token there. Of a file that names none
 * it would be a word. */
static int32_t usual_id(const struct cn_tokenizer *t, int32_t id, const char *text)
{
    if (id == CN_NO_ID || id >= t->n_vocab)
        return CN_NO_ID;
    return cn_token_is_special(t->types[id]) || find(t, text) == id ? id : CN_NO_ID;
}

/* What holds for the model unless the file says otherwise, and what the file says. */
static enum cn_status load_settings(struct cn_tokenizer *t, const struct cn_gguf *gguf,
                                    struct cn_error *err)
{
    const struct cn_tokenizer_model *m = t->model;
    t->bos = usual_id(t, m->bos, "<s>");
    t->eos = usual_id(t, m->eos, "</s>");
    t->unk = usual_id(t, m->unk, "<unk>");
    t->add_bos = m->add_bos || (t->pre && t->pre->flags & CN_PRE_BOS);
    t->add_space_prefix = m->add_space_prefix;
    CN_TRY(load_id(t, gguf, "tokenizer.ggml.bos_token_id", &t->bos, err));
    CN_TRY(load_id(t, gguf, "tokenizer.ggml.eos_token_id", &t->eos, err));
    CN_TRY(load_id(t, gguf, "tokenizer.ggml.unknown_token_id", &t->unk, err));
    CN_TRY(cn_gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &t->add_bos, err));
    CN_TRY(cn_gguf_get_bool(gguf, "tokenizer.ggml.add_eos_token", &t->add_eos, err));
    CN_TRY(cn_gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, err));
    CN_TRY(cn_gguf_get_str(gguf, "tokenizer.chat_template", &t->chat_template, err));
    t->add_bos |= m->always_bos;
    t->add_space_prefix &= !m->never_space_prefix;
    return CN_OK;
}

static enum cn_status load(struct cn_tokenizer *t, const struct cn_gguf *gguf, struct cn_error *err)
{
    CN_TRY(load_kind(t, gguf, err));
    CN_TRY(load_texts(t, gguf, err));
    CN_TRY(load_types(t, gguf, err));
    CN_TRY(load_settings(t, gguf, err));
    CN_TRY(load_ends(t, gguf, err));
    CN_TRY(load_strips(t, gguf, err));
    CN_TRY(load_bytes(t, err));
    CN_TRY(cn_special_load(t, err));
    return t->model->load(t, gguf, err);
}

enum cn_status cn_tokenizer_load(const struct cn_gguf *gguf, struct cn_tokenizer **tokenizer,
                                 struct cn_error *err)
{
    struct cn_tokenizer *t = calloc(1, sizeof *t);
    CN_RETURN_IF(!t, CN_ERR_MEMORY, err, "tokenizer: no memory");
    enum cn_status status = load(t, gguf, err);
    if (status == CN_OK)
        *tokenizer = t;
    else
        cn_tokenizer_free(t);
    return status;
}

void cn_tokenizer_free(struct cn_tokenizer *t)
{
    if (!t)
        return;
    cn_strmap_free(&t->map);
    free(t->types);
    free(t->flags);
    free(t->arena);
    free(t->offsets);
    free(t->special);
    free(t->special_longest);
    free(t->rules);
    cn_strmap_free(&t->extra);
    free(t->products);
    free(t->ranks);
    free(t->joints);
    free(t);
}

/* ---- questions ------------------------------------------------------------------------------- */

int32_t cn_tokenizer_n_vocab(const struct cn_tokenizer *t)
{
    return t->n_vocab;
}

int32_t cn_tokenizer_bos(const struct cn_tokenizer *t)
{
    return t->bos;
}

int32_t cn_tokenizer_eos(const struct cn_tokenizer *t)
{
    return t->eos;
}

const char *cn_tokenizer_doubt(const struct cn_tokenizer *t)
{
    return t->pre_missing ? "the file names no pre-tokenizer (tokenizer.ggml.pre): texts are split "
                            "by \"default\", which may not be how the model was trained"
                          : NULL;
}

bool cn_tokenizer_add_bos(const struct cn_tokenizer *t)
{
    return t->add_bos;
}

bool cn_tokenizer_add_space_prefix(const struct cn_tokenizer *t)
{
    return t->add_space_prefix;
}

bool cn_tokenizer_is_end(const struct cn_tokenizer *t, int32_t token)
{
    return token >= 0 && token < t->n_vocab && t->flags[token] & CN_TOKEN_IS_END;
}

bool cn_tokenizer_is_control(const struct cn_tokenizer *t, int32_t token)
{
    return token >= 0 && token < t->n_vocab && t->types[token] == CN_TOKEN_CONTROL;
}

int32_t cn_tokenizer_find(const struct cn_tokenizer *t, const char *text, size_t n)
{
    return (int32_t)cn_strmap_find(&t->map, (struct cn_str){ text, n });
}

const char *cn_tokenizer_bytes(const struct cn_tokenizer *t, int32_t token, bool special,
                               size_t *n_bytes)
{
    *n_bytes = 0;
    if (token < 0 || token >= t->n_vocab || (cn_token_is_special(t->types[token]) && !special))
        return "";
    *n_bytes = t->offsets[token + 1] - t->offsets[token];
    return t->arena + t->offsets[token];
}

struct cn_str cn_tokenizer_chat_template(const struct cn_tokenizer *t)
{
    return t->chat_template;
}

enum cn_status cn_tokenizer_decode(const struct cn_tokenizer *t, const int32_t *tokens, size_t n,
                                   bool special, char **text, size_t *n_bytes, struct cn_error *err)
{
    size_t total = 0, n_piece;
    for (size_t i = 0; i < n; i++) {
        CN_RETURN_IF(tokens[i] < 0 || tokens[i] >= t->n_vocab, CN_ERR_ARGUMENT, err,
                     "token %zu: expected an id from 0 to %d, found %d", i, t->n_vocab - 1,
                     tokens[i]);
        cn_tokenizer_bytes(t, tokens[i], special, &n_piece);
        CN_RETURN_IF(n_piece > SIZE_MAX - 1 - total, CN_ERR_ARGUMENT, err, "too many tokens: %zu",
                     n);
        total += n_piece;
    }
    char *out = malloc(total + 1);
    CN_RETURN_IF(!out, CN_ERR_MEMORY, err, "no memory for a text of %zu bytes", total);
    size_t at = 0;
    bool prefixed = t->add_space_prefix;
    for (size_t i = 0; i < n; i++) {
        const char *piece = cn_tokenizer_bytes(t, tokens[i], special, &n_piece);
        if (n_piece == 0)
            continue;
        /* One space at the very start is what tokenising put there. */
        size_t skip = prefixed && *piece == ' ';
        prefixed = false;
        memcpy(out + at, piece + skip, n_piece - skip);
        at += n_piece - skip;
    }
    out[at] = '\0';
    *text = out;
    *n_bytes = at;
    return CN_OK;
}

/* ---- encoding -------------------------------------------------------------------------------- */

enum cn_status cn_tokenizer_encode(const struct cn_tokenizer *t, const char *text, size_t n,
                                   unsigned flags, int32_t **tokens, size_t *n_tokens,
                                   struct cn_error *err)
{
    const struct cn_text_span whole = { n, flags & CN_TOKENIZE_SPECIAL };
    return cn_tokenizer_encode_spans(t, text, &whole, 1, flags, tokens, n_tokens, err);
}

enum cn_status cn_tokenizer_encode_spans(const struct cn_tokenizer *t, const char *text,
                                         const struct cn_text_span *spans, size_t n_spans,
                                         unsigned flags, int32_t **tokens, size_t *n_tokens,
                                         struct cn_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < n_spans; i++)
        n += spans[i].n;
    CN_RETURN_IF(n > MAX_TEXT_BYTES, CN_ERR_ARGUMENT, err,
                 "text to tokenise: at most %d bytes expected, found %zu", MAX_TEXT_BYTES, n);
    struct cn_stretch *stretches = NULL;
    size_t n_stretches = 0;
    if (n > 0)
        CN_TRY(cn_special_split(t, text, n, spans, n_spans, &stretches, &n_stretches, err));
    struct cn_token_list out = { 0 };
    struct cn_merge_space space = { 0 };
    if (flags & CN_TOKENIZE_BOS && t->add_bos && t->bos != CN_NO_ID)
        cn_token_list_push(&out, t->bos);
    bool after_special = true; /* so is the start */
    for (size_t i = 0; i < n_stretches; i++) {
        const struct cn_stretch *s = &stretches[i];
        if (s->token != CN_NO_ID)
            cn_token_list_push(&out, s->token);
        else
            t->model->encode(t, s->p, s->n, t->add_space_prefix && after_special, &space, &out);
        after_special = s->token != CN_NO_ID;
    }
    if (flags & CN_TOKENIZE_BOS && !(flags & CN_TOKENIZE_PROMPT) && t->add_eos &&
        t->eos != CN_NO_ID)
        cn_token_list_push(&out, t->eos);
    cn_merge_space_free(&space);
    free(stretches);
    if (out.failed) {
        free(out.ids);
        return cn_fail(err, CN_ERR_MEMORY, "no memory to tokenise a text of %zu bytes", n);
    }
    *tokens = out.ids;
    *n_tokens = out.n;
    return CN_OK;
}
