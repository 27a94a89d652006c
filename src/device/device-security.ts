/** What one connection of a device needs to be secure: see {@link SecureOptions}. */
import type { Clock } from "../clock.js";
import type { Key, RevocationMode, TimeInterval, TLSEngine, TLSEngineOptions, TLSVersion } from "../platform.js";
import type { TLSNegotiated, TLSSessionData } from "../platform.js";
import { policyDigest, type TLSSessionStore } from "../tls/index.js";
import type { SecureOptions } from "../transport/index.js";
import type { Credentials } from "../vault/index.js";
import type { DeviceCore } from "./device-core.js";

/** A connection that is told how its handshake went. */
export interface SecuredAttempt {
  readonly host: string;
  negotiated: TLSNegotiated | undefined;
  noSessionReason: string | undefined;
  secured: boolean;
}

/** A class: its methods lie in flash, while closures around a dozen variables would cost the heap as long as the connection lives. */
export class DeviceSecurity implements SecureOptions {
  readonly trustAnchors: readonly Uint8Array[];
  readonly revocationLists: readonly Uint8Array[];
  readonly revocation: RevocationMode;
  readonly certificateChain: readonly Uint8Array[];
  readonly privateKey: Key | undefined;
  readonly minimumVersion: TLSVersion;
  readonly maximumVersion: TLSVersion | undefined;
  readonly applicationProtocols: readonly string[];
  readonly session: TLSSessionData | undefined;
  private readonly core: DeviceCore;
  private readonly sessions: TLSSessionStore;
  private readonly attempt: SecuredAttempt;
  private readonly digest: Uint8Array;
  private readonly startedAt: number;

  /** Takes the session that may be resumed. */
  constructor(
    core: DeviceCore,
    sessions: TLSSessionStore,
    attempt: SecuredAttempt,
    credentials: Credentials,
    identity: Pick<Credentials, "certificateChain" | "privateKey">,
    applicationProtocols: readonly string[],
  ) {
    const { platform } = core;
    this.trustAnchors = credentials.trustAnchors;
    this.revocationLists = credentials.revocationLists ?? [];
    this.revocation = credentials.revocation ?? "off";
    this.certificateChain = identity.certificateChain ?? [];
    this.privateKey = identity.privateKey;
    this.minimumVersion = credentials.minimumVersion ?? "TLSv1.2";
    this.maximumVersion = credentials.maximumVersion;
    this.applicationProtocols = applicationProtocols;
    this.core = core;
    this.sessions = sessions;
    this.attempt = attempt;
    this.digest = policyDigest(platform.crypto, this);
    this.session = sessions.take(this.digest);
    attempt.noSessionReason = this.session === undefined ? sessions.reason : undefined;
    this.startedAt = platform.ticks();
  }

  get serverName(): string {
    return this.attempt.host;
  }

  get time(): TimeInterval {
    return this.clock.interval();
  }

  get sessionTickets(): boolean {
    return this.sessions.tickets;
  }

  /** Of the policy, too. */
  get engineBuild(): string {
    return this.core.platform.tlsEngineBuild;
  }

  createTLSEngine(options: TLSEngineOptions): TLSEngine {
    return this.core.platform.createTLSEngine(options);
  }

  onOpen(negotiated: TLSNegotiated): void {
    const { core, attempt } = this;
    this.sessions.opened(this.digest, negotiated);
    core.memory.proveTime(this.clock, negotiated.chainNotBefore);
    attempt.negotiated = negotiated;
    attempt.secured = true;
    core.options.monitor?.handshake(core.platform.ticks() - this.startedAt);
  }

  onSession(data: TLSSessionData): void {
    this.sessions.put(data);
  }

  private get clock(): Clock {
    return this.core.clock;
  }
}
