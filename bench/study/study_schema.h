/* SPDX-License-Identifier: MIT
 *
 * The tables of a study, as they are created. The comments stay in the database: `.schema` of the
 * sqlite3 program shows them. docs/STUDY.md tells of them too.
 */
#ifndef CN_STUDY_SCHEMA_H
#define CN_STUDY_SCHEMA_H

/* clang-format off */
#define CN_STUDY_SQL \
"CREATE TABLE study ( -- one row\n" \
"  id INTEGER PRIMARY KEY CHECK (id = 1),\n" \
"  name TEXT NOT NULL,\n" \
"  plan TEXT NOT NULL, -- the plan file, as it was\n" \
"  seed INTEGER NOT NULL, -- of the order of the runs\n" \
"  n_blocks INTEGER NOT NULL,\n" \
"  folder TEXT NOT NULL, -- of the plan: relative paths in it are seen from here\n" \
"  shard TEXT, -- 2/4: this database runs every fourth block from the second; NULL: all\n" \
"  created_s REAL NOT NULL -- seconds since 1970, as all times\n" \
");\n" \
"CREATE TABLE files ( -- model files\n" \
"  file INTEGER PRIMARY KEY,\n" \
"  model TEXT NOT NULL, -- label in the plan; its quantisations are compared with each other\n" \
"  quant TEXT NOT NULL, -- file type asked for, or label of a ready file\n" \
"  source TEXT, -- float file that it is made of; NULL: a ready file\n" \
"  imatrix TEXT, -- importance matrix used, in the work folder\n" \
"  path TEXT, -- where it is\n" \
"  status TEXT NOT NULL DEFAULT 'pending', -- pending, ready, failed\n" \
"  reason TEXT,\n" \
"  sha256 TEXT,\n" \
"  source_sha256 TEXT,\n" \
"  architecture TEXT,\n" \
"  file_type TEXT, -- as the file calls itself\n" \
"  tensor_types TEXT, -- JSON: {\"Q4_K\": {\"tensors\": 12, \"elements\": 9, \"bytes\": 5}, ...}\n" \
"  n_params INTEGER,\n" \
"  n_active_params INTEGER, -- per token; fewer where there are experts\n" \
"  bpw REAL, -- effective bits per weight: 8 tensor_bytes / n_params\n" \
"  file_bytes INTEGER,\n" \
"  tensor_bytes INTEGER,\n" \
"  decode_bytes INTEGER, -- weights that a decoded token reads\n" \
"  decode_ops REAL, -- 2 x multiply-adds with weights per token\n" \
"  UNIQUE (model, quant)\n" \
");\n" \
"CREATE TABLE prompts (\n" \
"  prompt INTEGER PRIMARY KEY,\n" \
"  name TEXT NOT NULL UNIQUE,\n" \
"  text TEXT NOT NULL,\n" \
"  chat INTEGER NOT NULL -- 1: said by a user, in the model's chat template\n" \
");\n" \
"CREATE TABLE template_args ( -- what a prompt gives the chat template beside its text\n" \
"  prompt INTEGER NOT NULL REFERENCES prompts,\n" \
"  argument TEXT NOT NULL -- KEY=JSON\n" \
");\n" \
"CREATE TABLE tokens ( -- what a prompt is to a model: the same ids for all its files\n" \
"  model TEXT NOT NULL,\n" \
"  prompt INTEGER NOT NULL REFERENCES prompts,\n" \
"  ids TEXT NOT NULL, -- separated by blanks\n" \
"  PRIMARY KEY (model, prompt)\n" \
");\n" \
"CREATE TABLE cells ( -- combinations of factors\n" \
"  cell INTEGER PRIMARY KEY,\n" \
"  file INTEGER NOT NULL REFERENCES files,\n" \
"  tiers TEXT, -- instruction sets allowed; NULL: all of the device\n" \
"  threads INTEGER, -- NULL: every core\n" \
"  threads_prefill INTEGER, -- NULL: as threads\n" \
"  kv TEXT NOT NULL, -- type of the KV cache\n" \
"  lever TEXT, -- guesses, lanes, and limits of the machine: lookup 3, 1200 MHz; NULL: none\n" \
"  prompt INTEGER NOT NULL REFERENCES prompts,\n" \
"  input_length INTEGER, -- tokens the prompt is cut or repeated to; NULL: as it is\n" \
"  output_length INTEGER NOT NULL -- tokens generated, whatever they are\n" \
");\n" \
"CREATE TABLE devices (\n" \
"  device INTEGER PRIMARY KEY,\n" \
"  target TEXT NOT NULL, -- local, adb:SERIAL, ssh:HOST\n" \
"  name TEXT NOT NULL, -- host name, or model of a phone\n" \
"  cpu TEXT,\n" \
"  kernel TEXT,\n" \
"  cpus INTEGER, -- online\n" \
"  memory_bytes INTEGER,\n" \
"  caches TEXT,\n" \
"  frequency TEXT, -- CPUs by highest frequency\n" \
"  tiers TEXT, -- instruction sets that it has\n" \
"  UNIQUE (target, name)\n" \
");\n" \
"CREATE TABLE limits ( -- the most a device can do\n" \
"  device INTEGER NOT NULL REFERENCES devices,\n" \
"  threads INTEGER NOT NULL,\n" \
"  tier TEXT NOT NULL,\n" \
"  read_gbps REAL, -- 1e9 bytes read from memory per second\n" \
"  int8_gops REAL, -- 1e9 operations per second; NULL: this tier has no way to measure it\n" \
"  f32_gflops REAL,\n" \
"  PRIMARY KEY (device, threads, tier)\n" \
");\n" \
"CREATE TABLE blocks ( -- every cell once, in random order, on one device\n" \
"  block INTEGER PRIMARY KEY, -- from 1\n" \
"  target TEXT -- that has taken it; NULL: none yet\n" \
");\n" \
"CREATE TABLE runs (\n" \
"  run INTEGER PRIMARY KEY, -- place in the run table, from 1\n" \
"  block INTEGER NOT NULL REFERENCES blocks,\n" \
"  position INTEGER NOT NULL, -- in the block, from 1\n" \
"  cell INTEGER NOT NULL REFERENCES cells,\n" \
"  status TEXT NOT NULL DEFAULT 'pending', -- pending, running, done, failed, skipped\n" \
"  reason TEXT, -- of failed and skipped\n" \
"  attempts INTEGER NOT NULL DEFAULT 0, -- times it was begun\n" \
"  device INTEGER REFERENCES devices,\n" \
"  started_s REAL,\n" \
"  ended_s REAL,\n" \
"  cooldown_s REAL, -- waited before it\n" \
"  cooldown_status TEXT, -- none, time, cool, limit (not cool by then), no sensor\n" \
"  command TEXT, -- what was run\n" \
"  input_tokens INTEGER,\n" \
"  output_tokens INTEGER,\n" \
"  load_s REAL, -- opening the file, making the session\n" \
"  prefill_s REAL,\n" \
"  decode_s REAL, -- evaluating the generated tokens but the last\n" \
"  sample_s REAL,\n" \
"  ttft_s REAL, -- from the start of the prefill to the first token\n" \
"  latency_s REAL, -- prefill, decode and sample\n" \
"  prefill_tps REAL, -- tokens per second\n" \
"  decode_tps REAL, -- decoded_tokens / (decode_s + sample_s)\n" \
"  meter TEXT, -- the main one\n" \
"  boundary TEXT, -- what its joules are of\n" \
"  energy_status TEXT, -- of all phases together\n" \
"  energy_reason TEXT,\n" \
"  joules REAL, -- of load, prefill, decode and sample, gross\n" \
"  joules_net REAL, -- less the idle baseline\n" \
"  joules_uncertainty REAL, -- half width of a 95% interval of joules\n" \
"  watts REAL, -- joules by their time\n" \
"  idle_before_w REAL, -- the baseline\n" \
"  idle_after_w REAL,\n" \
"  voltage_v REAL, -- of the battery, mean\n" \
"  current_a REAL, -- watts / voltage_v where the boundary is the battery\n" \
"  battery_before REAL, -- percent\n" \
"  battery_after REAL,\n" \
"  charger INTEGER, -- 1: plugged in\n" \
"  celsius_before REAL, -- the CPU's hottest zone\n" \
"  celsius_after REAL,\n" \
"  celsius_min REAL, -- of the readings taken, two at least\n" \
"  celsius_max REAL,\n" \
"  celsius_mean REAL,\n" \
"  mhz_before REAL, -- mean of the CPUs\n" \
"  mhz_after REAL,\n" \
"  mhz_limit REAL, -- what the system allows, after\n" \
"  mhz_max REAL, -- what the hardware can\n" \
"  governor TEXT,\n" \
"  throttled INTEGER, -- times, by heat, during the run\n" \
"  screen REAL, -- brightness, 0 to 1\n" \
"  load_1min REAL, -- before\n" \
"  disturbed TEXT, -- what was not as quiet as a measurement wants; NULL: nothing\n" \
"  peak_bytes INTEGER, -- most resident memory\n" \
"  model_bytes INTEGER, -- weights\n" \
"  kv_bytes INTEGER, -- KV cache\n" \
"  token_bytes REAL, -- read and written by a decoded token: weights, KV cache, states\n" \
"  token_kv_bytes REAL, -- of them the KV cache's\n" \
"  token_state_bytes REAL, -- of them the states'\n" \
"  other_bytes INTEGER, -- peak less weights less KV cache: program, scratch, tokenizer\n" \
"  tiers TEXT, -- in force\n" \
"  threads INTEGER, -- used\n" \
"  carnot TEXT, -- version and commit of the program\n" \
"  kernel TEXT, -- of the operating system\n" \
"  passes REAL, -- through the model to decode; fewer than tokens where guesses were kept\n" \
"  drafted_tokens REAL, -- guessed\n" \
"  accepted_tokens REAL, -- of them kept\n" \
"  decoded_tokens REAL, -- of output_tokens those that were evaluated: all but the last of each lane\n" \
"  response TEXT, -- what was generated\n" \
"  response_ids TEXT, -- its tokens\n" \
"  UNIQUE (block, cell),\n" \
"  UNIQUE (block, position)\n" \
");\n" \
"CREATE TABLE phases (\n" \
"  run INTEGER NOT NULL REFERENCES runs,\n" \
"  channel INTEGER NOT NULL, -- meter; 0 is the main one\n" \
"  phase TEXT NOT NULL, -- load, prefill, decode (with guesses: draft and verify), sample, all\n" \
"  meter TEXT, -- NULL: none\n" \
"  boundary TEXT,\n" \
"  seconds REAL,\n" \
"  joules REAL,\n" \
"  joules_net REAL,\n" \
"  uncertainty REAL,\n" \
"  uncertainty_net REAL,\n" \
"  updates INTEGER, -- independent ones of the meter\n" \
"  status TEXT NOT NULL, -- measured, modelled, unresolved, unsupported\n" \
"  reason TEXT,\n" \
"  PRIMARY KEY (run, channel, phase)\n" \
");\n" \
"CREATE TABLE traces ( -- phases one by one, where the plan says `traces keep`\n" \
"  run INTEGER PRIMARY KEY REFERENCES runs,\n" \
"  jsonl TEXT NOT NULL -- as carnot run --trace writes it\n" \
");\n" \
"CREATE TABLE quality (\n" \
"  file INTEGER NOT NULL REFERENCES files,\n" \
"  measure TEXT NOT NULL, -- perplexity, divergence, hellaswag, choice, generate\n" \
"  text TEXT NOT NULL, -- file it was measured on; '' for text that the base writes itself\n" \
"  status TEXT NOT NULL DEFAULT 'pending', -- pending, done, failed\n" \
"  reason TEXT,\n" \
"  base TEXT, -- model file that divergence is from; NULL: none\n" \
"  tokens INTEGER, -- scored\n" \
"  ppl REAL,\n" \
"  ppl_se REAL,\n" \
"  kld_mean REAL, -- nats\n" \
"  kld_se REAL,\n" \
"  kld_p99 REAL,\n" \
"  top1_agreement REAL, -- with the base, 0 to 1\n" \
"  tasks INTEGER,\n" \
"  accuracy REAL, -- 0 to 1\n" \
"  accuracy_lo REAL, -- 95% interval\n" \
"  accuracy_hi REAL,\n" \
"  PRIMARY KEY (file, measure, text)\n" \
");\n" \
"CREATE TABLE kernels ( -- of plans of kernels: what carnot kernels said in a run, a row each\n" \
"  run INTEGER NOT NULL REFERENCES runs,\n" \
"  format TEXT,\n" \
"  tier TEXT,\n" \
"  job TEXT,\n" \
"  rows INTEGER,\n" \
"  cols INTEGER,\n" \
"  tokens INTEGER,\n" \
"  threads INTEGER,\n" \
"  cache TEXT,\n" \
"  gbps REAL, -- 1e9 bytes of weights per second of CPU time\n" \
"  weights_per_s REAL, -- times tokens\n" \
"  spread REAL,\n" \
"  cycles_per_256 REAL, -- core cycles by 256 weights and token\n" \
"  cycles_by TEXT, -- perf_event; tsc and its frequency\n" \
"  read_gbps REAL, -- the limits, and shares of them\n" \
"  read_share REAL,\n" \
"  int8_gops REAL,\n" \
"  int8_share REAL,\n" \
"  bound_by TEXT,\n" \
"  bound_share REAL,\n" \
"  meter TEXT,\n" \
"  boundary TEXT,\n" \
"  energy_status TEXT,\n" \
"  energy_reason TEXT,\n" \
"  pj_per_weight REAL, -- picojoules by weight and token, gross\n" \
"  pj_per_weight_net REAL, -- less the idle baseline\n" \
"  pj_uncertainty REAL,\n" \
"  reason TEXT\n" \
");\n" \
"CREATE VIEW kernel_results AS SELECT\n" \
"  r.block, r.position, d.target, d.name AS device, d.cpu, p.text AS cores, k.*\n" \
"FROM kernels k JOIN runs r USING (run) JOIN cells c USING (cell) JOIN prompts p USING (prompt)\n" \
"  LEFT JOIN devices d ON d.device = r.device WHERE r.status = 'done';\n" \
"CREATE VIEW results AS SELECT\n" \
"  r.run, r.block, r.position, r.cell, r.status, r.reason, d.target, d.name AS device, d.cpu,\n" \
"  f.model, f.quant, f.architecture, f.file_type, f.bpw, f.n_params, f.n_active_params,\n" \
"  f.file_bytes, f.tensor_bytes, f.decode_bytes, f.decode_ops, f.sha256, f.tensor_types,\n" \
"  c.tiers AS tiers_asked, r.tiers, c.threads AS threads_asked, r.threads, c.threads_prefill,\n" \
"  c.kv, c.lever, r.passes, r.drafted_tokens, r.accepted_tokens, r.decoded_tokens, p.name AS prompt, c.input_length, c.output_length, r.input_tokens, r.output_tokens,\n" \
"  r.load_s, r.prefill_s, r.decode_s, r.sample_s, r.ttft_s, r.latency_s, r.prefill_tps,\n" \
"  r.decode_tps, r.meter, r.boundary, r.energy_status, r.energy_reason, r.joules, r.joules_net,\n" \
"  r.joules_uncertainty, r.watts, r.joules / r.output_tokens AS j_per_token,\n" \
"  a.joules AS load_j, b.joules AS prefill_j, e.joules AS decode_j, s.joules AS sample_j,\n" \
"  a.status AS load_status, b.status AS prefill_status, e.status AS decode_status,\n" \
"  b.joules_net AS prefill_j_net, b.uncertainty AS prefill_j_uncertainty,\n" \
"  e.joules_net AS decode_j_net, e.uncertainty AS decode_j_uncertainty,\n" \
"  b.joules / r.input_tokens AS prefill_j_per_token,\n" \
"  e.joules / nullif(coalesce(r.decoded_tokens, r.output_tokens - 1), 0) AS decode_j_per_token,\n" \
"  r.idle_before_w, r.idle_after_w, r.voltage_v, r.current_a, r.battery_before, r.battery_after,\n" \
"  r.charger, r.celsius_before, r.celsius_after, r.celsius_min, r.celsius_max, r.celsius_mean,\n" \
"  r.mhz_before, r.mhz_after, r.mhz_limit, r.mhz_max, r.governor, r.throttled, r.screen,\n" \
"  r.load_1min, r.disturbed, r.peak_bytes, r.model_bytes, r.kv_bytes, r.other_bytes, r.carnot,\n" \
"  r.token_bytes, r.token_kv_bytes, r.token_state_bytes, r.kernel, r.started_s, r.ended_s,\n" \
"  r.attempts, r.cooldown_s, r.cooldown_status, r.command, r.response, r.response_ids\n" \
"FROM runs r JOIN cells c USING (cell) JOIN files f USING (file) JOIN prompts p USING (prompt)\n" \
"  LEFT JOIN devices d ON d.device = r.device\n" \
"  LEFT JOIN phases a ON a.run = r.run AND a.channel = 0 AND a.phase = 'load'\n" \
"  LEFT JOIN phases b ON b.run = r.run AND b.channel = 0 AND b.phase = 'prefill'\n" \
"  LEFT JOIN phases e ON e.run = r.run AND e.channel = 0 AND e.phase = 'decode'\n" \
"  LEFT JOIN phases s ON s.run = r.run AND s.channel = 0 AND s.phase = 'sample';\n"
/* clang-format on */

#endif
