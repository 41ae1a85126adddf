/* SPDX-License-Identifier: MIT
 *
 * What the shared parts of the command line know of each other; commands need cli/cli.h only.
 */
#ifndef CN_COMMAND_H
#define CN_COMMAND_H

#include <stddef.h>

/* The command whose name messages carry; NULL (as at the start): "carnot" alone. The string is
 * kept, not copied. */
void cn_message_command(const char *name);

/* Takes the progress line off the terminal, so that a message does not land in the middle of it. */
void cn_progress_clear(void);

/* From now on SIGINT, SIGHUP and SIGTERM set what cn_interrupted() tells, once each; the second one
 * kills as usual. Those that are ignored (nohup, a background job) stay ignored. */
void cn_interrupt_install(void);

/* From now on SIGBUS (a mapped file was truncated) ends the program with a line on stderr that
 * names the file, and exit 1. */
void cn_bus_error_install(void);

/* From now on writing to a pipe that nobody reads, or past the limit of a file's size, is an error
 * of the write and no signal that ends the program. */
void cn_result_install(void);
/* Flushes and closes stdout. Returns `code`, or CN_EXIT_FAILED if it was CN_EXIT_OK and some of the
 * result is lost, after a line that says why. */
int cn_result_end(int code);
/* errno of what lost the result; `otherwise` where that is not known. */
int cn_result_reason(int otherwise);
/* From here on cn_result_lost() says no more: what is left is to say why. */
void cn_result_told(void);

/* The candidate that `given` is most likely a misspelling of, or NULL if none is close. Skips NULL
 * candidates. */
const char *cn_nearest(const char *given, const char *const *candidates, size_t n_candidates);

/* "0.1.0 6fce729": version and commit. */
const char *cn_version(void);

/* Prints version, commit, compiler and tiers to stdout. Returns the exit code: CARNOT_TIERS may be
 * wrong. */
int cn_version_print(void);

#endif
