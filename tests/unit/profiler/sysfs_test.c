/* SPDX-License-Identifier: MIT */
#include "profiler/sysfs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static void test_numbers_and_lines(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024], text[32];
    int64_t v = 7;
    static const struct {
        const char *text;
        int error;
        int64_t value;
    } files[] = {
        {"42\n",                   0,        42       },
        { "-5",                    0,        -5       },
        { "42\n999\n",             0,        42       },
        { "42  \n",                0,        42       },
        { "9223372036854775807\n", 0,        INT64_MAX},
        { "",                      -ENODATA, 0        },
        { "\n",                    -ENODATA, 0        },
        { "9223372036854775808\n", -EINVAL,  0        },
        { "0x10\n",                -EINVAL,  0        },
        { "1.5\n",                 -EINVAL,  0        },
        { "none\n",                -EINVAL,  0        }
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tree_write(&t, "f", "%s", files[i].text);
        tree_path(&t, "f", path);
        v = 7;
        assert_int_equal(cn_sysfs_i64_at(path, &v), files[i].error);
        assert_int_equal(v, files[i].error ? 7 : files[i].value);
    }
    tree_write(&t, "f", "package-0 \t\nmore\n");
    assert_int_equal(cn_sysfs_text_at(path, text, sizeof text), 9);
    assert_string_equal(text, "package-0");
    assert_int_equal(cn_sysfs_i64_at("/nonexistent/f", &v), -ENOENT);
    assert_int_equal(cn_sysfs_i64_at(t.root, &v), -EISDIR);
    assert_int_equal(cn_sysfs_i64_at("/dev/zero", &v), -EINVAL); /* never waits, never floods */
    tree_chmod(&t, "f", 0);
    assert_int_equal(cn_sysfs_i64_at(path, &v), -EACCES);
    tree_remove(&t);
}

static void test_a_kept_file_follows_a_rename(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024], other[1024];
    tree_write(&t, "f", "1\n");
    tree_path(&t, "f", path);
    tree_path(&t, "g", other);
    struct cn_sysfs_file f;
    int64_t v;
    assert_int_equal(cn_sysfs_open(&f, path), 0);
    assert_int_equal(cn_sysfs_i64(&f, &v), 0);
    tree_write(&t, "f", "2\n"); /* the same file */
    assert_int_equal(cn_sysfs_i64(&f, &v), 0);
    assert_int_equal(v, 2);
    tree_write(&t, "g", "3\n");
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(cn_sysfs_i64(&f, &v), 0);
    assert_int_equal(v, 3);
    tree_unlink(&t, "f");
    assert_int_equal(cn_sysfs_i64(&f, &v), -ENOENT);
    cn_sysfs_close(&f);
    cn_sysfs_close(&f); /* once more is nothing */
    assert_int_equal(cn_sysfs_open(&f, path), -ENOENT);
    assert_int_equal(f.fd, -1);
    tree_remove(&t);
}

static void test_lists_in_natural_order(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char dir[1024], **names;
    size_t n;
    static const char *const want[] = { "zone2", "zone2:1", "zone10", "zone10:0" };
    for (int i = 3; i >= 0; i--) {
        char file[64];
        snprintf(file, sizeof file, "d/%s", want[i]);
        tree_write(&t, file, "x");
    }
    tree_path(&t, "d", dir);
    assert_int_equal(cn_sysfs_list(dir, &names, &n), 0);
    assert_int_equal(n, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(names[i], want[i]);
    cn_sysfs_list_free(names, n);
    assert_int_equal(cn_sysfs_list("/nonexistent", &names, &n), -ENOENT);
    tree_remove(&t);
}

static void test_paths(void **state)
{
    (void)state;
    char path[CN_PATH_MAX], longest[2 * CN_PATH_MAX];
    assert_true(cn_sysfs_path(path, "/tree", "/sys/%s/%d", "a", 1));
    assert_string_equal(path, "/tree/sys/a/1");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_false(cn_sysfs_path(path, longest, "/sys"));
    assert_false(cn_sysfs_path(path, "", "/%s", longest));
    assert_string_equal(path, "");
}

static void test_virtual_machines_say_so(void **state)
{
    (void)state;
    struct tree t = tree_create();
    assert_false(cn_sysfs_is_vm(t.root));
    tree_write(&t, "proc/cpuinfo", "flags\t: fpu sse hypervisor\n");
    assert_true(cn_sysfs_is_vm(t.root));
    tree_write(&t, "proc/cpuinfo", "model name\t: hypervisor's friend\nflags\t: fpu sse\n");
    assert_false(cn_sysfs_is_vm(t.root));
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_lines),
        cmocka_unit_test(test_a_kept_file_follows_a_rename),
        cmocka_unit_test(test_lists_in_natural_order),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_virtual_machines_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
