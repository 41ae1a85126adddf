/* SPDX-License-Identifier: MIT
 *
 * JSON as programs write results: an array of objects, objects one per line, or one object that
 * holds the list of them (hyperfine) or is a result itself (Criterion's estimates.json).
 */
#include "bench/stats/dataset_build.h"

#include "base/error.h"
#include "base/json.h"
#include "bench/stats/distributions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MOST_BYTES = 16 << 20, /* of a document, which is in memory as a whole */
    MOST_NESTING = 8,      /* of objects in a result */
    MOST_NAME = 512,       /* bytes of a column's name made of nested keys */
    MOST_SERIES = 4
};

/* The columns have to be known before the rows are there, so that all is visited twice. */
enum pass { COLUMNS, CELLS };

/* ---- one member of a result ------------------------------------------------------------------ */

static enum cn_status put(struct cn_dataset_build *b, enum pass pass, const char *name, size_t n,
                          const struct cn_json_value *v)
{
    int64_t c = cn_dataset_build_find(b, name, n);
    if (pass == COLUMNS) {
        for (size_t i = 0; i < n; i++)
            CN_RETURN_IF(cn_dataset_is_control(name[i]), CN_ERR_FORMAT, b->err,
                         "%s: expected keys of printable text, found byte 0x%02x in one", b->name,
                         (unsigned)(unsigned char)name[i]);
        return n && c < 0 ? cn_dataset_build_column(b, name, n) : CN_OK;
    }
    if (c < 0 || !v)
        return CN_OK;
    struct cn_cell *cell = cn_dataset_build_cell(b, (size_t)c);
    switch (v->type) {
    case CN_JSON_STRING:
        return cn_dataset_build_text(b, cell, v->string, strlen(v->string));
    case CN_JSON_BOOL:
        return cn_dataset_build_text(b, cell, v->boolean ? "true" : "false", v->boolean ? 4 : 5);
    case CN_JSON_NUMBER:
        return cn_dataset_build_number(b, cell, v->number);
    default:
        return CN_OK; /* null, and lists that nobody knows */
    }
}

static enum cn_status put_named(struct cn_dataset_build *b, enum pass pass, const char *name,
                                size_t n, const char *end, const struct cn_json_value *v)
{
    char full[MOST_NAME];
    int length =
        snprintf(full, sizeof full, "%.*s%s", n < MOST_NAME ? (int)n : MOST_NAME, name, end);
    CN_RETURN_IF(length < 0 || (size_t)length >= sizeof full, CN_ERR_FORMAT, b->err,
                 "%s: expected names of at most %d bytes, found a longer one", b->name,
                 MOST_NAME - 1);
    return put(b, pass, full, (size_t)length, v);
}

static enum cn_status put_value(struct cn_dataset_build *b, enum pass pass, const char *name,
                                size_t n, const struct cn_json_value *v, int depth);

/* An object inside a result: its members are columns called OUTER.INNER. hyperfine's parameters are
 * called as in its CSV, and an estimate with its interval (Criterion) is a number with bounds. */
static enum cn_status put_object(struct cn_dataset_build *b, enum pass pass, const char *name,
                                 size_t n, const struct cn_json_value *object, int depth)
{
    const struct cn_json_value *interval = cn_json_get(object, "confidence_interval");
    char inner[MOST_NAME];
    if (cn_json_get(object, "point_estimate")) {
        CN_TRY(put(b, pass, name, n, cn_json_get(object, "point_estimate")));
        CN_TRY(put_named(b, pass, name, n, "_lo",
                         interval ? cn_json_get(interval, "lower_bound") : NULL));
        return put_named(b, pass, name, n, "_hi",
                         interval ? cn_json_get(interval, "upper_bound") : NULL);
    }
    CN_RETURN_IF(depth == MOST_NESTING, CN_ERR_FORMAT, b->err,
                 "%s: expected objects inside each other at most %d deep, found more", b->name,
                 MOST_NESTING);
    const bool parameters = n == 10 && memcmp(name, "parameters", n) == 0;
    for (const struct cn_json_value *v = object->first; v; v = v->next) {
        int length = snprintf(inner, sizeof inner, "%.*s%s%.*s",
                              parameters      ? 9
                              : n < MOST_NAME ? (int)n
                                              : MOST_NAME,
                              name, parameters ? "_" : ".",
                              v->n_key < MOST_NAME ? (int)v->n_key : MOST_NAME, v->key);
        CN_RETURN_IF(length < 0 || (size_t)length >= sizeof inner, CN_ERR_FORMAT, b->err,
                     "%s: expected names of at most %d bytes, found a longer one", b->name,
                     MOST_NAME - 1);
        CN_TRY(put_value(b, pass, inner, (size_t)length, v, depth + 1));
    }
    return CN_OK;
}

static enum cn_status put_value(struct cn_dataset_build *b, enum pass pass, const char *name,
                                size_t n, const struct cn_json_value *v, int depth)
{
    if (v->type == CN_JSON_OBJECT)
        return put_object(b, pass, name, n, v, depth);
    return put(b, pass, name, n, v);
}

/* ---- repetitions ----------------------------------------------------------------------------- */

/* Lists whose numbers are one repetition each (hyperfine): a row for each of them. */
static const char *const series_names[MOST_SERIES] = { "times", "memory_usage_byte" };
/* What is said of all repetitions together is no value of any one; these follow from the list. */
static const char *const of_series[] = { "mean", "stddev", "median", "min", "max" };

static bool is_one_of(const char *const *names, size_t n, const struct cn_json_value *v)
{
    for (size_t i = 0; i < n; i++)
        if (names[i] && strlen(names[i]) == v->n_key && memcmp(names[i], v->key, v->n_key) == 0)
            return true;
    return false;
}

static bool is_series(const struct cn_json_value *v)
{
    return v->type == CN_JSON_ARRAY && v->first && is_one_of(series_names, MOST_SERIES, v);
}

/* The samples behind llama-bench's avg_ts give it a 95% interval (Student's t): rows of its JSON
 * are then the same as those of its CSV, and bring what a lone value needs to be judged. */
static enum cn_status put_interval(struct cn_dataset_build *b, enum pass pass,
                                   const struct cn_json_value *result)
{
    const struct cn_json_value *list = cn_json_get(result, "samples_ts"),
                               *avg = cn_json_get(result, "avg_ts");
    double n = 0, mean = 0, squares = 0;
    if (!list || list->type != CN_JSON_ARRAY || !avg || avg->type != CN_JSON_NUMBER)
        return CN_OK;
    for (const struct cn_json_value *v = list->first; v; v = v->next) {
        if (v->type != CN_JSON_NUMBER)
            return CN_OK;
        double step = v->number - mean;
        mean += step / ++n;
        squares += step * (v->number - mean);
    }
    if (n < 2)
        return CN_OK;
    double half = cn_student_quantile(0.975, n - 1) * sqrt(squares / (n - 1) / n);
    struct cn_json_value lo = { .type = CN_JSON_NUMBER, .number = avg->number - half },
                         hi = { .type = CN_JSON_NUMBER, .number = avg->number + half };
    CN_TRY(put(b, pass, "avg_ts_lo", 9, &lo));
    return put(b, pass, "avg_ts_hi", 9, &hi);
}

/* The rows of a result: one, or one per repetition. */
static enum cn_status put_result(struct cn_dataset_build *b, enum pass pass,
                                 const struct cn_json_value *result)
{
    const struct cn_json_value *series[MOST_SERIES], *at[MOST_SERIES];
    size_t n_series = 0, n_rows = 1;
    for (const struct cn_json_value *v = result->first; v; v = v->next)
        if (is_series(v) && n_series < MOST_SERIES) {
            series[n_series] = v;
            at[n_series++] = v->first;
            n_rows = v->n_children > n_rows ? v->n_children : n_rows;
        }
    if (pass == COLUMNS)
        n_rows = 1;
    for (size_t row = 0; row < n_rows; row++) {
        if (pass == CELLS)
            CN_TRY(cn_dataset_build_row(b));
        for (const struct cn_json_value *v = result->first; v; v = v->next) {
            bool summary =
                n_series && is_one_of(of_series, sizeof of_series / sizeof *of_series, v);
            /* Other numbers (hyperfine's user and system) are of all repetitions, and stand once.
             */
            bool again = row > 0 && v->type == CN_JSON_NUMBER;
            if (!is_series(v) && !summary && !again)
                CN_TRY(put_value(b, pass, v->key, v->n_key, v, 0));
        }
        for (size_t i = 0; i < n_series; i++) {
            CN_TRY(put(b, pass, series[i]->key, series[i]->n_key, at[i]));
            at[i] = at[i] ? at[i]->next : NULL;
        }
        CN_TRY(put_interval(b, pass, result));
    }
    return CN_OK;
}

/* ---- documents ------------------------------------------------------------------------------- */

static bool is_list_of_objects(const struct cn_json_value *v)
{
    if (v->type != CN_JSON_ARRAY || !v->first)
        return false;
    for (const struct cn_json_value *item = v->first; item; item = item->next)
        if (item->type != CN_JSON_OBJECT)
            return false;
    return true;
}

/* The list of results in an object that says nothing else of its own: no text, no number, one list.
 * NULL: the object is a result itself. */
static const struct cn_json_value *list_in(const struct cn_json_value *object)
{
    const struct cn_json_value *list = NULL;
    for (const struct cn_json_value *v = object->first; v; v = v->next) {
        if (v->type != CN_JSON_ARRAY && v->type != CN_JSON_OBJECT)
            return NULL;
        if (is_list_of_objects(v) && list)
            return NULL;
        if (is_list_of_objects(v))
            list = v;
    }
    return list;
}

static enum cn_status put_list(struct cn_dataset_build *b, enum pass pass,
                               const struct cn_json_value *list)
{
    size_t i = 1;
    for (const struct cn_json_value *v = list->first; v; v = v->next, i++) {
        CN_RETURN_IF(v->type != CN_JSON_OBJECT, CN_ERR_FORMAT, b->err,
                     "%s: value %zu: expected an object, found %s", b->name, i,
                     cn_json_type_name(v->type));
        CN_TRY(put_result(b, pass, v));
    }
    return CN_OK;
}

static enum cn_status put_object_root(struct cn_dataset_build *b, enum pass pass,
                                      const struct cn_json_value *root, const char *where)
{
    CN_RETURN_IF(root->type != CN_JSON_OBJECT, CN_ERR_FORMAT, b->err,
                 "%s: expected an object, found %s", where, cn_json_type_name(root->type));
    const struct cn_json_value *list = list_in(root);
    return list ? put_list(b, pass, list) : put_result(b, pass, root);
}

static enum cn_status put_document(struct cn_dataset_build *b, enum pass pass,
                                   const struct cn_json_value *root)
{
    return root->type == CN_JSON_ARRAY ? put_list(b, pass, root)
                                       : put_object_root(b, pass, root, b->name);
}

static enum cn_status read_whole(struct cn_dataset_build *b, const char *text, size_t n)
{
    struct cn_json *json;
    CN_RETURN_IF(n > MOST_BYTES, CN_ERR_FORMAT, b->err,
                 "%s: expected a JSON document of at most %d bytes, found %zu: use JSON lines",
                 b->name, MOST_BYTES, n);
    CN_TRY(cn_json_parse(text, n, b->name, &json, b->err));
    enum cn_status status = put_document(b, COLUMNS, cn_json_root(json));
    if (status == CN_OK)
        status = put_document(b, CELLS, cn_json_root(json));
    cn_json_free(json);
    return status;
}

static enum cn_status read_lines(struct cn_dataset_build *b, enum pass pass, const char *text,
                                 size_t n)
{
    enum cn_status status = CN_OK;
    const char *end = text + n;
    for (size_t line = 1; text < end && status == CN_OK; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text), blanks = 0;
        while (blanks < length && text[blanks] && strchr(" \t\r", text[blanks]))
            blanks++;
        if (blanks < length) {
            char where[512];
            struct cn_json *json;
            snprintf(where, sizeof where, "%s: object in line %zu", b->name, line);
            status = cn_json_parse(text, length, where, &json, b->err);
            if (status == CN_OK) {
                status = put_object_root(b, pass, cn_json_root(json), where);
                cn_json_free(json);
            }
        }
        text += length + 1;
    }
    return status;
}

/* A first line that is a whole value is one of several; one that is not begins a document. */
static bool begins_lines(const char *text, size_t n)
{
    const char *stop = memchr(text, '\n', n);
    size_t length = stop ? (size_t)(stop - text) : n;
    struct cn_json *json;
    size_t rest = length;
    while (rest < n && text[rest] && strchr(" \t\r\n", text[rest]))
        rest++;
    if (rest == n)
        return true;
    if (cn_json_parse(text, length, "", &json, NULL) != CN_OK)
        return false;
    cn_json_free(json);
    return true;
}

enum cn_status cn_dataset_read_json(struct cn_dataset_build *b, const char *text, size_t n)
{
    size_t blanks = 0;
    while (blanks < n && text[blanks] && strchr(" \t\r\n", text[blanks]))
        blanks++;
    if (blanks < n && (text[blanks] == '[' || !begins_lines(text + blanks, n - blanks)))
        return read_whole(b, text, n);
    CN_TRY(read_lines(b, COLUMNS, text, n));
    return read_lines(b, CELLS, text, n);
}
