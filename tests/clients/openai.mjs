// SPDX-License-Identifier: MIT
// The npm package openai against carnot serve: openai.mjs URL FOLDER [PARROT], where FOLDER holds node_modules; PARROT is
// the URL of a server of the model that parrot.py makes.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [url, folder, parrot] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "index.js"));
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const greedy = { model: "prose-8m-f16", temperature: 0, max_tokens: 12 };
const messages = [{ role: "user", content: "Tell me of the sea." }];

const models = await client.models.list();
assert.equal(models.data[0].id, "prose-8m-f16");
assert.deepEqual(await client.models.retrieve("prose-8m-f16"), models.data[0]);

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
// A conversation with a tool: thinking, the call, and the answer to what the tool said; whole and in pieces.
if (parrot) {
  const client = new OpenAI({ baseURL: parrot + "/v1", apiKey: "none", maxRetries: 0 });
  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
  const ask = { model: "parrot", temperature: 0, tools };
  const turns = [{ role: "user", content: "How cold is it in Oslo?" }];
  const { message, finish_reason } = (await client.chat.completions.create({ ...ask, messages: turns })).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.content, "Let me ask.");
  assert.equal(message.reasoning_content, "I do not know.");
  assert.equal(message.tool_calls[0].function.name, "weather");
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: "Oslo" });

  const stream = client.chat.completions.stream({ ...ask, messages: turns });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(final.choices[0].message.tool_calls.map(call => call.function), message.tool_calls.map(call => call.function));

  turns.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "4 degrees" });
  const told = await client.chat.completions.create({ ...ask, messages: turns });
  assert.equal(told.choices[0].message.content, "It is 4 degrees in Oslo.");
  assert.equal(told.choices[0].finish_reason, "stop");
}
console.log("all is well");
