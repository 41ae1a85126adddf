/* SPDX-License-Identifier: MIT
 *
 * A compiled template: the tree, and how its parts are made and run.
 */
#ifndef CN_JINJA_NODE_H
#define CN_JINJA_NODE_H

#include "base/strmap.h"
#include "engine/jinja/jinja.h"
#include "engine/jinja/jinja_value.h"

#include <string.h>

enum cn_jtoken_kind {
    CN_JT_TEXT,        /* between the tags */
    CN_JT_PRINT_BEGIN, /* {{ */
    CN_JT_PRINT_END,
    CN_JT_BLOCK_BEGIN, /* {% */
    CN_JT_BLOCK_END,
    CN_JT_NAME,
    CN_JT_STRING, /* without quotes, escapes as they are */
    CN_JT_INT,
    CN_JT_FLOAT,
    CN_JT_OP, /* its text tells which */
    CN_JT_END
};

struct cn_jtoken {
    enum cn_jtoken_kind kind;
    unsigned line;
    struct cn_str text;
};

/* All tokens of the source, CN_JT_END last. Line ends must be LF already. */
struct cn_jtoken *cn_j_lex(struct cn_jrun *run, struct cn_str source);

/* clang-format off */
enum cn_jnode_kind {
    /* expressions */
    CN_JN_CONST,   /* value */
    CN_JN_NAME,    /* symbol */
    CN_JN_LIST,    /* list */
    CN_JN_TUPLE,   /* list */
    CN_JN_DICT,    /* list: key, value, key, value, ... */
    CN_JN_IF_ELSE, /* a if b else c (c may be NULL) */
    CN_JN_OR,      /* a, b */
    CN_JN_AND,
    CN_JN_NOT,     /* a */
    CN_JN_COMPARE, /* list of operands; text: one op between each (see cn_jcompare) */
    CN_JN_ADD,     /* a, b */
    CN_JN_MATH,    /* a op b */
    CN_JN_CONCAT,  /* list */
    CN_JN_NEGATE,  /* a */
    CN_JN_PLUS,    /* a */
    CN_JN_ATTRIBUTE, /* a.text */
    CN_JN_MEMBER,  /* a[b] */
    CN_JN_SLICE,   /* a[list[0]:list[1]:list[2]], entries NULL where not given */
    CN_JN_CALL,    /* a(args) */
    CN_JN_FILTER,  /* a | builtin(args); builtin NULL: there is none called text */
    CN_JN_TEST,    /* a is builtin(args); op: not */
    /* statements */
    CN_JN_TEXT,   /* text */
    CN_JN_OUTPUT, /* a */
    CN_JN_IF,     /* a; list: then; b: else, a CN_JN_BODY or CN_JN_IF, or NULL */
    CN_JN_BODY,   /* list */
    CN_JN_FOR,    /* target a; in b; if c (or NULL); list: body; d: else or NULL */
    CN_JN_SET,    /* target a = b */
    CN_JN_SET_BLOCK, /* target a; list: body; b: filters over a CN_JN_HOLE, or NULL */
    CN_JN_MACRO,  /* symbol; params; list: body */
    CN_JN_CALL_BLOCK, /* a: the call; b: the macro that is its caller() */
    CN_JN_FILTER_BLOCK, /* a: filters over a CN_JN_HOLE; list: body */
    CN_JN_SCOPE,  /* list: body, in a scope of its own */
    CN_JN_BREAK,
    CN_JN_CONTINUE,
    /* in targets and filters of blocks */
    CN_JN_NAMESPACE_TARGET, /* symbol.text */
    CN_JN_HOLE, /* the text of the block */
};
/* clang-format on */

enum cn_jcompare {
    CN_JC_EQ,
    CN_JC_NE,
    CN_JC_LT,
    CN_JC_LE,
    CN_JC_GT,
    CN_JC_GE,
    CN_JC_IN,
    CN_JC_NOT_IN
};

enum cn_jarg_kind { CN_JA_VALUE, CN_JA_NAMED, CN_JA_STAR, CN_JA_STAR_STAR };
struct cn_jarg {
    enum cn_jarg_kind kind;
    struct cn_str name;
    const struct cn_jnode *value;
};

struct cn_jparam {
    struct cn_str name;
    uint32_t symbol;
    const struct cn_jnode *value; /* its default, or NULL */
};

/* What a kind of node does not name above, it does not have. */
struct cn_jnode {
    enum cn_jnode_kind kind;
    unsigned line;
    int height; /* of the tree below */
    int op;
    uint32_t symbol;
    bool uses_varargs, uses_kwargs; /* a macro */
    struct cn_str text;
    const struct cn_jnode *a, *b;
    union {
        struct { /* if, for */
            const struct cn_jnode *c, *d;
        };
        struct { /* macros */
            const struct cn_jparam *params;
            size_t n_params;
        };
        const struct cn_jbuiltin *builtin; /* filters, tests */
    };
    union {
        struct cn_jval value;
        struct {
            const struct cn_jnode **list;
            size_t n;
        };
        struct { /* calls, filters, tests */
            const struct cn_jarg *args;
            size_t n_args;
        };
    };
};

struct cn_jinja {
    struct cn_arena arena;
    struct cn_str source;                   /* line ends are LF */
    struct cn_strmap symbols;               /* names -> numbers */
    const struct cn_jbuiltin **functions;   /* [symbols.n] the built-in of each name, or NULL */
    uint32_t loop, caller, varargs, kwargs; /* symbols */
    const struct cn_jnode *root;
};

/* A parse in progress. */
struct cn_jparser {
    struct cn_jrun *run;
    struct cn_jinja *jinja;
    const struct cn_jtoken *at;
    bool in_loop, saw_varargs, saw_kwargs;
};

struct cn_jnode *cn_j_node(struct cn_jparser *p, enum cn_jnode_kind kind);
/* Children are to be told, so that the height is known; NULL is allowed. */
void cn_j_adopt(struct cn_jparser *p, struct cn_jnode *node, const struct cn_jnode *child);
uint32_t cn_j_symbol(struct cn_jparser *p, struct cn_str name);
_Noreturn void cn_j_unexpected(struct cn_jparser *p, const char *expected);
/* Whether a token of that kind and text is next; text NULL: of any text. */
static inline bool cn_j_at(const struct cn_jparser *p, enum cn_jtoken_kind kind, const char *text)
{
    const struct cn_jtoken *t = p->at;
    return t->kind == kind &&
           (!text || (t->text.n == strlen(text) && memcmp(t->text.p, text, t->text.n) == 0));
}
/* The same, and goes on behind it. */
static inline bool cn_j_skip(struct cn_jparser *p, enum cn_jtoken_kind kind, const char *text)
{
    if (!cn_j_at(p, kind, text))
        return false;
    p->at++;
    p->run->line = p->at->line;
    return true;
}
void cn_j_expect(struct cn_jparser *p, enum cn_jtoken_kind kind, const char *text);
struct cn_str cn_j_name(struct cn_jparser *p);

/* Expressions (jinja_expr.c). */
struct cn_jnode *cn_j_parse_expression(struct cn_jparser *p);
struct cn_jnode *cn_j_parse_or(struct cn_jparser *p);
struct cn_jnode *cn_j_parse_primary(struct cn_jparser *p);
struct cn_jnode *cn_j_parse_postfix(struct cn_jparser *p, struct cn_jnode *node);
/* An expression, or several with commas between, which are a tuple. with_if: inline ifs are
 * allowed; stop: a name that ends it, or NULL. */
struct cn_jnode *cn_j_parse_tuple(struct cn_jparser *p, bool with_if, const char *stop,
                                  bool in_brackets);
/* "|f|g(x)" over `node`; inline_start: the first without its bar. */
struct cn_jnode *cn_j_parse_filters(struct cn_jparser *p, struct cn_jnode *node, bool inline_start);

/* The whole template (jinja_parse.c). */
void cn_j_parse(struct cn_jparser *p);

/* ---- running --------------------------------------------------------------------------------- */

struct cn_jscope {
    struct cn_jscope *parent;
    struct cn_jvariable {
        uint32_t symbol;
        struct cn_jval value;
    } * vars; /* of the outermost scope: [n_symbols], ABSENT where not set; else a list */
    size_t n, capacity;
    bool outermost;
};

struct cn_jscope *cn_j_push_scope(struct cn_jrun *run, struct cn_jscope *parent);
void cn_j_set(struct cn_jrun *run, struct cn_jscope *scope, uint32_t symbol, struct cn_jval value);

struct cn_jval cn_j_eval(struct cn_jrun *run, const struct cn_jnode *node);
/* How a body ended. */
enum cn_jflow { CN_JF_NORMAL, CN_JF_BREAK, CN_JF_CONTINUE };
enum cn_jflow cn_j_exec(struct cn_jrun *run, const struct cn_jnode *const *body, size_t n);
/* The text that a macro gives. */
struct cn_jval cn_j_call_macro(struct cn_jrun *run, const struct cn_jmacro *macro,
                               const struct cn_jargs *args);

#endif
