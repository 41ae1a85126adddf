/* SPDX-License-Identifier: MIT
 *
 * What a synthetic model is made of, from its architecture's shape: metadata, hyperparameters and
 * the tensors that it has.
 */
#ifndef CN_SYNTH_MODEL_H
#define CN_SYNTH_MODEL_H

#include "engine/model/slots.h"

struct cn_synth_model {
    const struct cn_arch *arch;
    const struct cn_synth_shape *shape;
    struct cn_hparams hp;
    struct cn_gguf gguf; /* its keys are those of the architecture; its tensors stand for nothing */
    void *bytes;         /* of gguf */
};

/* Shape number i of all architectures, in the order of their tables; NULL at and beyond the last.
 */
const struct cn_synth_shape *cn_synth_shape_at(int i, const struct cn_arch **arch);

/* The first n_layer layers of a shape. To be closed, after an error too. */
enum cn_status cn_synth_model_open(const struct cn_arch *arch, const struct cn_synth_shape *shape,
                                   int32_t n_layer, struct cn_synth_model *m, struct cn_error *err);
void cn_synth_model_close(struct cn_synth_model *m);

/* The slots that a layer (-1: the model itself) has. */
cn_slots cn_synth_model_slots(const struct cn_synth_model *m, int64_t layer);

#endif
