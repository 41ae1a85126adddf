/* SPDX-License-Identifier: MIT
 *
 * Qwen 2 and 2.5, dense (arXiv 2407.10671).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_qwen2;
const struct cn_arch cn_arch_qwen2 = {
    .name = "qwen2",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QKV_BIAS,
    .optional = CN_BIT(OUTPUT) | CN_BIT(OUTPUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
};
