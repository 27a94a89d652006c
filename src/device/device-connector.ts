/** Opens the connections of a device: where to, over what, proved by which credentials, resumed from which session. */
import { checkNoPassword } from "./device-checks.js";
import type { DeviceCore } from "./device-core.js";
import type { DeviceBroker } from "./device-options.js";
import { DeviceSecurity, type SecuredAttempt } from "./device-security.js";
import { DeviceWakeNotes } from "./device-wake-notes.js";
import type { ErrorCode, SealwireError } from "../errors.js";
import type { RetryPolicy } from "../link/index.js";
import type { MQTTSession } from "../mqtt/index.js";
import type { ResolveOptions, Resolver, ResolverConstructor, TransportDescriptor } from "../platform.js";
import { RETAINED_SECTION } from "../storage/index.js";
import { TLSSessionStore } from "../tls/index.js";
import { observeTransport, TLSSocket, type SecureOptions } from "../transport/index.js";
import type { Credentials } from "../vault/index.js";

/** How far a connection came, for the conclusions from its end. */
interface Attempt extends SecuredAttempt {
  readonly startedAt: number;
  readonly port: number;
  address: string | undefined;
  /** The address is one of before the sleep. */
  readonly remembered: boolean;
  readonly pipelined: boolean;
  /** Its TLS connection is not gone yet. */
  open: boolean;
}

/** Milliseconds that the end of a connection may take: longer than a goodbye that nobody takes lingers. */
const PATIENCE = 3000;

/** Ends of a connection that may mean that the server does not take packets before its CONNACK. */
const CLOSED_ON_IT: readonly ErrorCode[] = ["CONNECTION_LOST", "MQTT_PROTOCOL_ERROR", "MQTT_MALFORMED_PACKET"];

export class DeviceConnector {
  readonly #core: DeviceCore;
  readonly #sessions: TLSSessionStore;
  readonly #notes: DeviceWakeNotes;
  #credentials: Credentials;
  #attempt: Attempt | undefined;
  /** Where the broker sent this device. */
  #elsewhere: DeviceBroker | undefined;
  /** The first connection of this life: the one that a wake waits for. */
  #isFirst = true;
  #bootstrap = false;
  /** TLS connections that are not gone yet: their goodbye has to leave. */
  #open = 0;
  /** Told once there is none. */
  declare private onReleased?: (() => void) | undefined;
  /** There is an MQTT session of before a sleep, so the broker's limits are known. */
  readonly #isWake: boolean;

  constructor(core: DeviceCore, credentials: Credentials, isWake: boolean) {
    const { options: device, clock, memory } = core;
    this.#core = core;
    this.#credentials = credentials;
    this.#isWake = isWake;
    checkNoPassword(device, credentials.password);
    this.#sessions = new TLSSessionStore({
      clock,
      platform: device.platform,
      retained: memory.retained,
      storage: memory.storageForSessions(device.sessionsInFlash),
      maximumAuthenticationAge: device.maximumAuthenticationAge,
      reuseTickets: device.reuseTickets,
    });
    this.#notes = new DeviceWakeNotes(clock, device.addressLifetime, memory.get(RETAINED_SECTION.wake));
  }

  get broker(): { readonly host: string; readonly port: number } {
    const { webSocket, unencrypted, broker = this.#credentials.broker } = this.#core.options;
    const { host, port = webSocket ? 443 : unencrypted ? 1883 : 8883 } = this.#elsewhere ?? broker;
    return { host, port };
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /**
   * Fulfilled when every connection is gone, its goodbye sent, or after a while: a transport that never says that it is gone must not keep a device
   * from its sleep.
   */
  released(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    const { timer } = this.#core.platform;
    return new Promise((resolve) => {
      const gone = (): void => {
        timer.clear(late);
        this.#open = 0;
        this.onReleased = undefined;
        resolve();
      };
      const before = this.onReleased;
      const late = timer.set(gone, PATIENCE);
      this.onReleased = () => {
        before?.();
        gone();
      };
    });
  }

  /** For connections from now on. A resumed session would be accepted on the strength of the old ones, and prove nothing. */
  use(credentials: Credentials): void {
    checkNoPassword(this.#core.options, credentials.password);
    this.#credentials = credentials;
    this.#sessions.clear();
  }

  /** The same credentials, in other handles. */
  keep(credentials: Credentials): void {
    this.#credentials = credentials;
  }

  connect(session: MQTTSession): void {
    const { platform, connectTimeout, pipeline: wanted = "auto" } = this.#core.options;
    const { host, port } = this.broker;
    const address = this.#isFirst ? this.#notes.address(host, port) : undefined;
    // Not later on: a broker that refuses CONNECT and drops what follows it may take its refusal along, and with it the reason.
    const pipeline = wanted === "auto" && this.#isFirst && this.#isWake && this.#notes.mayPipeline(host, port);
    const attempt: Attempt = (this.#attempt = {
      startedAt: platform.ticks(),
      host,
      port,
      address,
      remembered: address !== undefined,
      pipelined: pipeline,
      negotiated: undefined,
      noSessionReason: undefined,
      secured: false,
      open: false,
    });
    const { user, password } = this.login();
    const dns = { io: DeviceResolver, real: platform.resolver, attempt };
    const socket = this.transport(attempt);
    session.connect({ host, port, address, dns, socket, user, password, pipeline, connectTimeout });
  }

  /** What CONNECT says of who the device is. */
  private login(): { readonly user: string | undefined; readonly password: Uint8Array | string | undefined } {
    const { login } = this.#core.options;
    const { username: user, password } = this.#credentials;
    // It goes in AUTH.
    if (login === "SCRAM-SHA-256") return { user: undefined, password: undefined };
    return { user, password: login ? this.#core.login!.token(login.allowReplayWindow) : password };
  }

  /** The broker accepted the connection. */
  connected() {
    const attempt = this.#attempt;
    if (attempt === undefined) return undefined;
    const { host, port, address, negotiated, noSessionReason, startedAt, pipelined, remembered } = attempt;
    this.#isFirst = false;
    this.#attempt = undefined;
    // One that is only used again is as old as before.
    if (address !== undefined && !remembered) this.#notes.good(host, port, address);
    if (pipelined) this.#notes.pipelined(true);
    return {
      protocol: negotiated?.protocol,
      cipherSuite: negotiated?.cipherSuite,
      resumed: negotiated?.resumed ?? false,
      noSessionReason,
      milliseconds: this.#core.platform.ticks() - startedAt,
      bootstrap: this.#bootstrap,
    };
  }

  /**
   * A connection failed or ended.
   * @param reference of the server that is to be used instead, as the broker wrote it
   * @returns when to try again, if that is another time than the error itself says
   */
  ended(error: SealwireError | undefined, reference?: string): RetryPolicy | undefined {
    if (error?.code === "MQTT_SERVER_MOVED" && this.move(error, reference)) {
      // Where a whole fleet is sent it must not arrive in one second.
      return "spread";
    }
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined || error === undefined || error.code === "NETWORK_DOWN") return undefined;
    const first = this.#isFirst;
    this.#isFirst = false;
    const closedOnIt = attempt.pipelined && attempt.secured && CLOSED_ON_IT.includes(error.code);
    if (closedOnIt) this.#notes.pipelined(false);
    // A broker that moved is no longer at its old address, whoever is there now: not even a wrong certificate counts before DNS was asked.
    if (attempt.remembered && !(attempt.secured && !closedOnIt)) this.#notes.dropAddress();
    else if (!(first && closedOnIt)) return undefined;
    // Only the one connection that a wake waits for, once: a fleet that lost its broker comes back spread.
    return "local";
  }

  /** For the next wake, see {@link DeviceWakeNotes}. */
  save(): Uint8Array | undefined {
    return this.#notes.save();
  }

  private move({ reasonCode }: SealwireError, reference: string | undefined): boolean {
    const { onServerMoved } = this.#core.options;
    const permanent = reasonCode === 0x9d;
    const broker = this.#core.reporter.call(() => onServerMoved?.({ reference, permanent }));
    if (broker !== undefined) this.#elsewhere = broker;
    return broker !== undefined;
  }

  private transport(attempt: Attempt): TransportDescriptor {
    const { platform, webSocket, monitor, unencrypted } = this.#core.options;
    const tcp = { io: platform.tcp };
    const counted = monitor ? { io: observeTransport(tcp, monitor.bytes) } : tcp;
    const secure: TransportDescriptor = {
      io: TLSSocket,
      socket: counted,
      timer: platform.timer,
      secure: () => {
        attempt.open = true;
        this.#open++;
        return this.secure(attempt);
      },
      onReleased: () => this.gone(attempt),
    };
    if (unencrypted) attempt.secured = true;
    const stream = unencrypted ? counted : secure;
    const wrapped = webSocket
      ? {
          ...webSocket,
          socket: stream,
          timer: platform.timer,
          random: (byteLength: number) => platform.crypto.random(byteLength),
        }
      : stream;
    return monitor ? { io: observeTransport(wrapped, monitor.packets()) } : wrapped;
  }

  private gone(attempt: Attempt): void {
    if (!attempt.open) return;
    attempt.open = false;
    // Those that nobody waits for any more were given up.
    if (this.#open > 0) this.#open--;
    if (this.#open === 0) this.onReleased?.();
  }

  private secure(attempt: Attempt): SecureOptions {
    const protocols = this.#core.options.applicationProtocols ?? this.applicationProtocols(attempt);
    return new DeviceSecurity(this.#core, this.#sessions, attempt, this.#credentials, this.identity(), protocols);
  }

  /** On 443 a broker must tell MQTT from HTTP. Elsewhere nothing is offered: some servers refuse names that they do not know. */
  private applicationProtocols({ host, port }: Attempt): readonly string[] {
    if (this.#core.options.webSocket) return ["http/1.1"];
    if (port !== 443) return [];
    return /\.amazonaws\.com(\.cn)?$/i.test(host) ? ["x-amzn-mqtt-ca"] : ["mqtt"];
  }

  /** The device's own certificate, or while that is expired the one that is kept for its renewal. */
  private identity(): Pick<Credentials, "certificateChain" | "privateKey"> {
    const { certificateChain = [], bootstrap } = this.#credentials;
    const [own] = certificateChain;
    const { crypto } = this.#core.platform;
    const { earliest } = this.#core.clock.interval();
    this.#bootstrap = bootstrap !== undefined && (!own || crypto.certificate(own).notAfter <= earliest);
    return this.#bootstrap && bootstrap ? bootstrap : this.#credentials;
  }
}

interface DeviceResolverOptions {
  readonly real: ResolverConstructor;
  readonly attempt: Attempt;
}

/** Asks the platform's resolver, and notes what it found. */
class DeviceResolver implements Resolver {
  readonly #attempt: Attempt;
  readonly #resolver: Resolver;

  constructor(options: object) {
    const { real, attempt } = options as DeviceResolverOptions;
    this.#attempt = attempt;
    this.#resolver = new real({});
  }

  resolve(options: ResolveOptions): void {
    this.#resolver.resolve({
      ...options,
      onResolved: (host, address) => {
        this.#attempt.address = address;
        options.onResolved(host, address);
      },
    });
  }

  close(): void {
    this.#resolver.close();
  }
}
