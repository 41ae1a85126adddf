/* SPDX-License-Identifier: MIT
 *
 * Inside of a session: its tokens, what the layers keep of them, its logits. All buffers are sized
 * when it is created.
 */
#ifndef CN_SESSION_H
#define CN_SESSION_H

#include "engine/run/group.h"

/* One layer's keys and values: for each KV head `capacity` rows of each. Position p lives in row p
 * % capacity. */
struct cn_kv {
    uint8_t *k, *v; /* the same: values are the front of the keys */
    int64_t n_heads, capacity;
    size_t k_row_bytes, v_row_bytes;
};

/* What a layer keeps instead of rows by position: mixer/layer_state.h. No bytes: it keeps none. */
struct cn_state {
    float *values;
    size_t bytes;
};

/* The layers' states behind `position` tokens, and the logits there: copies.h. */
struct cn_copy {
    int32_t position; /* 0: none */
    bool has_logits;
    int64_t used; /* the more, the later it was taken or gone back to */
    uint8_t *states;
    float *logits;
};

/* Copies of a session: the caller's mark, and the ends of prompts. */
enum { CN_MARK, CN_N_COPIES = 4 };

/* Whether the states at the session's position are worth a copy, once they are to change. */
enum cn_keep { CN_KEEP_NOTHING, CN_KEEP_PROMPT, CN_KEEP_MARK };

struct cn_session {
    struct cn_group *group; /* that it is evaluated in */
    bool owns_group;        /* nobody else is */
    const struct cn_model *model;
    struct cn_work work;
    int32_t position;
    int32_t *tokens;   /* [n_ctx] what was evaluated at 0..position */
    int32_t n_written; /* positions stored since the last start from 0: what a ring has lost */
    int32_t oldest;    /* what windows see from here on is all a file brought; 0: no file did */
    int64_t n_logits_valid;
    float *logits;           /* [n_logits, n_vocab] */
    struct cn_kv *kv;        /* [n_layer + n_nextn] */
    struct cn_state *states; /* [n_layer] */
    bool has_states;
    int32_t state_position; /* where the states stand; -1: between two, a pass was cancelled */
    size_t kv_bytes;        /* of both */
    struct cn_copy copies[CN_N_COPIES];
    size_t copy_bytes; /* of the states in each; 0: there are none */
    int64_t copy_clock;
    enum cn_keep keep;
    struct cn_nextn *nextn; /* of the model's NextN block; NULL: it is not used */
    void *arena;
};

/* session.c: that tokens[n] are some of the model's, at least one, and that there is room for them
 * from `position` on. */
enum cn_status cn_session_check_tokens(const struct cn_session *s, const int32_t *tokens, int32_t n,
                                       int32_t position, struct cn_error *err);

/* session.c: whether all rows are there that a token at `position` sees: of sliding windows some
 * may not be. If they are, they are for all positions from there to the session's own. */
bool cn_session_has_rows(const struct cn_session *s, int32_t position);

#endif
