/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "engine/jinja/jinja.h"
#include "tests/shared_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- helpers --------------------------------------------------------------------------------- */

static const struct tm some_sunday = { .tm_year = 126,
                                       .tm_mon = 10,
                                       .tm_mday = 29,
                                       .tm_hour = 13,
                                       .tm_min = 5,
                                       .tm_sec = 9,
                                       .tm_wday = 0,
                                       .tm_yday = 332 };

static enum cn_status render(struct cn_str source, const struct cn_jinja_variable *variables,
                             size_t n, struct cn_jinja_text *out, struct cn_error *err)
{
    struct cn_jinja *jinja;
    const struct cn_jinja_options options = { variables, n, &some_sunday };
    enum cn_status status = cn_jinja_compile(source, &jinja, err);
    if (status != CN_OK)
        return status;
    status = cn_jinja_render(jinja, &options, out, err);
    cn_jinja_free(jinja);
    return status;
}

/* The variables are the members of a JSON object. */
static struct cn_json *variables_of(const char *json, struct cn_jinja_variable *variables,
                                    size_t most, size_t *n)
{
    struct cn_json *doc;
    struct cn_error err;
    if (cn_json_parse(json, strlen(json), "variables", &doc, &err) != CN_OK)
        fail_msg("%s", err.text);
    *n = 0;
    for (const struct cn_json_value *v = cn_json_root(doc)->first; v; v = v->next) {
        assert_true(*n < most);
        variables[(*n)++] = (struct cn_jinja_variable){ .name = v->key, .value = v };
    }
    return doc;
}

static enum cn_status try(const char *source, const char *json, struct cn_jinja_text *out,
                          struct cn_error *err)
{
    struct cn_jinja_variable variables[16];
    size_t n;
    struct cn_json *doc = variables_of(json, variables, 16, &n);
    enum cn_status status =
        render((struct cn_str){ source, strlen(source) }, variables, n, out, err);
    cn_json_free(doc);
    return status;
}

static void gives(const char *source, const char *json, const char *want)
{
    struct cn_jinja_text out;
    struct cn_error err;
    if (try(source, json, &out, &err) != CN_OK)
        fail_msg("%s: %s", source, err.text);
    if (out.n != strlen(want) || memcmp(out.text, want, out.n))
        fail_msg("%s: \"%s\", expected \"%s\"", source, out.text, want);
    cn_jinja_text_free(&out);
}

static void refuses(const char *source, const char *json, const char *want)
{
    struct cn_jinja_text out;
    struct cn_error err;
    if (try(source, json, &out, &err) == CN_OK)
        fail_msg("%s: \"%s\", expected an error with \"%s\"", source, out.text, want);
    if (!strstr(err.text, want) || strchr(err.text, '\n'))
        fail_msg("%s: the error \"%s\", expected \"%s\"", source, err.text, want);
    if (strncmp(err.text, "chat template, line ", 20) != 0)
        fail_msg("%s: the error \"%s\" names no line", source, err.text);
}

/* ---- the language ---------------------------------------------------------------------------- */

static void test_basics(void **state)
{
    (void)state;
    gives("{% for m in messages %}{{ m.role }}: {{ m['content']|trim }}\n{% endfor %}",
          "{\"messages\": [{\"role\": \"user\", \"content\": \" Hi \"}]}", "user: Hi\n");
    gives("{% set ns = namespace(n=0) %}{% for x in l %}{% set ns.n = ns.n + x %}{% endfor %}"
          "{{ ns.n }}",
          "{\"l\": [1, 2, 3]}", "6");
    gives("{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
          "{}", "3210");
    gives("{{ d|tojson(indent=2) }}", "{\"d\": {\"a\": [1, 1.0, null]}}",
          "{\n  \"a\": [\n    1,\n    1.0,\n    null\n  ]\n}");
    gives("{{ strftime_now('%d %b %Y') }}", "{}", "29 Nov 2026");
    gives("{{ x }}{{ y is defined }}", "{\"x\": \"a\\r\\nb\"}", "a\r\nbFalse");
}

/* A long text that others begin with stays what it is, whoever goes on with it. */
static void test_growing(void **state)
{
    (void)state;
    gives("{% set a = 'x' * 600 ~ 'y' %}{% set b = a ~ 1 ~ m %}{% set c = a ~ m ~ 2 %}{% set d = b "
          "~ 3 %}"
          "{% set e = a + a %}"
          "{{ a[598:] }} {{ b[598:] }} {{ c[598:] }} {{ d[598:] }} {{ e|length }} {{ e[600:603] }}",
          "{\"m\": \"M\"}", "xxy xxy1M xxyM2 xxy1M3 1202 yxx");
}

/* Compiles elsewhere on the stack than the caller renders. */
static struct cn_jinja *compile_below(struct cn_str source)
{
    volatile char between[20000];
    struct cn_jinja *jinja;
    struct cn_error err;
    between[0] = 0;
    assert_int_equal(cn_jinja_compile(source, &jinja, &err), CN_OK);
    return between[0] ? NULL : jinja;
}

/* What that left there is gone then. */
static void clear_stack(void)
{
    volatile char below[32768];
    for (size_t i = 0; i < sizeof below; i++)
        below[i] = 0;
}

/* A long text of the template is not gone on with: it serves all renderings. */
static void test_long_literal(void **state)
{
    (void)state;
    char source[512] = "{% set a = '", want[512];
    memset(source + strlen(source), 'x', 300);
    strcat(source, "\\n' ~ m %}{{ a[299:] }}"); /* escapes: the template keeps a copy */
    struct cn_jinja *jinja = compile_below((struct cn_str){ source, strlen(source) });
    clear_stack();
    for (int i = 0; i < 3; i++) {
        char json[32];
        struct cn_jinja_variable variable;
        struct cn_jinja_text out;
        struct cn_error err;
        size_t n;
        snprintf(json, sizeof json, "{\"m\": \"M%d\"}", i);
        struct cn_json *doc = variables_of(json, &variable, 1, &n);
        const struct cn_jinja_options options = { &variable, 1, &some_sunday };
        assert_int_equal(cn_jinja_render(jinja, &options, &out, &err), CN_OK);
        snprintf(want, sizeof want, "x\nM%d", i);
        assert_string_equal(out.text, want);
        cn_jinja_text_free(&out);
        cn_json_free(doc);
    }
    cn_jinja_free(jinja);
}

static void test_errors(void **state)
{
    (void)state;
    refuses("a\n{{ 'x' + 1 }}", "{}", "line 2: '+' does not go with str and int");
    refuses("{{ raise_exception('No\nway') }}", "{}",
            "line 1: the template refuses the conversation: No way");
    refuses("\n\n{{ missing.x }}", "{}", "line 3: 'missing' is undefined");
    refuses("{{ m.x.y }}", "{\"m\": {}}", "a dict has no 'x'");
    refuses("{% include 'x' %}", "{}", "the tag 'include' is not supported");
    refuses("{% nosuch %}", "{}", "unknown tag 'nosuch'");
    refuses("{{ 1|batch(2) }}", "{}", "the filter 'batch' is not supported");
    refuses("{{ 1|nosuch }}", "{}", "there is no filter 'nosuch'");
    refuses("{{ 'a'.encode() }}", "{}", "the method 'encode' of a str is not supported");
    refuses("{{ [].append(1) }}", "{}", "'append' of a list is forbidden");
    refuses("{% if 1 %}", "{}", "endif");
    refuses("{{ 1", "{}", "ends within a tag");
    gives("{% if 0 %}{{ 1|nosuch }}{% endif %}ok", "{}", "ok"); /* not reached */
}

/* Whatever a template does, it ends. */
static void test_limits(void **state)
{
    (void)state;
    refuses("{{ 'x' * 1000000000 }}", "{}", "16 MiB");
    refuses("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{}", "");
    refuses("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{}", "nested more than");
    refuses("{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}"
            "{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{}", "16 MiB");
    refuses("{{ [1] * 22888888888888888888888888 }}", "{}", "MiB");
    refuses("{% set ns = namespace(l=[1]) %}{% for i in range(100) %}"
            "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
            "{}", "");
    refuses("{% set ns = namespace() %}{% set ns.n = ns %}{{ ns }}", "{}", "nested more than");
    refuses("{{ 2 ** 500 }}", "{}", "127 bits");
    refuses("{{ 1 // 0 }}", "{}", "division by zero");
    char deep[4096] = "{{ ";
    for (int i = 0; i < 300; i++)
        strcat(deep, "not ");
    strcat(deep, "1 }}");
    refuses(deep, "{}", "nested more than");
    static char chain[40000] = "{{ 0";
    for (int i = 0; i < 5000; i++)
        strcat(chain, "+1");
    strcat(chain, " }}");
    refuses(chain, "{}", "within each other");
    static char many[40000] = "{% if 0 %}";
    for (int i = 0; i < 1000; i++)
        strcat(many, "{% elif 0 %}");
    strcat(many, "{% else %}x{% endif %}");
    gives(many, "{}", "x"); /* elifs do not nest */
}

/* ---- where text comes from ------------------------------------------------------------------- */

/* The result with what is not markup in square brackets. */
static void marks(const char *source, const char *json, const char *want)
{
    struct cn_jinja_text out;
    struct cn_error err;
    char shown[512];
    size_t at = 0, n = 0;
    if (try(source, json, &out, &err) != CN_OK)
        fail_msg("%s: %s", source, err.text);
    for (size_t i = 0; i < out.n_spans; i++) {
        if (!out.spans[i].markup)
            shown[n++] = '[';
        memcpy(shown + n, out.text + at, out.spans[i].n);
        n += out.spans[i].n;
        at += out.spans[i].n;
        if (!out.spans[i].markup)
            shown[n++] = ']';
    }
    shown[n] = '\0';
    assert_int_equal(at, out.n);
    if (strcmp(shown, want) != 0)
        fail_msg("%s: %s, expected %s", source, shown, want);
    cn_jinja_text_free(&out);
}

static void test_marks(void **state)
{
    (void)state;
    static const char x[] = "{\"x\": \"ab c\", \"l\": [\"p\", \"q\"]}";
    marks("<{{ x }}>", x, "<[ab c]>");
    marks("{% set a = '-' * 300 ~ '<' %}{% set b = a ~ x %}{% set c = a ~ '>' ~ x %}"
          "{{ a[299:] }} {{ b[299:] }} {{ c[299:] }}",
          x, "-< -<[ab c] -<>[ab c]");
    marks("{{ '<' + x + '>' }}", x, "<[ab c]>");
    marks("{{ '<' ~ x ~ 1 }}", x, "<[ab c]1");
    marks("{{ ('<' + x + '>')[1:3] }}", x, "[ab]");
    marks("{{ ('<' + x + '>')[::-1] }}", x, ">[c ba]<");
    marks("{{ (' ' + x + ' ')|trim + '!' }}", x, "[ab c]!");
    marks("{{ (x + '<').strip('a') }}", x, "[b c]<");
    marks("{{ ('<|' + x).split('|')[1] }}", x, "[ab c]");
    marks("{{ x.split(' ')|join('-') }}", x, "[ab]-[c]");
    marks("{{ x.replace('b', '<b>') }}", x, "[a]<b>[ c]");
    marks("{{ '<x>'.replace('x', x) }}", x, "<[ab c]>");
    marks("{{ x|upper ~ 'd'|upper }}", x, "[AB C]D");
    marks("{{ l|join(', ') }}", x, "[p], [q]");
    marks("{{ l }}", x, "['[p]', '[q]']");
    marks("{{ l|tojson }}", x, "[\"[p]\", \"[q]\"]");
    marks("{% set y %}<{{ x }}>{% endset %}{{ y }}", x, "<[ab c]>");
    marks("{% macro m(a) %}({{ a }}){% endmacro %}{{ m(x) }}", x, "([ab c])");
    marks("{{ '%s!' % x }}{{ '<{}>'.format(x) }}", x, "[ab c]!<[ab c]>");
    marks("{{ x|indent(2, true) }}", x, "  [ab c]");
    marks("{{ x[0] ~ x|first ~ x|last ~ '.' }}", x, "[aac].");
    marks("{% for c in x %}{{ c }}-{% endfor %}", x, "[a]-[b]-[ ]-[c]-");
    marks("{{ x|replace('', '-') }}", "{\"x\": \"ab\"}", "-[a]-[b]-");
    marks("{{ x|capitalize + '<' }}", x, "[Ab c]<");
}

static void test_roles(void **state)
{
    (void)state;
    struct cn_jinja_variable variable;
    size_t n;
    struct cn_error err;
    struct cn_jinja_text out;
    struct cn_json *doc = variables_of(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"user\"}, {\"role\": \"evil\"}]}",
        &variable, 1, &n);
    variable.messages = true;
    static const char source[] =
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}";
    assert_int_equal(render((struct cn_str){ source, sizeof source - 1 }, &variable, 1, &out, &err),
                     CN_OK);
    assert_string_equal(out.text, "<|user|>user<|evil|>");
    assert_int_equal(out.n_spans, 5);
    assert_int_equal(out.spans[0].n, 8); /* the role of the first message is markup */
    assert_int_equal(out.spans[3].n, 4); /* the other one is not */
    cn_jinja_text_free(&out);
    variable.messages = false;
    variable.trusted = true;
    assert_int_equal(render((struct cn_str){ source, sizeof source - 1 }, &variable, 1, &out, &err),
                     CN_OK);
    assert_int_equal(out.n_spans, 1);
    cn_jinja_text_free(&out);
    cn_json_free(doc);
}

/* ---- vectors --------------------------------------------------------------------------------- */

static char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, *n, f), *n);
    p[*n] = '\0';
    fclose(f);
    return p;
}

static const struct cn_json_value *member(const struct cn_json_value *object, const char *key)
{
    const struct cn_json_value *value = cn_json_get(object, key);
    assert_non_null(value);
    return value;
}

/* Whether the outcome is the vector's; one line on stdout if it is not. */
static bool as_expected(const struct cn_json_value *vector, const char *what, enum cn_status status,
                        const struct cn_jinja_text *out, const struct cn_error *err)
{
    const struct cn_json_value *expected = cn_json_get(vector, "expected");
    if (status != CN_OK) {
        if (expected) {
            printf("%s: %s\n", what, err->text);
            return false;
        }
        const struct cn_json_value *error = member(vector, "error");
        bool raised = !strcmp(member(error, "kind")->string, "raise");
        if (raised != (status == CN_ERR_ARGUMENT) ||
            (raised && !strstr(err->text, member(error, "text")->string))) {
            printf("%s: the error %s, expected %s\n", what, err->text,
                   member(error, "text")->string);
            return false;
        }
        return true;
    }
    if (!expected || expected->n_string != out->n || memcmp(expected->string, out->text, out->n)) {
        printf("%s: \"%s\", expected \"%s\"\n", what, out->text,
               expected ? expected->string : "an error");
        return false;
    }
    return true;
}

/* Every line of a file of JSON lines. Returns how many there were. */
static size_t each_line(const char *name, void (*check)(const struct cn_json_value *, void *),
                        void *user)
{
    char path[512];
    size_t n, count = 0;
    if (!shared_data(path, sizeof path, name)) {
        skip();
        return 0;
    }
    char *text = read_all(path, &n);
    for (char *line = text, *end; line < text + n; line = end + 1, count++) {
        struct cn_json *doc;
        struct cn_error err;
        end = memchr(line, '\n', (size_t)(text + n - line));
        end = end ? end : text + n;
        if (cn_json_parse(line, (size_t)(end - line), name, &doc, &err) != CN_OK)
            fail_msg("line %zu: %s", count + 1, err.text);
        check(cn_json_root(doc), user);
        cn_json_free(doc);
    }
    free(text);
    return count;
}

struct micro {
    struct cn_jinja_variable variables[32];
    size_t n_variables, n_core, n_extra, n_refused, n_wrong;
};

static void check_micro(const struct cn_json_value *vector, void *user)
{
    struct micro *m = user;
    const struct cn_json_value *source = member(vector, "template");
    struct cn_jinja_text out = { 0 };
    struct cn_error err = { "" };
    bool core = !strcmp(member(vector, "need")->string, "core");
    *(core ? &m->n_core : &m->n_extra) += 1;
    enum cn_status status = render((struct cn_str){ source->string, source->n_string },
                                   m->variables, m->n_variables, &out, &err);
    if (!core && status == CN_ERR_UNSUPPORTED && strstr(err.text, "supported"))
        m->n_refused++;
    else if (!as_expected(vector, source->string, status, &out, &err))
        m->n_wrong++;
    cn_jinja_text_free(&out);
}

static void test_micro(void **state)
{
    (void)state;
    struct micro m = { .n_variables = 0 };
    char path[512];
    size_t n;
    if (!shared_data(path, sizeof path, "fixtures/chat2/micro_context.json"))
        skip();
    char *text = read_all(path, &n);
    struct cn_json *doc = variables_of(text, m.variables, 32, &m.n_variables);
    each_line("fixtures/chat2/micro.jsonl", check_micro, &m);
    cn_json_free(doc);
    free(text);
    printf("%zu core, %zu extra of which %zu refused by name, %zu wrong\n", m.n_core, m.n_extra,
           m.n_refused, m.n_wrong);
    assert_int_equal(m.n_wrong, 0);
    assert_true(m.n_core > 400);
}

struct cases {
    size_t n_wrong;
};

static void check_case(const struct cn_json_value *vector, void *user)
{
    struct cases *c = user;
    struct cn_jinja_variable variables[32];
    size_t n = 0, n_source;
    char path[512], name[128], what[256];
    const struct cn_json_value none = { .type = CN_JSON_NULL };
    struct cn_jinja_text out = { 0 };
    struct cn_error err = { "" };
    snprintf(name, sizeof name, "fixtures/chat2/templates/%s.jinja",
             member(vector, "template")->string);
    if (!shared_data(path, sizeof path, name))
        skip();
    char *source = read_all(path, &n_source);
    variables[n++] = (struct cn_jinja_variable){ .name = "tools", .value = &none };
    variables[n++] = (struct cn_jinja_variable){ .name = "documents", .value = &none };
    variables[n++] = (struct cn_jinja_variable){ .name = "messages",
                                                 .value = member(vector, "messages"),
                                                 .messages = true };
    variables[n++] = (struct cn_jinja_variable){ .name = "add_generation_prompt",
                                                 .value = member(vector, "add_generation_prompt") };
    for (const struct cn_json_value *v = member(vector, "kwargs")->first; v; v = v->next)
        variables[n++] = (struct cn_jinja_variable){ .name = v->key, .value = v };
    enum cn_status status = render((struct cn_str){ source, n_source }, variables, n, &out, &err);
    snprintf(what, sizeof what, "%s, %s", member(vector, "template")->string,
             member(vector, "case")->string);
    c->n_wrong += !as_expected(vector, what, status, &out, &err);
    cn_jinja_text_free(&out);
    free(source);
}

static void test_cases(void **state)
{
    (void)state;
    struct cases c = { 0 };
    size_t n = each_line("fixtures/chat2/cases.jsonl", check_case, &c);
    printf("%zu cases of real templates, %zu wrong\n", n, c.n_wrong);
    assert_int_equal(c.n_wrong, 0);
    assert_true(n > 4000);
}

/* ---- injection ------------------------------------------------------------------------------- */

/* Calls check with each of the templates and what is told of it; skips the test without them.
 * Returns how many there are. */
static size_t each_template(void (*check)(const struct cn_json_value *, struct cn_str, void *),
                            void *user)
{
    char path[512], name[160];
    size_t n, n_templates = 0;
    struct cn_json *doc;
    struct cn_error err;
    if (!shared_data(path, sizeof path, "fixtures/chat2/templates/index.json"))
        skip();
    char *text = read_all(path, &n);
    if (cn_json_parse(text, n, "index", &doc, &err) != CN_OK)
        fail_msg("%s", err.text);
    for (const struct cn_json_value *t = cn_json_root(doc)->first; t; t = t->next, n_templates++) {
        snprintf(name, sizeof name, "fixtures/chat2/templates/%s.jinja", member(t, "name")->string);
        if (!shared_data(path, sizeof path, name))
            skip();
        char *source = read_all(path, &n);
        check(t, (struct cn_str){ source, n }, user);
        free(source);
    }
    cn_json_free(doc);
    free(text);
    return n_templates;
}

/* All words in <> or [] of the template, between two that mark the ends. */
static size_t marks_of(const char *source, size_t n, char *out, size_t n_out)
{
    size_t at = (size_t)snprintf(out, n_out, "BEGINS ");
    for (size_t i = 0; i < n; i++) {
        char close = source[i] == '<' ? '>' : source[i] == '[' ? ']' : '\0';
        size_t length = 1;
        while (close && i + length < n && length < 40 && source[i + length] != close &&
               source[i + length] != '\n' && source[i + length] != '\'')
            length++;
        if (close && i + length < n && source[i + length] == close && at + length + 20 < n_out) {
            memcpy(out + at, source + i, ++length);
            at += length;
        }
    }
    return at + (size_t)snprintf(out + at, n_out - at, " ENDS");
}

/* Bytes of the message that the result takes for the template's own. */
static size_t trusted_bytes(const struct cn_jinja_text *out, size_t *n_found)
{
    size_t n_trusted = 0, at = 0, span = 0, span_end = out->spans[0].n;
    for (char *begin = out->text; (begin = strstr(begin, "BEGINS ")) != NULL; begin++) {
        char *end = strstr(begin, " ENDS");
        if (!end)
            break;
        *n_found += 1;
        for (at = (size_t)(begin - out->text); at < (size_t)(end - out->text); at++) {
            while (at >= span_end)
                span_end += out->spans[++span].n;
            n_trusted += out->spans[span].markup;
        }
    }
    return n_trusted;
}

static void check_injection(const struct cn_json_value *template, struct cn_str source, void *user)
{
    static char content[20000];
    size_t *n_checked = user, n_found = 0;
    struct cn_error err = { "" };
    struct cn_jinja_text out;
    size_t n_content = marks_of(source.p, source.n, content, sizeof content);
    const struct cn_json_value prompt = { .type = CN_JSON_BOOL, .boolean = true };
    const struct cn_json_value none = { .type = CN_JSON_NULL };
    /* clang-format off */
    struct cn_json_value members[2] = {
        { .type = CN_JSON_STRING, .key = "role", .n_key = 4, .string = "user", .n_string = 4,
          .next = &members[1] },
        { .type = CN_JSON_STRING, .key = "content", .n_key = 7, .string = content,
          .n_string = n_content }
    };
    const struct cn_json_value message = { .type = CN_JSON_OBJECT, .first = members,
                                           .n_children = 2 };
    const struct cn_json_value list = { .type = CN_JSON_ARRAY, .first = &message, .n_children = 1 };
    const struct cn_jinja_variable variables[] = {
        { .name = "messages", .value = &list, .messages = true },
        { .name = "tools", .value = &none },
        { .name = "documents", .value = &none },
        { .name = "add_generation_prompt", .value = &prompt },
        { .name = "bos_token", .value = member(template, "bos_token"), .trusted = true },
        { .name = "eos_token", .value = member(template, "eos_token"), .trusted = true },
    };
    /* clang-format on */
    if (render(source, variables, 6, &out, &err) == CN_OK) {
        size_t n_trusted = trusted_bytes(&out, &n_found);
        if (n_trusted > 0)
            fail_msg("%s: %zu bytes of a message are taken for the template's",
                     member(template, "name")->string, n_trusted);
        *n_checked += n_found > 0;
        cn_jinja_text_free(&out);
    }
}

static void test_injection(void **state)
{
    (void)state;
    size_t n_checked = 0;
    const size_t n_templates = each_template(check_injection, &n_checked);
    printf("%zu templates, %zu of them given their own marks in a message\n", n_templates,
           n_checked);
    assert_true(n_checked > 90);
}

/* ---- speed ----------------------------------------------------------------------------------- */

enum { LONG_CHAT = 1000, LONG_SOURCE = 20000 };

/* Users and assistants by turns. The caller frees it. */
static char *long_chat(void)
{
    char *json = malloc(LONG_CHAT * 128);
    assert_non_null(json);
    size_t n = (size_t)sprintf(json, "{\"messages\": [");
    for (int i = 0; i < LONG_CHAT; i++)
        n += (size_t)sprintf(json + n, "%s{\"role\": \"%s\", \"content\": \"This is message %d.\"}",
                             i ? ", " : "", i % 2 ? "assistant" : "user", i);
    sprintf(json + n, "], \"add_generation_prompt\": true, \"bos_token\": \"<s>\", "
                      "\"eos_token\": \"</s>\"}");
    return json;
}

/* CPU seconds of the fastest of some renderings; NaN if the template refuses the conversation. */
static double render_s(struct cn_str source)
{
    struct cn_jinja_variable variables[8];
    size_t n;
    struct cn_error err;
    struct cn_jinja *jinja;
    struct cn_jinja_text out;
    char *json = long_chat();
    struct cn_json *doc = variables_of(json, variables, 8, &n);
    const struct cn_jinja_options options = { variables, n, &some_sunday };
    double best = (double)NAN;
    assert_int_equal(cn_jinja_compile(source, &jinja, &err), CN_OK);
    for (int i = 0; i < 10; i++) {
        const double start = cn_now_s(CLOCK_PROCESS_CPUTIME_ID);
        if (cn_jinja_render(jinja, &options, &out, &err) != CN_OK)
            break;
        best = fmin(best, cn_now_s(CLOCK_PROCESS_CPUTIME_ID) - start);
        cn_jinja_text_free(&out);
    }
    cn_jinja_free(jinja);
    cn_json_free(doc);
    free(json);
    return best;
}

/* CPU seconds of the fastest of some compilations of LONG_SOURCE bytes: the template as often as it
 * takes, in proportion. */
static double compile_s(struct cn_str source)
{
    const size_t times = (LONG_SOURCE + source.n - 1) / source.n;
    char *text = malloc(times * source.n);
    double best = (double)NAN;
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * source.n, source.p, source.n);
    for (int i = 0; i < 20; i++) {
        struct cn_jinja *jinja;
        struct cn_error err;
        const double start = cn_now_s(CLOCK_PROCESS_CPUTIME_ID);
        assert_int_equal(cn_jinja_compile((struct cn_str){ text, times * source.n }, &jinja, &err),
                         CN_OK);
        best = fmin(best, cn_now_s(CLOCK_PROCESS_CPUTIME_ID) - start);
        cn_jinja_free(jinja);
    }
    free(text);
    return best * LONG_SOURCE / (double)(times * source.n);
}

struct slowest {
    double render_s, compile_s;
    size_t n_rendered;
};

static void check_speed(const struct cn_json_value *template, struct cn_str source, void *user)
{
    (void)template;
    (void)template;
    struct slowest *slowest = user;
    const double rendering = render_s(source);
    slowest->n_rendered += !isnan(rendering);
    slowest->render_s = fmax(slowest->render_s, rendering);
    slowest->compile_s = fmax(slowest->compile_s, compile_s(source));
}

static void test_speed(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
    printf("SKIPPED: speed is that of optimised programs without sanitizers\n");
    skip();
#else
    struct slowest slowest = { 0, 0, 0 };
    const size_t n = each_template(check_speed, &slowest);
    printf("%d messages by %zu of %zu templates: at most %.2f ms; %d bytes compiled: %.2f ms\n",
           LONG_CHAT, slowest.n_rendered, n, 1e3 * slowest.render_s, LONG_SOURCE,
           1e3 * slowest.compile_s);
    assert_true(slowest.n_rendered > 80);
    /* 5 and 0.9 ms beside other programs on 2.4 GHz Zen 3; twice as much for slower machines. */
    assert_true(slowest.render_s < 0.010);
    assert_true(slowest.compile_s < 0.002);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),       cmocka_unit_test(test_growing),
        cmocka_unit_test(test_long_literal), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_marks),
        cmocka_unit_test(test_roles),        cmocka_unit_test(test_micro),
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
