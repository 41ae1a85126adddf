/* SPDX-License-Identifier: MIT
 *
 * The model files of a study, and what its prompts are to each model.
 */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "base/sha256.h"
#include "base/table.h"
#include "engine/tools.h"
#include "quant/quant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    int64_t id;
    char model[80], quant[80];
    char source[PATH_MAX], imatrix[PATH_MAX], path[PATH_MAX]; /* "": none */
    bool ready;
    int64_t bytes;
};

/* Of the source looked at last: the quantisations of a model follow each other. */
struct hashed {
    char path[PATH_MAX], sha256[CN_SHA256_HEX];
    char said[PATH_MAX]; /* why nothing could be made of it; not to be told for each once more */
};

static void copy(char *to, size_t n_bytes, const char *text)
{
    snprintf(to, n_bytes, "%s", text ? text : "");
}

static enum cn_status hash(const struct cn_study *s, const char *path, char hex[CN_SHA256_HEX])
{
    return cn_sha256_file(path, s->o->cancel, s->o->user, hex, s->err);
}

static enum cn_status hash_source(const struct cn_study *s, const char *path, struct hashed *last)
{
    if (strcmp(path, last->path) == 0)
        return CN_OK;
    last->path[0] = 0;
    CN_TRY(hash(s, path, last->sha256));
    copy(last->path, sizeof last->path, path);
    return CN_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void in_models(const struct cn_study *s, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.3000s/models/%.1000s", s->work, name);
}

/* Where the quantised file goes. Its name tells of what it is made, so that one that is there can
 * be trusted: quantising gives the same file each time, and a file only appears when complete. */
static enum cn_status name_of(const struct cn_study *s, struct file *f, const char *source_sha256)
{
    char imatrix[CN_SHA256_HEX] = "", path[PATH_MAX];
    in_models(s, f->imatrix, path);
    if (f->imatrix[0])
        CN_TRY(hash(s, path, imatrix));
    snprintf(f->path, sizeof f->path, "%.3000s/models/%s-%s-%.8s%s%.8s.gguf", s->work, f->model,
             f->quant, source_sha256, imatrix[0] ? "-" : "", imatrix);
    return CN_OK;
}

static const struct cn_study_model *model_of(const struct cn_study *s, const struct file *f)
{
    for (size_t i = 0; i < s->plan.n_models; i++)
        if (!s->plan.models[i].quant && strcmp(s->plan.models[i].label, f->model) == 0)
            return &s->plan.models[i];
    return NULL;
}

/* A job that makes a file for a later one. CN_ERR_FORMAT: it failed; err says why. */
static enum cn_status must(const struct cn_study *s, const struct cn_study_site *host,
                           const char *name, const struct cn_study_args *args)
{
    struct cn_study_outcome outcome;
    char reason[CN_STUDY_REASON];
    CN_TRY(cn_study_job(s, host, name, args, &outcome));
    cn_study_job_reason(&outcome, reason, sizeof reason);
    cn_study_job_forget(&outcome);
    CN_RETURN_IF(reason[0], CN_ERR_FORMAT, s->err, "%s: %.400s", name, reason);
    return CN_OK;
}

/* Quantised files keep the names that the importance matrix and its text were given by. Seen from a
 * job's folder those are the same on every machine, and so are the files. */
#define FROM_JOB "../../models/%s"

/* Makes a file reachable as work/models/NAME. */
static enum cn_status put_beside(const struct cn_study *s, const char *file, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.3000s/models/%s", s->work, name);
    CN_RETURN_IF(symlink(file, path) != 0 && errno != EEXIST, CN_ERR_IO, s->err, "%s: %s", path,
                 strerror(errno));
    return CN_OK;
}

/* Makes the importance matrix `name` of text that the plan names, or of the model's own. */
static enum cn_status calibrate(const struct cn_study *s, const struct cn_study_site *host,
                                const struct file *f, const char *given, const char *text,
                                const char *name)
{
    struct cn_study_args args = { .n = 0 };
    char path[PATH_MAX], part[PATH_MAX], reason[CN_STUDY_REASON] = "";
    in_models(s, text, path);
    if (given[0])
        CN_TRY(put_beside(s, given, text));
    else
        CN_TRY(cn_study_own_text(s, host, f->source, CN_STUDY_PIECES, path, reason));
    CN_RETURN_IF(reason[0], CN_ERR_FORMAT, s->err, "%.400s", reason);
    /* `imatrix` keeps what it has on the way, so its file may be there and not be complete. */
    snprintf(part, sizeof part, "%.3000s/models/%s-%s.part", s->work, s->tag, f->model);
    unlink(part);
    cn_study_arg(&args, "imatrix");
    cn_study_arg(&args, "-m");
    cn_study_arg(&args, "%s", f->source);
    cn_study_arg(&args, "-f");
    cn_study_arg(&args, FROM_JOB, text);
    cn_study_arg(&args, "-o");
    cn_study_arg(&args, "%s", part);
    if (!given[0]) {
        cn_study_arg(&args, "-c");
        cn_study_arg(&args, "256");
    }
    CN_TRY(must(s, host, "imatrix", &args));
    in_models(s, name, path);
    CN_RETURN_IF(rename(part, path) != 0, CN_ERR_IO, s->err, "%s: %s", path, strerror(errno));
    return CN_OK;
}

/* f->imatrix: "", or its name in work/models, where it is then. The name tells what it is. */
static enum cn_status take_imatrix(const struct cn_study *s, const struct cn_study_site *host,
                                   struct file *f, const char *source_sha256)
{
    const struct cn_study_model *m = model_of(s, f);
    char sha256[CN_SHA256_HEX] = "own", name[200], text[200], path[PATH_MAX];
    f->imatrix[0] = 0;
    if (!m || (!m->imatrix && !m->calibrate))
        return CN_OK;
    const char *given = m->imatrix ? m->imatrix : m->calibrate;
    if (given[0])
        CN_TRY(hash(s, given, sha256));
    snprintf(name, sizeof name, "%s-%.8s-%.8s.imatrix", f->model, source_sha256, sha256);
    snprintf(text, sizeof text, "%s-%.8s-%.8s.txt", f->model, source_sha256, sha256);
    in_models(s, name, path);
    if (m->imatrix)
        CN_TRY(put_beside(s, given, name));
    else if (access(path, R_OK) != 0)
        CN_TRY(calibrate(s, host, f, given, text, name));
    copy(f->imatrix, sizeof f->imatrix, name);
    return CN_OK;
}

/* CN_ERR_FORMAT: it cannot be made; err says why. */
static enum cn_status quantize(const struct cn_study *s, const struct cn_study_site *host,
                               const struct file *f)
{
    struct cn_study_args args = { .n = 0 };
    char source[PATH_MAX];
    if (access(f->path, R_OK) == 0)
        return CN_OK;
    CN_RETURN_IF(!realpath(f->source, source), CN_ERR_FORMAT, s->err, "%s: %s", f->source,
                 strerror(errno));
    cn_study_arg(&args, "quantize");
    cn_study_arg(&args, "%s", source);
    cn_study_arg(&args, "%s", f->path);
    cn_study_arg(&args, "%s", f->quant);
    if (f->imatrix[0]) {
        cn_study_arg(&args, "--imatrix");
        cn_study_arg(&args, FROM_JOB, f->imatrix);
    }
    return must(s, host, "quantize", &args);
}

/* ---- describing ------------------------------------------------------------------------------ */

/* {"Q4_K": {"tensors": ..., "elements": ..., "bytes": ...}, ...}; malloc'ed, NULL if out of
 * memory. */
static char *histogram(const struct cn_inspect *inspect)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    struct cn_inspect_type t;
    if (!out)
        return NULL;
    fputc('{', out);
    for (int64_t i = 0; cn_inspect_get_type(inspect, i, &t); i++)
        fprintf(out, "%s\"%s\": {\"tensors\": %lld, \"elements\": %lld, \"bytes\": %lld}",
                i ? ", " : "", t.name, (long long)t.n_tensors, (long long)t.n_elems,
                (long long)t.n_bytes);
    fputc('}', out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static enum cn_status put(const struct cn_study *s, const struct file *f, const char *sha256,
                          const struct hashed *source, const struct cn_inspect *inspect,
                          const struct cn_model *model)
{
    const struct cn_inspect_info *file = cn_inspect_get_info(inspect);
    const struct cn_model_info *info = cn_model_get_info(model);
    char *types = histogram(inspect);
    CN_RETURN_IF(!types, CN_ERR_MEMORY, s->err, "out of memory");
    enum cn_status status = cn_study_exec(
        s->db, s->err,
        "UPDATE files SET status = 'ready', reason = NULL, path = ?2, sha256 = ?3, source_sha256 = "
        "?4, architecture = ?5, file_type = ?6, tensor_types = ?7, n_params = ?8, n_active_params "
        "= ?9, bpw = ?10, file_bytes = ?11, tensor_bytes = ?12, decode_bytes = ?13, decode_ops = "
        "?14, imatrix = ?15 WHERE file = ?1",
        "issssssiidiiids", f->id, f->path, sha256, f->source[0] ? source->sha256 : NULL,
        info->architecture, info->file_type, types, info->n_params, info->n_active_params,
        info->bpw, file->file_bytes, info->tensor_bytes, info->decode_bytes, info->decode_ops,
        f->imatrix[0] ? f->imatrix : NULL);
    free(types);
    return status;
}

/* What the plan calls a file is a promise about its types. Says where they are others: by the name
 * that the file gives itself, and where hardly any weight is of the type that the name stands for
 * (rows of a length that it does not divide get another one). A name that is no file type promises
 * nothing. */
static enum cn_status tell_types(const struct cn_study *s, const struct file *f,
                                 const struct cn_inspect *inspect)
{
    const struct cn_file_type *want = cn_file_type_by_name(f->quant);
    const struct cn_format *base = want ? cn_format_by_gguf(want->base) : NULL;
    const char *own = cn_inspect_get_info(inspect)->file_type;
    struct cn_inspect_type t;
    double all = 0, of_base = 0, most = 0;
    char name[32] = "", text[CN_STUDY_REASON];
    for (int64_t i = 0; cn_inspect_get_type(inspect, i, &t); i++) {
        double n = (double)t.n_elems;
        all += n;
        of_base += base && strcasecmp(t.name, base->name) == 0 ? n : 0;
        if (n > most) {
            most = n;
            copy(name, sizeof name, t.name);
        }
    }
    bool other = own && want && strcasecmp(own, want->name) != 0;
    bool few = base && of_base < most && of_base < 0.25 * all;
    if (!other && !few)
        return CN_OK;
    int used = snprintf(text, sizeof text, "the plan calls it %s", f->quant);
    if (other)
        used += snprintf(text + used, sizeof text - (size_t)used, ", it calls itself %s", own);
    snprintf(text + used, sizeof text - (size_t)used, "; %.0f%% of its weights are %s",
             100 * most / all, name);
    cn_study_note(s, "%s %s: %s", f->model, f->quant, text);
    return cn_study_exec(s->db, s->err, "UPDATE files SET reason = ?2 WHERE file = ?1", "is", f->id,
                         text);
}

static enum cn_status describe(const struct cn_study *s, const struct file *f,
                               const struct hashed *source)
{
    char sha256[CN_SHA256_HEX];
    struct cn_inspect *inspect = NULL;
    struct cn_model *model = NULL;
    enum cn_status status = hash(s, f->path, sha256);
    if (status == CN_OK)
        status = cn_inspect_open(f->path, &inspect, s->err);
    if (status == CN_OK)
        status = cn_model_open(f->path, NULL, &model, s->err);
    if (status == CN_OK)
        status = put(s, f, sha256, source, inspect, model);
    if (status == CN_OK)
        status = tell_types(s, f, inspect);
    cn_model_close(model);
    cn_inspect_close(inspect);
    return status;
}

/* ---- one file, all files --------------------------------------------------------------------- */

static enum cn_status make(const struct cn_study *s, const struct cn_study_site *host,
                           struct file *f, struct hashed *source)
{
    if (f->source[0]) {
        CN_TRY(hash_source(s, f->source, source));
        CN_TRY(take_imatrix(s, host, f, source->sha256));
        CN_TRY(name_of(s, f, source->sha256));
        CN_TRY(quantize(s, host, f));
    }
    return describe(s, f, source);
}

/* A file that cannot be had fails alone: the other cells can be measured without it. */
static enum cn_status prepare_file(const struct cn_study *s, const struct cn_study_site *host,
                                   struct file *f, struct hashed *source)
{
    struct stat st;
    if (f->ready && stat(f->path, &st) == 0 && st.st_size == f->bytes)
        return CN_OK;
    enum cn_status status = make(s, host, f, source);
    if (status == CN_OK)
        CN_TRY(cn_study_exec(s->db, s->err,
                             "UPDATE quality SET status = 'pending', reason = NULL WHERE status = "
                             "'failed' AND reason = 'no model file' AND file = ?1",
                             "i", f->id));
    if (status == CN_OK)
        return cn_study_exec(s->db, s->err,
                             "UPDATE runs SET status = 'pending', reason = NULL WHERE status = "
                             "'skipped' AND attempts = 0 AND cell IN (SELECT cell FROM cells WHERE "
                             "file = ?1)",
                             "i", f->id);
    if (status != CN_ERR_IO && status != CN_ERR_FORMAT && status != CN_ERR_UNSUPPORTED)
        return status;
    char reason[sizeof s->err->text];
    copy(reason, sizeof reason, s->err->text);
    if (strcmp(reason, source->said) != 0)
        cn_study_note(s, "%s %s: %s", f->model, f->quant, reason);
    copy(source->said, sizeof source->said, reason);
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE files SET status = 'failed', reason = ?2 WHERE file = ?1", "is",
                         f->id, reason));
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE quality SET status = 'failed', reason = 'no model file' WHERE "
                         "status = 'pending' AND file = ?1",
                         "i", f->id));
    return cn_study_exec(s->db, s->err,
                         "UPDATE runs SET status = 'skipped', reason = 'no model file: ' || ?2 "
                         "WHERE status = 'pending' AND cell IN (SELECT cell FROM cells WHERE file "
                         "= ?1)",
                         "is", f->id, reason);
}

static enum cn_status list_files(const struct cn_study *s, struct file **files, size_t *n)
{
    struct cn_study_rows *rows;
    double count;
    CN_TRY(cn_study_number(s->db, &count, s->err, "SELECT count(*) FROM files", ""));
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT file, model, quant, source, imatrix, path, status, file_bytes "
                           "FROM files ORDER BY file",
                           ""));
    *n = 0;
    *files = calloc((size_t)count + 1, sizeof **files);
    while (*files && *n < (size_t)count && cn_study_rows_next(rows)) {
        struct file *f = &(*files)[(*n)++];
        f->id = cn_study_rows_i64(rows, 0);
        copy(f->model, sizeof f->model, cn_study_rows_text(rows, 1));
        copy(f->quant, sizeof f->quant, cn_study_rows_text(rows, 2));
        copy(f->source, sizeof f->source, cn_study_rows_text(rows, 3));
        copy(f->imatrix, sizeof f->imatrix, cn_study_rows_text(rows, 4));
        copy(f->path, sizeof f->path, cn_study_rows_text(rows, 5));
        const char *state = cn_study_rows_text(rows, 6);
        f->ready = state && strcmp(state, "ready") == 0;
        f->bytes = cn_study_rows_i64(rows, 7);
    }
    enum cn_status status = cn_study_rows_close(rows, s->err);
    CN_RETURN_IF(!*files, CN_ERR_MEMORY, s->err, "out of memory");
    return status;
}

static enum cn_status prepare_files(const struct cn_study *s, const struct cn_study_site *host)
{
    char path[PATH_MAX];
    struct file *files = NULL;
    struct hashed source = { .path = "" };
    size_t n = 0;
    snprintf(path, sizeof path, "%.4000s/models", s->work);
    CN_RETURN_IF(mkdir(path, 0777) != 0 && errno != EEXIST, CN_ERR_IO, s->err, "%s: %s", path,
                 strerror(errno));
    enum cn_status status = list_files(s, &files, &n);
    for (size_t i = 0; i < n && status == CN_OK; i++) {
        if (s->o->progress)
            s->o->progress(s->o->user, "model files", (double)i, (double)n);
        status = prepare_file(s, host, &files[i], &source);
    }
    if (s->o->progress)
        s->o->progress(s->o->user, "model files", 1, 1);
    free(files);
    return status;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static char *as_text(const int32_t *tokens, size_t n)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    for (size_t i = 0; out && i < n; i++)
        fprintf(out, i ? " %d" : "%d", tokens[i]);
    if (out && fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

enum { MAX_TEMPLATE_ARGS = 32 };

/* What a prompt gives the chat template, "KEY=JSON" each; malloc'ed. Studies of earlier versions
 * have no table for it. */
static enum cn_status template_args(const struct cn_study *s, int64_t prompt,
                                    char *args[MAX_TEMPLATE_ARGS], size_t *n)
{
    struct cn_study_rows *rows;
    enum cn_status status = CN_OK;
    *n = 0;
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT 1 FROM sqlite_master WHERE name = 'template_args'", ""));
    bool any = cn_study_rows_next(rows);
    CN_TRY(cn_study_rows_close(rows, s->err));
    if (!any)
        return CN_OK;
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT argument FROM template_args WHERE prompt = ?1 ORDER BY rowid",
                           "i", prompt));
    while (status == CN_OK && cn_study_rows_next(rows)) {
        const char *text = cn_study_rows_text(rows, 0);
        if (*n == MAX_TEMPLATE_ARGS || !(args[*n] = strdup(text ? text : "")))
            status = cn_fail(s->err, CN_ERR_MEMORY, "more arguments of a template than expected");
        else
            ++*n;
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}

/* A user's message in the model's template. */
static enum cn_status tokenize_chat(const struct cn_study *s, const struct cn_model *model,
                                    int64_t prompt, const char *text, int32_t **tokens, size_t *n)
{
    struct cn_chat_message message = { .role = "user", .content = text, .n_content = strlen(text) };
    char *args[MAX_TEMPLATE_ARGS];
    struct cn_chat_options options = { .arguments = (const char *const *)args };
    struct cn_chat *chat = NULL;
    enum cn_status status = template_args(s, prompt, args, &options.n_arguments);
    if (status == CN_OK)
        status = cn_chat_create(model, &options, &chat, s->err);
    if (status == CN_OK)
        status = cn_chat_tokens(chat, &message, 1, true, tokens, n, s->err);
    cn_chat_free(chat);
    for (size_t i = 0; i < options.n_arguments; i++)
        free(args[i]);
    return status;
}

/* The ids of a prompt for the tokenizer in a file; malloc'ed. */
static enum cn_status tokenize(const struct cn_study *s, const char *path, int64_t prompt,
                               const char *text, bool chat, char **ids)
{
    struct cn_model_options options = { .vocab_only = true };
    struct cn_model *model;
    int32_t *tokens = NULL;
    size_t n = 0;
    CN_TRY(cn_model_open(path, &options, &model, s->err));
    enum cn_status status =
        chat ? tokenize_chat(s, model, prompt, text, &tokens, &n)
             : cn_tokenize(model, text, strlen(text), CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT, &tokens,
                           &n, s->err);
    cn_model_close(model);
    if (status == CN_OK && n == 0)
        status =
            cn_fail(s->err, CN_ERR_ARGUMENT, "%s: the prompt '%.40s' has no tokens", path, text);
    if (status == CN_OK && !(*ids = as_text(tokens, n)))
        status = cn_fail(s->err, CN_ERR_MEMORY, "out of memory");
    free(tokens);
    return status;
}

/* One model's file and one prompt: the first file decides, the others are compared with it. What
 * runs is what the first one said: the same work for all. */
static enum cn_status take_tokens(const struct cn_study *s, const char *model, const char *quant,
                                  const char *path, int64_t prompt, const char *text, bool chat)
{
    struct cn_study_rows *rows;
    char *ids = NULL;
    CN_TRY(tokenize(s, path, prompt, text, chat, &ids));
    enum cn_status status = cn_study_exec(
        s->db, s->err, "INSERT OR IGNORE INTO tokens (model, prompt, ids) VALUES (?1, ?2, ?3)",
        "sis", model, prompt, ids);
    if (status == CN_OK)
        status = cn_study_select(s->db, &rows, s->err,
                                 "SELECT ids FROM tokens WHERE model = ?1 AND prompt = ?2", "si",
                                 model, prompt);
    if (status == CN_OK) {
        const char *first = cn_study_rows_next(rows) ? cn_study_rows_text(rows, 0) : NULL;
        if (!first || strcmp(first, ids) != 0)
            cn_study_note(s,
                          "%s %s: its own tokenizer gives other tokens for prompt %lld than the "
                          "model's first file; it gets those of the first",
                          model, quant, (long long)prompt);
        status = cn_study_rows_close(rows, s->err);
    }
    free(ids);
    return status;
}

static enum cn_status prepare_tokens(const struct cn_study *s)
{
    struct cn_study_rows *rows;
    /* A model some of whose prompts have no ids yet: all its files are looked at. */
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT f.model, f.quant, f.path, p.prompt, p.text, p.chat FROM files f "
                           "JOIN prompts p WHERE f.status = 'ready' AND NOT EXISTS (SELECT 1 FROM "
                           "tokens t WHERE t.model = f.model AND t.prompt = p.prompt) ORDER BY "
                           "p.prompt, f.file",
                           ""));
    enum cn_status status = CN_OK;
    struct todo {
        char model[80], quant[80], path[PATH_MAX];
        int64_t prompt;
        char *text;
        bool chat;
    } *all = NULL;
    size_t n = 0;
    while (status == CN_OK && cn_study_rows_next(rows)) {
        struct todo *more = realloc(all, (n + 1) * sizeof *all);
        if (more)
            all = more;
        const char *text = cn_study_rows_text(rows, 4);
        if (!more || !(all[n].text = strdup(text ? text : ""))) {
            status = cn_fail(s->err, CN_ERR_MEMORY, "out of memory");
            break;
        }
        struct todo *t = &all[n++];
        copy(t->model, sizeof t->model, cn_study_rows_text(rows, 0));
        copy(t->quant, sizeof t->quant, cn_study_rows_text(rows, 1));
        copy(t->path, sizeof t->path, cn_study_rows_text(rows, 2));
        t->prompt = cn_study_rows_i64(rows, 3);
        t->chat = cn_study_rows_i64(rows, 5) == 1;
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    status = status == CN_OK ? closed : status;
    for (size_t i = 0; i < n; i++) {
        struct todo *t = &all[i];
        if (status == CN_OK)
            status = take_tokens(s, t->model, t->quant, t->path, t->prompt, t->text, t->chat);
        free(t->text);
    }
    free(all);
    return status;
}

enum cn_status cn_study_prepare(struct cn_study *s, const struct cn_study_site *host)
{
    CN_TRY(prepare_files(s, host));
    return prepare_tokens(s);
}
