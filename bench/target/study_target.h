/* SPDX-License-Identifier: MIT
 *
 * Where the runs of a study happen. A target is one const vtable in bench/target/study_<name>.c and
 * one row in bench/target/study_targets.def; --target NAME:ADDRESS reaches it.
 *
 * All work on a target is the program itself with some arguments ("run -m ... --record ..."), the
 * same everywhere: a job. Jobs read files that were pushed before and write into a folder of their
 * own, which is their current directory. One process uses one target; several targets are worked
 * by several processes at once.
 */
#ifndef CN_STUDY_TARGET_H
#define CN_STUDY_TARGET_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

#include <limits.h>

/* What a device is; the row of `devices`. Unknown texts are "", numbers 0. */
struct cn_study_device {
    char name[128];   /* host name, or model and serial of a phone */
    char kernel[256]; /* as uname -srm says */
};

struct cn_study_target_options {
    const char *address;       /* behind "adb:"; "" if there is none */
    const char *program;       /* this program, to be run (local) or whose sibling is pushed */
    const char *work;          /* absolute path of an existing folder on this machine */
    const char *root;          /* --root of the meters; NULL: "/" */
    const char *study;         /* tells this study from others that share the folder */
    const char *device_binary; /* what is pushed in place of the sibling; NULL: none */
    void *user;
    /* A line for the user: what is waited for, what was pushed. May be NULL. */
    void (*note)(void *user, const char *text);
    /* Asked at least ten times a second during everything that lasts; true ends it with
     * CN_ERR_CANCELLED. May be NULL. */
    bool (*cancel)(void *user);
};

struct cn_study_job {
    const char *name;        /* a file name: of its folder, the same for each attempt of a run */
    const char *const *argv; /* [NULL-terminated] without the program's name */
    double timeout_s;        /* ended after so long; 0: never */
};

struct cn_study_outcome {
    int exit_code;         /* -1: killed by `signal` */
    int signal;            /* 9 where memory ran out */
    double seconds;        /* as this machine saw it; NaN if not seen from start to end */
    char folder[PATH_MAX]; /* on this machine: "stdout", "stderr", and what the job wrote */
};

struct cn_study_target {
    const char *name; /* "local", "adb", "ssh": what stands before the colon */
    /* Reaches it and says what it is. `options` outlives the target. CN_ERR_IO: not there; the text
     * says what to do. *state is then untouched. */
    enum cn_status (*probe)(const struct cn_study_target_options *options, void **state,
                            struct cn_study_device *device, struct cn_error *err);
    /* Puts the program there if it is not yet, tries it, ends jobs left over from a study that was
     * killed. */
    enum cn_status (*prepare)(void *state, struct cn_error *err);
    /* Makes a file of this machine readable by jobs, once: a file of the same sha256 (64 hex
     * digits; NULL: small, always copied) is there already. `path` is how jobs call it. */
    enum cn_status (*push)(void *state, const char *file, const char *sha256, char path[PATH_MAX],
                           struct cn_error *err);
    /* Runs a job to its end. It must not end with the connection: where that breaks, this waits for
     * it to come back. A job that fails is CN_OK with its exit code. */
    enum cn_status (*run)(void *state, const struct cn_study_job *job,
                          struct cn_study_outcome *outcome, struct cn_error *err);
    /* Brings the job's files here, then removes them there; sets outcome->folder. The caller
     * removes that folder. A file "samples" in it, what a meter outside of the program recorded
     * meanwhile in a form that cn_attribute_files reads, prices the phases of "trace.jsonl" in the
     * place of the program's own meters. */
    enum cn_status (*collect)(void *state, const struct cn_study_job *job,
                              struct cn_study_outcome *outcome, struct cn_error *err);
    /* Temperature, charger, load, governor, ... now: cn_state_read on it. */
    enum cn_status (*look)(void *state, struct cn_system_state *now, struct cn_error *err);
    /* Bytes of memory that a job could have now; 0: unknown. */
    uint64_t (*free_memory)(void *state);
    void (*close)(void *state); /* NULL is allowed */
};

/* The target that `name` ("adb:SERIAL") means; *address is what stands behind the colon, "" if
 * nothing does. NULL if there is none. */
const struct cn_study_target *cn_study_target_find(const char *name, const char **address);

#define CN_STUDY_TARGET(name) extern const struct cn_study_target cn_study_##name;
#include "bench/target/study_targets.def"
#undef CN_STUDY_TARGET

#endif
