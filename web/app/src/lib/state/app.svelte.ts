// The app's state in one place: who is signed in, the chat, the list, the open timelines, and what follows from updates.

import {
  Chat,
  IndexedDbStorage,
  newId,
  Refused,
  send,
  Session,
  type Conversation,
  type ConnectionStatus,
  type Event,
  type Me,
  type Request,
  type SignedIn,
} from "@stonechat/client";
import { isEvent, type ChatEvents } from "@stonechat/client";
import { SvelteMap } from "svelte/reactivity";
import { announcer } from "../announcer.svelte.ts";
import { drafts } from "../drafts.svelte.ts";
import { t } from "../i18n.ts";
import { lookedAt, showing } from "../looking.ts";
import { notify } from "../notices.ts";
import { conversationOf, placeKey } from "../place.ts";
import { prefs } from "../prefs.svelte.ts";
import { forgetQuote } from "../quotes.svelte.ts";
import { router } from "../router.svelte.ts";
import { learnServerTime } from "../time.ts";
import { readCache, wipeCache, writeCache } from "./cache.ts";
import { Conversations, mentions } from "./conversations.svelte.ts";
import { People } from "./people.svelte.ts";
import { Reading } from "./reading.ts";
import { Timeline } from "./timeline.svelte.ts";
import { Typing } from "./typing.svelte.ts";

/** Away longer than this, screens are read anew instead of event by event. */
const START_ANEW_AFTER_MS = 10 * 60_000;
const IDLE_MS = 60_000;
const SAVE_EVERY_MS = 15_000;

export type Phase = "starting" | "signed_out" | "setup_required" | "in" | "revoked";

/** A new sign-in that this device was told of. */
export interface SignInNotice {
  device_id: string;
  name: string;
  created_at: string;
}

class AppState {
  phase = $state<Phase>("starting");
  me = $state.raw<Me | undefined>(undefined);
  server_name = $state("");
  status = $state.raw<ConnectionStatus>({ state: "reconnecting" });
  /** How far others have read: conversation → person → seq. */
  readonly receipts = new SvelteMap<string, ReadonlyMap<string, number>>();
  readonly online = new SvelteMap<string, number>();
  /** Conversations with messages that could not be sent: how many. */
  readonly failed = new SvelteMap<string, number>();
  /** The longest message the server takes, in bytes of UTF-8; until it has said so, its default. */
  max_content_bytes = $state(16_384);
  signIns = $state.raw<SignInNotice[]>([]);
  /** The server has another version than the one this page came with. */
  update_ready = $state(false);

  session = new Session(location.origin, "cookie", (signedIn) => this.learn(signedIn));
  chat!: Chat;
  readonly people = new People(
    () => this.chat.rest,
    () => this.me?.settings.share_presence !== false,
  );
  readonly conversations = new Conversations(
    () => this.chat.rest,
    () => this.me?.user_id ?? "",
  );
  readonly reading = new Reading(() => this.chat, this.conversations, (conversation_id) => this.timeline(conversation_id));
  readonly typing = new Typing(
    () => this.chat,
    () => ({ user_id: this.me?.user_id ?? "", shares: this.me?.settings.share_typing === true }),
  );
  private readonly timelines = new Map<string, Timeline>();
  private deviceId = "";
  /** Why this page's session is over; nothing begins a new one in the same page. */
  private ending: "signed_out" | "revoked" | undefined;
  /** What waited to be sent when the session was ended elsewhere. */
  private unsent: { conversation_id: string; text: string }[] = [];
  private lostAt: number | undefined;
  /** How far each timeline was when the connection was lost. */
  private heldThen: ReadonlyMap<Timeline, number> = new Map();
  private saving: ReturnType<typeof setTimeout> | undefined;

  /** From an address to the first paint: what is cached first, then what is true. */
  async start(): Promise<void> {
    this.connect();
    const cached = await readCache();
    const place = router.place.name;
    const visitor = place === "setup" || place === "join" || place === "login";
    if (cached !== undefined && !visitor) {
      this.me = cached.me;
      this.server_name = cached.server_name;
      this.people.take(cached.people);
      this.conversations.replace(cached.conversations);
      for (const { conversation_id, rows, has_more_before } of cached.windows) {
        this.timeline(conversation_id).seed(rows, has_more_before);
      }
      await this.showWaiting();
      this.phase = "in";
    }
    try {
      await this.session.token(false);
    } catch (error) {
      if (!(error instanceof Refused)) {
        // Not reachable: what is cached stays on the screen and the connection goes on trying.
        if (cached === undefined) return this.retryStart();
        this.enter(cached.me);
      } else {
        // The session is over; what was painted of it goes, the address stays for after the sign-in.
        await this.chat.outbox.load().catch(() => undefined);
        this.unsent = this.waitingTexts();
        await this.chat.outbox.clear().catch(() => undefined);
        await wipeCache();
        await this.whyNot();
      }
      return;
    }
    if (visitor && place !== "join") router.go({ name: "home" }, "replace");
    await this.enterSession();
  }

  private retryStart(): void {
    this.status = { state: "unreachable", lost_at: Date.now() };
    setTimeout(() => void this.start(), 3_000);
  }

  /** Nobody is signed in: is there anybody yet? */
  private async whyNot(): Promise<void> {
    const ready = await fetch("/ready", { cache: "no-store" }).then((answer) => answer.json()).catch(() => ({}));
    this.phase = (ready as { needs_setup?: boolean }).needs_setup === true ? "setup_required" : "signed_out";
  }

  /** After setup, an invitation or a sign-in. */
  async signedIn(signedIn: SignedIn): Promise<void> {
    this.session.take(signedIn);
    this.learn(signedIn);
    await this.enterSession();
  }

  private async enterSession(): Promise<void> {
    const me = await this.chat.rest.get<Me>("me");
    this.enter(me);
    await this.conversations.load().catch(() => undefined);
    // Where another tab has the connection nothing says "caught up": what came since the cache was written is read here.
    setTimeout(() => {
      if (this.starting) void this.readAnew();
    }, 400);
    setTimeout(() => void this.people.loadSome().catch(() => undefined), 500);
  }

  /** What an earlier page left in the outbox is shown. */
  private async showWaiting(): Promise<void> {
    await this.chat.outbox.load().catch(() => undefined);
    this.outboxChanged();
  }

  private enter(me: Me): void {
    this.me = me;
    this.server_name = me.server_name;
    this.deviceId = me.device_id;
    drafts.belongTo(me.user_id);
    this.people.take([me]);
    me.blocked.forEach((user_id) => this.people.blocked.add(user_id));
    this.phase = "in";
    this.chat.start();
    void this.showWaiting();
  }

  private learn(signedIn: SignedIn): void {
    this.deviceId = signedIn.device_id;
  }

  private connect(): void {
    if (this.chat !== undefined) return;
    this.chat = new Chat({
      url: location.origin,
      credentials: this.session,
      storage: new IndexedDbStorage(),
      tabs: "stonechat",
      start_anew_after_ms: START_ANEW_AFTER_MS,
    });
    this.chat.on("update", (update) => this.update(update));
    this.chat.on("status", (status) => this.setStatus(status));
    this.chat.on("caught_up", (anew) => void this.caughtUp(anew));
    this.chat.on("outbox", () => this.outboxChanged());
    this.chat.on("hello", (hello) => {
      learnServerTime(Date.parse(hello.server_time));
      this.max_content_bytes = hello.max_content_bytes;
      this.serverVersion ??= hello.server_version;
      if (this.serverVersion !== hello.server_version) this.updateReady();
    });
    this.chat.on("signed_out", () => {
      if (this.ending === undefined) location.replace("/login");
    });
    // A page that the browser kept as it was shows nothing of a session that is over.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted && this.ending !== undefined) location.reload();
    });
    showing((conversation_id) => this.looksAt(conversation_id));
    const wake = (): void => this.chat.wake();
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") wake();
      else this.save();
    });
    window.addEventListener("pagehide", () => this.save());
  }

  private serverVersion: string | undefined;
  private lastInput = Date.now();

  /** Reloads when nobody has done anything for a minute; otherwise it is offered. Drafts and outbox are kept. */
  private updateReady(): void {
    if (this.update_ready) return;
    this.update_ready = true;
    const active = (): void => {
      this.lastInput = Date.now();
    };
    for (const kind of ["keydown", "pointerdown", "wheel"]) window.addEventListener(kind, active, { passive: true });
    setInterval(() => {
      if (Date.now() - this.lastInput > IDLE_MS && this.chat.outbox.list().length === 0) location.reload();
    }, 5_000);
  }

  /** The timeline of a conversation or thread; the same object as long as the page lives. */
  timeline(conversation_id: string, thread?: number): Timeline {
    const key = placeKey(conversation_id, thread);
    let timeline = this.timelines.get(key);
    if (timeline === undefined) {
      const me = (): { user_id: string; device_id: string } => ({ user_id: this.me?.user_id ?? "", device_id: this.deviceId });
      const manages = (): boolean => this.conversations.get(conversation_id)?.can_manage ?? false;
      timeline = new Timeline(() => this.chat, me, conversation_id, thread, manages);
      timeline.waiting(this.itemsOf(conversation_id));
      this.timelines.set(key, timeline);
    }
    return timeline;
  }

  /** Writes a message: painted at once, sent when it can be. Resolves when it is stored. */
  async write(conversation_id: string, content: string, options: { reply_to?: number; thread?: number } = {}): Promise<void> {
    const client_id = newId();
    const frame: Request & { client_id: string } = { type: "message", client_id, conversation_id, content, ...options };
    this.typing.stopped(conversation_id, options.thread);
    await this.chat.outbox.add(frame, conversation_id);
  }

  /** A change of a message; a refusal is thrown. */
  async change(frame: Request, conversation_id: string): Promise<void> {
    const client_id = newId();
    const timelines = this.timelinesOf(conversation_id);
    if (frame.type === "react") {
      for (const timeline of timelines) timeline.optimisticReaction(client_id, frame.message_seq ?? 0, frame.emoji, frame.action === "add");
    }
    try {
      await this.chat.ask({ ...frame, client_id }, conversation_id);
    } catch (error) {
      for (const timeline of timelines) timeline.undo(client_id);
      this.chat.outbox.discard(client_id);
      throw error;
    }
  }

  /** The conversation on screen: its people, its typing, its threads. */
  async visit(conversation: Conversation): Promise<void> {
    const { conversation_id } = conversation;
    this.subscribe(conversation);
    const members = this.people.loadMembers(conversation_id).then(() => this.wantPresence(conversation_id));
    const threads = this.conversations.follows.load(conversation_id);
    await Promise.allSettled([members, threads]);
    this.saveSoon();
  }

  private subscribe({ conversation_id, with: person }: Conversation): void {
    this.chat.signal({ type: "subscribe", users: person === undefined ? [] : [person], conversations: [conversation_id] });
    this.wantPresence(conversation_id);
  }

  private wantPresence(conversation_id: string): void {
    const members = this.people.members.get(conversation_id)?.user_ids ?? [];
    if (members.length > 0 && members.length <= 200) this.chat.signal({ type: "subscribe", users: members, conversations: [] });
  }

  /** Asks for a direct conversation with somebody; made when it is not there. */
  async direct(user_id: string): Promise<Conversation> {
    const known = this.conversations.withPerson(user_id);
    if (known !== undefined) return known;
    const made = await this.chat.rest.post<Conversation>("conversations", { kind: "direct", members: [user_id] });
    this.conversations.put(made);
    return made;
  }

  async signOut(): Promise<void> {
    this.ending = "signed_out";
    await send(location.origin, "POST", "auth/logout", {}, {}, await this.session.token(false)).catch(() => undefined);
    await this.wipe();
    drafts.wipe();
    localStorage.removeItem("stonechat/last");
    location.replace("/login");
  }

  async wipe(): Promise<void> {
    clearTimeout(this.saving);
    await this.chat.signOut().catch(() => undefined);
    await wipeCache();
    if ("caches" in window) for (const name of await caches.keys()) await caches.delete(name);
  }

  /** A page that is closed has no time left to write: what changed is written soon. */
  private saveSoon(wait_ms = 1_000): void {
    this.saving ??= setTimeout(() => this.save(), wait_ms);
  }

  /** What is on screen is kept for the next start. */
  save(): void {
    clearTimeout(this.saving);
    this.saving = undefined;
    if (this.phase !== "in" || this.me === undefined) return;
    const windows = [...this.timelines.values()]
      .filter((timeline) => timeline.thread === undefined && timeline.loaded && !timeline.has_more_after)
      .slice(-10)
      .map((timeline) => ({
        conversation_id: timeline.conversation_id,
        has_more_before: timeline.has_more_before || timeline.rows.length > 200,
        rows: timeline.rows.slice(-200).map((row) => (row.message === undefined ? { row: "event" as const, ...row.event! } : { row: "message" as const, ...row.message })),
      }));
    const conversations = this.conversations.all();
    const people = this.people.all().slice(0, 1_000);
    void writeCache(structuredCloneable({ me: this.me, server_name: this.server_name, conversations, people, windows }));
  }

  private update(update: ChatEvents["update"]): void {
    switch (update.type) {
      case "sent": {
        const { ack, item } = update;
        learnServerTime(Date.parse(ack.timestamp));
        if (item !== undefined) this.sent(item, ack);
        return;
      }
      case "account":
        this.account(update.key, update.value);
        return;
      case "typing": {
        this.typing.heard(placeKey(update.conversation_id, update.thread), update.user_id, update.action === "start");
        return;
      }
      case "presence":
        this.people.takePresence(update.presence ?? []);
        for (const { conversation_id, online } of update.counts ?? []) this.online.set(conversation_id, online);
        return;
      case "receipt": {
        const seen = new Map(this.receipts.get(update.conversation_id) ?? []);
        seen.set(update.user_id, Math.max(update.read_seq, seen.get(update.user_id) ?? 0));
        this.receipts.set(update.conversation_id, seen);
        return;
      }
      case "rows":
        for (const timeline of this.timelinesOf(update.conversation_id)) timeline.apply(update);
        for (const row of update.rows) this.logged(row);
        this.conversations.refresh(update.conversation_id);
        return;
      case "batch":
      case "gap":
        this.conversations.refresh(update.conversation_id);
        return;
    }
    if (isEvent(update)) this.event(update);
  }

  /** An own request that is in the log was taken, though its answer may be lost. */
  private logged(made: { client_id?: string; from: string; conversation_id: string; seq: number; timestamp: string }): void {
    const { client_id, from, conversation_id, seq, timestamp } = made;
    if (client_id === undefined || from !== this.me?.user_id || this.chat.outbox.get(client_id) === undefined) return;
    this.chat.outbox.acked({ client_id, conversation_id, seq, timestamp, repeated: true });
  }

  private event(event: Event): void {
    const { conversation_id } = event;
    this.logged(event);
    const known = this.conversations.get(conversation_id);
    if (known === undefined) void this.conversations.reload(conversation_id).catch(() => undefined);
    this.conversations.event(event);
    for (const timeline of this.timelinesOf(conversation_id)) timeline.apply(event);
    if (event.type === "member_joined" && this.people.get(event.user_id) === undefined) this.people.name(event.user_id);
    if (event.type === "edit" || event.type === "delete") forgetQuote(conversation_id, event.message_seq);
    if (event.type !== "message") return;
    this.saveSoon(SAVE_EVERY_MS);
    this.people.spoke(conversation_id, event.from, event.seq);
    this.typing.heard(placeKey(conversation_id, event.thread), event.from, false);
    if (event.from === this.me?.user_id) return;
    if (this.status.state === "online" || this.status.state === "blocked") this.arrived(event);
  }

  /** A message of somebody else, live: told to those who do not look. */
  private arrived(event: Event & { type: "message" }): void {
    const row = this.conversations.get(event.conversation_id);
    if (row === undefined) return;
    const mine = mentions(event, this.me?.user_id ?? "");
    const place = router.place;
    const open = place.name === "conversation" && this.conversations.find(place.conversation) === row;
    const { announce } = prefs.all;
    if (open && (announce === "all" || (announce === "mentions" && (mine || row.kind === "direct")))) {
      announcer.message(t("announce.message", { name: this.people.name(event.from), text: event.content.slice(0, 200) }));
    }
    const level = prefs.all.levels[row.conversation_id] ?? (row.kind === "direct" ? "everything" : "mentions");
    const wanted = level === "everything" || (level === "mentions" && mine);
    if (wanted && (!row.muted || mine) && prefs.all.notifications && this.chat.leads) void this.tell(row, event);
  }

  private async tell(row: Conversation, event: Event & { type: "message" }): Promise<void> {
    if (!(await lookedAt(row.conversation_id))) {
      notify(row, this.people.name(event.from), event, () => router.go({ name: "conversation", conversation: row.handle ?? row.conversation_id, seq: event.seq }));
    }
  }

  /** Whether somebody looks at a conversation in this tab. */
  private looksAt(conversation_id: string): boolean {
    if (document.visibilityState !== "visible" || !document.hasFocus()) return false;
    const place = router.place;
    return place.name === "conversation" && this.conversations.find(place.conversation)?.conversation_id === conversation_id;
  }

  private sent(item: Parameters<Timeline["sent"]>[0], ack: { conversation_id: string; seq: number; timestamp: string; message_id?: string }): void {
    for (const timeline of this.timelinesOf(ack.conversation_id)) timeline.sent(item, ack.seq, ack.timestamp, ack.message_id);
    if (item.frame.type !== "message") {
      this.conversations.change(ack.conversation_id, { as_of_seq: ack.seq, last_seq: ack.seq });
      return;
    }
    const { content, thread } = item.frame;
    const base = { conversation_id: ack.conversation_id, seq: ack.seq, ordinal: 0, from: this.me?.user_id ?? "", timestamp: ack.timestamp };
    const event = { ...base, type: "message" as const, message_id: ack.message_id ?? "", content, content_type: "text/markdown", version: {} };
    this.conversations.event(thread === undefined ? event : { ...event, thread });
    this.people.spoke(ack.conversation_id, base.from, ack.seq);
    if (thread === undefined) this.reading.read(ack.conversation_id, ack.seq, undefined, true);
  }

  private account(key: string, value: unknown): void {
    const [kind, id, root] = key.split("/");
    const given = (value ?? {}) as Record<string, unknown>;
    switch (kind) {
      case "conversation":
        if (given["type"] === "conversation_left" && id !== undefined) this.left(id);
        else if (id !== undefined) void this.conversations.reload(id).catch(() => undefined);
        break;
      case "read": {
        if (id === undefined) break;
        const position = given as { read_generation: number; read_seq: number };
        if (root !== undefined) this.reading.threadRead(id, Number(root), position.read_generation, position.read_seq);
        else this.conversations.read(id, position.read_generation, position.read_seq);
        break;
      }
      case "follow":
        if (id !== undefined && root !== undefined) this.conversations.follows.set(id, Number(root), given["follow"] === true);
        if (id !== undefined) this.conversations.refresh(id);
        break;
      case "mute":
        if (id !== undefined) this.conversations.change(id, { muted: given["muted"] === true });
        break;
      case "block":
        if (id !== undefined && given["blocked"] === true) this.people.blocked.add(id);
        else if (id !== undefined) this.people.blocked.delete(id);
        break;
      case "settings":
        if (this.me !== undefined) this.me = { ...this.me, settings: { ...this.me.settings, ...given } };
        break;
      case "profile":
        if (this.me !== undefined && typeof given["name"] === "string") {
          this.me = { ...this.me, name: given["name"] };
          this.people.take([this.me]);
        }
        break;
      case "device":
        if (value !== null && typeof given["created_at"] === "string" && id !== this.deviceId && id !== undefined) {
          this.signIns = [...this.signIns, { device_id: id, name: String(given["name"] ?? ""), created_at: given["created_at"] }];
        }
        break;
    }
  }

  private left(conversation_id: string): void {
    this.conversations.remove(conversation_id);
    for (const key of [...this.timelines.keys()]) if (conversationOf(key) === conversation_id) this.timelines.delete(key);
  }

  private setStatus(status: ConnectionStatus): void {
    const was = this.status.state;
    this.status = status;
    const up = status.state === "online" || status.state === "blocked";
    if (status.state === "revoked") void this.revoked();
    if (!up && this.lostAt === undefined) {
      this.lostAt = status.lost_at ?? Date.now();
      this.heldThen = new Map([...this.timelines.values()].map((timeline) => [timeline, timeline.last?.seq ?? 0]));
    }
    if (!up && was === "online") setTimeout(() => this.announceLoss(), 5_000);
  }

  private announceLoss(): void {
    if (this.status.state !== "online" && this.lostAt !== undefined) {
      announcer.say(t("announce.disconnected"));
      this.lossAnnounced = true;
    }
  }
  private lossAnnounced = false;
  /** Until the stream is there for the first time. */
  private starting = true;

  private waitingTexts(): { conversation_id: string; text: string }[] {
    return this.chat.outbox.list().flatMap(({ conversation_id, frame }) => (frame.type === "message" ? [{ conversation_id, text: frame.content }] : []));
  }

  private async revoked(): Promise<void> {
    if (this.ending !== undefined || this.phase === "signed_out") return;
    this.ending = "revoked";
    this.unsent = this.waitingTexts();
    await this.wipe();
    this.phase = "revoked";
  }

  private async caughtUp(anew: boolean): Promise<void> {
    const from = this.lostAt;
    this.lostAt = undefined;
    if (this.lossAnnounced) {
      announcer.say(t("announce.caught_up"));
      this.lossAnnounced = false;
    }
    const before = this.heldThen;
    // To a tab that has just begun all is new, whatever it is to the tab that has the connection.
    if (this.starting) {
      // The first screen comes from reads that ran beside the connection: what fell between is read once it is drawn.
      setTimeout(() => void this.readAnew(), 700);
    } else if (anew) {
      this.conversations.follows.forgetAll();
      for (const timeline of this.timelines.values()) timeline.outdate();
      await this.readAnew();
    }
    if (from !== undefined && Date.now() - from > 2_000) {
      for (const [timeline, seq] of before) {
        const count = timeline.rows.filter((row) => row.seq > seq && row.message !== undefined && row.message.from !== this.me?.user_id).length;
        if (seq > 0) timeline.absent({ from, to: Date.now(), after_seq: seq, count });
      }
    }
    const place = router.place;
    const open = place.name === "conversation" ? this.conversations.find(place.conversation) : undefined;
    // Subscriptions end with their connection.
    if (open !== undefined && this.starting) this.subscribe(open);
    else if (open !== undefined) void this.visit(open);
    this.starting = false;
    this.saveSoon();
  }

  private async readAnew(): Promise<void> {
    await this.conversations.load().catch(() => undefined);
    for (const row of this.conversations.all()) this.chat.hold(row.conversation_id, row.as_of_seq);
    for (const timeline of this.timelines.values()) {
      if (!timeline.has_more_after) await timeline.refresh();
    }
  }

  private itemsOf(conversation_id: string): ReturnType<Chat["outbox"]["list"]> {
    return this.chat.outbox.list().filter((item) => item.conversation_id === conversation_id);
  }

  private outboxChanged(): void {
    const counts = new Map<string, number>();
    for (const item of this.chat.outbox.list()) {
      if (item.state === "failed" && item.frame.type === "message") counts.set(item.conversation_id, (counts.get(item.conversation_id) ?? 0) + 1);
    }
    for (const id of [...this.failed.keys()]) if (!counts.has(id)) this.failed.delete(id);
    for (const [id, count] of counts) {
      if (this.failed.get(id) === undefined) announcer.say(t("announce.failed"));
      this.failed.set(id, count);
    }
    for (const timeline of this.timelines.values()) timeline.waiting(this.itemsOf(timeline.conversation_id));
  }

  private timelinesOf(conversation_id: string): Timeline[] {
    return [...this.timelines.values()].filter((timeline) => timeline.conversation_id === conversation_id);
  }

  /** The drafts of a device that was signed out, to be kept as a file. */
  draftsAsText(): string {
    const named = (id: string): string => {
      const row = this.conversations.get(id);
      return row?.name ?? (row?.with === undefined ? id : this.people.name(row.with));
    };
    const waiting = this.unsent.map(({ conversation_id, text }) => `${named(conversation_id)} · ${t("revoked.waiting")}\n${text}\n`);
    const written = drafts.all().map(({ key, text }) => `${named(conversationOf(key))}\n${text}\n`);
    return [...waiting, ...written].join("\n");
  }

  forgetDrafts(): void {
    this.unsent = [];
    drafts.wipe();
  }
}

/** IndexedDB takes no proxies. */
function structuredCloneable<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

export const app = new AppState();
