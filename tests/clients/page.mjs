// SPDX-License-Identifier: MIT
// The page of carnot serve in headless Chromium, over its debugging protocol: page.mjs URL FOLDER asks and is
// answered at 1280 and at 400 px, light and dark, and leaves pictures in FOLDER. No console error, nothing wider than
// the window.
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const [url, folder] = process.argv.slice(2);
const profile = mkdtempSync(path.join(folder, "browser-"));
const browser = spawn("chromium", ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
  "--disable-background-networking", "--remote-debugging-port=0", "--user-data-dir=" + profile, "about:blank"]);
const address = await new Promise((resolve, reject) => {
  let said = "";
  browser.stderr.on("data", data => {
    said += data;
    const found = said.match(/DevTools listening on (ws:\S+)/);
    if (found)
      resolve(found[1]);
  });
  browser.on("exit", () => reject(new Error("chromium does not start: " + said.slice(-500))));
});

/* Node 20 has no WebSocket without a flag: pages are driven through pipes of the inspector's HTTP side and this. */
const { connect } = await import("node:net");
class Socket {
  constructor(address) {
    const at = new URL(address);
    this.socket = connect(Number(at.port), at.hostname);
    this.data = Buffer.alloc(0);
    this.waiting = new Map();
    this.events = [];
    this.count = 0;
    this.ready = new Promise(resolve => {
      this.socket.on("data", data => {
        this.data = Buffer.concat([this.data, data]);
        if (!this.open && this.data.includes("\r\n\r\n")) {
          this.open = true;
          this.data = this.data.subarray(this.data.indexOf("\r\n\r\n") + 4);
          resolve();
        }
        if (this.open)
          this.take();
      });
    });
    this.socket.write(`GET ${at.pathname} HTTP/1.1\r\nHost: ${at.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  }
  take() {
    while (this.data.length >= 2) {
      let n = this.data[1] & 127, from = 2;
      if (n === 126) { if (this.data.length < 4) return; n = this.data.readUInt16BE(2); from = 4; }
      else if (n === 127) { if (this.data.length < 10) return; n = Number(this.data.readBigUInt64BE(2)); from = 10; }
      if (this.data.length < from + n)
        return;
      const message = JSON.parse(this.data.subarray(from, from + n));
      this.data = this.data.subarray(from + n);
      if (message.id)
        this.waiting.get(message.id)(message);
      else
        this.events.push(message);
    }
  }
  async ask(method, params = {}, sessionId = undefined) {
    const id = ++this.count, text = Buffer.from(JSON.stringify({ id, method, params, sessionId }));
    const head = Buffer.alloc(8);
    head[0] = 0x81; head[1] = 0x80 | 126; head.writeUInt16BE(text.length, 2); /* the mask is 0 */
    assert.ok(text.length < 65536);
    const answer = new Promise(resolve => this.waiting.set(id, resolve));
    this.socket.write(Buffer.concat([head, text]));
    const { result, error } = await answer;
    assert.ok(!error, method + ": " + error?.message);
    return result;
  }
}

try {
  const socket = new Socket(address);
  await socket.ready;
  const { targetId } = await socket.ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await socket.ask("Target.attachToTarget", { targetId, flatten: true });
  const ask = (method, params) => socket.ask(method, params, sessionId);
  const run = async expression => (await ask("Runtime.evaluate",
    { expression, awaitPromise: true, returnByValue: true })).result.value;
  const until = async (expression, what) => {
    for (let i = 0; i < 200; i++, await new Promise(resolve => setTimeout(resolve, 100)))
      if (await run(expression))
        return;
    assert.fail("waited in vain for " + what);
  };
  await ask("Runtime.enable");
  await ask("Log.enable");
  await ask("Page.enable");
  for (const [width, scheme] of [[1280, "light"], [400, "dark"], [1280, "dark"], [400, "light"]]) {
    await ask("Emulation.setDeviceMetricsOverride", { width, height: 800, deviceScaleFactor: 1, mobile: width < 500 });
    await ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await ask("Page.navigate", { url: url + "/" });
    await until("document.readyState === 'complete' && document.getElementById('model')?.textContent.includes('weights')",
      "the model's name");
    await run("document.getElementById('most').value = 40; document.getElementById('text').value = 'Tell me of the sea, <b>please</b>.';" +
      "document.getElementById('send').click()");
    await until("document.querySelector('.assistant .cost')?.textContent.includes('joules: unsupported') && " +
      "document.getElementById('send').textContent === 'Send'", "an answer with its cost");
    const said = await run("document.querySelector('.assistant .said').textContent");
    assert.ok(said.length > 10, "the answer is '" + said + "'");
    assert.equal(await run("document.querySelector('.user .said').textContent"), "Tell me of the sea, <b>please</b>.");
    assert.match(await run("document.querySelector('.assistant .cost').textContent"), /40 said .* tokens\/s/);
    assert.ok(await run("document.documentElement.scrollWidth <= innerWidth"), "wider than the window at " + width);
    const { data } = await ask("Page.captureScreenshot", { format: "png" });
    writeFileSync(path.join(folder, `page-${width}-${scheme}.png`), Buffer.from(data, "base64"));
  }
  // What was said before it was stopped stays in the conversation, until there is a new one.
  await run("document.getElementById('most').value = 900; document.getElementById('text').value = 'Go on.';" +
    "document.getElementById('send').click()");
  await until("document.querySelectorAll('.assistant .said')[1]?.textContent.length > 10", "the second answer");
  await run("document.getElementById('send').click()");
  await until("document.getElementById('send').textContent === 'Send'", "its end");
  assert.equal(await run("messages.map(message => message.role).join()"), "user,assistant,user,assistant");
  assert.equal(await run("messages[3].content"), await run("document.querySelectorAll('.assistant .said')[1].textContent"));
  await run("document.getElementById('fresh').click()");
  assert.equal(await run("messages.length + document.getElementById('talk').childNodes.length"), 0);
  const wrong = socket.events.filter(event => event.method === "Runtime.exceptionThrown" ||
    (event.method === "Runtime.consoleAPICalled" && event.params.type === "error") ||
    (event.method === "Log.entryAdded" && event.params.entry.level === "error"));
  assert.equal(wrong.length, 0, JSON.stringify(wrong.map(event => event.params)));
  console.log("all is well");
} finally {
  browser.removeAllListeners("exit");
  browser.kill("SIGKILL");
  await new Promise(resolve => browser.exitCode !== null || browser.signalCode ? resolve() : browser.on("exit", resolve));
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(0);
