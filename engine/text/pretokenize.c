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

struct cn_pre_step {
    size_t (*match)(const char *text, size_t n, size_t pos, int param);
    int param;
};

/* What matchers ask of a character: the general class as bits, so that sets are masks. */
enum {
    NONE = 1 << CN_U_NONE,
    CASED_UP = 1 << CN_U_LU | 1 << CN_U_LT,
    CASED_DOWN = 1 << CN_U_LL,
    UNCASED = 1 << CN_U_LM | 1 << CN_U_LO,
    LETTER = CASED_UP | CASED_DOWN | UNCASED,
    MARK = 1 << CN_U_M,
    NUMBER = 1 << CN_U_N,
    PUNCT = 1 << CN_U_P,
    SYMBOL = 1 << CN_U_S,
    SPACE = 1 << CN_U_SPACE,
    OTHER = NONE | MARK | PUNCT | SYMBOL, /* [^\s\p{L}\p{N}] */
};

struct character {
    int bits;  /* one bit of the above; 0 at the end of the text */
    char byte; /* the character itself if it is ASCII */
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
        c.n = 1;
        return c;
    }
    uint32_t cp = cn_utf8_next(text + pos, n - pos, &c.n);
    c.bits = cp == CN_UTF8_INVALID ? SYMBOL : 1 << cn_unicode_class(cp);
    return c;
}

/* The end of the run of characters of these classes that starts at pos. */
static size_t run(const char *text, size_t n, size_t pos, int bits)
{
    for (struct character c = at(text, n, pos); c.bits & bits; c = at(text, n, pos))
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

static size_t match_g(const char *text, size_t n, size_t pos, int param)
{
    (void)param;
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
    DIGITS = 3,                /* mask: the longest run of numbers */
    MARKS_IN_WORDS = 4,        /* \p{M} belongs to words, not to symbols */
    NO_CONTRACTIONS = 8,       /* (in T: nor behind words) */
    SLASH_BEHIND_SYMBOLS = 16, /* [\r\n/]* */
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
        return run_bytes(text, n, end, param & SLASH_BEHIND_SYMBOLS ? "\r\n/" : "\r\n") - pos;

    size_t length = to_last_newline(text, n, pos);
    return length ? length : white_space(text, n, pos);
}

static size_t match_l(const char *text, size_t n, size_t pos, int param)
{
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

static size_t match_t(const char *text, size_t n, size_t pos, int param)
{
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

static size_t match_number(const char *text, size_t n, size_t pos, int param)
{
    (void)param;
    struct character c = at(text, n, pos);
    return c.bits & NUMBER ? c.n : 0;
}

static size_t match_numbers(const char *text, size_t n, size_t pos, int param)
{
    (void)param;
    return run(text, n, pos, NUMBER) - pos;
}

static size_t match_three_digits(const char *text, size_t n, size_t pos, int param)
{
    (void)param;
    if (n - pos < 3)
        return 0;
    for (size_t i = pos; i < pos + 3; i++)
        if (text[i] < '0' || text[i] > '9')
            return 0;
    return 3;
}

/* [\p{P}\$\+<=>\^~\|]+ */
static size_t match_punctuation(const char *text, size_t n, size_t pos, int param)
{
    (void)param;
    size_t end = pos;
    for (struct character c = at(text, n, end);
         c.bits & PUNCT || (c.n == 1 && c.byte && strchr("$+<=>^~|", c.byte)); c = at(text, n, end))
        end += c.n;
    return end - pos;
}

static const struct cn_pre_step steps_g[] = {
    {match_g, 0 },
    { 0     }
};
static const struct cn_pre_step steps_n_g[] = {
    {match_number, 0 },
    { match_g,           0 },
    { 0}
};
static const struct cn_pre_step steps_l1[] = {
    {match_l, 1 },
    { 0     }
};
static const struct cn_pre_step steps_l3[] = {
    {match_l, 3 },
    { 0     }
};
static const struct cn_pre_step steps_l1_marks[] = {
    {match_l, 1 | MARKS_IN_WORDS },
    { 0     }
};
static const struct cn_pre_step steps_t1[] = {
    {match_t, 1 | NO_CONTRACTIONS | SLASH_BEHIND_SYMBOLS },
    { 0     }
};
static const struct cn_pre_step steps_t3[] = {
    {match_t, 3 | SLASH_BEHIND_SYMBOLS },
    { 0     }
};
static const struct cn_pre_step steps_default[] = {
    {match_punctuation, 0 },
    { match_g,                0 },
    { match_numbers, 0 },
    { match_three_digits,    0 },
    { 0               }
};

/* clang-format off */
static const struct cn_pretokenizer pretokenizers[] = {
    { "default",          steps_default,  false, false },
    { "gpt-2",            steps_g,        false, false },
    { "phi-2",            steps_g,        false, false },
    { "olmo",             steps_g,        false, false },
    { "mpt",              steps_g,        false, false },
    { "jais",             steps_g,        false, false },
    { "smollm",           steps_n_g,      false, false },
    { "starcoder",        steps_n_g,      false, false },
    { "refact",           steps_n_g,      false, false },
    { "command-r",        steps_n_g,      false, false },
    { "codeshell",        steps_n_g,      false, false },
    { "exaone",           steps_n_g,      false, false },
    { "minerva-7b",       steps_n_g,      false, false },
    { "llama-bpe",        steps_l3,       true,  true  },
    { "llama3",           steps_l3,       true,  true  },
    { "llama-v3",         steps_l3,       true,  true  },
    { "falcon3",          steps_l3,       true,  true  },
    { "pixtral",          steps_l3,       true,  true  },
    { "smaug-bpe",        steps_l3,       false, false },
    { "dbrx",             steps_l3,       false, false },
    { "chatglm-bpe",      steps_l3,       false, false },
    { "glm4",             steps_l3,       false, false },
    { "qwen2",            steps_l1,       false, false },
    { "stablelm2",        steps_l1,       false, false },
    { "deepseek-r1-qwen", steps_l1,       false, false },
    { "megrez",           steps_l1,       false, false },
    { "qwen35",           steps_l1_marks, false, false },
    { "tekken",           steps_t1,       true,  true  },
    { "gpt-4o",           steps_t3,       false, false },
    { "llama4",           steps_t3,       false, false },
};
/* clang-format on */

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
        size_t length = step->match(text, n, pos, step->param);
        if (!length) {
            pos += at(text, n, pos).n;
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
