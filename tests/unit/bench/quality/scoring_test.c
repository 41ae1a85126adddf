/* SPDX-License-Identifier: MIT
 *
 * Scores against the plain way: every text evaluated from an empty cache, softmax in double.
 */
#include "bench/quality/scoring.h"

#include "engine/model/model.h"
#include "tests/arch_fixture.h"

#include <math.h>

static struct cn_model *model;

/* ---- files ----------------------------------------------------------------------------------- */

static struct cn_score_tasks parse(enum cn_score_kind kind, const char *text, size_t max_tasks)
{
    struct cn_score_tasks tasks = { .kind = kind };
    struct cn_error err = { "" };
    if (cn_score_parse(kind, text, strlen(text), "file", max_tasks, &tasks, &err) != CN_OK)
        fail_msg("%s", err.text);
    return tasks;
}

static void parse_fails(enum cn_score_kind kind, const char *text, const char *says)
{
    struct cn_score_tasks tasks = { .kind = kind };
    struct cn_error err = { "" };
    assert_int_equal(cn_score_parse(kind, text, strlen(text), "file", 0, &tasks, &err),
                     CN_ERR_FORMAT);
    if (!strstr(err.text, says))
        fail_msg("'%s' lacks '%s'", err.text, says);
    assert_null(tasks.tasks);
}

static void assert_text(struct cn_score_text t, const char *expected)
{
    if (t.n != strlen(expected) || memcmp(t.p, expected, t.n) != 0)
        fail_msg("'%.*s' found, '%s' expected", (int)t.n, t.p, expected);
}

static void test_parse_hellaswag(void **state)
{
    (void)state;
    static const char text[] = "a b\n2\nw\nx\ny\nz\r\nsecond: c\r\n0\r\nk\nl\nm\nn\n\n";
    struct cn_score_tasks t = parse(CN_SCORE_HELLASWAG, text, 0);
    assert_int_equal(t.n, 2);
    assert_text(t.tasks[0].prompt, "a b");
    assert_int_equal(t.tasks[0].right, 2);
    assert_int_equal(t.tasks[0].n_choices, 4);
    assert_text(t.tasks[0].choices[3], "z");
    assert_text(t.tasks[1].prompt, "second: c");
    assert_int_equal(t.tasks[1].line, 7);
    assert_text(t.tasks[1].choices[0], "k");
    cn_score_tasks_free(&t);
    t = parse(CN_SCORE_HELLASWAG, text, 1);
    assert_int_equal(t.n, 1);
    cn_score_tasks_free(&t);
    parse_fails(CN_SCORE_HELLASWAG, "", "file: no tasks");
    parse_fails(CN_SCORE_HELLASWAG, "\n \n", "file: no tasks");
    parse_fails(CN_SCORE_HELLASWAG, "a\n4\nw\nx\ny\nz\n", "file: line 2: the number");
    parse_fails(CN_SCORE_HELLASWAG, "a\n-1\nw\nx\ny\nz\n", "file: line 2: the number");
    parse_fails(CN_SCORE_HELLASWAG, "a\n", "file: line 2: the number");
    parse_fails(CN_SCORE_HELLASWAG, "a\n1\nw\nx\ny", "file: line 6: an ending");
    parse_fails(CN_SCORE_HELLASWAG, "a\n1\nw\n\ny\nz\n", "file: line 4: an ending");
}

static void test_parse_json(void **state)
{
    (void)state;
    struct cn_score_tasks t =
        parse(CN_SCORE_CHOICE,
              "{\"question\": \"q\\u00e9\", \"choices\": [\"a\", \"b\", \"c\"], \"answer\": 2}\n\n"
              "{\"id\": 7, \"answer\": 0, \"choices\": [\"yes\", \"no\"], \"question\": \"\"}",
              0);
    assert_int_equal(t.n, 2);
    assert_text(t.tasks[0].prompt, "q\xc3\xa9");
    assert_int_equal(t.tasks[0].n_choices, 3);
    assert_int_equal(t.tasks[0].right, 2);
    assert_text(t.tasks[0].choices[2], "c");
    assert_int_equal(t.tasks[1].line, 3);
    assert_int_equal(t.tasks[1].n_choices, 2);
    assert_text(t.tasks[1].prompt, "");
    assert_text(t.tasks[1].choices[0], "yes");
    cn_score_tasks_free(&t);
    parse_fails(CN_SCORE_CHOICE, "{\"question\": 1}", "\"question\": a string expected, a number");
    parse_fails(CN_SCORE_CHOICE, "[]", "line 1: no \"question\"");
    parse_fails(CN_SCORE_CHOICE, "\n{\"question\": \"", "file: line 2");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\"],\"answer\":0}",
                "2 to 256 choices expected, 1 found");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":2}",
                "index 0 to 1 of a choice expected, 2 found");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":0.5}",
                "0.5 found");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":-1}",
                "-1 found");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\",1],\"answer\":0}",
                "a number found");
    parse_fails(CN_SCORE_CHOICE, "{\"question\":\"q\",\"choices\":[\"a\",\"\"],\"answer\":0}",
                "an empty one found");

    t = parse(CN_SCORE_GENERATE, "{\"prompt\": \"p\", \"answer\": \" 42\"}\n", 0);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.tasks[0].n_choices, 0);
    assert_text(t.tasks[0].prompt, "p");
    assert_text(t.tasks[0].answer, " 42");
    cn_score_tasks_free(&t);
    parse_fails(CN_SCORE_GENERATE, "{\"prompt\": \"p\", \"answer\": 42}",
                "\"answer\": a string expected, a number found");
}

/* Wilson's interval in closed form where it is simple: 0 of n ends at z^2 / (n + z^2). */
static void test_wilson(void **state)
{
    (void)state;
    const double z2 = 1.959963984540054 * 1.959963984540054;
    double lo, hi;
    cn_wilson(0, 10, &lo, &hi);
    assert_true(lo == 0 && fabs(hi - z2 / (10 + z2)) < 1e-12);
    cn_wilson(10, 10, &lo, &hi);
    assert_true(hi == 1 && fabs(lo - 10 / (10 + z2)) < 1e-12);
    cn_wilson(5, 10, &lo, &hi); /* published: 0.2366, 0.7634 */
    assert_true(fabs(lo - 0.2366) < 5e-5 && fabs(hi - 0.7634) < 5e-5);
    cn_wilson(81, 263, &lo, &hi); /* Newcombe 1998, table I: 0.2553, 0.3662 */
    assert_true(fabs(lo - 0.2553) < 5e-5 && fabs(hi - 0.3662) < 5e-5);
}

/* ---- likelihoods ----------------------------------------------------------------------------- */

static int32_t *tokens_of(const struct cn_model *m, const char *text, size_t *n)
{
    int32_t *tokens = NULL;
    assert_int_equal(cn_tokenize(m, text, strlen(text), CN_TOKENIZE_BOS, &tokens, n, NULL), CN_OK);
    return tokens;
}

/* Sum of the log-probabilities of tokens[from..n). */
static double plain_sum(const struct cn_model *m, const int32_t *tokens, int32_t n, int32_t from)
{
    struct cn_session_options o = { .n_ctx = n, .n_logits = n, .n_threads = 1, .kv = CN_KV_F32 };
    struct cn_session *s = fixture_session(m, &o);
    const int32_t n_vocab = cn_model_get_info(m)->n_vocab;
    double sum = 0;
    assert_int_equal(cn_session_eval(s, tokens, n, CN_WANT_ALL, NULL), CN_OK);
    for (int32_t i = from - 1; i < n - 1; i++) {
        const float *logits = cn_session_logits(s, i);
        double total = 0;
        for (int32_t v = 0; v < n_vocab; v++)
            total += exp((double)logits[v]);
        sum += (double)logits[tokens[i + 1]] - log(total);
    }
    cn_session_free(s);
    return sum;
}

struct seen {
    const struct cn_model *model;
    const char *prefix;
    double tolerance;
    int n, n_right, n_right_raw;
    char text[8][512], got[8][512];
    bool right[8];
    int stop_after;
};

/* Each ending once more, the plain way. */
static void check_outcome(void *user, const struct cn_score_outcome *o)
{
    struct seen *seen = user;
    const struct cn_score_task *t = o->task;
    double best = -HUGE_VAL, best_raw = -HUGE_VAL;
    int32_t *tokens[8], chosen = -1, chosen_raw = -1;
    size_t n[8], shared = SIZE_MAX;
    assert_true(t->n_choices <= 8);
    for (int32_t k = 0; k < t->n_choices; k++) {
        static char text[8192];
        snprintf(text, sizeof text, "%s%.*s %.*s", seen->prefix, (int)t->prompt.n, t->prompt.p,
                 (int)t->choices[k].n, t->choices[k].p);
        tokens[k] = tokens_of(seen->model, text, &n[k]);
        for (size_t i = 0; i < shared && k > 0; i++)
            if (i >= n[k] || tokens[k][i] != tokens[0][i])
                shared = i;
        shared = shared < n[k] - 1 ? shared : n[k] - 1;
    }
    for (int32_t k = 0; k < t->n_choices; k++) {
        double sum = plain_sum(seen->model, tokens[k], (int32_t)n[k], (int32_t)shared);
        double mean = sum / (double)(n[k] - shared);
        if (!(fabs(o->sum[k] - sum) <= seen->tolerance * (double)(n[k] - shared)) ||
            !(fabs(o->mean[k] - mean) <= seen->tolerance))
            fail_msg("line %zu, ending %d: %.6f (mean %.6f) found, %.6f (%.6f) expected", t->line,
                     k, o->sum[k], o->mean[k], sum, mean);
        if (mean > best) {
            best = mean;
            chosen = k;
        }
        if (sum > best_raw) {
            best_raw = sum;
            chosen_raw = k;
        }
        free(tokens[k]);
    }
    assert_int_equal(o->chosen, chosen);
    assert_int_equal(o->chosen_raw, chosen_raw);
    seen->n++;
    seen->n_right += chosen == t->right;
    seen->n_right_raw += chosen_raw == t->right;
}

static struct cn_score score(const struct cn_model *m, const struct cn_score_tasks *tasks,
                             const struct cn_score_options *o)
{
    struct cn_score s = { 0 };
    struct cn_error err = { "" };
    if (cn_score_run(m, tasks, o, &s, &err) != CN_OK)
        fail_msg("%s", err.text);
    return s;
}

static void test_choices(void **state)
{
    (void)state;
    /* Endings that share tokens, one that begins another, one of one token, five of them. */
    struct cn_score_tasks tasks = parse(
        CN_SCORE_CHOICE,
        "{\"question\": \"She opened the door and\", \"choices\": [\"went into the room.\", "
        "\"went into the garden, where the old man was waiting\", \"purple twelve\"], \"answer\": "
        "0}\n"
        "{\"question\": \"He said\", \"choices\": [\"nothing\", \"nothing at all.\"], \"answer\": "
        "1}\n"
        "{\"question\": \"It was a dark and stormy\", \"choices\": [\"night\", \"day\", \"fork\", "
        "\"of\", \"gentleman\"], \"answer\": 0}\n",
        0);
    struct seen seen = { .model = model, .prefix = "", .tolerance = 2e-4 };
    struct cn_score_options o = {
        .n_threads = 1, .kv = CN_KV_F32, .user = &seen, .outcome = check_outcome
    };
    struct cn_score s = score(model, &tasks, &o);
    assert_int_equal(seen.n, 3);
    assert_int_equal(s.n_tasks, 3);
    assert_int_equal(s.n_right, seen.n_right);
    assert_true(s.accuracy == seen.n_right / 3.0);
    assert_true(s.accuracy_raw == seen.n_right_raw / 3.0);
    assert_true(s.lo < s.accuracy && s.accuracy <= s.hi);
    assert_true(fabs(s.chance - (1.0 / 3 + 1.0 / 2 + 1.0 / 5) / 3) < 1e-12);
    /* With examples before them. */
    seen = (struct seen){ .model = model,
                          .tolerance = 2e-4,
                          .prefix = "The dog barked at the cat.\nThe sun rose over the hills.\n" };
    o.prefix = seen.prefix;
    o.n_prefix = strlen(seen.prefix);
    score(model, &tasks, &o);
    assert_int_equal(seen.n, 3);
    cn_score_tasks_free(&tasks);
}

/* Endings so long that a sliding window's cache loses the prompt: it is evaluated again. States
 * cannot be cut back to it: a copy of them is gone back to. */
static void check_going_back(const char *path)
{
    struct cn_model *m = fixture_open(path, NULL);
    char context[401], ending[3][901], text[4096];
    uint32_t noise = 1;
    for (int k = 0; k < 4; k++) {
        char *to = k ? ending[k - 1] : context;
        int n = k ? 900 : 400;
        for (int i = 0; i < n; i++) {
            noise = noise * 1664525 + 1013904223;
            to[i] = (char)('a' + (noise >> 16) % 26);
        }
        to[n] = 0;
    }
    snprintf(text, sizeof text, "%s\n1\n%s\n%s\n%s\nshort\n", context, ending[0], ending[1],
             ending[2]);
    struct cn_score_tasks tasks = parse(CN_SCORE_HELLASWAG, text, 0);
    struct seen seen = { .model = m, .prefix = "", .tolerance = 2e-3 };
    struct cn_score_options o = {
        .n_threads = 1, .kv = CN_KV_F32, .user = &seen, .outcome = check_outcome
    };
    score(m, &tasks, &o);
    assert_int_equal(seen.n, 1);
    cn_score_tasks_free(&tasks);
    cn_model_close(m);
}

static void test_going_back(void **state)
{
    (void)state;
    check_going_back("tests/fixtures/arch/gemma3.gguf");
    check_going_back("tests/fixtures/arch2/lfm2.gguf");
    check_going_back("tests/fixtures/arch2/qwen35-untied.gguf");
    check_going_back("tests/fixtures/arch2/falcon-h1-norm.gguf");
}

/* ---- generated answers ----------------------------------------------------------------------- */

/* The greedy continuation of n tokens, from an empty cache. */
static void plain_greedy(const char *prompt, int n, char *out, size_t room)
{
    size_t n_tokens, used = 0;
    int32_t *tokens = tokens_of(model, prompt, &n_tokens);
    struct cn_session_options o = { .n_ctx = 512, .n_threads = 1, .kv = CN_KV_F32 };
    struct cn_session *s = fixture_session(model, &o);
    assert_int_equal(cn_session_eval(s, tokens, (int32_t)n_tokens, CN_WANT_LAST, NULL), CN_OK);
    for (int i = 0; i < n; i++) {
        const float *logits = cn_session_logits(s, 0);
        int32_t best = 0;
        for (int32_t v = 1; v < cn_model_get_info(model)->n_vocab; v++)
            if (logits[v] > logits[best])
                best = v;
        assert_false(cn_token_is_end(model, best));
        size_t n_bytes;
        const char *bytes = cn_token_bytes(model, best, false, &n_bytes);
        assert_true(used + n_bytes < room);
        memcpy(out + used, bytes, n_bytes);
        used += n_bytes;
        assert_int_equal(cn_session_eval(s, &best, 1, CN_WANT_LAST, NULL), CN_OK);
    }
    out[used] = 0;
    cn_session_free(s);
    free(tokens);
}

static void keep_outcome(void *user, const struct cn_score_outcome *o)
{
    struct seen *seen = user;
    assert_true(seen->n < 8);
    assert_int_equal(o->chosen, -1);
    snprintf(seen->text[seen->n], sizeof seen->text[0], "%.*s", (int)o->text.n, o->text.p);
    snprintf(seen->got[seen->n], sizeof seen->got[0], "%.*s", (int)o->got.n, o->got.p);
    seen->right[seen->n++] = o->right;
}

static void test_generate(void **state)
{
    (void)state;
    enum { N = 24 };
    char whole[2][512];
    plain_greedy("The captain said that", N, whole[0], sizeof whole[0]);
    plain_greedy("In the morning they", N, whole[1], sizeof whole[1]);
    /* The second word of the first as the answer; the first letter of the other is wrong. */
    char word[64], text[1024];
    assert_int_equal(sscanf(whole[0], " %*s %63[a-z]", word), 1);
    snprintf(text, sizeof text,
             "{\"prompt\": \"The captain said that\", \"answer\": \"%s\"}\n"
             "{\"prompt\": \"In the morning they\", \"answer\": \"%s?\"}\n",
             word, word);
    struct cn_score_tasks tasks = parse(CN_SCORE_GENERATE, text, 0);
    struct seen seen = { 0 };
    static const char *const never[] = { "\x01" };
    struct cn_score_options o = { .n_threads = 1,
                                  .kv = CN_KV_F32,
                                  .n_predict = N,
                                  .stops = never,
                                  .n_stops = 1,
                                  .user = &seen,
                                  .outcome = keep_outcome,
                                  .regex = "^ *[^ ]+ ([a-z]+)" };
    struct cn_score s = score(model, &tasks, &o);
    assert_string_equal(seen.text[0], whole[0]);
    assert_string_equal(seen.text[1], whole[1]);
    assert_string_equal(seen.got[0], word);
    assert_true(seen.right[0]);
    assert_false(seen.right[1]);
    assert_int_equal(s.n_right, 1);
    assert_true(s.accuracy == 0.5);
    assert_true(isnan(s.accuracy_raw) && isnan(s.chance));

    /* Without a group the whole match; no match is wrong even if the answer is empty. */
    seen = (struct seen){ 0 };
    o.regex = "[a-z]+";
    score(model, &tasks, &o);
    size_t first = strcspn(whole[0], "abcdefghijklmnopqrstuvwxyz");
    size_t n = strspn(whole[0] + first, "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(strlen(seen.got[0]), n);
    assert_memory_equal(seen.got[0], whole[0] + first, n);
    cn_score_tasks_free(&tasks);
    tasks =
        parse(CN_SCORE_GENERATE, "{\"prompt\": \"The captain said that\", \"answer\": \"\"}", 0);
    seen = (struct seen){ 0 };
    o.regex = "[0-9]{9}";
    assert_int_equal(score(model, &tasks, &o).n_right, 0);

    /* Two stop strings, the earlier in the text counts; the last letters of the text end there. */
    const char *stops[2];
    char late[3], early[3];
    snprintf(late, sizeof late, "%.2s", whole[0] + 30);
    snprintf(early, sizeof early, "%.2s", whole[0] + 20);
    stops[0] = late;
    stops[1] = early;
    seen = (struct seen){ 0 };
    o.regex = NULL;
    o.stops = stops;
    o.n_stops = 2;
    score(model, &tasks, &o);
    const char *cut = strstr(whole[0], early), *other = strstr(whole[0], late);
    cut = other < cut ? other : cut;
    assert_int_equal(strlen(seen.text[0]), cut - whole[0]);
    assert_memory_equal(seen.text[0], whole[0], (size_t)(cut - whole[0]));
    cn_score_tasks_free(&tasks);
}

/* Examples in a prefix, or in every prompt: the same answers. */
static void test_prefix(void **state)
{
    (void)state;
    static const char prefix[] = "Once there was a king who had three sons. ";
    struct cn_score_tasks apart = parse(CN_SCORE_GENERATE,
                                        "{\"prompt\": \"The eldest\", \"answer\": \"x\"}\n"
                                        "{\"prompt\": \"The youngest\", \"answer\": \"x\"}\n",
                                        0);
    struct seen seen = { 0 };
    struct cn_score_options o = { .n_threads = 1,
                                  .kv = CN_KV_F32,
                                  .n_predict = 12,
                                  .user = &seen,
                                  .outcome = keep_outcome,
                                  .prefix = prefix,
                                  .n_prefix = strlen(prefix) };
    score(model, &apart, &o);
    for (int i = 0; i < 2; i++) {
        char prompt[128], whole[512];
        snprintf(prompt, sizeof prompt, "%s%s", prefix, i ? "The youngest" : "The eldest");
        plain_greedy(prompt, 12, whole, sizeof whole);
        whole[strcspn(whole, "\n")] = 0;
        assert_string_equal(seen.text[i], whole);
    }
    cn_score_tasks_free(&apart);
}

static bool stop_after(void *user, size_t done, size_t total, double accuracy)
{
    assert_int_equal(total, 2);
    assert_true(accuracy >= 0 && accuracy <= 1);
    return (int)done >= ((struct seen *)user)->stop_after;
}

static void test_refusals(void **state)
{
    (void)state;
    struct cn_score_tasks tasks = parse(CN_SCORE_GENERATE,
                                        "{\"prompt\": \"a\", \"answer\": \"x\"}\n"
                                        "{\"prompt\": \"b\", \"answer\": \"x\"}\n",
                                        0);
    struct cn_score s;
    struct cn_error err;
    struct seen seen = { .stop_after = 1 };
    struct cn_score_options o = {
        .n_threads = 1, .n_predict = 2, .user = &seen, .progress = stop_after
    };
    assert_int_equal(cn_score_run(model, &tasks, &o, &s, &err), CN_ERR_CANCELLED);
    seen.stop_after = 3;
    assert_int_equal(cn_score_run(model, &tasks, &o, &s, &err), CN_OK);
    o.regex = "(";
    assert_int_equal(cn_score_run(model, &tasks, &o, &s, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "regular expression '('"));
    static const char *const empty[] = { "" };
    o = (struct cn_score_options){ .stops = empty, .n_stops = 1 };
    assert_int_equal(cn_score_run(model, &tasks, &o, &s, &err), CN_ERR_ARGUMENT);
    o = (struct cn_score_options){ .n_predict = -1 };
    assert_int_equal(cn_score_run(model, &tasks, &o, &s, &err), CN_ERR_ARGUMENT);
    cn_score_tasks_free(&tasks);
}

static int open_model(void **state)
{
    (void)state;
    model = fixture_open("models/prose-8m-f16.gguf", NULL);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    cn_model_close(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_hellaswag), cmocka_unit_test(test_parse_json),
        cmocka_unit_test(test_wilson),          cmocka_unit_test(test_choices),
        cmocka_unit_test(test_going_back),      cmocka_unit_test(test_generate),
        cmocka_unit_test(test_prefix),          cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
