/* SPDX-License-Identifier: MIT
 *
 * Programs that print a table, run to their ends: what each wrote to stdout, and the first line of
 * what it wrote to stderr where it failed.
 */
#ifndef CN_RIVAL_CHILD_H
#define CN_RIVAL_CHILD_H

#include "engine/carnot.h"

/* argv[0] is looked for in PATH if it holds no slash. *text: [*n], a NUL behind; the caller frees
 * it. cancel is asked ten times a second; NULL: never. CN_ERR_IO: it could not be started, or ended
 * with another exit code than 0: the text says which, and what it said. */
enum cn_status cn_rival_child(const char *const argv[], bool (*cancel)(void *user), void *user,
                              char **text, size_t *n, struct cn_error *err);

/* How several programs share the machine: one is awake at a time, for `slice_s` seconds, while the
 * others are stopped (SIGSTOP), so that what else the machine does meets all of them alike. Only
 * for programs that measure by CPU time: clocks go on while a program is stopped. */
struct cn_rival_turns {
    double slice_s; /* > 0 */
    int cpu;        /* all of them stay on; -1: wherever they like */
};

/* The same for n programs at once: text[i] and n_bytes[i] of argv[i]. turns: NULL only with n = 1.
 * The first that fails ends all. */
enum cn_status cn_rival_children(const char *const *const argv[], size_t n,
                                 const struct cn_rival_turns *turns, bool (*cancel)(void *user),
                                 void *user, char *text[], size_t n_bytes[], struct cn_error *err);

#endif
