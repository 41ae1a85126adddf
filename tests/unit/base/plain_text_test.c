/* SPDX-License-Identifier: MIT */
#include "base/plain_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_plain(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"",                               ""               },
        { "a\nb",                          "a\nb"           },
        { "a\r\nb\r\n",                    "a\nb\n"         },
        { "\xef\xbb\xbf",                  ""               },
        { "\xef\xbb\xbf"
          "a\xef\xbb\xbf",        "a\xef\xbb\xbf"  },
        { "\xef\xbb",                      "\xef\xbb"       },
        { "\r\r\n\n\r",                    "\r\n\n\r"       },
        { "\xef\xbb\xbf\xef\xbb\xbf\r\nx", "\xef\xbb\xbf\nx"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i][0]);
        char *text = malloc(n + 1);
        memcpy(text, cases[i][0], n + 1);
        n = cn_plain_text(text, n);
        assert_int_equal(n, strlen(cases[i][1]));
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
    char zero[] = { 0, '\r', '\n', 0 }; /* NUL is a byte like others */
    assert_int_equal(cn_plain_text(zero, 4), 3);
    assert_memory_equal(zero, "\0\n\0", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_plain) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
