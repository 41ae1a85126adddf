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

/* A matrix, or n_mats of one shape (experts) one after the other; y = W x, W [rows, cols]. Old
 * files hold each expert as a tensor of its own: `each` [n_mats] are these then, in formats of
 * their own, and there is no data beside them. */
struct cn_weight {
    const struct cn_format *format; /* NULL: the model does not have this weight */
    struct cn_kernels kernels;
    int64_t rows, cols, n_mats;
    size_t row_bytes;
    const uint8_t *data;    /* in the mapped file */
    struct cn_weight *each; /* NULL: `data` holds all matrices */
    /* Factors of the products: one, or one per matrix; NULL: none. */
    const float *scale;
    int64_t n_scales;
};

/* Taps of a short convolution, [n_taps, n_channels]: the oldest token's first. In the file the taps
 * of a channel adjoin. */
struct cn_taps {
    const float *w; /* NULL: the model does not have them */
};

enum cn_rope_scaling { CN_ROPE_NONE, CN_ROPE_LINEAR, CN_ROPE_YARN };

/* The two tables of rotations: of global layers, and of sliding ones. */
enum { CN_ROPE_GLOBAL, CN_ROPE_SLIDING, CN_N_ROPES };

enum { CN_LAYER_MIXERS = 2 }; /* side by side at the most */

struct cn_layer_hparams {
    enum cn_mixer_id mixers[CN_LAYER_MIXERS]; /* [n_mixers] whose results are added up */
    int n_mixers;
    int64_t n_head, n_head_kv, d_k, d_v, n_rot, n_ff;
    int64_t window; /* positions that a token sees, itself included; 0: all before it */
    bool chunked;   /* the window begins at a multiple of its size */
    bool experts;
    int rope;         /* which table; -1: no positions */
    int64_t kv_layer; /* the layer whose keys and values it reads: itself, or an earlier one */
    float sparsity;   /* gates below mean + sparsity * deviation are 0; 0: none */
};

/* Where layers differ, the largest of all: for sizes of buffers. */
struct cn_hparams {
    struct cn_layer_hparams *layers; /* [n_layer + n_nextn], malloc'ed */
    int64_t n_nextn; /* 1: a block behind the layers guesses tokens (nextn.h); 0: there is none */
    int64_t n_vocab, n_embd, n_layer, n_head, n_head_kv, d_k, d_v, n_rot, n_ff, n_ctx_train;
    int64_t n_rope[CN_N_ROPES]; /* rotated components of each table */
    int64_t kv_lora, q_lora;    /* latent attention; 0: no compression */
    int64_t conv_taps;          /* of short convolutions; 0: there are none */
    /* Mixers with a state by head: values of all heads, rows of a head's state, heads, and groups
     * of heads that share what is not theirs alone. */
    int64_t ssm_inner, ssm_state, ssm_heads, ssm_groups;
    int64_t n_expert, n_expert_used, n_ff_expert, n_ff_shared; /* n_expert 0: dense */
    int64_t n_expert_groups, n_expert_groups_used;             /* 1 and 1: no groups */
    int64_t n_expert_embd; /* what experts read and write: n_embd, or a narrower space */
    enum cn_gating gating;
    bool normalise_experts, qk_norm_weightless;
    int64_t n_per_layer, n_streams, n_laurel; /* inputs per layer, AltUp, LAuReL; 0: none */
    float norm_eps, attn_scale, attn_softcap, final_softcap;          /* soft caps: 0: none */
    float embedding_scale, residual_scale, logit_scale, expert_scale; /* factors */
    float temperature;                                                /* see cn_arch; 0: none */
    int64_t temperature_length;
    int64_t window; /* of the sliding layers; 0: none slides */
    float rope_base, rope_base_sliding, rope_factor, rope_attn_factor;
    float yarn_beta_fast, yarn_beta_slow, yarn_ext_factor;
    float yarn_magnitude; /* of sine and cosine, before rope_attn_factor */
    enum cn_rope_scaling rope_scaling;
    int64_t rope_ctx0; /* original context length */
};

struct cn_layer {
    const struct cn_layer_hparams *hp;
    const float *attn_norm, *attn_norm_b, *q_b, *k_b, *v_b, *qkv_b, *attn_out_b, *q_norm, *k_norm;
    const float *sinks, *attn_sub_norm, *post_attn_norm, *q_down_norm, *kv_down_norm;
    const float *ffn_norm, *ffn_norm_b, *gate_b, *up_b, *down_b, *ffn_sub_norm, *post_ffn_norm;
    struct cn_weight q, k, v, qkv, attn_out, gate, up, down;
    struct cn_weight q_down, q_up, kv_down, k_up, v_up, kv_up;
    struct cn_weight conv_in, conv_out, ssm_in, ssm_out;
    struct cn_weight delta_in, delta_gate, delta_beta, delta_alpha, delta_ba;
    struct cn_taps conv, ssm_conv;
    const float *ssm_conv_b, *ssm_dt_b, *ssm_a, *ssm_d, *ssm_norm;
    struct cn_weight router, gate_exps, up_exps, down_exps, gate_up_exps;
    struct cn_weight gate_shared, up_shared, down_shared, experts_down, experts_up;
    const float *router_b, *router_scale, *select_b;    /* [n_expert], [n_embd], [n_expert] */
    const float *gate_exps_b, *up_exps_b, *down_exps_b; /* [n_expert, rows] */
    const float *shared_router;                         /* [n_embd] */
    const float *post_dense_norm, *pre_experts_norm, *post_experts_norm;
    struct cn_weight input_gate, input_proj, laurel_down, laurel_up;
    const float *input_norm, *layer_scale, *laurel_norm;
    const float *altup_router, *altup_router_norm, *altup_predict, *altup_correct, *altup_scale;
    /* of a NextN block; without its own, the model's embeddings, output and output norm */
    struct cn_weight nextn_proj, nextn_embd, nextn_output;
    const float *nextn_embd_norm, *nextn_hidden_norm, *nextn_output_norm;
};

struct cn_model {
    struct cn_gguf gguf;
    const struct cn_arch *arch;
    struct cn_tokenizer *tokenizer;
    struct cn_ops ops;
    struct cn_hparams hp;
    struct cn_weight token_embd, output, layer_embd, layer_proj, altup_proj, altup_unproj;
    const float *output_norm, *output_norm_b, *output_b, *rope_freqs, *rope_long, *rope_short;
    const float *layer_proj_norm;
    struct cn_layer *layers;     /* [hp.n_layer + hp.n_nextn] */
    struct cn_error nextn_fault; /* why there is no NextN block */
    float *vectors;              /* owns all the const float arrays above */
    struct cn_weight *each;      /* owns those of experts that are tensors of their own */
    size_t n_each;
    struct cn_model_info info;
    char tiers[64];
    char *architecture, *name; /* NUL-terminated copies for info */
};

/* Calls fn for every matrix that the model multiplies with: those of the layers, of a NextN block
 * and the output. */
void cn_model_each_weight(const struct cn_model *model,
                          void (*fn)(void *user, enum cn_slot slot, const struct cn_weight *w),
                          void *user);

/* The matrix that tensor `name` of the file became; NULL if it is none, or not used. */
struct cn_weight *cn_model_weight(struct cn_model *model, const char *name);

#endif
