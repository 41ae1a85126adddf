/* SPDX-License-Identifier: MIT
 *
 * Reaching a device again and again, and what has to be there before a job can run.
 */
#include "bench/target/study_remote.h"

#include "base/error.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SHORT_HASH = 16, PATIENCE_S = 600, QUICK_S = 60, ATTEMPTS = 3 };

/* Ends what a script printed, and proves that it came through. */
static const char end_mark[] = "\ncarnot-exit ";

void cn_remote_note(const struct cn_study_remote *r, const char *format, ...)
{
    char text[800], line[1200];
    va_list args;
    if (!r->options->note)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s:%.200s: %s", r->link->name, r->options->address, text);
    r->options->note(r->options->user, line);
}

enum cn_status cn_remote_wait(const struct cn_study_remote *r, double seconds, struct cn_error *err)
{
    for (double left = seconds; left > 0; left -= 0.05) {
        CN_RETURN_IF(r->options->cancel && r->options->cancel(r->options->user), CN_ERR_CANCELLED,
                     err, "interrupted");
        nanosleep(&(struct timespec){ 0, left < 0.05 ? (long)(left * 1e9) : 50000000 }, NULL);
    }
    return CN_OK;
}

/* ---- exchanges that outlast the connection --------------------------------------------------- */

/* After something failed: CN_OK once the device is there. *waited: it was not at first. */
static enum cn_status find_again(struct cn_study_remote *r, bool *waited, struct cn_error *err)
{
    struct cn_error why = { "" };
    enum cn_status status = r->link->reach(r->options, &why);
    *waited = status != CN_OK;
    if (status == CN_OK)
        return cn_remote_wait(r, 0.2, err);
    if (status == CN_ERR_IO && r->met) {
        r->n_lost++;
        cn_remote_note(r,
                       "the connection is lost; waiting up to %.0f s for it to come back (a run "
                       "that has begun goes on there)",
                       r->patience_s);
        for (double left = r->patience_s; status == CN_ERR_IO && left > 0; left -= 0.5) {
            CN_TRY(cn_remote_wait(r, left < 0.5 ? left : 0.5, err));
            status = r->link->reach(r->options, &why);
        }
        if (status == CN_OK)
            cn_remote_note(r, "the connection is back");
    }
    CN_RETURN_IF(status != CN_OK, status, err, "%s%s", why.text,
                 r->met ? "; 'carnot study run' goes on where it stopped" : "");
    return CN_OK;
}

/* Calls the client until it succeeds: a script by coming to its end, a copy by saying so. */
static enum cn_status exchange(struct cn_study_remote *r, const struct cn_study_client *client,
                               bool script, struct cn_study_said *said, struct cn_error *err)
{
    const char *name = client->args.argv[0];
    for (int attempt = 1;; attempt++) {
        bool waited;
        CN_TRY(cn_study_client_run(client, r->options, said, err));
        if (script ? strstr(said->out, end_mark) != NULL : said->exit_code == 0)
            return CN_OK;
        if (!said->errors[0] && !script) { /* adb complains on stdout, first line */
            snprintf(said->errors, sizeof said->errors, "%s", said->out);
            snprintf(said->line, sizeof said->line, "%.*s", (int)strcspn(said->out, "\r\n"),
                     said->out);
        }
        free(said->out);
        said->out = NULL;
        bool full = strstr(said->errors, "No space left") != NULL;
        CN_RETURN_IF(full || attempt >= ATTEMPTS, CN_ERR_IO, err, "%s:%s: %s: %s", r->link->name,
                     r->options->address, name, said->line[0] ? said->line : "gave no answer");
        CN_TRY(find_again(r, &waited, err));
        attempt = waited ? 0 : attempt;
    }
}

enum cn_status cn_remote_shell(struct cn_study_remote *r, double limit_s, char **out, int *code,
                               struct cn_error *err, const char *format, ...)
{
    struct cn_study_client client = { .limit_s = limit_s > 0 ? limit_s : QUICK_S };
    struct cn_study_said said;
    char script[24576];
    size_t n = (size_t)snprintf(script, sizeof script, "(\n");
    va_list args;
    va_start(args, format);
    n += (size_t)vsnprintf(script + n, sizeof script - n, format, args);
    va_end(args);
    if (n < sizeof script)
        n += (size_t)snprintf(script + n, sizeof script - n,
                              "\n) </dev/null 2>&1; code=$?; echo; echo carnot-exit $code\n");
    CN_RETURN_IF(n >= sizeof script, CN_ERR_ARGUMENT, err, "a script for %s is too long",
                 r->link->name);
    r->link->shell(r->options, script, &client);
    CN_TRY(exchange(r, &client, true, &said, err));
    char *to = said.out; /* without the carriage returns of old devices */
    for (const char *from = said.out; *from; from++)
        if (*from != '\r')
            *to++ = *from;
    *to = 0;
    char *end = strstr(said.out, end_mark);
    for (char *next = end; next; next = strstr(next + 1, end_mark))
        end = next;
    *code = end ? atoi(end + strlen(end_mark)) : -1;
    if (end)
        *end = 0;
    if (out)
        *out = said.out;
    else
        free(said.out);
    return CN_OK;
}

enum cn_status cn_remote_put(struct cn_study_remote *r, const char *file, const char *path,
                             struct cn_error *err)
{
    struct cn_study_client client = { .args = { .n = 0 } };
    struct cn_study_said said = { .out = NULL };
    struct stat st;
    CN_RETURN_IF(stat(file, &st) != 0, CN_ERR_IO, err, "%s: cannot be read", file);
    client.limit_s = QUICK_S + (double)st.st_size / 200e3; /* slower than any link that works */
    r->link->put(r->options, file, path, &client);
    enum cn_status status = exchange(r, &client, false, &said, err);
    free(said.out);
    if (status == CN_OK || !strstr(said.errors, "No space left"))
        return status;
    int code;
    const char *slash = strrchr(file, '/');
    cn_remote_shell(r, 0, NULL, &code, NULL, "rm -f %s", path);
    return cn_fail(err, status,
                   "%s:%s: no space left there for %s (%.1f MiB); free some (%s/carnot-* is what "
                   "studies put there), then 'carnot study run' goes on",
                   r->link->name, r->options->address, slash ? slash + 1 : file,
                   (double)st.st_size / 1048576, r->folder);
}

enum cn_status cn_remote_get(struct cn_study_remote *r, const char *path, const char *into,
                             struct cn_error *err)
{
    struct cn_study_client client = { .limit_s = PATIENCE_S };
    struct cn_study_said said = { .out = NULL };
    r->link->get(r->options, path, into, &client);
    enum cn_status status = exchange(r, &client, false, &said, err);
    free(said.out);
    return status;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("._-", c));
}

static bool is_folder(const char *path)
{
    size_t n = 0;
    while (is_plain(path[n]) || path[n] == '/')
        n++;
    return n > 0 && path[0] != '-' && !path[n] && n < CN_REMOTE_PATH / 2;
}

bool cn_remote_quote(const char *word, char *quoted, size_t n_bytes)
{
    size_t n = 0;
    if (n_bytes < 4 * strlen(word) + 3)
        return false;
    quoted[n++] = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(quoted + n, "'\\'", 3);
            n += 3;
        }
        quoted[n++] = *word;
    }
    quoted[n++] = '\'';
    quoted[n] = 0;
    return true;
}

/* The last part of a path, fit for a device. */
static void plain_name(const char *path, char *name, size_t n_bytes)
{
    const char *slash = strrchr(path, '/');
    snprintf(name, n_bytes, "%s", slash ? slash + 1 : path);
    for (char *c = name; *c; c++)
        if (!is_plain(*c))
            *c = '_';
    if (name[0] == '.' || name[0] == '-')
        name[0] = '_';
}

/* ---- first contact --------------------------------------------------------------------------- */

/* Of this study alone: jobs of others are left in peace. */
static void name_jobs(struct cn_study_remote *r)
{
    struct cn_sha256 hash;
    char hex[CN_SHA256_HEX], host[256] = "";
    gethostname(host, sizeof host - 1);
    cn_sha256_begin(&hash);
    cn_sha256_add(&hash, host, strlen(host) + 1);
    cn_sha256_add(&hash, r->options->work, strlen(r->options->work) + 1);
    cn_sha256_add(&hash, r->options->study, strlen(r->options->study) + 1);
    cn_sha256_end(&hash, hex);
    snprintf(r->jobs, sizeof r->jobs, "%.400s/carnot-jobs-%.8s", r->folder, hex);
}

static enum cn_status read_settings(struct cn_study_remote *r, char folder[CN_REMOTE_PATH],
                                    struct cn_error *err)
{
    const char *given = getenv(r->link->folder_variable), *wait = getenv("CARNOT_TARGET_WAIT_S");
    char *end;
    snprintf(folder, CN_REMOTE_PATH, "%s", given ? given : r->link->folder);
    CN_RETURN_IF(given && !is_folder(given), CN_ERR_ARGUMENT, err,
                 "%s: a path of letters, digits and ._-/ expected, '%s' found",
                 r->link->folder_variable, given);
    r->patience_s = wait ? strtod(wait, &end) : PATIENCE_S;
    CN_RETURN_IF(wait && (end == wait || *end || !(r->patience_s >= 0 && r->patience_s <= 1e7)),
                 CN_ERR_ARGUMENT, err, "CARNOT_TARGET_WAIT_S: seconds expected, '%s' found", wait);
    return CN_OK;
}

/* The folder, the machine, the system and its name: a line each. */
static enum cn_status ask(struct cn_study_remote *r, struct cn_study_device *device,
                          struct cn_error *err)
{
    char folder[CN_REMOTE_PATH], *out, none[1] = "", *lines[4] = { none, none, none, none };
    int code;
    CN_TRY(read_settings(r, folder, err));
    CN_TRY(r->link->reach(r->options, err));
    CN_TRY(cn_remote_shell(r, 0, &out, &code, err,
                           "mkdir -p \"%s\" && cd \"%s\" && pwd && uname -m && uname -srm && %s",
                           folder, folder, r->link->what));
    char *rest = out;
    for (int i = 0; i < 4 && rest; i++)
        lines[i] = strsep(&rest, "\n");
    for (int i = 0; i < 4; i++)
        for (char *c = lines[i]; *c; c++)
            if ((unsigned char)*c < ' ')
                *c = ' ';
    snprintf(r->folder, sizeof r->folder, "%s", lines[0]);
    snprintf(r->machine, sizeof r->machine, "%.31s", lines[1]);
    snprintf(device->kernel, sizeof device->kernel, "%.255s", lines[2]);
    snprintf(device->name, sizeof device->name, "%.127s",
             lines[3][0] ? lines[3] : r->options->address);
    enum cn_status status = CN_OK;
    if (code != 0)
        status =
            cn_fail(err, CN_ERR_IO,
                    "%s:%s: cannot use the folder %s there: %s (%s names "
                    "another one)",
                    r->link->name, r->options->address, folder, lines[0], r->link->folder_variable);
    else if (r->folder[0] != '/' || !is_folder(r->folder))
        status = cn_fail(err, CN_ERR_IO,
                         "%s:%s: the folder '%s' there has characters that a study cannot use; "
                         "name another with %s",
                         r->link->name, r->options->address, lines[0], r->link->folder_variable);
    free(out);
    return status;
}

enum cn_status cn_remote_probe(const struct cn_study_link *link,
                               const struct cn_study_target_options *options, void **state,
                               struct cn_study_device *device, struct cn_error *err)
{
    struct cn_study_remote *r = calloc(1, sizeof *r);
    CN_RETURN_IF(!r, CN_ERR_MEMORY, err, "out of memory");
    r->link = link;
    r->options = options;
    *device = (struct cn_study_device){ .name = "" };
    enum cn_status status = ask(r, device, err);
    if (status != CN_OK) {
        cn_remote_close(r);
        return status;
    }
    r->met = true;
    name_jobs(r);
    *state = r;
    return CN_OK;
}

void cn_remote_close(void *state)
{
    struct cn_study_remote *r = state;
    if (r)
        free(r->pushed);
    free(r);
}

/* ---- the program and other files ------------------------------------------------------------- */

/* The device's program: what --device-binary says, or the build for its machine beside this one. */
static enum cn_status find_program(const struct cn_study_remote *r, char path[PATH_MAX],
                                   struct cn_error *err)
{
    const struct cn_study_target_options *o = r->options;
    if (o->device_binary) {
        CN_RETURN_IF(!realpath(o->device_binary, path), CN_ERR_IO, err,
                     "--device-binary %s: there is no such file", o->device_binary);
        return CN_OK;
    }
    snprintf(path, PATH_MAX, "%.3900s", o->program);
    for (int up = 0; up < 2 && strrchr(path, '/'); up++)
        *strrchr(path, '/') = 0;
    size_t n = strlen(path);
    snprintf(path + n, PATH_MAX - n, "/%s-linux-gnu/carnot", r->machine);
    CN_RETURN_IF(access(path, R_OK) != 0, CN_ERR_IO, err,
                 "%s:%s is %s, and there is no %s; build it (make CROSS=%s-linux-gnu-), or name a "
                 "program with --device-binary",
                 r->link->name, o->address, r->machine, path, r->machine);
    return CN_OK;
}

static enum cn_status try_program(struct cn_study_remote *r, const char *file, struct cn_error *err)
{
    char *out;
    int code;
    CN_TRY(cn_remote_shell(r, 0, &out, &code, err,
                           "command -v setsid >/dev/null || { echo there is no setsid; exit 1; }\n"
                           "chmod 755 %s && %s --version >/dev/null",
                           r->program, r->program));
    char *newline = strrchr(out, '\n');
    if (newline && !newline[1])
        *newline = 0;
    newline = strrchr(out, '\n');
    enum cn_status status = CN_OK;
    if (code != 0)
        status = cn_fail(err, CN_ERR_IO,
                         "%s:%s: %s does not run there (exit %d%s%.200s); a static build for %s is "
                         "needed",
                         r->link->name, r->options->address, file, code, *out ? ": " : "",
                         newline ? newline + 1 : out, r->machine);
    free(out);
    return status;
}

enum cn_status cn_remote_prepare(void *state, struct cn_error *err)
{
    struct cn_study_remote *r = state;
    char file[PATH_MAX], path[PATH_MAX], hash[CN_SHA256_HEX];
    int code;
    /* A job is known by its folder in its command line: a pid alone may be another's by now. */
    CN_TRY(
        cn_remote_shell(r, 0, NULL, &code, err,
                        "for pid in %s/*/pid; do\n"
                        "  [ -e $pid ] && read p <$pid && grep -qF ${pid%%/pid}/ /proc/$p/cmdline "
                        "2>/dev/null && kill -9 -- -$p\n"
                        "done\n"
                        "rm -rf %s; mkdir -p %s/files",
                        r->jobs, r->jobs, r->jobs));
    CN_TRY(find_program(r, file, err));
    CN_TRY(cn_sha256_file(file, r->options->cancel, r->options->user, hash, err));
    CN_TRY(cn_remote_push(r, file, hash, path, err));
    snprintf(r->program, sizeof r->program, "%.511s", path);
    return try_program(r, file, err);
}

/* Copies it beside its place, where it moves to when its hash is right. */
static enum cn_status push_once(struct cn_study_remote *r, const char *file, const char *sha256,
                                const char *folder, const char *path, struct cn_error *err)
{
    char *out, part[CN_REMOTE_PATH + 8];
    int code;
    struct stat st;
    CN_TRY(cn_remote_shell(r, 0, NULL, &code, err, "[ -e %s ]", path));
    if (code == 0)
        return CN_OK;
    CN_RETURN_IF(stat(file, &st) != 0, CN_ERR_IO, err, "%s: cannot be read", file);
    cn_remote_note(r, "copying %s (%.1f MiB)", file, (double)st.st_size / 1048576);
    snprintf(part, sizeof part, "%s.part", path);
    CN_TRY(cn_remote_shell(r, 0, NULL, &code, err, "mkdir -p %s", folder));
    CN_TRY(cn_remote_put(r, file, part, err));
    CN_TRY(cn_remote_shell(r, PATIENCE_S, &out, &code, err, "sha256sum <%s", part));
    bool same = code == 0 && strncmp(out, sha256, strlen(sha256)) == 0;
    enum cn_status status = CN_OK;
    if (!same)
        status = cn_fail(err, CN_ERR_IO,
                         "%s:%s: %s did not arrive as it is: sha256 %.12s expected, "
                         "'%.60s' found",
                         r->link->name, r->options->address, file, sha256, out);
    free(out);
    /* Moving may be tried twice: what counts is that it is there in the end. */
    if (same)
        status = cn_remote_shell(r, 0, NULL, &code, err, "mv %s %s; [ -e %s ]", part, path, path);
    else
        cn_remote_shell(r, 0, NULL, &code, NULL, "rm -f %s", part);
    CN_RETURN_IF(status == CN_OK && code != 0, CN_ERR_IO, err, "%s:%s: cannot write %s there",
                 r->link->name, r->options->address, path);
    return status;
}

enum cn_status cn_remote_push(void *state, const char *file, const char *sha256,
                              char path[PATH_MAX], struct cn_error *err)
{
    struct cn_study_remote *r = state;
    char name[200], folder[CN_REMOTE_PATH], hash[CN_SHA256_HEX];
    plain_name(file, name, sizeof name);
    if (sha256) {
        snprintf(folder, sizeof folder, "%.250s/carnot-%.*s", r->folder, SHORT_HASH, sha256);
        snprintf(hash, sizeof hash, "%s", sha256);
    } else {
        snprintf(folder, sizeof folder, "%.450s/files", r->jobs);
        CN_TRY(cn_sha256_file(file, NULL, NULL, hash, err));
    }
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    for (size_t i = 0; i < r->n_pushed; i++)
        if (strcmp(r->pushed[i].path, path) == 0 && strcmp(r->pushed[i].sha256, hash) == 0)
            return CN_OK;
    CN_TRY(sha256 ? push_once(r, file, sha256, folder, path, err)
                  : cn_remote_put(r, file, path, err));
    void *more = realloc(r->pushed, (r->n_pushed + 1) * sizeof *r->pushed);
    CN_RETURN_IF(!more, CN_ERR_MEMORY, err, "out of memory");
    r->pushed = more;
    struct cn_remote_file *f = &r->pushed[r->n_pushed++];
    snprintf(f->path, sizeof f->path, "%.700s", path);
    snprintf(f->sha256, sizeof f->sha256, "%s", hash);
    return CN_OK;
}
