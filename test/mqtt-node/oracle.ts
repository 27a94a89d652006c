/** Ways between our messages and those of the npm package mqtt-packet, the oracle of the property tests. */
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Properties, ProtocolVersion, UserProperty } from "../../src/mqtt/index.js";

/** A packet of the oracle as plain data. */
export type OraclePacket = Record<string, unknown>;

export function generate(packet: OraclePacket, version: ProtocolVersion): Uint8Array {
  return Uint8Array.from(mqttPacket.generate(packet as unknown as Packet, { protocolVersion: version }));
}

/** @throws what the oracle reports */
export function parse(bytes: Uint8Array, version: ProtocolVersion): OraclePacket[] {
  const packets: OraclePacket[] = [];
  const parser = mqttPacket.parser({ protocolVersion: version });
  parser.on("packet", (packet) => packets.push({ ...packet }));
  parser.on("error", (error: unknown) => {
    throw error as Error;
  });
  parser.parse(Buffer.from(bytes));
  return packets;
}

/** Our properties as the oracle writes them. */
export function toOracle(properties: Properties | undefined): OraclePacket | undefined {
  if (properties === undefined) return undefined;
  const result: OraclePacket = {};
  for (const [name, value] of Object.entries(properties) as [string, unknown][])
    if (name === "userProperties") result[name] = grouped(value as UserProperty[]);
    else if (name === "subscriptionIdentifiers") {
      const identifiers = value as number[];
      result["subscriptionIdentifier"] = identifiers.length === 1 ? identifiers[0] : identifiers;
    } else if (name === "payloadFormatIndicator") result[name] = value === 1;
    else if (value instanceof Uint8Array) result[name] = Buffer.from(value);
    else result[name] = value;
  return Object.keys(result).length === 0 ? undefined : result;
}

/** The oracle keeps user properties by name. */
function grouped(pairs: readonly UserProperty[]): Record<string, string | string[]> {
  const result: Record<string, string | string[]> = {};
  for (const [name, value] of pairs) {
    const there = result[name];
    if (there === undefined) result[name] = value;
    else result[name] = [...(Array.isArray(there) ? there : [there]), value];
  }
  return result;
}

/** The fields of the oracle's packet that matter, as plain data that can be compared. */
export function comparable(packet: OraclePacket): unknown {
  return JSON.parse(
    JSON.stringify(packet, (key, value: unknown) => {
      if (key === "length" || value === null) return undefined;
      if (key === "properties" && typeof value === "object" && Object.keys(value).length === 0) return undefined;
      // Objects made by the oracle may have no prototype and another order of keys.
      if (typeof value === "object" && !Array.isArray(value))
        return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
      return value;
    }),
  );
}
