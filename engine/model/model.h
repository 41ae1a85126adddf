/* SPDX-License-Identifier: MIT
 *
 * A loaded model: hyperparameters, weights bound to a layer table with their kernels, tokenizer.
 * Everything is checked while loading; the forward pass checks nothing again.
 */
#ifndef CN_MODEL_H
#define CN_MODEL_H

#include "engine/gguf/gguf.h"
#include "engine/model/arch.h"
#include "engine/text/tokenizer.h"

/* A matrix, or n_mats of one shape (experts) one after the other; y = W x, W [rows, cols]. */
struct cn_weight {
    const struct cn_format *format; /* NULL: the model does not have this weight */
    struct cn_kernels kernels;
    int64_t rows, cols, n_mats;
    size_t row_bytes;
    const uint8_t *data; /* in the mapped file */
};

enum cn_rope_scaling { CN_ROPE_NONE, CN_ROPE_LINEAR, CN_ROPE_YARN };

struct cn_hparams {
    int64_t n_vocab, n_embd, n_layer, n_head, n_head_kv, d_k, d_v, n_rot, n_ff, n_ctx_train;
    int64_t n_expert, n_expert_used, n_ff_expert, n_ff_shared; /* n_expert 0: dense */
    float norm_eps, attn_scale, attn_softcap, final_softcap;   /* soft caps: 0: none */
    float embedding_scale, residual_scale, logit_scale, expert_scale;
    int64_t window; /* sliding window; 0: none */
    float rope_base, rope_base_sliding, rope_factor, rope_attn_factor;
    float yarn_beta_fast, yarn_beta_slow, yarn_ext_factor;
    enum cn_rope_scaling rope_scaling;
    int64_t rope_ctx0; /* original context length */
};

struct cn_layer {
    const float *attn_norm, *attn_norm_b, *q_b, *k_b, *v_b, *qkv_b, *attn_out_b, *q_norm, *k_norm;
    const float *post_attn_norm, *ffn_norm, *gate_b, *up_b, *down_b, *post_ffn_norm;
    struct cn_weight q, k, v, qkv, attn_out, gate, up, down;
    struct cn_weight router, gate_exps, up_exps, down_exps;
    struct cn_weight gate_shared, up_shared, down_shared;
    const float *shared_router; /* [n_embd] */
    bool sliding;
};

struct cn_model {
    struct cn_gguf gguf;
    const struct cn_arch *arch;
    struct cn_tokenizer *tokenizer;
    struct cn_ops ops;
    struct cn_hparams hp;
    struct cn_weight token_embd, output;
    const float *output_norm, *output_norm_b, *output_b, *rope_freqs, *rope_long, *rope_short;
    struct cn_layer *layers; /* [hp.n_layer] */
    float *vectors;          /* owns all the const float arrays above */
    struct cn_model_info info;
    char tiers[64];
    char *architecture, *name; /* NUL-terminated copies for info */
};

/* Whether layer `i` attends within the sliding window. */
bool cn_layer_slides(const struct cn_model *model, int64_t i);

/* The matrix that tensor `name` of the file became; NULL if it is none, or not used. */
struct cn_weight *cn_model_weight(struct cn_model *model, const char *name);

#endif
