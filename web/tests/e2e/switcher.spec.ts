// The quick switcher (CL-20 … CL-25).
import { expect, test, type Person } from "./fixtures.ts";

const box = (person: Person): ReturnType<Person["page"]["getByRole"]> => person.page.getByRole("combobox", { name: /Go to/ });
const options = (person: Person): ReturnType<Person["page"]["getByRole"]> => person.page.getByRole("option");
const names = (person: Person): Promise<string[]> => person.page.locator('[role="option"] .name').allTextContents();
const chosen = (person: Person): Promise<string | null> => person.page.locator('[role="option"][aria-selected="true"] .name').textContent();

async function open(person: Person): Promise<void> {
  await person.page.keyboard.press("ControlOrMeta+k");
  await expect(box(person)).toBeFocused();
}

test("CL-20 CL-24 opens at once with what is unread, then recent; Enter opens, Esc goes back to where the focus was; the keys are shown", async ({ server, ana, bo, ops }) => {
  const first = await server.conversation("channel", [bo.account, ana.account], "first");
  const second = await server.conversation("channel", [bo.account, ana.account], "second");
  await server.write(bo.account, second.conversation_id, "later");
  await server.api("PUT", `conversations/${second.conversation_id}/read`, { read_generation: 0, read_seq: 100 }, ana.account.token).catch(() => undefined);
  const { last_seq } = await server.api<{ last_seq: number }>("GET", `conversations/${second.conversation_id}`, undefined, ana.account.token);
  await server.api("PUT", `conversations/${second.conversation_id}/read`, { read_generation: 0, read_seq: last_seq }, ana.account.token);
  await server.write(bo.account, first.conversation_id, "unread");
  await server.write(bo.account, second.conversation_id, "newest, but mine will be read");
  const again = await server.api<{ last_seq: number }>("GET", `conversations/${second.conversation_id}`, undefined, ana.account.token);
  await server.api("PUT", `conversations/${second.conversation_id}/read`, { read_generation: 0, read_seq: again.last_seq }, ana.account.token);
  await ana.open(ops.handle);
  await expect(ana.listed(first.conversation_id).getByTestId("badge")).toHaveText("1");
  await expect(ana.listed(second.conversation_id).getByTestId("badge")).toHaveCount(0);

  // The time from the key to the list in the document, painted; the median of five.
  const times: number[] = [];
  for (let n = 0; n < 5; n++) {
    times.push(
      await ana.page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const started = performance.now();
            const look = (): void => {
              if (document.querySelector('[role="option"]') !== null) requestAnimationFrame(() => resolve(performance.now() - started));
              else requestAnimationFrame(look);
            };
            document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true, cancelable: true }));
            look();
          }),
      ),
    );
    await ana.page.keyboard.press("Escape");
    await expect(box(ana)).toHaveCount(0);
  }
  times.sort((a, b) => a - b);
  console.log(`CL-20: ${times.map((time) => time.toFixed(0)).join(", ")} ms`);
  expect(times[2]).toBeLessThan(100);

  await ana.composer.focus();
  await open(ana);
  await expect(box(ana)).toHaveAttribute("aria-expanded", "true");
  const list = ana.page.getByRole("listbox");
  await expect(box(ana)).toHaveAttribute("aria-controls", (await list.getAttribute("id")) ?? "-");
  expect((await names(ana)).slice(0, 2)).toEqual([`#${first.handle}`, `#${second.handle}`]);
  await expect(box(ana)).toHaveAttribute("aria-activedescendant", (await options(ana).first().getAttribute("id")) ?? "-");
  await expect(ana.page.getByRole("dialog")).toContainText("Enter opens");
  await expect(ana.page.getByRole("dialog")).toContainText("Esc closes");
  await ana.page.keyboard.press("Escape");
  await expect(ana.composer).toBeFocused();
  await ana.listed(second.conversation_id).focus();
  await open(ana);
  await ana.page.keyboard.press("Escape");
  await expect(ana.listed(second.conversation_id)).toBeFocused();

  await open(ana);
  await ana.page.keyboard.press("ArrowDown");
  expect(await chosen(ana)).toBe(`#${second.handle}`);
  await ana.page.keyboard.press("ArrowUp");
  await ana.page.keyboard.press("Enter");
  await expect(ana.page.getByRole("main", { name: `#${first.handle}` })).toBeVisible();
});

test("CL-21 exact before the beginning of a word, initials and letters in order; recency breaks ties; the open one is never first; accents and case do not matter", async ({ server, ana }) => {
  const make = (name: string): Promise<{ conversation_id: string }> => server.conversation("group", [ana.account], name);
  // The oldest would be last by recency alone.
  const exact = await make("Dev");
  await make("Big Dev Corner");
  await make("Deep Earth Voyage");
  await make("Dark evening view");
  await make("Made a drive veto");
  await make("Zoë Ärger");
  await make("Device One");
  await make("Device Two");
  await ana.page.goto(`${server.url}/c/${(await make("Elsewhere")).conversation_id}`);
  await expect(ana.composer).toBeVisible();
  await open(ana);
  await ana.page.keyboard.type("dev");
  const found = await names(ana);
  expect(found[0]).toBe("Dev");
  // Beginnings of words, the newest first; then initials; then letters in their order.
  expect(found.slice(1, 4)).toEqual(["Device Two", "Device One", "Big Dev Corner"]);
  expect(found.slice(4, 6)).toEqual(["Dark evening view", "Deep Earth Voyage"]);
  expect(found[6]).toBe("Made a drive veto");
  await box(ana).fill("zoe arger");
  expect((await names(ana))[0]).toBe("Zoë Ärger");
  await box(ana).fill("ÄRG");
  expect((await names(ana))[0]).toBe("Zoë Ärger");
  await box(ana).fill("DEV");
  expect((await names(ana))[0]).toBe("Dev");
  await ana.page.keyboard.press("Escape");

  await ana.page.goto(`${server.url}/c/${exact.conversation_id}`);
  await expect(ana.composer).toBeVisible();
  await open(ana);
  await ana.page.keyboard.type("dev");
  const inside = await names(ana);
  expect(inside[0]).toBe("Device Two");
  expect(inside).toContain("Dev");
  await box(ana).fill("");
  expect((await names(ana))[0]).not.toBe("Dev");
});

test("CL-22 results are local; what the server adds comes below a separator and moves nothing", async ({ server, ana, ops }) => {
  const stranger = await server.person("Zaphod Unseen");
  await server.conversation("group", [ana.account], "Zap one");
  await server.conversation("group", [ana.account], "Zap two");
  // The page has not heard of the stranger.
  await ana.page.route("**/api/v1/users?limit=200", async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { users: { user_id: string }[] };
    await route.fulfill({ response: answer, json: { ...body, users: body.users.filter((user) => user.user_id !== stranger.user_id) } });
  });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await ana.page.route("**/api/v1/users?limit=20&q=*", async (route) => {
    await held;
    await route.continue();
  });
  await ana.open(ops.handle);
  await open(ana);
  await ana.page.keyboard.type("zap");
  // Local results, while the server has not answered.
  expect(await names(ana)).toEqual(["Zap two", "Zap one"]);
  await ana.page.keyboard.press("ArrowDown");
  expect(await chosen(ana)).toBe("Zap one");
  const before = await options(ana).nth(1).boundingBox();
  release();
  await expect(options(ana)).toHaveCount(3);
  expect(await names(ana)).toEqual(["Zap two", "Zap one", "Zaphod Unseen"]);
  expect(await chosen(ana)).toBe("Zap one");
  expect(await options(ana).nth(1).boundingBox()).toEqual(before);
  const separator = ana.page.getByText("More people on this server");
  expect((await separator.boundingBox())!.y).toBeGreaterThan((await options(ana).nth(1).boundingBox())!.y);
  expect((await separator.boundingBox())!.y).toBeLessThan((await options(ana).nth(2).boundingBox())!.y);
});

test("CL-23 # for conversations, @ for people, > for commands", async ({ server, ana, bo, ops }) => {
  await server.direct(bo.account, ana.account);
  await server.conversation("group", [ana.account], "Boats");
  await ana.open(ops.handle);
  await open(ana);
  await ana.page.keyboard.type("#bo");
  expect(await names(ana)).toEqual(["Boats"]);
  await box(ana).fill("@bo");
  await expect.poll(() => names(ana)).toContain("Bo Lindqvist");
  expect(await names(ana)).not.toContain("Boats");
  await box(ana).fill(">settings");
  await expect(options(ana).filter({ hasText: "Settings" }).first()).toContainText("Ctrl+,");
  await ana.page.keyboard.press("Enter");
  await expect(ana.page).toHaveURL(`${server.url}/settings/profile`);
});

test("CL-25 somebody without a conversation: nothing is made until the first message is sent", async ({ server, ana, ops, signIn }) => {
  const cy = await signIn(await server.person("Cyrus Novak"));
  const count = async (): Promise<number> => (await ana.api<{ conversations: unknown[] }>("GET", "conversations")).conversations.length;
  const before = await count();
  await ana.open(ops.handle);
  await open(ana);
  await ana.page.keyboard.type(cy.account.handle);
  const option = options(ana).filter({ hasText: "Cyrus Novak" });
  await expect(option).toContainText("Start a conversation");
  await option.click();
  await expect(ana.page.getByRole("main", { name: "Cyrus Novak" })).toBeVisible();
  await expect(ana.composer).toBeFocused();
  await ana.composer.fill("Not sent yet");
  expect(await count()).toBe(before);
  // The text is a draft like every other.
  await ana.page.reload();
  await expect(ana.composer).toHaveValue("Not sent yet");
  expect(await count()).toBe(before);
  await ana.composer.fill("Nice to meet you");
  await ana.composer.press("Enter");
  await expect(ana.message("Nice to meet you")).toHaveAttribute("data-state", "sent");
  expect(await count()).toBe(before + 1);
  await expect(ana.composer).toHaveValue("");
  await expect(ana.composer).toBeFocused();
  await cy.page.goto(server.url);
  await expect(cy.page.getByRole("navigation").getByRole("link", { name: /Ana Reyes/ })).toBeVisible();
});
