/* SPDX-License-Identifier: MIT
 *
 * Jinja as chat templates use it: a template is compiled once and rendered for any number of
 * conversations. It behaves as Jinja2's sandbox does in the set-up that chat templates are written
 * for (trim_blocks, lstrip_blocks, loop controls, tojson without HTML escapes). What is not built
 * in is refused by name, a tag when the template is compiled, anything else when it is reached.
 *
 * Templates are hostile: source, nesting, steps and memory are limited, and an error is one line
 * that begins with "chat template, line N: ".
 */
#ifndef CN_JINJA_H
#define CN_JINJA_H

#include "base/json.h"
#include "base/str.h"
#include "engine/text/text_span.h"

#include <time.h>

enum {
    CN_JINJA_MAX_SOURCE = 1 << 20, /* bytes */
    CN_JINJA_MAX_TEXT = 16 << 20,  /* bytes of the result, and of any string on the way to it */
};

struct cn_jinja; /* a compiled template; read-only, may be shared by threads */

/* The template copies what it needs of the source. The caller frees it. CN_ERR_FORMAT for what is
 * no Jinja, CN_ERR_UNSUPPORTED for a tag that is not built in. */
enum cn_status cn_jinja_compile(struct cn_str source, struct cn_jinja **jinja,
                                struct cn_error *err);
void cn_jinja_free(struct cn_jinja *jinja); /* NULL is allowed */

/* Whether these bytes occur in the template's source: names that it reads, marks that it writes. */
bool cn_jinja_mentions(const struct cn_jinja *jinja, const char *text);

struct cn_jinja_variable {
    const char *name;
    const struct cn_json_value *value; /* borrowed; NULL: none */
    bool trusted;                      /* its strings count as written by the template */
    bool messages; /* a list of messages: the usual names of roles in it are trusted */
};

struct cn_jinja_options {
    const struct cn_jinja_variable *variables; /* [n_variables]; of equal names the last counts */
    size_t n_variables;
    const struct tm *now; /* for strftime_now; NULL: the clock, local time */
};

struct cn_jinja_text {
    char *text;                 /* [n], a NUL behind */
    struct cn_text_span *spans; /* [n_spans], none empty, neighbours differ; markup: what the
                                 * template wrote, and the strings of trusted variables */
    size_t n, n_spans;
};

/* The caller frees the result with cn_jinja_text_free. Where the template calls raise_exception,
 * CN_ERR_ARGUMENT with its sentence; CN_ERR_FORMAT for other errors of the template on these
 * variables, CN_ERR_UNSUPPORTED for what is not built in, CN_ERR_MEMORY beyond a limit. */
enum cn_status cn_jinja_render(const struct cn_jinja *jinja, const struct cn_jinja_options *options,
                               struct cn_jinja_text *out, struct cn_error *err);
void cn_jinja_text_free(struct cn_jinja_text *text); /* takes all zeros too */

#endif
