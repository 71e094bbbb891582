// Two people talk.
import { expect, test } from "./fixtures.ts";

test("TL-20 TL-21 two people talk, live, each message once", async ({ ana, bo, ops }) => {
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await ana.write("Rolling out 4.2");
  await expect(ana.message("Rolling out 4.2")).toHaveAttribute("data-state", "sent");
  await expect(bo.message("Rolling out 4.2")).toHaveCount(1);
  await bo.write("Error rate is flat");
  await expect(ana.message("Error rate is flat")).toHaveCount(1);
  await expect(ana.message("Rolling out 4.2")).toHaveCount(1);
});
