/* SPDX-License-Identifier: MIT
 *
 * Statements: the tags of a template.
 */
#include "engine/jinja/jinja_node.h"

#include <stdio.h>
#include <string.h>

/* ---- bodies ---------------------------------------------------------------------------------- */

struct body {
    const struct cn_jnode **items;
    size_t n, capacity;
};

static void add(struct cn_jparser *p, struct body *body, struct cn_jnode *owner,
                const struct cn_jnode *node)
{
    if (body->n == body->capacity) {
        size_t capacity = body->capacity ? 2 * body->capacity : 8;
        body->items = cn_j_grow(p->run, body->items, body->n * sizeof *body->items,
                                capacity * sizeof *body->items);
        body->capacity = capacity;
    }
    body->items[body->n++] = node;
    owner->list = body->items;
    owner->n = body->n;
    cn_j_adopt(p, owner, node);
}

static struct cn_jnode *statement(struct cn_jparser *p);

static bool at_end_tag(const struct cn_jparser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (cn_j_at(p, CN_JT_NAME, *ends))
            return true;
    return false;
}

/* What comes up to one of the tags in `ends` (NULL-terminated; NULL: the end of the template),
 * whose name is the next token then. It becomes the list of `owner`. */
static void body(struct cn_jparser *p, struct cn_jnode *owner, const char *const *ends)
{
    struct body list = { 0 };
    cn_j_enter(p->run);
    for (;;) {
        struct cn_jnode *node;
        p->run->line = p->at->line;
        if (p->at->kind == CN_JT_TEXT) {
            node = cn_j_node(p, CN_JN_TEXT);
            node->text = p->at->text;
            p->at++;
        } else if (p->at->kind == CN_JT_PRINT_BEGIN) {
            node = cn_j_node(p, CN_JN_OUTPUT);
            p->at++;
            node->a = cn_j_parse_tuple(p, true, NULL, false);
            cn_j_adopt(p, node, node->a);
            cn_j_expect(p, CN_JT_PRINT_END, NULL);
        } else if (p->at->kind == CN_JT_BLOCK_BEGIN) {
            p->at++;
            if (at_end_tag(p, ends))
                break;
            node = statement(p);
            cn_j_expect(p, CN_JT_BLOCK_END, NULL);
        } else {
            if (ends) {
                char expected[64];
                snprintf(expected, sizeof expected, "the tag '%s' for the '%s' of line %u", *ends,
                         strncmp(*ends, "end", 3) == 0 ? *ends + 3 : "if", owner->line);
                cn_j_unexpected(p, expected);
            }
            break;
        }
        add(p, &list, owner, node);
    }
    cn_j_leave(p->run);
}

/* A body up to one tag, which is skipped. */
static void body_to(struct cn_jparser *p, struct cn_jnode *owner, const char *end)
{
    const char *const ends[] = { end, NULL };
    cn_j_expect(p, CN_JT_BLOCK_END, NULL);
    body(p, owner, ends);
    p->at++;
}

/* ---- tags ------------------------------------------------------------------------------------ */

static struct cn_jnode *target(struct cn_jparser *p, const char *stop);

static struct cn_jnode *one_target(struct cn_jparser *p)
{
    if (cn_j_skip(p, CN_JT_OP, "(")) {
        struct cn_jnode *inner = target(p, NULL);
        cn_j_expect(p, CN_JT_OP, ")");
        return inner;
    }
    struct cn_jnode *node = cn_j_node(p, CN_JN_NAME);
    if (p->at->kind != CN_JT_NAME)
        cn_j_unexpected(p, "a name to set");
    node->symbol = cn_j_symbol(p, cn_j_name(p));
    if (cn_j_skip(p, CN_JT_OP, ".")) {
        node->kind = CN_JN_NAMESPACE_TARGET;
        node->text = cn_j_name(p);
    }
    return node;
}

/* A name, or several with commas between. */
static struct cn_jnode *target(struct cn_jparser *p, const char *stop)
{
    cn_j_enter(p->run);
    struct cn_jnode *first = one_target(p), *tuple = NULL;
    struct body list = { 0 };
    while (cn_j_skip(p, CN_JT_OP, ",")) {
        if (!tuple) {
            tuple = cn_j_node(p, CN_JN_TUPLE);
            add(p, &list, tuple, first);
        }
        if ((stop && cn_j_at(p, CN_JT_NAME, stop)) || p->at->kind != CN_JT_NAME)
            break;
        add(p, &list, tuple, one_target(p));
    }
    cn_j_leave(p->run);
    return tuple ? tuple : first;
}

static struct cn_jnode *if_tag(struct cn_jparser *p)
{
    static const char *const ends[] = { "endif", "elif", "else", NULL }, *const last[] = { "endif",
                                                                                           NULL };
    struct cn_jnode *first = cn_j_node(p, CN_JN_IF), *node = first;
    struct body otherwise = { 0 };
    /* Any number of elifs does not nest: they are in the list of one body. */
    struct cn_jnode *chain = cn_j_node(p, CN_JN_BODY);
    for (;;) {
        node->a = cn_j_parse_tuple(p, false, NULL, false);
        cn_j_adopt(p, node, node->a);
        cn_j_expect(p, CN_JT_BLOCK_END, NULL);
        body(p, node, ends);
        add(p, &otherwise, chain, node);
        if (!cn_j_skip(p, CN_JT_NAME, "elif"))
            break;
        node = cn_j_node(p, CN_JN_IF);
    }
    if (cn_j_skip(p, CN_JT_NAME, "else")) {
        struct cn_jnode *rest = cn_j_node(p, CN_JN_BODY);
        cn_j_expect(p, CN_JT_BLOCK_END, NULL);
        body(p, rest, last);
        add(p, &otherwise, chain, rest);
    }
    p->at++; /* endif */
    struct cn_jnode *all = cn_j_node(p, CN_JN_IF);
    all->line = first->line;
    all->b = chain;
    cn_j_adopt(p, all, chain);
    return all;
}

static struct cn_jnode *for_tag(struct cn_jparser *p)
{
    static const char *const ends[] = { "endfor", "else", NULL }, *const last[] = { "endfor",
                                                                                    NULL };
    struct cn_jnode *node = cn_j_node(p, CN_JN_FOR);
    if (p->at->kind == CN_JT_BLOCK_END)
        cn_j_unexpected(p, "a name to set");
    node->a = target(p, "in");
    cn_j_expect(p, CN_JT_NAME, "in");
    node->b = cn_j_parse_tuple(p, false, "recursive", false);
    cn_j_adopt(p, node, node->b);
    if (cn_j_skip(p, CN_JT_NAME, "if")) {
        node->c = cn_j_parse_expression(p);
        cn_j_adopt(p, node, node->c);
    }
    if (cn_j_at(p, CN_JT_NAME, "recursive"))
        cn_j_fail(p->run, CN_ERR_UNSUPPORTED, "recursive loops are not supported");
    cn_j_expect(p, CN_JT_BLOCK_END, NULL);
    bool outer = p->in_loop;
    p->in_loop = true;
    body(p, node, ends);
    p->in_loop = outer;
    if (cn_j_skip(p, CN_JT_NAME, "else")) {
        struct cn_jnode *otherwise = cn_j_node(p, CN_JN_BODY);
        cn_j_expect(p, CN_JT_BLOCK_END, NULL);
        body(p, otherwise, last);
        cn_j_adopt(p, node, otherwise);
        node->d = otherwise;
    }
    p->at++;
    return node;
}

static struct cn_jnode *set_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_SET);
    if (p->at->kind == CN_JT_BLOCK_END)
        cn_j_unexpected(p, "a name to set");
    node->a = target(p, NULL);
    if (cn_j_skip(p, CN_JT_OP, "=")) {
        node->b = cn_j_parse_tuple(p, true, NULL, false);
        cn_j_adopt(p, node, node->b);
        return node;
    }
    node->kind = CN_JN_SET_BLOCK;
    if (cn_j_at(p, CN_JT_OP, "|")) {
        node->b = cn_j_parse_filters(p, cn_j_node(p, CN_JN_HOLE), false);
        cn_j_adopt(p, node, node->b);
    }
    body_to(p, node, "endset");
    return node;
}

/* "(a, b=1)" */
static void parameters(struct cn_jparser *p, struct cn_jnode *macro)
{
    struct cn_jparam *params = NULL;
    size_t n = 0, capacity = 0;
    cn_j_expect(p, CN_JT_OP, "(");
    while (!cn_j_skip(p, CN_JT_OP, ")")) {
        if (n > 0)
            cn_j_expect(p, CN_JT_OP, ",");
        if (n == capacity) {
            size_t more = capacity ? 2 * capacity : 4;
            params = cn_j_grow(p->run, params, n * sizeof *params, more * sizeof *params);
            capacity = more;
        }
        struct cn_jparam *param = &params[n];
        *param = (struct cn_jparam){ .name = cn_j_name(p) };
        param->symbol = cn_j_symbol(p, param->name);
        if (cn_j_skip(p, CN_JT_OP, "=")) {
            param->value = cn_j_parse_expression(p);
            cn_j_adopt(p, macro, param->value);
        } else if (n > 0 && params[n - 1].value) {
            cn_j_fail(p->run, CN_ERR_FORMAT,
                      "the argument '%.*s' without a default follows one with a default",
                      (int)(param->name.n > 60 ? 60 : param->name.n), param->name.p);
        }
        n++;
    }
    macro->params = params;
    macro->n_params = n;
}

/* A body that is a macro's: loops around it are not its own. */
static void macro_body(struct cn_jparser *p, struct cn_jnode *macro, const char *end)
{
    bool in_loop = p->in_loop, varargs = p->saw_varargs, kwargs = p->saw_kwargs;
    p->in_loop = p->saw_varargs = p->saw_kwargs = false;
    body_to(p, macro, end);
    macro->uses_varargs = p->saw_varargs;
    macro->uses_kwargs = p->saw_kwargs;
    p->in_loop = in_loop;
    p->saw_varargs = varargs;
    p->saw_kwargs = kwargs;
}

static struct cn_jnode *macro_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_MACRO);
    node->text = cn_j_name(p);
    node->symbol = cn_j_symbol(p, node->text);
    parameters(p, node);
    macro_body(p, node, "endmacro");
    return node;
}

static struct cn_jnode *call_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_CALL_BLOCK);
    struct cn_jnode *macro = cn_j_node(p, CN_JN_MACRO);
    macro->text = (struct cn_str){ "caller", 6 };
    macro->symbol = p->jinja->caller;
    if (cn_j_at(p, CN_JT_OP, "("))
        parameters(p, macro);
    node->a = cn_j_parse_expression(p);
    if (node->a->kind != CN_JN_CALL)
        cn_j_fail(p->run, CN_ERR_FORMAT, "the tag 'call' wants a call of a macro");
    cn_j_adopt(p, node, node->a);
    macro_body(p, macro, "endcall");
    cn_j_adopt(p, node, macro);
    node->b = macro;
    return node;
}

static struct cn_jnode *filter_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_FILTER_BLOCK);
    node->a = cn_j_parse_filters(p, cn_j_node(p, CN_JN_HOLE), true);
    cn_j_adopt(p, node, node->a);
    body_to(p, node, "endfilter");
    return node;
}

/* Marks what of a training text is the model's own: for rendering, its body. */
static struct cn_jnode *generation_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_SCOPE);
    body_to(p, node, "endgeneration");
    return node;
}

/* "with a = 1, b = 2": sets in front of the body, in its scope. */
static struct cn_jnode *with_tag(struct cn_jparser *p)
{
    struct cn_jnode *node = cn_j_node(p, CN_JN_SCOPE), *inner = cn_j_node(p, CN_JN_BODY);
    struct body list = { 0 };
    while (p->at->kind != CN_JT_BLOCK_END) {
        if (list.n > 0)
            cn_j_expect(p, CN_JT_OP, ",");
        struct cn_jnode *set = cn_j_node(p, CN_JN_SET);
        set->a = one_target(p);
        cn_j_expect(p, CN_JT_OP, "=");
        set->b = cn_j_parse_expression(p);
        cn_j_adopt(p, set, set->b);
        add(p, &list, node, set);
    }
    body_to(p, inner, "endwith");
    add(p, &list, node, inner);
    return node;
}

static struct cn_jnode *loop_control(struct cn_jparser *p, enum cn_jnode_kind kind)
{
    if (!p->in_loop)
        cn_j_fail(p->run, CN_ERR_FORMAT, "'%s' outside a loop",
                  kind == CN_JN_BREAK ? "break" : "continue");
    return cn_j_node(p, kind);
}

/* Tags of Jinja that no chat template needs. */
static const char *const unsupported[] = { "include", "import",     "from",  "extends",
                                           "block",   "autoescape", "print", "do" };

static struct cn_jnode *statement(struct cn_jparser *p)
{
    p->run->line = p->at->line;
    if (cn_j_skip(p, CN_JT_NAME, "if"))
        return if_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "for"))
        return for_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "set"))
        return set_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "macro"))
        return macro_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "call"))
        return call_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "filter"))
        return filter_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "generation"))
        return generation_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "with"))
        return with_tag(p);
    if (cn_j_skip(p, CN_JT_NAME, "break"))
        return loop_control(p, CN_JN_BREAK);
    if (cn_j_skip(p, CN_JT_NAME, "continue"))
        return loop_control(p, CN_JN_CONTINUE);
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (cn_j_at(p, CN_JT_NAME, unsupported[i]))
            cn_j_fail(p->run, CN_ERR_UNSUPPORTED, "the tag '%s' is not supported", unsupported[i]);
    if (p->at->kind != CN_JT_NAME)
        cn_j_unexpected(p, "the name of a tag");
    cn_j_fail(p->run, CN_ERR_FORMAT, "unknown tag '%.*s'",
              (int)(p->at->text.n > 40 ? 40 : p->at->text.n), p->at->text.p);
}

void cn_j_parse(struct cn_jparser *p)
{
    struct cn_jnode *root = cn_j_node(p, CN_JN_BODY);
    body(p, root, NULL);
    p->jinja->root = root;
}
