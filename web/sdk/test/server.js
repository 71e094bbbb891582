// A real server for the SDK's tests: a free port, its own data, people, test hooks.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BINARY = process.env.STONECHAT_BIN ?? resolve(import.meta.dirname, "../../../target/debug/stonechat");
const PASSWORD = "a long enough password";

export async function startServer(flags = []) {
  const data = mkdtempSync(join(tmpdir(), "stonechat-sdk-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child;
  let said = "";

  async function start() {
    child = spawn(BINARY, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, ...flags]);
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
    for (let tries = 0; tries < 400; tries++) {
      if (child.exitCode !== null) throw new Error(`the server ended: ${said}`);
      if ((await fetch(`${url}/ready`).catch(() => undefined))?.ok) return;
      await new Promise((wake) => setTimeout(wake, 25));
    }
    throw new Error(`the server does not start: ${said}`);
  }
  async function end(signal) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((wake) => child.once("exit", wake));
    child.kill(signal);
    await ended;
  }
  async function api(method, path, body, token) {
    const headers = { "content-type": "application/json" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const response = await fetch(`${url}/api/v1/${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }
  async function hook(name, body) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/api/test/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`hook ${name}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }

  await start();
  const key = /setup#k=(\S+)/.exec(said)[1];
  const kit = await api("POST", "setup", { key, server_name: "Acme", name: "Kit", handle: "kit", password: PASSWORD });
  let people = 0;
  async function person() {
    const invite = await api("POST", "invites", { conversations: ["lobby"] }, kit.access_token);
    const handle = `person${++people}`;
    return api("POST", `invites/${invite.token}/accept`, { name: handle, handle, password: PASSWORD });
  }
  return {
    url,
    admin: kit,
    person,
    api,
    hook,
    kill: () => end("SIGKILL"),
    start,
    stop: async () => {
      await end("SIGTERM");
      rmSync(data, { recursive: true, force: true });
    },
  };
}

function freePort() {
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Waits until something is true; fails after 15 s. */
export async function until(what, holds) {
  const end = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}
