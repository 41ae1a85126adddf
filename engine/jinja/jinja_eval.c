/* SPDX-License-Identifier: MIT
 *
 * Expressions are walked as a tree.
 */
#include "engine/jinja/jinja_node.h"

#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

static struct cn_jval look_up(struct cn_jrun *run, const struct cn_jnode *node)
{
    for (const struct cn_jscope *scope = run->scope; scope; scope = scope->parent) {
        if (scope->outermost) {
            if (scope->vars[node->symbol].value.kind != CN_J_ABSENT)
                return scope->vars[node->symbol].value;
            continue;
        }
        for (size_t i = 0; i < scope->n; i++)
            if (scope->vars[i].symbol == node->symbol)
                return scope->vars[i].value;
    }
    const struct cn_jbuiltin *function = run->jinja->functions[node->symbol];
    if (function)
        return (struct cn_jval){ .kind = CN_J_FUNCTION, .function = function };
    struct cn_jmissing *m = cn_j_alloc(run, sizeof *m);
    *m = (struct cn_jmissing){ .name = node->text, .of = CN_J_ABSENT };
    return (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = m };
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Makes room in `args` for one more with or without a name. */
struct growing {
    struct cn_jval *values, *named;
    struct cn_str *names;
    size_t n, capacity, n_named, named_capacity;
};

static void add_value(struct cn_jrun *run, struct growing *g, struct cn_jval value)
{
    if (g->n == g->capacity) {
        size_t capacity = g->capacity ? 2 * g->capacity : 4;
        g->values =
            cn_j_grow(run, g->values, g->n * sizeof *g->values, capacity * sizeof *g->values);
        g->capacity = capacity;
    }
    g->values[g->n++] = value;
}

static void add_named(struct cn_jrun *run, struct growing *g, struct cn_str name,
                      struct cn_jval value)
{
    if (g->n_named == g->named_capacity) {
        size_t capacity = g->named_capacity ? 2 * g->named_capacity : 4;
        g->named =
            cn_j_grow(run, g->named, g->n_named * sizeof *g->named, capacity * sizeof *g->named);
        g->names =
            cn_j_grow(run, g->names, g->n_named * sizeof *g->names, capacity * sizeof *g->names);
        g->named_capacity = capacity;
    }
    g->named[g->n_named] = value;
    g->names[g->n_named++] = name;
}

static struct cn_jargs arguments(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct growing g = { 0 };
    for (size_t i = 0; i < node->n_args; i++) {
        const struct cn_jarg *arg = &node->args[i];
        struct cn_jval value = cn_j_eval(run, arg->value);
        if (arg->kind == CN_JA_VALUE) {
            add_value(run, &g, value);
        } else if (arg->kind == CN_JA_NAMED) {
            add_named(run, &g, arg->name, value);
        } else if (arg->kind == CN_JA_STAR) {
            const struct cn_jlist *items = cn_j_items(run, value);
            for (size_t k = 0; k < items->n; k++)
                add_value(run, &g, items->items[k]);
        } else if (value.kind != CN_J_DICT) {
            cn_j_fail(run, CN_ERR_FORMAT, "** wants a dict, found %s", cn_j_kind_name(value.kind));
        } else {
            for (size_t k = 0; k < value.dict->n; k++) {
                const struct cn_jstr *name =
                    cn_j_need_string(run, value.dict->entries[k].key, "**");
                add_named(run, &g, (struct cn_str){ name->p, name->n },
                          value.dict->entries[k].value);
            }
        }
    }
    return (struct cn_jargs){ g.values, g.n, g.names, g.named, g.n_named };
}

/* ---- kinds of nodes -------------------------------------------------------------------------- */

static struct cn_jval list_of(struct cn_jrun *run, const struct cn_jnode *node, enum cn_jkind kind)
{
    struct cn_jlist *list = cn_j_list(run, node->n);
    for (size_t i = 0; i < node->n; i++)
        cn_j_push(run, list, cn_j_eval(run, node->list[i]));
    return (struct cn_jval){ .kind = kind, .list = list };
}

static struct cn_jval dict_of(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jdict *dict = cn_j_dict(run);
    for (size_t i = 0; i + 1 < node->n; i += 2) {
        struct cn_jval key = cn_j_eval(run, node->list[i]);
        cn_j_dict_set(run, dict, key, cn_j_eval(run, node->list[i + 1]));
    }
    return (struct cn_jval){ .kind = CN_J_DICT, .dict = dict };
}

static bool holds(struct cn_jrun *run, enum cn_jcompare op, struct cn_jval a, struct cn_jval b)
{
    switch (op) {
    case CN_JC_EQ:
        return cn_j_equal(run, a, b);
    case CN_JC_NE:
        return !cn_j_equal(run, a, b);
    case CN_JC_LT:
        return cn_j_compare(run, a, b, "<") < 0;
    case CN_JC_LE:
        return cn_j_compare(run, a, b, "<=") <= 0;
    case CN_JC_GT:
        return cn_j_compare(run, a, b, ">") > 0;
    case CN_JC_GE:
        return cn_j_compare(run, a, b, ">=") >= 0;
    case CN_JC_IN:
        return cn_j_contains(run, a, b);
    default:
        return !cn_j_contains(run, a, b);
    }
}

/* a < b < c: each operand is worked out once, and none behind the first that does not hold. */
static struct cn_jval compared(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jval left = cn_j_eval(run, node->list[0]);
    for (size_t i = 0; i < node->text.n; i++) {
        struct cn_jval right = cn_j_eval(run, node->list[i + 1]);
        run->line = node->line;
        if (!holds(run, (enum cn_jcompare)node->text.p[i], left, right))
            return cn_j_bool(false);
        left = right;
    }
    return cn_j_bool(true);
}

static struct cn_jval concatenated(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jtext text = { .run = run };
    for (size_t i = 0; i < node->n; i++)
        cn_j_print(&text, cn_j_eval(run, node->list[i]));
    return cn_j_string(cn_j_finish(&text));
}

static struct cn_jval filtered(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jval value = cn_j_eval(run, node->a);
    run->line = node->line;
    if (!node->builtin)
        cn_j_fail_no_filter(run, node->text);
    struct cn_jargs args = arguments(run, node);
    return cn_j_call_builtin(run, node->builtin, "filter", value, &args);
}

static struct cn_jval tested(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jval value = cn_j_eval(run, node->a);
    run->line = node->line;
    if (!node->builtin)
        cn_j_fail_no_test(run, node->text);
    struct cn_jargs args = arguments(run, node);
    struct cn_jval result = cn_j_call_builtin(run, node->builtin, "test", value, &args);
    return node->op ? cn_j_bool(!result.boolean) : result;
}

/* Calls a function, method or macro. */
static struct cn_jval call(struct cn_jrun *run, struct cn_jval callee, const struct cn_jargs *args)
{
    switch (callee.kind) {
    case CN_J_UNDEFINED:
        cn_j_fail_undefined(run, callee);
    case CN_J_MACRO:
        return run->tables->call_macro(run, callee.macro, args);
    case CN_J_FUNCTION:
        return cn_j_call_builtin(run, callee.function, "function", cn_j_none(), args);
    case CN_J_METHOD:
        if (!callee.method->row)
            cn_j_fail(run, CN_ERR_UNSUPPORTED, "%s", callee.method->because);
        return cn_j_call_builtin(run, callee.method->row, "method", callee.method->self, args);
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "a %s cannot be called", cn_j_kind_name(callee.kind));
    }
}

static struct cn_jval called(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jval callee = cn_j_eval(run, node->a);
    if (callee.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, callee);
    struct cn_jargs args = arguments(run, node);
    run->line = node->line;
    struct cn_jval result = call(run, callee, &args);
    run->line = node->line;
    return result;
}

static struct cn_jval absent_or(struct cn_jrun *run, const struct cn_jnode *node)
{
    return node ? cn_j_eval(run, node) : (struct cn_jval){ .kind = CN_J_ABSENT };
}

static struct cn_jval negated(struct cn_jrun *run, struct cn_jval v)
{
    if (v.kind == CN_J_FLOAT)
        return cn_j_float(-v.real);
    return cn_j_arithmetic(run, '-', cn_j_int(0), v);
}

static struct cn_jval eval(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jval a, b;
    switch (node->kind) {
    case CN_JN_CONST:
        return node->value;
    case CN_JN_NAME:
        return look_up(run, node);
    case CN_JN_LIST:
        return list_of(run, node, CN_J_LIST);
    case CN_JN_TUPLE:
        return list_of(run, node, CN_J_TUPLE);
    case CN_JN_DICT:
        return dict_of(run, node);
    case CN_JN_IF_ELSE:
        if (cn_j_truth(cn_j_eval(run, node->b)))
            return cn_j_eval(run, node->a);
        return node->c ? cn_j_eval(run, node->c) : cn_j_undefined();
    case CN_JN_OR:
        a = cn_j_eval(run, node->a);
        return cn_j_truth(a) ? a : cn_j_eval(run, node->b);
    case CN_JN_AND:
        a = cn_j_eval(run, node->a);
        return cn_j_truth(a) ? cn_j_eval(run, node->b) : a;
    case CN_JN_NOT:
        return cn_j_bool(!cn_j_truth(cn_j_eval(run, node->a)));
    case CN_JN_COMPARE:
        return compared(run, node);
    case CN_JN_ADD:
        a = cn_j_eval(run, node->a);
        b = cn_j_eval(run, node->b);
        run->line = node->line;
        return cn_j_add(run, a, b);
    case CN_JN_MATH:
        a = cn_j_eval(run, node->a);
        b = cn_j_eval(run, node->b);
        run->line = node->line;
        return cn_j_arithmetic(run, node->op, a, b);
    case CN_JN_CONCAT:
        return concatenated(run, node);
    case CN_JN_NEGATE:
        return negated(run, cn_j_eval(run, node->a));
    case CN_JN_PLUS:
        return cn_j_arithmetic(run, '-', cn_j_eval(run, node->a), cn_j_int(0));
    case CN_JN_ATTRIBUTE:
        a = cn_j_eval(run, node->a);
        run->line = node->line;
        return cn_j_attribute(run, a, node->text);
    case CN_JN_MEMBER:
        a = cn_j_eval(run, node->a);
        b = cn_j_eval(run, node->b);
        run->line = node->line;
        return cn_j_member(run, a, b);
    case CN_JN_SLICE: {
        a = cn_j_eval(run, node->a);
        struct cn_jval from = absent_or(run, node->list[0]), to = absent_or(run, node->list[1]);
        struct cn_jval step = absent_or(run, node->list[2]);
        run->line = node->line;
        return cn_j_slice(run, a, from, to, step);
    }
    case CN_JN_CALL:
        return called(run, node);
    case CN_JN_FILTER:
        return filtered(run, node);
    case CN_JN_TEST:
        return tested(run, node);
    case CN_JN_HOLE:
        return cn_j_string(cn_j_finish(run->out));
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "an expression expected");
    }
}

struct cn_jval cn_j_eval(struct cn_jrun *run, const struct cn_jnode *node)
{
    cn_j_work(run, 1, 0);
    if (node->kind == CN_JN_CONST)
        return node->value;
    run->line = node->line;
    cn_j_enter(run);
    struct cn_jval value = eval(run, node);
    cn_j_leave(run);
    return value;
}
