/* SPDX-License-Identifier: MIT */
#include "base/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

static void expect(const char *text, const char *expected)
{
    char *got = NULL;
    size_t n;
    FILE *out = open_memstream(&got, &n);
    assert_non_null(out);
    cn_html_text(text, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(got, expected);
    free(got);
}

static void test_markup(void **state)
{
    (void)state;
    expect("", "");
    expect("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;");
    expect("</script><script>", "&lt;/script&gt;&lt;script&gt;");
    expect("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80\n\t.",
           "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80\n\t.");
}

static void test_no_text(void **state)
{
    (void)state;
    expect("a\xff"
           "b",
           "a\xef\xbf\xbd"
           "b");
    expect("\xc3", "\xef\xbf\xbd");                 /* cut short */
    expect("\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"); /* '<' the long way */
    expect("\x01\x1b\x7f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    expect("\xc2\x85\xef\xbf\xbe", "\xef\xbf\xbd\xef\xbf\xbd"); /* U+0085, U+FFFE */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup),
        cmocka_unit_test(test_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
