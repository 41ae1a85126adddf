/* SPDX-License-Identifier: MIT
 *
 * Gemma 4: head sizes and KV heads by kind of layer, inputs by layer in the small models, experts
 * beside a dense part in the sparse one.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_gemma4;
const struct cn_arch cn_arch_gemma4 = {
    .name = "gemma4",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_BIT(Q) | CN_BIT(K) |
                CN_BIT(ATTN_OUT) | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT) | CN_BIT(V) | CN_BIT(ROPE_FREQS) | CN_BIT(LAYER_SCALE) |
                CN_BIT(GATE_UP_EXPS) | CN_BIT(LAYER_EMBD) | CN_BIT(LAYER_PROJ) |
                CN_BIT(LAYER_PROJ_NORM) | CN_BIT(INPUT_GATE) | CN_BIT(INPUT_PROJ) |
                CN_BIT(INPUT_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_BIT(ROUTER_SCALE) | CN_BIT(POST_DENSE_NORM) |
               CN_BIT(PRE_EXPERTS_NORM) | CN_BIT(POST_EXPERTS_NORM),
    .activation = CN_GELU,
    .normalise_experts = true,
    .experts_beside_dense = true,
    .rope_neox = true,
    .v_norm = true,
    .scale_embedding = true,
    .final_softcap = 30,
    .attn_scale = 1,
    .sliding = {CN_LAYERS_BUT_EVERY, 6, "attention.sliding_window_pattern"},
    .sliding_rope_base = 10000,
    .sliding_rope_unscaled = true,
};
