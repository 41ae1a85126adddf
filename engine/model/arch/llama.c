/* SPDX-License-Identifier: MIT
 *
 * Llama 1 to 3, Mistral, SmolLM, Mixtral (arXiv 2302.13971, 2407.21783, 2401.04088).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_llama;
const struct cn_arch cn_arch_llama = {
    .name = "llama",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(GATE_B) |
                CN_BIT(UP_B) | CN_BIT(DOWN_B) | CN_BIT(ROPE_FREQS) | CN_BIT(ROPE_LONG) |
                CN_BIT(ROPE_SHORT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
    .longrope = true,
};
