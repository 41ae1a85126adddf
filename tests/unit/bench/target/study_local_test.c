/* SPDX-License-Identifier: MIT
 *
 * The local target, with /bin/sh in the place of the program.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/study/study_part.h"

static char work[64];
static int asked;

static bool after_a_while(void *user)
{
    (void)user;
    return ++asked > 10;
}

static struct cn_study_options study_options = { .program = "/bin/sh" };
static struct cn_error err;
static struct cn_study study = { .o = &study_options, .err = &err, .tag = "test" };

static int begin(void **state)
{
    (void)state;
    snprintf(work, sizeof work, "/tmp/carnot-local-XXXXXX");
    assert_non_null(mkdtemp(work));
    snprintf(study.work, sizeof study.work, "%s", work);
    study.plan.timeout_s = 0;
    study_options.cancel = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    char jobs[128];
    snprintf(jobs, sizeof jobs, "%s/jobs", work);
    rmdir(jobs);
    return rmdir(work);
}

static enum cn_status shell(const char *script, struct cn_study_outcome *outcome)
{
    struct cn_study_site site;
    struct cn_study_args args = { .n = 0 };
    cn_study_arg(&args, "-c");
    cn_study_arg(&args, "%s", script);
    enum cn_status status = cn_study_site_open(&study, "local", &site);
    if (status == CN_OK)
        status = cn_study_job(&study, &site, "a job", &args, outcome);
    cn_study_site_close(&site);
    return status;
}

static void outcomes(void **state)
{
    (void)state;
    struct cn_study_outcome o;
    struct cn_json *json;
    const struct cn_json_value *object;
    char reason[CN_STUDY_REASON];
    size_t n;
    assert_int_equal(shell("echo said; echo '[{\"a\": 3}]' >x.json; basename \"$PWD\"", &o), CN_OK);
    assert_int_equal(o.exit_code, 0);
    assert_true(o.seconds >= 0);
    cn_study_job_reason(&o, reason, sizeof reason);
    assert_string_equal(reason, "");
    char *text = NULL;
    assert_int_equal(cn_study_job_text(&o, "stdout", &text, &n, &err), CN_OK);
    assert_string_equal(text, "said\ntest-local-a_job\n");
    assert_int_equal(n, strlen(text));
    free(text);
    /* What is not there, and what cannot be read, is told apart from nothing. */
    text = NULL;
    assert_int_equal(cn_study_job_text(&o, "nothing", &text, &n, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(cn_study_job_text(&o, ".", &text, &n, &err), CN_ERR_FORMAT);
    assert_null(text);
    assert_int_equal(cn_study_job_json(&o, "x.json", &json, &object, &err), CN_OK);
    assert_true(cn_json_get(object, "a")->number == 3);
    cn_json_free(json);
    assert_int_equal(cn_study_job_json(&o, "stdout", &json, &object, &err), CN_ERR_FORMAT);
    cn_study_job_forget(&o);
    assert_int_not_equal(access(o.folder, F_OK), 0);

    assert_int_equal(shell("echo first >&2; echo last line >&2; exit 3", &o), CN_OK);
    cn_study_job_reason(&o, reason, sizeof reason);
    assert_string_equal(reason, "exit 3: last line");
    cn_study_job_forget(&o);

    assert_int_equal(shell("kill -9 $$", &o), CN_OK);
    assert_int_equal(o.exit_code, -1);
    assert_int_equal(o.signal, 9);
    cn_study_job_reason(&o, reason, sizeof reason);
    assert_non_null(strstr(reason, "signal 9"));
    cn_study_job_forget(&o);
}

static void it_ends(void **state)
{
    (void)state;
    struct cn_study_outcome o;
    /* By the clock, with all that it started. */
    study.plan.timeout_s = 0.2;
    assert_int_equal(shell("sleep 100 & echo $! >pid; wait", &o), CN_OK);
    assert_int_equal(o.signal, SIGKILL);
    size_t n;
    char *pid = NULL;
    if (cn_study_job_text(&o, "pid", &pid, &n, &err) == CN_OK) { /* it may not have come so far */
        int tries = 0;
        while (kill((pid_t)atoi(pid), 0) == 0 && tries++ < 500)
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        assert_true(tries < 500);
    }
    free(pid);
    cn_study_job_forget(&o);
    /* By the user. */
    study.plan.timeout_s = 0;
    study_options.cancel = after_a_while;
    asked = 0;
    assert_int_equal(shell("sleep 100", &o), CN_ERR_CANCELLED);
    /* What was left is out of the way of the next attempt. */
    study_options.cancel = NULL;
    assert_int_equal(shell("ls", &o), CN_OK);
    char *text = NULL;
    assert_int_equal(cn_study_job_text(&o, "stdout", &text, &n, &err), CN_OK);
    assert_string_equal(text, "stderr\nstdout\n");
    free(text);
    cn_study_job_forget(&o);
}

static void it_says_what_is_wrong(void **state)
{
    (void)state;
    struct cn_study_site site;
    struct cn_study_outcome o;
    struct cn_study_args args = { .n = 0 };
    assert_int_equal(cn_study_site_open(&study, "local:x", &site), CN_ERR_ARGUMENT);
    cn_study_site_close(&site);
    assert_int_equal(cn_study_site_open(&study, "mars:x", &site), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "mars:x"));
    cn_study_site_close(&site);
    study_options.program = "/no/such/program";
    assert_int_equal(shell("true", &o), CN_ERR_IO);
    study_options.program = "/bin/sh";
    cn_study_job_forget(&(struct cn_study_outcome){ .folder = "" });
    for (int i = 0; i < 200; i++)
        cn_study_arg(&args, "x");
    assert_true(args.full);
    char left[256];
    snprintf(left, sizeof left, "%s/jobs/test-local-a_job", work);
    assert_int_equal(cn_study_remove_folder(left, &err), CN_OK);
    assert_int_equal(cn_study_remove_folder(left, &err), CN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outcomes, begin, end),
        cmocka_unit_test_setup_teardown(it_ends, begin, end),
        cmocka_unit_test_setup_teardown(it_says_what_is_wrong, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
