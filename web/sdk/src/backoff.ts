// How long to wait before connecting again. Pure: randomness is handed in.

/** Bound of the wait before the first try after a lost connection, in ms. */
const FIRST_MS = 2_000;
/** Bound before the second try; it doubles from there. */
const BASE_MS = 1_000;
const CAP_MS = 30_000;

/** Counts failed tries and says how long to wait: the first 0–2 s, then "full jitter" below a bound that doubles. */
export class Backoff {
  private failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** A connection is good: the next loss counts from the start. */
  succeeded(): void {
    this.failures = 0;
  }

  /**
   * The wait before the next try, in ms. `asked` is what the server asked for: `going_away` is random per client
   * already and taken as it is.
   */
  next(asked?: number): number {
    const failures = this.failures++;
    if (asked !== undefined) return asked;
    const bound = failures === 0 ? FIRST_MS : Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures - 1, 10));
    return bound * this.random();
  }
}
