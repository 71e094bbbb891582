// Inline tokens as the words a reader sees.

import { stripBidi } from "./bidi.ts";
import type { Inline } from "./tokens.ts";

/** `mentionName` gives the name behind a handle; without one a mention stays as it was typed. */
export function words(nodes: Inline[], mentionName?: (handle: string) => string | undefined): string {
  return nodes
    .map((node): string => {
      switch (node.type) {
        case "text":
        case "code":
        case "math":
          return node.text;
        case "break":
          return " ";
        case "mention": {
          const name = mentionName?.(node.handle);
          return name === undefined ? node.text : `@${stripBidi(name)}`;
        }
        case "autolink":
          return node.url;
        case "link":
        case "strong":
        case "em":
        case "strike":
          return words(node.children, mentionName);
      }
    })
    .join("");
}
