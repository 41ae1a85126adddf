/* SPDX-License-Identifier: MIT */
#include "bench/page/page.h"
#include "bench/page/page_style.h"
#include "tests/html_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

/* The page as it is saved, which the caller frees; the page itself is freed. */
static char *saved(struct cn_page *p)
{
    char path[] = "/tmp/carnot-page-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cn_page_save(p, path, NULL), CN_OK);
    cn_page_free(p);
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    assert_true(getdelim(&text, &room, 0, f) > 0);
    fclose(f);
    unlink(path);
    return text;
}

static void expect_sound(const char *html)
{
    const char *at, *fault = cn_html_fault(html, &at);
    if (fault)
        fail_msg("%s: %.80s", fault, at);
}

/* The check itself has to find what it is there for. */
static void test_check(void **state)
{
    (void)state;
    assert_null(cn_html_fault("<p class=\"a\">x &lt; y<br></p>", NULL));
    static const char *const bad[] = {
        "<p>x",
        "<p>x</b></p>",
        "x</p>",
        "a < b",
        "a & b",
        "<a href=\"http://x.org\">x</a>",
        "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
        "<script src=\"x.js\"></script>",
        "<style>@import 'x';</style>",
        "<p id=\"a\">x</p><p id=\"a\">y</p>",
        "<p class=\"a>x</p>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(cn_html_fault(bad[i], NULL));
}

static void test_parts(void **state)
{
    (void)state;
    struct cn_page *p = cn_page_create("A <title> & \"more\"");
    assert_non_null(p);
    cn_page_text(p, "before any chapter");
    cn_page_section(p, "findings", "Findings");
    cn_page_finding(p, "first", "p = 0.01");
    cn_page_finding(p, "second", "p < 0.001");
    cn_page_section(p, "raw", "Raw <table>");
    cn_page_heading(p, "Part");
    cn_page_note(p, "%d of %s", 5, "<all>");
    struct cn_table *t = cn_table_create("runs");
    cn_table_column(t, "m", "model", -1);
    cn_table_column(t, "x", "x, J", 2);
    cn_table_column(t, "hidden", NULL, 2);
    cn_table_row(t);
    cn_table_str(t, "m", "<img src=x onerror=alert(1)>\xff");
    cn_table_f64(t, "x", 1.5);
    cn_table_row(t);
    cn_table_null(t, "x", "unsupported");
    cn_page_table(p, t, true);
    cn_table_free(t);
    char *html = saved(p);
    expect_sound(html);
    assert_non_null(strstr(html, "<title>A &lt;title&gt; &amp; &quot;more&quot;</title>"));
    assert_int_equal(cn_count_of(html, "<ol "), 1); /* neighbours share it */
    assert_int_equal(cn_count_of(html, "<li>"), 2);
    assert_non_null(strstr(html, "<a href=\"#raw\">Raw &lt;table&gt;</a>"));
    assert_non_null(strstr(html, "<section id=\"raw\">"));
    assert_non_null(strstr(html, "<p class=\"note\">5 of &lt;all&gt;</p>"));
    assert_non_null(strstr(html, "<td>&lt;img src=x onerror=alert(1)&gt;\xef\xbf\xbd</td>"
                                 "<td class=\"n\">1.50</td>"));
    assert_non_null(strstr(html, "<td>unsupported</td>"));
    assert_null(strstr(html, "hidden</th>"));
    assert_non_null(strstr(html, "class=\"scroll sortable\""));
    assert_non_null(strstr(html, "prefers-color-scheme: dark"));
    assert_non_null(strstr(html, "@media print"));
    free(html);
}

static void test_cannot_save(void **state)
{
    (void)state;
    struct cn_error err = { "" };
    struct cn_page *p = cn_page_create("x");
    assert_int_equal(cn_page_save(p, "/nowhere/at/all.html", &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "/nowhere/at/all.html"));
    cn_page_free(p);
    cn_page_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_cannot_save),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
