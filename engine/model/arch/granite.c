/* SPDX-License-Identifier: MIT
 *
 * Granite 3: Llama with scales on embedding, residual, scores and logits.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_granite;
const struct cn_arch cn_arch_granite = {
    .name = "granite",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(GATE_B) |
                CN_BIT(UP_B) | CN_BIT(DOWN_B) | CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .scale_keys = true,
};
