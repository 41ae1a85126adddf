/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/mixer.h"

#define CN_MIXER(name, NAME, slots) extern const struct cn_mixer cn_mixer_##name;
#include "engine/run/mixer/mixers.def"
#undef CN_MIXER

const struct cn_mixer *cn_mixer_of(const struct cn_model *model, int64_t layer, int i)
{
#define CN_MIXER(name, NAME, slots) [CN_MIXER_##NAME] = &cn_mixer_##name,
    static const struct cn_mixer *const mixers[CN_N_MIXERS] = {
#include "engine/run/mixer/mixers.def"
    };
#undef CN_MIXER
    const struct cn_layer_hparams *l = &model->hp.layers[layer];
    return i < l->n_mixers ? mixers[l->mixers[i]] : NULL;
}

void cn_mixer_output(struct cn_session *s, const struct cn_weight *weight, const float *rows,
                     int64_t stride, int64_t n, int64_t n_cols)
{
    struct cn_product out = { weight, 0, &s->input, s->t, s->model->hp.n_embd };
    cn_input_set(&s->input, rows, stride, n, n_cols);
    cn_products_run(s, &out, 1);
}
