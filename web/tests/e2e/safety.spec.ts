// What the page may load and run.
import { expect, test } from "./fixtures.ts";

test("SX-01 no unsafe script or style, nothing from elsewhere, Trusted Types on", async ({ ana, ops, server }) => {
  const response = await ana.page.goto(`${server.url}/c/${ops.handle}`);
  const policy = response!.headers()["content-security-policy"] ?? "";
  const directives = new Map(policy.split(";").map((part) => part.trim()).filter((part) => part !== "").map((part) => [part.split(/\s+/)[0]!, part.split(/\s+/).slice(1)]));
  expect(directives.get("default-src")).toBeDefined();
  for (const [name, values] of directives) {
    for (const value of values) {
      expect(["'unsafe-inline'", "'unsafe-eval'"], `${name} ${value}`).not.toContain(value);
      expect(value, name).not.toMatch(/^(https?:|\*|[a-z0-9-]+\.[a-z])/);
    }
  }
  expect(directives.get("require-trusted-types-for")).toEqual(["'script'"]);
  expect(directives.get("frame-ancestors")).toEqual(["'none'"]);
  expect(directives.get("object-src") ?? directives.get("default-src")).toEqual(["'none'"]);
  await expect(ana.composer).toBeVisible();

  // The browser keeps to it: neither inline code nor markup from text runs.
  const tried = await ana.page.evaluate(async () => {
    const violations: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    const script = document.createElement("script");
    let assigned = "refused";
    try {
      script.textContent = "window.ran = true";
      assigned = "taken";
    } catch {
      // Trusted Types.
    }
    document.head.append(script);
    const link = document.createElement("a");
    try {
      link.setAttribute("onclick", "window.ran = true");
    } catch {
      // Trusted Types.
    }
    document.body.append(link);
    link.click();
    link.remove();
    let markup = "taken";
    try {
      document.createElement("div").innerHTML = "<b>x</b>";
    } catch {
      markup = "refused";
    }
    // What a debugger runs may evaluate code; a later task is the page's own.
    await new Promise((later) => setTimeout(later, 50));
    let code = "taken";
    try {
      new Function("return 1")();
    } catch {
      code = "refused";
    }
    await fetch("https://example.org/").catch(() => undefined);
    await new Promise((drawn) => setTimeout(drawn, 100));
    return { assigned, markup, code, ran: "ran" in window, violations };
  });
  expect(tried.ran).toBe(false);
  expect(tried.markup).toBe("refused");
  expect(tried.code).toBe("refused");
  expect(tried.violations).toContain("connect-src");
});

test("SX-01 the whole app runs under that policy without a violation", async ({ ana, bo, ops, server }) => {
  const violations: string[] = [];
  ana.page.on("console", (message) => {
    if (/Content Security Policy|TrustedScript|TrustedHTML/i.test(message.text())) violations.push(message.text());
  });
  await server.write(bo.account, ops.conversation_id, "```rust\nfn main() {}\n```\n\n$x^2$ <script>alert(1)</script> <img src=x onerror=alert(1)>");
  await ana.open(ops.handle);
  await expect(ana.message("<script>alert(1)</script>")).toBeVisible();
  await ana.composer.fill(":rocket");
  await expect(ana.page.getByRole("listbox", { name: "Emoji" })).toBeVisible();
  await ana.composer.fill("");
  await ana.page.keyboard.press("Control+/");
  await expect(ana.page.getByRole("dialog", { name: "Keyboard map" })).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await ana.page.goto(`${server.url}/settings/appearance`);
  await expect(ana.page.getByRole("heading", { level: 1 })).toBeVisible();
  expect(violations).toEqual([]);
});
