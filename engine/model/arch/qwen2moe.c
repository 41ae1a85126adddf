/* SPDX-License-Identifier: MIT
 *
 * Qwen 1.5/2 mixtures of experts, with a gated shared expert (arXiv 2407.10671).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_qwen2moe;
const struct cn_arch cn_arch_qwen2moe = {
    .name = "qwen2moe",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QKV_BIAS,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_EXPERT,
    .rope_neox = true,
    .output_required = true,
};
