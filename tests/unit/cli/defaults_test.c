/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

#define MODEL "models/prose-8m-f16.gguf"

static char dir[] = "/tmp/carnot-defaults-XXXXXX";

static void test_default_model(void **state)
{
    (void)state;
    unsetenv("CARNOT_MODEL");
    /* Nothing here, nothing beside this test: still a path to name in the message. */
    assert_string_equal(cn_default_model(), MODEL);

    setenv("CARNOT_MODEL", "/some/where.gguf", 1);
    assert_string_equal(cn_default_model(), "/some/where.gguf");
    setenv("CARNOT_MODEL", "", 1);
    assert_string_equal(cn_default_model(), MODEL);
    unsetenv("CARNOT_MODEL");
}

/* Where the file is, a copy of this program that is told to print the path finds it. */
static void expect_found(const char *program, const char *model)
{
    char text[256] = "", command[256], expected[256];
    FILE *f = fopen(model, "w");
    assert_non_null(f);
    fclose(f);
    /* Not from `dir`: models/ of the current directory comes first. */
    snprintf(command, sizeof command, "cd / && %s/%s print", dir, program);
    f = popen(command, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_int_equal(pclose(f), 0);
    assert_true(snprintf(expected, sizeof expected, "%s", model) > 0);
    char *found = realpath(text, NULL), *real = realpath(expected, NULL);
    assert_non_null(found);
    assert_non_null(real);
    assert_string_equal(found, real);
    free(found);
    free(real);
    assert_int_equal(unlink(model), 0);
}

static void test_beside_the_program(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command,
             "mkdir -p build/any models build/any/models bin share/carnot && cp /proc/%d/exe "
             "build/any/carnot && cp build/any/carnot bin/",
             (int)getpid());
    assert_int_equal(system(command), 0);
    expect_found("build/any/carnot", MODEL);
    expect_found("build/any/carnot", "build/any/" MODEL);
    expect_found("bin/carnot", "share/carnot/prose-8m-f16.gguf");
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return chdir("/") == 0 ? system(command) : -1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "print") == 0) {
        fputs(cn_default_model(), stdout);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_model),
        cmocka_unit_test(test_beside_the_program),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
