/* SPDX-License-Identifier: MIT
 *
 * OLMoE (arXiv 2409.02060).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_olmoe;
const struct cn_arch cn_arch_olmoe = {
    .name = "olmoe",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .rope_neox = true,
    .qk_norm = CN_QK_NORM_WHOLE,
    .output_required = true,
};
