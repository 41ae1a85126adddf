/* SPDX-License-Identifier: MIT
 *
 * What an architecture is: one const descriptor in engine/model/arch/<name>.c and a row in
 * archs.def. The forward pass (forward.c and the mixers) reads these fields; nothing else knows
 * architectures by name. Formulas: the architectures' papers; names and keys: the GGUF
 * specification.
 */
#ifndef CN_ARCH_H
#define CN_ARCH_H

#include <stdbool.h>
#include <stdint.h>

/* How a layer mixes tokens: a row in engine/run/mixer/mixers.def. */
enum cn_mixer_id {
#define CN_MIXER(name, NAME, slots) CN_MIXER_##NAME,
#include "engine/run/mixer/mixers.def"
#undef CN_MIXER
    CN_N_MIXERS
};

/* The weights a model may have. Layer slots stand once per layer as blk.N.<name>. Names and shapes
 * are in slots.c. */
enum cn_slot {
    CN_SLOT_TOKEN_EMBD,
    CN_SLOT_OUTPUT_NORM,
    CN_SLOT_EMBD_NORM, /* the output norm, under token_embd_norm */
    CN_SLOT_OUTPUT_NORM_B,
    CN_SLOT_OUTPUT,
    CN_SLOT_OUTPUT_B,
    CN_SLOT_ROPE_FREQS,
    CN_SLOT_ROPE_LONG,
    CN_SLOT_ROPE_SHORT,
    CN_SLOT_LAYER_EMBD, /* inputs of each layer, by token */
    CN_SLOT_LAYER_PROJ, /* and by embedding */
    CN_SLOT_LAYER_PROJ_NORM,
    CN_SLOT_ALTUP_PROJ,
    CN_SLOT_ALTUP_UNPROJ,
    CN_FIRST_LAYER_SLOT,
    CN_SLOT_ATTN_NORM = CN_FIRST_LAYER_SLOT,
    CN_SLOT_ATTN_NORM_B,
    CN_SLOT_Q,
    CN_SLOT_K,
    CN_SLOT_V,
    CN_SLOT_Q_B,
    CN_SLOT_K_B,
    CN_SLOT_V_B,
    CN_SLOT_QKV,
    CN_SLOT_QKV_B,
    CN_SLOT_ATTN_OUT,
    CN_SLOT_ATTN_OUT_B,
    CN_SLOT_Q_NORM,
    CN_SLOT_K_NORM,
    CN_SLOT_SINKS,
    CN_SLOT_ATTN_SUB_NORM,
    CN_SLOT_POST_ATTN_NORM,
    /* latent attention */
    CN_SLOT_Q_DOWN,
    CN_SLOT_Q_DOWN_NORM,
    CN_SLOT_Q_UP,
    CN_SLOT_KV_DOWN,
    CN_SLOT_KV_DOWN_NORM,
    CN_SLOT_K_UP,
    CN_SLOT_V_UP,
    CN_SLOT_KV_UP,
    /* short convolution */
    CN_SLOT_CONV_IN,
    CN_SLOT_CONV,
    CN_SLOT_CONV_OUT,
    /* selective state space */
    CN_SLOT_SSM_IN,
    CN_SLOT_SSM_CONV,
    CN_SLOT_SSM_CONV_B,
    CN_SLOT_SSM_DT_B,
    CN_SLOT_SSM_A,
    CN_SLOT_SSM_D,
    CN_SLOT_SSM_NORM,
    CN_SLOT_SSM_OUT,
    /* gated delta net, beside some of these */
    CN_SLOT_DELTA_IN, /* queries, keys and values, under attn_qkv */
    CN_SLOT_DELTA_GATE,
    CN_SLOT_DELTA_BETA,
    CN_SLOT_DELTA_ALPHA,
    CN_SLOT_DELTA_BA, /* beta and alpha together */
    /* feed-forward */
    CN_SLOT_FFN_NORM,
    CN_SLOT_FFN_NORM_B,
    CN_SLOT_SECOND_NORM, /* the norm before the feed-forward part, under post_attention_norm, */
    CN_SLOT_BARE_NORM,   /* and under ffn_norm alone */
    CN_SLOT_GATE,
    CN_SLOT_UP,
    CN_SLOT_DOWN,
    CN_SLOT_GATE_B,
    CN_SLOT_UP_B,
    CN_SLOT_DOWN_B,
    CN_SLOT_FFN_SUB_NORM,
    CN_SLOT_POST_FFN_NORM,
    /* experts */
    CN_SLOT_ROUTER,
    CN_SLOT_ROUTER_B,
    CN_SLOT_ROUTER_SCALE,
    CN_SLOT_SELECT_B,
    CN_SLOT_GATE_EXPS,
    CN_SLOT_UP_EXPS,
    CN_SLOT_DOWN_EXPS,
    CN_SLOT_GATE_UP_EXPS,
    CN_SLOT_GATE_EXPS_B,
    CN_SLOT_UP_EXPS_B,
    CN_SLOT_DOWN_EXPS_B,
    CN_SLOT_SHARED_ROUTER,
    CN_SLOT_GATE_SHARED,
    CN_SLOT_UP_SHARED,
    CN_SLOT_DOWN_SHARED,
    CN_SLOT_POST_DENSE_NORM, /* where experts stand beside a dense part */
    CN_SLOT_PRE_EXPERTS_NORM,
    CN_SLOT_POST_EXPERTS_NORM,
    CN_SLOT_EXPERTS_DOWN, /* into a narrower space for the experts, */
    CN_SLOT_EXPERTS_UP,   /* and out of it */
    /* streams and inputs beside the residual one */
    CN_SLOT_INPUT_GATE,
    CN_SLOT_INPUT_PROJ,
    CN_SLOT_INPUT_NORM,
    CN_SLOT_LAYER_SCALE,
    CN_SLOT_ALTUP_ROUTER,
    CN_SLOT_ALTUP_ROUTER_NORM,
    CN_SLOT_ALTUP_PREDICT,
    CN_SLOT_ALTUP_CORRECT,
    CN_SLOT_ALTUP_SCALE,
    CN_SLOT_LAUREL_DOWN,
    CN_SLOT_LAUREL_UP,
    CN_SLOT_LAUREL_NORM,
    /* a NextN block, beside those of an ordinary layer */
    CN_SLOT_NEXTN_PROJ,
    CN_SLOT_NEXTN_EMBD_NORM,
    CN_SLOT_NEXTN_HIDDEN_NORM,
    CN_SLOT_NEXTN_EMBD,
    CN_SLOT_NEXTN_OUTPUT,
    CN_SLOT_NEXTN_OUTPUT_NORM,
    CN_N_SLOTS
};

/* A set of slots. */
__extension__ typedef unsigned __int128 cn_slots;
_Static_assert(CN_N_SLOTS <= 128, "a set of slots has 128 bits");
#define CN_BIT(slot) ((cn_slots)1 << CN_SLOT_##slot)

/* Groups of slots that many architectures share. */
#define CN_SLOTS_SPLIT_QKV     (CN_BIT(Q) | CN_BIT(K) | CN_BIT(V) | CN_BIT(ATTN_OUT))
#define CN_SLOTS_QKV_BIAS      (CN_BIT(Q_B) | CN_BIT(K_B) | CN_BIT(V_B))
#define CN_SLOTS_QK_NORM       (CN_BIT(Q_NORM) | CN_BIT(K_NORM))
#define CN_SLOTS_PRE_NORMS     (CN_BIT(ATTN_NORM) | CN_BIT(FFN_NORM) | CN_BIT(OUTPUT_NORM))
#define CN_SLOTS_POST_NORMS    (CN_BIT(POST_ATTN_NORM) | CN_BIT(POST_FFN_NORM))
#define CN_SLOTS_GATED_FFN     (CN_BIT(GATE) | CN_BIT(UP) | CN_BIT(DOWN))
#define CN_SLOTS_FFN_BIAS      (CN_BIT(GATE_B) | CN_BIT(UP_B) | CN_BIT(DOWN_B))
#define CN_SLOTS_EXPERTS       (CN_BIT(ROUTER) | CN_BIT(GATE_EXPS) | CN_BIT(UP_EXPS) | CN_BIT(DOWN_EXPS))
#define CN_SLOTS_SHARED_FFN    (CN_BIT(GATE_SHARED) | CN_BIT(UP_SHARED) | CN_BIT(DOWN_SHARED))
#define CN_SLOTS_SHARED_EXPERT (CN_BIT(SHARED_ROUTER) | CN_SLOTS_SHARED_FFN)
#define CN_SLOTS_OF_EXPERTS                                                                \
    (CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_EXPERT | CN_BIT(ROUTER_B) | CN_BIT(ROUTER_SCALE) | \
     CN_BIT(SELECT_B) | CN_BIT(GATE_UP_EXPS) | CN_BIT(GATE_EXPS_B) | CN_BIT(UP_EXPS_B) |   \
     CN_BIT(DOWN_EXPS_B) | CN_BIT(POST_DENSE_NORM) | CN_BIT(PRE_EXPERTS_NORM) |            \
     CN_BIT(POST_EXPERTS_NORM) | CN_BIT(EXPERTS_DOWN) | CN_BIT(EXPERTS_UP))
#define CN_SLOTS_LONGROPE (CN_BIT(ROPE_LONG) | CN_BIT(ROPE_SHORT))

/* What belongs to a mixer: layers without it have none of these. */
#define CN_SLOTS_OF_ATTENTION                                                                  \
    (CN_SLOTS_SPLIT_QKV | CN_SLOTS_QKV_BIAS | CN_SLOTS_QK_NORM | CN_BIT(QKV) | CN_BIT(QKV_B) | \
     CN_BIT(ATTN_OUT_B) | CN_BIT(SINKS) | CN_BIT(ATTN_SUB_NORM))
#define CN_SLOTS_OF_LATENT                                                               \
    (CN_BIT(Q) | CN_BIT(Q_DOWN) | CN_BIT(Q_DOWN_NORM) | CN_BIT(Q_UP) | CN_BIT(KV_DOWN) | \
     CN_BIT(KV_DOWN_NORM) | CN_BIT(K_UP) | CN_BIT(V_UP) | CN_BIT(KV_UP) | CN_BIT(ATTN_OUT))
#define CN_SLOTS_OF_CONV (CN_BIT(CONV_IN) | CN_BIT(CONV) | CN_BIT(CONV_OUT))
#define CN_SLOTS_SSM                                                                        \
    (CN_BIT(SSM_IN) | CN_BIT(SSM_CONV) | CN_BIT(SSM_DT_B) | CN_BIT(SSM_A) | CN_BIT(SSM_D) | \
     CN_BIT(SSM_NORM) | CN_BIT(SSM_OUT))
#define CN_SLOTS_OF_SSM (CN_SLOTS_SSM | CN_BIT(SSM_CONV_B))
#define CN_SLOTS_DELTA                                                                             \
    (CN_BIT(DELTA_IN) | CN_BIT(DELTA_GATE) | CN_BIT(SSM_CONV) | CN_BIT(SSM_DT_B) | CN_BIT(SSM_A) | \
     CN_BIT(SSM_NORM) | CN_BIT(SSM_OUT))
#define CN_SLOTS_OF_DELTA \
    (CN_SLOTS_DELTA | CN_BIT(DELTA_BETA) | CN_BIT(DELTA_ALPHA) | CN_BIT(DELTA_BA))

/* A set of layers, by number. */
struct cn_layer_rule {
    enum {
        CN_LAYERS_NONE,
        CN_LAYERS_ALL,
        CN_LAYERS_EVERY,     /* N + 1 divides by the period */
        CN_LAYERS_BUT_EVERY, /* the others */
    } which;
    int32_t period;
    /* A key that may say it instead: an array of bool, one per layer, or a number that replaces the
     * period. NULL: none. Where it is absent, a second one may give the period. */
    const char *key, *period_key;
};

enum cn_activation {
    CN_SILU,
    CN_GELU,           /* tanh form */
    CN_RELU_SQUARED,   /* of the gate alone: max(0, x)^2 */
    CN_SWIGLU_CLAMPED, /* of gate g and up u: g' sigmoid(1.702 g') (u' + 1), g' = min(g, 7), u'
                          within 7 */
};

/* What becomes of a router's logits; the numbers are those of the key expert_gating_func. */
enum cn_gating {
    CN_GATING_SOFTMAX = 1,
    CN_GATING_SIGMOID = 2,
    CN_GATING_SOFTMAX_CHOSEN = 3, /* softmax over the chosen ones only */
};

/* The width of the shared expert where the key expert_shared_feed_forward_length does not say it.
 */
enum cn_shared_width {
    CN_SHARED_AS_DENSE,  /* feed_forward_length */
    CN_SHARED_AS_EXPERT, /* that of an expert, times expert_shared_count */
    CN_SHARED_BY_KEY,    /* there is none then */
};

enum cn_qk_norm {
    CN_QK_NORM_HEAD,       /* RMS over a head, one weight for all heads */
    CN_QK_NORM_WHOLE,      /* RMS over the projection */
    CN_QK_NORM_LAYER_NORM, /* LayerNorm over a head, a row of weights for each */
};

/* Tokens with a meaning, which the made-up words of a synthetic model leave room for. */
struct cn_synth_special {
    int32_t id;
    const char *text;
};

struct cn_synth_vocab {
    const char *pre; /* tokenizer.ggml.pre */
    int32_t bos, eos;
    bool add_bos;
    struct cn_synth_special special[6]; /* until the first without text */
};

/* The true shape of a public model, for synthetic ones of the same cost. */
struct cn_synth_shape {
    const char *name;
    int32_t n_layer, n_vocab;
    /* The architecture's keys, "key=value key=value": integers; floats, which have a '.' or an
     * exponent; words; and [a,b,..] for an array with one entry per layer, where 5*a,b stands for a
     * five times and the whole repeats until all layers have one, or {a,b,..} for just these.
     * Numbers and hyperparameters as published with the models (their config.json). */
    const char *keys;
    /* The optional slots that the model has. */
    cn_slots has;
    const struct cn_synth_vocab *vocab;
    /* The frequency factors, where `has` holds ROPE_FREQS: those of llama 3 for a context so many
     * times as long, or 1 for this share of the frequencies and no rotation for the others. */
    float rope_factor, rope_kept;
};

struct cn_arch {
    const char *name; /* general.architecture, and the prefix of the model's keys */
    const struct cn_synth_shape *shapes; /* [n_shapes] */
    int n_shapes;

    /* Tensors: required, and allowed to be absent. token_embd is always required. Layers with
     * experts have `experts` in place of `dense_ffn`. Some forms replace each other (slots.c): one
     * of them is required. */
    cn_slots required, optional, dense_ffn, experts;

    enum cn_mixer_id mixer; /* of its layers */
    /* That of layers that keep a state instead of rows by position, which are those of a rule or
     * else those without KV heads; or beside the other one, in all layers. 0: there are none. */
    enum cn_mixer_id state_mixer;
    struct cn_layer_rule state_layers;
    bool state_beside;
    bool one_branch; /* a layer is an FFN where its feed_forward_length is not 0, else a mixer */
    enum cn_activation activation;
    enum cn_qk_norm qk_norm;
    enum cn_shared_width shared_width;
    enum cn_gating gating; /* where the key does not say; 0: softmax */

    bool layer_norm;            /* LayerNorm instead of RMS norm */
    bool parallel;              /* x + Attn(norm x) + FFN(norm x) in layers without an ffn_norm */
    bool rope_sections;         /* rope.dimension_sections: which positions a pair goes by */
    bool output_gate;           /* each head of queries brings a gate of what attention gives */
    bool neighbours_share_keys; /* delta net: heads of values side by side, not n_group apart */
    bool rope_neox;             /* pairs (i, i + n/2) instead of (2i, 2i + 1) */
    bool fused_gate_up;         /* ffn_up holds gate rows, then up rows */
    bool qk_norm_after_rope;    /* not before it */
    int32_t qk_norm_weightless; /* with fewer experts than this, queries and keys of rotated layers
                                 * get an RMS norm after the rotation; 0: never */
    bool v_norm;                /* values get an RMS norm without a weight */
    bool normalise_experts;     /* the chosen experts' weights sum to 1; key expert_weights_norm */
    bool weigh_expert_inputs;   /* an expert's weight is applied to its input */
    bool experts_beside_dense;  /* layers with experts have the dense part too; the two are added */
    bool heads_rotate_whole;    /* head size = rope.dimension_count, where there is no key_length */
    bool output_required;       /* no tied output */
    bool scale_embedding;       /* by sqrt(n_embd) */
    bool scale_keys;            /* embedding_scale, residual_scale, logit_scale keys */
    bool logit_scale_multiplies; /* key logit_scale; else it divides */
    bool longrope;               /* rope_factors_long/short, attn_factor */
    bool yarn_scales_scores;     /* yarn_log_multiplier as multi-head latent attention has it */

    float attn_softcap, final_softcap; /* defaults where the keys are absent; 0: none */
    float attn_scale;                  /* of scores; 0: 1/sqrt(head size) */
    float embedding_scale;             /* constants of the architecture; 0: 1. On the embedding, */
    float residual_depth_scale;        /* on branches, divided by sqrt(layers), */
    float output_width_scale;          /* on the last hidden vector, divided by n_embd */

    struct cn_layer_rule sliding;   /* layers with a window */
    int32_t sliding_in_layers;      /* only in models of exactly so many layers; 0: in all */
    int32_t sliding_window;         /* default where the key is absent; 0: none */
    bool window_required;           /* the key */
    bool chunked;                   /* windows begin at multiples of their size */
    float sliding_rope_base;        /* rope base of sliding layers; 0: as the others */
    bool sliding_rope_unscaled;     /* position scaling applies to the global layers only */
    struct cn_layer_rule unrotated; /* layers without positions */
    const char *rotation_key;       /* of bool: false in the file: no layer rotates; NULL: none */
    bool rotate_sliding_only;       /* where there is a window, only layers with one rotate */
    /* Queries grow with the position p by 1 + scale * ln(1 + floor((p + offset) / length)). */
    struct {
        float scale;    /* default of the key attention.temperature_scale; 0: none */
        int32_t length; /* default of the key attention.temperature_length; 0: yarn's */
        int32_t offset; /* added to the position */
        bool unrotated_only;
    } temperature;
    struct cn_layer_rule expert_layers; /* NONE: all; those below leading_dense_block_count never */
    int32_t
        head_scale_layers; /* with so many layers scores are scaled by 1/sqrt(n_embd / n_head) */
    /* File types keep the values of models with 80 layers precise (the 70 B ones): where several
     * heads of queries share one of values, or always. */
    enum { CN_VALUES_AS_OTHERS, CN_VALUES_IF_SHARED, CN_VALUES_ALWAYS } precise_values;
    int32_t
        layers_of_8b; /* as many has the 8 B model, which some file types have rules for; 0: none */
    int32_t n_streams;      /* of AltUp; 0: one residual stream */
    int32_t shared_kv_from; /* layers from here on read earlier K and V; 0: the key says it */
    struct {
        float multiplier; /* gates below mean + multiplier * deviation become 0; 0: none */
        int32_t n_layers; /* in the first so many layers */
    } sparsity;
};

struct cn_mix_model;
/* Sets what struct cn_mix_model wants to know of an architecture (NULL: an unknown one), from the
 * rest of it. */
void cn_arch_size_class(const struct cn_arch *arch, struct cn_mix_model *model);

/* NULL if there is none of this name (n bytes). */
const struct cn_arch *cn_arch_by_name(const char *name, uint64_t n);
/* Number i of the table, in its order; NULL behind the last. */
const struct cn_arch *cn_arch_at(int i);
/* "llama, qwen2, ...", for messages. */
void cn_arch_list(char *buf, uint64_t buf_bytes);

#endif
