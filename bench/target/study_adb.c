/* SPDX-License-Identifier: MIT
 *
 * The target `adb:SERIAL`: a phone or board, by the adb client of Android's platform tools
 * (CARNOT_ADB names another than the one in PATH). SERIAL is what `adb devices` shows; one of the
 * form HOST:PORT is connected to when it is not there.
 */
#include "bench/target/study_remote.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void call(const struct cn_study_target_options *o, struct cn_study_client *c)
{
    const char *adb = getenv("CARNOT_ADB");
    cn_study_arg(&c->args, "%s", adb && *adb ? adb : "adb");
    if (o) {
        cn_study_arg(&c->args, "-s");
        cn_study_arg(&c->args, "%s", o->address);
    }
}

static void shell(const struct cn_study_target_options *o, const char *script,
                  struct cn_study_client *c)
{
    call(o, c);
    cn_study_arg(&c->args, "shell");
    cn_study_arg(&c->args, "%s", script);
}

static void copy(const struct cn_study_target_options *o, const char *verb, const char *from,
                 const char *to, struct cn_study_client *c)
{
    call(o, c);
    cn_study_arg(&c->args, "%s", verb);
    cn_study_arg(&c->args, "%s", from);
    cn_study_arg(&c->args, "%s", to);
}

static void put(const struct cn_study_target_options *o, const char *file, const char *path,
                struct cn_study_client *c)
{
    copy(o, "push", file, path, c);
}

static void get(const struct cn_study_target_options *o, const char *path, const char *into,
                struct cn_study_client *c)
{
    copy(o, "pull", path, into, c);
}

/* ---- is it there? ---------------------------------------------------------------------------- */

/* Up to three words for adb itself, as `adb connect SERIAL`. */
static enum cn_status ask(const struct cn_study_target_options *o, bool device, const char *verb,
                          const char *word, struct cn_study_said *said, struct cn_error *err)
{
    struct cn_study_client c = { .limit_s = 15 };
    call(device ? o : NULL, &c);
    cn_study_arg(&c.args, "%s", verb);
    if (word)
        cn_study_arg(&c.args, "%s", word);
    CN_TRY(cn_study_client_run(&c, o, said, err));
    if (!said->missing)
        return CN_OK;
    free(said->out);
    return cn_fail(err, CN_ERR_UNSUPPORTED,
                   "adb:%s: there is no program %s; install it (apt-get install adb, or Android's "
                   "platform tools), or name it with CARNOT_ADB",
                   o->address, c.args.argv[0]);
}

/* "device", or what is wrong. */
static enum cn_status get_state(const struct cn_study_target_options *o, char text[256],
                                struct cn_error *err)
{
    struct cn_study_said said;
    CN_TRY(ask(o, true, "get-state", NULL, &said, err));
    snprintf(text, 256, "%.*s%.200s", (int)strcspn(said.out, "\r\n"), said.out,
             said.exit_code == 0 ? "" : said.errors);
    free(said.out);
    if (strcmp(text, "device") != 0)
        return CN_OK;
    /* adb itself may not have noticed yet that nobody answers. */
    CN_TRY(ask(o, true, "shell", "echo here", &said, err));
    if (strncmp(said.out, "here", 4) != 0)
        snprintf(text, 256, "no answer");
    free(said.out);
    return CN_OK;
}

static void list(const struct cn_study_target_options *o, char *text, size_t n_bytes)
{
    struct cn_study_said said;
    struct cn_error ignored;
    size_t n = 0;
    text[0] = 0;
    if (ask(o, false, "devices", NULL, &said, &ignored) != CN_OK)
        return;
    char *rest = said.out;
    strsep(&rest, "\n"); /* "List of devices attached" */
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (strchr(line, '\t') && n < n_bytes)
            n += (size_t)snprintf(text + n, n_bytes - n, "%s%.*s", n ? ", " : "",
                                  (int)strcspn(line, "\t"), line);
    free(said.out);
}

static enum cn_status explain(const struct cn_study_target_options *o, const char *state,
                              struct cn_error *err)
{
    char others[256];
    if (strstr(state, "unauthorized") || strstr(state, "authorizing"))
        return cn_fail(err, CN_ERR_IO,
                       "adb:%s: the device has not allowed this computer: unlock it and say yes to "
                       "'Allow USB debugging?'",
                       o->address);
    if (strstr(state, "no permissions"))
        return cn_fail(err, CN_ERR_IO,
                       "adb:%s: this user may not use the USB device; install "
                       "android-sdk-platform-tools-common (udev rules), and plug it in anew",
                       o->address);
    if (strstr(state, "offline") || strstr(state, "no answer"))
        return cn_fail(
            err, CN_ERR_IO,
            "adb:%s: the device does not answer; plug it in anew, or switch USB debugging "
            "off and on",
            o->address);
    CN_RETURN_IF(!strstr(state, "not found"), CN_ERR_IO, err, "adb:%s: %.*s", o->address,
                 (int)strcspn(state, "\r\n"), state);
    list(o, others, sizeof others);
    return cn_fail(
        err, CN_ERR_IO,
        "adb:%s: no such device is connected (adb devices shows %s); check the cable and "
        "that USB debugging is on",
        o->address, others[0] ? others : "none");
}

static enum cn_status reach(const struct cn_study_target_options *o, struct cn_error *err)
{
    char state[256];
    CN_TRY(get_state(o, state, err));
    if (strcmp(state, "device") != 0 && strchr(o->address, ':')) {
        struct cn_study_said said;
        CN_TRY(ask(o, false, "disconnect", o->address, &said, err));
        free(said.out);
        CN_TRY(ask(o, false, "connect", o->address, &said, err));
        free(said.out);
        CN_TRY(get_state(o, state, err));
    }
    return strcmp(state, "device") == 0 ? CN_OK : explain(o, state, err);
}

static const struct cn_study_link adb_link = {
    .name = "adb",
    .folder = "/data/local/tmp",
    .folder_variable = "CARNOT_ADB_FOLDER",
    .what = "getprop ro.product.model",
    .shell = shell,
    .put = put,
    .get = get,
    .reach = reach,
};

static enum cn_status probe(const struct cn_study_target_options *options, void **state,
                            struct cn_study_device *device, struct cn_error *err)
{
    CN_RETURN_IF(!options->address[0], CN_ERR_ARGUMENT, err,
                 "target adb: a serial expected, as adb:SERIAL ('adb devices' lists them)");
    return cn_remote_probe(&adb_link, options, state, device, err);
}

const struct cn_study_target cn_study_adb = {
    .name = "adb",
    .probe = probe,
    .prepare = cn_remote_prepare,
    .push = cn_remote_push,
    .run = cn_remote_run,
    .collect = cn_remote_collect,
    .look = cn_remote_look,
    .free_memory = cn_remote_free_memory,
    .close = cn_remote_close,
};
