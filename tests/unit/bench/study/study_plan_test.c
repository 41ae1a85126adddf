/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/study/study_plan.h"

static enum cn_status parse(const char *text, struct cn_study_plan *plan, struct cn_error *err)
{
    struct cn_study_plan_source source = { .text = text,
                                           .n_bytes = strlen(text),
                                           .name = "p.plan",
                                           .folder = "/plans",
                                           .default_model = "/models/own.gguf" };
    return cn_study_plan_parse(&source, plan, err);
}

static void what_is_said(void **state)
{
    (void)state;
    struct cn_study_plan p;
    struct cn_error err = { "" };
    setenv("CN_PLAN_TEST", "/elsewhere", 1);
    assert_int_equal(parse("name n   # a comment\n"
                           "seed 12\n"
                           "repetitions 3\n"
                           "model a default imatrix im.gguf\n"
                           "model b ${CN_PLAN_TEST}/b.gguf calibrate own\n"
                           "file c Q4 \"sub folder/c.gguf\"\n"
                           "quant Q4_K_M IQ4_XS\n"
                           "quant Q8_0\n"
                           "tiers all avx512 ref,neon avxvnni\n"
                           "threads 1 2/4 all\n"
                           "kv f16 q8_0\n"
                           "draft none small/d.gguf\n"
                           "lookup none 3\n"
                           "mtp own none\n"
                           "lanes 4 none\n"
                           "frequency 1200\n"
                           "frequency none 2400.5\n"
                           "power-limit 15\n"
                           "prompt one   a text with # and \"quotes\" in it  \r\n"
                           "prompt two \"  kept  \"\n"
                           "ids three 5 6 7\n"
                           "input all 20\n"
                           "output 7\n"
                           "chat yes\n"
                           "meter powercap:dram\n"
                           "cooldown rise 2.5 limit 90\n"
                           "checks refuse\n"
                           "limits none\n"
                           "traces keep\n"
                           "quality perplexity t.txt chunks 4 ctx 128\n"
                           "quality divergence\n"
                           "quality divergence t.txt tasks 5\n",
                           &p, &err),
                     CN_OK);
    assert_string_equal(p.name, "n");
    assert_int_equal(p.seed, 12);
    assert_int_equal(p.n_models, 3);
    assert_string_equal(p.models[0].path, "/models/own.gguf");
    assert_string_equal(p.models[0].imatrix, "/plans/im.gguf");
    assert_null(p.models[0].quant);
    assert_string_equal(p.models[1].path, "/elsewhere/b.gguf");
    assert_string_equal(p.models[1].calibrate, "");
    assert_string_equal(p.models[2].path, "/plans/sub folder/c.gguf");
    assert_string_equal(p.models[2].quant, "Q4");
    assert_int_equal(p.quants.n, 3);
    assert_string_equal(p.quants.items[2], "Q8_0");
    assert_string_equal(p.tiers.items[0], "");
    assert_string_equal(p.tiers.items[1], "ref,avx2,avx512");
    assert_string_equal(p.tiers.items[2], "ref,neon");
    assert_string_equal(p.tiers.items[3], "ref,avx2,avxvnni");
    assert_int_equal(p.n_threads, 3);
    assert_int_equal(p.threads[1].decode, 2);
    assert_int_equal(p.threads[1].prefill, 4);
    assert_int_equal(p.threads[2].decode, 0);
    /* One kind of guesses, or lanes: of 2 x 2 x 2 x 2 x 3 combinations 5 x 3 are left. */
    assert_int_equal(p.n_levers, 15);
    assert_string_equal(p.levers[0].name, "mtp, 1200 MHz, 15 W");
    assert_true(p.levers[0].mtp && p.levers[0].mhz == 1200 && p.levers[0].watts == 15);
    assert_null(p.levers[0].draft);
    assert_string_equal(p.levers[4].name, "lanes 4, 15 W");
    assert_int_equal(p.levers[4].lanes, 4);
    assert_string_equal(p.levers[7].name, "15 W");
    assert_string_equal(p.levers[11].name, "lookup 3, 2400.5 MHz, 15 W");
    assert_int_equal(p.levers[11].lookup, 3);
    assert_string_equal(p.levers[13].name, "draft d.gguf, 15 W");
    assert_string_equal(p.levers[13].draft, "/plans/small/d.gguf");
    assert_int_equal(p.n_prompts, 3);
    assert_string_equal(p.prompts[0].text, "a text with # and \"quotes\" in it");
    assert_string_equal(p.prompts[1].text, "  kept  ");
    assert_string_equal(p.prompts[2].ids, "5 6 7");
    assert_int_equal(p.n_inputs, 2);
    assert_int_equal(p.inputs[0], 0);
    assert_int_equal(p.inputs[1], 20);
    assert_true(p.chat && p.keep_traces);
    assert_string_equal(p.meter, "powercap:dram");
    assert_int_equal(p.cooldown, CN_COOLDOWN_RISE);
    assert_true(p.cooldown_celsius == 2.5 && p.cooldown_s == 90);
    assert_int_equal(p.checks, CN_CHECKS_REFUSE);
    assert_true(p.limits_s == 0);
    assert_int_equal(p.n_quality, 3);
    assert_string_equal(p.quality[0].path, "/plans/t.txt");
    assert_int_equal(p.quality[0].count, 4);
    assert_int_equal(p.quality[0].ctx, 128);
    assert_string_equal(p.quality[1].path, "");
    assert_string_equal(p.quality[2].measure, "divergence");
    assert_string_equal(p.quality[2].path, "/plans/t.txt");
    assert_int_equal(p.quality[2].count, 5);
    cn_study_plan_free(&p);
}

static void what_is_not_said(void **state)
{
    (void)state;
    struct cn_study_plan p;
    struct cn_error err = { "" };
    assert_int_equal(parse("file m Q x.gguf\nprompt p a", &p, &err), CN_OK);
    assert_int_equal(p.repetitions, 10);
    assert_int_equal(p.warmup, 1);
    assert_int_equal(p.tiers.n, 1);
    assert_string_equal(p.tiers.items[0], "");
    assert_int_equal(p.n_threads, 1);
    assert_int_equal(p.threads[0].decode, 0);
    assert_string_equal(p.kvs.items[0], "f16");
    assert_int_equal(p.inputs[0], 0);
    assert_int_equal(p.outputs[0], 100);
    assert_int_equal(p.n_levers, 1);
    assert_string_equal(p.levers[0].name, "");
    assert_null(p.meter);
    assert_int_equal(p.cooldown, CN_COOLDOWN_NONE);
    cn_study_plan_free(&p);
}

static void what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"file m Q x\nprompt p a\nspeed 3",        "p.plan:3: unknown key 'speed'"        },
        { "repetitions 1.5",                       "p.plan:1: repetitions: a whole number"},
        { "repetitions 1e9",                       "1 to 10000"                           },
        { "seed -1",                               "-1"                                   },
        { "lookup 16",                             "1 to 15"                              },
        { "lookup none none",                      "'none' is there twice"                },
        { "frequency fast",                        "a number"                             },
        { "power-limit 0",                         "0.1 to"                               },
        { "seed nan",                              "nan"                                  },
        { "name a/b",                              "letters"                              },
        { "name ..",                               "1 to 64"                              },
        { "file m Q x\nfile m Q y",                "p.plan:2: file: 'm Q' is there twice" },
        { "model m x\nfile m Q y",                 "twice"                                },
        { "model m x imatrix",                     "LABEL FILE"                           },
        { "quant Q4_K_M Q4_K_M",                   "twice"                                },
        { "quant Q4_K_M Q99",                      "p.plan:1: quant: a file type"         },
        { "seed 1\nmeter bogus",                   "p.plan:2: meter: no meter \"bogus\""  },
        { "meter battery,exe:true",                "no meter \"exe:true\""                },
        { "tiers avx2,sse2",                       "'sse2'"                               },
        { "threads 0",                             "1 to 1024"                            },
        { "threads 2/x",                           "'x'"                                  },
        { "input 0",                               "1 to"                                 },
        { "output all",                            "'all'"                                },
        { "ids a 1 2.5",                           "whole"                                },
        { "quality perplexity",                    "divergence"                           },
        { "quality divergence chunks",             "'chunks'"                             },
        { "cooldown below 40",                     "limit"                                },
        { "cooldown time",                         "time S"                               },
        { "timeout 0",                             "1 to"                                 },
        { "fill 0",                                "1 to"                                 },
        { "file m Q x\nids p 1\nlookup 3\nfill 8", "'fill' does not go with"              },
        { "kv",                                    "too little"                           },
        { "seed 1 2",                              "too much"                             },
    };
    struct cn_study_plan p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_error err = { "" };
        assert_int_equal(parse(cases[i].text, &p, &err), CN_ERR_FORMAT);
        if (!strstr(err.text, cases[i].message))
            fail_msg("'%s': '%s' lacks '%s'", cases[i].text, err.text, cases[i].message);
    }
}

static void limits(void **state)
{
    (void)state;
    struct cn_study_plan p;
    struct cn_error err = { "" };
    char text[4096] = "file m Q x\nprompt p a\noutput";
    for (int i = 1; i <= 65; i++)
        sprintf(text + strlen(text), " %d", i);
    assert_int_equal(parse(text, &p, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "at most 64"));
    struct cn_study_plan_source zero = {
        .text = "seed 1\0", .n_bytes = 7, .name = "p", .folder = ""
    };
    assert_int_equal(cn_study_plan_parse(&zero, &p, &err), CN_ERR_FORMAT);
}

/* A plan of kernels: formats stand where files do, shapes with cores where prompts do. */
static void kernels(void **state)
{
    (void)state;
    struct cn_study_plan p;
    struct cn_error err = { "" };
    assert_int_equal(parse("kernels q4_k iq3_s\nshape 64x256 2048x8192\ncores all 0,1\n"
                           "job gemv gemm\ntokens 1 16\ncache l2 memory\ntiers avx2\nthreads 2\n",
                           &p, &err),
                     CN_OK);
    assert_int_equal(p.n_models, 2);
    assert_string_equal(p.models[1].label, CN_STUDY_KERNELS);
    assert_string_equal(p.models[1].quant, "iq3_s");
    assert_int_equal(p.n_prompts, 4);
    assert_string_equal(p.prompts[0].name, "64x256");
    assert_string_equal(p.prompts[0].text, "");
    assert_string_equal(p.prompts[3].name, "2048x8192 cores 0,1");
    assert_string_equal(p.prompts[3].text, "0,1");
    assert_string_equal(p.kernels.jobs, "gemv,gemm");
    assert_string_equal(p.kernels.tokens, "1,16");
    assert_string_equal(p.kernels.caches, "l2,memory");
    cn_study_plan_free(&p);
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"kernels q9_9\n",                        "q9_9"                },
        { "kernels q4_k\nshape 8\n",              "ROWSxCOLS"           },
        { "kernels q4_k\nshape 8x33\n",           "a multiple of 32"    },
        { "kernels q4_k\ncores one\n",            "a core's number"     },
        { "kernels q4_k\njob mul\n",              "gemv or gemm"        },
        { "kernels q4_k\ntokens 0\n",             "tokens"              },
        { "kernels q4_k\ncache l4\n",             "memory, l1, l2 or l3"},
        { "kernels q4_k\nprompt a b\n",           "runs no models"      },
        { "kernels q4_k\nfile a b c\n",           "runs no models"      },
        { "shape 8x32\nfile a b c\nprompt a b\n", "a line 'kernels'"    },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse(wrong[i].text, &p, &err), CN_ERR_FORMAT);
        if (!strstr(err.text, wrong[i].says))
            fail_msg("'%s' expected in '%s'", wrong[i].says, err.text);
    }
}

/* The plans that come along can be read. */
static void ready_plans(void **state)
{
    (void)state;
    static const char *const names[] = { "smoke", "paradox", "bpw",
                                         "moe",   "threads", "phone-study",
                                         "prose", "kernels", "architectures" };
    setenv("MODELS", "/m", 1);
    setenv("TEXTS", "/t", 1);
    setenv("MOE", "/m/a", 1);
    setenv("SAME_TOTAL", "/m/b", 1);
    setenv("SAME_ACTIVE", "/m/c", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        static char text[16384];
        struct cn_study_plan p;
        struct cn_error err = { "" };
        snprintf(path, sizeof path, "bench/plans/%s.plan", names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
        if (parse(text, &p, &err) != CN_OK)
            fail_msg("%s: %s", path, err.text);
        assert_string_equal(p.name, names[i]);
        if (i == 5) { /* the original design: 8 models x 2 quantisations x 30 */
            assert_int_equal(p.n_models, 16);
            assert_int_equal(p.repetitions, 30);
            assert_int_equal(p.outputs[0], 100);
        }
        cn_study_plan_free(&p);
    }
}

/* A variable of the chat template is a factor: prompts are crossed with it. */
static void template_arguments(void **state)
{
    (void)state;
    struct cn_study_plan p;
    struct cn_error err = { "" };
    assert_int_equal(parse("file c Q4 c.gguf\nprompt a A\nids b 1 2\nchat yes\n"
                           "template-arg think true false\ntemplate-arg effort low 2\n",
                           &p, &err),
                     CN_OK);
    assert_int_equal(p.n_prompts, 5); /* the ids are as they are */
    assert_string_equal(p.prompts[0].name, "a think=true effort=\"low\"");
    assert_string_equal(p.prompts[3].name, "a think=false effort=2");
    assert_int_equal(p.prompts[3].arguments.n, 2);
    assert_string_equal(p.prompts[3].arguments.items[0], "think=false");
    assert_string_equal(p.prompts[3].arguments.items[1], "effort=2");
    assert_string_equal(p.prompts[4].name, "b");
    assert_int_equal(p.prompts[4].arguments.n, 0);
    cn_study_plan_free(&p);
    assert_int_equal(parse("file c Q4 c.gguf\nprompt a A\ntemplate-arg x 1\n", &p, &err),
                     CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "chat yes"));
    assert_int_equal(parse("file c Q4 c.gguf\nprompt a A\nchat yes\ntemplate-arg x [1\n", &p, &err),
                     CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "p.plan:4: template-arg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_arguments),
        cmocka_unit_test(what_is_said),
        cmocka_unit_test(what_is_not_said),
        cmocka_unit_test(what_is_wrong),
        cmocka_unit_test(limits),
        cmocka_unit_test(kernels),
        cmocka_unit_test(ready_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
