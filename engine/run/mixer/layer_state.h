/* SPDX-License-Identifier: MIT
 *
 * What layers keep that have no rows by position: one block of floats each, whatever the KV type,
 * which every token changes. It is zero before the first token. The mixers of such layers share
 * these functions.
 */
#ifndef CN_LAYER_STATE_H
#define CN_LAYER_STATE_H

#include "engine/run/session.h"

/* Takes n_bytes of memory into use as the state of a layer: for a mixer's `place`. */
void cn_state_place(struct cn_session *s, int64_t layer, void *memory, size_t n_bytes);

/* The slots saved_bytes, save and restore of a mixer (mixer.h). */
size_t cn_state_saved_bytes(const struct cn_session *s, int64_t layer);
void cn_state_save(const struct cn_session *s, int64_t layer, void *copy);
void cn_state_restore(struct cn_session *s, int64_t layer, const void *copy);

/* The states of all layers go back to before the first token. */
void cn_states_clear(struct cn_session *s);

#endif
