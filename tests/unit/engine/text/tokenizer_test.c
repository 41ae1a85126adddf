/* SPDX-License-Identifier: MIT
 *
 * What can be tested without shared data: the default model's vocabulary, small vocabularies built
 * here, and the hostile ones of tests/fixtures/bad.
 */
#include "engine/text/tokenizer.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char prose[] = "models/prose-8m-f16.gguf";

struct vocab {
    struct cn_gguf gguf;
    struct cn_tokenizer *t;
};

static struct vocab open_vocab(const char *path)
{
    struct vocab v;
    struct cn_error err;
    if (cn_gguf_open(path, &v.gguf, &err) != CN_OK ||
        cn_tokenizer_load(&v.gguf, &v.t, &err) != CN_OK)
        fail_msg("%s: %s", path, err.text);
    return v;
}

static void close_vocab(struct vocab *v)
{
    cn_tokenizer_free(v->t);
    cn_gguf_close(&v->gguf);
}

/* A list of ids ends with -1. */
static void check_ids(const struct cn_tokenizer *t, const char *text, size_t n, unsigned flags,
                      const int32_t *want)
{
    int32_t *ids = NULL;
    size_t n_ids = 0, n_want = 0;
    assert_int_equal(cn_tokenizer_encode(t, text, n, flags, &ids, &n_ids, NULL), CN_OK);
    while (want[n_want] >= 0)
        n_want++;
    for (size_t i = 0; i < n_ids || i < n_want; i++)
        if (i == n_ids || i == n_want || ids[i] != want[i])
            fail_msg("\"%.*s\": token %zu is %d, expected %d", (int)n, text, i,
                     i < n_ids ? ids[i] : -1, i < n_want ? want[i] : -1);
    free(ids);
}

static void check_text(const struct cn_tokenizer *t, const char *text, unsigned flags,
                       const int32_t *want)
{
    check_ids(t, text, strlen(text), flags, want);
}

static void check_round_trip(const struct cn_tokenizer *t, const char *text, size_t n)
{
    int32_t *ids = NULL;
    size_t n_ids = 0, n_back = 0;
    char *back = NULL;
    assert_int_equal(cn_tokenizer_encode(t, text, n, 0, &ids, &n_ids, NULL), CN_OK);
    assert_int_equal(cn_tokenizer_decode(t, ids, n_ids, false, &back, &n_back, NULL), CN_OK);
    assert_int_equal(n_back, n);
    assert_memory_equal(back, text, n);
    assert_int_equal(back[n], 0);
    free(ids);
    free(back);
}

/* ---- the default model ----------------------------------------------------------------------- */

/* Made with a textbook BPE (strings, a linear search for the lowest rank) on the pieces of the
 * published expression in another language's regular expression engine. */
/* clang-format off */
static const struct {
    const char *text;
    int32_t ids[64];
} prose_vectors[] = {
    { "", { -1 } },
    { "a", { 65, -1 } },
    { " ", { 221, -1 } },
    { "Hello world", { 40, 512, 79, 993, -1 } },
    { "It was the best of times, it was the worst of times.", { 1012, 317, 261, 1225, 278, 1591, 12, 326, 317, 261, 4097, 278, 1591, 14, -1 } },
    { "  leading and   inner spaces  ", { 221, 4695, 281, 221, 221, 6933, 534, 1417, 221, 221, -1 } },
    { "line one\012line two\015\012\015\012line four\012", { 76, 549, 451, 199, 76, 549, 674, 202, 199, 202, 199, 76, 549, 1369, 199, -1 } },
    { "Don't you'll WE'VE I'M they'd", { 6065, 494, 322, 1010, 426, 37, 7, 54, 37, 300, 5804, 436, 1664, -1 } },
    { "1234567890 and 3.14159", { 17, 18, 19, 20, 21, 22, 23, 24, 25, 16, 281, 221, 19, 14, 17, 20, 17, 21, 25, -1 } },
    { "na\303\257ve caf\303\251 \342\200\224 \342\200\234quoted\342\200\235", { 2212, 128, 108, 311, 1934, 70, 1629, 221, 369, 221, 367, 251, 411, 3243, 367, 252, -1 } },
    { "\346\227\245\346\234\254\350\252\236 \344\270\255\346\226\207 \355\225\234\352\265\255\354\226\264", { 163, 246, 99, 163, 251, 106, 165, 104, 253, 221, 161, 117, 256, 163, 245, 230, 221, 170, 244, 251, 167, 114, 256, 169, 245, 113, -1 } },
    { "\360\237\230\200\360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247 e\314\201", { 173, 254, 247, 223, 173, 254, 240, 102, 367, 236, 173, 254, 240, 103, 367, 236, 173, 254, 240, 101, 309, 137, 224, -1 } },
    { "\011\011if (x != 0) { return *p++; }\012", { 198, 198, 376, 888, 88, 221, 1, 29, 221, 16, 9, 221, 91, 1004, 1399, 80, 11, 11, 27, 221, 93, 199, -1 } },
    { "<|endoftext|>", { 28, 92, 603, 79, 683, 69, 1104, 92, 30, -1 } },
    { "supercalifragilisticexpialidocious antidisestablishmentarianism", { 83, 85, 691, 67, 335, 376, 7653, 381, 455, 559, 88, 80, 1063, 312, 1000, 607, 5783, 312, 273, 430, 612, 1287, 618, 291, 733, 1698, -1 } },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", { 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, -1 } },
    { "\302\240\343\200\200\342\200\250x", { 127, 255, 160, 223, 223, 367, 102, 88, -1 } },
};
/* clang-format on */

static void test_prose_vectors(void **state)
{
    (void)state;
    struct vocab v = open_vocab(prose);
    for (size_t i = 0; i < sizeof prose_vectors / sizeof *prose_vectors; i++)
        check_text(v.t, prose_vectors[i].text, 0, prose_vectors[i].ids);
    close_vocab(&v);
}

static void test_prose_questions(void **state)
{
    (void)state;
    struct vocab v = open_vocab(prose);
    assert_int_equal(cn_tokenizer_n_vocab(v.t), 8192);
    assert_int_equal(cn_tokenizer_bos(v.t), 0);
    assert_int_equal(cn_tokenizer_eos(v.t), 0);
    assert_true(cn_tokenizer_add_bos(v.t));
    assert_false(cn_tokenizer_add_space_prefix(v.t));
    assert_true(cn_tokenizer_is_end(v.t, 0));
    assert_true(cn_tokenizer_is_control(v.t, 0));
    assert_false(cn_tokenizer_is_end(v.t, 1));
    assert_false(cn_tokenizer_is_end(v.t, -1));
    assert_false(cn_tokenizer_is_end(v.t, 8192));
    assert_false(cn_tokenizer_is_control(v.t, 8192));
    assert_int_equal(cn_tokenizer_find(v.t, "<|endoftext|>", 13), 0);
    assert_int_equal(cn_tokenizer_find(v.t, "<|endoftext|", 12), -1);
    assert_int_equal(cn_tokenizer_chat_template(v.t).n, 0);

    size_t n;
    cn_tokenizer_bytes(v.t, 0, false, &n);
    assert_int_equal(n, 0);
    assert_memory_equal(cn_tokenizer_bytes(v.t, 0, true, &n), "<|endoftext|>", 13);
    assert_int_equal(n, 13);
    assert_memory_equal(cn_tokenizer_bytes(v.t, 261, false, &n), " the", 4);
    assert_int_equal(n, 4);
    cn_tokenizer_bytes(v.t, -1, true, &n);
    assert_int_equal(n, 0);
    cn_tokenizer_bytes(v.t, 8192, true, &n);
    assert_int_equal(n, 0);

    int32_t outside = 8192;
    char *text;
    struct cn_error err;
    assert_int_equal(cn_tokenizer_decode(v.t, &outside, 1, false, &text, &n, &err),
                     CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "8192"));
    close_vocab(&v);
}

static void test_prose_special(void **state)
{
    (void)state;
    struct vocab v = open_vocab(prose);
    check_text(v.t, "", CN_TOKENIZE_BOS, (int32_t[]){ 0, -1 });
    check_text(v.t, "a", CN_TOKENIZE_BOS, (int32_t[]){ 0, 65, -1 });
    check_text(v.t, "a<|endoftext|>a", CN_TOKENIZE_SPECIAL, (int32_t[]){ 65, 0, 65, -1 });
    check_text(v.t, "<|endoftext|><|endoftext|>", CN_TOKENIZE_SPECIAL | CN_TOKENIZE_BOS,
               (int32_t[]){ 0, 0, 0, -1 });
    check_text(v.t, "<|endoftext<|endoftext|>|>", CN_TOKENIZE_SPECIAL,
               (int32_t[]){ 28, 92, 603, 79, 683, 69, 1104, 0, 92, 30, -1 });
    close_vocab(&v);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct vocab v = open_vocab(prose);
    char text[300];
    uint64_t random = 42;
    for (int i = 0; i < 2000; i++) {
        size_t n = (size_t)(i % 300);
        /* All bytes, or letters and spaces (many merges), or one piece without spaces. */
        static const char *const alphabets[] = { NULL, "etaoin  ", "etaoin" };
        const char *alphabet = alphabets[i % 3];
        for (size_t k = 0; k < n; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[k] = alphabet ? alphabet[(random >> 40) % strlen(alphabet)] : (char)(random >> 40);
        }
        check_round_trip(v.t, text, n);
    }
    check_round_trip(v.t, "\0", 1);
    check_round_trip(v.t, "a\0\0b\xff\xfe\xed\xa0\x80", 9);
    close_vocab(&v);
}

/* ---- small vocabularies ---------------------------------------------------------------------- */

struct bytes {
    uint8_t p[1 << 20];
    size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
    assert_true(n <= sizeof b->p - b->n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_str(struct bytes *b, const char *s)
{
    uint64_t n = strlen(s);
    add(b, &n, 8);
    add(b, s, n);
}

static void add_key(struct bytes *b, const char *key, uint32_t type)
{
    uint64_t n_kv;
    memcpy(&n_kv, b->p + 16, 8);
    n_kv++;
    memcpy(b->p + 16, &n_kv, 8);
    add_str(b, key);
    add(b, &type, 4);
}

static void add_array(struct bytes *b, const char *key, uint32_t type, uint64_t n)
{
    add_key(b, key, CN_GGUF_ARRAY);
    add(b, &type, 4);
    add(b, &n, 8);
}

static void add_text(struct bytes *b, const char *key, const char *value)
{
    add_key(b, key, CN_GGUF_STRING);
    add_str(b, value);
}

static void add_u32(struct bytes *b, const char *key, uint32_t value)
{
    add_key(b, key, CN_GGUF_U32);
    add(b, &value, 4);
}

static void add_bool(struct bytes *b, const char *key, bool value)
{
    add_key(b, key, CN_GGUF_BOOL);
    add(b, &value, 1);
}

static void add_texts(struct bytes *b, const char *key, const char *const *texts, size_t n)
{
    add_array(b, key, CN_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        add_str(b, texts[i]);
}

static void begin(struct bytes *b, const char *model)
{
    uint32_t version = 3;
    uint64_t zero = 0;
    b->n = 0;
    add(b, "GGUF", 4);
    add(b, &version, 4);
    add(b, &zero, 8);
    add(b, &zero, 8);
    add_text(b, "general.architecture", "llama");
    add_text(b, "tokenizer.ggml.model", model);
}

static enum cn_status load(const struct bytes *b, struct vocab *v, struct cn_error *err)
{
    if (cn_gguf_parse(b->p, b->n, "test", &v->gguf, err) != CN_OK)
        fail_msg("%s", err->text);
    enum cn_status status = cn_tokenizer_load(&v->gguf, &v->t, err);
    if (status != CN_OK)
        cn_gguf_close(&v->gguf);
    return status;
}

static struct vocab load_ok(const struct bytes *b)
{
    struct vocab v;
    struct cn_error err;
    if (load(b, &v, &err) != CN_OK)
        fail_msg("%s", err.text);
    return v;
}

static struct bytes file; /* too large for the stack */

#define MARK "\xe2\x96\x81"

/* clang-format off */
static const char *const spm_tokens[] = {
    "<unk>", "<s>", "</s>", "<0x41>", "<0xE2>", "<0x82>", "<0xAC>", MARK, "a", "b", "c", /* 0..10 */
    "ab", "bc", MARK "a", "abc", MARK MARK, "[X]", "[XX]", "cab", "\n", /* 11..19 */
    "abacbccaabb", /* never made, but every two letters stand side by side in it */
};
static const float spm_scores[] = {
    0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1,
    -5, -4, -6, -9, -2, 0, 0, -4, -1, -20,
};
static const int32_t spm_types[] = {
    2, 3, 3, 6, 6, 6, 6, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 4, 3, 1, 1, 1,
};
/* clang-format on */
enum { N_SPM = sizeof spm_tokens / sizeof *spm_tokens };

static void begin_spm(struct bytes *b)
{
    begin(b, "llama");
    add_texts(b, "tokenizer.ggml.tokens", spm_tokens, N_SPM);
    add_array(b, "tokenizer.ggml.scores", CN_GGUF_F32, N_SPM);
    add(b, spm_scores, sizeof spm_scores);
    add_array(b, "tokenizer.ggml.token_type", CN_GGUF_I32, N_SPM);
    add(b, spm_types, sizeof spm_types);
}

static void test_spm(void **state)
{
    (void)state;
    begin_spm(&file);
    struct vocab v = load_ok(&file);
    assert_true(cn_tokenizer_add_bos(v.t));
    assert_int_equal(cn_tokenizer_bos(v.t), 1);
    assert_int_equal(cn_tokenizer_eos(v.t), 2);
    check_text(v.t, "", CN_TOKENIZE_BOS, (int32_t[]){ 1, -1 });
    /* The space in front joins last (-6); "bc" (-4) goes before "ab" (-5), and "abc" has no part
     * left to be made of. */
    check_text(v.t, "abc", 0, (int32_t[]){ 13, 12, -1 });
    check_text(v.t, " abc", 0, (int32_t[]){ 15, 14, -1 });
    check_text(v.t, "cab", CN_TOKENIZE_BOS, (int32_t[]){ 1, 7, 18, -1 });
    /* Equal scores: the leftmost first, so "ca" is not there for "bc" to win. */
    check_text(v.t, "bcab", 0, (int32_t[]){ 7, 12, 11, -1 });
    /* No token: bytes; no byte token either: unknown. */
    check_text(v.t, "A\xe2\x82\xac", 0, (int32_t[]){ 7, 3, 4, 5, 6, -1 });
    check_text(v.t, "Z", 0, (int32_t[]){ 7, 0, -1 });
    /* User-defined texts are always seen, control tokens on demand, the longest first; behind
     * them the space is put in front again. */
    check_text(v.t, "a[X]a", 0, (int32_t[]){ 13, 16, 13, -1 });
    check_text(v.t, "[XX]a", CN_TOKENIZE_SPECIAL, (int32_t[]){ 17, 13, -1 });
    check_text(v.t, "\na", 0, (int32_t[]){ 7, 19, 8, -1 });

    char *text;
    size_t n;
    assert_int_equal(
        cn_tokenizer_decode(v.t, (int32_t[]){ 1, 15, 14, 16, 3, 17, 2 }, 7, false, &text, &n, NULL),
        CN_OK);
    assert_string_equal(text, " abc[X]A");
    free(text);
    assert_int_equal(cn_tokenizer_decode(v.t, (int32_t[]){ 1, 13, 17 }, 3, true, &text, &n, NULL),
                     CN_OK);
    assert_string_equal(text, "<s> a[XX]");
    free(text);
    close_vocab(&v);

    begin_spm(&file);
    add_bool(&file, "tokenizer.ggml.add_space_prefix", false);
    add_bool(&file, "tokenizer.ggml.add_bos_token", false);
    add_bool(&file, "tokenizer.ggml.add_eos_token", true);
    v = load_ok(&file);
    check_text(v.t, "ab", CN_TOKENIZE_BOS, (int32_t[]){ 11, 2, -1 });
    check_text(v.t, "ab", 0, (int32_t[]){ 11, -1 });
    close_vocab(&v);
}

static void test_phi3_drops_white_space(void **state)
{
    (void)state;
    static const char *const names[] = { "A Phi-3 like one", "phi3", "Phi 3.5 Mini", "phi_3" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        begin_spm(&file);
        add_text(&file, "general.name", names[i]);
        struct vocab v = load_ok(&file);
        check_text(v.t, "[X] \n\t a", 0, (int32_t[]){ 16, 13, -1 });
        check_text(v.t, "[XX]\n", CN_TOKENIZE_SPECIAL, (int32_t[]){ 17, -1 });
        check_text(v.t, "<s> a", CN_TOKENIZE_SPECIAL, (int32_t[]){ 1, 15, 8, -1 });
        close_vocab(&v);
    }
    static const char *const others[] = { "Phi 4", "phi-", "ph3", "phi 13" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        begin_spm(&file);
        add_text(&file, "general.name", others[i]);
        struct vocab v = load_ok(&file);
        check_text(v.t, "[XX]\n", CN_TOKENIZE_SPECIAL, (int32_t[]){ 17, 7, 19, -1 });
        close_vocab(&v);
    }
}

/* Merging segments one by one, short ones by scanning, long ones with a heap, must give what
 * merging the whole would: compared with a merge that scans the whole text for the best pair each
 * time. */
static size_t merge_whole(const struct cn_tokenizer *t, const char *text, size_t n, int32_t *ids)
{
    size_t start[512], n_parts = 0;
    for (size_t i = 0; i < n; i++) /* ASCII and the space mark only */
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            start[n_parts++] = i;
    start[n_parts] = n;
    for (;;) {
        size_t best = n_parts;
        float best_score = -INFINITY;
        for (size_t i = 0; i + 1 < n_parts; i++) {
            int32_t id = cn_tokenizer_find(t, text + start[i], start[i + 2] - start[i]);
            if (id >= 0 && spm_scores[id] > best_score) {
                best_score = spm_scores[id];
                best = i;
            }
        }
        if (best == n_parts)
            break;
        memmove(start + best + 1, start + best + 2, (n_parts - best - 1) * sizeof *start);
        n_parts--;
    }
    for (size_t i = 0; i < n_parts; i++)
        ids[i] = cn_tokenizer_find(t, text + start[i], start[i + 1] - start[i]);
    ids[n_parts] = -1;
    return n_parts;
}

static void test_spm_segments(void **state)
{
    (void)state;
    begin_spm(&file);
    add_bool(&file, "tokenizer.ggml.add_space_prefix", false);
    struct vocab v = load_ok(&file);
    uint64_t random = 7;
    for (int round = 0; round < 500; round++) {
        char text[160], marked[512];
        int32_t want[512];
        size_t n = (size_t)(round % 160), n_marked = 0;
        for (size_t i = 0; i < n; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[i] = "abc abc"[(random >> 40) % (round % 2 ? 7 : 3)];
            if (text[i] == ' ') {
                memcpy(marked + n_marked, MARK, 3);
                n_marked += 3;
            } else {
                marked[n_marked++] = text[i];
            }
        }
        merge_whole(v.t, marked, n_marked, want);
        check_ids(v.t, text, n, 0, want);
        check_round_trip(v.t, text, n);
    }
    close_vocab(&v);
}

#define G "\xc4\xa0" /* the space in the byte alphabet */

static const char *const bpe_tokens[] = { "a", "b", "c", G, "ab", "<|im_end|>", "abc", "<|eot|>" };
enum { N_BPE = sizeof bpe_tokens / sizeof *bpe_tokens };

static void begin_bpe(struct bytes *b, const char *pre, const char *const *merges, size_t n_merges)
{
    begin(b, "gpt2");
    add_text(b, "tokenizer.ggml.pre", pre);
    add_texts(b, "tokenizer.ggml.tokens", bpe_tokens, N_BPE);
    add_texts(b, "tokenizer.ggml.merges", merges, n_merges);
}

static void test_bpe_merges(void **state)
{
    (void)state;
    /* "bc" is no token: its bytes come out, unless "abc" is made of it. A merge without a space, of
     * three parts or empty joins nothing, one that stands twice counts at its first place. */
    static const char *const merges[] = {
        "b c", "a bc", "ab", "a b c", "", " ", "a b", "b c", " a"
    };
    begin_bpe(&file, "gpt-2", merges, sizeof merges / sizeof *merges);
    struct vocab v = load_ok(&file);
    check_text(v.t, "abc", 0, (int32_t[]){ 6, -1 });
    check_text(v.t, "bc", 0, (int32_t[]){ 1, 2, -1 });
    check_text(v.t, "ab bcb", 0, (int32_t[]){ 4, 3, 1, 2, 1, -1 });
    check_text(v.t, "axb\xff", 0, (int32_t[]){ 0, 1, -1 }); /* no token for x and 0xff */
    /* Known by its text only: ends a generation, and counts as control. */
    assert_true(cn_tokenizer_is_end(v.t, 5));
    assert_true(cn_tokenizer_is_control(v.t, 5));
    assert_false(cn_tokenizer_is_end(v.t, 7));
    check_text(v.t, "a<|im_end|>a", CN_TOKENIZE_SPECIAL, (int32_t[]){ 0, 5, 0, -1 });
    /* A file that names no BOS or EOS has none. */
    assert_int_equal(cn_tokenizer_bos(v.t), -1);
    assert_int_equal(cn_tokenizer_eos(v.t), -1);
    check_text(v.t, "a", CN_TOKENIZE_BOS, (int32_t[]){ 0, -1 });
    close_vocab(&v);
}

static void test_bpe_ignore_merges(void **state)
{
    (void)state;
    static const char *const merges[] = { "b c" };
    begin_bpe(&file, "gpt-2", merges, 1);
    struct vocab v = load_ok(&file);
    check_text(v.t, "abc", 0, (int32_t[]){ 0, 1, 2, -1 });
    close_vocab(&v);
    begin_bpe(&file, "llama-bpe", merges, 1);
    add_u32(&file, "tokenizer.ggml.bos_token_id", 3);
    add_u32(&file, "tokenizer.ggml.eot_token_id", 7);
    add_u32(&file, "tokenizer.ggml.eos_token_id", 4000000000u); /* ignored */
    v = load_ok(&file);
    check_text(v.t, "abc", 0, (int32_t[]){ 6, -1 });
    check_text(v.t, "ab", CN_TOKENIZE_BOS, (int32_t[]){ 3, 4, -1 });
    assert_true(cn_tokenizer_is_end(v.t, 7));
    assert_int_equal(cn_tokenizer_eos(v.t), -1);
    close_vocab(&v);
}

static void check_refused(const struct bytes *b, enum cn_status status, const char *word)
{
    struct vocab v = { .t = NULL };
    struct cn_error err = { "" };
    assert_int_equal(load(b, &v, &err), status);
    assert_null(v.t);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not name %s", err.text, word);
    assert_null(strchr(err.text, '\n'));
}

/* A vocabulary of more than eleven words, in which some engines take number 11 for BOS and EOS. */
static void test_bpe_without_ids(void **state)
{
    (void)state;
    begin(&file, "gpt2");
    add_array(&file, "tokenizer.ggml.tokens", CN_GGUF_STRING, 16);
    for (int i = 0; i < 16; i++)
        add_str(&file, (char[]){ (char)('a' + i), 0 });
    add_texts(&file, "tokenizer.ggml.merges", NULL, 0);
    struct vocab v = load_ok(&file);
    assert_int_equal(cn_tokenizer_bos(v.t), -1);
    assert_int_equal(cn_tokenizer_eos(v.t), -1);
    assert_false(cn_tokenizer_is_end(v.t, 11));
    /* It names no pre-tokenizer either. */
    assert_non_null(strstr(cn_tokenizer_doubt(v.t), "tokenizer.ggml.pre"));
    close_vocab(&v);
    add_text(&file, "tokenizer.ggml.pre", "default");
    v = load_ok(&file);
    assert_null(cn_tokenizer_doubt(v.t));
    close_vocab(&v);
}

/* SPM's usual ids hold for vocabularies that have such tokens there. */
static void test_spm_without_ids(void **state)
{
    (void)state;
    for (int special = 0; special < 2; special++) {
        begin(&file, "llama");
        add_array(&file, "tokenizer.ggml.tokens", CN_GGUF_STRING, 4);
        for (int i = 0; i < 4; i++)
            add_str(&file, special && i == 1 ? "<s>" : (char[]){ (char)('a' + i), 0 });
        add_array(&file, "tokenizer.ggml.scores", CN_GGUF_F32, 4);
        add(&file, spm_scores, 16);
        struct vocab v = load_ok(&file);
        assert_int_equal(cn_tokenizer_bos(v.t), special ? 1 : -1);
        assert_int_equal(cn_tokenizer_eos(v.t), -1);
        assert_null(cn_tokenizer_doubt(v.t));
        close_vocab(&v);
    }
}

static void check_ends(const char *const *texts, size_t n, unsigned ends)
{
    begin(&file, "gpt2");
    add_text(&file, "tokenizer.ggml.pre", "gpt-2");
    add_texts(&file, "tokenizer.ggml.tokens", texts, n);
    add_texts(&file, "tokenizer.ggml.merges", NULL, 0);
    struct vocab v = load_ok(&file);
    for (size_t i = 0; i < n; i++)
        if (cn_tokenizer_is_end(v.t, (int32_t)i) != (ends >> i & 1))
            fail_msg("%s: %s", texts[i], ends >> i & 1 ? "ends nothing" : "ends a generation");
    close_vocab(&v);
}

static void test_ends(void **state)
{
    (void)state;
    check_ends((const char *[]){ "<|end|>", "</s>", "<eos>", "a" }, 4, 7);
    check_ends((const char *[]){ "<|end|>", "<|return|>", "<|call|>" }, 3, 6);
    check_ends((const char *[]){ "</s>", "<|tool_response>", "<turn|>" }, 3, 6);
    check_ends((const char *[]){ "[EOS]", "[EOT]", "[INST]" }, 3, 3);
    check_ends((const char *[]){ "<\xef\xbd\x9c"
                                 "end" MARK "of" MARK "sentence\xef\xbd\x9c>" },
               1, 1);
}

/* ---- BPE of characters */

static const char *const chars_tokens[] = {
    "<unk>", "<bos>",  "a",      "b",      MARK, MARK "a", "\n\n",
    "\n",    "<0xC3>", "<0xA9>", "\n\n\n", "bb", "ab",
};
enum { N_CHARS = sizeof chars_tokens / sizeof *chars_tokens };

static void begin_chars(struct bytes *b)
{
    /* "xb" is no token: "b" comes out of it, and unknown for x. */
    static const char *const merges[] = { MARK " a", "b b", "\n \n", "a b", "x b" };
    begin(b, "gemma4");
    add_texts(b, "tokenizer.ggml.tokens", chars_tokens, N_CHARS);
    add_texts(b, "tokenizer.ggml.merges", merges, sizeof merges / sizeof *merges);
    add_array(b, "tokenizer.ggml.token_type", CN_GGUF_I32, N_CHARS);
    add(b, (int32_t[N_CHARS]){ 2, 3, 1, 1, 1, 1, 1, 1, 6, 6, 1, 1, 1 }, 4 * N_CHARS);
}

static void test_chars(void **state)
{
    (void)state;
    begin_chars(&file);
    add_u32(&file, "tokenizer.ggml.bos_token_id", 1);
    add_bool(&file, "tokenizer.ggml.add_bos_token", false);
    add_bool(&file, "tokenizer.ggml.add_space_prefix", true);
    struct vocab v = load_ok(&file);
    assert_null(cn_tokenizer_doubt(v.t));
    assert_int_equal(cn_tokenizer_eos(v.t), -1);
    /* BOS whatever the file says, no space in front whatever it says. */
    check_text(v.t, "a", CN_TOKENIZE_BOS, (int32_t[]){ 1, 2, -1 });
    check_text(v.t, " a a", 0, (int32_t[]){ 5, 5, -1 });
    check_text(v.t, "abb", 0, (int32_t[]){ 2, 11, -1 });
    /* Line feeds: a run that is a token is that one; else they merge, but with nothing else. */
    check_text(v.t, "a\n\n\nb", 0, (int32_t[]){ 2, 10, 3, -1 });
    check_text(v.t, "\n\n\n\n\na", 0, (int32_t[]){ 6, 6, 7, 2, -1 });
    /* Bytes of what is no token; without an unknown token what has no byte is left out. */
    check_text(v.t, "\xc3\xa9z", 0, (int32_t[]){ 8, 9, -1 });
    check_text(v.t, "xb", 0, (int32_t[]){ 3, -1 });
    check_round_trip(v.t, " a\n\n\xc3\xa9 bb", 9);
    close_vocab(&v);

    begin_chars(&file);
    add_u32(&file, "tokenizer.ggml.unknown_token_id", 0);
    v = load_ok(&file);
    check_text(v.t, "xb", CN_TOKENIZE_BOS, (int32_t[]){ 0, 3, -1 });
    char text[4096];
    memset(text, 'b', sizeof text);
    int32_t want[sizeof text / 2 + 1];
    for (size_t i = 0; i < sizeof text / 2; i++)
        want[i] = 11;
    want[sizeof text / 2] = -1;
    check_ids(v.t, text, sizeof text, 0, want);
    close_vocab(&v);
    begin(&file, "gemma4");
    add_texts(&file, "tokenizer.ggml.tokens", chars_tokens, N_CHARS);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.model is gemma4");
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    begin(&file, "rwkv\n\x1b[31m");
    check_refused(&file, CN_ERR_UNSUPPORTED, "rwkv??[31m");
    begin_bpe(&file, "nosuch", NULL, 0);
    check_refused(&file, CN_ERR_UNSUPPORTED, "nosuch");
    begin(&file, "gpt2");
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.tokens");
    begin(&file, "gpt2");
    add_texts(&file, "tokenizer.ggml.tokens", NULL, 0);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.tokens");
    begin(&file, "gpt2");
    add_u32(&file, "tokenizer.ggml.tokens", 1);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.tokens");
    begin(&file, "gpt2");
    add_texts(&file, "tokenizer.ggml.tokens", bpe_tokens, N_BPE);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.merges");
    add_u32(&file, "tokenizer.ggml.merges", 1);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.merges");
    begin(&file, "llama");
    add_texts(&file, "tokenizer.ggml.tokens", bpe_tokens, N_BPE);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.scores");
    add_array(&file, "tokenizer.ggml.scores", CN_GGUF_F32, 3);
    add(&file, spm_scores, 12);
    check_refused(&file, CN_ERR_FORMAT, "3 scores for 8 tokens");
    begin_bpe(&file, "gpt-2", NULL, 0);
    add_array(&file, "tokenizer.ggml.token_type", CN_GGUF_I32, 1);
    add(&file, spm_types, 4);
    check_refused(&file, CN_ERR_FORMAT, "1 types for 8 tokens");
    begin_bpe(&file, "gpt-2", NULL, 0);
    add_texts(&file, "tokenizer.ggml.token_type", bpe_tokens, N_BPE);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.token_type");
    begin_bpe(&file, "gpt-2", NULL, 0);
    add_text(&file, "tokenizer.ggml.bos_token_id", "1");
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.bos_token_id");
    begin_bpe(&file, "gpt-2", NULL, 0);
    add_u32(&file, "tokenizer.ggml.add_bos_token", 1);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.add_bos_token");
}

/* Equal texts fall on one place of the hash table: they must not make it slow. */
static void test_many_equal_tokens(void **state)
{
    (void)state;
    enum { N = 100000 };
    begin(&file, "llama");
    add_array(&file, "tokenizer.ggml.tokens", CN_GGUF_STRING, N);
    for (size_t i = 0; i < N; i++)
        add_str(&file, "");
    add_array(&file, "tokenizer.ggml.scores", CN_GGUF_U8, 0);
    check_refused(&file, CN_ERR_FORMAT, "tokenizer.ggml.scores");
}

/* Every vocabulary of the corrupt files that can be opened: loading gives an answer, and what loads
 * tokenises anything and gives no id outside the vocabulary. */
static void test_bad_files(void **state)
{
    (void)state;
    static const char text[] =
        "The quick <s> brown</s> fox<|endoftext|>\0\xff\xfe ab  \xe2\x96\x81 x";
    DIR *dir = opendir("tests/fixtures/bad");
    assert_non_null(dir);
    size_t n_loaded = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        struct cn_gguf gguf;
        struct cn_tokenizer *t;
        struct cn_error err = { "" };
        if (!strstr(entry->d_name, ".gguf"))
            continue;
        snprintf(path, sizeof path, "tests/fixtures/bad/%s", entry->d_name);
        if (cn_gguf_open(path, &gguf, NULL) != CN_OK)
            continue;
        if (cn_tokenizer_load(&gguf, &t, &err) != CN_OK) {
            assert_true(err.text[0] != '\0');
            assert_null(strstr(entry->d_name, "good"));
        } else {
            static const char *const must_fail[] = { "tokens-int", "tokens-none", "scores-short",
                                                     "tokmodel-unknown", "pre-unknown" };
            for (size_t i = 0; i < sizeof must_fail / sizeof *must_fail; i++)
                if (strstr(entry->d_name, must_fail[i]))
                    fail_msg("%s loads", entry->d_name);
            int32_t *ids;
            size_t n;
            for (unsigned flags = 0; flags < 4; flags++) {
                assert_int_equal(cn_tokenizer_encode(t, text, sizeof text, flags, &ids, &n, NULL),
                                 CN_OK);
                for (size_t i = 0; i < n; i++)
                    assert_in_range(ids[i], 0, cn_tokenizer_n_vocab(t) - 1);
                free(ids);
            }
            cn_tokenizer_free(t);
            n_loaded++;
        }
        cn_gguf_close(&gguf);
    }
    closedir(dir);
    assert_true(n_loaded > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prose_vectors),
        cmocka_unit_test(test_prose_questions),
        cmocka_unit_test(test_prose_special),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_phi3_drops_white_space),
        cmocka_unit_test(test_spm_segments),
        cmocka_unit_test(test_bpe_merges),
        cmocka_unit_test(test_bpe_ignore_merges),
        cmocka_unit_test(test_bpe_without_ids),
        cmocka_unit_test(test_spm_without_ids),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_chars),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_equal_tokens),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
