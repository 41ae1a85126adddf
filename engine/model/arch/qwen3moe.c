/* SPDX-License-Identifier: MIT
 *
 * Qwen 3, mixtures of experts (arXiv 2505.09388).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_qwen3moe;
const struct cn_arch cn_arch_qwen3moe = {
    .name = "qwen3moe",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .rope_neox = true,
    .normalise_experts = true,
};
