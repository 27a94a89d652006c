/** Turns the options of a session into those of one connection. */
import { wipe } from "../bytes.js";
import type { Transport } from "../platform.js";
import type { MQTTClient } from "./client.js";
import { checkClientOptions } from "./client-options.js";
import { checkFlag, checkNames, invalid, type SessionSettings } from "./session-options.js";
import type { ConnectionOptions } from "./session-types.js";
import type { MQTTClientOptions, Properties, ProtocolVersion } from "./types.js";

const NAMES = " host address port dns socket connectTimeout pipeline user password ";

/**
 * Checks what the client would refuse at every `connect()`: a wrong option of the session fails in its constructor.
 * @throws SealwireError `INVALID_ARGUMENT` naming the option
 */
export function checkConnectionSettings(settings: SessionSettings): void {
  const version = settings.version === 4 ? 4 : 5;
  // An exchange is begun by connect() alone.
  const plain = { ...settings, authentication: undefined };
  const nowhere = { address: "192.0.2.1", socket: { io: NoTransport } };
  wipe(checkClientOptions(clientOptions(plain, nowhere, version, settings.clientIdentifier)).connect);
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

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function clientOptions(
  settings: SessionSettings,
  connection: ConnectionOptions,
  version: ProtocolVersion,
  clientIdentifier: string,
): MQTTClientOptions<MQTTClient> {
  checkNames(connection, NAMES, "connect() has no option");
  checkFlag("pipeline", connection.pipeline);
  if (version === 4 && settings.authentication) throw invalid("authentication", "needs version 5");
  const { host, address, port, dns, socket, connectTimeout } = connection;
  const { user = settings.user, password = settings.password } = connection;
  const { timer, ticks, keepAlive, pingTimeout, will, limits, inputBuffer, outputBuffer } = settings;
  const { authentication } = settings;
  return {
    host,
    address,
    port,
    dns,
    socket,
    connectTimeout,
    version,
    id: clientIdentifier,
    // Without an identifier of its own the client has no session to come back to [MQTT-3.1.3-7].
    clean: settings.cleanStart || clientIdentifier === "",
    user,
    password,
    // 3.1.1 has no properties: "auto" must be able to fall back.
    will: version === 4 && will?.properties ? { ...will, properties: undefined } : will,
    keepAlive,
    pingTimeout,
    timer,
    ticks,
    limits,
    inputBuffer,
    outputBuffer,
    acknowledge: "manual",
    ...(version === 5 ? { properties: connectProperties(settings) } : {}),
    ...(authentication ? { onAuth: (step) => authentication.step(step) } : {}),
  };
}

function connectProperties(settings: SessionSettings): Properties {
  const { authentication, maximumPacketSize, incomingAliases } = settings;
  const properties: { -readonly [Name in keyof Properties]: Properties[Name] } = {
    ...settings.properties,
    sessionExpiryInterval: settings.sessionExpiryInterval,
    receiveMaximum: settings.receiveMaximum,
  };
  if (maximumPacketSize !== undefined) properties.maximumPacketSize = maximumPacketSize;
  if (incomingAliases > 0) properties.topicAliasMaximum = incomingAliases;
  if (authentication) {
    properties.authenticationMethod = authentication.method;
    const data = authentication.start();
    if (data) properties.authenticationData = data;
  }
  return properties;
}
