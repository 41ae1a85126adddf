/* SPDX-License-Identifier: MIT
 *
 * The values of templates, and the state of one compilation or rendering. All memory is that of an
 * arena; an error jumps to the one place where the work began, so nothing here returns a status.
 */
#ifndef CN_JINJA_VALUE_H
#define CN_JINJA_VALUE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { CN_J_MAX_WORK = 10000000 };

/* ---- the state ------------------------------------------------------------------------------- */

struct cn_jbuiltin;
struct cn_jmacro;
struct cn_jargs;
struct cn_jtables;

struct cn_jrun {
    struct cn_arena *arena;
    jmp_buf escape;
    enum cn_status status; /* why it was taken */
    struct cn_error *err;  /* may be NULL */
    unsigned line;         /* of the template, where the work is */
    int64_t work_left;     /* steps; long texts count by their length */
    int depth;             /* of what is nested now */
    /* Of a rendering. */
    const struct cn_jinja *jinja;
    struct cn_jscope *scope;
    struct cn_jtext *out;
    const struct tm *now;
    const struct cn_jtables *tables;
};

/* Ends the work with "chat template, line N: ...". */
_Noreturn void cn_j_fail(struct cn_jrun *run, enum cn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *cn_j_alloc(struct cn_jrun *run, size_t n); /* never NULL, not cleared */
void *cn_j_grow(struct cn_jrun *run, void *p, size_t n_old, size_t n_new);
/* Takes `steps` of the work that is left, and one for each 64 of `bytes`. */
void cn_j_work(struct cn_jrun *run, size_t steps, size_t bytes);
/* Around whatever calls itself. */
void cn_j_enter(struct cn_jrun *run);
void cn_j_leave(struct cn_jrun *run);

/* ---- values ---------------------------------------------------------------------------------- */

__extension__ typedef __int128 cn_jint; /* Python's have no limit; these are refused beyond */

enum cn_jkind {
    CN_J_ABSENT, /* an argument that was not given; never seen by a template */
    CN_J_UNDEFINED,
    CN_J_NONE,
    CN_J_BOOL,
    CN_J_INT,
    CN_J_FLOAT,
    CN_J_STRING,
    CN_J_LIST,
    CN_J_TUPLE,
    CN_J_VIEW, /* what items(), keys() and values() of a dict give: a list */
    CN_J_RANGE,
    CN_J_GENERATOR,
    CN_J_DICT,
    CN_J_NAMESPACE,
    CN_J_LOOP,
    CN_J_MACRO,
    CN_J_FUNCTION,
    CN_J_METHOD,
};

struct cn_jval {
    enum cn_jkind kind;
    union {
        bool boolean;
        cn_jint integer;
        double real;
        const struct cn_jstr *string;
        struct cn_jlist *list; /* LIST, TUPLE, VIEW */
        const struct cn_jrange *range;
        struct cn_jgenerator *generator;
        struct cn_jdict *dict; /* DICT, NAMESPACE */
        struct cn_jloop *loop;
        const struct cn_jmacro *macro;
        const struct cn_jbuiltin *function;
        const struct cn_jmethod *method;
        const struct cn_jmissing *missing; /* UNDEFINED; NULL: nothing is known of it */
    };
};

/* Text. marks[i] != 0: byte i comes from the conversation rather than from the template; without
 * marks this holds for all bytes (input) or none. */
struct cn_jstr {
    const char *p;
    const uint8_t *marks; /* [n] or NULL */
    size_t n;
    bool input;
    bool safe;      /* "markup": operators escape for HTML what they join it with */
    bool ascii;     /* known to be one byte a character */
    size_t n_chars; /* SIZE_MAX: not counted yet */
    /* What wrote it in this rendering, if it is long: another text may go on there, once. */
    struct cn_jtext *written;
};

struct cn_jlist {
    struct cn_jval *items;
    size_t n, capacity;
    const char *view; /* of a VIEW: "dict_items", ... */
};

struct cn_jrange {
    int64_t start, stop, step;
    size_t n;
};

/* What map, select and their like give: worked out when it is first read, and read but once. */
struct cn_jgenerator {
    struct cn_jval source;
    void (*make)(struct cn_jrun *run, const struct cn_jgenerator *generator, struct cn_jlist *out);
    const struct cn_jargs *args; /* of the filter */
    bool negate, attribute;      /* for the four forms of select */
    struct cn_jlist *made;       /* NULL: not yet */
    size_t at;                   /* the first of `made` that was not read */
};

struct cn_jentry {
    struct cn_jval key, value;
    uint64_t hash;
};
struct cn_jdict {
    struct cn_jentry *entries; /* in order of insertion */
    size_t n, capacity;
    uint32_t *index; /* [n_index], a power of two or 0: of small dicts; entry + 1, 0: free */
    size_t n_index;
};

struct cn_jloop {
    const struct cn_jlist *items;
    size_t at, depth0;
    struct cn_jval last_seen; /* of changed() */
};

struct cn_jmacro {
    const struct cn_jnode *node;
    struct cn_jscope *scope; /* where it was defined */
    struct cn_jval caller;   /* of the body of a call block: unused */
};

/* Where an undefined value comes from: the variable `name`, or the member `name` of a value of the
 * kind `of`. */
struct cn_jmissing {
    struct cn_str name;
    enum cn_jkind of;    /* CN_J_ABSENT: a variable */
    const char *because; /* why else it is not there; NULL */
};

struct cn_jargs {
    const struct cn_jval *values; /* [n] */
    size_t n;
    const struct cn_str *names; /* [n_named] */
    const struct cn_jval *named;
    size_t n_named;
};

/* A filter, test, function or method. `params` names its parameters, with blanks between; NULL: it
 * takes its arguments as they come. `a` is then NULL, else [number of parameters], ABSENT where
 * nothing was given. */
struct cn_jbuiltin {
    const char *name, *params;
    size_t n_required;
    struct cn_jval (*call)(struct cn_jrun *run, struct cn_jval self, const struct cn_jval *a,
                           const struct cn_jargs *args);
    enum cn_jkind of; /* a method: of which kind */
};

struct cn_jmethod {
    struct cn_jval self;
    const struct cn_jbuiltin *row;
    const char *because; /* no row: why it cannot be called */
};

static inline struct cn_jval cn_j_none(void)
{
    return (struct cn_jval){ .kind = CN_J_NONE };
}
static inline struct cn_jval cn_j_undefined(void)
{
    return (struct cn_jval){ .kind = CN_J_UNDEFINED, .missing = NULL };
}
static inline struct cn_jval cn_j_bool(bool boolean)
{
    return (struct cn_jval){ .kind = CN_J_BOOL, .boolean = boolean };
}
static inline struct cn_jval cn_j_int(cn_jint integer)
{
    return (struct cn_jval){ .kind = CN_J_INT, .integer = integer };
}
static inline struct cn_jval cn_j_float(double real)
{
    return (struct cn_jval){ .kind = CN_J_FLOAT, .real = real };
}
static inline struct cn_jval cn_j_string(const struct cn_jstr *string)
{
    return (struct cn_jval){ .kind = CN_J_STRING, .string = string };
}
static inline struct cn_jval cn_j_of_list(struct cn_jlist *list)
{
    return (struct cn_jval){ .kind = CN_J_LIST, .list = list };
}

/* "str", "list", ...: Python's names, which error messages use. */
const char *cn_j_kind_name(enum cn_jkind kind);
bool cn_j_truth(struct cn_jval value);
bool cn_j_equal(struct cn_jrun *run, struct cn_jval a, struct cn_jval b);
/* < 0, 0, > 0; an error for kinds that have no order. `op` is for the message. */
int cn_j_compare(struct cn_jrun *run, struct cn_jval a, struct cn_jval b, const char *op);
bool cn_j_contains(struct cn_jrun *run, struct cn_jval item, struct cn_jval in);
/* False unless it is a bool, an int or a float; *real has it then. */
bool cn_j_is_number(struct cn_jval value);
double cn_j_real(struct cn_jval number);
/* The value as an index or count; an error, naming `what`, if it is not an int or beyond 64 bits.
 */
int64_t cn_j_need_int(struct cn_jrun *run, struct cn_jval value, const char *what);
const struct cn_jstr *cn_j_need_string(struct cn_jrun *run, struct cn_jval value, const char *what);
/* Ends the work with what is known of the undefined value. */
_Noreturn void cn_j_fail_undefined(struct cn_jrun *run, struct cn_jval value);

struct cn_jlist *cn_j_list(struct cn_jrun *run, size_t capacity);
void cn_j_push(struct cn_jrun *run, struct cn_jlist *list, struct cn_jval value);
/* The items of whatever can be walked: a list's own, the keys of a dict, the characters of a text,
 * what is left of a generator. An error for other kinds. */
struct cn_jlist *cn_j_items(struct cn_jrun *run, struct cn_jval value);
/* Number of items or characters; an error where Python's len() gives one. */
size_t cn_j_length(struct cn_jrun *run, struct cn_jval value);

struct cn_jdict *cn_j_dict(struct cn_jrun *run);
/* NULL if there is no such key, also if it is of a kind that cannot be one. */
struct cn_jval *cn_j_dict_find(struct cn_jrun *run, const struct cn_jdict *dict,
                               struct cn_jval key);
struct cn_jval *cn_j_dict_find_name(struct cn_jrun *run, const struct cn_jdict *dict,
                                    struct cn_str name);
void cn_j_dict_set(struct cn_jrun *run, struct cn_jdict *dict, struct cn_jval key,
                   struct cn_jval value);

/* A member: by Python's attribute (methods first), or by key or index first. UNDEFINED if there is
 * none; an error for a member of an UNDEFINED. */
struct cn_jval cn_j_attribute(struct cn_jrun *run, struct cn_jval value, struct cn_str name);
struct cn_jval cn_j_member(struct cn_jrun *run, struct cn_jval value, struct cn_jval key);
/* By a path of members with dots between, digits being indices: for map(attribute=...). */
struct cn_jval cn_j_path(struct cn_jrun *run, struct cn_jval value, struct cn_str path);

/* What stands above the files that use it here: the tables of which filters are part, and macros,
 * of which calls are part. */
struct cn_jtables {
    const struct cn_jbuiltin *(*find_filter)(struct cn_str name);
    const struct cn_jbuiltin *(*find_test)(struct cn_str name);
    void (*fail_no_filter)(struct cn_jrun *run, struct cn_str name);
    void (*fail_no_test)(struct cn_jrun *run, struct cn_str name);
    struct cn_jval (*call_macro)(struct cn_jrun *run, const struct cn_jmacro *macro,
                                 const struct cn_jargs *args);
};

/* ---- text ------------------------------------------------------------------------------------ */

/* Text that is written piece by piece. All zeros but for `run` is empty. */
struct cn_jtext {
    struct cn_jrun *run;
    char *p;
    uint8_t *marks; /* NULL as long as all bytes agree */
    size_t n, capacity;
    bool input;
};

void cn_j_put(struct cn_jtext *text, const char *p, size_t n, bool input);
void cn_j_put_str(struct cn_jtext *text, const struct cn_jstr *str);
/* Bytes [from, from + n) of a string. */
void cn_j_put_part(struct cn_jtext *text, const struct cn_jstr *str, size_t from, size_t n);
void cn_j_put_char(struct cn_jtext *text, uint32_t cp, bool input);
__attribute__((format(printf, 2, 3))) void cn_j_putf(struct cn_jtext *text, const char *format,
                                                     ...);
const struct cn_jstr *cn_j_finish(struct cn_jtext *text);

/* A string that borrows p. */
const struct cn_jstr *cn_j_str(struct cn_jrun *run, const char *p, size_t n, bool input);
const struct cn_jstr *cn_j_literal(struct cn_jrun *run, const char *p); /* of the template */
/* Bytes [from, from + n) of `str`, with their marks. */
const struct cn_jstr *cn_j_part(struct cn_jrun *run, const struct cn_jstr *str, size_t from,
                                size_t n);
size_t cn_j_chars(struct cn_jrun *run, const struct cn_jstr *str);
/* The byte at which character `i` starts; str->n for the number of characters. */
size_t cn_j_char_at(struct cn_jrun *run, const struct cn_jstr *str, size_t i);
/* The character at byte `at` < n; its length in *length. Bytes that are not UTF-8 count as one
 * character each. */
uint32_t cn_j_char(const struct cn_jstr *str, size_t at, size_t *length);
/* The start of the character that ends at byte `end` > 0. */
size_t cn_j_char_before(const struct cn_jstr *str, size_t end);
bool cn_j_is_space(uint32_t cp); /* as Python's str.isspace */
const struct cn_jstr *cn_j_concat(struct cn_jrun *run, const struct cn_jstr *a,
                                  const struct cn_jstr *b);
/* For +, join and their like: the other operand, escaped for HTML if one of them is safe. */
const struct cn_jstr *cn_j_escaped(struct cn_jrun *run, const struct cn_jstr *str);
const struct cn_jstr *cn_j_as_safe(struct cn_jrun *run, const struct cn_jstr *str, bool safe);
bool cn_j_same(const struct cn_jstr *str, const char *text);

/* What printing gives. */
const struct cn_jstr *cn_j_text(struct cn_jrun *run, struct cn_jval value);
void cn_j_print(struct cn_jtext *out, struct cn_jval value);
void cn_j_print_repr(struct cn_jtext *out, struct cn_jval value);
enum { CN_J_FLOAT_CHARS = 40 };
/* Python's repr of a float: the shortest digits that read back the same. */
const char *cn_j_float_text(double real, char out[CN_J_FLOAT_CHARS]);
const char *cn_j_int_text(cn_jint integer, char out[CN_J_FLOAT_CHARS + 8]);
/* False if the text is no int; base 0: by its prefix. White space around it is allowed. */
bool cn_j_parse_int(const char *p, size_t n, int base, cn_jint *integer);
bool cn_j_parse_float(struct cn_jrun *run, const char *p, size_t n, double *real);

/* ---- operators, calls ------------------------------------------------------------------------ */

struct cn_jval cn_j_add(struct cn_jrun *run, struct cn_jval a, struct cn_jval b);
/* '-', '*', '/', '%', 'd' for //, 'p' for **. */
struct cn_jval cn_j_arithmetic(struct cn_jrun *run, int op, struct cn_jval a, struct cn_jval b);
struct cn_jval cn_j_slice(struct cn_jrun *run, struct cn_jval value, struct cn_jval from,
                          struct cn_jval to, struct cn_jval step);
/* Python's % on a string, and str.format. */
const struct cn_jstr *cn_j_percent(struct cn_jrun *run, const struct cn_jstr *format,
                                   struct cn_jval args);
const struct cn_jstr *cn_j_format(struct cn_jrun *run, const struct cn_jstr *format,
                                  const struct cn_jargs *args);

/* Calls a row of a table; `what` ("filter", "test", ...) is for messages. */
struct cn_jval cn_j_call_builtin(struct cn_jrun *run, const struct cn_jbuiltin *row,
                                 const char *what, struct cn_jval self,
                                 const struct cn_jargs *args);

const struct cn_jbuiltin *cn_j_find_filter(struct cn_str name);
const struct cn_jbuiltin *cn_j_find_test(struct cn_str name);
const struct cn_jbuiltin *cn_j_find_function(struct cn_str name);
/* The method as a value, or UNDEFINED if the kind has none of this name. */
struct cn_jval cn_j_find_method(struct cn_jrun *run, struct cn_jval self, struct cn_str name);
/* Ends the work: names the filter or test that is not there. */
_Noreturn void cn_j_fail_no_filter(struct cn_jrun *run, struct cn_str name);
_Noreturn void cn_j_fail_no_test(struct cn_jrun *run, struct cn_str name);

/* The characters that a strip is to take: NULL for white space (none given, or none). */
const struct cn_jstr *cn_j_optional_chars(struct cn_jrun *run, struct cn_jval v, const char *what);

/* What several tables use. */
const struct cn_jstr *cn_j_replace(struct cn_jrun *run, const struct cn_jstr *str,
                                   const struct cn_jstr *old, const struct cn_jstr *with,
                                   int64_t count);
enum { CN_J_LEFT = 1, CN_J_RIGHT = 2 };
/* White space (chars NULL), or any of the characters in `chars`, off the ends. */
const struct cn_jstr *cn_j_strip(struct cn_jrun *run, const struct cn_jstr *str,
                                 const struct cn_jstr *chars, int sides);
enum cn_jcase { CN_J_UPPER, CN_J_LOWER, CN_J_CAPITALIZE, CN_J_TITLE, CN_J_TITLE_METHOD, CN_J_SWAP };
const struct cn_jstr *cn_j_change_case(struct cn_jrun *run, const struct cn_jstr *str,
                                       enum cn_jcase to);
struct cn_jval cn_j_split(struct cn_jrun *run, const struct cn_jstr *str, struct cn_jval sep,
                          int64_t most, bool from_right);
const struct cn_jstr *cn_j_tojson(struct cn_jrun *run, struct cn_jval value,
                                  const struct cn_jval *a);
/* The byte of str at which `part` begins, at or behind `from`; SIZE_MAX: nowhere. */
size_t cn_j_find(const struct cn_jstr *str, const struct cn_jstr *part, size_t from);
size_t cn_j_rfind(struct cn_jrun *run, const struct cn_jstr *str, const struct cn_jstr *part);

/* JSON as a value. Strings in it are input unless `trusted`. */
struct cn_json_value;
struct cn_jval cn_j_from_json(struct cn_jrun *run, const struct cn_json_value *json, bool trusted,
                              bool messages);

#endif
