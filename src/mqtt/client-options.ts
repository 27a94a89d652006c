/** Checks the options of a client, so that a wrong one fails in the constructor and by its name. */
import type { PlatformTimer, TransportDescriptor } from "../platform.js";
import { encodeConnect } from "./codec/encode.js";
import { MAXIMUM_PACKET_SIZE } from "./codec/constants.js";
import { invalidArgument } from "./codec/errors.js";
import type { ClientLimits, MQTTClientOptions, ReceivedProperties, ServerLimits } from "./types.js";

/** What a server allows that did not say otherwise (MQTT 5.0 section 3.2.2.3). */
export const DEFAULT_LIMITS: ServerLimits = Object.freeze({
  receiveMaximum: 65535,
  maximumQoS: 2,
  retainAvailable: true,
  maximumPacketSize: MAXIMUM_PACKET_SIZE,
  topicAliasMaximum: 0,
  wildcardSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  sharedSubscriptionAvailable: true,
});

/** Bytes of the input and the output buffer at most, when nothing else is said. */
export const DEFAULT_BUFFER = 1024;

function known(name: string): boolean {
  switch (name) {
    case "host":
    case "address":
    case "port":
    case "dns":
    case "socket":
    case "version":
    case "id":
    case "clean":
    case "user":
    case "password":
    case "will":
    case "properties":
    case "keepAlive":
    case "keepalive":
    case "pingTimeout":
    case "connectTimeout":
    case "timer":
    case "ticks":
    case "acknowledge":
    case "pipeline":
    case "limits":
    case "inputBuffer":
    case "outputBuffer":
    case "onReadable":
    case "onWritable":
    case "onControl":
    case "onClose":
    case "onError":
    case "onAuth":
    case "format":
    case "target":
    case "io":
      return true;
    default:
      return false;
  }
}

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function checkClientOptions(options: MQTTClientOptions<never>): void {
  if (!isObject(options)) throw invalidArgument("The options must be an object.");
  for (const name in options) if (!known(name)) throw invalidArgument(`There is no option ${name}.`);
  if (options.format !== undefined && (options.format as string) !== "buffer")
    throw invalidArgument('The option format must be "buffer".');
  const { version = 4, properties, will, pipeline, acknowledge = "automatic" } = options;
  if ((version as number) !== 4 && version !== 5) throw invalidArgument("The option version must be 4 or 5.");
  checkEndpoint(options);
  for (const name of ["onReadable", "onWritable", "onControl", "onClose", "onError", "onAuth"] as const)
    if (options[name] !== undefined && typeof options[name] !== "function")
      throw invalidArgument(`The option ${name} must be a function.`);
  if (typeof (options.timer as PlatformTimer | undefined)?.set !== "function")
    throw invalidArgument("The option timer must be a PlatformTimer.");
  if (typeof options.ticks !== "function") throw invalidArgument("The option ticks must be a function.");
  if (acknowledge !== "automatic" && (acknowledge as string) !== "manual")
    throw invalidArgument('The option acknowledge must be "automatic" or "manual".');
  if (options.clean !== undefined) flag("clean", options.clean);
  if (options.keepAlive !== undefined) integer("keepAlive", options.keepAlive, 0, 65_535_000);
  else if (options.keepalive !== undefined) integer("keepalive", options.keepalive, 0, 65_535_000);
  if (version === 4) {
    if (properties !== undefined) throw invalidArgument("The option properties needs version 5.");
    if (will?.properties !== undefined) throw invalidArgument("The option will.properties needs version 5.");
    if (options.onAuth !== undefined) throw invalidArgument("The option onAuth needs version 5.");
  }
  checkWill(will);
  if (properties !== undefined) object("properties", properties);
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw invalidArgument("The property authenticationData needs authenticationMethod.");
  if (options.limits !== undefined) checkLimits(options.limits);
  if (options.inputBuffer !== undefined) integer("inputBuffer", options.inputBuffer, 64, 1_048_576);
  if (options.outputBuffer !== undefined) integer("outputBuffer", options.outputBuffer, 64, 1_048_576);
  if (options.pingTimeout !== undefined) duration("pingTimeout", options.pingTimeout);
  if (options.connectTimeout !== undefined) duration("connectTimeout", options.connectTimeout);
  if (pipeline !== undefined && pipeline !== false) checkPipeline(pipeline, properties?.authenticationMethod);
}

/** Milliseconds, in either spelling; 0: off. */
export function keepAliveOf(options: MQTTClientOptions<never>): number {
  return options.keepAlive ?? options.keepalive ?? 0;
}

/** The CONNECT packet of options that were checked. It may hold a secret. @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function connectPacket(options: MQTTClientOptions<never>): Uint8Array {
  const { version = 4, clean = true, id = "", will, user, password, properties } = options;
  const keepAlive = Math.ceil(keepAliveOf(options) / 1000);
  return encodeConnect({ version, clean, keepAlive, id, will, user, password, properties });
}

function checkEndpoint({ host, address, port, dns, socket }: MQTTClientOptions<never>): void {
  if (host !== undefined && (typeof host !== "string" || host === ""))
    throw invalidArgument("The option host must be a name.");
  if (address !== undefined && (typeof address !== "string" || address === ""))
    throw invalidArgument("The option address must be a numeric address.");
  if (port !== undefined) integer("port", port, 1, 65535);
  if (typeof (socket as TransportDescriptor | undefined)?.io !== "function")
    throw invalidArgument("The option socket must hold a transport class as io.");
  if (address !== undefined) return;
  if (host === undefined) throw invalidArgument("The option host is missing.");
  if (typeof dns?.io !== "function") throw invalidArgument("The option dns must hold a resolver class as io.");
}

function checkWill(will: MQTTClientOptions["will"]): void {
  if (will === undefined) return;
  object("will", will);
  for (const name of Object.keys(will))
    if (!["topic", "message", "QoS", "retain", "properties"].includes(name))
      throw invalidArgument(`There is no option will.${name}.`);
  const { retain, properties } = will;
  if (retain !== undefined && typeof retain !== "boolean" && typeof retain !== "number")
    throw invalidArgument("The option will.retain must be true or false.");
  if (properties !== undefined) object("will.properties", properties);
}

function checkLimits(limits: ClientLimits): void {
  object("limits", limits);
  for (const name of Object.keys(limits))
    if (!["topicLength", "propertiesLength", "userProperties", "controlPacketSize"].includes(name))
      throw invalidArgument(`There is no option limits.${name}.`);
  const { topicLength = 1, propertiesLength = 0, userProperties = 0, controlPacketSize = 64 } = limits;
  integer("limits.topicLength", topicLength, 1, 65535);
  integer("limits.propertiesLength", propertiesLength, 0, 1_048_576);
  integer("limits.userProperties", userProperties, 0, 65535);
  integer("limits.controlPacketSize", controlPacketSize, 64, 1_048_576);
}

function checkPipeline(
  pipeline: NonNullable<MQTTClientOptions["pipeline"]>,
  authenticationMethod: string | undefined,
): void {
  // [MQTT-3.1.2-30]: nothing but AUTH and DISCONNECT before CONNACK
  if (authenticationMethod !== undefined)
    throw invalidArgument("The option pipeline cannot be used with enhanced authentication.");
  if (typeof pipeline === "boolean") return;
  if (!isObject(pipeline)) throw invalidArgument("The option pipeline must be true, false or limits.");
  for (const name of Object.keys(pipeline)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) throw invalidArgument(`There is no option pipeline.${name}.`);
    if (name.endsWith("Available")) flag(`pipeline.${name}`, pipeline[name as keyof ServerLimits]);
  }
  const { maximumQoS = 2, receiveMaximum = 65535, maximumPacketSize = MAXIMUM_PACKET_SIZE } = pipeline;
  integer("pipeline.maximumQoS", maximumQoS, 0, 2);
  integer("pipeline.receiveMaximum", receiveMaximum, 1, 65535);
  integer("pipeline.maximumPacketSize", maximumPacketSize, 1, 0xffff_ffff);
}

/** Limits to go by before CONNACK, or the defaults. */
export function limitsBeforeConnack(pipeline: MQTTClientOptions["pipeline"]): ServerLimits {
  // An alias belongs to a connection (MQTT 5.0 section 3.3.2.3.4): none before this one's CONNACK.
  return typeof pipeline === "object" ? { ...DEFAULT_LIMITS, ...pipeline, topicAliasMaximum: 0 } : DEFAULT_LIMITS;
}

function duration(name: string, value: unknown): void {
  integer(name, value, 1, 0x7fff_ffff);
}

function integer(name: string, value: unknown, minimum: number, maximum: number): void {
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum)
    throw invalidArgument(`The option ${name} must be an integer from ${minimum} to ${maximum}.`);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(name: string, value: unknown): void {
  if (!isObject(value)) throw invalidArgument(`The option ${name} must be an object.`);
}

function flag(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw invalidArgument(`The option ${name} must be true or false.`);
}

/** What the server allows, out of the properties of its CONNACK. */
export function serverLimits(properties: ReceivedProperties | undefined): ServerLimits {
  if (properties === undefined) return DEFAULT_LIMITS;
  const limits = DEFAULT_LIMITS;
  return {
    receiveMaximum: properties.receiveMaximum ?? limits.receiveMaximum,
    maximumQoS: properties.maximumQoS ?? limits.maximumQoS,
    retainAvailable: properties.retainAvailable ?? true,
    maximumPacketSize: properties.maximumPacketSize ?? limits.maximumPacketSize,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    wildcardSubscriptionAvailable: properties.wildcardSubscriptionAvailable ?? true,
    subscriptionIdentifiersAvailable: properties.subscriptionIdentifiersAvailable ?? true,
    sharedSubscriptionAvailable: properties.sharedSubscriptionAvailable ?? true,
  };
}
