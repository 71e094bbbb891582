// What can be done with a message: toolbar, menu, sheet and keys; reactions, edits, deletions.
import { expect, test, type Person } from "./fixtures.ts";

const dialog = (person: Person, name: string) => person.page.getByRole("dialog", { name });

test("MA-01 the toolbar shows on hover and focus without moving anything; Tab reaches it from the row", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "Toolbar here");
  await server.write(bo.account, ops.conversation_id, "And a row below");
  await ana.open(ops.handle);
  const row = ana.row(seq);
  const tools = row.getByRole("toolbar", { name: "Message actions" });
  const below = ana.message("And a row below");
  const before = [await row.boundingBox(), await below.boundingBox()];
  await expect(tools).toHaveCount(0);
  await row.hover();
  await expect(tools).toHaveCSS("opacity", "1");
  for (const name of ["React", "Reply", "Thread", "More actions"]) await expect(tools.getByRole("button", { name, exact: true })).toBeVisible();
  expect([await row.boundingBox(), await below.boundingBox()]).toEqual(before);
  await ana.page.mouse.move(5, 5);
  await expect(tools).toHaveCSS("opacity", "0");
  await row.focus();
  await expect(tools).toHaveCSS("opacity", "1");
  expect([await row.boundingBox(), await below.boundingBox()]).toEqual(before);
  for (const name of ["React", "Reply", "Thread", "More actions"]) {
    await ana.page.keyboard.press("Tab");
    await expect(tools.getByRole("button", { name, exact: true })).toBeFocused();
  }
  // One row is a tab stop, not each of them.
  await ana.page.keyboard.press("Tab");
  await expect(ana.composer).toBeFocused();
});

test("MA-02 without hover there is no toolbar; a long press opens a sheet with the same and Select text", async ({ ana, bo, ops, server, signIn }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "Press me for long");
  const phone = await signIn(ana.account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.open(ops.handle);
  const row = phone.row(seq);
  await row.tap();
  await expect(row.getByRole("toolbar")).toHaveCount(0);
  const box = (await row.boundingBox())!;
  const devtools = await phone.context.newCDPSession(phone.page);
  await devtools.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 120, y: box.y + box.height - 8 }] });
  const sheet = phone.page.getByRole("menu", { name: "Message actions" });
  await expect(sheet).toBeVisible();
  await devtools.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await expect(sheet).toBeVisible();
  const edge = (await sheet.boundingBox())!;
  expect(edge.x).toBe(0);
  expect(Math.round(edge.y + edge.height)).toBe(844);
  for (const name of ["React", "Reply", "Thread", "Copy text", "Copy link", "Mark unread from here"]) {
    expect((await sheet.getByRole("menuitem", { name: new RegExp(`^${name}`) }).boundingBox())!.height).toBeGreaterThanOrEqual(44);
  }
  await sheet.getByRole("menuitem", { name: "Select text" }).tap();
  await expect(dialog(phone, "Select text").getByText("Press me for long")).toHaveCSS("user-select", "text");
});

test("MA-03 keys on a focused message do what the map says", async ({ ana, ops, server }) => {
  await ana.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ana.open(ops.handle);
  await ana.write("Act on me");
  const row = ana.message("Act on me");
  await expect(row).toHaveAttribute("data-state", "sent");
  const seq = await row.getAttribute("data-seq");
  const press = async (key: string): Promise<void> => {
    await row.focus();
    await ana.page.keyboard.press(key);
  };
  await press("+");
  await expect(dialog(ana, "Emoji")).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(row).toBeFocused();
  await press("r");
  await expect(ana.page.getByText("Reply to Ana Reyes:")).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await press("e");
  await expect(ana.composer).toHaveValue("Act on me");
  await ana.page.keyboard.press("Escape");
  await press("y");
  await expect.poll(() => ana.page.evaluate(() => navigator.clipboard.readText())).toBe("Act on me");
  await press("l");
  await expect.poll(() => ana.page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.url}/c/${ops.handle}/${seq}`);
  await press("p");
  await expect(row.getByText("pinned")).toBeVisible();
  await press("Enter");
  await expect(ana.page.getByRole("menu", { name: "Message actions" })).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(row).toBeFocused();
  await press("Delete");
  await expect(dialog(ana, "Delete this message?")).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(row).toBeFocused();
  await press("t");
  await expect(ana.page).toHaveURL(new RegExp(`thread=${seq}`));
  await expect(ana.page.getByRole("complementary", { name: "Thread" })).toBeVisible();
});

test("MA-03 u marks unread from there", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "From here on");
  await server.write(bo.account, ops.conversation_id, "And this one");
  await ana.open(ops.handle);
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  await ana.row(seq).focus();
  await ana.page.keyboard.press("u");
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/2 unread messages/);
});

test("MA-04 a reaction is a chip with count and names, toggles, and is taken back with a word when refused", async ({ ana, bo, ops, server, signIn }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "React to this");
  const cy = await signIn(await server.person("Cy Young"));
  await server.api("POST", `conversations/${ops.conversation_id}/members`, { user_ids: [cy.account.user_id] }, ana.account.token);
  let refuse = false;
  await bo.page.routeWebSocket(/\/api\/v1\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((frame) => {
      const { type, client_id } = JSON.parse(String(frame)) as { type: string; client_id?: string };
      if (refuse && type === "react") socket.send(JSON.stringify({ type: "error", code: "forbidden", client_id }));
      else server.send(frame);
    });
  });
  await bo.open(ops.handle);
  for (const one of [ana, cy]) await one.api("POST", `conversations/${ops.conversation_id}/messages/${seq}/reactions`, { emoji: "👍", action: "add", client_id: crypto.randomUUID() });
  const chip = bo.row(seq).getByRole("button", { name: /^👍/ });
  await expect(chip).toHaveAccessibleName("👍 2");
  await chip.click();
  await expect(chip).toHaveAttribute("aria-pressed", "true");
  await expect(chip).toHaveAccessibleName(/^👍 3, (Ana Reyes, Cy Young|Cy Young, Ana Reyes) and you$/);
  await expect(chip).toHaveAttribute("title", / and you$/);
  await chip.click();
  await expect(chip).toHaveAccessibleName(/^👍 2, (Ana Reyes and Cy Young|Cy Young and Ana Reyes)$/);
  await bo.composer.focus();
  await chip.focus();
  await expect(chip).toHaveAccessibleName(/Cy Young/);

  refuse = true;
  await chip.click();
  await expect(bo.page.getByTestId("announcer")).toContainText("You are not allowed to do this.");
  await expect(chip).toHaveAttribute("aria-pressed", "false");
  await expect(chip).toHaveAccessibleName(/^👍 2/);
});

test("MA-07 an edit is restorable by Esc, marks the message, and its versions can be read", async ({ ana, bo, ops }) => {
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await ana.write("The frist version");
  const row = ana.message(/The (frist|first) version/);
  await expect(row).toHaveAttribute("data-state", "sent");
  await row.focus();
  await ana.page.keyboard.press("e");
  await ana.composer.fill("Something else entirely");
  await ana.page.keyboard.press("Escape");
  await expect(ana.composer).toHaveValue("");
  await expect(ana.message("The frist version")).toHaveCount(1);
  await row.focus();
  await ana.page.keyboard.press("e");
  await ana.composer.fill("The first version");
  await ana.composer.press("Enter");
  await expect(bo.message("The first version")).toHaveCount(1);
  const edited = bo.message("The first version").getByRole("button", { name: /^edited \d\d:\d\d$/ });
  await edited.click();
  const history = dialog(bo, "Edit history");
  await expect(history.getByRole("listitem")).toHaveCount(2);
  await expect(history).toContainText("The frist version");
  await bo.page.keyboard.press("Escape");
  await expect(edited).toBeFocused();
  // Saving nothing asks whether to delete.
  await row.focus();
  await ana.page.keyboard.press("e");
  await ana.composer.fill("");
  await ana.composer.press("Enter");
  await expect(dialog(ana, "Delete this message?")).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(ana.message("The first version")).toHaveCount(1);
});

test("MA-08 when its time is over, editing is absent, not failing", async ({ ana, ops, server }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "Soon set in stone");
  await ana.open(ops.handle);
  await ana.row(seq).focus();
  await ana.page.keyboard.press("Enter");
  const edit = ana.page.getByRole("menuitem", { name: /^Edit/ });
  await expect(edit).toHaveCount(1);
  await ana.page.keyboard.press("Escape");
  await ana.page.clock.setFixedTime(Date.now() + 15.1 * 60_000);
  await ana.row(seq).focus();
  await ana.page.keyboard.press("Enter");
  await expect(ana.page.getByRole("menuitem", { name: /^Copy text/ })).toBeVisible();
  await expect(edit).toHaveCount(0);
  await ana.page.keyboard.press("Escape");
  await ana.page.keyboard.press("e");
  await expect(ana.page.getByText("Editing a message")).toHaveCount(0);
  await ana.composer.fill("");
  await ana.composer.press("ArrowUp");
  await expect(ana.composer).toHaveValue("");
});

test("MA-09 edits and deletions reach others in 1 s, and a device that was away, without unread", async ({ ana, bo, ops, server }) => {
  const one = await server.write(ana.account, ops.conversation_id, "Message one");
  const two = await server.write(ana.account, ops.conversation_id, "Message two");
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await expect(bo.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  const path = `conversations/${ops.conversation_id}/messages`;
  const edit = (seq: number, content: string) => ana.api("PATCH", `${path}/${seq}`, { content, client_id: crypto.randomUUID(), version: {}, edited_at: new Date().toISOString() });
  await edit(one.seq, "Message one, amended");
  await expect(bo.message("Message one, amended")).toHaveCount(1, { timeout: 1_000 });
  await bo.context.setOffline(true);
  await server.hook("kick", { user_id: bo.account.user_id });
  await expect(bo.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  await ana.api("DELETE", `${path}/${two.seq}`);
  await edit(one.seq, "Message one, amended twice");
  await bo.context.setOffline(false);
  await expect(bo.row(two.seq)).toHaveAttribute("data-state", "deleted", { timeout: 15_000 });
  await expect(bo.message("Message one, amended twice")).toHaveCount(1);
  await expect(bo.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
});

test("MA-10 deleting asks once with Cancel focused and leaves a tombstone; replies say so", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "Regrettable words");
  const reply = await server.write(bo.account, ops.conversation_id, "What a thing to say", { reply_to: seq });
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await ana.row(seq).focus();
  await ana.page.keyboard.press("Delete");
  const question = dialog(ana, "Delete this message?");
  await expect(question.getByRole("button", { name: "Cancel" })).toBeFocused();
  await ana.page.keyboard.press("Enter");
  await expect(question).toHaveCount(0);
  await expect(ana.row(seq)).toContainText("Regrettable words");
  await ana.page.keyboard.press("Delete");
  await question.getByRole("button", { name: "Delete" }).click();
  for (const one of [ana, bo]) {
    await expect(one.row(seq)).toHaveText(/Message deleted by Ana Reyes/);
    await expect(one.row(seq)).toHaveAttribute("data-state", "deleted");
    await expect(one.row(reply.seq)).toContainText("Original deleted");
    await expect(one.page.getByText("Regrettable words")).toHaveCount(0);
  }
  await expect(ana.row(seq)).toBeFocused();
});

test("MA-12 a copied link opens the message; who has no access reads one sentence", async ({ ana, bo, server, signIn }) => {
  await ana.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const group = await server.conversation("group", [ana.account, bo.account], "Quiet");
  const { seq } = await server.write(bo.account, group.conversation_id, "Linked to");
  await ana.open(group.conversation_id);
  await ana.row(seq).hover();
  await ana.row(seq).getByRole("button", { name: "More actions" }).click();
  await ana.page.getByRole("menuitem", { name: /^Copy link/ }).click();
  await expect(ana.page.getByTestId("announcer")).toContainText("Link copied");
  const link = await ana.page.evaluate(() => navigator.clipboard.readText());
  expect(link).toBe(`${server.url}/c/${group.conversation_id}/${seq}`);
  await bo.page.goto(link);
  await expect(bo.row(seq)).toBeFocused();
  const stranger = await signIn(await server.person("Nobody Here"));
  await stranger.page.goto(link);
  await expect(stranger.page.getByText("This conversation does not exist, or you don't have access to it.")).toBeVisible();
  await expect(stranger.page.getByText("Linked to")).toHaveCount(0);
});

test("MA-14 what I may not do is in no menu, and the server refuses it", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "Ana's own");
  await bo.open(ops.handle);
  await bo.row(seq).focus();
  await bo.page.keyboard.press("Enter");
  const menu = bo.page.getByRole("menu", { name: "Message actions" });
  await expect(menu.getByRole("menuitem", { name: /^Reply/ })).toBeVisible();
  for (const name of [/^Edit/, /^Delete/, /^Pin/]) await expect(menu.getByRole("menuitem", { name })).toHaveCount(0);
  await bo.page.keyboard.press("Escape");
  await bo.row(seq).focus();
  for (const key of ["e", "Delete", "p"]) await bo.page.keyboard.press(key);
  await expect(bo.page.getByRole("dialog")).toHaveCount(0);
  const path = `conversations/${ops.conversation_id}/messages/${seq}`;
  await expect(bo.api("DELETE", path)).rejects.toThrow(/403/);
  await expect(bo.api("PATCH", path, { content: "x", client_id: crypto.randomUUID(), version: {}, edited_at: new Date().toISOString() })).rejects.toThrow(/403/);
  await server.api("PATCH", `conversations/${ops.conversation_id}`, { posting: "admins" }, ana.account.token);
  await expect(bo.page.getByText("Only owners and admins may write here.")).toBeVisible();
  await bo.row(seq).focus();
  await bo.page.keyboard.press("Enter");
  await expect(menu.getByRole("menuitem", { name: /^Copy text/ })).toBeVisible();
  await expect(menu.getByRole("menuitem", { name: /^Reply/ })).toHaveCount(0);
});
