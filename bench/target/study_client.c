/* SPDX-License-Identifier: MIT */
#include "bench/target/study_client.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POLL_NS = 5000000, MAX_OUT_BYTES = 4 << 20, NOT_THERE = 127, CANNOT = 126 };

/* stdin, stdout, stderr. Files in memory: pipes would have to be emptied meanwhile, and the server
 * that adb leaves behind would hold them open. */
struct streams {
    int fd[3];
};

static void close_streams(struct streams *s)
{
    for (int i = 0; i < 3; i++)
        if (s->fd[i] >= 0)
            close(s->fd[i]);
}

static bool put_text(int fd, const char *text)
{
    size_t n = strlen(text);
    return write(fd, text, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0;
}

static enum cn_status open_streams(const struct cn_study_client *c, struct streams *s,
                                   struct cn_error *err)
{
    const char *file = c->input_file ? c->input_file : "/dev/null";
    s->fd[0] = c->input ? memfd_create("input", MFD_CLOEXEC) : open(file, O_RDONLY | O_CLOEXEC);
    s->fd[1] = memfd_create("stdout", MFD_CLOEXEC);
    s->fd[2] = memfd_create("stderr", MFD_CLOEXEC);
    bool ok = s->fd[0] >= 0 && s->fd[1] >= 0 && s->fd[2] >= 0;
    if (ok && (!c->input || put_text(s->fd[0], c->input)))
        return CN_OK;
    enum cn_status status = cn_fail(err, CN_ERR_IO, "%s: %s", file, strerror(errno));
    close_streams(s);
    return status;
}

/* In the child, between fork and exec. */
static void become(const struct cn_study_client *c, const struct streams *s, pid_t parent)
{
    union { /* exec does not write to argv; its type is older than const */
        const char *const *in;
        char *const *out;
    } argv = { .in = c->args.argv };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(CANNOT);
    setpgid(0, 0); /* Ctrl-C in the terminal is for the study, not for a copy under way */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++)
        if (dup2(s->fd[i], i) < 0)
            _exit(CANNOT);
    execvp(argv.out[0], argv.out);
    _exit(errno == ENOENT ? NOT_THERE : CANNOT);
}

static enum cn_status wait_for(const struct cn_study_client *c,
                               const struct cn_study_target_options *o, int out, pid_t pid,
                               int *status, struct cn_error *err)
{
    double start = cn_seconds();
    for (;;) {
        struct stat st;
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return CN_OK;
        CN_RETURN_IF(got < 0 && errno != EINTR, CN_ERR_IO, err, "%s: %s", c->args.argv[0],
                     strerror(errno));
        bool late = c->limit_s > 0 && cn_seconds() - start > c->limit_s;
        bool much = fstat(out, &st) == 0 && st.st_size > MAX_OUT_BYTES;
        bool cancelled = o->cancel && o->cancel(o->user);
        if (late || much || cancelled) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL); /* it may not have its group yet */
            while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                ;
            CN_RETURN_IF(cancelled, CN_ERR_CANCELLED, err, "interrupted");
            return CN_OK;
        }
        nanosleep(&(struct timespec){ 0, POLL_NS }, NULL);
    }
}

/* malloc'ed; at most MAX_OUT_BYTES. NULL with errno. */
static char *text_of(int fd)
{
    struct stat st;
    size_t n = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
    n = n < MAX_OUT_BYTES ? n : MAX_OUT_BYTES;
    char *text = malloc(n + 1);
    size_t got = 0;
    for (ssize_t part = 1; text && got < n && part > 0; got += part > 0 ? (size_t)part : 0) {
        part = pread(fd, text + got, n - got, (off_t)got);
        if (part < 0) {
            free(text);
            return NULL;
        }
    }
    if (text)
        text[got] = 0;
    return text;
}

static void last_line(char *text, char *line, size_t n_bytes)
{
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        text[--n] = 0;
    const char *newline = strrchr(text, '\n');
    snprintf(line, n_bytes, "%s", newline ? newline + 1 : text);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

enum cn_status cn_study_client_run(const struct cn_study_client *client,
                                   const struct cn_study_target_options *options,
                                   struct cn_study_said *said, struct cn_error *err)
{
    struct streams s;
    int code = 0;
    *said = (struct cn_study_said){ .exit_code = -1 };
    CN_RETURN_IF(client->args.full || !client->args.n, CN_ERR_ARGUMENT, err,
                 "the command line for %s is too long",
                 client->args.n ? client->args.argv[0] : "a target");
    CN_TRY(open_streams(client, &s, err));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(client, &s, parent);
    enum cn_status status =
        pid < 0 ? cn_fail(err, CN_ERR_IO, "cannot start a process: %s", strerror(errno))
                : wait_for(client, options, s.fd[1], pid, &code, err);
    char *errors = status == CN_OK ? text_of(s.fd[2]) : NULL;
    said->out = status == CN_OK ? text_of(s.fd[1]) : NULL;
    if (status == CN_OK && (!said->out || !errors))
        status = cn_fail_errno(err, "what %s said cannot be read", client->args.argv[0]);
    if (status == CN_OK) {
        said->exit_code = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
        said->missing = said->exit_code == NOT_THERE && !errors[0];
        snprintf(said->errors, sizeof said->errors, "%s", errors);
        last_line(errors, said->line, sizeof said->line);
    } else {
        free(said->out);
        said->out = NULL;
    }
    free(errors);
    close_streams(&s);
    return status;
}
