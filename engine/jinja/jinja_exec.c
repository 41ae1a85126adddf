/* SPDX-License-Identifier: MIT
 *
 * Statements: scopes, loops, macros, blocks.
 */
#include "engine/jinja/jinja_node.h"

#include <string.h>

/* ---- scopes ---------------------------------------------------------------------------------- */

struct cn_jscope *cn_j_push_scope(struct cn_jrun *run, struct cn_jscope *parent)
{
    struct cn_jscope *scope = cn_j_alloc(run, sizeof *scope);
    *scope = (struct cn_jscope){ .parent = parent, .outermost = !parent };
    if (!parent) {
        scope->capacity = run->jinja->symbols.n;
        scope->vars = cn_j_alloc(run, scope->capacity * sizeof *scope->vars);
        for (size_t i = 0; i < scope->capacity; i++)
            scope->vars[i].value = (struct cn_jval){ .kind = CN_J_ABSENT };
    }
    return scope;
}

void cn_j_set(struct cn_jrun *run, struct cn_jscope *scope, uint32_t symbol, struct cn_jval value)
{
    if (scope->outermost) {
        scope->vars[symbol].value = value;
        return;
    }
    for (size_t i = 0; i < scope->n; i++)
        if (scope->vars[i].symbol == symbol) {
            scope->vars[i].value = value;
            return;
        }
    if (scope->n == scope->capacity) {
        size_t capacity = scope->capacity ? 2 * scope->capacity : 4;
        scope->vars = cn_j_grow(run, scope->vars, scope->n * sizeof *scope->vars,
                                capacity * sizeof *scope->vars);
        scope->capacity = capacity;
    }
    scope->vars[scope->n++] = (struct cn_jvariable){ symbol, value };
}

static struct cn_jval *find_variable(struct cn_jrun *run, uint32_t symbol)
{
    for (struct cn_jscope *scope = run->scope; scope; scope = scope->parent) {
        if (scope->outermost && scope->vars[symbol].value.kind != CN_J_ABSENT)
            return &scope->vars[symbol].value;
        for (size_t i = 0; i < scope->n; i++)
            if (scope->vars[i].symbol == symbol)
                return &scope->vars[i].value;
    }
    return NULL;
}

/* Sets a name, several, or a member of a namespace. */
static void assign(struct cn_jrun *run, const struct cn_jnode *target, struct cn_jval value)
{
    if (target->kind == CN_JN_NAME) {
        cn_j_set(run, run->scope, target->symbol, value);
        return;
    }
    if (target->kind == CN_JN_NAMESPACE_TARGET) {
        const struct cn_jval *ns = find_variable(run, target->symbol);
        if (!ns || ns->kind != CN_J_NAMESPACE)
            cn_j_fail(run, CN_ERR_FORMAT, "only members of a namespace can be set");
        cn_j_dict_set(run, ns->dict,
                      cn_j_string(cn_j_str(run, target->text.p, target->text.n, false)), value);
        return;
    }
    if (value.kind == CN_J_UNDEFINED)
        cn_j_fail_undefined(run, value);
    const struct cn_jlist *items = cn_j_items(run, value);
    if (items->n != target->n)
        cn_j_fail(run, CN_ERR_FORMAT, "%zu values expected, found %zu", target->n, items->n);
    for (size_t i = 0; i < target->n; i++)
        assign(run, target->list[i], items->items[i]);
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* The items for which the loop's condition holds. */
static const struct cn_jlist *chosen(struct cn_jrun *run, const struct cn_jnode *node,
                                     const struct cn_jlist *items)
{
    struct cn_jlist *list = cn_j_list(run, 0);
    struct cn_jscope *outer = run->scope;
    for (size_t i = 0; i < items->n; i++) {
        run->scope = cn_j_push_scope(run, outer);
        assign(run, node->a, items->items[i]);
        if (cn_j_truth(cn_j_eval(run, node->c)))
            cn_j_push(run, list, items->items[i]);
    }
    run->scope = outer;
    return list;
}

/* How many loops are around. */
static size_t loops_around(struct cn_jrun *run)
{
    const struct cn_jval *loop = find_variable(run, run->jinja->loop);
    return loop && loop->kind == CN_J_LOOP ? loop->loop->depth0 + 1 : 0;
}

static enum cn_jflow exec_for(struct cn_jrun *run, const struct cn_jnode *node)
{
    const struct cn_jlist *items = cn_j_items(run, cn_j_eval(run, node->b));
    run->line = node->line;
    if (node->c)
        items = chosen(run, node, items);
    struct cn_jscope *outer = run->scope;
    struct cn_jloop *loop = cn_j_alloc(run, sizeof *loop);
    /* A copy: the body may take items off the list that it walks. */
    struct cn_jlist *walked = cn_j_alloc(run, sizeof *walked);
    *walked = *items;
    *loop = (struct cn_jloop){ .items = walked, .depth0 = loops_around(run) };
    bool finished_one = false;
    for (; loop->at < walked->n; loop->at++) {
        cn_j_work(run, 1, 0);
        run->scope = cn_j_push_scope(run, outer); /* fresh in each round */
        cn_j_set(run, run->scope, run->jinja->loop,
                 (struct cn_jval){ .kind = CN_J_LOOP, .loop = loop });
        assign(run, node->a, walked->items[loop->at]);
        enum cn_jflow flow = cn_j_exec(run, node->list, node->n);
        finished_one |= flow == CN_JF_NORMAL;
        if (flow == CN_JF_BREAK)
            break;
    }
    run->scope = outer;
    return !finished_one && node->d ? cn_j_exec(run, node->d->list, node->d->n) : CN_JF_NORMAL;
}

/* ---- macros and blocks ----------------------------------------------------------------------- */

/* What the body writes, as a string. */
static const struct cn_jstr *captured(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jtext text = { .run = run }, *outer = run->out;
    run->out = &text;
    cn_j_exec(run, node->list, node->n);
    run->out = outer;
    return cn_j_finish(&text);
}

/* The value of a chain of filters whose hole is this text. */
static struct cn_jval filled(struct cn_jrun *run, const struct cn_jnode *filters,
                             const struct cn_jstr *str)
{
    struct cn_jtext text = { .run = run }, *outer = run->out;
    cn_j_put_str(&text, str);
    run->out = &text;
    struct cn_jval value = cn_j_eval(run, filters);
    run->out = outer;
    return value;
}

static bool is_named(struct cn_str a, struct cn_str b)
{
    return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

/* Arguments of a call that no parameter takes. */
static void extra_arguments(struct cn_jrun *run, const struct cn_jnode *node,
                            const struct cn_jargs *args, const bool *used)
{
    struct cn_jlist *varargs = cn_j_list(run, 0);
    struct cn_jdict *kwargs = cn_j_dict(run);
    int n_name = (int)(node->text.n > 60 ? 60 : node->text.n);
    for (size_t i = node->n_params; i < args->n; i++) {
        if (!node->uses_varargs)
            cn_j_fail(run, CN_ERR_FORMAT, "the macro '%.*s' takes %zu arguments, found %zu", n_name,
                      node->text.p, node->n_params, args->n);
        cn_j_push(run, varargs, args->values[i]);
    }
    for (size_t i = 0; i < args->n_named; i++) {
        if (used[i] || is_named(args->names[i], (struct cn_str){ "caller", 6 }))
            continue;
        if (!node->uses_kwargs)
            cn_j_fail(run, CN_ERR_FORMAT, "the macro '%.*s' has no argument '%.*s'", n_name,
                      node->text.p, (int)(args->names[i].n > 60 ? 60 : args->names[i].n),
                      args->names[i].p);
        cn_j_dict_set(run, kwargs,
                      cn_j_string(cn_j_str(run, args->names[i].p, args->names[i].n, false)),
                      args->named[i]);
    }
    if (node->uses_varargs)
        cn_j_set(run, run->scope, run->jinja->varargs,
                 (struct cn_jval){ .kind = CN_J_TUPLE, .list = varargs });
    if (node->uses_kwargs)
        cn_j_set(run, run->scope, run->jinja->kwargs,
                 (struct cn_jval){ .kind = CN_J_DICT, .dict = kwargs });
}

static void bind_parameters(struct cn_jrun *run, const struct cn_jnode *node,
                            const struct cn_jargs *args)
{
    bool *used = cn_j_alloc(run, args->n_named + 1);
    memset(used, 0, args->n_named + 1);
    for (size_t i = 0; i < node->n_params; i++) {
        const struct cn_jparam *param = &node->params[i];
        struct cn_jval value = { .kind = CN_J_ABSENT };
        if (i < args->n)
            value = args->values[i];
        for (size_t k = 0; k < args->n_named; k++)
            if (is_named(args->names[k], param->name)) {
                if (value.kind != CN_J_ABSENT)
                    cn_j_fail(run, CN_ERR_FORMAT, "the argument '%.*s' is given twice",
                              (int)(param->name.n > 60 ? 60 : param->name.n), param->name.p);
                value = args->named[k];
                used[k] = true;
            }
        if (value.kind == CN_J_ABSENT && param->value)
            value = cn_j_eval(run, param->value);
        if (value.kind == CN_J_ABSENT) {
            struct cn_jmissing *m = cn_j_alloc(run, sizeof *m);
            *m = (struct cn_jmissing){ .name = param->name, .of = CN_J_ABSENT };
            value = (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = m };
        }
        cn_j_set(run, run->scope, param->symbol, value);
    }
    extra_arguments(run, node, args, used);
}

struct cn_jval cn_j_call_macro(struct cn_jrun *run, const struct cn_jmacro *macro,
                               const struct cn_jargs *args)
{
    struct cn_jscope *outer = run->scope;
    run->scope = cn_j_push_scope(run, macro->scope);
    /* Loops around the macro are not its own. */
    cn_j_set(run, run->scope, run->jinja->loop, cn_j_undefined());
    for (size_t i = 0; i < args->n_named; i++)
        if (is_named(args->names[i], (struct cn_str){ "caller", 6 }))
            cn_j_set(run, run->scope, run->jinja->caller, args->named[i]);
    bind_parameters(run, macro->node, args);
    const struct cn_jstr *text = captured(run, macro->node);
    run->scope = outer;
    return cn_j_string(text);
}

static struct cn_jval macro_value(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jmacro *macro = cn_j_alloc(run, sizeof *macro);
    *macro = (struct cn_jmacro){ .node = node, .scope = run->scope };
    return (struct cn_jval){ .kind = CN_J_MACRO, .macro = macro };
}

/* The call, with the body of the block as one more argument called "caller". */
static void exec_call_block(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jnode call = *node->a;
    struct cn_jnode body = { .kind = CN_JN_CONST, .line = node->line };
    struct cn_jarg *args = cn_j_alloc(run, (call.n_args + 1) * sizeof *args);
    body.value = macro_value(run, node->b);
    if (call.n_args)
        memcpy(args, call.args, call.n_args * sizeof *args);
    args[call.n_args++] = (struct cn_jarg){
        .kind = CN_JA_NAMED, .name = {"caller", 6},
             .value = &body
    };
    call.args = args;
    cn_j_print(run->out, cn_j_eval(run, &call));
}

/* ---- statements ------------------------------------------------------------------------------ */

/* The first branch whose condition holds: conditions and their bodies are the items of b, an else
 * is a body without. */
static enum cn_jflow exec_if(struct cn_jrun *run, const struct cn_jnode *node)
{
    for (size_t i = 0; i < node->b->n; i++) {
        const struct cn_jnode *branch = node->b->list[i];
        if (branch->kind == CN_JN_BODY || cn_j_truth(cn_j_eval(run, branch->a)))
            return cn_j_exec(run, branch->list, branch->n);
    }
    return CN_JF_NORMAL;
}

static enum cn_jflow exec_one(struct cn_jrun *run, const struct cn_jnode *node)
{
    struct cn_jscope *outer = run->scope;
    enum cn_jflow flow = CN_JF_NORMAL;
    run->line = node->line;
    switch (node->kind) {
    case CN_JN_TEXT:
        cn_j_put(run->out, node->text.p, node->text.n, false);
        break;
    case CN_JN_OUTPUT:
        cn_j_print(run->out, cn_j_eval(run, node->a));
        break;
    case CN_JN_IF:
        return exec_if(run, node);
    case CN_JN_BODY:
        return cn_j_exec(run, node->list, node->n);
    case CN_JN_FOR:
        return exec_for(run, node);
    case CN_JN_SET:
        assign(run, node->a, cn_j_eval(run, node->b));
        break;
    case CN_JN_SET_BLOCK: {
        run->scope = cn_j_push_scope(run, outer);
        const struct cn_jstr *text = captured(run, node);
        run->scope = outer;
        assign(run, node->a, node->b ? filled(run, node->b, text) : cn_j_string(text));
        break;
    }
    case CN_JN_MACRO:
        cn_j_set(run, run->scope, node->symbol, macro_value(run, node));
        break;
    case CN_JN_CALL_BLOCK:
        exec_call_block(run, node);
        break;
    case CN_JN_FILTER_BLOCK: {
        run->scope = cn_j_push_scope(run, outer);
        const struct cn_jstr *text = captured(run, node);
        run->scope = outer;
        cn_j_print(run->out, filled(run, node->a, text));
        break;
    }
    case CN_JN_SCOPE:
        run->scope = cn_j_push_scope(run, outer);
        flow = cn_j_exec(run, node->list, node->n);
        run->scope = outer;
        break;
    case CN_JN_BREAK:
        return CN_JF_BREAK;
    case CN_JN_CONTINUE:
        return CN_JF_CONTINUE;
    default:
        cn_j_fail(run, CN_ERR_FORMAT, "a statement expected");
    }
    return flow;
}

enum cn_jflow cn_j_exec(struct cn_jrun *run, const struct cn_jnode *const *body, size_t n)
{
    enum cn_jflow flow = CN_JF_NORMAL;
    cn_j_enter(run);
    for (size_t i = 0; i < n && flow == CN_JF_NORMAL; i++) {
        cn_j_work(run, 1, 0);
        flow = exec_one(run, body[i]);
    }
    cn_j_leave(run);
    return flow;
}
