/* SPDX-License-Identifier: MIT
 *
 * Tiny models with the logits that another engine computes for them: tests/fixtures/arch and arch2
 * (part of them) and $CARNOT_SHARED/fixtures/arch and arch2 (all, and their READMEs).
 */
#ifndef CN_TESTS_ARCH_FIXTURE_H
#define CN_TESTS_ARCH_FIXTURE_H

#include "base/json.h"
#include "engine/carnot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIXTURE_CTX = 256 }; /* what the reference logits were computed with */

/* A whole file, NUL-terminated; *n its size. NULL if it cannot be opened. */
static inline char *fixture_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    char *p = malloc((size_t)size + 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, (size_t)size, f), size);
    p[size] = 0;
    fclose(f);
    *n = (size_t)size;
    return p;
}

/* The path of `name`, a file of fixtures/arch or of fixtures/arch2: in tests/, else in the shared
 * folder. False, after a line on stdout, if it is in none of them. */
static inline bool fixture_path(char *buf, size_t n_buf, const char *name)
{
    const char *root = getenv("CARNOT_SHARED");
    for (int i = 0; i < 4; i++) {
        snprintf(buf, n_buf, "%s/fixtures/%s/%s",
                 i % 2 == 0      ? "tests"
                 : root && *root ? root
                                 : "../shared",
                 i < 2 ? "arch" : "arch2", name);
        if (access(buf, R_OK) == 0)
            return true;
    }
    printf("SKIPPED: no %s (CARNOT_SHARED names the folder of shared test data)\n", buf);
    return false;
}

static inline struct cn_json *fixture_manifest(const char *path)
{
    size_t n;
    char *text = fixture_read(path, &n);
    struct cn_json *doc = NULL;
    struct cn_error err = { "" };
    if (!text || cn_json_parse(text, n, path, &doc, &err) != CN_OK)
        fail_msg("%s: %s", path, text ? err.text : "cannot be read");
    free(text);
    return doc;
}

static inline const char *fixture_string(const struct cn_json_value *entry, const char *key)
{
    const struct cn_json_value *v = cn_json_get(entry, key);
    if (!v || v->type != CN_JSON_STRING)
        fail_msg("manifest: no string '%s'", key);
    return v->string;
}

static inline double fixture_number(const struct cn_json_value *entry, const char *key)
{
    const struct cn_json_value *v = cn_json_get(entry, key);
    if (!v || v->type != CN_JSON_NUMBER)
        fail_msg("manifest: no number '%s'", key);
    return v->number;
}

/* Element i of an array; NULL if there is no such array or element. */
static inline const struct cn_json_value *fixture_element(const struct cn_json_value *entry,
                                                          const char *key, size_t i)
{
    const struct cn_json_value *v = cn_json_get(entry, key);
    for (v = v ? v->first : NULL; v && i; i--)
        v = v->next;
    return v;
}

/* One entry: the prompt and the logits of every position of it. */
struct fixture {
    const struct cn_json_value *entry;
    char model[512];
    int32_t n_tokens, n_vocab;
    int32_t *tokens;
    float *logits; /* [n_tokens, n_vocab] */
};

static inline void fixture_free(struct fixture *f)
{
    free(f->tokens);
    free(f->logits);
}

/* False if its files are not there. `folder` goes before their names ("" or "quant/"); logits_key
 * names the reference. */
static inline bool fixture_load(struct fixture *f, const struct cn_json_value *entry,
                                const char *folder, const char *logits_key)
{
    char name[256], path[512];
    size_t n;
    *f = (struct fixture){ .entry = entry,
                           .n_tokens = (int32_t)fixture_number(entry, "n_tokens"),
                           .n_vocab = (int32_t)fixture_number(entry, "n_vocab") };
    snprintf(name, sizeof name, "%s%s", folder, fixture_string(entry, "file"));
    if (!fixture_path(f->model, sizeof f->model, name))
        return false;
    snprintf(name, sizeof name, "%s%s", folder, fixture_string(entry, logits_key));
    if (!fixture_path(path, sizeof path, name))
        return false;
    f->logits = (float *)(void *)fixture_read(path, &n);
    assert_int_equal(n, (size_t)f->n_tokens * (size_t)f->n_vocab * sizeof(float));
    snprintf(name, sizeof name, "%s%s", folder, fixture_string(entry, "tokens"));
    assert_true(fixture_path(path, sizeof path, name));
    char *text = fixture_read(path, &n), *p = text;
    f->tokens = malloc((size_t)f->n_tokens * sizeof *f->tokens);
    assert_non_null(f->tokens);
    for (int32_t i = 0; i < f->n_tokens; i++) {
        char *end;
        f->tokens[i] = (int32_t)strtol(p, &end, 10);
        assert_ptr_not_equal(p, end);
        p = end;
    }
    free(text);
    return true;
}

/* Opens a fixture's model with some tiers (NULL: all of the machine). */
static inline struct cn_model *fixture_open(const char *path, const char *tiers)
{
    struct cn_model_options options = { .tiers = tiers };
    struct cn_model *model = NULL;
    struct cn_error err = { "" };
    if (cn_model_open(path, &options, &model, &err) != CN_OK)
        fail_msg("%s", err.text);
    return model;
}

static inline struct cn_session *fixture_session(const struct cn_model *model,
                                                 const struct cn_session_options *options)
{
    struct cn_session *session = NULL;
    struct cn_error err = { "" };
    if (cn_session_create(model, options, &session, &err) != CN_OK)
        fail_msg("%s", err.text);
    return session;
}

/* The logits of every position, [n_tokens, n_vocab], malloc'ed. Evaluated in calls of `batch`
 * tokens. */
static inline float *fixture_logits(const struct cn_model *model, const struct fixture *f,
                                    enum cn_kv_type kv, int32_t batch, int32_t n_threads)
{
    struct cn_session_options o = { .n_ctx = FIXTURE_CTX,
                                    .n_batch = batch,
                                    .n_logits = batch,
                                    .n_threads = n_threads,
                                    .kv = kv,
                                    .sleep = true };
    struct cn_session *session = fixture_session(model, &o);
    float *all = malloc((size_t)f->n_tokens * (size_t)f->n_vocab * sizeof *all);
    assert_non_null(all);
    for (int32_t i = 0; i < f->n_tokens; i += batch) {
        int32_t n = f->n_tokens - i < batch ? f->n_tokens - i : batch;
        struct cn_error err = { "" };
        if (cn_session_eval(session, f->tokens + i, n, CN_WANT_ALL, &err) != CN_OK)
            fail_msg("%s: %s", f->model, err.text);
        for (int32_t j = 0; j < n; j++)
            memcpy(all + (size_t)(i + j) * (size_t)f->n_vocab, cn_session_logits(session, j),
                   (size_t)f->n_vocab * sizeof *all);
    }
    cn_session_free(session);
    return all;
}

#endif
