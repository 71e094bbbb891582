// Where the outbox outlives a reload: IndexedDB in browsers, memory elsewhere.

import type { ClientFrame } from "./wire.js";

/** A request that waits for its answer. */
export interface OutboxItem {
  client_id: string;
  /** As the request names it: an id, a channel's handle, or `to:<user>` for a direct conversation that is not there yet. */
  conversation_id: string;
  frame: ClientFrame;
  /** Order of writing, over all tabs: a time, made unique. */
  order: number;
  state: "pending" | "failed";
  /** Why it failed; with `retry_at` it is tried again then. */
  failure?: Failure;
}

export interface Failure {
  /** A code of the server, or `no_answer`. */
  code: string;
  params: Record<string, unknown>;
  retry_at?: number;
  request_id?: string;
}

export interface OutboxStorage {
  all(): Promise<OutboxItem[]>;
  put(item: OutboxItem): Promise<void>;
  remove(client_id: string): Promise<void>;
  clear(): Promise<void>;
}

export class MemoryStorage implements OutboxStorage {
  private readonly items = new Map<string, OutboxItem>();

  all(): Promise<OutboxItem[]> {
    return Promise.resolve([...this.items.values()]);
  }

  put(item: OutboxItem): Promise<void> {
    this.items.set(item.client_id, item);
    return Promise.resolve();
  }

  remove(client_id: string): Promise<void> {
    this.items.delete(client_id);
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.items.clear();
    return Promise.resolve();
  }
}

const STORE = "outbox";

export class IndexedDbStorage implements OutboxStorage {
  private database: Promise<IDBDatabase> | undefined;

  constructor(private readonly name: string = "stonechat-outbox") {}

  async all(): Promise<OutboxItem[]> {
    return (await this.run("readonly", (store) => store.getAll())) as OutboxItem[];
  }

  async put(item: OutboxItem): Promise<void> {
    await this.run("readwrite", (store) => store.put(item));
  }

  async remove(client_id: string): Promise<void> {
    await this.run("readwrite", (store) => store.delete(client_id));
  }

  async clear(): Promise<void> {
    await this.run("readwrite", (store) => store.clear());
  }

  private async run(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
    this.database ??= this.open();
    const database = await this.database;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
    });
  }

  private open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "client_id" });
      request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
      request.onsuccess = () => {
        // Another tab may delete the database on signing out.
        request.result.onversionchange = () => {
          request.result.close();
          this.database = undefined;
        };
        resolve(request.result);
      };
    });
  }
}
