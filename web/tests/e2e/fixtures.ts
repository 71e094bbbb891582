// What tests share: one server per worker, people with a browser each, and short words for what everybody does.
import { test as base, expect, type BrowserContext, type Locator, type Page } from "@playwright/test";
import { PASSWORD, TestServer, type Account } from "./server.ts";

/** Somebody with a browser, signed in. */
export class Person {
  constructor(
    readonly account: Account,
    readonly server: TestServer,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  /** Opens a conversation and waits for its composer. */
  async open(ref: string): Promise<void> {
    await this.page.goto(`${this.server.url}/c/${ref}`);
    await expect(this.composer).toBeVisible();
    await this.online();
  }

  async online(): Promise<void> {
    await expect(this.page.locator("[data-conn]").first()).toHaveAttribute("data-conn", "online");
  }

  get composer(): Locator {
    return this.page.getByRole("main").locator("form textarea");
  }

  async write(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** The row of a message, by its text. */
  message(text: string | RegExp): Locator {
    return this.page.getByRole("main").locator("li[data-state]").filter({ hasText: text });
  }

  row(seq: number): Locator {
    return this.page.getByTestId(`msg-${seq}`);
  }

  listed(conversation_id: string): Locator {
    return this.page.getByTestId(`conv-${conversation_id}`);
  }

  get viewport(): Locator {
    return this.page.getByRole("main").getByRole("region", { name: /^Messages/ });
  }

  /** A second page of the same browser. */
  async tab(): Promise<Person> {
    return new Person(this.account, this.server, this.context, await this.context.newPage());
  }

  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    return this.server.api<T>(method, path, body, this.account.token);
  }
}

interface Fixtures {
  ana: Person;
  bo: Person;
  /** A channel of Ana (owner) and Bo. */
  ops: { conversation_id: string; handle: string };
  /** Signs somebody in, in a browser of their own. */
  signIn: (account: Account, options?: Parameters<import("@playwright/test").Browser["newContext"]>[0]) => Promise<Person>;
}

/** A server with its admin, for as long as a worker lives. */
export async function ready({}: object, use: (server: TestServer) => Promise<void>): Promise<void> {
  const server = new TestServer();
  await server.start();
  await server.setUp();
  await use(server);
  await server.stop();
}

export const test = base.extend<Fixtures, { server: TestServer }>({
  server: [ready, { scope: "worker" }],
  signIn: async ({ browser, server, contextOptions }, use) => {
    const contexts: BrowserContext[] = [];
    const wrong: string[] = [];
    await use(async (account, options = {}) => {
      const context = await browser.newContext({ ...contextOptions, viewport: { width: 1440, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin", reducedMotion: "reduce", serviceWorkers: "block", baseURL: server.url, ...options });
      contexts.push(context);
      const answer = await context.request.post(`${server.url}/api/v1/auth/login`, {
        headers: { origin: server.url },
        data: { handle: account.handle, password: PASSWORD, device_name: "Chrome on Linux" },
      });
      expect(answer.status(), await answer.text()).toBe(200);
      // FR-12: no page of the suite asks anybody but its server.
      context.on("request", (request) => {
        const url = new URL(request.url());
        if (!["data:", "blob:"].includes(url.protocol) && url.origin !== server.url) wrong.push(request.url());
      });
      context.on("weberror", (error) => wrong.push(error.error().message));
      return new Person(account, server, context, await context.newPage());
    });
    for (const context of contexts) await context.close();
    expect(wrong, "requests elsewhere, or errors of the page").toEqual([]);
  },
  ana: async ({ server, signIn }, use) => use(await signIn(await server.person("Ana Reyes"))),
  bo: async ({ server, signIn }, use) => use(await signIn(await server.person("Bo Lindqvist"))),
  ops: async ({ server, ana, bo }, use) => {
    const made = await server.conversation("channel", [ana.account, bo.account]);
    await use({ conversation_id: made.conversation_id, handle: made.handle! });
  },
});

export { expect } from "@playwright/test";
export { PASSWORD, TestServer, type Account } from "./server.ts";
