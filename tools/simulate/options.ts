/** The options of `sealwire simulate`, checked. */
import * as fs from "node:fs";
import { isIP } from "node:net";
import type { TLSVersionRange } from "../brokers/index.js";
import { usageFailure } from "../failure.js";

/** As the shell gave them; commander names them. */
export interface SimulateArguments {
  readonly engine: string;
  readonly static?: string;
  readonly broker: string;
  readonly tls?: string;
  readonly port?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly certs?: string;
  readonly state?: string;
  readonly timeout: string;
  /** False with `--no-seal`. */
  readonly seal?: boolean;
  readonly keepRunning?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export type BrokerChoice =
  | { readonly kind: "embedded" | "mosquitto"; readonly port: number | undefined }
  | {
      readonly kind: "external";
      readonly host: string;
      readonly port: number;
      /** PEM files. */
      readonly ca: string;
      readonly cert: string;
      readonly key: string;
    };

/** What the firmware runs on. */
export type EngineChoice =
  | { readonly kind: "node" }
  | {
      readonly kind: "xs";
      readonly bits: 32 | 64;
      /** Bytes; as much as it takes when `undefined`. */
      readonly heap: number | undefined;
    };

export interface SimulateOptions {
  readonly engine: EngineChoice;
  readonly broker: BrokerChoice;
  readonly versions: TLSVersionRange;
  /** Folder of the development PKI, when the user named one. */
  readonly certs: string | undefined;
  /** Folder of the device, when the user named one. */
  readonly state: string | undefined;
  /** Whether payloads are sealed end to end. */
  readonly sealed: boolean;
  /** Milliseconds that the story may take. */
  readonly timeLimit: number;
  readonly keepRunning: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** As the user names it. */
export function engineName(engine: EngineChoice): string {
  return engine.kind === "node" ? "node" : engine.bits === 64 ? "xs" : "xs32";
}

/** @throws CommandFailure with exit code 2 and a sentence that names the option */
export function parseOptions(given: SimulateArguments): SimulateOptions {
  return {
    engine: engineOf(given),
    broker: brokerOf(given),
    versions: versionsOf(given.tls),
    certs: given.certs === undefined ? undefined : pathOf("--certs", given.certs),
    state: given.state === undefined ? undefined : pathOf("--state", given.state),
    sealed: given.seal ?? true,
    timeLimit: timeLimitOf(given.timeout),
    keepRunning: given.keepRunning ?? false,
    json: given.json ?? false,
    verbose: given.verbose ?? false,
  };
}

function versionsOf(tls: string | undefined): TLSVersionRange {
  switch (tls) {
    case undefined:
      return { minimum: "TLSv1.2", maximum: "TLSv1.3" };
    case "1.2":
      return { minimum: "TLSv1.2", maximum: "TLSv1.2" };
    case "1.3":
      return { minimum: "TLSv1.3", maximum: "TLSv1.3" };
    default:
      throw usageFailure(`--tls must be 1.2 or 1.3, not ${quoted(tls)}.`);
  }
}

function engineOf(given: SimulateArguments): EngineChoice {
  const { engine, static: bytes } = given;
  if (engine === "xs" || engine === "xs32")
    return { kind: "xs", bits: engine === "xs" ? 64 : 32, heap: bytes === undefined ? undefined : heapOf(bytes) };
  if (engine !== "node") throw usageFailure(`--engine must be node, xs or xs32, not ${quoted(engine)}.`);
  if (bytes !== undefined) throw usageFailure("--static is the size of the heap on XS: it needs --engine xs or xs32.");
  return { kind: "node" };
}

function heapOf(text: string): number {
  const bytes = Number(text);
  if (!/^\d{1,8}$/.test(text) || bytes < 16_384)
    throw usageFailure(`--static must be a whole number of bytes from 16384, not ${quoted(text)}.`);
  return bytes;
}

function brokerOf(given: SimulateArguments): BrokerChoice {
  const { broker, ca, cert, key } = given;
  if (broker === "embedded" || broker === "mosquitto") {
    for (const [option, value] of Object.entries({ ca, cert, key }))
      if (value !== undefined)
        throw usageFailure(`--${option} is for an external broker (--broker mqtts://host:port) only.`);
    return { kind: broker, port: given.port === undefined ? undefined : portOf("--port", given.port) };
  }
  const match = /^mqtts:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@[\]]+))(?::([^/]*))?\/?$/.exec(broker);
  if (!match) throw usageFailure(`--broker must be embedded, mosquitto or mqtts://host:port, not ${quoted(broker)}.`);
  if (given.port !== undefined)
    throw usageFailure("--port is for a broker that is started here; an external one has its port in --broker.");
  const host = match[1] ?? match[2] ?? "";
  if (match[1] !== undefined && isIP(host) !== 6)
    throw usageFailure(`--broker must have an IPv6 address between its brackets, not ${quoted(host)}.`);
  const port = portOf("The port in --broker", match[3] ?? "8883");
  if (ca === undefined || cert === undefined || key === undefined)
    throw usageFailure(
      "An external broker needs --ca, --cert and --key: PEM files of its authority and of the device.",
    );
  return {
    kind: "external",
    host,
    port,
    ca: fileOf("--ca", ca),
    cert: fileOf("--cert", cert),
    key: fileOf("--key", key),
  };
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535)
    throw usageFailure(`${option} must be a whole number from 1 to 65535, not ${quoted(text)}.`);
  return port;
}

function timeLimitOf(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,4}$/.test(text) || seconds < 1 || seconds > 3600)
    throw usageFailure(`--timeout must be a whole number of seconds from 1 to 3600, not ${quoted(text)}.`);
  return seconds * 1000;
}

function pathOf(option: string, text: string): string {
  if (text === "" || text.includes("\0")) throw usageFailure(`${option} must name a folder.`);
  return text;
}

function fileOf(option: string, file: string): string {
  if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile())
    throw usageFailure(`${option} must name a file: there is none at ${quoted(file)}.`);
  return file;
}

/** What the user wrote, cut and without control characters, so that the sentence stays one line. */
function quoted(text: string): string {
  const printable = text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?");
  return `"${printable.length > 60 ? `${printable.slice(0, 60)}...` : printable}"`;
}
