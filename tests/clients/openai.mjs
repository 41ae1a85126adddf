// SPDX-License-Identifier: MIT
// The npm package openai against carnot serve: openai.mjs URL FOLDER, where FOLDER holds node_modules.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [url, folder] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "index.js"));
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const greedy = { model: "prose-8m-f16", temperature: 0, max_tokens: 12 };
const messages = [{ role: "user", content: "Tell me of the sea." }];

const models = await client.models.list();
assert.equal(models.data[0].id, "prose-8m-f16");

const whole = await client.chat.completions.create({ ...greedy, messages });
assert.equal(whole.choices[0].message.role, "assistant");
assert.ok(whole.choices[0].message.content.length > 0);
assert.equal(whole.choices[0].finish_reason, "length");
assert.equal(whole.usage.completion_tokens, 12);
assert.equal(whole.usage.energy.decode.status, "unsupported");
assert.equal(whole.usage.energy.decode.joules, null);

let said = "", usage = null;
for await (const piece of await client.chat.completions.create({ ...greedy, messages, stream: true,
  stream_options: { include_usage: true } })) {
  said += piece.choices[0]?.delta.content ?? "";
  usage = piece.usage ?? usage;
}
assert.equal(said, whole.choices[0].message.content);
assert.equal(usage.completion_tokens, 12);
assert.ok(usage.prompt_tokens_details.cached_tokens > 0);

const texts = await client.completions.create({ ...greedy, prompt: ["The old man", "She"], n: 2, logprobs: 1 });
assert.deepEqual(texts.choices.map(choice => choice.index), [0, 1, 2, 3]);
assert.equal(texts.choices[0].text, texts.choices[1].text);
assert.equal(texts.choices[0].logprobs.tokens.length, 12);

// Tools reach the template; this one writes their names into the prompt.
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const asked = await client.chat.completions.create({ ...greedy, messages, tools });
assert.ok(asked.usage.prompt_tokens > whole.usage.prompt_tokens);
assert.ok(["length", "stop", "tool_calls"].includes(asked.choices[0].finish_reason));
const turns = [...messages,
  { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: "{\"city\": \"Oslo\"}" } }] },
  { role: "tool", tool_call_id: "call_1", content: "4 degrees" }];
assert.ok((await client.chat.completions.create({ ...greedy, messages: turns, tools })).choices[0].message);

const refused = async (type, promise) => {
  const error = await promise.then(() => null, error => error);
  assert.ok(error instanceof type, `expected ${type.name}, got ${error}`);
  return error;
};
assert.equal((await refused(OpenAI.BadRequestError, client.chat.completions.create({ ...greedy, messages,
  response_format: { type: "json_schema", json_schema: { name: "x", schema: {} } } }))).param, "response_format");
await refused(OpenAI.NotFoundError, client.completions.create({ ...greedy, model: "other", prompt: "x" }));
await refused(OpenAI.APIError, client.embeddings.create({ model: "prose-8m-f16", input: "x" }));

// Who aborts gets no more, and the lane is free.
const stream = await client.completions.create({ ...greedy, max_tokens: 900, prompt: "The old man", stream: true });
for await (const piece of stream) {
  assert.ok(piece.choices.length <= 1);
  stream.controller.abort();
}
console.log("all is well");
