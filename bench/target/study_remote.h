/* SPDX-License-Identifier: MIT
 *
 * What targets behind a client program (adb, ssh) have in common. A link says how the client is
 * called to run a script, to bring a file there and a folder here; all else is built from these.
 *
 * On the device, under one folder:
 *   carnot-<sha256, shortened>/NAME   a file that was pushed: the program, a model. It gets this
 *                                     place when its hash was checked there, so it is pushed once
 *   carnot-jobs-<study>/NAME/         a job: job.sh, its pid, stdout, stderr, what it writes, and
 *                                     at last `exit`. It is a session of its own: nothing here
 *                                     ends it but its end, a time limit, or this study
 *
 * A connection that breaks after the first contact is waited for: CARNOT_TARGET_WAIT_S seconds, 600
 * unless the environment says otherwise.
 */
#ifndef CN_STUDY_REMOTE_H
#define CN_STUDY_REMOTE_H

#include "base/sha256.h"
#include "bench/target/study_client.h"

enum { CN_REMOTE_PATH = 512 }; /* bytes of a path on a device */

struct cn_study_remote;

struct cn_study_link {
    const char *name;            /* of the target: "adb" */
    const char *folder;          /* as sh on the device reads it within double quotes */
    const char *folder_variable; /* of the environment here, which names another one */
    const char *what;            /* script: prints what to call the device */
    /* Paths on the device hold letters, digits and ._-/ only. */
    void (*shell)(const struct cn_study_target_options *o, const char *script,
                  struct cn_study_client *client);
    void (*put)(const struct cn_study_target_options *o, const char *file, const char *path,
                struct cn_study_client *client);
    /* A folder, with its name, into another one of this machine. */
    void (*get)(const struct cn_study_target_options *o, const char *path, const char *into,
                struct cn_study_client *client);
    /* Whether the device is there and lets us in; tries to connect if not. CN_ERR_IO says what is
     * wrong and what to do. */
    enum cn_status (*reach)(const struct cn_study_target_options *o, struct cn_error *err);
};

/* The calls of struct cn_study_target for a link. */
enum cn_status cn_remote_probe(const struct cn_study_link *link,
                               const struct cn_study_target_options *options, void **state,
                               struct cn_study_device *device, struct cn_error *err);
enum cn_status cn_remote_prepare(void *state, struct cn_error *err);
enum cn_status cn_remote_push(void *state, const char *file, const char *sha256,
                              char path[PATH_MAX], struct cn_error *err);
enum cn_status cn_remote_run(void *state, const struct cn_study_job *job,
                             struct cn_study_outcome *outcome, struct cn_error *err);
enum cn_status cn_remote_collect(void *state, const struct cn_study_job *job,
                                 struct cn_study_outcome *outcome, struct cn_error *err);
enum cn_status cn_remote_look(void *state, struct cn_system_state *now, struct cn_error *err);
uint64_t cn_remote_free_memory(void *state);
void cn_remote_close(void *state);

/* ---- study_remote.c for study_remote_jobs.c and study_remote_state.c ------------------------- */

struct cn_study_remote {
    const struct cn_study_link *link;
    const struct cn_study_target_options *options;
    char folder[CN_REMOTE_PATH], jobs[CN_REMOTE_PATH], program[CN_REMOTE_PATH];
    char machine[32]; /* as uname -m says */
    double patience_s;
    bool met;   /* it was there once: from now on it is waited for */
    int n_lost; /* times that the connection broke */
    struct cn_remote_file {
        char path[CN_REMOTE_PATH + 256], sha256[CN_SHA256_HEX];
    } * pushed; /* by this process */
    size_t n_pushed;
};

/* Runs a script by the device's sh, over and over until it came through to its end; scripts must
 * bear that. *out (malloc'ed, NULL: not wanted) is what it printed, *code how it ended. limit_s: of
 * one attempt. */
__attribute__((format(printf, 6, 7))) enum cn_status
cn_remote_shell(struct cn_study_remote *r, double limit_s, char **out, int *code,
                struct cn_error *err, const char *format, ...);
/* Copies a file to the device, or a folder from it into `into`. */
enum cn_status cn_remote_put(struct cn_study_remote *r, const char *file, const char *path,
                             struct cn_error *err);
enum cn_status cn_remote_get(struct cn_study_remote *r, const char *path, const char *into,
                             struct cn_error *err);
__attribute__((format(printf, 2, 3))) void cn_remote_note(const struct cn_study_remote *r,
                                                          const char *format, ...);
/* Seconds in small steps; CN_ERR_CANCELLED in between. */
enum cn_status cn_remote_wait(const struct cn_study_remote *r, double seconds,
                              struct cn_error *err);
/* A word as sh reads it back; false if there is no room. */
bool cn_remote_quote(const char *word, char *quoted, size_t n_bytes);

#endif
