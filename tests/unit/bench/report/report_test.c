/* SPDX-License-Identifier: MIT */
#include "bench/page/plot.h"
#include "bench/report/report.h"
#include "tests/html_check.h"
#include "tests/study_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

static char db[64], page[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(db, sizeof db, "/tmp/carnot-report-%ld.db", (long)getpid());
    snprintf(page, sizeof page, "/tmp/carnot-report-%ld.html", (long)getpid());
    return 0;
}

static int tear_down(void **state)
{
    char beside[80];
    (void)state;
    unlink(db);
    unlink(page);
    snprintf(beside, sizeof beside, "%s-wal", db);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", db);
    unlink(beside);
    return 0;
}

static void make(const struct study_shape *s)
{
    struct cn_error err = { "" };
    enum cn_status status = study_make(db, s, &err);
    if (status == CN_ERR_UNSUPPORTED) {
        printf("SKIPPED: %s\n", err.text);
        skip();
    }
    if (status != CN_OK)
        fail_msg("%s", err.text);
}

/* The page that was written, well-formed; the caller frees it. */
static char *read_page(void)
{
    FILE *f = fopen(page, "r");
    assert_non_null(f);
    char *html = NULL;
    size_t room = 0;
    assert_true(getdelim(&html, &room, 0, f) > 0);
    fclose(f);
    const char *at, *fault = cn_html_fault(html, &at);
    if (fault)
        fail_msg("%s: %.80s", fault, at);
    return html;
}

/* The page of the study, checked for what every page must be; the caller frees it. */
static char *report(void)
{
    struct cn_report_made made;
    struct cn_error err = { "" };
    if (cn_report_study(db, page, &made, &err) != CN_OK)
        fail_msg("%s", err.text);
    char *html = read_page();
    int figures = cn_count_of(html, "<figure>");
    assert_int_equal(figures, cn_count_of(html, "<svg "));
    assert_int_equal(figures, cn_count_of(html, "<ul class=\"legend\">\n<li>"));
    return html;
}

static void has(const char *html, const char *text)
{
    if (!strstr(html, text))
        fail_msg("the page lacks: %s", text);
}

static void lacks(const char *html, const char *text)
{
    const char *at = strstr(html, text);
    if (at)
        fail_msg("the page has: %.100s", at);
}

/* Every effect that the maker put in comes out, with its test. */
static void test_findings(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 3,
        .n_quants = 10,
        .n_tiers = 2,
        .n_blocks = 12,
        .measured = true,
        .quality = true,
        .limits = true,
        .iq_slow = {1.25, 0.97}
    });
    char *html = report();
    has(html, "720 done");
    /* 1.25 x is slower and 0.97 x, with fewer bits, faster: 3 models x 3 pairs of each. */
    has(html, "Decode speed: in 18 comparisons IQ is slower in 9, faster in 9.");
    has(html, "Prefill speed: in 18 comparisons IQ is the same within 5% in 18.");
    has(html, "Wilcoxon signed-rank, 12 pairs of one block each");
    has(html, "Decode energy (package by powercap:package, measured): in 18 comparisons IQ is "
              "cheaper in 9, dearer in 9.");
    has(html, "this difference is the kernels', not the format's.");
    has(html, "Prefill speed: IQ is at 1.00 of K with the kernels ref,avx2, 1.00 of K with the "
              "kernels ref,avx2,avx512. No dependence");
    has(html, "Friedman's test");
    has(html, "Decode time: a straight line explains at least 90% of the variance in 6 of 6");
    has(html, "dense-29m, perplexity (prose.txt) against bits per weight: breaks at 4.00 bits");
    has(html, "+35.5% below"); /* exp(0.304) - 1 */
    has(html, "A smooth exponential fits worse.");
    has(html, "dense-29m against dense-8m in the same bytes stored: better in 10 of 10 types.");
    has(html, "moe-29m against dense-8m in the same bytes read for a token: better in ");
    has(html, "Decode time of moe-29m (29.0 M parameters, 12.0 M active per token)");
    has(html, "That is the place of a dense model of 12.0 M parameters.");
    has(html, "J = 6 \u00b1 ");
    has(html, " W of static power, 100 \u00b1 ");
    has(html, " pJ a byte read, 20 \u00b1 ");
    has(html, " pJ an int8 operation, 10 \u00b1 ");
    lacks(html, "What this study cannot say");
    if (cn_plot_possible(NULL)) {
        has(html, ">decode speed, tokens/s<");
        has(html, ">prefill speed, tokens/s<");
        has(html, ">J per run (boundary package, measured)<");
        has(html, ">decode energy, mJ/token (package)<");
        has(html, ">effective bits per weight<");
        has(html, ">perplexity<");
        has(html, ">MiB<");
        has(html, ">operations per byte of weights<");
        has(html, ">10\u2079 operations per second<");
        has(html, "limit: reading memory, int8 arithmetic</li>");
    }
    has(html, "c0ffee");
    has(html, "Q4_K 12"); /* tensors by type */
    has(html, "quants &lt;all&gt; &amp; more");
    free(html);
}

/* The page opens with a picture, then answers in words; the front is marked. */
static void test_opening(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 6,
        .n_tiers = 1,
        .n_blocks = 12,
        .measured = true,
        .quality = true,
        .iq_slow = {1.25, 1}
    });
    char *html = report();
    const char *short_ = strstr(html, "<h2>In short</h2>"),
               *findings = strstr(html, "<h2>Findings</h2>");
    const char *lead = strstr(html, "<p class=\"lead\">");
    assert_true(short_ && findings && lead && short_ < lead && lead < findings);
    if (cn_plot_possible(NULL)) {
        const char *picture = strstr(html, "<figure>");
        assert_true(short_ < picture && picture < lead);
        has(html, "What a token costs (energy) and how good the model is (less is better)");
        has(html, "</span> nothing here is both cheaper and better</li>");
        has(html, "</span> something here is both</li>");
    }
    has(html, "<p class=\"lead\">IQ4_XS needs 14% more energy per generated token than Q4_K_M (13 "
              "to 14%), p "
              "&lt; 0.001; it saves 2.7% of memory.</p>");
    has(html, "<p class=\"lead\">IQ4_XS generates tokens 15% slower than Q4_K_M (15 to 16%), p "
              "&lt; 0.001; its "
              "perplexity (prose.txt) is 29.27 instead of 29.23, where less is better.</p>");
    has(html, "<p class=\"lead\">Cheapest of all is Q3_K_M, best is Q8_0, which costs 1.6 times "
              "the energy per "
              "token");
    has(html, "quants &lt;all&gt;"); /* the plan's text has no question in it */
    lacks(html, "The plan asks");
    assert_int_equal(cn_count_of(html, "<td>\u25cf on it</td>"),
                     6); /* IQ4_XS has fewer bytes than Q4_K_M */
    has(html, ">decode, mJ/token<");
    free(html);
}

/* A third of the runs disturbed: said at the top, and below each comparison what is left without
 * them. */
static void test_disturbed(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 2,
        .n_tiers = 1,
        .single = true,
        .n_blocks = 24,
        .measured = true,
        .disturb = 3,
        .iq_slow = {1.25, 1}
    });
    char *html = report();
    const char *findings =
        strstr(html, "<h2>Findings</h2>\n<p class=\"warning\">32 of 96 runs were disturbed: 32 "
                     "times the CPU was throttled by heat, 16 times other programs kept cores "
                     "busy.");
    assert_non_null(findings);
    has(html, "<h2>In short</h2>\n<p class=\"warning\">32 of 96 runs were disturbed");
    /* 1.25 x the time, whatever was disturbed: 0.80 of the speed, but for the sampling. */
    has(html, "Without the 16 of 24 pairs in which a run was disturbed: 0.8");
    has(html, "before correction, from 8 pairs.");
    has(html, "Decode energy without the 16 of 24 pairs in which a run was disturbed: 1.1");
    free(html);
}

/* Joules that some runs lack are missing in a plot, which says so. */
static void test_missing_joules(void **state)
{
    struct cn_study_db *d;
    struct cn_error err = { "" };
    (void)state;
    if (!cn_plot_possible(NULL))
        skip();
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 3,
        .n_tiers = 1,
        .n_blocks = 4,
        .measured = true,
        .iq_slow = {1, 1}
    });
    assert_int_equal(cn_study_db_open(db, CN_STUDY_WRITE, &d, &err), CN_OK);
    assert_int_equal(
        cn_study_exec(
            d, &err,
            "UPDATE phases SET joules = NULL, status = 'unresolved' WHERE phase = "
            "'sample' OR phase = 'decode' AND run IN (SELECT run FROM runs WHERE cell = 2 "
            "AND block < 4)",
            ""),
        CN_OK);
    cn_study_db_close(d);
    char *html = report();
    has(html, "Without joules, and so not in it: dense-8m IQ4_XS decode (3 of 4 runs), every "
              "file's sample (12 "
              "of 12 runs).");
    has(html, "Without joules, and so not in it: dense-8m IQ4_XS (3 of 4 runs).");
    free(html);
}

/* What the data cannot support is named, not guessed. */
static void test_gaps(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1, .n_quants = 2, .n_tiers = 1, .n_blocks = 3, .iq_slow = {1.25, 1}
    });
    char *html = report();
    has(html, "What this study cannot say");
    has(html, "Energy is `unsupported` in 6 of 6 runs: no /sys/class/powercap: a virtual machine.");
    has(html, "Joules: unsupported: no /sys/class/powercap");
    has(html, "There are fewer than 6 blocks");
    has(html, "one choice of tiers only");
    has(html, "No model was measured in four quantisations or more.");
    has(html, "The plan measured no quality.");
    has(html, "No model of this study has experts.");
    has(html, "no limits of its devices");
    lacks(html, "slower");
    lacks(html, "J/token");
    free(html);
}

static void test_one_comparison(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1, .n_quants = 2, .n_tiers = 1, .n_blocks = 10, .iq_slow = {1.25, 1}
    });
    char *html = report();
    has(html,
        "dense-8m: IQ4_XS generates tokens 15% slower than Q4_K_M (15 to 16%), p = 0.002, r = "
        "-1.00.");
    has(html,
        "Decode speed, 4.88 against 5.27 bits per weight. Wilcoxon signed-rank on 10 pairs, each "
        "from one block: W = 0, rank-biserial r = -1.00, p after Holm over 1 comparison");
    /* Told at the top too, with what it saves. */
    has(html,
        "<p class=\"lead\">IQ4_XS generates tokens 15% slower than Q4_K_M (15 to 16%), p = 0.002; "
        "it saves 2.7% of memory.</p>");
    has(html,
        "What that means in energy is not known: no joules were measured, no /sys/class/powercap");
    lacks(html, "runs were disturbed");
    free(html);
}

static void test_threads(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 2,
        .n_tiers = 1,
        .single = true,
        .n_blocks = 6,
        .measured = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    /* 1 / 1.8, but for the 1 ms of sampling; prefill is the same with 1. */
    has(html, "Decode speed is best with 2 threads. Of that, 1 thread: 0.56 (90% interval 0.56 to "
              "0.57, p "
              "&lt; 0.001, r = -1.00)");
    has(html, "Decode energy (package by powercap:package, measured) is best with 2 threads.");
    has(html, "Pairs of one file and block, Wilcoxon signed-rank after Holm.");
    lacks(html, "1 threads");
    free(html);
}

static void change(const char *sql)
{
    struct cn_study_db *study;
    struct cn_error err = { "" };
    if (cn_study_db_open(db, CN_STUDY_WRITE, &study, &err) != CN_OK ||
        cn_study_exec(study, &err, sql, "") != CN_OK)
        fail_msg("%s: %s", sql, err.text);
    cn_study_db_close(study);
}

/* Three levers: guesses of the text are faster and cost more, those of a model are faster and
 * cheaper, and a low frequency is slower and cheaper. */
static void test_levers(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 4,
        .n_tiers = 1,
        .single = true,
        .n_blocks = 10,
        .measured = true,
        .iq_slow = {1, 1}
    });
    /* The second half of the cells had 1 thread, with which decode takes 1.8 times as long. */
    change("UPDATE cells SET threads = 2, lever = CASE file WHEN 1 THEN 'lookup 3' WHEN 2 THEN "
           "'draft small.gguf' WHEN 3 THEN '1200 MHz' ELSE NULL END, file = 1 WHERE threads = 1 "
           "AND file < 4");
    change("UPDATE runs SET decode_tps = decode_tps * (SELECT CASE lever WHEN 'lookup 3' THEN 2 "
           "WHEN 'draft small.gguf' THEN 2.5 ELSE 0.5 END FROM cells WHERE cells.cell = runs.cell) "
           "WHERE cell IN (SELECT cell FROM cells WHERE lever IS NOT NULL)");
    change("UPDATE phases SET joules = joules * (SELECT CASE lever WHEN 'lookup 3' THEN 1.5 WHEN "
           "'draft small.gguf' THEN 0.3 ELSE 0.2 END FROM cells JOIN runs USING (cell) WHERE "
           "runs.run = phases.run) WHERE run IN (SELECT run FROM runs JOIN cells USING (cell) "
           "WHERE lever IS NOT NULL) AND phase = 'decode'");
    char *html = report();
    has(html, "Which lever saves joules, which only seconds?");
    has(html, "Lookup 3 saves seconds, and costs joules: faster is not cheaper here: 1.1");
    has(html, "Draft small.gguf saves seconds and joules: 1.");
    has(html, "1200 MHz costs seconds and saves joules: 0.");
    has(html, "after Holm over the levers");
    /* The front has a mark for each. */
    has(html, ", lookup 3</li>");
    free(html);
}

/* A model whose tokens cost the same at any depth, against one of as many bytes that keeps a KV
 * cache. With 36.6 ms of decode and 1 of sampling: (1.8 x 36.6 + 1) / 37.6 = 1.78; the logarithm of
 * the ratio is -0.18 at 100 and 0.40 at 4100, and 0 at 1341. */
static void test_depths(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 2,
        .n_quants = 1,
        .n_tiers = 1,
        .depths = true,
        .flat = 1.2,
        .n_blocks = 12,
        .modelled = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    has(html,
        "Decode time of dense-8m Q4_K_M at depth 4100 is 1.78 times that at 100 (90% interval "
        "1.77 to 1.80). A token moves 1.74 times the bytes then: 5.0 MiB of weights, 3.9 of "
        "the KV cache, 0.0 of states.");
    has(html, "Decode time of dense-29m Q4_K_M at depth 4100 is 1.00 times that at 100");
    has(html, "Decode time of dense-29m Q4_K_M (5.0 MiB of weights for a token) against dense-8m "
              "Q4_K_M (5.0): better from a depth of about 13");
    has(html, " on; at 4100 it is at 0.67 of that (90% interval 0.67 to 0.68).");
    has(html, "At 4100, pairs of one block: n = 12, Wilcoxon p &lt; 0.001, r = -1.00.");
    has(html,
        "Decode energy (machine by model:5,20, modelled) of dense-29m Q4_K_M (5.0 MiB of "
        "weights for a token) against dense-8m Q4_K_M (5.0): better from a depth of about 12");
    /* They are of one speed there. */
    has(html, "Prefill speed of dense-29m Q4_K_M (5.0 MiB of weights for a token) against dense-8m "
              "Q4_K_M (5.0): no difference is shown at depths from 100 to 4100");
    lacks(html, "dense-8m Q4_K_M (5.0 MiB of weights for a token) against");
    has(html, "A token at each depth");
    lacks(html, "were not evaluated whole");
    free(html);

    make(&(struct study_shape){
        .n_models = 2,
        .n_quants = 1,
        .n_tiers = 1,
        .depths = true,
        .filled = 256,
        .n_blocks = 2,
        .iq_slow = {1, 1}
    });
    html = report();
    has(html,
        "Longer prompts were not evaluated whole: of 4100 tokens the last 256 are the prefill.");
    has(html, "Fewer than 6 blocks hold the same file at both ends of the depths.");
    free(html);

    /* Of one speed at 100. */
    make(&(struct study_shape){
        .n_models = 2,
        .n_quants = 1,
        .n_tiers = 1,
        .depths = true,
        .flat = 1,
        .n_blocks = 12,
        .iq_slow = {1, 1}
    });
    html = report();
    has(html, "Q4_K_M (5.0): better at 4100, and no difference is shown below; at 4100 it is at");
    free(html);
}

/* 8 M parameters in 8.5 bits are better than 29 M in 3.6; in 4.25 they are not. */
static void test_sizes(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 2,
        .n_quants = 10,
        .n_tiers = 1,
        .n_blocks = 1,
        .quality = true,
        .smooth = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    has(html,
        "dense-29m against dense-8m in the same bytes stored: better in 8 of 10 types, in all "
        "down to IQ3_S (4.25 bits, 14.7 MiB). In Q2_K (3.60 bits, 12.4 MiB) it is no better "
        "than dense-8m in Q8_0 (8.52 bits, 8.1 MiB).");
    has(html, "Models in the same bytes");
    if (cn_plot_possible(NULL))
        has(html, ">weights, MiB<");
    free(html);
}

/* Quality that falls off exponentially has no threshold, though two lines fit better than one. */
static void test_bend(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 10,
        .n_tiers = 1,
        .n_blocks = 1,
        .quality = true,
        .smooth = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    has(html, "against bits per weight: breaks at ");
    has(html, "But an exponential fits better: this is a smooth bend, not a threshold.");
    free(html);
}

/* Measured and modelled joules stand apart, each with its boundary. */
static void test_two_sources(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 4,
        .n_tiers = 1,
        .n_blocks = 6,
        .measured = true,
        .modelled = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    has(html, "<h3>package by powercap:package, measured</h3>");
    has(html, "<h3>machine by model:5,20, modelled</h3>");
    if (cn_plot_possible(NULL)) {
        has(html, ">decode energy, mJ/token (package)<");
        has(html, ">decode energy, mJ/token (machine, modelled)<");
        has(html, ">J per run (boundary machine, modelled)<");
    }
    lacks(html, "Joules, measured");
    free(html);
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 4,
        .n_tiers = 1,
        .n_blocks = 6,
        .modelled = true,
        .iq_slow = {1, 1}
    });
    html = report();
    has(html, "All joules here are modelled, none measured");
    lacks(html, ", measured</h3>");
    free(html);
}

static void test_hostile_texts(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 2,
        .n_quants = 5,
        .n_tiers = 2,
        .n_blocks = 6,
        .measured = true,
        .quality = true,
        .limits = true,
        .odd_names = true,
        .iq_slow = {1, 1}
    });
    char *html = report();
    lacks(html, "<script>alert");
    has(html, "&lt;script&gt;alert('x')&lt;/script&gt; &amp; &quot;co&quot;\xef\xbf\xbd");
    has(html, "<h1>Carnot: &lt;/title&gt;&lt;b&gt;odd</h1>");
    free(html);
}

static void test_nothing_ran(void **state)
{
    (void)state;
    make(&(struct study_shape){ .n_models = 1, .n_quants = 2, .n_tiers = 1, .n_blocks = 0 });
    char *html = report();
    has(html, "0 runs planned");
    lacks(html, "<figure>");
    free(html);
}

static void test_without_gnuplot(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 1,
        .n_quants = 5,
        .n_tiers = 1,
        .n_blocks = 6,
        .measured = true,
        .iq_slow = {1, 1}
    });
    const char *path = getenv("PATH");
    char *old = strdup(path ? path : "");
    setenv("PATH", "/nowhere", 1);
    char *html = report();
    setenv("PATH", old, 1);
    free(old);
    has(html, "gnuplot is missing");
    lacks(html, "<svg");
    lacks(html, "this plot is missing");
    assert_true(cn_count_of(html, "<table>") > 5);
    free(html);
}

static void test_not_a_study(void **state)
{
    (void)state;
    struct cn_report_made made;
    struct cn_error err = { "" };
    FILE *f = fopen(db, "w");
    assert_non_null(f);
    fputs("not a database at all, but long enough to be mistaken for the header of one: "
          "0123456789012345678901234567890123456789",
          f);
    fclose(f);
    assert_int_not_equal(cn_report_study(db, page, &made, &err), CN_OK);
    make(&(struct study_shape){ .n_models = 1, .n_quants = 1, .n_tiers = 1, .n_blocks = 1 });
    struct cn_study_db *open;
    assert_int_equal(cn_study_db_open(db, CN_STUDY_WRITE, &open, &err), CN_OK);
    assert_int_equal(cn_study_exec(open, &err, "DROP TABLE phases", ""), CN_OK);
    cn_study_db_close(open);
    unlink(page);
    err.text[0] = 0;
    assert_int_not_equal(cn_report_study(db, page, &made, &err), CN_OK);
    assert_non_null(strstr(err.text, "phases"));
    assert_null(strchr(err.text, '\n'));
    assert_int_not_equal(access(page, F_OK), 0);
}

/* CPU time, so that a busy machine does not fail it. */
static void test_two_thousand_runs(void **state)
{
    (void)state;
    make(&(struct study_shape){
        .n_models = 3,
        .n_quants = 10,
        .n_tiers = 2,
        .n_blocks = 34,
        .measured = true,
        .quality = true,
        .limits = true,
        .iq_slow = {1.25, 0.97}
    });
    clock_t start = clock();
    char *html = report();
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("2040 runs: %.2f s of CPU time, %.1f MiB\n", seconds, (double)strlen(html) / (1 << 20));
    assert_true(seconds < 10);
    has(html, "2040 done");
    assert_true(cn_count_of(html, "<tr>") > 2040);
    free(html);
}

static const char table[] = "[{\"model\": \"a <b>\", \"file_type\": \"Q4_K\", \"bpw\": 4.5, "
                            "\"test\": \"decode\", \"tps_median\": 1234.56789, \"tps_lo\": 1200, "
                            "\"tps_hi\": 1300, \"j_per_token\": null},\n"
                            "{\"model\": \"c\", \"other\": 1, \"bpw\": 8.5}]\n";

static void test_tables(void **state)
{
    (void)state;
    struct cn_error err = { "" };
    struct cn_report_made made;
    struct cn_report_text tables[] = {
        {"x/models.json", table, sizeof table - 1}
    };
    assert_int_equal(cn_report_tables(tables, 1, "carnot 0.1\n<tiers>", page, &made, &err), CN_OK);
    char *html = read_page();
    has(html, "<h2>Models</h2>");
    has(html, "<pre>carnot 0.1\n&lt;tiers&gt;</pre>");
    has(html, "<td>a &lt;b&gt;</td><td>Q4_K</td><td class=\"n\">4.5</td>");
    has(html, "<td class=\"n\">1235</td>");
    has(html, "<th>other</th>");
    if (cn_plot_possible(NULL))
        has(html, ">decode, tokens/s<");
    free(html);
    tables[0].text = "[1, 2]";
    tables[0].n = 6;
    assert_int_equal(cn_report_tables(tables, 1, NULL, page, &made, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "x/models.json"));
}

/* The page of these tables, which the caller frees. */
static char *page_of(const struct cn_report_text *tables, size_t n)
{
    struct cn_report_made made = { 0 };
    struct cn_error err = { "" };
    assert_int_equal(cn_report_tables(tables, n, NULL, page, &made, &err), CN_OK);
    return read_page();
}

/* What is furthest from its bound is the first that is said, of those that anybody waits for: not
 * ref, and not the gemm of one token where gemv is faster. */
static void test_kernels(void **state)
{
    static const char kernels[] =
        "format,tier,job,rows,cols,tokens,threads,cache,gbps,weights_per_s,cycles_per_256,read_"
        "gbps,"
        "int8_gops,bound_by,bound_share\n"
        "q4_k,ref,gemv,2048,8192,1,1,memory,0.2,4e8,1500,30,5,int8,0.13\n"
        "q4_k,avx2,gemv,2048,8192,1,1,memory,20,3.5e10,25,30,180,read,0.66\n"
        "q4_k,avx2,gemm,2048,8192,1,1,memory,3,5e9,120,30,180,read,0.10\n"
        "q4_k,avx2,gemm,2048,8192,64,1,memory,0.5,6e10,12,30,180,int8,0.67\n"
        "iq3_s,avx2,gemv,2048,8192,1,1,memory,5,1.2e10,70,30,180,read,0.17\n"
        "iq3_s,avx2,unpack,2048,8192,1,1,memory,3,7e9,90,30,180,read,0.30\n";
    static const char against[] =
        "format,tier,job,threads,against,metric,rounds,ratio,ratio_lo,ratio_hi,margin,verdict,"
        "sentence\n"
        "q4_k,avx2,gemv,1,old,weights_per_s,15,0.88,0.86,0.9,0.05,slower,12.0% slower than old\n"
        "q4_k,avx2,gemm,1,old,weights_per_s,15,1,0.99,1.01,0.05,equivalent,equivalent to old\n";
    (void)state;
    const struct cn_report_text tables[] = {
        {"kernels.csv",  kernels, sizeof kernels - 1},
        { "against.csv", against, sizeof against - 1},
    };
    char *html = page_of(tables, 2);
    has(html,
        "Furthest from its bound of the products: iq3_s avx2 gemv, at 17% of what read allows "
        "(2048 x 8192, 1 thread, from memory). Nearest: q4_k avx2 gemm 64, at 67%.");
    has(html, "iq3_s avx2 unpack runs at 30% of what read allows");
    has(html, "Against old: 1 slower, 0 faster, 1 equivalent, 0 undecided.");
    has(html, "q4_k avx2 gemv: 12.0% slower than old.");
    if (cn_plot_possible(NULL)) {
        has(html, "Products, furthest from their bound first");
        has(html, "GB/s of gemv, 2048 x 8192, 1 thread, from memory");
        has(html, "Roofline, 2048 x 8192, 1 thread, from memory");
        has(html, "Where gemv and gemm meet");
        has(html, "Old against new");
    }
    free(html);
}

/* Three lengths of a prefill make a plot for each model, with the limits only where decode says the
 * first of them; two lengths make none. */
static void test_batches(void **state)
{
    static const char batches[] =
        "model,threads,test,draft,n_tokens,lanes,depth,tps_median,tps_lo,tps_hi\n"
        "x/a.gguf,2,prefill,,1,,0,19,18,20\n"
        "x/a.gguf,2,prefill,,4,,0,60,50,70\n"
        "x/a.gguf,2,prefill,,16,,0,100,90,110\n"
        "x/a.gguf,2,decode,,24,1,0,20,19,21\n"
        "x/a.gguf,2,decode,,24,4,0,70,69,71\n"
        "b.gguf,1,prefill,,1,,0,19,18,20\n"
        "b.gguf,1,prefill,,4,,0,60,50,70\n"
        "b.gguf,1,prefill,,16,,0,100,90,110\n"
        "c.gguf,1,prefill,,1,,0,19,18,20\n"
        "c.gguf,1,prefill,,4,,0,60,50,70\n"
        "c.gguf,1,decode,guess,24,1,0,60,50,70\n";
    (void)state;
    if (!cn_plot_possible(NULL))
        skip();
    const struct cn_report_text bench = { "bench.csv", batches, strlen(batches) };
    char *html = page_of(&bench, 1);
    has(html, "Tokens at once: a.gguf, 2 threads");
    has(html, "Tokens at once: b.gguf, 1 thread<");
    assert_null(strstr(html, "Tokens at once: c.gguf"));
    assert_int_equal(cn_count_of(html, "sequences decoded together"), 1);
    assert_int_equal(cn_count_of(html, "n times decode, and the largest prefill"), 1);
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings),       cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_one_comparison), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_levers),         cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_depths),         cmocka_unit_test(test_bend),
        cmocka_unit_test(test_two_sources),    cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_nothing_ran),    cmocka_unit_test(test_without_gnuplot),
        cmocka_unit_test(test_not_a_study),    cmocka_unit_test(test_two_thousand_runs),
        cmocka_unit_test(test_tables),         cmocka_unit_test(test_opening),
        cmocka_unit_test(test_disturbed),      cmocka_unit_test(test_missing_joules),
        cmocka_unit_test(test_kernels),        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
