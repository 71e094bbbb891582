// REST: requests with a token that is renewed when it ends, and answers as types or errors.

import { Refused, Unreachable } from "./errors.js";
import type { Problem, SignedIn } from "./wire.js";

/** Where a client's tokens come from. A device token (`dt_…`, bots) never ends; a session renews its own. */
export interface Credentials {
  /** A token that is good for a request now; `renew` asks for a new one even if the old looks good. */
  token(renew: boolean): Promise<string>;
}

/** A token that does not end. */
export class FixedToken implements Credentials {
  constructor(private readonly value: string) {}

  token(renew: boolean): Promise<string> {
    if (renew) return Promise.reject(new Refused("unauthenticated", 401));
    return Promise.resolve(this.value);
  }
}

/** A session that is renewed by a refresh token: given and stored by the caller, or the page's HttpOnly cookie. */
export class Session implements Credentials {
  private access: { token: string; until: number } | undefined;
  private renewing: Promise<string> | undefined;

  /**
   * @param url the server's address
   * @param stored the refresh token, or `cookie` in a page of the server itself
   * @param renewed is told each new pair; store its `refresh_token` before anything else
   */
  constructor(
    private readonly url: string,
    private stored: string | "cookie",
    private readonly renewed: (signedIn: SignedIn) => void | Promise<void> = () => {},
  ) {}

  /** Takes the answer of a sign-in that was just done. */
  take(signedIn: SignedIn): void {
    this.access = { token: signedIn.access_token, until: Date.now() + signedIn.expires_in_ms };
    if (this.stored !== "cookie") this.stored = signedIn.refresh_token;
  }

  token(renew: boolean): Promise<string> {
    // Early: a request under way must not meet the end of its token, and a socket is told of the next one every minute.
    if (!renew && this.access !== undefined && Date.now() < this.access.until - 90_000) {
      return Promise.resolve(this.access.token);
    }
    this.renewing ??= this.renew().finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  /** One renewal at a time over all tabs: a refresh token works once. */
  private async renew(): Promise<string> {
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    if (this.stored !== "cookie" || locks === undefined) return this.request();
    let token = "";
    await locks.request("stonechat-refresh", async () => {
      token = await this.request();
    });
    return token;
  }

  private async request(): Promise<string> {
    const body = this.stored === "cookie" ? undefined : { refresh_token: this.stored };
    const signedIn = await send<SignedIn>(this.url, "POST", "auth/refresh", body);
    this.take(signedIn);
    await this.renewed(signedIn);
    return signedIn.access_token;
  }
}

export interface RequestOptions {
  body?: unknown;
  signal?: AbortSignal;
  /** In ms; a request without an answer by then is `Unreachable`. */
  timeout?: number;
  headers?: Record<string, string>;
}

/** Requests as one device. */
export class Rest {
  constructor(
    readonly url: string,
    readonly credentials: Credentials,
  ) {}

  get<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.request<T>("GET", path, options);
  }

  post<T>(path: string, body?: unknown, options: RequestOptions = {}): Promise<T> {
    return this.request<T>("POST", path, { ...options, body });
  }

  /**
   * A request under `/api/v1/`. A token that the server does not take any more is renewed once.
   * @throws {Refused} by the server; {Unreachable} without an answer
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const first = await this.credentials.token(false);
    try {
      return await send<T>(this.url, method, path, options.body, options, first);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "unauthenticated") throw error;
      const renewed = await this.credentials.token(true);
      return send<T>(this.url, method, path, options.body, options, renewed);
    }
  }
}

/**
 * A request without a session (`setup`, `auth/login`, invitations).
 * @throws {Refused} by the server; {Unreachable} without an answer
 */
export async function send<T>(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  options: RequestOptions = {},
  token?: string,
): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const timeout = AbortSignal.timeout(options.timeout ?? 15_000);
  const signal = options.signal === undefined ? timeout : anySignal(options.signal, timeout);
  let response: Response;
  try {
    const init: RequestInit = { method, headers, signal, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) init.body = JSON.stringify(body);
    response = await fetch(new URL(`/api/v1/${path}`, url), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable("the server did not answer", { cause: error });
  }
  const kind = response.headers.get("content-type") ?? "";
  if (response.ok) {
    if (response.status === 204) return undefined as T;
    if (!kind.includes("json")) throw new Unreachable("something between answered in the server's place");
    return (await response.json()) as T;
  }
  if (!kind.includes("problem+json")) throw new Unreachable(`HTTP ${response.status} without a problem document`);
  throw Refused.from(response.status, (await response.json()) as Problem);
}

/** `AbortSignal.any`, which browsers of 2023 lack. */
function anySignal(...signals: AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
