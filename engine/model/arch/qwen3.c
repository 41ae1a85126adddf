/* SPDX-License-Identifier: MIT
 *
 * Qwen 3, dense (arXiv 2505.09388).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_qwen3;
const struct cn_arch cn_arch_qwen3 = {
    .name = "qwen3",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(Q_NORM) | CN_BIT(K_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
};
