/* SPDX-License-Identifier: MIT */
#include "base/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        uint32_t cp;
        enum cn_uclass class;
    } known[] = {
        {0x00,        CN_U_NONE },
        { 'A',        CN_U_LU   },
        { 'z',        CN_U_LL   },
        { '5',        CN_U_ND   },
        { ' ',        CN_U_SPACE},
        { '\t',       CN_U_SPACE},
        { '\r',       CN_U_SPACE},
        { '!',        CN_U_P    },
        { '_',        CN_U_PC   },
        { '$',        CN_U_S    },
        { '^',        CN_U_S    },
        { 0x7f,       CN_U_NONE },
        { 0x85,       CN_U_SPACE},
        { 0xa0,       CN_U_SPACE},
        { 0xaa,       CN_U_LO   },
        { 0xad,       CN_U_NONE },
        { 0xb2,       CN_U_NO   },
        { 0xbd,       CN_U_NO   },
        { 0xc9,       CN_U_LU   },
        { 0xe9,       CN_U_LL   },
        { 0x1c5,      CN_U_LT   },
        { 0x2b0,      CN_U_LM   },
        { 0x301,      CN_U_M    },
        { 0x3a9,      CN_U_LU   },
        { 0x627,      CN_U_LO   },
        { 0x663,      CN_U_ND   },
        { 0x93f,      CN_U_M    },
        { 0x200b,     CN_U_NONE },
        { 0x200d,     CN_U_NONE },
        { 0x2014,     CN_U_P    },
        { 0x2028,     CN_U_SPACE},
        { 0x203f,     CN_U_PC   },
        { 0x20ac,     CN_U_S    },
        { 0x2167,     CN_U_NL   },
        { 0x2581,     CN_U_S    },
        { 0x3000,     CN_U_SPACE},
        { 0x4e2d,     CN_U_LO   },
        { 0x9fff,     CN_U_LO   },
        { 0xac00,     CN_U_LO   },
        { 0xd7a3,     CN_U_LO   },
        { 0xd800,     CN_U_NONE },
        { 0xe000,     CN_U_NONE },
        { 0xfeff,     CN_U_NONE },
        { 0xfffd,     CN_U_S    },
        { 0xffff,     CN_U_NONE },
        { 0x1f600,    CN_U_S    },
        { 0x20000,    CN_U_LO   },
        { 0x2a6df,    CN_U_LO   },
        { 0x2a6e0,    CN_U_NONE },
        { 0xe0100,    CN_U_M    },
        { 0x10ffff,   CN_U_NONE },
        { 0x110000,   CN_U_NONE },
        { UINT32_MAX, CN_U_NONE },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (cn_unicode_class(known[i].cp) != known[i].class)
            fail_msg("U+%04X: class %d, expected %d", known[i].cp,
                     (int)cn_unicode_class(known[i].cp), (int)known[i].class);
}

static void test_tables(void **state)
{
    (void)state;
    assert_int_equal(cn_unicode_ranges[0], 0);
    for (size_t i = 0; i < cn_n_unicode_ranges; i++) {
        assert_in_range(cn_unicode_ranges[i] & 15, CN_U_NONE, CN_U_PC);
        assert_true(cn_unicode_ranges[i] >> 4 < 0x110000);
        if (i == 0)
            continue;
        assert_true(cn_unicode_ranges[i] >> 4 > cn_unicode_ranges[i - 1] >> 4);
        assert_int_not_equal(cn_unicode_ranges[i] & 15, cn_unicode_ranges[i - 1] & 15);
    }
    /* The table of ASCII says what the ranges say. */
    size_t range = 0;
    for (uint32_t cp = 0; cp < 128; cp++) {
        while (cn_unicode_ranges[range + 1] >> 4 <= cp)
            range++;
        assert_int_equal(cn_unicode_ascii[cp], cn_unicode_ranges[range] & 15);
    }
    /* Counted in the database: letters of Unicode 15.0. */
    size_t n_letters = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++)
        n_letters += cn_unicode_class(cp) >= CN_U_LU && cn_unicode_class(cp) <= CN_U_LO;
    assert_int_equal(n_letters, 136104);
}

/* The committed tables are what the script makes of the database installed here, if it is. */
static void test_generated(void **state)
{
    (void)state;
    static const char *const database = "/usr/share/unicode/PropList.txt";
    FILE *f = fopen(database, "r");
    char line[256] = "";
    bool same_version = f && fgets(line, sizeof line, f) && strstr(line, "15.0.0");
    if (f)
        fclose(f);
    if (!same_version) {
        printf("SKIPPED: no Unicode 15.0.0 in %s (package unicode-data)\n", database);
        skip();
    }
    assert_int_equal(system("scripts/unicode.sh | cmp -s - base/unicode_tables.c"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_generated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
