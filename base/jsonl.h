/* SPDX-License-Identifier: MIT
 *
 * The little JSON this floor needs: one flat object per line, read and written.
 */
#ifndef CN_JSONL_H
#define CN_JSONL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum cn_json_kind { CN_JSON_NULL, CN_JSON_BOOL, CN_JSON_NUMBER, CN_JSON_STRING, CN_JSON_NESTED };

struct cn_json_value {
    enum cn_json_kind kind;
    double number;   /* finite; of a bool 0 or 1 */
    int64_t integer; /* exact, if is_integer */
    bool is_integer;
    const char *string; /* NUL-terminated, inside the line */
};

/* Called for each member of the object, in order. */
typedef void cn_json_member(void *user, const char *key, const struct cn_json_value *value);

/* Parses `line`, one object and nothing else. Strings are unescaped in place. NULL if it is sound,
 * else what is wrong (a literal); members before the fault have been reported. */
const char *cn_json_line(char *line, cn_json_member *member, void *user);

/* "text" with quotes and escapes; null for NULL. */
void cn_json_string(FILE *out, const char *text);
/* %.9g; null for NaN and infinities. */
void cn_json_number(FILE *out, double number);

#endif
