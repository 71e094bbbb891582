// Places: the address bar is the state; every jump is an entry of the browser's history.

export type Place =
  | { name: "home" }
  | { name: "conversation"; conversation: string; seq?: number; thread?: number }
  | { name: "settings"; section: string }
  | { name: "setup" }
  | { name: "join"; token: string }
  | { name: "login" }
  | { name: "unknown" };

/** What an address means. */
export function parse(path: string, search = ""): Place {
  const [first, second, third, ...rest] = path.split("/").filter((part) => part !== "").map(decode);
  if (rest.length > 0) return { name: "unknown" };
  switch (first) {
    case undefined:
      return { name: "home" };
    case "c": {
      if (second === undefined) return { name: "unknown" };
      const place: Place = { name: "conversation", conversation: second };
      if (third !== undefined && /^\d{1,15}$/.test(third)) place.seq = Number(third);
      else if (third !== undefined) return { name: "unknown" };
      const thread = new URLSearchParams(search).get("thread");
      if (thread !== null && /^\d{1,15}$/.test(thread)) place.thread = Number(thread);
      return place;
    }
    case "settings":
      return { name: "settings", section: second ?? "profile" };
    case "setup":
      return { name: "setup" };
    case "join":
      return second === undefined ? { name: "unknown" } : { name: "join", token: second };
    case "login":
      return { name: "login" };
    default:
      return { name: "unknown" };
  }
}

/** The address of a place. */
export function address(place: Place): string {
  switch (place.name) {
    case "conversation": {
      const seq = place.seq === undefined ? "" : `/${place.seq}`;
      const thread = place.thread === undefined ? "" : `?thread=${place.thread}`;
      return `/c/${encodeURIComponent(place.conversation)}${seq}${thread}`;
    }
    case "settings":
      return `/settings/${place.section}`;
    case "join":
      return `/join/${encodeURIComponent(place.token)}`;
    case "home":
    case "unknown":
      return "/";
    default:
      return `/${place.name}`;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Router {
  place = $state.raw<Place>(parse(location.pathname, location.search));
  /** Grows with every arrival, also at the same place: a link followed twice jumps twice. */
  arrivals = $state(0);

  constructor() {
    window.addEventListener("popstate", () => this.arrive());
  }

  go(place: Place, how: "push" | "replace" = "push"): void {
    const to = address(place);
    if (how === "replace" || to === location.pathname + location.search) history.replaceState(null, "", to);
    else history.pushState({ inside: true }, "", to);
    this.arrive();
  }

  /** One step back if that stays inside the app; otherwise to a place above this one. */
  back(above: Place): void {
    if ((history.state as { inside?: boolean } | null)?.inside === true) history.back();
    else this.go(above, "replace");
  }

  /** On a phone the list lies below everything, also below what a link opened: Back goes one level up (MO-01). */
  ground(): void {
    const { place } = this;
    if ((history.state as { inside?: boolean } | null)?.inside === true) return;
    if (place.name !== "conversation" && place.name !== "settings") return;
    history.replaceState(null, "", "/");
    if (place.name === "conversation" && place.thread !== undefined) {
      history.pushState({ inside: true }, "", address({ name: "conversation", conversation: place.conversation }));
    }
    history.pushState({ inside: true }, "", address(place));
  }

  private arrive(): void {
    this.place = parse(location.pathname, location.search);
    this.arrivals++;
  }
}

export const router = new Router();
