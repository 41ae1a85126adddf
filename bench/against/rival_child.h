/* SPDX-License-Identifier: MIT
 *
 * A program that prints a table, run to its end: what it wrote to stdout, and the first line of
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

#endif
