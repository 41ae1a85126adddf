/* SPDX-License-Identifier: MIT
 *
 * Expressions, from the loosest binding to the tightest. One function a level; chains of one level
 * are loops, so that only brackets and prefixes nest on the stack.
 */
#include "engine/jinja/jinja_node.h"

#include "base/utf8.h"

#include <string.h>

static bool at_op(const struct cn_jparser *p, const char *text)
{
    return cn_j_at(p, CN_JT_OP, text);
}
static bool skip_op(struct cn_jparser *p, const char *text)
{
    return cn_j_skip(p, CN_JT_OP, text);
}
static bool at_name(const struct cn_jparser *p, const char *text)
{
    return cn_j_at(p, CN_JT_NAME, text);
}
static bool skip_name(struct cn_jparser *p, const char *text)
{
    return cn_j_skip(p, CN_JT_NAME, text);
}

static struct cn_jnode *two(struct cn_jparser *p, enum cn_jnode_kind kind, int op,
                            struct cn_jnode *a, struct cn_jnode *b)
{
    struct cn_jnode *node = cn_j_node(p, kind);
    node->op = op;
    node->a = a;
    node->b = b;
    cn_j_adopt(p, node, a);
    cn_j_adopt(p, node, b);
    return node;
}

/* A list of nodes that grows. */
struct list {
    const struct cn_jnode **items;
    size_t n, capacity;
};

static void append(struct cn_jparser *p, struct list *list, struct cn_jnode *owner,
                   const struct cn_jnode *node)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        list->items = cn_j_grow(p->run, list->items, list->n * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->n++] = node;
    owner->list = list->items;
    owner->n = list->n;
    cn_j_adopt(p, owner, node);
}

/* ---- literals -------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \N{NAME}: those that texts are likely to hold. */
static const struct {
    const char *name;
    uint32_t cp;
} named_chars[] = {
    {"NO-BREAK SPACE",               0xa0  },
    { "SECTION SIGN",                0xa7  },
    { "COPYRIGHT SIGN",              0xa9  },
    { "DEGREE SIGN",                 0xb0  },
    { "MIDDLE DOT",                  0xb7  },
    { "ZERO WIDTH SPACE",            0x200b},
    { "ZERO WIDTH JOINER",           0x200d},
    { "EN DASH",                     0x2013},
    { "EM DASH",                     0x2014},
    { "LEFT SINGLE QUOTATION MARK",  0x2018},
    { "RIGHT SINGLE QUOTATION MARK", 0x2019},
    { "LEFT DOUBLE QUOTATION MARK",  0x201c},
    { "RIGHT DOUBLE QUOTATION MARK", 0x201d},
    { "BULLET",                      0x2022},
    { "HORIZONTAL ELLIPSIS",         0x2026},
    { "EURO SIGN",                   0x20ac},
    { "LEFTWARDS ARROW",             0x2190},
    { "RIGHTWARDS ARROW",            0x2192},
    { "CHECK MARK",                  0x2713},
    { "LOWER ONE EIGHTH BLOCK",      0x2581},
};

static size_t named_char(struct cn_jparser *p, struct cn_str rest, uint32_t *cp)
{
    const char *end = rest.n > 0 && rest.p[0] == '{' ? memchr(rest.p, '}', rest.n) : NULL;
    if (!end)
        cn_j_fail(p->run, CN_ERR_FORMAT, "\\N in a string without a name in braces");
    size_t n = (size_t)(end - rest.p) - 1;
    for (size_t i = 0; i < sizeof named_chars / sizeof *named_chars; i++)
        if (strlen(named_chars[i].name) == n && !memcmp(named_chars[i].name, rest.p + 1, n)) {
            *cp = named_chars[i].cp;
            return n + 2;
        }
    cn_j_fail(p->run, CN_ERR_UNSUPPORTED,
              "the character name in \\N{%.*s} is not supported (\\uXXXX is)",
              (int)(n > 40 ? 40 : n), rest.p + 1);
}

/* The escape behind a backslash; returns its length. */
static size_t escape(struct cn_jparser *p, struct cn_str rest, struct cn_jtext *out)
{
    static const char letters[] = "abfnrtv\\'\"", meanings[] = "\a\b\f\n\r\t\v\\'\"";
    char c = rest.p[0];
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        cn_j_put(out, &meanings[letter - letters], 1, false);
        return 1;
    }
    if (c == '\n')
        return 1;
    uint32_t cp = 0;
    size_t n = 1;
    if (c >= '0' && c <= '7') {
        for (n = 0; n < 3 && n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '7'; n++)
            cp = cp * 8 + (uint32_t)(rest.p[n] - '0');
    } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        for (; n <= n_digits; n++) {
            int digit = n < rest.n ? hex(rest.p[n]) : -1;
            if (digit < 0)
                cn_j_fail(p->run, CN_ERR_FORMAT, "\\%c in a string wants %zu hexadecimal digits", c,
                          n_digits);
            cp = cp * 16 + (uint32_t)digit;
        }
    } else if (c == 'N') {
        n = 1 + named_char(p, (struct cn_str){ rest.p + 1, rest.n - 1 }, &cp);
    } else { /* no escape: the backslash stays */
        cn_j_put(out, "\\", 1, false);
        return 0;
    }
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        cn_j_fail(p->run, CN_ERR_FORMAT, "U+%04X in a string is no character", (unsigned)cp);
    cn_j_put_char(out, cp, false);
    return n;
}

/* Neighbouring literals are one. */
static struct cn_jnode *string(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_CONST);
    struct cn_jtext out = { .run = p->run };
    for (; p->at->kind == CN_JT_STRING; p->at++) {
        struct cn_str text = p->at->text;
        while (text.n > 0) {
            const char *slash = memchr(text.p, '\\', text.n);
            size_t n = slash ? (size_t)(slash - text.p) : text.n;
            cn_j_put(&out, text.p, n, false);
            text.p += n;
            text.n -= n;
            if (slash) {
                text.p++;
                text.n--;
                n = escape(p, text, &out);
                text.p += n;
                text.n -= n;
            }
        }
    }
    struct cn_jstr *str = (struct cn_jstr *)(uintptr_t)cn_j_finish(&out);
    cn_j_chars(p->run, str); /* counted now, because a rendering may not write to it */
    node->value = cn_j_string(str);
    return node;
}

static struct cn_jnode *number(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_CONST);
    struct cn_str text = p->at->text;
    cn_jint integer;
    double real;
    if (p->at->kind == CN_JT_FLOAT) {
        if (!cn_j_parse_float(p->run, text.p, text.n, &real))
            cn_j_unexpected(p, "a number");
        node->value = cn_j_float(real);
    } else {
        if (!cn_j_parse_int(text.p, text.n, 0, &integer))
            cn_j_fail(p->run, CN_ERR_UNSUPPORTED, "the number %.*s is too large",
                      (int)(text.n > 60 ? 60 : text.n), text.p);
        node->value = cn_j_int(integer);
    }
    p->at++;
    return node;
}

/* ---- primaries ------------------------------------------------------------------------------- */

static struct cn_jnode *list_literal(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_LIST);
    struct list items = { 0 };
    while (!skip_op(p, "]")) {
        if (items.n > 0) {
            cn_j_expect(p, CN_JT_OP, ",");
            if (skip_op(p, "]"))
                break;
        }
        append(p, &items, node, cn_j_parse_expression(p));
    }
    return node;
}

static struct cn_jnode *dict_literal(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_DICT);
    struct list items = { 0 };
    while (!skip_op(p, "}")) {
        if (items.n > 0) {
            cn_j_expect(p, CN_JT_OP, ",");
            if (skip_op(p, "}"))
                break;
        }
        append(p, &items, node, cn_j_parse_expression(p));
        cn_j_expect(p, CN_JT_OP, ":");
        append(p, &items, node, cn_j_parse_expression(p));
    }
    return node;
}

struct cn_jnode *cn_j_parse_tuple(struct cn_jparser *p, bool with_if, const char *stop,
                                  bool in_brackets)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_TUPLE);
    struct list items = { 0 };
    bool is_tuple = false;
    for (;;) {
        if (items.n > 0 && !skip_op(p, ","))
            break;
        is_tuple |= items.n > 0;
        if (at_op(p, ")") || p->at->kind == CN_JT_PRINT_END || p->at->kind == CN_JT_BLOCK_END ||
            (stop && at_name(p, stop)))
            break;
        append(p, &items, node, with_if ? cn_j_parse_expression(p) : cn_j_parse_or(p));
    }
    if (items.n == 0 && !in_brackets)
        cn_j_unexpected(p, "an expression");
    /* The one item is ours: its const is that of lists. */
    return items.n == 1 && !is_tuple ? (struct cn_jnode *)(uintptr_t)items.items[0] : node;
}

static struct cn_jnode *constant(struct cn_jparser *p, struct cn_jval value)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_CONST);
    node->value = value;
    p->at++;
    return node;
}

struct cn_jnode *cn_j_parse_primary(struct cn_jparser *p)
{
    struct cn_jnode *node;
    switch (p->at->kind) {
    case CN_JT_NAME:
        if (at_name(p, "true") || at_name(p, "True"))
            return constant(p, cn_j_bool(true));
        if (at_name(p, "false") || at_name(p, "False"))
            return constant(p, cn_j_bool(false));
        if (at_name(p, "none") || at_name(p, "None"))
            return constant(p, cn_j_none());
        node = cn_j_node(p, CN_JN_NAME);
        node->text = cn_j_name(p);
        node->symbol = cn_j_symbol(p, node->text);
        p->saw_varargs |= node->symbol == p->jinja->varargs;
        p->saw_kwargs |= node->symbol == p->jinja->kwargs;
        return node;
    case CN_JT_STRING:
        return string(p);
    case CN_JT_INT:
    case CN_JT_FLOAT:
        return number(p);
    default:
        break;
    }
    cn_j_enter(p->run);
    if (skip_op(p, "(")) {
        node = cn_j_parse_tuple(p, true, NULL, true);
        cn_j_expect(p, CN_JT_OP, ")");
    } else if (skip_op(p, "[")) {
        node = list_literal(p);
    } else if (skip_op(p, "{")) {
        node = dict_literal(p);
    } else {
        cn_j_unexpected(p, "an expression");
    }
    cn_j_leave(p->run);
    return node;
}

/* ---- calls, filters, tests ------------------------------------------------------------------- */

/* Behind the opening bracket. */
static void arguments(struct cn_jparser *p, struct cn_jnode *owner)
{
    struct cn_jarg *args = NULL;
    size_t n = 0, capacity = 0;
    cn_j_enter(p->run);
    while (!skip_op(p, ")")) {
        if (n > 0) {
            cn_j_expect(p, CN_JT_OP, ",");
            if (skip_op(p, ")"))
                break;
        }
        if (n == capacity) {
            size_t more = capacity ? 2 * capacity : 4;
            args = cn_j_grow(p->run, args, n * sizeof *args, more * sizeof *args);
            capacity = more;
        }
        struct cn_jarg *arg = &args[n];
        *arg = (struct cn_jarg){ .kind = CN_JA_VALUE };
        if (skip_op(p, "**"))
            arg->kind = CN_JA_STAR_STAR;
        else if (skip_op(p, "*"))
            arg->kind = CN_JA_STAR;
        else if (p->at->kind == CN_JT_NAME && p->at[1].kind == CN_JT_OP && p->at[1].text.n == 1 &&
                 p->at[1].text.p[0] == '=') {
            arg->kind = CN_JA_NAMED;
            arg->name = cn_j_name(p);
            p->at++;
        } else if (n > 0 && args[n - 1].kind != CN_JA_VALUE && args[n - 1].kind != CN_JA_STAR) {
            cn_j_unexpected(p, "an argument with a name");
        }
        arg->value = cn_j_parse_expression(p);
        cn_j_adopt(p, owner, arg->value);
        n++;
    }
    cn_j_leave(p->run);
    owner->args = args;
    owner->n_args = n;
}

static struct cn_jnode *call(struct cn_jparser *p, struct cn_jnode *callee)
{
    struct cn_jnode *node = two(p, CN_JN_CALL, 0, callee, NULL);
    arguments(p, node);
    return node;
}

/* Behind the opening square bracket. */
static struct cn_jnode *subscript(struct cn_jparser *p, struct cn_jnode *of)
{
    struct cn_jnode *key = NULL;
    bool is_slice = false;
    cn_j_enter(p->run);
    struct cn_jnode *node = cn_j_node(p, CN_JN_SLICE);
    struct list bounds = { 0 };
    if (!at_op(p, ":"))
        key = cn_j_parse_expression(p);
    append(p, &bounds, node, key);
    while (bounds.n < 3 && skip_op(p, ":")) {
        is_slice = true;
        struct cn_jnode *bound =
            at_op(p, ":") || at_op(p, "]") || at_op(p, ",") ? NULL : cn_j_parse_expression(p);
        append(p, &bounds, node, bound);
    }
    if (!is_slice && at_op(p, ",")) { /* x[1, 2]: a tuple is the key */
        struct cn_jnode *tuple = cn_j_node(p, CN_JN_TUPLE);
        struct list items = { 0 };
        append(p, &items, tuple, key);
        while (skip_op(p, ","))
            append(p, &items, tuple, cn_j_parse_expression(p));
        key = tuple;
    }
    cn_j_expect(p, CN_JT_OP, "]");
    cn_j_leave(p->run);
    if (!is_slice)
        return two(p, CN_JN_MEMBER, 0, of, key);
    while (bounds.n < 3)
        append(p, &bounds, node, NULL);
    node->a = of;
    cn_j_adopt(p, node, of);
    return node;
}

static struct cn_jnode *dotted(struct cn_jparser *p, struct cn_jnode *of)
{
    if (p->at->kind == CN_JT_INT)
        return two(p, CN_JN_MEMBER, 0, of, number(p));
    if (p->at->kind != CN_JT_NAME)
        cn_j_unexpected(p, "a name or a number");
    struct cn_jnode *node = two(p, CN_JN_ATTRIBUTE, 0, of, NULL);
    node->text = cn_j_name(p);
    return node;
}

struct cn_jnode *cn_j_parse_postfix(struct cn_jparser *p, struct cn_jnode *node)
{
    for (;;) {
        if (skip_op(p, "."))
            node = dotted(p, node);
        else if (skip_op(p, "["))
            node = subscript(p, node);
        else if (skip_op(p, "("))
            node = call(p, node);
        else
            return node;
    }
}

/* "name" or "name.name" */
static struct cn_str dotted_name(struct cn_jparser *p)
{
    struct cn_str name = cn_j_name(p);
    while (skip_op(p, ".")) {
        struct cn_str last = cn_j_name(p);
        name.n = (size_t)(last.p + last.n - name.p);
    }
    return name;
}

static struct cn_jnode *filter(struct cn_jparser *p, struct cn_jnode *of)
{
    struct cn_jnode *node = two(p, CN_JN_FILTER, 0, of, NULL);
    node->text = dotted_name(p);
    node->builtin = cn_j_find_filter(node->text);
    if (skip_op(p, "("))
        arguments(p, node);
    return node;
}

struct cn_jnode *cn_j_parse_filters(struct cn_jparser *p, struct cn_jnode *node, bool inline_start)
{
    if (inline_start)
        node = filter(p, node);
    while (skip_op(p, "|"))
        node = filter(p, node);
    return node;
}

static struct cn_jnode *test(struct cn_jparser *p, struct cn_jnode *of)
{
    struct cn_jnode *node = two(p, CN_JN_TEST, 0, of, NULL);
    node->op = skip_name(p, "not");
    node->text = dotted_name(p);
    node->builtin = cn_j_find_test(node->text);
    enum cn_jtoken_kind kind = p->at->kind;
    if (skip_op(p, "(")) {
        arguments(p, node);
    } else if ((kind == CN_JT_NAME && !at_name(p, "else") && !at_name(p, "or") &&
                !at_name(p, "and")) ||
               kind == CN_JT_STRING || kind == CN_JT_INT || kind == CN_JT_FLOAT || at_op(p, "[") ||
               at_op(p, "{")) {
        if (at_name(p, "is"))
            cn_j_fail(p->run, CN_ERR_FORMAT, "tests cannot be chained with \"is\"");
        struct cn_jarg *arg = cn_j_alloc(p->run, sizeof *arg);
        *arg = (struct cn_jarg){ .kind = CN_JA_VALUE,
                                 .value = cn_j_parse_postfix(p, cn_j_parse_primary(p)) };
        cn_j_adopt(p, node, arg->value);
        node->args = arg;
        node->n_args = 1;
    }
    return node;
}

static struct cn_jnode *filters_and_tests(struct cn_jparser *p, struct cn_jnode *node)
{
    for (;;) {
        if (skip_op(p, "|"))
            node = filter(p, node);
        else if (skip_name(p, "is"))
            node = test(p, node);
        else if (skip_op(p, "("))
            node = call(p, node);
        else
            return node;
    }
}

/* ---- operators ------------------------------------------------------------------------------- */

static struct cn_jnode *unary(struct cn_jparser *p, bool with_filters)
{
    struct cn_jnode *node;
    if (at_op(p, "-") || at_op(p, "+")) {
        enum cn_jnode_kind kind = at_op(p, "-") ? CN_JN_NEGATE : CN_JN_PLUS;
        p->at++;
        cn_j_enter(p->run);
        node = two(p, kind, 0, unary(p, false), NULL);
        cn_j_leave(p->run);
    } else {
        node = cn_j_parse_primary(p);
    }
    node = cn_j_parse_postfix(p, node);
    return with_filters ? filters_and_tests(p, node) : node;
}

static struct cn_jnode *power(struct cn_jparser *p)
{
    struct cn_jnode *node = unary(p, true);
    while (skip_op(p, "**"))
        node = two(p, CN_JN_MATH, 'p', node, unary(p, true));
    return node;
}

static struct cn_jnode *product(struct cn_jparser *p)
{
    struct cn_jnode *node = power(p);
    for (;;) {
        int op = at_op(p, "*")    ? '*'
                 : at_op(p, "/")  ? '/'
                 : at_op(p, "//") ? 'd'
                 : at_op(p, "%")  ? '%'
                                  : 0;
        if (!op)
            return node;
        p->at++;
        node = two(p, CN_JN_MATH, op, node, power(p));
    }
}

static struct cn_jnode *concatenation(struct cn_jparser *p)
{
    struct cn_jnode *node = product(p);
    if (!at_op(p, "~"))
        return node;
    struct cn_jnode *all = cn_j_node(p, CN_JN_CONCAT);
    struct list items = { 0 };
    append(p, &items, all, node);
    while (skip_op(p, "~"))
        append(p, &items, all, product(p));
    return all;
}

static struct cn_jnode *sum(struct cn_jparser *p)
{
    struct cn_jnode *node = concatenation(p);
    for (;;) {
        if (skip_op(p, "+"))
            node = two(p, CN_JN_ADD, 0, node, concatenation(p));
        else if (skip_op(p, "-"))
            node = two(p, CN_JN_MATH, '-', node, concatenation(p));
        else
            return node;
    }
}

static bool comparison(struct cn_jparser *p, char *op)
{
    static const char ops[][3] = { "==", "!=", "<", "<=", ">", ">=" }; /* as enum cn_jcompare */
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (skip_op(p, ops[i])) {
            *op = (char)i;
            return true;
        }
    if (skip_name(p, "in")) {
        *op = CN_JC_IN;
        return true;
    }
    if (at_name(p, "not") && p->at[1].kind == CN_JT_NAME && p->at[1].text.n == 2 &&
        !memcmp(p->at[1].text.p, "in", 2)) {
        p->at += 2;
        *op = CN_JC_NOT_IN;
        return true;
    }
    return false;
}

static struct cn_jnode *compare(struct cn_jparser *p)
{
    struct cn_jnode *node = sum(p);
    char op;
    if (!comparison(p, &op))
        return node;
    struct cn_jnode *all = cn_j_node(p, CN_JN_COMPARE);
    struct list items = { 0 };
    struct cn_jtext ops = { .run = p->run };
    append(p, &items, all, node);
    do {
        cn_j_put(&ops, &op, 1, false);
        append(p, &items, all, sum(p));
    } while (comparison(p, &op));
    all->text = (struct cn_str){ ops.p, ops.n };
    return all;
}

static struct cn_jnode *negation(struct cn_jparser *p)
{
    if (!skip_name(p, "not"))
        return compare(p);
    cn_j_enter(p->run);
    struct cn_jnode *node = two(p, CN_JN_NOT, 0, negation(p), NULL);
    cn_j_leave(p->run);
    return node;
}

static struct cn_jnode *conjunction(struct cn_jparser *p)
{
    struct cn_jnode *node = negation(p);
    while (skip_name(p, "and"))
        node = two(p, CN_JN_AND, 0, node, negation(p));
    return node;
}

struct cn_jnode *cn_j_parse_or(struct cn_jparser *p)
{
    struct cn_jnode *node = conjunction(p);
    while (skip_name(p, "or"))
        node = two(p, CN_JN_OR, 0, node, conjunction(p));
    return node;
}

struct cn_jnode *cn_j_parse_expression(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_parse_or(p);
    while (skip_name(p, "if")) {
        struct cn_jnode *condition = cn_j_parse_or(p);
        node = two(p, CN_JN_IF_ELSE, 0, node, condition);
        if (skip_name(p, "else")) {
            cn_j_enter(p->run);
            struct cn_jnode *otherwise = cn_j_parse_expression(p);
            cn_j_leave(p->run);
            node->c = otherwise;
            cn_j_adopt(p, node, otherwise);
        }
    }
    return node;
}
