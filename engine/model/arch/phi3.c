/* SPDX-License-Identifier: MIT
 *
 * Phi-3 and 3.5: fused projections, sliding window, longrope (arXiv 2404.14219).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_phi3;
const struct cn_arch cn_arch_phi3 = {
    .name = "phi3",
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(QKV) | CN_BIT(ATTN_OUT),
    .optional = CN_BIT(OUTPUT) | CN_BIT(ROPE_LONG) | CN_BIT(ROPE_SHORT),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .rope_neox = true,
    .fused_gate_up = true,
    .longrope = true,
    .sliding = { .which = CN_LAYERS_ALL },
};
