/* SPDX-License-Identifier: MIT
 *
 * Gemma 3n: four residual streams, a low-rank side branch, inputs by layer, sparse activations in
 * the first layers, and late layers that read the keys and values of earlier ones.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "gemma-3n-e2b", .n_layer = 30, .n_vocab = 262144, .vocab = &cn_vocab_gemma,
      .keys = "context_length=32768 embedding_length=2048 feed_forward_length=8192 "
              "attention.head_count=8 attention.head_count_kv=2 attention.key_length=256 "
              "attention.value_length=256 rope.dimension_count=256 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-6 attention.sliding_window=512 "
              "embedding_length_per_layer_input=256 altup.num_inputs=4 altup.active_idx=0" },
    { .name = "gemma-3n-e4b", .n_layer = 35, .n_vocab = 262144, .vocab = &cn_vocab_gemma,
      .keys = "context_length=32768 embedding_length=2048 feed_forward_length=16384 "
              "attention.head_count=8 attention.head_count_kv=2 attention.key_length=256 "
              "attention.value_length=256 rope.dimension_count=256 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-6 attention.sliding_window=512 "
              "embedding_length_per_layer_input=256 altup.num_inputs=4 altup.active_idx=0" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_gemma3n;
const struct cn_arch cn_arch_gemma3n = {
    .name = "gemma3n",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QK_NORM |
                CN_BIT(LAYER_EMBD) | CN_BIT(LAYER_PROJ) | CN_BIT(LAYER_PROJ_NORM) |
                CN_BIT(ALTUP_PROJ) | CN_BIT(ALTUP_UNPROJ) | CN_BIT(INPUT_GATE) |
                CN_BIT(INPUT_PROJ) | CN_BIT(INPUT_NORM) | CN_BIT(ALTUP_ROUTER) |
                CN_BIT(ALTUP_ROUTER_NORM) | CN_BIT(ALTUP_PREDICT) | CN_BIT(ALTUP_CORRECT) |
                CN_BIT(ALTUP_SCALE) | CN_BIT(LAUREL_DOWN) | CN_BIT(LAUREL_UP) | CN_BIT(LAUREL_NORM),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .activation = CN_GELU,
    .rope_neox = true,
    .v_norm = true,
    .scale_embedding = true,
    .final_softcap = 30,
    .attn_scale = 1,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 5,
                .key = "attention.sliding_window_pattern" },
    .sliding_rope_base = 10000,
    .sliding_rope_unscaled = true,
    .n_streams = 4,
    .shared_kv_from = 20,
    .sparsity = { .multiplier = 1.6448533535003662f,                           .n_layers = 10},
};
