// @stonechat/client: what it exports.

export { Backoff } from "./backoff.js";
export { Chat, ChatMessage, type ChatEvents, type ChatOptions, type Request, type SendOptions } from "./chat.js";
export { isPassing, Refused, Unreachable } from "./errors.js";
export { newId } from "./ids.js";
export { isEvent, type Update } from "./inbox.js";
export type { ConnectionState, ConnectionStatus, WebSocketConstructor } from "./live.js";
export type { OutboxChange } from "./outbox.js";
export { FixedToken, Rest, send, Session, type Credentials, type RequestOptions } from "./rest.js";
export { IndexedDbStorage, MemoryStorage, type Failure, type OutboxItem, type OutboxStorage } from "./storage.js";
export type * from "./wire.js";
