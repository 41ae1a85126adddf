/* SPDX-License-Identifier: MIT
 *
 * The weights a model may have: what a file calls them, their shapes in terms of hyperparameters,
 * and where they go. The one place that knows this; the loader and synthetic models go by it.
 */
#ifndef CN_SLOTS_H
#define CN_SLOTS_H

#include "engine/model/model.h"

#include <stddef.h>

enum cn_slot_kind {
    CN_MATRIX, /* weights that are multiplied with: a struct cn_weight */
    CN_FLOATS, /* norms, biases, coefficients: float, f16 or bf16 in the file; a const float * */
    CN_TAPS,   /* the same, transposed: a struct cn_taps */
};

struct cn_slot_info {
    const char *name; /* behind blk.N. for slots of layers */
    enum cn_slot_kind kind;
    size_t field;    /* offset in struct cn_model or struct cn_layer */
    uint8_t dims[3]; /* as cn_slot_shape reads them */
};
extern const struct cn_slot_info cn_slot_infos[CN_N_SLOTS];

/* The slot's name in a file; layer is not looked at for slots of the model. */
void cn_slot_name(enum cn_slot slot, int64_t layer, char *buf, size_t n);

/* The name of one expert's matrix where each is a tensor of its own, as in old files:
 * blk.N.ffn_gate.E.weight for blk.N.ffn_gate_exps.weight. False: the slot is not of experts. */
bool cn_slot_expert_name(enum cn_slot slot, int64_t layer, int64_t expert, char *buf, size_t n);

/* The shape [columns, rows, matrices] that the slot has in a layer; unused ones are 1. */
void cn_slot_shape(const struct cn_arch *arch, const struct cn_hparams *hp, enum cn_slot slot,
                   int64_t layer, int64_t ne[3]);

/* The slots that a layer (-1: the model itself; n_layer: its NextN block) needs, and those it may
 * have, before it is known in which form some of them are there. */
void cn_slots_of(const struct cn_arch *arch, const struct cn_hparams *hp, int64_t layer,
                 cn_slots *required, cn_slots *allowed);

/* Forms that replace each other: with `one`, none of `others`. NULL behind the last. */
struct cn_slot_forms {
    enum cn_slot one;
    cn_slots others;
};
const struct cn_slot_forms *cn_slot_forms(int i);

#endif
