/* SPDX-License-Identifier: MIT
 *
 * Jobs on a device: begun in a session of their own, looked after from time to time, collected.
 */
#include "base/clock.h"
#include "bench/target/study_folder.h"
#include "bench/target/study_remote.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A job that is not there any more, though it left no exit code, was ended with all of its session:
 * a reboot, most often. It is begun once more. */
enum { TRIES = 2, SIGNALS_FROM = 128, KILLED = 9 };

/* Not seen to begin after so long and so many looks, it will not. Time alone says nothing: both
 * sides may have been held up. */
static const double BEGIN_S = 20;
enum { BEGIN_LOOKS = 20 };

/* What job.sh says; malloc'ed. NULL: no room for a word, or no memory. */
static char *script_of(const struct cn_study_remote *r, const struct cn_study_job *job)
{
    char *text = NULL, word[4 * PATH_MAX];
    size_t n;
    bool room = true;
    FILE *f = open_memstream(&text, &n);
    if (!f)
        return NULL;
    fprintf(f, "cd %s/%s || exit\necho $$ >pid\n%s", r->jobs, job->name, r->program);
    for (int i = 0; job->argv[i] && room; i++) {
        room = cn_remote_quote(job->argv[i], word, sizeof word);
        fprintf(f, " %s", room ? word : "");
    }
    fprintf(f, " >stdout 2>stderr </dev/null\necho $? >exit.new\nmv exit.new exit\n");
    if (fclose(f) == 0 && room)
        return text;
    free(text);
    return NULL;
}

/* Called again after the connection broke, this begins the job once: the first call leaves the file
 * `started-...`, of a name that no other call uses. */
static enum cn_status begin(struct cn_study_remote *r, const struct cn_study_job *job,
                            struct cn_error *err)
{
    int code;
    char *script = script_of(r, job);
    CN_RETURN_IF(!script, CN_ERR_ARGUMENT, err, "%s: its command line is too long for a device",
                 job->name);
    unsigned long long once = (unsigned long long)(cn_seconds() * 1e6);
    enum cn_status status =
        cn_remote_shell(r, 0, NULL, &code, err,
                        "j=%s/%s\n[ -e $j/started-%llx ] && exit\n"
                        "rm -rf $j; mkdir -p $j && cat >$j/job.sh <<'CARNOT-JOB' || exit\n"
                        "%sCARNOT-JOB\n"
                        ">$j/started-%llx && setsid sh $j/job.sh </dev/null >/dev/null 2>&1 &",
                        r->jobs, job->name, once, script, once);
    free(script);
    CN_RETURN_IF(status == CN_OK && code != 0, CN_ERR_IO, err, "%s:%s: cannot write %s/%s there",
                 r->link->name, r->options->address, r->jobs, job->name);
    return status;
}

enum job_state { STARTING, RUNNING, GONE, ENDED };

static enum cn_status ask(struct cn_study_remote *r, const struct cn_study_job *job,
                          enum job_state *state, int *exit_code, struct cn_error *err)
{
    static const char *const names[] = { "starting", "running", "gone" };
    char *out;
    int code;
    CN_TRY(cn_remote_shell(r, 0, &out, &code, err,
                           "cd %s/%s && [ -e exit ] && exec cat exit\n"
                           "read p <pid || { echo starting; exit; }\n"
                           "grep -qF %s/ /proc/$p/cmdline && echo running && exit\n"
                           "[ -e exit ] && exec cat exit\n"
                           "echo gone",
                           r->jobs, job->name, job->name));
    /* The last line; above it is what the shell complains about. */
    size_t n = strlen(out);
    while (n && out[n - 1] == '\n')
        out[--n] = 0;
    const char *newline = strrchr(out, '\n'), *line = newline ? newline + 1 : out;
    *state = ENDED;
    for (int i = STARTING; i <= GONE; i++)
        if (strcmp(line, names[i]) == 0)
            *state = (enum job_state)i;
    *exit_code = atoi(line);
    bool known = *state != ENDED || isdigit((unsigned char)*line);
    enum cn_status status = known
                                ? CN_OK
                                : cn_fail(err, CN_ERR_IO, "%s:%s: cannot tell how %s is: '%.200s'",
                                          r->link->name, r->options->address, job->name, line);
    free(out);
    return status;
}

static enum cn_status end(struct cn_study_remote *r, const struct cn_study_job *job,
                          struct cn_error *err)
{
    int code;
    return cn_remote_shell(r, 0, NULL, &code, err,
                           "cd %s/%s && read p <pid && grep -qF %s/ /proc/$p/cmdline && "
                           "kill -9 -- -$p",
                           r->jobs, job->name, job->name);
}

/* The study is being ended: its job too, if that can be done at once. */
static void end_at_once(struct cn_study_remote *r, const struct cn_study_job *job)
{
    const struct cn_study_target_options *kept = r->options;
    struct cn_study_target_options quiet = *kept;
    bool met = r->met;
    quiet.cancel = NULL;
    quiet.note = NULL;
    r->options = &quiet;
    r->met = false;
    end(r, job, NULL);
    r->options = kept;
    r->met = met;
}

/* Seldom enough not to be a load of its own: a twentieth of the time it has run. */
static double until_next_look(double elapsed_s)
{
    double s = elapsed_s / 20;
    return s < 0.05 ? 0.05 : s > 5 ? 5 : s;
}

/* To its end; *state is then ENDED or GONE. */
static enum cn_status attend(struct cn_study_remote *r, const struct cn_study_job *job,
                             enum job_state *state, int *exit_code, struct cn_error *err)
{
    double start = cn_seconds();
    for (int looks = 1;; looks++) {
        CN_TRY(ask(r, job, state, exit_code, err));
        double elapsed = cn_seconds() - start;
        if (*state == ENDED || *state == GONE)
            return CN_OK;
        if (job->timeout_s > 0 && elapsed > job->timeout_s) {
            CN_TRY(end(r, job, err));
            *state = ENDED;
            *exit_code = SIGNALS_FROM + KILLED;
            return CN_OK;
        }
        if (*state == STARTING && elapsed > BEGIN_S && looks > BEGIN_LOOKS) {
            *state = GONE;
            return CN_OK;
        }
        CN_TRY(cn_remote_wait(r, until_next_look(elapsed), err));
    }
}

enum cn_status cn_remote_run(void *opaque, const struct cn_study_job *job,
                             struct cn_study_outcome *outcome, struct cn_error *err)
{
    struct cn_study_remote *r = opaque;
    enum job_state state = GONE;
    enum cn_status status = CN_OK;
    int exit_code = 0, n_lost = 0;
    double start = 0;
    for (int i = 0; i < TRIES && state == GONE && status == CN_OK; i++) {
        if (i > 0)
            cn_remote_note(r, "%s is gone (was the device started anew?); it begins once more",
                           job->name);
        status = begin(r, job, err);
        start = cn_seconds();
        n_lost = r->n_lost;
        if (status == CN_OK)
            status = attend(r, job, &state, &exit_code, err);
    }
    if (status == CN_ERR_CANCELLED)
        end_at_once(r, job);
    if (status != CN_OK)
        return status;
    if (n_lost == r->n_lost)
        outcome->seconds = cn_seconds() - start;
    bool killed = state == GONE || exit_code > SIGNALS_FROM;
    outcome->exit_code = killed ? -1 : exit_code;
    outcome->signal = !killed ? 0 : state == GONE ? KILLED : exit_code - SIGNALS_FROM;
    CN_RETURN_IF(outcome->exit_code == 126 || outcome->exit_code == 127, CN_ERR_IO, err,
                 "%s:%s: cannot run %s there", r->link->name, r->options->address, r->program);
    return CN_OK;
}

enum cn_status cn_remote_collect(void *opaque, const struct cn_study_job *job,
                                 struct cn_study_outcome *outcome, struct cn_error *err)
{
    struct cn_study_remote *r = opaque;
    char into[PATH_MAX], path[CN_REMOTE_PATH + 300];
    int code;
    snprintf(into, sizeof into, "%.3700s/jobs", r->options->work);
    CN_RETURN_IF(mkdir(into, 0777) != 0 && errno != EEXIST, CN_ERR_IO, err, "%s: %s", into,
                 strerror(errno));
    snprintf(outcome->folder, sizeof outcome->folder, "%.3710s/%.300s", into, job->name);
    CN_TRY(cn_study_remove_folder(outcome->folder, err));
    snprintf(path, sizeof path, "%s/%.256s", r->jobs, job->name);
    CN_TRY(cn_remote_get(r, path, into, err));
    return cn_remote_shell(r, 0, NULL, &code, err, "rm -rf %s", path);
}
