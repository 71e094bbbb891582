// Where rows stand on the screen: measured, never estimated. Rows are elements with `data-key`; messages have `data-seq`.

/** The row of a key. */
export function elementOf(list: HTMLElement | undefined, key: string): HTMLElement | undefined {
  for (const element of list?.children ?? []) if ((element as HTMLElement).dataset["key"] === key) return element as HTMLElement;
  return undefined;
}

/** The first of these rows, in their order, that reaches below a height; days' lines are passed over, which move. */
export function firstBelow(rows: readonly HTMLElement[], top: number): HTMLElement | undefined {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.getBoundingClientRect().bottom <= top) low = middle + 1;
    else high = middle;
  }
  while (rows[low]?.classList.contains("day") === true) low++;
  return rows[low];
}

/** The `seq` of the last row of which half is on screen; of a row taller than the screen, half of the screen will do. */
export function lastSeen(list: HTMLElement, viewport: HTMLElement): number | undefined {
  const frame = viewport.getBoundingClientRect();
  for (let at = list.children.length - 1; at >= 0; at--) {
    const element = list.children[at] as HTMLElement;
    const seq = Number(element.dataset["seq"] ?? 0);
    if (seq === 0) continue;
    const box = element.getBoundingClientRect();
    const seen = Math.min(box.bottom, frame.bottom) - Math.max(box.top, frame.top);
    if (seen >= Math.min(box.height, frame.height) / 2) return seq;
  }
  return undefined;
}

/** The first and the last row of what is selected in a list. */
export function selectedRows(list: HTMLElement | undefined): [Element | null, Element | null] {
  const selection = getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return [null, null];
  const { startContainer, endContainer } = selection.getRangeAt(0);
  const rowOf = (node: Node): Element | null => (node instanceof Element ? node : node.parentElement)?.closest("[data-key]") ?? null;
  const from = rowOf(startContainer);
  return from === null || list?.contains(from) !== true ? [null, null] : [from, rowOf(endContainer)];
}
