/* SPDX-License-Identifier: MIT
 *
 * Memory that catches kernels at it: buffers flush against unmapped pages, padding that is looked
 * at afterwards, and signals turned into results.
 */
#ifndef CN_GUARDED_H
#define CN_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One buffer between two unmapped pages. */
struct cn_guarded {
    uint8_t *map, *data; /* data: the bytes between the guards */
    size_t map_bytes, capacity;
    const uint8_t *margin; /* what cn_guarded_intact() looks at */
    size_t margin_bytes;
};

/* Which guard a buffer touches; the other end is followed by checked padding. */
enum cn_place { CN_PLACE_END, CN_PLACE_START, CN_N_PLACES };

enum {
    CN_GUARD_FILL = 0xa5,   /* fresh bytes; as a float -2.9e-16: a number no check expects */
    CN_GUARD_MARGIN = 1024, /* bytes of padding that are checked, as far as there is room */
};

/* Room for buffers of up to n_bytes (at least 1). False if out of memory. */
bool cn_guarded_create(struct cn_guarded *g, size_t n_bytes);
void cn_guarded_free(struct cn_guarded *g); /* zeroed ones too */

/* The n_bytes (<= capacity) at the guard that `place` names, filled, as is the padding beside them.
 * What was taken before is gone. */
void *cn_guarded_take(struct cn_guarded *g, size_t n_bytes, enum cn_place place);

/* Whether the padding still holds what cn_guarded_take() wrote. */
bool cn_guarded_intact(const struct cn_guarded *g);

/* From begin to end SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGTRAP on this thread end the call of
 * cn_crash_catch() in which they arise. Begin and end nest; one thread at a time. False if the
 * handlers cannot be installed. */
bool cn_crash_begin(void);
void cn_crash_end(void);

/* Runs fn(arg). Returns 0, or the signal that ended it. */
int cn_crash_catch(void (*fn)(void *), void *arg);

/* "SIGSEGV" */
const char *cn_signal_name(int sig);

#endif
