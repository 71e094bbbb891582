// Replies and threads: where they lead, what they count, how one comes back.
import { expect, test } from "./fixtures.ts";

test("MA-05 a reply shows a one-line quote; activating it jumps there and Back returns", async ({ ana, bo, ops, server }) => {
  const original = await server.write(bo.account, ops.conversation_id, "The original question\nwith a second line");
  await server.fill(ops.conversation_id, 300, [ana.account, bo.account]);
  const reply = await server.write(ana.account, ops.conversation_id, "A late answer", { reply_to: original.seq });
  await bo.open(ops.handle);
  await bo.page.goto(`${server.url}/c/${ops.handle}/${reply.seq}`);
  const quote = bo.row(reply.seq).getByRole("button", { name: /Go to the quoted message/ });
  await expect(quote).toContainText("The original question");
  expect((await quote.boundingBox())!.height).toBeLessThanOrEqual(30);
  const top = (await bo.row(reply.seq).boundingBox())!.y;
  await quote.click();
  await expect(bo.row(original.seq)).toBeFocused();
  await expect(bo.row(original.seq)).toBeInViewport();
  await bo.page.goBack();
  await expect(bo.row(reply.seq)).toBeInViewport();
  await expect(bo.row(reply.seq)).toBeFocused();
  expect(Math.abs((await bo.row(reply.seq).boundingBox())!.y - top)).toBeLessThan(400);
});

test("MA-06 a thread opens beside; its root says how many replies and when; its unread has a place and two keys", async ({ ana, bo, ops, server }) => {
  const root = await server.write(ana.account, ops.conversation_id, "Root of a thread");
  const other = await server.conversation("channel", [ana.account, bo.account], "Elsewhere");
  await ana.open(ops.handle);
  await ana.row(root.seq).focus();
  await ana.page.keyboard.press("t");
  const side = ana.page.getByRole("complementary", { name: "Thread" });
  await expect(side.getByRole("textbox")).toBeFocused();
  await side.getByRole("textbox").fill("The first reply");
  await side.getByRole("textbox").press("Enter");
  await expect(side.locator("li[data-state=sent]").filter({ hasText: "The first reply" })).toHaveCount(1);
  await expect(ana.row(root.seq).getByRole("button", { name: /^1 reply · last \d\d:\d\d$/ })).toBeVisible();
  await expect(ana.message("The first reply")).toHaveCount(0);
  await side.getByRole("button", { name: "Close thread" }).click();
  await expect(side).toHaveCount(0);
  await ana.listed(other.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(other.handle!));

  await server.write(bo.account, ops.conversation_id, "An answer from Bo", { thread: root.seq });
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/1 unread reply/);
  await ana.page.keyboard.press("Alt+Shift+ArrowDown");
  await expect(side.getByText("An answer from Bo")).toBeVisible();
  await expect(ana.page).toHaveURL(new RegExp(`thread=${root.seq}`));
  await expect(ana.row(root.seq).getByRole("button", { name: /^2 replies · last \d\d:\d\d/ })).toBeVisible();
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
});

test("MA-06 the root shows the unread count of its thread while the thread is closed", async ({ ana, bo, ops, server }) => {
  const root = await server.write(ana.account, ops.conversation_id, "Root to count");
  await ana.open(ops.handle);
  await server.write(bo.account, ops.conversation_id, "One", { thread: root.seq });
  await server.write(bo.account, ops.conversation_id, "Two", { thread: root.seq });
  await expect(ana.row(root.seq).getByRole("button", { name: /^2 replies/ })).toContainText("2 new");
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/2 unread replies/);
  await ana.row(root.seq).getByRole("button", { name: /^2 replies/ }).click();
  await expect(ana.page.getByRole("complementary").getByText("Two")).toBeVisible();
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  await ana.page.keyboard.press("Escape");
  await ana.page.keyboard.press("Escape");
  await expect(ana.row(root.seq).getByRole("button", { name: /^2 replies/ })).not.toContainText("new");
});

test("MA-06 a thread one does not follow makes nothing unread", async ({ ana, bo, ops, server }) => {
  const root = await server.write(bo.account, ops.conversation_id, "Bo's own thread");
  await ana.open(ops.handle);
  await server.write(bo.account, ops.conversation_id, "Talking to himself", { thread: root.seq });
  await expect(ana.row(root.seq).getByRole("button", { name: /^1 reply/ })).toBeVisible();
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  await expect(ana.row(root.seq).getByRole("button", { name: /^1 reply/ })).not.toContainText("new");
});
