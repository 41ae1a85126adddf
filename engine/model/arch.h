/* SPDX-License-Identifier: MIT
 *
 * What an architecture is: one const descriptor in engine/arch/<name>.c and a row in archs.def. The
 * forward pass (forward.c) reads these fields; nothing else knows architectures by name.
 * Formulas: the architectures' papers; names and keys: the GGUF specification.
 */
#ifndef CN_ARCH_H
#define CN_ARCH_H

#include <stdbool.h>
#include <stdint.h>

struct cn_model;

/* The weights a model may have. Layer slots stand once per layer as blk.N.<name>. */
enum cn_slot {
    CN_SLOT_TOKEN_EMBD,
    CN_SLOT_OUTPUT_NORM,
    CN_SLOT_OUTPUT_NORM_B,
    CN_SLOT_OUTPUT,
    CN_SLOT_OUTPUT_B,
    CN_SLOT_ROPE_FREQS,
    CN_SLOT_ROPE_LONG,
    CN_SLOT_ROPE_SHORT,
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
    CN_SLOT_POST_ATTN_NORM,
    CN_SLOT_FFN_NORM,
    CN_SLOT_GATE,
    CN_SLOT_UP,
    CN_SLOT_DOWN,
    CN_SLOT_GATE_B,
    CN_SLOT_UP_B,
    CN_SLOT_DOWN_B,
    CN_SLOT_POST_FFN_NORM,
    CN_SLOT_ROUTER,
    CN_SLOT_GATE_EXPS,
    CN_SLOT_UP_EXPS,
    CN_SLOT_DOWN_EXPS,
    CN_SLOT_SHARED_ROUTER,
    CN_SLOT_GATE_SHARED,
    CN_SLOT_UP_SHARED,
    CN_SLOT_DOWN_SHARED,
    CN_N_SLOTS
};
#define CN_BIT(slot) (1ull << CN_SLOT_##slot)

/* Groups of slots that many architectures share. */
#define CN_SLOTS_SPLIT_QKV  (CN_BIT(Q) | CN_BIT(K) | CN_BIT(V) | CN_BIT(ATTN_OUT))
#define CN_SLOTS_QKV_BIAS   (CN_BIT(Q_B) | CN_BIT(K_B) | CN_BIT(V_B))
#define CN_SLOTS_PRE_NORMS  (CN_BIT(ATTN_NORM) | CN_BIT(FFN_NORM) | CN_BIT(OUTPUT_NORM))
#define CN_SLOTS_POST_NORMS (CN_BIT(POST_ATTN_NORM) | CN_BIT(POST_FFN_NORM))
#define CN_SLOTS_GATED_FFN  (CN_BIT(GATE) | CN_BIT(UP) | CN_BIT(DOWN))
#define CN_SLOTS_EXPERTS    (CN_BIT(ROUTER) | CN_BIT(GATE_EXPS) | CN_BIT(UP_EXPS) | CN_BIT(DOWN_EXPS))
#define CN_SLOTS_SHARED_EXPERT \
    (CN_BIT(SHARED_ROUTER) | CN_BIT(GATE_SHARED) | CN_BIT(UP_SHARED) | CN_BIT(DOWN_SHARED))

struct cn_arch {
    const char *name; /* general.architecture, and the prefix of the model's keys */

    /* Tensors: required, and allowed to be absent. token_embd is always required. Models with
     * experts have `experts` in place of `dense_ffn`. */
    uint64_t required, optional, dense_ffn, experts;

    bool layer_norm;        /* LayerNorm with bias instead of RMS norm */
    bool parallel;          /* x + Attn(norm x) + FFN(norm x) */
    bool rope_neox;         /* pairs (i, i + n/2) instead of (2i, 2i + 1) */
    bool gelu;              /* instead of SiLU */
    bool fused_gate_up;     /* ffn_up holds gate rows, then up rows */
    bool qk_norm_whole;     /* Q/K norms span the projection, not a head */
    bool normalise_experts; /* the chosen experts' weights sum to 1 */
    bool output_required;   /* no tied output */
    bool scale_embedding;   /* by sqrt(n_embd) */
    bool granite_scales;    /* embedding_scale, residual_scale, logit_scale, attention.scale keys */
    bool longrope;          /* rope_factors_long/short, attn_factor */

    float attn_softcap, final_softcap; /* defaults where the keys are absent; 0: none */
    /* Sliding windows: layer N slides unless N % period == period - 1. 0: no layer slides; 1: ...
     */
    int sliding_period;
    bool sliding_all;           /* every layer slides if the window key is there */
    int32_t sliding_window;     /* default where the key is absent; 0: none */
    float sliding_rope_base;    /* rope base of sliding layers; 0: as the others */
    bool sliding_rope_unscaled; /* position scaling applies to the global layers only */
    int32_t
        head_scale_layers; /* with this many layers scores are scaled by 1/sqrt(n_embd / n_head) */
};

/* NULL if there is none of this name (n bytes). */
const struct cn_arch *cn_arch_by_name(const char *name, uint64_t n);
/* "llama, qwen2, ...", for messages. */
void cn_arch_list(char *buf, uint64_t buf_bytes);

#endif
