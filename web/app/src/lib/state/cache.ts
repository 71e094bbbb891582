// What is painted before the network answers: the list, names and the newest rows of recent conversations.

import type { Conversation, Me, TimelineRow, User } from "@stonechat/client";

export interface Cached {
  me: Me;
  server_name: string;
  conversations: Conversation[];
  people: User[];
  windows: { conversation_id: string; rows: TimelineRow[]; has_more_before: boolean }[];
}

const NAME = "stonechat-cache";
const STORE = "cache";
const KEY = "now";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
    request.onsuccess = () => resolve(request.result);
  });
}

async function run<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
    });
  } finally {
    database.close();
  }
}

/** What was kept; nothing where storage is refused (private windows). */
export async function readCache(): Promise<Cached | undefined> {
  return run<Cached | undefined>("readonly", (store) => store.get(KEY) as IDBRequest<Cached | undefined>).catch(() => undefined);
}

export async function writeCache(cached: Cached): Promise<void> {
  await run("readwrite", (store) => store.put(cached, KEY)).catch(() => undefined);
}

export async function wipeCache(): Promise<void> {
  await run("readwrite", (store) => store.clear()).catch(() => undefined);
}
