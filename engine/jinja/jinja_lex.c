/* SPDX-License-Identifier: MIT
 *
 * A template as tokens. White space around tags is taken here (trim_blocks, lstrip_blocks and the
 * signs in tags), so that nothing behind this knows of it.
 */
#include "engine/jinja/jinja_node.h"

#include "base/unicode.h"
#include "base/utf8.h"

#include <string.h>

struct lexer {
    struct cn_jrun *run;
    struct cn_str source;
    size_t at;
    struct cn_jtoken *tokens;
    size_t n, capacity;
    char open[128]; /* brackets */
    size_t n_open;
    bool line_starts; /* what was read last ends in a newline */
};

static void push(struct lexer *x, enum cn_jtoken_kind kind, const char *p, size_t n, unsigned line)
{
    if (x->n == x->capacity) {
        size_t capacity = x->capacity ? 2 * x->capacity : 256;
        x->tokens =
            cn_j_grow(x->run, x->tokens, x->n * sizeof *x->tokens, capacity * sizeof *x->tokens);
        x->capacity = capacity;
    }
    x->tokens[x->n++] = (struct cn_jtoken){
        kind, line, {p, n}
    };
}

static char look(const struct lexer *x, size_t ahead)
{
    return ahead < x->source.n - x->at ? x->source.p[x->at + ahead] : '\0';
}

static bool starts(const struct lexer *x, const char *text)
{
    size_t n = strlen(text);
    return n <= x->source.n - x->at && !memcmp(x->source.p + x->at, text, n);
}

/* Goes on by n bytes. */
static void advance(struct lexer *x, size_t n)
{
    for (size_t end = x->at + n; x->at < end; x->at++)
        x->run->line += x->source.p[x->at] == '\n';
}

/* The length of the white space character at p[0..n), or 0. */
static size_t space_at(const char *p, size_t n)
{
    size_t length;
    if (n == 0)
        return 0;
    uint32_t cp = cn_utf8_next(p, n, &length);
    return cp != CN_UTF8_INVALID && cn_j_is_space(cp) ? length : 0;
}

static void skip_space(struct lexer *x)
{
    size_t n;
    while ((n = space_at(x->source.p + x->at, x->source.n - x->at)) > 0)
        advance(x, n);
}

/* p[0..n) less the white space at its end. */
static size_t without_trailing_space(const char *p, size_t n)
{
    while (n > 0) {
        size_t start = n - 1;
        while (start > 0 && n - start < 4 && ((unsigned char)p[start] & 0xc0) == 0x80)
            start--;
        if (space_at(p + start, n - start) != n - start)
            break;
        n = start;
    }
    return n;
}

/* The text in front of a tag, less what the tag takes. */
static void push_text(struct lexer *x, size_t from, unsigned line, char sign, bool is_print)
{
    const char *p = x->source.p + from;
    size_t n = x->at - from;
    if (sign == '-') {
        n = without_trailing_space(p, n);
    } else if (sign != '+' && !is_print && n > 0) {
        const char *newline = memrchr(p, '\n', n);
        size_t start = newline ? (size_t)(newline - p) + 1 : 0;
        if ((newline || x->line_starts) &&
            start + without_trailing_space(p + start, n - start) == start)
            n = start;
    }
    if (n > 0)
        push(x, CN_JT_TEXT, p, n, line);
}

/* Behind a tag: "-" takes all white space, "+" nothing, no sign one newline behind a block or a
 * comment. */
static void end_tag(struct lexer *x, char sign, bool trims)
{
    if (sign == '-')
        skip_space(x);
    else if (sign != '+' && trims && look(x, 0) == '\n')
        advance(x, 1);
    x->line_starts = x->at > 0 && x->source.p[x->at - 1] == '\n';
}

static void comment(struct lexer *x)
{
    const char *from = x->source.p + x->at;
    const char *end = memmem(from, x->source.n - x->at, "#}", 2);
    if (!end)
        cn_j_fail(x->run, CN_ERR_FORMAT, "a comment has no end");
    char sign = end > from && (end[-1] == '-' || end[-1] == '+') ? end[-1] : '\0';
    advance(x, (size_t)(end + 2 - from));
    end_tag(x, sign, true);
}

/* ---- within tags ----------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(const struct lexer *x, bool first, size_t *length)
{
    char c = look(x, 0);
    *length = 1;
    if ((unsigned char)c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               (!first && is_digit(c));
    uint32_t cp = cn_utf8_next(x->source.p + x->at, x->source.n - x->at, length);
    enum cn_uclass class = cp == CN_UTF8_INVALID ? CN_U_NONE : cn_unicode_class(cp);
    return (class >= CN_U_LU && class <= CN_U_LO) ||
           (!first &&
            (class == CN_U_M || class == CN_U_ND || class == CN_U_NL || class == CN_U_NO));
}

/* Digits with single underscores between them; how many bytes from x->at + from on. */
static size_t digits(const struct lexer *x, size_t from, const char *allowed)
{
    size_t n = 0;
    for (;;) {
        size_t next = n + (n > 0 && look(x, from + n) == '_');
        char c = look(x, from + next);
        if (!c || !strchr(allowed, c))
            return n;
        n = next + 1;
    }
}

static const char decimal[] = "0123456789";

/* The length of a float here, or 0. */
static size_t float_length(const struct lexer *x)
{
    if (x->at > 0 && x->source.p[x->at - 1] == '.')
        return 0;
    size_t n = digits(x, 0, decimal), fraction = 0, exponent = 0;
    if (n == 0)
        return 0;
    if (look(x, n) == '.' && (fraction = digits(x, n + 1, decimal)) > 0)
        n += 1 + fraction;
    if (look(x, n) == 'e' || look(x, n) == 'E') {
        size_t sign = look(x, n + 1) == '+' || look(x, n + 1) == '-';
        if ((exponent = digits(x, n + 1 + sign, decimal)) > 0)
            n += 1 + sign + exponent;
    }
    return fraction || exponent ? n : 0;
}

static size_t int_length(const struct lexer *x)
{
    static const struct {
        const char *letters, *digits;
    } bases[] = {
        {"xX",  "0123456789abcdefABCDEF"},
        { "oO", "01234567"              },
        { "bB", "01"                    }
    };
    for (size_t i = 0; look(x, 0) == '0' && look(x, 1) && i < 3; i++) {
        if (!strchr(bases[i].letters, look(x, 1)))
            continue;
        size_t under = look(x, 2) == '_', n = digits(x, 2 + under, bases[i].digits);
        if (n > 0)
            return 2 + under + n;
    }
    return look(x, 0) == '0' ? digits(x, 0, "0") : digits(x, 0, decimal);
}

static void string(struct lexer *x)
{
    unsigned line = x->run->line;
    char quote = look(x, 0);
    size_t n = 1;
    while (look(x, n) != quote || x->at + n >= x->source.n) {
        if (x->at + n >= x->source.n)
            cn_j_fail(x->run, CN_ERR_FORMAT, "a string has no end");
        n += 1 + (look(x, n) == '\\' && x->at + n + 1 < x->source.n);
    }
    push(x, CN_JT_STRING, x->source.p + x->at + 1, n - 1, line);
    advance(x, n + 1);
}

static void operator(struct lexer *x)
{
    static const char two[][3] = { "//", "**", "==", "!=", "<=", ">=" };
    static const char one[] = "+-*/%~<>=.:|,;()[]{}";
    size_t n = 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (starts(x, two[i]))
            n = 2;
    char c = look(x, 0);
    if (n == 0 && (!c || !strchr(one, c))) {
        if (c > ' ' && c < 127)
            cn_j_fail(x->run, CN_ERR_FORMAT, "unexpected character '%c'", c);
        cn_j_fail(x->run, CN_ERR_FORMAT, "unexpected byte 0x%02x", (unsigned)(unsigned char)c);
    }
    n = n ? n : 1;
    if (strchr("([{", c)) {
        if (x->n_open == sizeof x->open)
            cn_j_fail(x->run, CN_ERR_UNSUPPORTED, "more than %zu brackets are open",
                      sizeof x->open);
        x->open[x->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (x->n_open == 0)
            cn_j_fail(x->run, CN_ERR_FORMAT, "unexpected '%c'", c);
        if (x->open[--x->n_open] != c)
            cn_j_fail(x->run, CN_ERR_FORMAT, "expected '%c', found '%c'", x->open[x->n_open], c);
    }
    push(x, CN_JT_OP, x->source.p + x->at, n, x->run->line);
    advance(x, n);
}

/* Tokens up to the end of the tag, of which `end` is the mark without its sign. */
static void tag(struct lexer *x, const char *end, bool is_print)
{
    size_t length;
    for (;;) {
        skip_space(x);
        if (x->at == x->source.n)
            cn_j_fail(x->run, CN_ERR_FORMAT, "the template ends within a tag: expected \"%s\"",
                      end);
        size_t sign = look(x, 0) == '-' || (!is_print && look(x, 0) == '+');
        if (x->n_open == 0 && look(x, sign) == end[0] && look(x, sign + 1) == end[1]) {
            char c = sign ? look(x, 0) : '\0';
            push(x, is_print ? CN_JT_PRINT_END : CN_JT_BLOCK_END, x->source.p + x->at, sign + 2,
                 x->run->line);
            advance(x, sign + 2);
            end_tag(x, c, !is_print);
            return;
        }
        const char *p = x->source.p + x->at;
        unsigned line = x->run->line;
        if (look(x, 0) == '"' || look(x, 0) == '\'') {
            string(x);
        } else if (is_digit(look(x, 0))) {
            size_t n = float_length(x);
            push(x, n ? CN_JT_FLOAT : CN_JT_INT, p, n ? n : int_length(x), line);
            advance(x, x->tokens[x->n - 1].text.n);
        } else if (is_name(x, true, &length)) {
            do {
                advance(x, length);
            } while (x->at < x->source.n && is_name(x, false, &length));
            push(x, CN_JT_NAME, p, (size_t)(x->source.p + x->at - p), line);
        } else {
            operator(x);
        }
    }
}

/* ---- raw ------------------------------------------------------------------------------------- */

/* The length of "{%- name -%}" here, 0 if this is another tag; *close is the sign at its end. */
static size_t named_tag(const struct lexer *x, const char *name, char *open, char *close)
{
    size_t n = 2, length;
    *open = *close = '\0';
    if (!starts(x, "{%"))
        return 0;
    if (look(x, n) == '-' || look(x, n) == '+')
        *open = look(x, n++);
    while ((length = x->at + n < x->source.n
                         ? space_at(x->source.p + x->at + n, x->source.n - x->at - n)
                         : 0) > 0)
        n += length;
    for (; *name; name++, n++)
        if (look(x, n) != *name)
            return 0;
    while ((length = x->at + n < x->source.n
                         ? space_at(x->source.p + x->at + n, x->source.n - x->at - n)
                         : 0) > 0)
        n += length;
    if (look(x, n) == '-' || look(x, n) == '+')
        *close = look(x, n++);
    return look(x, n) == '%' && look(x, n + 1) == '}' ? n + 2 : 0;
}

static bool raw(struct lexer *x)
{
    char open, close;
    size_t n = named_tag(x, "raw", &open, &close);
    if (n == 0)
        return false;
    advance(x, n);
    end_tag(x, close, false);
    size_t from = x->at;
    unsigned line = x->run->line;
    while ((n = named_tag(x, "endraw", &open, &close)) == 0) {
        if (x->at == x->source.n)
            cn_j_fail(x->run, CN_ERR_FORMAT, "the tag 'raw' has no end");
        advance(x, 1);
    }
    push_text(x, from, line, open, false);
    advance(x, n);
    end_tag(x, close, true);
    return true;
}

struct cn_jtoken *cn_j_lex(struct cn_jrun *run, struct cn_str source)
{
    struct lexer lexer = { .run = run, .source = source, .line_starts = true }, *x = &lexer;
    run->line = 1;
    for (;;) {
        size_t from = x->at;
        unsigned line = run->line;
        const char *brace;
        while ((brace = memchr(source.p + x->at, '{', source.n - x->at)) != NULL) {
            advance(x, (size_t)(brace - source.p) - x->at);
            if (look(x, 1) == '{' || look(x, 1) == '%' || look(x, 1) == '#')
                break;
            advance(x, 1);
        }
        if (!brace) {
            advance(x, source.n - x->at);
            if (x->at > from)
                push(x, CN_JT_TEXT, source.p + from, x->at - from, line);
            break;
        }
        char kind = look(x, 1), sign = look(x, 2);
        push_text(x, from, line, sign, kind == '{');
        if (kind == '%' && raw(x))
            continue;
        if (kind != '#')
            push(x, kind == '{' ? CN_JT_PRINT_BEGIN : CN_JT_BLOCK_BEGIN, source.p + x->at, 2,
                 run->line);
        advance(x, 2 + (sign == '-' || sign == '+'));
        if (kind == '#')
            comment(x);
        else
            tag(x, kind == '{' ? "}}" : "%}", kind == '{');
    }
    push(x, CN_JT_END, source.p + source.n, 0, run->line);
    return x->tokens;
}
