/* SPDX-License-Identifier: MIT */
#include "base/file_kind.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void test_kinds(void **state)
{
    (void)state;
#define BYTES(s) s, sizeof s - 1
    static const struct {
        const char *bytes;
        size_t n;
        enum cn_file_kind kind;
    } cases[] = {
        {BYTES(""),                                                                           CN_FILE_NOTHING },
        { BYTES("GGUF\3\0\0\0"),                                                              CN_FILE_MODEL   },
        { BYTES("GGUF"),                                                                      CN_FILE_MODEL   },
        { BYTES("GGUF\3\0\0\0\14\0\0\0\0\0\0\0general.type\10\0\0\0\7\0\0\0\0\0\0\0imatrix"),
         CN_FILE_IMATRIX                                                                                      },
        { BYTES("GGUF\3\0\0\0\14\0\0\0\0\0\0\0general.type\10\0\0\0\5\0\0\0\0\0\0\0model"),
         CN_FILE_MODEL                                                                                        },
        { BYTES("_logits_\0\1"),                                                              CN_FILE_BASE    },
        { BYTES("carnot session\n\0\1"),                                                      CN_FILE_SESSION },
        { BYTES("SQLite format 3\0"),                                                         CN_FILE_DATABASE},
        { BYTES("\n <!DOCTYPE html><p>"),                                                     CN_FILE_PAGE    },
        { BYTES("<table>\n"),                                                                 CN_FILE_TEXT    },
        { BYTES("{\"phase\": 1}\n"),                                                          CN_FILE_TEXT    },
        { BYTES("na\xc3\xafve \xff text with \1 one odd byte"),                               CN_FILE_TEXT    },
        { BYTES("a text\0"),                                                                  CN_FILE_DATA    },
        { BYTES("\x3f\x80\x9c\x12\xbf\x11\xe2\x90\x3d\xfa\x8e\x01"),                          CN_FILE_DATA    },
    };
#undef BYTES
    char path[] = "/tmp/file_kind_test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(path, cases[i].bytes, cases[i].n);
        if (cn_file_kind_of(path) != cases[i].kind)
            fail_msg("case %zu: kind %d, expected %d", i, (int)cn_file_kind_of(path),
                     (int)cases[i].kind);
    }
    struct cn_error err = { "" };
    assert_int_equal(cn_file_kind_check(path, CN_FILE_DATA, &err), CN_OK);
    assert_int_equal(cn_file_kind_check(path, CN_FILE_MODEL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, path));
    unlink(path);
    assert_int_equal(cn_file_kind_check(path, CN_FILE_MODEL, &err), CN_OK);
    assert_int_equal(cn_file_kind_of("/"), CN_FILE_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
