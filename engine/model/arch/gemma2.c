/* SPDX-License-Identifier: MIT
 *
 * Gemma 2: norms around both branches, soft caps, every other layer slides (arXiv 2408.00118).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "gemma-2-2b", .n_layer = 26, .n_vocab = 256000, .vocab = &cn_vocab_gemma,
      .keys = "context_length=8192 embedding_length=2304 feed_forward_length=9216 "
              "attention.head_count=8 attention.head_count_kv=4 attention.key_length=256 "
              "attention.value_length=256 rope.dimension_count=256 rope.freq_base=1e4 "
              "attention.layer_norm_rms_epsilon=1e-6 attn_logit_softcapping=50.0 "
              "final_logit_softcapping=30.0 attention.sliding_window=4096" },
    { .name = "gemma-2-9b", .n_layer = 42, .n_vocab = 256000, .vocab = &cn_vocab_gemma,
      .keys = "context_length=8192 embedding_length=3584 feed_forward_length=14336 "
              "attention.head_count=16 attention.head_count_kv=8 attention.key_length=256 "
              "attention.value_length=256 rope.dimension_count=256 rope.freq_base=1e4 "
              "attention.layer_norm_rms_epsilon=1e-6 attn_logit_softcapping=50.0 "
              "final_logit_softcapping=30.0 attention.sliding_window=4096" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_gemma2;
const struct cn_arch cn_arch_gemma2 = {
    .name = "gemma2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_SLOTS_SPLIT_QKV,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .activation = CN_GELU,
    .scale_embedding = true,
    .attn_softcap = 50,
    .final_softcap = 30,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 2,
                .key = "attention.sliding_window_pattern"},
    .sliding_window = 4096,
    .head_scale_layers = 46,
};
