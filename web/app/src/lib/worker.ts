// Registers the service worker, once the first screen is drawn.

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): string };
}

/** Installs the worker that lets the app start without the network, and keeps the files of this page for it. */
export function registerWorker(): void {
  if (!("serviceWorker" in navigator) || !isSecureContext) return;
  const types = (window as Window & { trustedTypes?: TrustedTypes }).trustedTypes;
  const policy = types?.createPolicy("stonechat-worker", { createScriptURL: (url) => url });
  const url = policy?.createScriptURL("/sw.js") ?? "/sw.js";
  navigator.serviceWorker
    .register(url)
    .then(() => controlled())
    // What was loaded before the worker was there is asked for again, from the browser's own cache.
    .then(() => Promise.all(loaded().map((file) => fetch(file, { cache: "force-cache" }))))
    .catch(() => undefined);
}

/** Resolves when requests of this page go through the worker. */
function controlled(): Promise<void> {
  const workers = navigator.serviceWorker;
  if (workers.controller !== null) return Promise.resolve();
  return new Promise((resolve) => workers.addEventListener("controllerchange", () => resolve(), { once: true }));
}

function loaded(): string[] {
  const files = performance.getEntriesByType("resource").map((entry) => entry.name);
  return [location.origin + "/", ...files.filter((name) => new URL(name).pathname.startsWith("/assets/"))];
}
