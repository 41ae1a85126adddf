/* SPDX-License-Identifier: MIT
 *
 * Copies of the layers' states, which cannot be cut back: what a session goes back to. Sessions
 * whose layers keep rows by position only have none.
 */
#ifndef CN_COPIES_H
#define CN_COPIES_H

#include "base/layout.h"
#include "engine/run/mixer/mixer.h"

/* Takes a piece of the session's memory for them. */
void cn_copies_carve(struct cn_session *s, const struct cn_mixer_sizes *sizes, struct cn_layout *c);

/* Takes the copy that s->keep asks for, of the session as it stands, and sets s->keep to nothing. A
 * mark takes the place of the last mark; else that of the copy longest unused, unless there is one
 * of this position. logits [n_vocab] are those of the last token; NULL: they were not wanted. */
void cn_copies_take(struct cn_session *s, const float *logits);

/* The copy nearest before or at a position; NULL if there is none. */
struct cn_copy *cn_copies_find(struct cn_session *s, int32_t position);

/* The states of all layers into the session or out of it; a copy that was gone back to counts as
 * used. */
void cn_copies_restore(struct cn_session *s, struct cn_copy *copy);

/* Forgets those behind a position. */
void cn_copies_drop(struct cn_session *s, int32_t position);

#endif
