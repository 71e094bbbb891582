// Errors in words: a server's code with its parameters, worded here (IN-01).

import { Refused, Unreachable } from "@stonechat/client";
import { find, t } from "./i18n.ts";

/** What to tell a person about a failure. */
export function words(error: unknown): string {
  if (error instanceof Refused) return refusal(error.code, error.params, error.request_id, error.retry_after_ms);
  if (error instanceof Unreachable) return t("error.unreachable");
  return t("error.internal", { request_id: "" });
}

export function refusal(code: string, params: Record<string, unknown>, request_id = "", retry_after_ms = 0): string {
  const given: Record<string, string | number> = { request_id, seconds: Math.max(1, Math.ceil(retry_after_ms / 1_000)) };
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === "string" || typeof value === "number") given[name] = value;
  }
  return find(`error.${code}.${String(params["field"] ?? "")}`, given) ?? find(`error.${code}`, given) ?? t("error.internal", { request_id });
}

/** Which field a refusal is about. */
export function fieldOf(error: unknown): string | undefined {
  if (!(error instanceof Refused)) return undefined;
  if (error.code.startsWith("password_")) return "password";
  if (error.code === "handle_taken") return "handle";
  return typeof error.params["field"] === "string" ? error.params["field"] : undefined;
}
