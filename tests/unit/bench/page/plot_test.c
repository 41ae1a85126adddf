/* SPDX-License-Identifier: MIT */
#include "bench/page/plot.h"
#include "tests/html_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

/* What is drawn, which the caller frees; the plot is freed. NULL if it cannot be drawn. */
static char *drawn(struct cn_plot *p, const char *id)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    bool ok = cn_plot_write(p, id, "title & more", out);
    assert_int_equal(fclose(out), 0);
    cn_plot_free(p);
    if (!ok) {
        assert_int_equal(n, 0);
        free(text);
        return NULL;
    }
    const char *at, *fault = cn_html_fault(text, &at);
    if (fault)
        fail_msg("%s: %.80s", fault, at);
    return text;
}

static bool no_gnuplot(void)
{
    if (!cn_plot_missing())
        return false;
    printf("SKIPPED: gnuplot is not installed\n");
    return true;
}

static void test_points(void **state)
{
    (void)state;
    if (no_gnuplot())
        skip();
    struct cn_plot *p = cn_plot_create("bits per weight", "energy, J/token");
    cn_plot_series(p, CN_PLOT_POINTS, "black \"m\" 'n' `id` <&\xff", NULL);
    cn_plot_point(p, 4.5, 0.2, 0.1, 0.3, "Q4_K'; set output; #");
    cn_plot_point(p, 8.5, 0.4, (double)NAN, (double)NAN, "a \"black\" label");
    cn_plot_point(p, (double)NAN, 0.4, (double)NAN, (double)NAN, "never");
    cn_plot_series(p, CN_PLOT_LINE, "fit", "black \"m\" 'n' `id` <&\xff");
    cn_plot_point(p, 4, 0.1, (double)NAN, (double)NAN, NULL);
    cn_plot_point(p, 9, 0.5, (double)NAN, (double)NAN, NULL);
    cn_plot_series(p, CN_PLOT_VERTICAL, "threshold", NULL);
    cn_plot_point(p, 5, 0, (double)NAN, (double)NAN, NULL);
    cn_plot_series(p, CN_PLOT_POINTS, "nothing in it", NULL);
    assert_int_equal(cn_plot_count(p), 4);
    char *svg = drawn(p, "plot7");
    assert_non_null(svg);
    assert_non_null(strstr(svg, "aria-label=\"title &amp; more\""));
    assert_non_null(strstr(svg, ">bits per weight<"));
    assert_non_null(strstr(svg, ">energy, J/token<"));
    assert_non_null(strstr(svg, "<li><span style=\"color: var(--s1)\">\u25cf</span> "
                                "black &quot;m&quot; 'n' `id` &lt;&amp;\xef\xbf\xbd</li>"));
    assert_non_null(strstr(svg, "var(--s1)\">\u254c</span> fit")); /* the colour of its points */
    assert_non_null(strstr(svg, "var(--s2)\">\u2506</span> threshold"));
    assert_null(strstr(svg, "nothing in it"));
    assert_non_null(strstr(svg, "Q4_K\u2019; set output; #"));
    assert_non_null(strstr(svg, "a \u201dblack\u201d label"));
    assert_null(strstr(svg, "never"));
    /* Colours are those of the page, names those of the plot. */
    assert_null(strstr(svg, "rgb("));
    assert_null(strstr(svg, "'black'"));
    assert_null(strstr(svg, "#gp"));
    assert_non_null(strstr(svg, "href='#plot7-Pt"));
    free(svg);
}

static void test_rows(void **state)
{
    (void)state;
    if (no_gnuplot())
        skip();
    struct cn_plot *p = cn_plot_create("energy per run, J", "configuration");
    cn_plot_from_zero(p);
    assert_int_equal(cn_plot_row(p, "first"), 0);
    assert_int_equal(cn_plot_row(p, "a name that is much too long for the margin of a plot"), 1);
    cn_plot_series(p, CN_PLOT_BARS, "prefill", NULL);
    cn_plot_point(p, 0, 0, 0, 3, NULL);
    cn_plot_series(p, CN_PLOT_BARS, "decode", NULL);
    cn_plot_point(p, 0, 0, 3, 9, NULL);
    cn_plot_series(p, CN_PLOT_DOTS, "median", NULL);
    cn_plot_point(p, 4, 1, 3, 5, NULL);
    cn_plot_note(p, "once");
    cn_plot_note(p, "without <these>");
    char *svg = drawn(p, "a");
    assert_non_null(svg);
    assert_non_null(strstr(svg, "<p class=\"note\">without &lt;these&gt;</p>"));
    assert_null(strstr(svg, "once"));
    assert_non_null(strstr(svg, ">first<"));
    assert_non_null(strstr(svg, ">a name that is much too long for t\u2026<"));
    assert_non_null(strstr(svg, ">0<")); /* the axis starts there */
    assert_non_null(strstr(svg, "var(--s3)\">\u25b2</span> median"));
    free(svg);
}

static void test_logarithmic(void **state)
{
    (void)state;
    if (no_gnuplot())
        skip();
    struct cn_plot *p = cn_plot_create("x", "y");
    cn_plot_log(p, true, true);
    cn_plot_series(p, CN_PLOT_POINTS, "s", NULL);
    cn_plot_point(p, 0, 1, (double)NAN, (double)NAN, NULL);
    cn_plot_point(p, 1, -1, (double)NAN, (double)NAN, NULL);
    assert_int_equal(cn_plot_count(p), 0);
    cn_plot_point(p, 1e-3, 1e6, 0, 2e6, NULL); /* an interval that no such axis can show */
    assert_int_equal(cn_plot_count(p), 1);
    char *svg = drawn(p, "a");
    assert_non_null(svg);
    free(svg);
}

static void test_extremes(void **state)
{
    (void)state;
    if (no_gnuplot())
        skip();
    struct cn_plot *p = cn_plot_create("x", "y");
    for (int s = 0; s < CN_PLOT_SERIES + 3; s++) {
        char title[16];
        snprintf(title, sizeof title, "series %d", s);
        cn_plot_series(p, CN_PLOT_POINTS, title, NULL);
        cn_plot_point(p, 0, 0, (double)NAN, (double)NAN, "same");
    }
    cn_plot_point(p, 1e300, -1e300, (double)NAN, (double)NAN, NULL);
    char *svg = drawn(p, "a");
    assert_non_null(svg);
    /* What has no room at its point stands in the legend under a number. */
    int with_room = cn_count_of(svg, ">same<");
    assert_true(with_room >= 1 && with_room <= 4);
    assert_int_equal(cn_count_of(svg, "</span> same</li>"), CN_PLOT_SERIES + 3 - with_room);
    assert_int_equal(cn_count_of(svg, "<li>"), 2 * CN_PLOT_SERIES + 3 - with_room);
    assert_non_null(strstr(svg, ">1<"));
    free(svg);
}

static void test_nothing(void **state)
{
    (void)state;
    struct cn_plot *p = cn_plot_create("x", "y");
    cn_plot_series(p, CN_PLOT_VERTICAL, "a line alone", NULL);
    cn_plot_point(p, 1, 0, (double)NAN, (double)NAN, NULL);
    assert_int_equal(cn_plot_count(p), 0);
    assert_null(drawn(p, "a"));
    cn_plot_free(NULL);
}

static void test_missing(void **state)
{
    (void)state;
    const char *path = getenv("PATH");
    char *old = strdup(path ? path : "");
    setenv("PATH", "/nowhere", 1);
    const char *line = cn_plot_missing();
    assert_non_null(line);
    assert_non_null(strstr(line, "gnuplot"));
    struct cn_plot *p = cn_plot_create("x", "y");
    cn_plot_series(p, CN_PLOT_POINTS, "s", NULL);
    cn_plot_point(p, 1, 1, (double)NAN, (double)NAN, NULL);
    assert_null(drawn(p, "a"));
    setenv("PATH", old, 1);
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),      cmocka_unit_test(test_rows),
        cmocka_unit_test(test_logarithmic), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_nothing),     cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
