/* SPDX-License-Identifier: MIT
 *
 * A strict JSON reader (RFC 8259: UTF-8, no comments, no trailing commas, nothing after the value)
 * for small documents such as chat messages. It does not recurse; nesting is limited.
 */
#ifndef CN_JSON_H
#define CN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { CN_JSON_MAX_DEPTH = 128 };

enum cn_json_type {
    CN_JSON_NULL,
    CN_JSON_BOOL,
    CN_JSON_NUMBER,
    CN_JSON_STRING,
    CN_JSON_ARRAY,
    CN_JSON_OBJECT
};

struct cn_json_value {
    enum cn_json_type type;
    bool boolean;
    double number;
    const char *string; /* [n_string] decoded, may hold NULs; a NUL follows it. Of a number: as it
                         * is written, so that 1 and 1.0 can be told apart */
    size_t n_string;
    const char *key; /* [n_key] of a member of an object, as `string`; else NULL */
    size_t n_key;
    const struct cn_json_value *first; /* of an array or object: its first child, or NULL */
    const struct cn_json_value *next;  /* the next child of the same parent, or NULL */
    const struct cn_json_value *parent;
    size_t n_children;
    size_t begin, end; /* the bytes of the text that it is written in, without its key */
};

struct cn_json;

/* Parses text[0..n); `name` (a file name) starts the message of an error, which says line and
 * column. The document copies what it needs; the caller frees it. */
enum cn_status cn_json_parse(const char *text, size_t n, const char *name, struct cn_json **json,
                             struct cn_error *err);
void cn_json_free(struct cn_json *json);
const struct cn_json_value *cn_json_root(const struct cn_json *json);

/* The first member called `key` of an object; NULL if there is none, or `value` is no object or
 * NULL itself: what is not there has no members. */
const struct cn_json_value *cn_json_get(const struct cn_json_value *value, const char *key);

/* "null", "true or false", "a number", ... */
const char *cn_json_type_name(enum cn_json_type type);

#endif
