/** What this side of a connection accepts: the decoder's limits, the packets of each phase, and what CONNACK may say. */
import type { BufferLike } from "../platform.js";
import { DEFAULT_BUFFER } from "./client-options.js";
import * as code from "./codec/constants.js";
import { readControlFromServer } from "./codec/control.js";
import type { DecoderOptions } from "./codec/decoder.js";
import { encodeReason } from "./codec/encode.js";
import { protocolError } from "./codec/errors.js";
import type {
  AuthenticationStep,
  ConnackMessage,
  ControlMessage,
  MQTTClientOptions,
  Properties,
  ProtocolVersion,
  ReasonMessage,
} from "./types.js";

/** What a decoder accepts when nothing else is said. One object for all connections: it lies in flash. */
const DEFAULT_BOUNDS: DecoderOptions<ControlMessage> = Object.freeze({
  version: 4,
  readControl: readControlFromServer,
  windowLength: DEFAULT_BUFFER,
  topicLength: 1024,
  propertiesLength: 1024,
  userProperties: 16,
  controlPacketSize: 2048,
  problemInformation: true,
  maximumPacketSize: code.MAXIMUM_PACKET_SIZE,
  topicAliasMaximum: 0,
});
const DEFAULT_BOUNDS_5: DecoderOptions<ControlMessage> = Object.freeze({ ...DEFAULT_BOUNDS, version: 5 });

/** The limits of the options, and of what CONNECT announces. */
export function decoderOptions(options: MQTTClientOptions<never>): DecoderOptions<ControlMessage> {
  const { limits, properties, inputBuffer } = options;
  const defaults = options.version === 5 ? DEFAULT_BOUNDS_5 : DEFAULT_BOUNDS;
  const { requestProblemInformation, maximumPacketSize, topicAliasMaximum } = properties ?? {};
  if (
    limits === undefined &&
    inputBuffer === undefined &&
    requestProblemInformation === undefined &&
    maximumPacketSize === undefined &&
    topicAliasMaximum === undefined
  )
    return defaults;
  return {
    version: defaults.version,
    readControl: readControlFromServer,
    windowLength: inputBuffer ?? defaults.windowLength,
    topicLength: limits?.topicLength ?? defaults.topicLength,
    propertiesLength: limits?.propertiesLength ?? defaults.propertiesLength,
    userProperties: limits?.userProperties ?? defaults.userProperties,
    controlPacketSize: limits?.controlPacketSize ?? defaults.controlPacketSize,
    problemInformation: requestProblemInformation ?? true,
    maximumPacketSize: maximumPacketSize ?? defaults.maximumPacketSize,
    topicAliasMaximum: topicAliasMaximum ?? 0,
  };
}

/** Bits of the packet types that a server may send once it accepted the connection, without AUTH. */
export function expectedAfterConnack(version: ProtocolVersion): number {
  return (
    (1 << code.PUBLISH) |
    (1 << code.PUBACK) |
    (1 << code.PUBREC) |
    (1 << code.PUBREL) |
    (1 << code.PUBCOMP) |
    (1 << code.SUBACK) |
    (1 << code.UNSUBACK) |
    (1 << code.PINGRESP) |
    (version === 5 ? 1 << code.DISCONNECT : 0)
  );
}

/** @throws SealwireError `MQTT_PROTOCOL_ERROR` when a CONNACK that accepts contradicts the CONNECT */
export function checkConnack(message: ConnackMessage, clean: boolean, properties: Properties | undefined): void {
  // [MQTT-3.2.2-1] (3.1.1), [MQTT-3.2.2-2] (5.0)
  if (message.sessionPresent && clean) throw protocolError("a session is present though a clean one was asked for");
  // [MQTT-3.1.2-28]
  if (message.properties?.responseInformation !== undefined && properties?.requestResponseInformation !== true)
    throw protocolError("response information was sent though it was not asked for");
}

/**
 * The server's step of enhanced authentication (MQTT 5.0 section 4.12) in its AUTH or CONNACK.
 * @param method the authentication method of CONNECT
 * @returns `undefined` when there is no enhanced authentication
 * @throws SealwireError `MQTT_PROTOCOL_ERROR` when the method is another one
 */
export function authenticationStep(
  { reasonCode, properties }: ReasonMessage | ConnackMessage,
  method: string | undefined,
): AuthenticationStep | undefined {
  const { authenticationMethod = method, authenticationData: data } = properties ?? {};
  // [MQTT-4.12.0-5], [MQTT-4.12.0-6]
  if (authenticationMethod !== method) throw protocolError("the authentication method is not the one of CONNECT");
  return method === undefined ? undefined : { data, reasonCode };
}

/** AUTH that goes on with the method of CONNECT [MQTT-4.12.0-3]. */
export function encodeAuthentication(method: string, data: BufferLike | undefined): Uint8Array {
  const properties = {
    authenticationMethod: method,
    ...(data === undefined ? undefined : { authenticationData: data }),
  };
  return encodeReason(code.AUTH, code.REASON_CONTINUE_AUTHENTICATION, properties);
}
