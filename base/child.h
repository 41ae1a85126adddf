/* SPDX-License-Identifier: MIT
 *
 * Programs that meters run: their output through a pipe, their end certain.
 */
#ifndef CN_CHILD_H
#define CN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cn_child {
    pid_t pid; /* also of its process group; 0: none */
    int fd;    /* its standard output, not blocking; -1: none */
};

/* Starts argv[0] (looked for in PATH if it holds no slash) in a process group of its own, so that a
 * Ctrl-C in the terminal does not reach it and all that it starts can be ended with it. stdin is
 * empty; stderr stays, or with errors_too goes where its output goes. 0 or -errno. */
int cn_child_start(struct cn_child *child, const char *const argv[], bool errors_too);

/* Ends the whole group (SIGTERM; SIGKILL after half a second) if it still runs, and forgets it. Its
 * wait status; -1 if there was none. */
int cn_child_stop(struct cn_child *child);

/* Whether it has ended by itself; *status is then set, and the child needs no stop but may have
 * one. */
bool cn_child_ended(struct cn_child *child, int *status);

/* "exit 3", "killed by signal 9". */
void cn_child_describe(int status, char *text, size_t n_bytes);

/* Runs a program to its end and keeps its first n_bytes - 1 bytes. The length of text, or -errno;
 * -ETIMEDOUT if it takes longer than timeout_ms; it is ended then. *status as of waitpid. */
int cn_child_run(const char *const argv[], int timeout_ms, char *text, size_t n_bytes, int *status);

#endif
