/* SPDX-License-Identifier: MIT
 *
 * The expressions, as the makers of the models publish them:
 *
 *   G  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   L  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|NUM| ?[^\s\p{L}\p{N}]+[\r\n]*
 *      |\s*[\r\n]+|\s+(?!\S)|\s+                       NUM = \p{N} or \p{N}{1,3}
 *   T  as L, but words are U*D+C? or U+D*C?, each after [^\r\n\p{L}\p{N}]?, with
 *      U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], D = [\p{Ll}\p{Lm}\p{Lo}\p{M}], C = L's contractions,
 *      and symbols take [\r\n/]* behind them
 *   D  [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
 *      |\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * pretokenizers.def says which names stand for which; steps_* below are its lists of expressions.
 *
 * A matcher returns the length of the match at a position, 0 for none. Alternatives are tried in
 * order and the first that matches wins, as in a backtracking engine; where an alternative would
 * have to backtrack, the comment says how the result is found directly.
 */
#include "engine/text/pretokenize.h"

#include <stdint.h>
#include <string.h>

#include "base/unicode.h"
#include "base/utf8.h"
#include "engine/text/code_points.h"

struct cn_pre_step {
    size_t (*match)(const char *text, size_t n, size_t pos, const struct cn_pre_step *step);
    int param;                              /* the matcher's own */
    const struct cn_code_points *const *of; /* the matcher's own: sets, ends with NULL */
    /* Classes of characters: where nothing matches, all of a run of these is passed over, for the
     * matcher would look at the whole run again and again. */
    int skip;
};

/* What matchers ask of a character: the general class as bits, so that sets are masks. */
enum {
    NONE = 1 << CN_U_NONE,
    CASED_UP = 1 << CN_U_LU | 1 << CN_U_LT,
    CASED_DOWN = 1 << CN_U_LL,
    UNCASED = 1 << CN_U_LM | 1 << CN_U_LO,
    LETTER = CASED_UP | CASED_DOWN | UNCASED,
    MARK = 1 << CN_U_M,
    DIGIT = 1 << CN_U_ND,
    NUMBER = DIGIT | 1 << CN_U_NL | 1 << CN_U_NO,
    CONNECTOR = 1 << CN_U_PC,
    PUNCT = 1 << CN_U_P | CONNECTOR,
    SYMBOL = 1 << CN_U_S,
    SPACE = 1 << CN_U_SPACE,
    OTHER = NONE | MARK | PUNCT | SYMBOL, /* [^\s\p{L}\p{N}] */
};

struct character {
    int bits;    /* one bit of the above; 0 at the end of the text */
    char byte;   /* the character itself if it is ASCII */
    uint32_t cp; /* or CN_UTF8_INVALID */
    size_t n;
};

static struct character at(const char *text, size_t n, size_t pos)
{
    struct character c = { 0 };
    if (pos >= n)
        return c;
    c.byte = text[pos];
    if ((unsigned char)c.byte < 128) {
        c.bits = 1 << cn_unicode_ascii[(unsigned char)c.byte];
        c.cp = (unsigned char)c.byte;
        c.n = 1;
        return c;
    }
    c.cp = cn_utf8_next(text + pos, n - pos, &c.n);
    c.bits = c.cp == CN_UTF8_INVALID ? SYMBOL : 1 << cn_unicode_class(c.cp);
    return c;
}

/* The end of the run of characters of these classes that starts at pos. */
static size_t run(const char *text, size_t n, size_t pos, int bits)
{
    for (struct character c = at(text, n, pos); c.bits & bits; c = at(text, n, pos))
        pos += c.n;
    return pos;
}

static size_t run_of(const char *text, size_t n, size_t pos, const struct cn_code_points *set)
{
    for (struct character c = at(text, n, pos); c.n && cn_code_points_has(set, c.cp);
         c = at(text, n, pos))
        pos += c.n;
    return pos;
}

static size_t run_bytes(const char *text, size_t n, size_t pos, const char *set)
{
    while (pos < n && text[pos] && strchr(set, text[pos]))
        pos++;
    return pos;
}

static bool is_newline(struct character c)
{
    return c.n == 1 && (c.byte == '\r' || c.byte == '\n');
}

/* 's 't 're 've 'm 'll 'd */
static size_t contraction(const char *text, size_t n, size_t pos, bool any_case)
{
    if (n - pos < 2 || text[pos] != '\'')
        return 0;
    const char fold = any_case ? 0x20 : 0; /* of ASCII letters; others do not become letters */
    char a = (char)(text[pos + 1] | fold);
    char b = n - pos > 2 ? (char)(text[pos + 2] | fold) : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (b == 'e' && (a == 'r' || a == 'v')) || (b == 'l' && a == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ : the run of white space, less its last character if something follows and that
 * leaves any. */
static size_t white_space(const char *text, size_t n, size_t pos)
{
    size_t end = pos, last = pos;
    for (struct character c = at(text, n, end); c.bits & SPACE; c = at(text, n, end)) {
        last = end;
        end += c.n;
    }
    return (end < n && last > pos ? last : end) - pos;
}

/* \s*[\r\n]+ : up to the last newline of the run of white space. */
static size_t to_last_newline(const char *text, size_t n, size_t pos)
{
    size_t length = 0, end = pos;
    for (struct character c = at(text, n, end); c.bits & SPACE; c = at(text, n, end)) {
        end += c.n;
        if (is_newline(c))
            length = end - pos;
    }
    return length;
}

static size_t match_g(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    (void)step;
    size_t length = contraction(text, n, pos, false);
    if (length)
        return length;
    size_t start = pos + (text[pos] == ' ');
    static const int runs[] = { LETTER, NUMBER, OTHER };
    for (size_t i = 0; i < 3; i++) {
        size_t end = run(text, n, start, runs[i]);
        if (end > start)
            return end - pos;
    }
    return white_space(text, n, pos);
}

/* What tells the relatives of L and T apart. */
enum {
    DIGITS = 3,                     /* mask: the longest run of numbers */
    MARKS_IN_WORDS = 4,             /* \p{M} belongs to words, not to symbols */
    NO_CONTRACTIONS = 8,            /* (in T: nor behind words) */
    SLASH_BEHIND_SYMBOLS = 16,      /* [\r\n/]* */
    NO_NEWLINE_BEHIND_SYMBOLS = 32, /* nothing instead */
};

/* The common part of L and T behind their words: NUM| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*... */
static size_t match_rest(const char *text, size_t n, size_t pos, int param)
{
    size_t end = pos;
    for (int i = 0; i < (param & DIGITS); i++) {
        struct character c = at(text, n, end);
        if (!(c.bits & NUMBER))
            break;
        end += c.n;
    }
    if (end > pos)
        return end - pos;

    size_t start = pos + (text[pos] == ' ');
    end = run(text, n, start, param & MARKS_IN_WORDS ? OTHER & ~MARK : OTHER);
    if (end > start)
        return run_bytes(text, n, end,
                         param & SLASH_BEHIND_SYMBOLS        ? "\r\n/"
                         : param & NO_NEWLINE_BEHIND_SYMBOLS ? ""
                                                             : "\r\n") -
               pos;

    size_t length = to_last_newline(text, n, pos);
    return length ? length : white_space(text, n, pos);
}

static size_t match_l(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    const int param = step->param;
    size_t length = contraction(text, n, pos, true);
    if (length)
        return length;
    const int word = param & MARKS_IN_WORDS ? LETTER | MARK : LETTER;
    struct character c = at(text, n, pos);
    size_t start = pos + (c.bits & (LETTER | NUMBER) || is_newline(c) ? 0 : c.n);
    size_t end = run(text, n, start, word);
    if (end == start) /* the optional first character may itself be a mark */
        end = run(text, n, pos, word);
    return end > pos ? end - pos : match_rest(text, n, pos, param);
}

/* U*D+ : 0, or the end of the match that starts at `start`. U* first takes all of its run. If D+
 * cannot follow, U* gives back up to the last character of the run that D may also be; D+ then
 * takes that one alone, for what follows it is in U but not in D. */
static size_t upper_then_lower(const char *text, size_t n, size_t start)
{
    size_t end = start, after_both = 0;
    struct character c;
    while ((c = at(text, n, end)).bits & (CASED_UP | UNCASED | MARK)) {
        end += c.n;
        if (!(c.bits & CASED_UP))
            after_both = end;
    }
    if (c.bits & CASED_DOWN)
        return run(text, n, end, CASED_DOWN | UNCASED | MARK);
    return after_both;
}

/* U+D* : likewise. */
static size_t upper_maybe_lower(const char *text, size_t n, size_t start)
{
    size_t end = run(text, n, start, CASED_UP | UNCASED | MARK);
    return end > start ? run(text, n, end, CASED_DOWN | UNCASED | MARK) : 0;
}

static size_t match_t(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    const int param = step->param;
    struct character c = at(text, n, pos);
    size_t start = pos + (c.bits & (LETTER | NUMBER) || is_newline(c) ? 0 : c.n);
    /* Each of the two alternatives with the optional first character, then without it. */
    size_t end = upper_then_lower(text, n, start);
    if (!end && start > pos)
        end = upper_then_lower(text, n, pos);
    if (!end)
        end = upper_maybe_lower(text, n, start);
    if (!end && start > pos)
        end = upper_maybe_lower(text, n, pos);
    if (!end)
        return match_rest(text, n, pos, param);
    if (!(param & NO_CONTRACTIONS))
        end += contraction(text, n, end, true);
    return end - pos;
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t match_d(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    (void)step;
    struct character c = at(text, n, pos);
    size_t end = pos + 1;
    if (c.n == 1 && c.byte > ' ' && c.byte < 127 && c.bits & (PUNCT | SYMBOL)) {
        while (end < n && is_ascii_letter(text[end]))
            end++;
        if (end > pos + 1)
            return end - pos;
    }
    size_t start = pos + (c.bits & (LETTER | PUNCT | SYMBOL) || is_newline(c) ? 0 : c.n);
    end = run(text, n, start, LETTER | MARK);
    if (end == start) /* the optional first character may itself be a mark */
        end = run(text, n, pos, LETTER | MARK);
    if (end > pos)
        return end - pos;
    start = pos + (text[pos] == ' ');
    end = run(text, n, start, PUNCT | SYMBOL);
    if (end > start)
        return run_bytes(text, n, end, "\r\n") - pos;
    size_t length = to_last_newline(text, n, pos);
    return length ? length : white_space(text, n, pos);
}

/* \p{N}{1,param} ; param 0: \p{N}+ */
static size_t match_numbers(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    size_t end = pos;
    struct character c;
    for (int i = 0; (i < step->param || !step->param) && (c = at(text, n, end)).bits & NUMBER; i++)
        end += c.n;
    return end - pos;
}

/* [0-9][0-9][0-9] */
static size_t match_three_digits(const char *text, size_t n, size_t pos,
                                 const struct cn_pre_step *step)
{
    (void)step;
    if (n - pos < 3)
        return 0;
    for (size_t i = pos; i < pos + 3; i++)
        if (text[i] < '0' || text[i] > '9')
            return 0;
    return 3;
}

/* \w : what \b lies beside. */
static bool is_word(struct character c)
{
    return c.bits & (LETTER | MARK | DIGIT | 1 << CN_U_NL | CONNECTOR) ||
           (c.bits & SYMBOL && cn_code_points_has(&cn_alphabetic_symbols, c.cp));
}

static bool digit_before(const char *text, size_t pos)
{
    for (size_t k = 1; k <= 4 && k <= pos; k++) {
        struct character c = at(text, pos, pos - k);
        if (c.n == k)
            return c.bits & DIGIT;
    }
    return false;
}

/* \d{1,3}(?=(?:\d{3})*\b) : a run of digits before a \b is cut into threes from its end; one before
 * a letter is left alone (`skip` passes over it). So behind a digit there is a three. */
static size_t match_groups(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    (void)step;
    size_t n_digits = 0, end = pos;
    const size_t most = digit_before(text, pos) ? 3 : SIZE_MAX;
    struct character c;
    while (n_digits < most && (c = at(text, n, end)).bits & DIGIT) {
        end += c.n;
        n_digits++;
    }
    if (n_digits == 0)
        return 0;
    if (most == 3)
        return end - pos;
    if (is_word(c))
        return 0;
    end = pos;
    for (size_t left = (n_digits - 1) % 3 + 1; left > 0; left--)
        end += at(text, n, end).n;
    return end - pos;
}

/* [\p{P}\$\+<=>\^~\|]+ ; param: with the ` too */
static size_t match_punctuation(const char *text, size_t n, size_t pos,
                                const struct cn_pre_step *step)
{
    const char *also = step->param ? "$+<=>^~|`" : "$+<=>^~|";
    size_t end = pos;
    for (struct character c = at(text, n, end);
         c.bits & PUNCT || (c.n == 1 && c.byte && strchr(also, c.byte)); c = at(text, n, end))
        end += c.n;
    return end - pos;
}

/* [\r\n] */
static size_t match_newline(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    (void)step;
    return is_newline(at(text, n, pos));
}

/* \s+$ in a piece without line ends */
static size_t match_last_space(const char *text, size_t n, size_t pos,
                               const struct cn_pre_step *step)
{
    (void)step;
    return run(text, n, pos, SPACE) == n ? n - pos : 0;
}

/* S+ for the first of the sets that has the character here */
static size_t match_set(const char *text, size_t n, size_t pos, const struct cn_pre_step *step)
{
    size_t end = pos;
    for (size_t i = 0; step->of[i] && end == pos; i++)
        end = run_of(text, n, pos, step->of[i]);
    return end - pos;
}

/* \s?S+ where S is a set, or a class: param */
static size_t match_behind_space(const char *text, size_t n, size_t pos,
                                 const struct cn_pre_step *step)
{
    struct character c = at(text, n, pos);
    for (size_t start = pos + (c.bits & SPACE ? c.n : 0);; start = pos) {
        size_t end =
            step->of ? run_of(text, n, start, *step->of) : run(text, n, start, step->param);
        if (end > start)
            return end - pos;
        if (start == pos)
            return 0;
    }
}

/* Sets of the steps below. */
#define OF(...)                            \
    (const struct cn_code_points *const[]) \
    {                                      \
        __VA_ARGS__, NULL                  \
    }

/* clang-format off */
static const struct cn_pre_step steps_g[] = { { .match = match_g }, { 0 } };
static const struct cn_pre_step steps_n1_g[] = {
    { .match = match_numbers, .param = 1 }, { .match = match_g }, { 0 } };
static const struct cn_pre_step steps_l1[] = { { .match = match_l, .param = 1 }, { 0 } };
static const struct cn_pre_step steps_l3[] = { { .match = match_l, .param = 3 }, { 0 } };
static const struct cn_pre_step steps_l1_marks[] = {
    { .match = match_l, .param = 1 | MARKS_IN_WORDS }, { 0 } };
static const struct cn_pre_step steps_l1_bare[] = {
    { .match = match_l, .param = 1 | NO_NEWLINE_BEHIND_SYMBOLS }, { 0 } };
/* Behind \p{N}{1,3} the \p{N}+ of its L finds three at most. */
static const struct cn_pre_step steps_n3_l[] = {
    { .match = match_numbers, .param = 3 }, { .match = match_l, .param = 3 }, { 0 } };
static const struct cn_pre_step steps_t1_bare[] = {
    { .match = match_t, .param = 1 | NO_CONTRACTIONS | SLASH_BEHIND_SYMBOLS }, { 0 } };
static const struct cn_pre_step steps_t3[] = {
    { .match = match_t, .param = 3 | SLASH_BEHIND_SYMBOLS }, { 0 } };
static const struct cn_pre_step steps_groups_t3[] = {
    { .match = match_groups, .skip = DIGIT },
    { .match = match_t, .param = 3 | SLASH_BEHIND_SYMBOLS }, { 0 } };
static const struct cn_pre_step steps_scripts_t1[] = {
    { .match = match_set,
      .of = OF(&cn_hangul, &cn_wide_punctuation, &cn_bopomofo, &cn_han_and_kana) },
    { .match = match_t, .param = 1 | SLASH_BEHIND_SYMBOLS }, { 0 } };
static const struct cn_pre_step steps_n3_han_d[] = {
    { .match = match_numbers, .param = 3 },
    { .match = match_set, .of = OF(&cn_han_and_kana) },
    { .match = match_d }, { 0 } };
static const struct cn_pre_step steps_deepseek_llm[] = {
    { .match = match_newline },
    { .match = match_behind_space, .of = OF(&cn_letters_with_case) },
    { .match = match_behind_space, .of = OF(&cn_deepseek_punctuation) },
    { .match = match_last_space, .skip = SPACE },
    { .match = match_set, .of = OF(&cn_deepseek_han) },
    { .match = match_numbers }, { 0 } };
static const struct cn_pre_step steps_deepseek_coder[] = {
    { .match = match_newline },
    { .match = match_behind_space, .param = LETTER },
    { .match = match_behind_space, .param = PUNCT },
    { .match = match_set, .of = OF(&cn_deepseek_han) },
    { .match = match_numbers, .param = 1 }, { 0 } };
static const struct cn_pre_step steps_punctuation_g[] = {
    { .match = match_punctuation, .param = true }, { .match = match_g },
    { .match = match_three_digits }, { 0 } };
static const struct cn_pre_step steps_default[] = {
    { .match = match_punctuation }, { .match = match_g }, { .match = match_numbers },
    { .match = match_three_digits }, { 0 } };
/* clang-format on */

static const struct cn_pretokenizer pretokenizers[] = {
#define CN_PRETOKENIZER(name, steps, flags) { name, steps_##steps, flags },
#include "engine/text/pretokenizers.def"
#undef CN_PRETOKENIZER
};

const char *cn_pretokenizer_name(size_t i)
{
    return i < sizeof pretokenizers / sizeof *pretokenizers ? pretokenizers[i].name : NULL;
}

const struct cn_pretokenizer *cn_pretokenizer_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof pretokenizers / sizeof *pretokenizers; i++)
        if (strlen(pretokenizers[i].name) == n && !memcmp(pretokenizers[i].name, name, n))
            return &pretokenizers[i];
    return NULL;
}

struct sink {
    void (*emit)(void *user, const char *piece, size_t n_piece);
    void *user;
};

/* Each step splits what the one before left: its matches and the text between them. */
static void split(const struct cn_pre_step *step, const char *text, size_t n,
                  const struct sink *sink)
{
    if (!step->match) {
        sink->emit(sink->user, text, n);
        return;
    }
    size_t gap = 0, pos = 0;
    while (pos < n) {
        size_t length = step->match(text, n, pos, step);
        if (!length) {
            size_t after = run(text, n, pos, step->skip);
            pos = after > pos ? after : pos + at(text, n, pos).n;
            continue;
        }
        if (pos > gap)
            split(step + 1, text + gap, pos - gap, sink);
        split(step + 1, text + pos, length, sink);
        gap = pos += length;
    }
    if (n > gap)
        split(step + 1, text + gap, n - gap, sink);
}

void cn_pretokenize(const struct cn_pretokenizer *pre, const char *text, size_t n,
                    void (*emit)(void *user, const char *piece, size_t n_piece), void *user)
{
    const struct sink sink = { emit, user };
    split(pre->steps, text, n, &sink);
}
