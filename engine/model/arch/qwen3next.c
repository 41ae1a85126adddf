/* SPDX-License-Identifier: MIT
 *
 * Qwen3-Next: what became Qwen 3.5, with heads in another order.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_qwen3next;
const struct cn_arch cn_arch_qwen3next = {
    .name = "qwen3next",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(SECOND_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_DELTA | CN_BIT(DELTA_BA),
    .optional = CN_BIT(OUTPUT) | CN_BIT(GATE_UP_EXPS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_EXPERT,
    .state_mixer = CN_MIXER_DELTA,
    .state_layers = {.which = CN_LAYERS_BUT_EVERY,
                     .period = 4,
                     .key = "attention.recurrent_layers",
                     .period_key = "full_attention_interval"},
    .normalise_experts = true,
    .output_gate = true,
    .neighbours_share_keys = true,
    .rope_neox = true,
};
