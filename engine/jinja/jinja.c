/* SPDX-License-Identifier: MIT
 *
 * Compiling and rendering from the outside.
 */
#include "engine/jinja/jinja.h"

#include "engine/jinja/jinja_node.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Of a compiled template: a source of 1 MiB whose every byte is a node needs less. */
    COMPILED_BYTES = 128 << 20,
    RENDER_BYTES = 128 << 20,
};

/* ---- compiling ------------------------------------------------------------------------------- */

/* The source with LF for every line end, less one at its end. */
static struct cn_str normalised(struct cn_jrun *run, struct cn_str source)
{
    char *p = cn_j_alloc(run, source.n);
    size_t n = 0;
    for (size_t i = 0; i < source.n; i++) {
        char c = source.p[i];
        if (c == '\r') {
            i += i + 1 < source.n && source.p[i + 1] == '\n';
            c = '\n';
        }
        p[n++] = c;
    }
    n -= n > 0 && p[n - 1] == '\n';
    return (struct cn_str){ p, n };
}

static uint32_t known_symbol(struct cn_jparser *p, const char *name)
{
    return cn_j_symbol(p, (struct cn_str){ name, strlen(name) });
}

static void compile(struct cn_jrun *run, struct cn_jinja *jinja, struct cn_str source)
{
    struct cn_jparser parser = { .run = run, .jinja = jinja };
    if (!cn_strmap_init(&jinja->symbols, 64))
        cn_j_fail(run, CN_ERR_MEMORY, "no memory for the names");
    jinja->loop = known_symbol(&parser, "loop");
    jinja->caller = known_symbol(&parser, "caller");
    jinja->varargs = known_symbol(&parser, "varargs");
    jinja->kwargs = known_symbol(&parser, "kwargs");
    jinja->source = normalised(run, source);
    parser.at = cn_j_lex(run, jinja->source);
    run->line = 1;
    cn_j_parse(&parser);
    size_t n = jinja->symbols.n;
    jinja->functions = cn_j_alloc(run, n * sizeof *jinja->functions);
    for (size_t i = 0; i < n; i++)
        jinja->functions[i] = cn_j_find_function(jinja->symbols.keys[i]);
}

enum cn_status cn_jinja_compile(struct cn_str source, struct cn_jinja **jinja, struct cn_error *err)
{
    CN_RETURN_IF(source.n > CN_JINJA_MAX_SOURCE, CN_ERR_UNSUPPORTED, err,
                 "chat template: at most %d bytes expected, found %zu", CN_JINJA_MAX_SOURCE,
                 source.n);
    struct cn_jinja *made = calloc(1, sizeof *made);
    CN_RETURN_IF(!made, CN_ERR_MEMORY, err, "chat template: no memory");
    made->arena.limit = COMPILED_BYTES;
    struct cn_jrun run = {
        .arena = &made->arena, .err = err, .line = 1, .work_left = CN_J_MAX_WORK
    };
    if (setjmp(run.escape) == 0) {
        compile(&run, made, source);
        *jinja = made;
        return CN_OK;
    }
    cn_jinja_free(made);
    return run.status;
}

void cn_jinja_free(struct cn_jinja *jinja)
{
    if (!jinja)
        return;
    cn_strmap_free(&jinja->symbols);
    cn_arena_free(&jinja->arena);
    free(jinja);
}

bool cn_jinja_mentions(const struct cn_jinja *jinja, const char *text)
{
    return memmem(jinja->source.p, jinja->source.n, text, strlen(text)) != NULL;
}

/* ---- rendering ------------------------------------------------------------------------------- */

static void bind(struct cn_jrun *run, const struct cn_jinja_variable *variable)
{
    struct cn_str name = { variable->name, strlen(variable->name) };
    int64_t symbol = cn_strmap_find(&run->jinja->symbols, name);
    if (symbol >= 0 && variable->value)
        cn_j_set(run, run->scope, (uint32_t)symbol,
                 cn_j_from_json(run, variable->value, variable->trusted, variable->messages));
}

/* The runs of bytes whose marks agree. With spans NULL they are only counted. */
static size_t make_spans(const struct cn_jtext *text, struct cn_text_span *spans)
{
    size_t n = 0;
    for (size_t at = 0, end; at < text->n; at = end, n++) {
        bool input = text->marks ? text->marks[at] : text->input;
        end = text->n;
        if (text->marks)
            for (end = at + 1; end < text->n && !text->marks[end] == !input;)
                end++;
        if (spans)
            spans[n] = (struct cn_text_span){ end - at, !input };
    }
    return n;
}

static void hand_out(struct cn_jrun *run, const struct cn_jtext *text, struct cn_jinja_text *out)
{
    struct cn_jinja_text made = { .n = text->n, .n_spans = make_spans(text, NULL) };
    made.text = malloc(made.n + 1);
    made.spans = malloc((made.n_spans + 1) * sizeof *made.spans);
    if (!made.text || !made.spans) {
        cn_jinja_text_free(&made);
        cn_j_fail(run, CN_ERR_MEMORY, "no memory for a text of %zu bytes", text->n);
    }
    if (made.n > 0)
        memcpy(made.text, text->p, made.n);
    made.text[made.n] = '\0';
    make_spans(text, made.spans);
    *out = made;
}

static const struct cn_jtables tables = { cn_j_find_filter, cn_j_find_test, cn_j_fail_no_filter,
                                          cn_j_fail_no_test, cn_j_call_macro };

static void render(struct cn_jrun *run, const struct cn_jinja_options *options,
                   struct cn_jinja_text *out)
{
    struct cn_jtext text = { .run = run };
    run->out = &text;
    run->scope = cn_j_push_scope(run, NULL);
    for (size_t i = 0; i < options->n_variables; i++)
        bind(run, &options->variables[i]);
    cn_j_exec(run, &run->jinja->root, 1);
    hand_out(run, &text, out);
}

enum cn_status cn_jinja_render(const struct cn_jinja *jinja, const struct cn_jinja_options *options,
                               struct cn_jinja_text *out, struct cn_error *err)
{
    struct cn_arena arena = { .limit = RENDER_BYTES };
    struct tm now;
    time_t clock = time(NULL);
    struct cn_jrun run = { .arena = &arena,
                           .err = err,
                           .line = 1,
                           .work_left = CN_J_MAX_WORK,
                           .jinja = jinja,
                           .tables = &tables,
                           .now = options->now ? options->now : localtime_r(&clock, &now) };
    run.status = CN_OK;
    if (setjmp(run.escape) == 0)
        render(&run, options, out);
    cn_arena_free(&arena);
    return run.status;
}

void cn_jinja_text_free(struct cn_jinja_text *text)
{
    free(text->text);
    free(text->spans);
    *text = (struct cn_jinja_text){ 0 };
}
