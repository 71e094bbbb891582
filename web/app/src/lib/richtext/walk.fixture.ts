// For tests: every inline token of a message, however deep, and how deep its tree is.

import type { Block, Inline } from "./tokens.ts";

export function inlinesOf(blocks: Block[]): Inline[] {
  return blocks.flatMap((block): Inline[] => {
    switch (block.type) {
      case "paragraph":
      case "heading":
        return block.children.flatMap(withChildren);
      case "quote":
        return inlinesOf(block.children);
      case "list":
        return block.items.flatMap((item) => inlinesOf(item.children));
      case "table":
        return [block.head, ...block.rows].flat().flatMap((cell) => cell.children.flatMap(withChildren));
      case "code":
      case "math":
      case "rule":
        return [];
    }
  });
}

function withChildren(node: Inline): Inline[] {
  return "children" in node ? [node, ...node.children.flatMap(withChildren)] : [node];
}

/** Everything a reader sees of inline tokens. */
export function seen(nodes: Inline[]): string {
  return nodes
    .map((node): string => {
      if (node.type === "break") return "\n";
      if (node.type === "autolink") return node.url;
      if (node.type === "link") return `${seen(node.children)} (${node.host})`;
      return "children" in node ? seen(node.children) : node.text;
    })
    .join("");
}

export function depthOf(blocks: Block[]): number {
  return Math.max(
    0,
    ...blocks.map((block): number => {
      switch (block.type) {
        case "quote":
          return 1 + depthOf(block.children);
        case "list":
          return 1 + Math.max(0, ...block.items.map((item) => depthOf(item.children)));
        case "paragraph":
        case "heading":
          return inlineDepth(block.children);
        case "table":
          return Math.max(0, ...[block.head, ...block.rows].flat().map((cell) => inlineDepth(cell.children)));
        case "code":
        case "math":
        case "rule":
          return 0;
      }
    }),
  );
}

function inlineDepth(nodes: Inline[]): number {
  return Math.max(0, ...nodes.map((node) => ("children" in node ? 1 + inlineDepth(node.children) : 0)));
}
