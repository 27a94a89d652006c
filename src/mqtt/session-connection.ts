/** One connection of a session: it hands everything on to the session. */
import type { SealwireError } from "../errors.js";
import type { BufferLike, Transport } from "../platform.js";
import { CONNACK, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, UNSUBACK } from "./codec/constants.js";
import type { Inbound } from "./codec/decoder.js";
import { Connection } from "./connection.js";
import type { SessionCore } from "./session-core.js";
import { Inbound as SessionInbound } from "./session-inbound.js";
import { checkFlag, checkNames, DEFAULT, invalid, type SessionSettings } from "./session-options.js";
import type { ConnectionOptions } from "./session-types.js";
import type {
  AuthenticationStep,
  ControlMessage,
  MQTTClientOptions,
  Properties,
  ProtocolVersion,
  ReceivedProperties,
} from "./types.js";

const NAMES = " host address port dns socket connectTimeout pipeline user password ";

export class SessionConnection extends Connection {
  private readonly core: SessionCore;

  /** @throws what the transport or resolver class throws */
  constructor(core: SessionCore, options: MQTTClientOptions<never>, connect: Uint8Array) {
    super(options, connect);
    this.core = core;
    this.open(options);
  }

  protected override readable(count: number, message: Inbound): void {
    const { core } = this;
    const inbound = (core.inbound ??= new SessionInbound(core));
    inbound.readable(this, count, message);
    inbound.advance();
    core.relieve(this);
  }

  protected override complete(): void {
    return;
  }

  /** Sends at once what waits: before DISCONNECT. */
  flush(): void {
    const { busy } = this;
    this.busy = true;
    try {
      if (this.isOpen) this.received();
    } catch (error) {
      this.transportFailed(error);
    } finally {
      this.busy = busy;
    }
  }

  /** Sends acknowledgements, releases, requests, publications. */
  protected override received(): void {
    const { core } = this;
    const roomy = this.drained && this.writable > 0;
    if (roomy) this.drained = false;
    core.inbound?.advance();
    if (!core.flushAcknowledgements(this) || !core.outbound.flushReleases(this)) return;
    if (core.connected) core.subscriptions.flush();
    core.outbound.flushPublications(roomy);
  }

  protected override sated(): boolean {
    const { core } = this;
    return core.sated && core.outbound.sated(this) && core.subscriptions.pending === 0;
  }

  protected override control(message: ControlMessage): void {
    const { core } = this;
    switch (message.operation) {
      case CONNACK:
        core.established(message);
        break;
      case PUBACK:
        core.outbound.acknowledged(message.id, message.reasonCode);
        break;
      case PUBREC:
        core.outbound.received(message.id, message.reasonCode);
        break;
      case PUBREL:
        (core.inbound ??= new SessionInbound(core)).released(message.id);
        break;
      case PUBCOMP:
        core.outbound.completed(message.id);
        break;
      case SUBACK:
      case UNSUBACK:
        core.subscriptions.answered(message.operation, message.id, message.reasonCodes);
        break;
    }
    core.relieve(this);
  }

  protected override authenticate(step: AuthenticationStep): BufferLike | null | undefined {
    const { authentication } = this.core.settings;
    return authentication ? authentication.step(step) : null;
  }

  protected override ended(error: SealwireError | undefined, properties: ReceivedProperties | undefined): void {
    if (this.core.connection === this) this.core.ended(error, properties);
  }
}

/** Stands where the transport's class goes; it is never made. */
class NoTransport implements Transport {
  read(): undefined {
    return undefined;
  }
  write(): number {
    return 0;
  }
  close(): void {
    return;
  }
}

/** With it, options of a session are checked before there is a connection. */
export const NOWHERE: ConnectionOptions = { address: "192.0.2.1", socket: { io: NoTransport } };

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function clientOptions(
  settings: SessionSettings,
  connection: ConnectionOptions,
  version: ProtocolVersion,
  clientIdentifier: string,
  authenticates: boolean,
): MQTTClientOptions<never> {
  checkNames(connection, NAMES, "connect() has no option");
  checkFlag("pipeline", connection.pipeline);
  if (version === 4 && settings.authentication) throw invalid("authentication", "needs version 5");
  const { will } = settings;
  return {
    host: connection.host,
    address: connection.address,
    port: connection.port,
    dns: connection.dns,
    socket: connection.socket,
    connectTimeout: connection.connectTimeout,
    version,
    id: clientIdentifier,
    // Without an identifier of its own the client has no session to come back to [MQTT-3.1.3-7].
    clean: settings.cleanStart === true || clientIdentifier === "",
    user: connection.user ?? settings.user,
    password: connection.password ?? settings.password,
    // 3.1.1 has no properties: "auto" must be able to fall back.
    will: version === 4 && will?.properties ? { ...will, properties: undefined } : will,
    keepAlive: settings.keepAlive ?? DEFAULT.keepAlive,
    pingTimeout: settings.pingTimeout,
    timer: settings.timer,
    ticks: settings.ticks,
    limits: settings.limits,
    inputBuffer: settings.inputBuffer,
    outputBuffer: settings.outputBuffer,
    acknowledge: "manual",
    properties: version === 5 ? connectProperties(settings, authenticates) : undefined,
  };
}

function connectProperties(settings: SessionSettings, authenticates: boolean): Properties {
  const { authentication, maximumPacketSize, topicAliases } = settings;
  const properties: { -readonly [Name in keyof Properties]: Properties[Name] } = {
    ...settings.properties,
    sessionExpiryInterval: settings.sessionExpiryInterval ?? DEFAULT.sessionExpiryInterval,
    receiveMaximum: settings.receiveMaximum ?? DEFAULT.receiveMaximum,
  };
  if (maximumPacketSize !== undefined) properties.maximumPacketSize = maximumPacketSize;
  if (topicAliases?.incoming) properties.topicAliasMaximum = topicAliases.incoming;
  if (authentication && authenticates) {
    properties.authenticationMethod = authentication.method;
    const data = authentication.start();
    if (data) properties.authenticationData = data;
  }
  return properties;
}
