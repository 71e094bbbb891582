// Servers of a test's own, and browsers of people who are not signed in.
import { expect, type Browser, type BrowserContext, type Page } from "@playwright/test";
import { PASSWORD, TestServer } from "./server.ts";

export interface Visitor {
  page: Page;
  context: BrowserContext;
  /** Every address that was asked for. */
  requests: string[];
}

/** Runs with a server that nobody has set up. */
export async function withServer(act: (server: TestServer) => Promise<void>, flags: string[] = []): Promise<void> {
  const server = new TestServer(flags);
  await server.start();
  try {
    await act(server);
  } finally {
    await server.stop();
  }
}

/** A browser of somebody who is not signed in; it may ask nobody but the server (FR-12). */
export async function visit(browser: Browser, server: TestServer, act: (visitor: Visitor) => Promise<void>, options: Parameters<Browser["newContext"]>[0] = {}): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin", reducedMotion: "reduce", baseURL: server.url, ...options });
  const requests: string[] = [];
  const errors: string[] = [];
  context.on("request", (request) => requests.push(request.url()));
  context.on("weberror", (error) => errors.push(error.error().message));
  try {
    await act({ page: await context.newPage(), context, requests });
    const elsewhere = requests.filter((url) => !/^(data|blob):/.test(url) && new URL(url).hostname !== new URL(server.url).hostname && !url.startsWith(options.baseURL ?? server.url));
    expect(elsewhere, "FR-12: requests elsewhere").toEqual([]);
    expect(errors, "errors of the page").toEqual([]);
  } finally {
    await context.close();
  }
}

/** Signs in by the form. */
export async function signInByForm(page: Page, handle: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Handle").fill(handle);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Password", { exact: true }).press("Enter");
}
