/* SPDX-License-Identifier: MIT */
#include "engine/text/pretokenize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_PIECES = 64 };

/* The pieces that another language's regular expression engine (with Unicode properties) makes of
 * the published expressions; joined they are the text. */
/* clang-format off */
static const struct {
    const char *pre;
    const char *pieces[MAX_PIECES];
} cases[] = {
    { "gpt-2", { "Hello", ",", " world", "!", " ", " It", "'s", " 2024", "." } },
    { "gpt-2", { "don", "'t", " WE", "'", "LL", " I", "'", "M", " '", "tis", " O", "'", "Neil", "'s" } },
    { "gpt-2", { "x", "=", "1234567", "+", "89", ";" } },
    { "gpt-2", { "a", " ", " b", "  ", " c", "\012\012 ", " d", " \015\012", "\011", "e", "  " } },
    { "gpt-2", { "\302\240\343\200\200", " wide", "\342\200\250", "space", " " } },
    { "gpt-2", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "gpt-2", { "HTMLParser", " iPhone", " XMLHttpRequest", "'", "S" } },
    { "gpt-2", { "\340\244\271", "\340\244\277", "\340\244\250", "\340\245\215", "\340\244\246", "\340\245\200", " \344\270\255\346\226\207abc" } },
    { "gpt-2", { "e", "\314\201", " \314\201", "x", " \314\201" } },
    { "gpt-2", { "$$", " <", "tag", "/>", " a", "/", "b", "//", "\012", "//", "c" } },
    { "gpt-2", { "\331\243\302\275\342\205\247", " 12\331\244\331\245" } },
    { "gpt-2", { "\360\237\230\200!!", "\012", "\012", "\077\342\200\215", " \001\356\200\200" } },
    { "smollm", { "Hello", ",", " world", "!", " ", " It", "'s", " ", "2", "0", "2", "4", "." } },
    { "smollm", { "don", "'t", " WE", "'", "LL", " I", "'", "M", " '", "tis", " O", "'", "Neil", "'s" } },
    { "smollm", { "x", "=", "1", "2", "3", "4", "5", "6", "7", "+", "8", "9", ";" } },
    { "smollm", { "a", " ", " b", "  ", " c", "\012\012 ", " d", " \015\012", "\011", "e", "  " } },
    { "smollm", { "\302\240\343\200\200", " wide", "\342\200\250", "space", " " } },
    { "smollm", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "smollm", { "HTMLParser", " iPhone", " XMLHttpRequest", "'", "S" } },
    { "smollm", { "\340\244\271", "\340\244\277", "\340\244\250", "\340\245\215", "\340\244\246", "\340\245\200", " \344\270\255\346\226\207abc" } },
    { "smollm", { "e", "\314\201", " \314\201", "x", " \314\201" } },
    { "smollm", { "$$", " <", "tag", "/>", " a", "/", "b", "//", "\012", "//", "c" } },
    { "smollm", { "\331\243", "\302\275", "\342\205\247", " ", "1", "2", "\331\244", "\331\245" } },
    { "smollm", { "\360\237\230\200!!", "\012", "\012", "\077\342\200\215", " \001\356\200\200" } },
    { "llama-bpe", { "Hello", ",", " world", "!", " ", " It", "'s", " ", "202", "4", "." } },
    { "llama-bpe", { "don", "'t", " WE", "'LL", " I", "'M", " '", "tis", " O", "'Neil", "'s" } },
    { "llama-bpe", { "x", "=", "123", "456", "7", "+", "89", ";" } },
    { "llama-bpe", { "a", " ", " b", "  ", " c", "\012\012", " ", " d", " \015\012", "\011e", "  " } },
    { "llama-bpe", { "\302\240\343\200\200", " wide", "\342\200\250space", " " } },
    { "llama-bpe", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "llama-bpe", { "HTMLParser", " iPhone", " XMLHttpRequest", "'S" } },
    { "llama-bpe", { "\340\244\271", "\340\244\277\340\244\250", "\340\245\215\340\244\246", "\340\245\200", " \344\270\255\346\226\207abc" } },
    { "llama-bpe", { "e", "\314\201", " \314\201", "x", " \314\201" } },
    { "llama-bpe", { "$$", " <", "tag", "/>", " a", "/b", "//\012", "//", "c" } },
    { "llama-bpe", { "\331\243\302\275\342\205\247", " ", "12\331\244", "\331\245" } },
    { "llama-bpe", { "\360\237\230\200!!\012\012", "\077\342\200\215", " \001\356\200\200" } },
    { "qwen2", { "Hello", ",", " world", "!", " ", " It", "'s", " ", "2", "0", "2", "4", "." } },
    { "qwen2", { "don", "'t", " WE", "'LL", " I", "'M", " '", "tis", " O", "'Neil", "'s" } },
    { "qwen2", { "x", "=", "1", "2", "3", "4", "5", "6", "7", "+", "8", "9", ";" } },
    { "qwen2", { "a", " ", " b", "  ", " c", "\012\012", " ", " d", " \015\012", "\011e", "  " } },
    { "qwen2", { "\302\240\343\200\200", " wide", "\342\200\250space", " " } },
    { "qwen2", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "qwen2", { "HTMLParser", " iPhone", " XMLHttpRequest", "'S" } },
    { "qwen2", { "\340\244\271", "\340\244\277\340\244\250", "\340\245\215\340\244\246", "\340\245\200", " \344\270\255\346\226\207abc" } },
    { "qwen2", { "e", "\314\201", " \314\201", "x", " \314\201" } },
    { "qwen2", { "$$", " <", "tag", "/>", " a", "/b", "//\012", "//", "c" } },
    { "qwen2", { "\331\243", "\302\275", "\342\205\247", " ", "1", "2", "\331\244", "\331\245" } },
    { "qwen2", { "\360\237\230\200!!\012\012", "\077\342\200\215", " \001\356\200\200" } },
    { "qwen35", { "Hello", ",", " world", "!", " ", " It", "'s", " ", "2", "0", "2", "4", "." } },
    { "qwen35", { "don", "'t", " WE", "'LL", " I", "'M", " '", "tis", " O", "'Neil", "'s" } },
    { "qwen35", { "x", "=", "1", "2", "3", "4", "5", "6", "7", "+", "8", "9", ";" } },
    { "qwen35", { "a", " ", " b", "  ", " c", "\012\012", " ", " d", " \015\012", "\011e", "  " } },
    { "qwen35", { "\302\240\343\200\200", " wide", "\342\200\250space", " " } },
    { "qwen35", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "qwen35", { "HTMLParser", " iPhone", " XMLHttpRequest", "'S" } },
    { "qwen35", { "\340\244\271\340\244\277\340\244\250\340\245\215\340\244\246\340\245\200", " \344\270\255\346\226\207abc" } },
    { "qwen35", { "e\314\201", " \314\201x", " \314\201" } },
    { "qwen35", { "$$", " <", "tag", "/>", " a", "/b", "//\012", "//", "c" } },
    { "qwen35", { "\331\243", "\302\275", "\342\205\247", " ", "1", "2", "\331\244", "\331\245" } },
    { "qwen35", { "\360\237\230\200!!\012\012", "\077\342\200\215", " \001\356\200\200" } },
    { "tekken", { "Hello", ",", " world", "!", " ", " It", "'s", " ", "2", "0", "2", "4", "." } },
    { "tekken", { "don", "'t", " WE", "'LL", " I", "'M", " '", "tis", " O", "'Neil", "'s" } },
    { "tekken", { "x", "=", "1", "2", "3", "4", "5", "6", "7", "+", "8", "9", ";" } },
    { "tekken", { "a", " ", " b", "  ", " c", "\012\012", " ", " d", " \015\012", "\011e", "  " } },
    { "tekken", { "\302\240\343\200\200", " wide", "\342\200\250space", " " } },
    { "tekken", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "tekken", { "HTMLParser", " i", "Phone", " XMLHttp", "Request", "'S" } },
    { "tekken", { "\340\244\271\340\244\277\340\244\250\340\245\215\340\244\246\340\245\200", " \344\270\255\346\226\207abc" } },
    { "tekken", { "e\314\201", " \314\201x", " \314\201" } },
    { "tekken", { "$$", " <", "tag", "/>", " a", "/b", "//\012//", "c" } },
    { "tekken", { "\331\243", "\302\275", "\342\205\247", " ", "1", "2", "\331\244", "\331\245" } },
    { "tekken", { "\360\237\230\200!!\012\012", "\077\342\200\215", " \001\356\200\200" } },
    { "gpt-4o", { "Hello", ",", " world", "!", " ", " It's", " ", "202", "4", "." } },
    { "gpt-4o", { "don't", " WE'LL", " I'M", " '", "tis", " O", "'Neil's" } },
    { "gpt-4o", { "x", "=", "123", "456", "7", "+", "89", ";" } },
    { "gpt-4o", { "a", " ", " b", "  ", " c", "\012\012", " ", " d", " \015\012", "\011e", "  " } },
    { "gpt-4o", { "\302\240\343\200\200", " wide", "\342\200\250space", " " } },
    { "gpt-4o", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "gpt-4o", { "HTMLParser", " i", "Phone", " XMLHttp", "Request'S" } },
    { "gpt-4o", { "\340\244\271\340\244\277\340\244\250\340\245\215\340\244\246\340\245\200", " \344\270\255\346\226\207abc" } },
    { "gpt-4o", { "e\314\201", " \314\201x", " \314\201" } },
    { "gpt-4o", { "$$", " <", "tag", "/>", " a", "/b", "//\012//", "c" } },
    { "gpt-4o", { "\331\243\302\275\342\205\247", " ", "12\331\244", "\331\245" } },
    { "gpt-4o", { "\360\237\230\200!!\012\012", "\077\342\200\215", " \001\356\200\200" } },
    { "default", { "Hello", ",", " world", "!", " ", " It", "'", "s", " ", "202", "4", "." } },
    { "default", { "don", "'", "t", " WE", "'", "LL", " I", "'", "M", " ", "'", "tis", " O", "'", "Neil", "'", "s" } },
    { "default", { "x", "=", "123", "456", "7", "+", "89", ";" } },
    { "default", { "a", " ", " b", "  ", " c", "\012\012 ", " d", " \015\012", "\011", "e", "  " } },
    { "default", { "\302\240\343\200\200", " wide", "\342\200\250", "space", " " } },
    { "default", { "na\303\257ve", " \303\211COLE", " \307\205ab", " stra\303\237e" } },
    { "default", { "HTMLParser", " iPhone", " XMLHttpRequest", "'", "S" } },
    { "default", { "\340\244\271", "\340\244\277", "\340\244\250", "\340\245\215", "\340\244\246", "\340\245\200", " \344\270\255\346\226\207abc" } },
    { "default", { "e", "\314\201", " \314\201", "x", " \314\201" } },
    { "default", { "$$", " ", "<", "tag", "/>", " a", "/", "b", "//", "\012", "//", "c" } },
    { "default", { "\331\243\302\275\342\205\247", " ", "12\331\244\331\245" } },
    { "default", { "\360\237\230\200", "!!", "\012\012", "\077", "\342\200\215", " \001\356\200\200" } },
};
/* clang-format on */

struct pieces {
    struct {
        const char *p;
        size_t n;
    } items[4096];
    size_t n;
};

static void collect(void *user, const char *piece, size_t n)
{
    struct pieces *pieces = user;
    assert_true(n > 0);
    assert_true(pieces->n < sizeof pieces->items / sizeof *pieces->items);
    pieces->items[pieces->n].p = piece;
    pieces->items[pieces->n++].n = n;
}

static void split(const char *name, const char *text, size_t n, struct pieces *pieces)
{
    const struct cn_pretokenizer *pre = cn_pretokenizer_find(name, strlen(name));
    assert_non_null(pre);
    pieces->n = 0;
    cn_pretokenize(pre, text, n, collect, pieces);
    const char *end = text; /* no byte is lost or moved */
    for (size_t i = 0; i < pieces->n; i++) {
        assert_ptr_equal(pieces->items[i].p, end);
        end += pieces->items[i].n;
    }
    assert_ptr_equal(end, text + n);
}

static void check(const char *name, const char *const *want)
{
    static struct pieces pieces;
    char text[512] = "";
    for (size_t i = 0; want[i]; i++)
        strcat(text, want[i]);
    split(name, text, strlen(text), &pieces);
    for (size_t i = 0; i < pieces.n || want[i]; i++)
        if (i == pieces.n || !want[i] || pieces.items[i].n != strlen(want[i]) ||
            memcmp(pieces.items[i].p, want[i], pieces.items[i].n))
            fail_msg("%s, \"%s\": piece %zu is \"%.*s\", expected \"%s\"", name, text, i,
                     i < pieces.n ? (int)pieces.items[i].n : 0, pieces.items[i].p,
                     want[i] ? want[i] : "");
}

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].pre, cases[i].pieces);
}

/* Where U*D+ must give back, and where the optional character in front is itself of the word. */
static void test_backtracking(void **state)
{
    (void)state;
    check("gpt-4o", (const char *[]){ "\xca\xb0", "AB", "1", NULL }); /* Lm, then upper */
    check("gpt-4o", (const char *[]){ "A\xca\xb0", "BC", NULL });
    check("gpt-4o", (const char *[]){ "ABc", "DEf", NULL });
    check("gpt-4o", (const char *[]){ "\xcc\x81", "AB", NULL }); /* a mark in front */
    check("gpt-4o", (const char *[]){ "a", "B", NULL });
    check("gpt-4o", (const char *[]){ "don't", " I'LL", "'", NULL });
    check("tekken", (const char *[]){ "don", "'t", " I", "'LL", NULL });
    check("qwen35", (const char *[]){ "\xcc\x81", "!", NULL });
    check("qwen35", (const char *[]){ "\xcc\x81"
                                      "a\xcc\x81",
                                      "1", NULL });
}

static void test_names(void **state)
{
    (void)state;
    static const char *const with_bos[] = { "llama-bpe", "llama3",  "llama-v3",
                                            "falcon3",   "pixtral", "tekken" };
    static const char *const without[] = {
        "default",     "gpt-2",  "phi-2",      "olmo",      "mpt",
        "jais",        "smollm", "starcoder",  "refact",    "command-r",
        "codeshell",   "exaone", "minerva-7b", "smaug-bpe", "dbrx",
        "chatglm-bpe", "glm4",   "qwen2",      "stablelm2", "deepseek-r1-qwen",
        "megrez",      "qwen35", "gpt-4o",     "llama4",
    };
    for (size_t i = 0; i < sizeof with_bos / sizeof *with_bos; i++) {
        const struct cn_pretokenizer *pre = cn_pretokenizer_find(with_bos[i], strlen(with_bos[i]));
        assert_non_null(pre);
        assert_true(pre->add_bos && pre->ignore_merges);
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        const struct cn_pretokenizer *pre = cn_pretokenizer_find(without[i], strlen(without[i]));
        assert_non_null(pre);
        assert_false(pre->add_bos || pre->ignore_merges);
    }
    assert_null(cn_pretokenizer_find("nosuch", 6));
    assert_null(cn_pretokenizer_find("gpt-2x", 6));
    assert_null(cn_pretokenizer_find("gpt-", 4));
    assert_null(cn_pretokenizer_find("", 0));
}

/* Any bytes: the pieces are not empty and together they are the text. Most of the text is taken
 * from the bytes that expressions speak of. In memory of its own size, so that a sanitizer sees a
 * read behind it. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char *const names[] = { "default", "gpt-2",  "smollm", "llama-bpe",
                                         "qwen2",   "qwen35", "tekken", "gpt-4o" };
    static const char likely[] =
        "'sStTrReEvVmMlLdD 0 9\r\n\t/\xc2\xa0\xcc\x81\xca\xb0\xe4\xb8\xad$.";
    static struct pieces pieces;
    uint64_t random = 1;
    for (size_t i = 0; i < 8000; i++) {
        size_t n = i % 61;
        char *text = malloc(n ? n : 1);
        for (size_t k = 0; k < n; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned r = (unsigned)(random >> 40);
            text[k] = r % 4 ? likely[(r >> 4) % sizeof likely] : (char)(r >> 8);
        }
        split(names[i % 8], text, n, &pieces);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_backtracking),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
