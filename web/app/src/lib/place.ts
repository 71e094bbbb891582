// A conversation, or a thread of it, as one word: the key under which drafts, typing and reading are kept.

export function placeKey(conversation_id: string, thread?: number): string {
  return thread === undefined ? conversation_id : `${conversation_id}/${thread}`;
}

/** The conversation of such a key. */
export function conversationOf(key: string): string {
  return key.split("/")[0] ?? key;
}
