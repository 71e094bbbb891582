// What goes wrong, as values: a refusal of the server with its code, or a network that did not answer.

import type { Code, Problem } from "./wire.js";

/** The server refused: `code` and `params` say why (docs/protocol.md, section 11). */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly code: Code,
    readonly status: number,
    readonly params: Record<string, unknown> = {},
    readonly retry_after_ms?: number,
    readonly request_id?: string,
  ) {
    super(`refused: ${code}`);
  }

  static from(status: number, problem: Partial<Problem>): Refused {
    const params = (problem.params ?? {}) as Record<string, unknown>;
    return new Refused(problem.code ?? "internal", status, params, problem.retry_after_ms, problem.request_id);
  }

  /** Whether the same request may be taken later. */
  get passing(): boolean {
    return PASSING.has(this.code) || this.retry_after_ms !== undefined;
  }
}

/** No answer, or none that this client understands. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Codes after which the same request may succeed later, with the same `client_id`. */
const PASSING = new Set<Code>(["rate_limited", "overloaded", "unavailable", "internal", "storage_full"]);

export function isPassing(code: Code): boolean {
  return PASSING.has(code);
}
