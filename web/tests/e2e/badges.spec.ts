// Badges: they tell the truth on every device, whatever happened (CL-12 … CL-14, NO-11).
import { expect, test, type Account, type Person, type TestServer } from "./fixtures.ts";

interface Listed {
  conversation_id: string;
  kind: string;
  unread: number;
  mentions: number;
  muted: boolean;
  last_seq: number;
  last_message?: { seq: number };
}

async function list(server: TestServer, who: Account): Promise<Listed[]> {
  return (await server.api<{ conversations: Listed[] }>("GET", "conversations?limit=200", undefined, who.token)).conversations;
}

/** What the server's rows make a screen show: per conversation the badge, and the title's count. */
function wanted(rows: Listed[]): { badges: Record<string, string>; count: number } {
  const badges: Record<string, string> = {};
  let count = 0;
  for (const row of rows) {
    const signal = row.kind === "direct" && !row.muted ? row.unread : row.mentions;
    count += signal;
    if (signal > 0) badges[row.conversation_id] = `${signal}!`;
    else if (row.unread > 0 && !row.muted) badges[row.conversation_id] = `${row.unread}`;
  }
  return { badges, count };
}

async function shown(person: Person): Promise<{ badges: Record<string, string>; count: number }> {
  return person.page.evaluate(() => {
    const badges: Record<string, string> = {};
    for (const row of document.querySelectorAll<HTMLElement>("nav a[data-id]")) {
      const badge = row.querySelector('[data-testid="badge"]');
      if (badge !== null) badges[row.dataset["id"] ?? ""] = `${badge.textContent}${badge.classList.contains("wanted") ? "!" : ""}`;
    }
    return { badges, count: Number(/^\((\d+)\)/.exec(document.title)?.[1] ?? 0) };
  });
}

/** The same numbers on the screen and on the server, soon and for good. */
async function agree(person: Person, server: TestServer, what: string): Promise<void> {
  await expect
    .poll(async () => JSON.stringify({ ...(await compare(person, server)) }), { message: what, timeout: 6_000, intervals: [50, 100, 200, 400] })
    .toBe("{}");
}

async function compare(person: Person, server: TestServer): Promise<Record<string, unknown>> {
  const [rows, screen] = [wanted(await list(server, person.account)), await shown(person)];
  const differences: Record<string, unknown> = {};
  for (const id of new Set([...Object.keys(rows.badges), ...Object.keys(screen.badges)])) {
    if (rows.badges[id] !== screen.badges[id]) differences[id] = { server: rows.badges[id], screen: screen.badges[id] };
  }
  if (rows.count !== screen.count) differences["title"] = { server: rows.count, screen: screen.count };
  return differences;
}

test("CL-12 NO-11 reading on one device clears the badge and the title of the other within 1 s", async ({ server, ana, bo, ops, signIn }) => {
  const direct = await server.direct(bo.account, ana.account);
  const second = await signIn(ana.account);
  const parked = await server.conversation("channel", [ana.account], "Parked");
  await ana.open(parked.handle!);
  await second.open(parked.handle!);
  for (let n = 0; n < 3; n++) await server.write(bo.account, direct.conversation_id, `Direct ${n}`);
  await server.write(bo.account, ops.conversation_id, "Plain");
  for (const device of [ana, second]) {
    await expect(device.listed(direct.conversation_id).getByTestId("badge")).toHaveText("3");
    await expect(device.listed(ops.conversation_id).getByTestId("badge")).toHaveText("1");
    await expect(device.page).toHaveTitle(`(3) ${parked.handle} — stonechat`);
    await expect(device.page.locator('link[rel="icon"]')).toHaveAttribute("href", "/icon-unread.svg");
  }
  await ana.page.bringToFront();
  await ana.listed(direct.conversation_id).click();
  await expect(ana.listed(direct.conversation_id).getByTestId("badge")).toHaveCount(0);
  await expect(second.listed(direct.conversation_id).getByTestId("badge")).toHaveCount(0, { timeout: 1_000 });
  await expect(second.page).toHaveTitle(`${parked.handle} — stonechat`);
  // A plain unread message is left: the icon says so, the title does not count it.
  await expect(second.page.locator('link[rel="icon"]')).toHaveAttribute("href", "/icon-unread.svg");
  await ana.listed(ops.conversation_id).click();
  await expect(second.listed(ops.conversation_id).getByTestId("badge")).toHaveCount(0);
  await expect(second.page.locator('link[rel="icon"]')).toHaveAttribute("href", "/icon.svg");
  for (const icon of ["/icon.svg", "/icon-unread.svg"]) expect((await fetch(server.url + icon)).ok, icon).toBe(true);
});

test("NO-11 the app's badge follows the count and is cleared at zero", async ({ server, ana, bo, ops }) => {
  await ana.page.addInitScript(() => {
    const told: (number | "clear")[] = [];
    Object.assign(window, { told });
    Object.assign(Navigator.prototype, {
      setAppBadge: async (count: number) => void told.push(count),
      clearAppBadge: async () => void told.push("clear"),
    });
  });
  const direct = await server.direct(bo.account, ana.account);
  await ana.open(ops.handle);
  const last = (): Promise<number | "clear" | undefined> => ana.page.evaluate(() => (window as unknown as { told: (number | "clear")[] }).told.at(-1));
  await server.write(bo.account, direct.conversation_id, "one");
  await expect.poll(last).toBe(1);
  await server.write(bo.account, ops.conversation_id, `@${ana.account.handle} look`);
  await expect(ana.message("look")).toBeVisible();
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveCount(0);
  await ana.listed(direct.conversation_id).click();
  await expect.poll(last).toBe("clear");
});

/** A sequence of numbers that a seed repeats. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let n = state;
    n = Math.imul(n ^ (n >>> 15), n | 1);
    n ^= n + Math.imul(n ^ (n >>> 7), n | 61);
    return ((n ^ (n >>> 14)) >>> 0) % below;
  };
}

test("CL-14 whatever happens, badges and totals are what the server counts, and nothing is left after Mark all read", async ({ server, ana, bo, ops }) => {
  test.setTimeout(120_000);
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000_000));
  console.log(`CL-14: SEED=${seed}`);
  const below = random(seed);
  const parked = await server.conversation("channel", [ana.account], "Parked");
  const places = [ops.conversation_id];
  places.push((await server.conversation("channel", [bo.account, ana.account], "Second")).conversation_id);
  places.push((await server.conversation("group", [ana.account, bo.account], "Group")).conversation_id);
  places.push((await server.direct(bo.account, ana.account)).conversation_id);
  const written: { id: string; seq: number; by: Account; thread?: number }[] = [];
  const roots: { id: string; seq: number }[] = [];
  // Mentions in a thread that one stopped following have no place to be read at yet: not part of this.
  const unfollowed = new Set<string>();
  await ana.open(parked.handle!);
  const steps: string[] = [];
  const act = async (): Promise<void> => {
    const id = places[below(places.length)]!;
    const by = below(4) === 0 ? ana.account : bo.account;
    const mine = written.filter((one) => one.id === id);
    const kind = below(15);
    if (kind <= 4) {
      const mention = below(3) === 0 ? ` @${ana.account.handle}` : "";
      const { seq } = await server.write(by, id, `message${mention}`);
      written.push({ id, seq, by });
      steps.push(`write ${id} ${seq} ${by.name}${mention}`);
      if (below(3) === 0) roots.push({ id, seq });
    } else if (kind <= 7) {
      const root = roots.filter((one) => one.id === id)[below(Math.max(1, roots.filter((one) => one.id === id).length))];
      if (root === undefined) return;
      const mention = below(4) === 0 && !unfollowed.has(`${id}/${root.seq}`) ? ` @${ana.account.handle}` : "";
      if (by === ana.account) unfollowed.delete(`${id}/${root.seq}`);
      const { seq } = await server.write(by, id, `reply${mention}`, { thread: root.seq });
      written.push({ id, seq, by, thread: root.seq });
      steps.push(`reply ${id} ${root.seq}/${seq} ${by.name}${mention}`);
    } else if (kind === 8) {
      const one = mine[below(Math.max(1, mine.length))];
      if (one === undefined) return;
      const mention = below(2) === 0 && !unfollowed.has(`${id}/${one.thread}`) ? ` @${ana.account.handle}` : "";
      const { version } = await server.api<{ version: unknown }>("GET", `conversations/${id}/messages/${one.seq}`, undefined, one.by.token);
      await server.api("PATCH", `conversations/${id}/messages/${one.seq}`, { client_id: crypto.randomUUID(), content: `edited${mention}`, version }, one.by.token);
      steps.push(`edit ${id} ${one.seq}${mention}`);
    } else if (kind === 9) {
      const at = written.findIndex((one) => one.id === id);
      const one = written[at];
      if (one === undefined || roots.some((root) => root.id === id && root.seq === one.seq)) return;
      written.splice(at, 1);
      await server.api("DELETE", `conversations/${id}/messages/${one.seq}?client_id=${crypto.randomUUID()}`, undefined, one.by.token).catch(() => undefined);
      steps.push(`delete ${id} ${one.seq}`);
    } else if (kind === 10) {
      const row = (await list(server, ana.account)).find((one) => one.conversation_id === id)!;
      const to = below(2) === 0 ? row.last_seq : Math.max(1, row.last_seq - below(4));
      const { read_generation } = await server.api<{ read_generation: number }>("GET", `conversations/${id}`, undefined, ana.account.token);
      await server.api("PUT", `conversations/${id}/read`, { read_generation, read_seq: to }, ana.account.token);
      steps.push(`read ${id} ${to}`);
    } else if (kind === 11) {
      const one = mine.filter((each) => each.thread === undefined)[0];
      if (one === undefined) return;
      await server.api("PUT", `conversations/${id}/mark-unread`, { seq: one.seq }, ana.account.token);
      steps.push(`mark unread ${id} ${one.seq}`);
    } else if (kind === 12) {
      const muted = below(2) === 0;
      await server.api("PUT", `conversations/${id}/mute`, { muted }, ana.account.token);
      steps.push(`mute ${id} ${muted}`);
    } else if (kind === 13) {
      const root = roots.find((one) => one.id === id);
      if (root === undefined) return;
      const follow = below(2) === 0;
      if (!follow) {
        const { last_seq } = await server.api<{ last_seq: number }>("GET", `conversations/${id}`, undefined, ana.account.token);
        const summary = (await server.api<{ thread_summary?: { read_generation: number } }>("GET", `conversations/${id}/messages/${root.seq}`, undefined, ana.account.token)).thread_summary;
        await server.api("PUT", `conversations/${id}/read`, { thread: root.seq, read_generation: summary?.read_generation ?? 0, read_seq: last_seq }, ana.account.token);
        unfollowed.add(`${id}/${root.seq}`);
      } else unfollowed.delete(`${id}/${root.seq}`);
      await server.api("PUT", `conversations/${id}/follow`, { thread: root.seq, follow }, ana.account.token);
      steps.push(`follow ${id} ${root.seq} ${follow}`);
    } else if (below(3) === 0) {
      await server.hook("kick", { user_id: ana.account.user_id });
      steps.push("kick");
    } else {
      const one = mine[below(Math.max(1, mine.length))];
      if (one === undefined) return;
      const body = { client_id: crypto.randomUUID(), emoji: "👍", action: "add" };
      await server.api("POST", `conversations/${id}/messages/${one.seq}/reactions`, body, bo.account.token).catch(() => undefined);
      steps.push(`react ${id} ${one.seq}`);
    }
  };
  for (let round = 0; round < 12; round++) {
    const from = steps.length;
    for (let n = 0; n < 8; n++) await act();
    // Sometimes a person looks: by the row, and goes back.
    if (below(3) === 0) {
      const id = places[below(places.length)]!;
      await ana.listed(id).click();
      await expect(ana.page.locator(`nav a[aria-current="page"]`)).toHaveAttribute("data-id", id);
      await ana.page.goto(`${server.url}/c/${parked.handle}`);
      steps.push(`open ${id}, reload`);
    }
    await agree(ana, server, `SEED=${seed}, round ${round}:\n${steps.slice(Math.max(0, from - 8)).join("\n")}`);
  }
  await ana.page.keyboard.press("Shift+Escape");
  await ana.page.getByRole("dialog").getByRole("button", { name: "Mark read" }).click();
  await expect.poll(async () => (await list(server, ana.account)).filter((row) => row.unread > 0 || row.mentions > 0), { message: `SEED=${seed}` }).toEqual([]);
  await agree(ana, server, `SEED=${seed}, after Mark all read`);
  expect(await shown(ana)).toEqual({ badges: {}, count: 0 });
});
