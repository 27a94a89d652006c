/**
 * Where TLS sessions wait for the next connection, and the rules of when one may be used.
 *
 * Two places, with different lives:
 * - *live*: the newest sessions (two at most), in RAM and in retained memory, so that reconnecting and waking from deep sleep
 *   resume. Writing costs nothing.
 * - *reserve*: one session in flash for the start after a power cut. Written at most once after each full handshake, and once more
 *   after it was used up; never on an ordinary wake.
 *
 * A TLS 1.3 ticket is removed before it is tried, and the reserve is a ticket that the live sessions do not hold: so each is used once
 * (RFC 8446 appendix C.4), also across power cuts. A connection that used up the reserve mostly brings one ticket only; that one is kept in both
 * places, for the next power cut may come first, and is removed from the reserve before it is tried. There is one exception: a server that accepted a ticket and gave no new one in return (the
 * TLS servers of Node do so) would have to be met by full handshakes from then on. Then the same ticket is used again. What it costs is that an
 * onlooker can tell that the two connections are of one device; nothing that is protected is at risk, since no early data is ever sent.
 * `reuseTickets: false` forbids it. A TLS 1.2 session may be used until it ends.
 *
 * A ticket of TLS 1.2 holds the client's certificate as a rule, and may be too large for retained memory, which then holds the number of wakes. It resumes from the reserve. Where it
 * has no place at all (there is no storage, or it is full), the handshakes that follow ask for no ticket: the server keeps the session, under an ID
 * that takes little room here. That is the second choice, since a server may forget it: OpenSSL 3 does when the device vanishes without a goodbye.
 *
 * A session whose handshake did not come about is not offered again, whatever its version: it may be the reason, and the next
 * handshake, a full one, heals that.
 */
import type { Clock } from "../clock.js";
import { equal, toBytes } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { KeyValueStorage, Platform, TLSNegotiated, TLSSessionData } from "../platform.js";
import { RETAINED_SECTION, STORAGE_KEY, type RetainedStore } from "../storage/index.js";
import {
  decodeTLSSessions,
  encodeStarts,
  encodeTLSSessions,
  hasTLSSession,
  startsIn,
  type TLSSession,
  wantsTickets,
} from "./tls-session.js";

/** Why there is no session to resume. */
export type NoSessionReason =
  /** None was kept. */
  | "none"
  /** Anchors, lists, name, versions, client certificate or engine are not those of the handshake that verified the server. */
  | "policy changed"
  /** The ticket's lifetime, the server's chain, or a revocation list has ended. */
  | "expired"
  /** The full handshake is longer ago than `maximumAuthenticationAge`, or than `maximumAuthenticationWakes`. */
  | "authentication too old"
  /** The wall clock is behind the time at which the session was issued: its age cannot be told. */
  | "clock went back"
  /** A TLS 1.3 ticket whose age cannot be told, because the clock did not run while the power was off. */
  | "ticket age unknown";

export interface TLSSessionStoreOptions {
  readonly clock: Clock;
  readonly platform: Pick<Platform, "wakeCause" | "clockSurvives" | "ticks">;
  readonly retained?: RetainedStore | undefined;
  /** Must encrypt. Left out: sessions are in RAM and in retained memory only. */
  readonly storage?: KeyValueStorage | undefined;
  /** A server must be verified anew after this many milliseconds. 7 days when left out. */
  readonly maximumAuthenticationAge?: number | undefined;
  /** The same, in starts of the device, where there is no wall clock. 168 when left out (a week of hourly wakes). */
  readonly maximumAuthenticationWakes?: number | undefined;
  /** Whether a TLS 1.3 ticket may be used again when the server accepted it and gave no new one. True when left out. */
  readonly reuseTickets?: boolean | undefined;
}

/** How sessions of TLS 1.2 are asked for: with a ticket; by ID; by ID, and none came yet; with a ticket, for those by ID are of no use here. */
type Asking = "ticket" | "identifier" | "identifier awaited" | "ticket again";

const MAXIMUM_LIVE = 2;
const WEEK = 7 * 24 * 60 * 60 * 1000;

/** What a connection leaned on: the session that was resumed, or the full handshake. */
interface Authentication {
  readonly policy: Uint8Array;
  readonly at: number | undefined;
  readonly wakes: number;
  readonly verifiedUntil: number | undefined;
}

export class TLSSessionStore {
  readonly #options: TLSSessionStoreOptions;
  #live: TLSSession[] = [];
  /** The content of the reserve; `undefined` when it is empty, `"unread"` until it is needed. */
  #reserve: TLSSession | undefined | "unread" = "unread";
  /** Starts since the wakes of the reserve, of TLS 1.2, were counted in flash; `undefined`: retained memory did not count them. */
  #starts: number | undefined;
  /** A full handshake has made the reserve old; the next session to spare replaces it. */
  #reserveStale = false;
  /** What was offered; until {@link opened} says that its handshake came about. */
  #taken: TLSSession | undefined;
  /** The session whose handshake failed the last time, or that was resumed in a wrong way. */
  #doubted: TLSSession | undefined;
  /** No full handshake can be younger in ticks, for sessions of this life and of earlier ones. */
  #authenticatedTick = 0;
  #authentication: Authentication | undefined;
  /** The connection that was opened last used up the reserve. */
  #reserveUsed = false;
  #reason: NoSessionReason = "none";
  #asking: Asking = "ticket";
  #failures = 0;

  constructor(options: TLSSessionStoreOptions) {
    this.#options = options;
    const retained = options.retained?.get(RETAINED_SECTION.tlsSessions);
    if (retained === undefined) return;
    if (!wantsTickets(retained)) this.#asking = "identifier";
    const ageKnown = options.platform.wakeCause !== "sleep" || options.platform.clockSurvives.sleep;
    this.#live = decodeTLSSessions(retained)
      .filter(({ data }) => ageKnown || data.protocol === "TLSv1.2")
      .slice(0, MAXIMUM_LIVE)
      .map(oneMoreWake);
    const starts = startsIn(retained);
    if (starts !== undefined) this.#starts = starts + 1;
    // Else the next start would count this one anew.
    if (!this.keepLive()) this.#starts = undefined;
  }

  /** Why the last {@link take} gave no session. */
  get reason(): NoSessionReason {
    return this.#reason;
  }

  /** Whether the next handshake is to ask for a ticket, where TLS 1.2 is agreed on. To be looked at after {@link take}. */
  get tickets(): boolean {
    return this.#asking === "ticket" || this.#asking === "ticket again";
  }

  /** How often a session could not be kept or read: storage that failed, was full or was damaged. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * The session to offer for the next connection, or `undefined`: the handshake will be full. Call it when the handshake is about to
   * begin, not before: a ticket that is used once is gone then.
   */
  take(policy: Uint8Array): TLSSessionData | undefined {
    this.#reason = "none";
    // The server keeps no sessions. Its tickets are good for connections of this life, at least.
    if (this.#asking === "identifier awaited") this.#asking = "ticket again";
    this.distrust(this.#taken);
    this.#taken = undefined;
    this.#authentication = undefined;
    this.#reserveUsed = false;
    const newest = this.#live.at(-1);
    for (let session = this.#live.pop(); session !== undefined; session = this.#live.pop()) {
      if (!this.usable(session, policy)) continue;
      const single = session.data.protocol === "TLSv1.3";
      if (!single) this.#live.push(session);
      // A ticket that a crash could bring back is not used. Where nothing was taken away there is nothing to write.
      const changed = single || session !== newest;
      if (changed && !this.keepLive() && single) continue;
      if (session.reserved && !this.deleteReserve()) continue;
      this.#taken = session;
      return session.data;
    }
    this.keepLive();
    // The reserve leans on the same full handshake as the live sessions or an older one, but does not count the wakes in between.
    if (this.reason === "authentication too old" && this.readReserve() !== undefined) this.deleteReserve();
    this.#taken = this.takeReserve(policy);
    this.#reserveUsed = this.#taken !== undefined;
    return this.#taken?.data;
  }

  /**
   * Must be called when a handshake is done, before its sessions are {@link put} and before anything is sent.
   * @throws SealwireError `TLS_HANDSHAKE_FAILED` when a resumed handshake differs from the full one in its use of extended master
   *   secret (RFC 7627 section 5.3), or when nothing was offered that it could resume
   */
  opened(policy: Uint8Array, negotiated: TLSNegotiated): void {
    const taken = this.#taken;
    if (negotiated.resumed) {
      if (taken?.data.protocol !== negotiated.protocol)
        throw new SealwireError("TLS_HANDSHAKE_FAILED", "The server resumed a session that was not offered.");
      const { extendedMasterSecret } = negotiated;
      if (extendedMasterSecret !== undefined && extendedMasterSecret !== taken.data.extendedMasterSecret) {
        this.#doubted = taken;
        throw new SealwireError(
          "TLS_HANDSHAKE_FAILED",
          "The server resumed the session without, or with, extended master secret, unlike the handshake that made it.",
        );
      }
      this.#taken = undefined;
      this.#doubted = undefined;
      const { authenticatedAt: at, wakes, verifiedUntil } = taken;
      this.#authentication = { policy, at, wakes, verifiedUntil };
      if (taken.data.protocol === "TLSv1.2" || this.#options.reuseTickets === false) return;
      // The last choice, until the server gives a new one.
      this.#live = [{ ...taken, used: true, reserved: false }, ...this.#live.filter(({ used }) => !used)];
      this.keepLive();
      return;
    }
    // The server refused what was offered, or nothing was: what is kept of the past is worth nothing beside the new sessions.
    this.#taken = undefined;
    this.#authenticatedTick = this.#options.platform.ticks();
    if (this.#asking === "identifier" && negotiated.protocol === "TLSv1.2") this.#asking = "identifier awaited";
    this.#live = [];
    this.keepLive();
    this.#reserveStale = true;
    const verifiedUntil = minimum(negotiated.chainNotAfter, negotiated.revocationNextUpdate);
    this.#authentication = { policy, at: this.#options.clock.now(), wakes: 0, verifiedUntil };
  }

  /** Keeps a session that the server issued on the connection that was {@link opened} last. */
  put(data: TLSSessionData): void {
    const authentication = this.#authentication;
    if (authentication === undefined) return;
    const now = this.#options.clock.now();
    const ticketEnd = now === undefined || data.lifetime === undefined ? undefined : now + data.lifetime;
    const session: TLSSession = {
      data,
      policy: authentication.policy,
      authenticatedAt: authentication.at,
      wakes: authentication.wakes,
      issuedAt: now,
      expiresAt: minimum(ticketEnd, authentication.verifiedUntil),
      verifiedUntil: authentication.verifiedUntil,
      used: false,
      reserved: false,
    };
    // Of two tickets, each has a place of its own.
    this.#live = this.#live.filter(({ used, reserved }) => !used && !reserved);
    const reusable = data.protocol === "TLSv1.2";
    const reserveWanted = this.#reserveStale || this.readReserve() === undefined;
    const spare = reusable || this.#live.length > 0;
    const reserved = reserveWanted && (spare || this.#reserveUsed) && this.writeReserve(session);
    if (reserved && spare && !reusable) return;
    if (reusable) this.#live = [];
    this.#live.push({ ...session, reserved: reserved && !reusable });
    if (this.#live.length > MAXIMUM_LIVE) this.#live.shift();
    if (this.#asking === "identifier awaited") this.#asking = "identifier";
    this.keepLive();
    if (reusable && !reserved) this.learn();
  }

  /** Drops every session, for example because new credentials were committed. */
  clear(): void {
    this.#live = [];
    this.#taken = undefined;
    this.#authentication = undefined;
    this.#asking = "ticket";
    this.#starts = undefined;
    this.keepLive();
    this.deleteReserve();
  }

  /** Whether the session that came has a place beside RAM; if not, the next one is asked for in the other way. */
  private learn(): void {
    const { retained } = this.#options;
    if (!retained || hasTLSSession(retained.get(RETAINED_SECTION.tlsSessions)) || this.readReserve()) return;
    this.#asking = this.#asking === "ticket" ? "identifier" : "ticket again";
    this.keepLive();
  }

  /**
   * Its handshake failed. Once may be the network; twice may well lie in the session: a server that chokes on it must not be met with it for
   * ever.
   */
  private distrust(session: TLSSession | undefined): void {
    if (session?.data.protocol !== "TLSv1.2") return;
    if (this.#doubted !== session) {
      this.#doubted = session;
      return;
    }
    this.#live = this.#live.filter((other) => other !== session);
    this.keepLive();
    // The same one. Flash is not worn for that: the next full handshake replaces it.
    this.#reserve = undefined;
  }

  private usable(session: TLSSession, policy: Uint8Array): boolean {
    const reason = this.objection(session, policy);
    if (reason !== undefined) this.#reason = reason;
    return reason === undefined;
  }

  private objection(session: TLSSession, policy: Uint8Array): NoSessionReason | undefined {
    const { clock, platform, maximumAuthenticationAge = WEEK, maximumAuthenticationWakes = 168 } = this.#options;
    if (!equal(session.policy, policy)) return "policy changed";
    // Needs no wall clock, so it also binds a device that has none and never restarts.
    if (platform.ticks() - this.#authenticatedTick >= maximumAuthenticationAge) return "authentication too old";
    const { earliest, latest } = clock.interval();
    if (latest === undefined || session.issuedAt === undefined || session.authenticatedAt === undefined) {
      // Without a wall clock, then or now, nothing but the number of starts tells the age.
      if (session.expiresAt !== undefined && (latest ?? earliest) >= session.expiresAt) return "expired";
      return session.wakes > maximumAuthenticationWakes ? "authentication too old" : undefined;
    }
    if (latest < session.issuedAt || latest < session.authenticatedAt) return "clock went back";
    if (session.expiresAt !== undefined && latest >= session.expiresAt) return "expired";
    return latest - session.authenticatedAt >= maximumAuthenticationAge ? "authentication too old" : undefined;
  }

  private takeReserve(policy: Uint8Array): TLSSession | undefined {
    const kept = this.readReserve();
    if (kept === undefined) return undefined;
    const { wakeCause, clockSurvives } = this.#options.platform;
    const single = kept.data.protocol === "TLSv1.3";
    const session = single || !this.#starts ? kept : { ...kept, wakes: kept.wakes + this.#starts };
    const clockStopped = wakeCause === "power" ? !clockSurvives.power : wakeCause === "sleep" && !clockSurvives.sleep;
    if (single && clockStopped) this.#reason = "ticket age unknown";
    const usable = !(single && clockStopped) && this.usable(session, policy);
    // A ticket that is used once must be gone before it is sent, whatever happens next. One that is not usable will not get better.
    if (single || !usable) {
      if (!this.deleteReserve() || !usable) return undefined;
    } else if (this.#options.clock.now() === undefined && this.#starts === undefined)
      this.writeReserve(oneMoreWake(session));
    if (!single) {
      this.#live = [session];
      this.keepLive();
    }
    return session;
  }

  /** @returns false when retained memory may still hold what it held before */
  private keepLive(): boolean {
    const { retained } = this.#options;
    if (retained === undefined) return true;
    try {
      const sessions = this.#live;
      const encoded = this.encode(sessions);
      retained.set(RETAINED_SECTION.tlsSessions, encoded, true);
      if (!retained.commit().includes(RETAINED_SECTION.tlsSessions)) {
        if (encoded) shareBytes(sessions, encoded);
        return true;
      }
      // Two did not fit: one may. When that does not fit either, it lives in RAM only.
      this.#failures++;
      const fewer = this.encode(sessions.length < 2 ? [] : sessions.slice(-1));
      if (fewer) retained.set(RETAINED_SECTION.tlsSessions, fewer);
      if (fewer) retained.commit();
      return true;
    } catch {
      this.#failures++;
      return false;
    }
  }

  /** What retained memory holds, with these sessions or without any. */
  private encode(sessions: readonly TLSSession[]): Uint8Array | undefined {
    if (sessions.length > 0 || !this.tickets) return encodeTLSSessions(sessions, this.tickets);
    return this.#starts === undefined ? undefined : encodeStarts(this.#starts);
  }

  private readReserve(): TLSSession | undefined {
    if (this.#reserve !== "unread") return this.#reserve;
    this.#reserve = undefined;
    try {
      const stored = this.#options.storage?.read(STORAGE_KEY.tlsSession);
      if (stored !== undefined) this.#reserve = decodeTLSSessions(toBytes(stored))[0];
    } catch {
      this.#failures++;
    }
    return this.#reserve;
  }

  private writeReserve(session: TLSSession): boolean {
    const { storage } = this.#options;
    if (storage === undefined) return false;
    this.#reserveStale = false;
    try {
      storage.write(STORAGE_KEY.tlsSession, encodeTLSSessions([session]));
      this.#starts = session.data.protocol === "TLSv1.2" ? 0 : undefined;
      // Read again when it is needed: a kilobyte less in RAM meanwhile.
      this.#reserve = "unread";
      return true;
    } catch {
      // Losing the reserve costs one full handshake after a power cut; it is not worth losing the connection.
      this.#failures++;
      return false;
    }
  }

  private deleteReserve(): boolean {
    this.#reserve = this.#starts = undefined;
    try {
      this.#options.storage?.delete(STORAGE_KEY.tlsSession);
      return true;
    } catch {
      this.#failures++;
      return false;
    }
  }
}

/** Of a kilobyte that a ticket has, one copy is enough. */
function shareBytes(sessions: readonly TLSSession[], encoded: Uint8Array): void {
  for (const [i, { data, policy }] of decodeTLSSessions(encoded).entries())
    Object.assign(sessions[i]!, { data, policy });
}

function oneMoreWake(session: TLSSession): TLSSession {
  return { ...session, wakes: session.wakes + 1 };
}

function minimum(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
