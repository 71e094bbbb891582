// A real server for tests: its own data, a free port, hooks to disturb it, kill and restart.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BINARY = process.env["STONECHAT_BIN"] ?? resolve(import.meta.dirname, "../../../target/debug/stonechat");
export const PASSWORD = "a long enough password";

export interface Account {
  user_id: string;
  handle: string;
  name: string;
  token: string;
}

export class TestServer {
  url = "";
  admin!: Account;
  setupLink = "";
  private process: ChildProcess | undefined;
  private readonly data = mkdtempSync(join(tmpdir(), "stonechat-web-"));
  private port = 0;
  private names = 0;

  constructor(private readonly flags: string[] = []) {}

  /** Starts; the first time without anybody in it. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const process = spawn(BINARY, ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`, ...this.flags]);
    this.process = process;
    let said = "";
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      this.setupLink = /http:\S+\/setup#k=\S+/.exec(said)?.[0] ?? this.setupLink;
    };
    process.stdout?.on("data", hear);
    process.stderr?.on("data", hear);
    for (let tries = 0; ; tries++) {
      if (process.exitCode !== null) throw new Error(`the server ended: ${said}`);
      const ready = await fetch(`${this.url}/ready`).catch(() => undefined);
      if (ready?.ok === true) return;
      if (tries > 400) throw new Error(`the server does not start: ${said}`);
      await new Promise((wake) => setTimeout(wake, 25));
    }
  }

  /** Makes the first admin by the set-up link. */
  async setUp(): Promise<void> {
    // It may answer before what it printed has come here.
    for (let tries = 0; this.setupLink === "" && tries < 200; tries++) await new Promise((wake) => setTimeout(wake, 25));
    const key = new URLSearchParams(new URL(this.setupLink).hash.slice(1)).get("k");
    const body = { key, server_name: "Acme", name: "Kit", handle: "kit", password: PASSWORD };
    const answer = await this.api<{ user_id: string; access_token: string }>("POST", "setup", body);
    this.admin = { user_id: answer.user_id, handle: "kit", name: "Kit", token: answer.access_token };
  }

  /** A new person, by an invitation. */
  async person(name: string): Promise<Account> {
    const handle = `${name.toLowerCase().replace(/[^a-z]/g, "")}${process.pid % 1_000}.${++this.names}`;
    await this.renewAdmin();
    const invite = await this.api<{ token: string }>("POST", "invites", { conversations: [] }, this.admin.token);
    const body = { name, handle, password: PASSWORD };
    const answer = await this.api<{ user_id: string; access_token: string }>("POST", `invites/${invite.token}/accept`, body);
    return { user_id: answer.user_id, handle, name, token: answer.access_token };
  }

  private signedInAt = Date.now();
  /** An access token lives ten minutes; a suite lives longer. */
  private async renewAdmin(): Promise<void> {
    if (Date.now() - this.signedInAt < 5 * 60_000) return;
    const answer = await this.api<{ access_token: string }>("POST", "auth/login", { handle: "kit", password: PASSWORD });
    this.admin.token = answer.access_token;
    this.signedInAt = Date.now();
  }

  /** A channel of these people (the first is its owner), or a group. */
  async conversation(kind: "channel" | "group", members: Account[], name = "Ops"): Promise<{ conversation_id: string; handle?: string }> {
    const [owner, ...others] = members;
    const handle = `${name.toLowerCase()}-${process.pid % 1_000}-${++this.names}`;
    const body = kind === "channel" ? { kind, name, handle } : { kind, name, members: others.map((one) => one.user_id) };
    const made = await this.api<{ conversation_id: string; handle?: string }>("POST", "conversations", body, owner!.token);
    if (kind === "channel" && others.length > 0) {
      await this.api("POST", `conversations/${made.conversation_id}/members`, { user_ids: others.map((one) => one.user_id) }, owner!.token);
    }
    return made;
  }

  async direct(from: Account, to: Account): Promise<{ conversation_id: string }> {
    return this.api("POST", "conversations", { kind: "direct", members: [to.user_id] }, from.token);
  }

  /** Writes a message as somebody; answers its place. */
  async write(who: Account, conversation_id: string, content: string, more: Record<string, unknown> = {}): Promise<{ seq: number; message_id: string }> {
    return this.api("POST", `conversations/${conversation_id}/messages`, { client_id: crypto.randomUUID(), content, ...more }, who.token);
  }

  /** Many messages at once, spread over the last days. */
  async fill(conversation_id: string, messages: number, users: Account[], text?: string): Promise<number> {
    const body = { conversation_id, messages, users: users.map((one) => one.user_id), ...(text === undefined ? {} : { text }) };
    return (await this.hook<{ last_seq: number }>("fill", body)).last_seq;
  }

  async api<T = unknown>(method: string, path: string, body?: unknown, token?: string): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await fetch(`${this.url}/api/v1/${path}`, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  /** A test hook of the server: `kick`, `acks`, `reject`, `silence`, `sockets`, `down`, `fill`. */
  async hook<T = void>(name: string, body: unknown): Promise<T> {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(`${this.url}/api/test/${name}`, init);
    if (!response.ok) throw new Error(`hook ${name}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  /** Ends the process at once, as a power cut would end it. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    rmSync(this.data, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const process = this.process;
    if (process === undefined || process.exitCode !== null) return;
    const ended = new Promise((resolve) => process.once("exit", resolve));
    process.kill(signal);
    const late = setTimeout(() => process.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(late);
    this.process = undefined;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
