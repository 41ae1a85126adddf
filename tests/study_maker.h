/* SPDX-License-Identifier: MIT
 *
 * Studies that nobody ran: databases of the true schema with effects that are known, so that a
 * report can be held against them. Noise is 1%, from a fixed seed.
 *
 *   decode time    straight in bits per weight; IQ types take `iq_slow[tier]` times that
 *   joules         6 W x time + 100 pJ a byte + 20 pJ an operation + 10 pJ a weight unpacked
 *   perplexity     bends at 4 bits per weight
 *   experts        as fast as a dense model of 12 M parameters
 *   depth          (`depths`) two models of one size: to decode, the first takes 1.8 times as long
 *                  at 4100 as at 100, the other always `flat` times as long as the first at 100
 */
#ifndef CN_STUDY_MAKER_H
#define CN_STUDY_MAKER_H

#include "bench/study/study_db.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct study_shape {
    int n_models;  /* 1..3: dense 8 M, dense 29 M, experts 29 M */
    int n_quants;  /* 1..10, the first of study_quants */
    int n_tiers;   /* 1..2 */
    int n_threads; /* 0..2: besides 2 threads also 1, which takes 1.8 times as long */
    bool depths;   /* 4100 tokens of prompt as well as 100 */
    double flat;
    int filled;     /* tokens that were evaluated of a longer prompt; 0: all */
    bool single;    /* 1 thread as well as 2; it takes 1.8 times as long to decode */
    int n_blocks;   /* repetitions */
    bool measured;  /* a meter on every run */
    bool modelled;  /* a model beside it */
    bool quality;   /* perplexity of every file */
    bool smooth;    /* it falls off exponentially instead of bending */
    bool limits;    /* of the device */
    bool odd_names; /* texts that would break a page */
    int disturb;    /* every so-many-th run is disturbed and takes 1.2 times as long; 0: none */
    double iq_slow[2];
};

static const struct {
    const char *name;
    double bpw;
} study_quants[] = {
    {"Q4_K_M",  5.27 },
    { "IQ4_XS", 4.88 },
    { "Q8_0",   8.52 },
    { "Q6_K",   6.59 },
    { "Q5_K_M", 5.91 },
    { "Q3_K_M", 4.55 },
    { "IQ3_S",  4.25 },
    { "Q2_K",   3.60 },
    { "IQ2_XS", 3.20 },
    { "F16",    16.02},
};

static const struct {
    const char *name;
    double params, active;
} study_models[] = {
    {"dense-8m",   8e6,  8e6 },
    { "dense-29m", 29e6, 29e6},
    { "moe-29m",   29e6, 12e6}
};

static uint64_t study_random;

/* About normal, mean 1, standard deviation 1%. */
static inline double study_noise(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        study_random = study_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(study_random >> 40) / (1 << 24);
    }
    return 1 + 0.01 * (sum - 6);
}

/* The model whose size it has. */
static inline int study_size(const struct study_shape *s, int model)
{
    return s->depths ? 0 : model;
}

static inline double study_decode_ms(const struct study_shape *s, int model, int quant, int tier,
                                     int input)
{
    bool iq = study_quants[quant].name[0] == 'I';
    double ms =
        study_models[study_size(s, model)].active / 1e6 * (0.02 + 0.01 * study_quants[quant].bpw);
    if (s->depths)
        ms *= model ? s->flat : 1 + 0.8 * (input - 100) / 4000;
    return ms * (tier ? 0.8 : 1) * (iq ? s->iq_slow[tier] : 1);
}

static inline double study_ppl(const struct study_shape *s, int model, int quant)
{
    double bpw = study_quants[quant].bpw;
    if (s->smooth)
        return (model ? 25.2 : 28) * exp(5 * exp(-bpw));
    return (model ? 20 : 28) * exp(0.004 * (16 - bpw) + 0.3 * fmax(0, 4 - bpw));
}

static inline enum cn_status study_put_run(struct cn_study_db *db, const struct study_shape *s,
                                           int run, int block, int position, int cell, int model,
                                           int quant, int tier, int threads, int input,
                                           struct cn_error *err)
{
    enum { OUT = 64 };
    const int size = study_size(s, model);
    double decode_s = study_decode_ms(s, model, quant, tier, input) * (OUT - 1) / 1000 *
                      (threads == 1 ? 1.8 : 1) * study_noise();
    bool disturbed = s->disturb && (run + block) % s->disturb == 0; /* not always the same cells */
    decode_s *= disturbed ? 1.2 : 1;
    double prefill_s = study_models[size].active * input / 2e9 * study_noise(), load_s = 0.05;
    double bytes = study_models[size].params * study_quants[quant].bpw / 8;
    double active = study_models[size].active, bpw = study_quants[quant].bpw;
    double unpacked = bpw < 8 ? active * 10e-12 : 0;
    double phase_j[] = {
        6 * load_s, 6 * prefill_s + bytes * 100e-12 + input * active * 40e-12 + unpacked,
        6 * decode_s + (OUT - 1) * (active * bpw / 8 * 100e-12 + active * 40e-12 + unpacked), 0.006
    };
    static const char *const phases[] = { "load", "prefill", "decode", "sample", "all" };
    const char *status = s->measured ? "measured" : s->modelled ? "modelled" : "unsupported";
    double total = 0, kv = model ? 0 : 1000.0 * input, state = model ? 1e6 : 0;
    for (int i = 0; i < 4; i++)
        total += phase_j[i];
    double joules = s->measured || s->modelled ? total : (double)NAN;
    enum cn_status code = cn_study_exec(
        db, err,
        "INSERT INTO runs (run, block, position, cell, status, device, started_s, load_s, "
        "prefill_s, decode_s, sample_s, ttft_s, latency_s, prefill_tps, decode_tps, input_tokens, "
        "output_tokens, joules, joules_net, peak_bytes, model_bytes, energy_status, "
        "energy_reason, meter, boundary, threads, disturbed, carnot, governor, kv_bytes, "
        "other_bytes, token_bytes, token_kv_bytes, token_state_bytes) VALUES "
        "(?1, ?2, ?3, ?4, 'done', 1, 1.7e9, ?5, ?6, ?7, 0.001, ?8, ?9, ?10, ?11, ?22, 64, ?12, "
        "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, '0.1.0 abc', 'performance', 1e6, 8e6, ?23, "
        "?24, ?25)",
        "iiii"
        "ddddddddddd"
        "ssssisiddd",
        (int64_t)run, (int64_t)block, (int64_t)position, (int64_t)cell, load_s, prefill_s, decode_s,
        prefill_s + 0.001, prefill_s + decode_s + 0.001, input / prefill_s,
        (OUT - 1) / (decode_s + 0.001), joules, joules * 0.7, bytes + 9e6, bytes, status,
        s->measured || s->modelled ? NULL : "no /sys/class/powercap: a virtual machine",
        s->measured || s->modelled ? "powercap:package" : NULL,
        s->measured || s->modelled ? "package" : NULL, (int64_t)threads,
        !disturbed ? NULL
        : run % 2 == 0
            ? "the CPU was throttled by heat (2 times); other programs kept 0.5 cores busy"
            : "the CPU was throttled by heat (1 times)",
        (int64_t)(s->filled && input > s->filled ? s->filled : input),
        s->depths ? active * bpw / 8 + kv + state : (double)NAN, s->depths ? kv : (double)NAN,
        s->depths ? state : (double)NAN);
    for (int channel = 0; code == CN_OK && channel < s->measured + s->modelled; channel++) {
        bool measured = s->measured && channel == 0;
        for (int p = 0; code == CN_OK && p < 5; p++) {
            double j = (p < 4 ? phase_j[p] : total) * (measured ? 1 : 1.4);
            code = cn_study_exec(
                db, err,
                "INSERT INTO phases (run, channel, phase, meter, boundary, joules, joules_net, "
                "uncertainty, status) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                "iisssddds", (int64_t)run, (int64_t)channel, phases[p],
                measured ? "powercap:package" : "model:5,20", measured ? "package" : "machine", j,
                0.7 * j, measured ? 0.02 * j : (double)NAN, measured ? "measured" : "modelled");
        }
    }
    return code;
}

static inline enum cn_status study_put_files(struct cn_study_db *db, const struct study_shape *s,
                                             struct cn_error *err)
{
    enum cn_status code = CN_OK;
    for (int m = 0; code == CN_OK && m < s->n_models; m++)
        for (int q = 0; code == CN_OK && q < s->n_quants; q++) {
            const int size = study_size(s, m);
            double bpw = study_quants[q].bpw, bytes = study_models[size].params * bpw / 8;
            int64_t file = m * s->n_quants + q + 1;
            code = cn_study_exec(
                db, err,
                "INSERT INTO files (file, model, quant, status, sha256, architecture, "
                "tensor_types, n_params, n_active_params, bpw, file_bytes, tensor_bytes, "
                "decode_bytes, decode_ops) VALUES (?1, ?2, ?3, 'ready', 'c0ffee', ?4, ?5, ?6, ?7, "
                "?8, ?9, ?10, ?11, ?12)",
                "issssddddddd", file,
                s->odd_names && m == 0 ? "<script>alert('x')</script> & \"co\"\xff"
                                       : study_models[m].name,
                study_quants[q].name, "llama",
                "{\"Q4_K\": {\"tensors\": 12, \"elements\": 9, \"bytes\": 5}}",
                study_models[size].params, study_models[size].active, bpw, bytes + 5e5, bytes,
                study_models[size].active * bpw / 8, study_models[size].active * 2);
            if (code == CN_OK && s->quality)
                code = cn_study_exec(
                    db, err,
                    "INSERT INTO quality (file, measure, text, status, tokens, ppl, ppl_se) VALUES "
                    "(?1, 'perplexity', 'prose.txt', 'done', 50000, ?2, ?3)",
                    "idd", file, study_ppl(s, m, q), study_ppl(s, m, q) * 0.004);
        }
    return code;
}

static inline enum cn_status study_fill(struct cn_study_db *db, const struct study_shape *s,
                                        struct cn_error *err)
{
    static const char *const tiers[] = { "ref,avx2", "ref,avx2,avx512" };
    int n_files = s->n_models * s->n_quants, n_level = n_files * s->n_tiers,
        n_cells = n_level * (s->single || s->depths ? 2 : 1);
    enum cn_status code =
        cn_study_exec(db, err,
                      "INSERT INTO study (id, name, plan, folder, seed, n_blocks, created_s) "
                      "VALUES (1, ?1, ?2, '/x', 7, ?3, 1.7e9)",
                      "ssi", s->odd_names ? "</title><b>odd" : "made",
                      "models ...\nquants <all> & more\n", (int64_t)s->n_blocks);
    if (code == CN_OK)
        code = cn_study_exec(
            db, err,
            "INSERT INTO prompts (prompt, name, text, chat) VALUES (1, 'story', 'Once', 0)", "");
    if (code == CN_OK)
        code = cn_study_exec(db, err,
                             "INSERT INTO devices (device, target, name, cpu, memory_bytes)"
                             " VALUES (1, 'local', 'testbox', 'Test CPU', 8e9)",
                             "");
    if (code == CN_OK && s->limits)
        code = cn_study_exec(db, err,
                             "INSERT INTO limits (device, threads, tier, read_gbps, int8_gops, "
                             "f32_gflops) VALUES (1, 2, 'avx2', 48.3, 1200, 300), (1, 2, "
                             "'avx512', 48.5, 1990, 500)",
                             "");
    if (code == CN_OK)
        code = study_put_files(db, s, err);
    for (int c = 0; code == CN_OK && c < n_cells; c++)
        code = cn_study_exec(
            db, err,
            "INSERT INTO cells (cell, file, tiers, threads, threads_prefill, kv, prompt, "
            "input_length, output_length) VALUES (?1, ?2, ?3, ?4, NULL, 'f16', 1, ?5, 64)",
            "iisii", (int64_t)c + 1, (int64_t)(c % n_files + 1), tiers[c % n_level / n_files],
            (int64_t)(c < n_level || s->depths ? 2 : 1),
            (int64_t)(c < n_level || !s->depths ? 100 : 4100));
    for (int b = 0, run = 0; code == CN_OK && b < s->n_blocks; b++) {
        code = cn_study_exec(db, err, "INSERT INTO blocks (block, target) VALUES (?1, 'local')",
                             "i", (int64_t)b + 1);
        for (int c = 0; code == CN_OK && c < n_cells; c++) {
            int file = c % n_files;
            code = study_put_run(db, s, ++run, b + 1, c + 1, c + 1, file / s->n_quants,
                                 file % s->n_quants, c % n_level / n_files,
                                 c < n_level || s->depths ? 2 : 1,
                                 c < n_level || !s->depths ? 100 : 4100, err);
        }
    }
    return code;
}

/* Creates the database at `path`, anew. */
static inline enum cn_status study_make(const char *path, const struct study_shape *s,
                                        struct cn_error *err)
{
    struct cn_study_db *db;
    unlink(path);
    study_random = 1;
    enum cn_status code = cn_study_db_open(path, CN_STUDY_CREATE, &db, err);
    if (code != CN_OK)
        return code;
    code = cn_study_begin(db, err);
    if (code == CN_OK)
        code = study_fill(db, s, err);
    enum cn_status end = cn_study_end(db, code == CN_OK, code == CN_OK ? err : NULL);
    cn_study_db_close(db);
    return code == CN_OK ? end : code;
}

#endif
