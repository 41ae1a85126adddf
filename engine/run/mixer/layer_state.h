/* SPDX-License-Identifier: MIT
 *
 * What layers keep that have no rows by position: one block of floats each, whatever the KV type,
 * which every token changes. It is zero before the first token. The mixers of such layers share
 * these functions.
 */
#ifndef CN_LAYER_STATE_H
#define CN_LAYER_STATE_H

#include "engine/run/mixer/mixer.h"

/* Takes n_bytes of memory into use as the state of a layer: for a mixer's `place`. */
void cn_state_place(struct cn_session *s, int64_t layer, void *memory, size_t n_bytes);

/* The slots saved_bytes, save and restore of a mixer (mixer.h). */
size_t cn_state_saved_bytes(const struct cn_session *s, int64_t layer);
void cn_state_save(const struct cn_session *s, int64_t layer, void *copy);
void cn_state_restore(struct cn_session *s, int64_t layer, const void *copy);

/* Adds what an op does with the layer's states in the pass under way to the work of the sessions
 * whose they are. */
void cn_states_work(struct cn_group *g, const struct cn_mixer *mixer, int64_t layer, enum cn_op op);

/* The states of all layers go back to before the first token. */
void cn_states_clear(struct cn_session *s);

#endif
