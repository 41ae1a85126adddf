/* SPDX-License-Identifier: MIT
 *
 * Text that grows, and JSON written into it. Where memory runs out it stays as it is and `failed`
 * says so: the caller looks once, at the end.
 */
#ifndef CN_JSON_TEXT_H
#define CN_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct cn_json_text { /* {0}: empty */
    char *p;          /* [n], a NUL behind; NULL while nothing was added */
    size_t n, capacity;
    bool failed;
};

void cn_json_text_free(struct cn_json_text *text);
void cn_json_text_add(struct cn_json_text *text, const char *p, size_t n);
__attribute__((format(printf, 2, 3))) void cn_json_text_say(struct cn_json_text *text,
                                                            const char *format, ...);
/* p[n] in quotes with escapes; bytes that are not UTF-8 become U+FFFD. null for p == NULL. */
void cn_json_text_string(struct cn_json_text *text, const char *p, size_t n);
/* null for what is not finite. */
void cn_json_text_number(struct cn_json_text *text, double number);
/* Takes the first n bytes away. */
void cn_json_text_drop(struct cn_json_text *text, size_t n);

#endif
