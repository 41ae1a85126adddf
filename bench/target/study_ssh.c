/* SPDX-License-Identifier: MIT
 *
 * The target `ssh:HOST`: another machine, by the system's ssh and scp. HOST is what ssh takes: a
 * name, USER@NAME, or an entry of ~/.ssh/config, where port, key and the like belong;
 * CARNOT_SSH_OPTIONS adds options of both programs ("-i KEY -o Port=2222"), words between blanks.
 * A password is never asked for. One connection carries all calls: exchanging keys each time would
 * be work for the machine that is being measured.
 */
#include "bench/target/study_remote.h"

#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the sockets of open connections are: a folder of this user alone. False: nowhere. */
static bool socket_folder(char path[64])
{
    const char *own = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (own && own[0] == '/' && strlen(own) < 40 && !strpbrk(own, " %")) {
        snprintf(path, 64, "%s", own);
    } else {
        snprintf(path, 64, "/tmp/carnot-ssh-%ld", (long)getuid());
        mkdir(path, 0700);
    }
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid() &&
           !(st.st_mode & 0077);
}

/* Of an option that is there twice ssh takes the first: the user's come first. */
static void call(const char *program, struct cn_study_client *c)
{
    const char *more = getenv("CARNOT_SSH_OPTIONS");
    char folder[64];
    cn_study_arg(&c->args, "%s", program);
    while (more && *more) {
        size_t n = strcspn(more, " ");
        if (n)
            cn_study_arg(&c->args, "%.*s", (int)n, more);
        more += n + strspn(more + n, " ");
    }
    cn_study_arg(&c->args, "-oLogLevel=ERROR");
    cn_study_arg(&c->args, "-oBatchMode=yes");
    cn_study_arg(&c->args, "-oConnectTimeout=10");
    cn_study_arg(&c->args, "-oServerAliveInterval=10");
    if (socket_folder(folder)) {
        cn_study_arg(&c->args, "-oControlMaster=auto");
        cn_study_arg(&c->args, "-oControlPersist=30");
        cn_study_arg(&c->args, "-oControlPath=%s/carnot-%%C", folder);
    }
}

/* The user's shell there, whichever it is, sees two words; sh reads the script. */
static void shell(const struct cn_study_target_options *o, const char *script,
                  struct cn_study_client *c)
{
    call("ssh", c);
    cn_study_arg(&c->args, "--");
    cn_study_arg(&c->args, "%s", o->address);
    cn_study_arg(&c->args, "exec sh");
    c->input = script;
}

/* Not scp, which says no more than "Failure" when the disk is full. */
static void put(const struct cn_study_target_options *o, const char *file, const char *path,
                struct cn_study_client *c)
{
    call("ssh", c);
    cn_study_arg(&c->args, "--");
    cn_study_arg(&c->args, "%s", o->address);
    cn_study_arg(&c->args, "cat >%s", path);
    c->input_file = file;
}

static void get(const struct cn_study_target_options *o, const char *path, const char *into,
                struct cn_study_client *c)
{
    call("scp", c);
    cn_study_arg(&c->args, "-q"); /* no progress */
    cn_study_arg(&c->args, "-r");
    cn_study_arg(&c->args, "--");
    cn_study_arg(&c->args, "%s:%s", o->address, path);
    cn_study_arg(&c->args, "%s", into);
}

static enum cn_status reach(const struct cn_study_target_options *o, struct cn_error *err)
{
    struct cn_study_client c = { .limit_s = 30 };
    struct cn_study_said said;
    shell(o, "echo here\n", &c);
    CN_TRY(cn_study_client_run(&c, o, &said, err));
    bool here = strstr(said.out, "here") != NULL;
    free(said.out);
    CN_RETURN_IF(said.missing, CN_ERR_UNSUPPORTED, err,
                 "ssh:%s: there is no program ssh; install it (apt-get install openssh-client)",
                 o->address);
    CN_RETURN_IF(!here, CN_ERR_IO, err, "ssh:%s: cannot connect: %s; try 'ssh %s true'", o->address,
                 said.line[0] ? said.line : "no answer", o->address);
    return CN_OK;
}

static const struct cn_study_link ssh_link = {
    .name = "ssh",
    .folder = "${XDG_CACHE_HOME:-$HOME/.cache}/carnot",
    .folder_variable = "CARNOT_SSH_FOLDER",
    .what = "uname -n",
    .shell = shell,
    .put = put,
    .get = get,
    .reach = reach,
};

static enum cn_status probe(const struct cn_study_target_options *options, void **state,
                            struct cn_study_device *device, struct cn_error *err)
{
    const char *host = options->address;
    for (const char *c = host; *c; c++)
        CN_RETURN_IF(!isalnum((unsigned char)*c) && !strchr("._@-", *c), CN_ERR_ARGUMENT, err,
                     "target ssh: '%s' has a character other than letters, digits and ._@-; give "
                     "the host a name in ~/.ssh/config",
                     host);
    CN_RETURN_IF(!host[0] || host[0] == '-', CN_ERR_ARGUMENT, err,
                 "target ssh: a host expected, as ssh:HOST or ssh:USER@HOST, '%s' found", host);
    return cn_remote_probe(&ssh_link, options, state, device, err);
}

const struct cn_study_target cn_study_ssh = {
    .name = "ssh",
    .probe = probe,
    .prepare = cn_remote_prepare,
    .push = cn_remote_push,
    .run = cn_remote_run,
    .collect = cn_remote_collect,
    .look = cn_remote_look,
    .free_memory = cn_remote_free_memory,
    .close = cn_remote_close,
};
