/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"

/* Examples of FIPS 180-4, and a million times 'a'. */
static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char of_million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void published_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"",                                                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        { "abc",                                                      of_abc                                                            },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"                                                             },
    };
    char hex[CN_SHA256_HEX];
    struct cn_sha256 h;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cn_sha256_begin(&h);
        cn_sha256_add(&h, cases[i].text, strlen(cases[i].text));
        cn_sha256_end(&h, hex);
        assert_string_equal(hex, cases[i].hex);
    }
    /* In pieces of every length. */
    char as[997];
    memset(as, 'a', sizeof as);
    cn_sha256_begin(&h);
    for (size_t n = 0, take = 1; n < 1000000; n += take, take = take % sizeof as + 1) {
        take = take < 1000000 - n ? take : 1000000 - n;
        cn_sha256_add(&h, as, take);
    }
    cn_sha256_end(&h, hex);
    assert_string_equal(hex, of_million);
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static void of_files(void **state)
{
    (void)state;
    char path[64], hex[CN_SHA256_HEX];
    struct cn_error err = { "" };
    snprintf(path, sizeof path, "/tmp/carnot-sha256-%ld", (long)getpid());
    FILE *f = fopen(path, "w");
    fputs("abc", f);
    fclose(f);
    assert_int_equal(cn_sha256_file(path, NULL, NULL, hex, &err), CN_OK);
    assert_string_equal(hex, of_abc);
    assert_int_equal(cn_sha256_file(path, at_once, NULL, hex, &err), CN_ERR_CANCELLED);
    unlink(path);
    assert_int_equal(cn_sha256_file(path, NULL, NULL, hex, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
