/* SPDX-License-Identifier: MIT */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "base/readfile.h"
#include "engine/tools.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_OUTPUT_BYTES = 256 << 20 };

void cn_study_note(const struct cn_study *s, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!s->o->note)
        return;
    va_start(args, format);
    cn_format_fit(text, sizeof text, format, args);
    va_end(args);
    s->o->note(s->o->user, text);
}

enum cn_status cn_study_site_open(const struct cn_study *s, const char *name,
                                  struct cn_study_site *site)
{
    const char *address;
    *site = (struct cn_study_site){ .target = cn_study_target_find(name, &address), .name = name };
    CN_RETURN_IF(!site->target, CN_ERR_ARGUMENT, s->err,
                 "target '%s': unknown; local, adb:SERIAL or ssh:HOST, as far as built in", name);
    site->options = (struct cn_study_target_options){ .address = address,
                                                      .program = s->o->program,
                                                      .work = s->work,
                                                      .root = s->o->root,
                                                      .study = s->tag,
                                                      .device_binary = s->o->device_binary,
                                                      .user = s->o->user,
                                                      .note = s->o->note,
                                                      .cancel = s->o->cancel };
    CN_TRY(site->target->probe(&site->options, &site->state, &site->device, s->err));
    return site->target->prepare(site->state, s->err);
}

void cn_study_site_close(struct cn_study_site *site)
{
    if (site->target && site->state)
        site->target->close(site->state);
    site->state = NULL;
}

enum cn_status cn_study_job(const struct cn_study *s, const struct cn_study_site *site,
                            const char *name, const struct cn_study_args *args,
                            struct cn_study_outcome *outcome)
{
    char full[512];
    struct cn_study_job job = { .name = full, .argv = args->argv, .timeout_s = s->plan.timeout_s };
    snprintf(full, sizeof full, "%s-%.100s-%s", s->tag, site->name, name);
    for (char *c = full; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-')
            *c = '_';
    CN_RETURN_IF(args->full, CN_ERR_ARGUMENT, s->err, "%s: the command line is too long", name);
    *outcome = (struct cn_study_outcome){ .seconds = (double)NAN };
    CN_TRY(site->target->run(site->state, &job, outcome, s->err));
    return site->target->collect(site->state, &job, outcome, s->err);
}

enum cn_status cn_study_job_text(const struct cn_study_outcome *outcome, const char *name,
                                 char **text, size_t *n, struct cn_error *err)
{
    const struct cn_readfile_options o = { .max_bytes = MAX_OUTPUT_BYTES, .regular = true };
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", outcome->folder, name);
    return cn_readfile(path, &o, text, n, err);
}

__attribute__((format(printf, 3, 4))) static void fit(char *text, size_t n_bytes,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cn_format_fit(text, n_bytes, format, args);
    va_end(args);
}

void cn_study_job_reason(const struct cn_study_outcome *o, char *text, size_t n_bytes)
{
    size_t n = 0;
    char *said = NULL;
    struct cn_error err;
    text[0] = 0;
    if (o->exit_code < 0) {
        snprintf(text, n_bytes, "killed by signal %d%s", o->signal,
                 o->signal == 9 ? " (out of memory, or the time limit of the plan)" : "");
    } else if (o->exit_code > 0) {
        if (cn_study_job_text(o, "stderr", &said, &n, &err) != CN_OK)
            said = NULL;
        /* The last line that it wrote. */
        while (said && n && strchr("\r\n", said[n - 1]))
            said[--n] = 0;
        const char *line = said && strrchr(said, '\n') ? strrchr(said, '\n') + 1 : said;
        if (line && *line)
            fit(text, n_bytes, "exit %d: %s", o->exit_code, line);
        else
            snprintf(text, n_bytes, "exit %d", o->exit_code);
    }
    free(said);
}

enum cn_status cn_study_job_json(const struct cn_study_outcome *outcome, const char *name,
                                 struct cn_json **json, const struct cn_json_value **object,
                                 struct cn_error *err)
{
    size_t n;
    char *text;
    CN_TRY(cn_study_job_text(outcome, name, &text, &n, err));
    bool array = text[strspn(text, " \t\r\n")] == '[';
    size_t take = array ? n : strcspn(text, "\n");
    enum cn_status status = cn_json_parse(text, take, name, json, err);
    free(text);
    if (status != CN_OK)
        return status;
    const struct cn_json_value *root = cn_json_root(*json);
    *object = array ? root->first : root;
    if (*object && (*object)->type == CN_JSON_OBJECT)
        return CN_OK;
    cn_json_free(*json);
    return cn_fail(err, CN_ERR_FORMAT, "%s: an object expected", name);
}

void cn_study_job_forget(const struct cn_study_outcome *outcome)
{
    if (outcome->folder[0])
        cn_study_remove_folder(outcome->folder, NULL);
}

enum cn_status cn_study_own_text(const struct cn_study *s, const struct cn_study_site *host,
                                 const char *model, int n_pieces, const char *path,
                                 char reason[CN_STUDY_REASON])
{
    static const char *const words[] = {
        "-n",      "400", "--ignore-eos", "-c", "512",     "--temp", "1", "--top-k", "0",
        "--top-p", "1",   "--min-p",      "0",  "--meter", "none"
    };
    struct cn_outfile *file;
    CN_TRY(cn_outfile_create(path, &file, s->err));
    enum cn_status status = CN_OK;
    reason[0] = 0;
    for (int i = 0; i < n_pieces && status == CN_OK && !reason[0]; i++) {
        struct cn_study_args a = { .n = 0 };
        struct cn_study_outcome outcome = { .folder = "" };
        size_t n;
        cn_study_arg(&a, "run");
        cn_study_arg(&a, "-m");
        cn_study_arg(&a, "%s", model);
        cn_study_arg(&a, "--seed");
        cn_study_arg(&a, "%d", i + 1);
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            cn_study_arg(&a, "%s", words[w]);
        status = cn_study_job(s, host, "write", &a, &outcome);
        if (status == CN_OK)
            cn_study_job_reason(&outcome, reason, CN_STUDY_REASON);
        char *text = NULL;
        if (status == CN_OK && !reason[0])
            status = cn_study_job_text(&outcome, "stdout", &text, &n, s->err);
        if (text)
            fwrite(text, 1, n, cn_outfile_stream(file)); /* finish looks at its errors */
        free(text);
        cn_study_job_forget(&outcome);
    }
    if (status == CN_OK && !reason[0])
        return cn_outfile_finish(file, s->err);
    cn_outfile_abandon(file);
    return status;
}

enum cn_status cn_study_store(const struct cn_study *s, const char *table, const char *first,
                              int64_t rowid, const struct cn_json_value *object)
{
    struct cn_study_rows *rows;
    enum cn_status status =
        cn_study_select(s->db, &rows, s->err,
                        "SELECT name FROM pragma_table_info(?1) WHERE cid >= (SELECT cid FROM "
                        "pragma_table_info(?1) WHERE name = ?2)",
                        "ss", table, first);
    if (status != CN_OK)
        return status;
    while (status == CN_OK && cn_study_rows_next(rows)) {
        const char *name = cn_study_rows_text(rows, 0);
        const struct cn_json_value *v = cn_json_get(object, name);
        char sql[256];
        if (!v || (v->type != CN_JSON_NUMBER && v->type != CN_JSON_STRING))
            continue;
        snprintf(sql, sizeof sql, "UPDATE \"%s\" SET \"%s\" = ?1 WHERE rowid = ?2", table, name);
        status = v->type == CN_JSON_NUMBER
                     ? cn_study_exec(s->db, s->err, sql, "di", v->number, rowid)
                     : cn_study_exec(s->db, s->err, sql, "si", v->string, rowid);
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}
