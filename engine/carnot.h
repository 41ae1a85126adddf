/* SPDX-License-Identifier: MIT
 *
 * libcarnot: runs GGUF language models on a CPU. This is the public header of the library.
 *
 * Two objects: a cn_model (weights, tokenizer; read-only once open, may be shared by threads and
 * sessions) and a cn_session (KV cache, scratch, position; one thread at a time). Sessions that are
 * to be evaluated together make a cn_group. There are no globals. The library never prints, exits
 * or aborts.
 *
 * Fallible functions return enum cn_status (0 = ok) and give results through out-pointers, which
 * are untouched on failure. `err` may be NULL; otherwise it receives one line saying what failed,
 * where, what was expected and what was found.
 */
#ifndef CN_CARNOT_H
#define CN_CARNOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- model ----------------------------------------------------------------------------------- */

struct cn_model;

struct cn_model_options {
    const char *tiers; /* "ref,avx2"; NULL: environment CARNOT_TIERS, else all the machine has */
    bool vocab_only;   /* metadata and tokenizer, no tensors */
};

struct cn_model_info {
    const char *architecture; /* owned by the model, as all pointers here */
    const char *name;         /* general.name or "" */
    const char *file_type;    /* "Q4_K_M", or "unknown" */
    const char *tiers;        /* "ref,avx2" */
    int64_t n_params;
    int64_t n_active_params; /* per token: differs from n_params for mixtures of experts */
    int64_t tensor_bytes;    /* all weights */
    int64_t decode_bytes;    /* weight bytes one decoded token reads */
    double decode_ops;       /* 2 x multiply-adds with weights per token */
    double bpw;              /* effective bits per weight: tensor_bytes * 8 / n_params */
    int32_t n_vocab, n_ctx_train, n_embd, n_layer, n_head, n_head_kv;
    int32_t bos, eos; /* -1: none */
    bool add_bos;
    const char *doubt; /* what the file leaves open, one line fit for a warning; NULL: nothing */
    int32_t n_nextn;   /* 1: it has a NextN block, which can draft tokens; else 0 */
};

/* Opens a GGUF file (of a split model: its first part). options may be NULL. The file is mapped
 * and must not change while the model is open. */
CN_API enum cn_status cn_model_open(const char *path, const struct cn_model_options *options,
                                    struct cn_model **model, struct cn_error *err);
/* NULL is allowed. Every session of the model must be freed first. */
CN_API void cn_model_close(struct cn_model *model);
CN_API const struct cn_model_info *cn_model_get_info(const struct cn_model *model);

/* ---- text <-> tokens ------------------------------------------------------------------------- */

enum {
    CN_TOKENIZE_BOS = 1,     /* add BOS/EOS as the model's file asks */
    CN_TOKENIZE_SPECIAL = 2, /* texts of control tokens become those tokens */
    CN_TOKENIZE_PROMPT = 4   /* the text is to be continued: no EOS, whatever the file asks */
};

/* Tokenises text[n_bytes]. *tokens is malloc'ed, the caller frees it; n_tokens may be 0 (then
 * *tokens may be NULL). Any bytes are accepted. */
CN_API enum cn_status cn_tokenize(const struct cn_model *model, const char *text, size_t n_bytes,
                                  unsigned flags, int32_t **tokens, size_t *n_tokens,
                                  struct cn_error *err);

/* The bytes one token stands for (they may be part of a character). Control tokens give nothing
 * unless `special`. The pointer lives as long as the model; *n_bytes may be 0. */
CN_API const char *cn_token_bytes(const struct cn_model *model, int32_t token, bool special,
                                  size_t *n_bytes);

/* Whether the token ends a generation (EOS, EOT and their like). */
CN_API bool cn_token_is_end(const struct cn_model *model, int32_t token);

/* ---- session --------------------------------------------------------------------------------- */

struct cn_session;

enum cn_kv_type { CN_KV_F16, CN_KV_F32, CN_KV_Q8_0 };
/* "f16", ...; NULL for what is no type. */
CN_API const char *cn_kv_type_name(enum cn_kv_type type);

/* What the engine is doing; begin/end come in pairs, spans lie inside phases. Called from the
 * thread that called cn_session_eval. */
enum cn_op { /* spans */
             CN_OP_EMBED,
             CN_OP_NORM,
             CN_OP_QKV,
             CN_OP_ROPE,
             CN_OP_ATTENTION,
             CN_OP_ATTN_OUT,
             CN_OP_FFN_UP,
             CN_OP_FFN_DOWN,
             CN_OP_ROUTER,
             CN_OP_OUTPUT,
             CN_OP_ABSORB,  /* latent attention: queries into the space of the cache's rows */
             CN_OP_STREAMS, /* inputs and streams beside the residual one */
             /* Of layers that keep a state. What is projected into a mixer is CN_OP_QKV and what
              * out of it CN_OP_ATTN_OUT, whichever mixer it is. */
             CN_OP_CONV,  /* short convolution */
             CN_OP_DELTA, /* gated delta net */
             CN_OP_SSM,   /* selective state space */
             CN_N_OPS
};
CN_API const char *cn_op_name(enum cn_op op);

struct cn_callbacks {
    void *user;
    /* Either may be NULL. layer is -1 outside the layers, n_layer in a NextN block; format is that
     * of the op's weights or NULL. */
    void (*span_begin)(void *user, enum cn_op op, int layer, const char *format);
    void (*span_end)(void *user, enum cn_op op, int layer);
    /* Asked between layers; true ends cn_session_eval with CN_ERR_CANCELLED. May be NULL. */
    bool (*cancel)(void *user);
    /* Asked at the begin of a span: how many times (>= 1) its work is to be done, for those who
     * measure what an op costs. Above 1 the logits mean nothing. NULL: once. */
    int (*repeat)(void *user, enum cn_op op, int layer);
};

/* What a session has done, from its creation on. Of a pass together with other sessions, what it
 * did with the weights is divided among them by the tokens that each had in it. */
struct cn_work {
    int64_t bytes; /* of weights and the KV cache read, of states read and written, once for
                    * each pass through the model */
    int64_t kv_bytes, state_bytes; /* what of them was the KV cache's, and the states' */
    int64_t int8_ops;  /* 2 x multiply-adds of 8-bit integers: with weights of quantised formats */
    int64_t float_ops; /* the same with weights of float formats, and with states; attention is in
                        * neither */
    int64_t unpacked;  /* weights turned into 8-bit integers: all quantised formats but those that
                        * hold such; once a token in decode, once a pass in prefill */
};

struct cn_session_options {
    int32_t n_ctx;             /* 0: the model's training context, 4096 at most */
    int32_t n_batch;           /* most tokens per forward pass; 0: 512 */
    int32_t n_logits;          /* most positions whose logits one evaluation may want; 0: 1 */
    int32_t n_threads;         /* 0: one per available core */
    int32_t n_threads_prefill; /* 0: n_threads */
    enum cn_kv_type kv;
    bool sleep; /* waiting threads sleep at once instead of spinning a while first */
    bool fast;  /* precision "fast": coarser panels in prefill; refused where the tiers have none */
    struct cn_callbacks callbacks;
};

/* options may be NULL. All memory a session needs is taken here; evaluating allocates nothing. */
CN_API enum cn_status cn_session_create(const struct cn_model *model,
                                        const struct cn_session_options *options,
                                        struct cn_session **session, struct cn_error *err);
CN_API void cn_session_free(struct cn_session *session);

enum cn_want { CN_WANT_NONE, CN_WANT_LAST, CN_WANT_ALL };

/* Appends tokens[n] at the current position and evaluates them, in batches of at most n_batch.
 * `want` says which positions' logits are to be computed. With CN_WANT_ALL n must be <= n_logits.
 * CN_ERR_CONTEXT if they do not fit (nothing is evaluated then, and the logits stay). */
CN_API enum cn_status cn_session_eval(struct cn_session *session, const int32_t *tokens, int32_t n,
                                      enum cn_want want, struct cn_error *err);

/* Logits [n_vocab] of the last evaluation: i counts the positions of it that were wanted (with
 * CN_WANT_LAST only i = 0). NULL if there are none. Valid until the next evaluation. */
CN_API const float *cn_session_logits(const struct cn_session *session, int32_t i);

CN_API int32_t cn_session_position(const struct cn_session *session);
CN_API int32_t cn_session_n_ctx(const struct cn_session *session);
/* Forgets all tokens from `position` on: 0 (all) to the current position, which itself is a way to
 * have no logits. Costs nothing where layers keep rows by position. Layers that keep a state cannot
 * be cut back: the session goes to the nearest copy of the states at or before `position`, else to
 * 0, and evaluates the tokens between once more, at the price of a prompt of that length. It does
 * so from 0 on, too, where a sliding window's cache has lost what is needed: it keeps n_batch
 * positions beside the window. CN_ERR_CANCELLED ends that early, at a position before.
 *
 * Of copies there are four at the most: one of the last cn_session_mark, and three of the ends of
 * prompts (evaluations of more than one token, cn_session_prompt) and of where rewinds led; of
 * these the one longest unused goes first. Each takes the bytes of the states (those of 18 delta
 * net layers with 16 heads of 128 x 128: 18 MiB) and of one position's logits, from its first use
 * on, and the time to copy them, within the next evaluation. */
CN_API enum cn_status cn_session_rewind(struct cn_session *session, int32_t position,
                                        struct cn_error *err);
/* Has the next evaluation take a copy of the states first, for rewinds to the current position. It
 * replaces that of the last mark. Where layers keep rows only it does nothing. */
CN_API void cn_session_mark(struct cn_session *session);
/* Lets the session hold just tokens[n], 1 <= n <= n_ctx, with the logits behind the last of them as
 * cn_session_logits 0: keeps what it holds already of their beginning, as cn_session_rewind does,
 * and evaluates the rest. *n_kept: how many of them were not evaluated in this call. */
CN_API enum cn_status cn_session_prompt(struct cn_session *session, const int32_t *tokens,
                                        int32_t n, int32_t *n_kept, struct cn_error *err);

/* Appends tokens[n] without evaluating them: their keys and values are those of the tokens that the
 * session holds, over and over, and states stay as they are. What is evaluated behind them costs
 * what it costs behind as many real ones, and its logits mean nothing: for measuring what a long
 * past costs. CN_ERR_ARGUMENT if the session holds nothing, CN_ERR_CONTEXT if they do not fit. */
CN_API enum cn_status cn_session_fill(struct cn_session *session, const int32_t *tokens, int32_t n,
                                      struct cn_error *err);

/* Writes what the session holds to a file, for a later session of the same model and KV type:
 * tokens, keys and values (of sliding windows as far back as they are there), states and their
 * copies. At least one token must be there. The model is told by a hash of its keys, of the names
 * and shapes of its tensors and of samples of their data. The file appears whole or not at all. As
 * cn_session_rewind to the current position where an evaluation was cancelled before. */
CN_API enum cn_status cn_session_save(struct cn_session *session, const char *path,
                                      struct cn_error *err);
/* Goes on from such a file instead of what the session holds; context and batch may be others than
 * those of the session that wrote it. There are no logits until the next evaluation, nor until
 * cn_session_prompt finds them in a copy. CN_ERR_IO if it cannot be read (errno says why),
 * CN_ERR_FORMAT if it is damaged or no such file, CN_ERR_ARGUMENT if it is of another model or KV
 * type, CN_ERR_CONTEXT if it has more tokens than the context; after any of these the session holds
 * nothing or what it held. */
CN_API enum cn_status cn_session_load(struct cn_session *session, const char *path,
                                      struct cn_error *err);

CN_API size_t cn_session_kv_bytes(const struct cn_session *session);
CN_API void cn_session_work(const struct cn_session *session, struct cn_work *work);

/* ---- groups of sessions ---------------------------------------------------------------------- */

/* Sessions that are evaluated together, the lanes of a group: whatever the number of lanes, a pass
 * reads the weights once. They share the group's threads and scratch memory; each has its own
 * tokens, KV cache or states, copies, logits and work, and all functions of sessions work on it.
 * cn_session_create makes a group of one. One thread at a time for a group with all its sessions.
 */
struct cn_group;

enum { CN_MAX_LANES = 16 };

/* options hold for every session of the group, n_batch for all tokens of a pass together; may be
 * NULL. n_lanes: most sessions at a time, 1 to CN_MAX_LANES. The memory that they share is taken
 * here. */
CN_API enum cn_status cn_group_create(const struct cn_model *model,
                                      const struct cn_session_options *options, int32_t n_lanes,
                                      struct cn_group **group, struct cn_error *err);
/* NULL is allowed. Every session of the group must be freed first. */
CN_API void cn_group_free(struct cn_group *group);
/* A new session without tokens, at any moment between evaluations; cn_session_free takes it out of
 * the group. CN_ERR_ARGUMENT if the group has n_lanes sessions. All its own memory is taken here.
 */
CN_API enum cn_status cn_group_join(struct cn_group *group, struct cn_session **session,
                                    struct cn_error *err);
/* Lets `to` hold what `from` holds, another session of the same group: tokens, keys and values,
 * states, logits; it goes on as `from` would. It costs a copy of the rows and states that are in
 * use. Copies for rewinds stay with `from`; `to` takes one here if `from` was about to. */
CN_API enum cn_status cn_session_fork(struct cn_session *to, const struct cn_session *from,
                                      struct cn_error *err);

/* What one session gets in an evaluation: as the arguments of cn_session_eval. */
struct cn_step {
    struct cn_session *session;
    const int32_t *tokens; /* [n] */
    int32_t n;
    enum cn_want want;
};

/* Appends the tokens of each of steps[n_steps] to its session and evaluates them all in one pass,
 * or, if they are more than n_batch together, in as few as there can be: first those of the first
 * step. Some sessions may get one token and others a piece of a prompt. The sessions belong to the
 * group and are different ones. A step that cannot be done (CN_ERR_CONTEXT, CN_ERR_ARGUMENT)
 * refuses all: nothing is evaluated, and the logits stay. CN_ERR_CANCELLED leaves each session
 * behind what was evaluated of its step, without logits. cn_session_eval is this with one step. */
CN_API enum cn_status cn_group_eval(struct cn_group *group, const struct cn_step *steps,
                                    size_t n_steps, struct cn_error *err);

/* ---- sampling -------------------------------------------------------------------------------- */

struct cn_logit_bias {
    int32_t token;
    float bias; /* -INFINITY forbids the token */
};

struct cn_sampler_options {
    float temperature;    /* <= 0: greedy */
    int32_t top_k;        /* <= 0: all */
    float top_p;          /* >= 1: off */
    float min_p;          /* <= 0: off */
    float repeat_penalty; /* 1: off; divides positive and multiplies negative logits of recent
                             tokens */
    int32_t repeat_last_n;
    uint64_t seed;
    bool ignore_eos;                  /* tokens that end a generation are never chosen */
    const struct cn_logit_bias *bias; /* [n_bias], copied */
    size_t n_bias;
};

struct cn_sampler;
CN_API enum cn_status cn_sampler_create(const struct cn_model *model,
                                        const struct cn_sampler_options *options,
                                        struct cn_sampler **sampler, struct cn_error *err);
CN_API void cn_sampler_free(struct cn_sampler *sampler);
/* Chooses a token from logits [n_vocab] and remembers it for the repeat penalty. Deterministic for
 * a seed. */
CN_API int32_t cn_sampler_sample(struct cn_sampler *sampler, const float *logits);
/* Lets the repeat penalty see a token that was not sampled (a prompt). Ids outside the vocabulary
 * are ignored. */
CN_API void cn_sampler_accept(struct cn_sampler *sampler, int32_t token);

/* ---- speculation ----------------------------------------------------------------------------- */

/* Generating several tokens for one pass through the model: a source drafts what may come next, one
 * pass verifies all of it, and the tokens up to the first wrong one are kept, with one more that
 * the pass gave anyway. Greedy the text is that of token by token, as far as a pass over several
 * tokens computes the same logits; drawn, each token has the distribution that the sampler's
 * options give it (Leviathan, Kalman, Matias, "Fast inference from transformers via speculative
 * decoding", 2023: a draft is kept with probability min(1, p/q), else replaced from what p has over
 * q). How long drafts are follows from what passes and drafts cost and how often they are right, so
 * that the numbers drawn for a seed are not the same in every run. */

/* What may be drafted before a pass, and so what cn_speculator_next gives less one. */
enum { CN_SPECULATE_MOST = 63 };

enum cn_speculate_phase { CN_SPECULATE_DRAFT, CN_SPECULATE_VERIFY };

struct cn_speculator_options {
    /* Where drafts come from, one of these. A session of a smaller model, which the speculator has
     * to itself but does not free: ids that both models have must stand for the same bytes in both;
     * either may have more, which are then never drafted, or which the draft reads as its BOS. */
    struct cn_session *draft;
    int32_t lookup; /* what followed when the last tokens, up to so many of them, stood in the text
                     * before: 1 to 15; 0: not this */
    bool nextn;     /* the model's own NextN block: n_nextn of its info */

    int32_t n_draft; /* most tokens drafted before a pass, 1 to CN_SPECULATE_MOST; 0: 15 */
    /* What has been spent so far, in any unit: drafts are to make little of it a token. NULL:
     * seconds. Not finite: cannot be told now. */
    double (*cost)(void *user);
    /* Told when drafting and verifying begin and end, for the caller's profiler. May be NULL. */
    void (*phase)(void *user, enum cn_speculate_phase phase, bool begin);
    void *user;
};

/* From cn_speculator_create on. */
struct cn_speculation {
    int64_t n_passes;         /* of the model, prompts aside */
    int64_t n_tokens;         /* that these gave and that were kept */
    int64_t n_drafted;        /* verified by them */
    int64_t n_accepted;       /* of n_drafted */
    double draft_s, verify_s; /* within the phases that `phase` was told of */
};

struct cn_speculator;
/* Of a session and a sampler of one model, which must outlive it; both are then to be used through
 * it alone between a cn_speculator_prompt and the last cn_speculator_next of a text. The session
 * must have n_logits >= 2: a pass is over as many tokens at the most. CN_ERR_ARGUMENT if the
 * draft's vocabulary is another. */
CN_API enum cn_status cn_speculator_create(struct cn_session *session, struct cn_sampler *sampler,
                                           const struct cn_speculator_options *options,
                                           struct cn_speculator **speculator, struct cn_error *err);
CN_API void cn_speculator_free(struct cn_speculator *speculator); /* NULL is allowed */
/* cn_session_prompt, of the draft's session too. The sampler is not told of the tokens. */
CN_API enum cn_status cn_speculator_prompt(struct cn_speculator *speculator, const int32_t *tokens,
                                           int32_t n, int32_t *n_kept, struct cn_error *err);
/* The next tokens of the text, chosen and remembered by the sampler: 1 to n_most of them to
 * tokens[n_most], their number to *n. All but the last are evaluated, or will be with it.
 * CN_ERR_CONTEXT if the last one before does not fit into the context, CN_ERR_FORMAT if logits are
 * not finite. */
CN_API enum cn_status cn_speculator_next(struct cn_speculator *speculator, int32_t *tokens,
                                         int32_t n_most, int32_t *n, struct cn_error *err);
/* Takes the last n tokens back, at most those that the last cn_speculator_next gave: the text ended
 * before them. */
CN_API enum cn_status cn_speculator_take_back(struct cn_speculator *speculator, int32_t n,
                                              struct cn_error *err);
CN_API void cn_speculator_told(const struct cn_speculator *speculator,
                               struct cn_speculation *speculation);

/* ---- whole texts and chats ------------------------------------------------------------------- */

/* The text of tokens[n]: their bytes joined (control tokens only if `special`), less the one space
 * that tokenising puts in front of a text for some models. *text is malloc'ed with a NUL behind its
 * *n_bytes bytes; the caller frees it. An id outside the vocabulary is CN_ERR_ARGUMENT. */
CN_API enum cn_status cn_detokenize(const struct cn_model *model, const int32_t *tokens, size_t n,
                                    bool special, char **text, size_t *n_bytes,
                                    struct cn_error *err);

struct cn_chat_message {
    const char *role;    /* "system", "user", "assistant", "tool", ... */
    const char *content; /* [n_content], any bytes; NULL: none (a message that is JSON) */
    size_t n_content;
    const char *reasoning; /* [n_reasoning] what the assistant thought before; NULL: nothing */
    size_t n_reasoning;
    const char *json; /* [n_json] the message as a JSON object, which counts instead of the above
                       * where the model's template is used: tool calls, parts, ...; NULL */
    size_t n_json;
};

/* Reads [{"role": ..., "content": ...}, ...], or an object with such a list as "messages". Roles
 * are any words; a content that is a list of text parts is joined. `name` (of the file) starts the
 * message of an error. *messages is one malloc'ed block, strings included; the caller frees it. */
CN_API enum cn_status cn_chat_parse(const char *json, size_t n_bytes, const char *name,
                                    struct cn_chat_message **messages, size_t *n_messages,
                                    struct cn_error *err);

/* The name of chat template i, counted from 0, of those built in ("chatml", ...); NULL behind the
 * last. They are for models whose files have none. */
CN_API const char *cn_chat_template_name(size_t i);
/* Whether the model's file holds a chat template. */
CN_API bool cn_chat_has_template(const struct cn_model *model);

/* How conversations become prompts: a template and what it is given beside the messages. */
struct cn_chat;

struct cn_chat_options {
    const char *template_name; /* a built-in one; NULL: the one in the model's file */
    const char *template_text; /* [n_template_text] a Jinja template instead; NULL: none */
    size_t n_template_text;
    const char *const *arguments; /* [n_arguments] "NAME=JSON": more variables for the template;
                                   * they win over those that it gets anyway */
    size_t n_arguments;
    const char *tools; /* [n_tools] a JSON list of tools that may be called; NULL: none */
    size_t n_tools;
    const char *time; /* "2026-11-29T13:05:09", what the template takes for now; NULL: the clock */
};

/* options may be NULL. The model may be NULL where a template is given; it must outlive the chat.
 * Nothing of options needs to. CN_ERR_ARGUMENT for a bad option, CN_ERR_UNSUPPORTED where there is
 * no template, CN_ERR_FORMAT for one that is no Jinja. */
CN_API enum cn_status cn_chat_create(const struct cn_model *model,
                                     const struct cn_chat_options *options, struct cn_chat **chat,
                                     struct cn_error *err);
CN_API void cn_chat_free(struct cn_chat *chat); /* NULL is allowed */

/* The text of a conversation as the model was trained to see it, BOS only where the template writes
 * it. With generation_prompt it ends where the assistant is to speak. *text: as for cn_detokenize.
 * CN_ERR_ARGUMENT, with its own sentence, if the template refuses the conversation. */
CN_API enum cn_status cn_chat_text(const struct cn_chat *chat,
                                   const struct cn_chat_message *messages, size_t n_messages,
                                   bool generation_prompt, char **text, size_t *n_bytes,
                                   struct cn_error *err);
/* The tokens of that text, to be continued: one BOS in front if the template or the model's file
 * asks for it, no EOS behind. Texts of control tokens become tokens only where the template put
 * them, never within a message. The chat must have a model. *tokens: as for cn_tokenize. */
CN_API enum cn_status cn_chat_tokens(const struct cn_chat *chat,
                                     const struct cn_chat_message *messages, size_t n_messages,
                                     bool generation_prompt, int32_t **tokens, size_t *n_tokens,
                                     struct cn_error *err);
/* Whether the token ends an answer: as cn_token_is_end, or because the template writes it behind
 * answers. */
CN_API bool cn_chat_is_end(const struct cn_chat *chat, int32_t token);

/* The marks that the template puts around what the assistant thinks; NULL if it has none. They live
 * as long as the program. */
struct cn_chat_thinking {
    const char *open, *close;
    bool separate; /* the template wants thinking apart from the content (reasoning_content) */
};
CN_API struct cn_chat_thinking cn_chat_thinking_of(const struct cn_chat *chat);

/* cn_chat_text and cn_chat_tokens with nothing but a template's name (NULL: the model's own). */
CN_API enum cn_status cn_chat_format(const struct cn_model *model, const char *template_name,
                                     const struct cn_chat_message *messages, size_t n_messages,
                                     bool generation_prompt, char **text, size_t *n_bytes,
                                     struct cn_error *err);
CN_API enum cn_status cn_chat_tokenize(const struct cn_model *model, const char *template_name,
                                       const struct cn_chat_message *messages, size_t n_messages,
                                       bool generation_prompt, int32_t **tokens, size_t *n_tokens,
                                       struct cn_error *err);

#ifdef __cplusplus
}
#endif
#endif
