/* SPDX-License-Identifier: MIT
 *
 * gpt-oss: sinks, every other layer slides, biases everywhere, clamped experts (arXiv 2508.10925).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_gpt_oss;
const struct cn_arch cn_arch_gpt_oss = {
    .name = "gpt-oss",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(SECOND_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SINKS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_BIT(ROUTER_B) | CN_BIT(GATE_EXPS_B) | CN_BIT(UP_EXPS_B) |
               CN_BIT(DOWN_EXPS_B),
    .activation = CN_SWIGLU_CLAMPED,
    .gating = CN_GATING_SOFTMAX_CHOSEN,
    .rope_neox = true,
    .heads_rotate_whole = true,
    .output_required = true,
    .sliding = {CN_LAYERS_BUT_EVERY, 2, "attention.sliding_window_pattern"},
    .window_required = true,
};
