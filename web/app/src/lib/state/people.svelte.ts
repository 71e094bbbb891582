// People: names by id, asked for when they are needed, and who is there.

import type { MembersPage, Presence, PresenceStatus, Rest, User, UsersPage } from "@stonechat/client";
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { t } from "../i18n.ts";
import { lastSeen } from "../time.ts";

/** Requests for single names at a time. */
const AT_A_TIME = 4;

export class People {
  private readonly users = new SvelteMap<string, User>();
  readonly presence = new SvelteMap<string, Presence>();
  /** Where each member last spoke, per conversation, for ranking mentions. */
  readonly members = new SvelteMap<string, { user_ids: string[]; last_spoke: Map<string, number> }>();
  readonly blocked = new SvelteSet<string>();
  private readonly wanted = new Set<string>();
  private readonly unknown = new Set<string>();
  private asking = 0;

  constructor(
    private readonly rest: () => Rest,
    /** Who hides when they were last here sees it of nobody. */
    private readonly shares: () => boolean = () => true,
  ) {}

  take(users: Iterable<User>): void {
    for (const user of users) {
      const known = this.users.get(user.user_id);
      if (known?.name !== user.name || known.handle !== user.handle) this.users.set(user.user_id, user);
    }
  }

  all(): User[] {
    return [...this.users.values()];
  }

  get(user_id: string): User | undefined {
    return this.users.get(user_id);
  }

  /** The name to show; while it is not known it is asked for. */
  name(user_id: string): string {
    const user = this.users.get(user_id);
    if (user === undefined) this.want(user_id);
    return user?.name ?? t("people.unknown");
  }

  byHandle(handle: string): User | undefined {
    for (const user of this.users.values()) if (user.handle === handle) return user;
    return undefined;
  }

  /** The first pages of everybody, so that most names are there before they are needed. */
  async loadSome(): Promise<void> {
    const page = await this.rest().get<UsersPage>("users?limit=200");
    this.take(page.users);
  }

  async search(text: string): Promise<User[]> {
    const page = await this.rest().get<UsersPage>(`users?limit=20&q=${encodeURIComponent(text)}`);
    this.take(page.users);
    return page.users;
  }

  async loadMembers(conversation_id: string): Promise<void> {
    const user_ids: string[] = [];
    const last_spoke = new Map<string, number>();
    let next: string | undefined;
    // Beyond a thousand, names come as they are needed.
    for (let pages = 0; pages < 5; pages++) {
      const query = next === undefined ? "" : `&page=${encodeURIComponent(next)}`;
      const page = await this.rest().get<MembersPage>(`conversations/${conversation_id}/members?limit=200${query}`);
      for (const member of page.members) {
        user_ids.push(member.user_id);
        if (member.last_spoke_seq !== undefined) last_spoke.set(member.user_id, member.last_spoke_seq);
        if (!this.users.has(member.user_id)) {
          const { user_id, handle, name } = member;
          this.users.set(user_id, { user_id, handle, name, role: "member" });
        }
      }
      next = page.next;
      if (next === undefined) break;
    }
    this.members.set(conversation_id, { user_ids, last_spoke });
  }

  spoke(conversation_id: string, user_id: string, seq: number): void {
    this.members.get(conversation_id)?.last_spoke.set(user_id, seq);
  }

  takePresence(presence: Presence[]): void {
    for (const one of presence) this.presence.set(one.user_id, one);
  }

  status(user_id: string): PresenceStatus {
    return (this.shares() ? this.presence.get(user_id)?.status : undefined) ?? "unknown";
  }

  /** The words for how somebody stands; empty: not known or hidden. */
  presenceText(user_id: string): string {
    const presence = this.shares() ? this.presence.get(user_id) : undefined;
    switch (presence?.status) {
      case "online":
        return t("presence.active");
      case "busy":
        return t("presence.busy");
      case "away":
        return t("presence.recently");
      case "offline":
        return lastSeen(presence.last_seen_at);
      default:
        return "";
    }
  }

  private want(user_id: string): void {
    if (this.wanted.has(user_id) || this.unknown.has(user_id)) return;
    this.wanted.add(user_id);
    // Asked for after drawing: a list in the making wants many at once.
    if (this.asking < AT_A_TIME) {
      this.asking++;
      setTimeout(() => void this.ask(), 50);
    }
  }

  private async ask(): Promise<void> {
    for (const user_id of this.wanted) {
      this.wanted.delete(user_id);
      if (this.users.has(user_id)) continue;
      try {
        this.take([await this.rest().get<User>(`users/${user_id}`)]);
      } catch {
        this.unknown.add(user_id);
      }
    }
    this.asking--;
  }
}
