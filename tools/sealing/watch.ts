/** Subscribes at a broker, and hands on what arrives. */
import { createTCP } from "../../hosts/node/tcp.js";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { MQTTSession } from "../../src/mqtt/index.js";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import { readCredentialFiles } from "../pki/index.js";
import { Subscriber } from "../simulate/subscriber.js";
import { lookup } from "node:dns/promises";

export interface WatchOptions {
  readonly url: string;
  readonly filter: string;
  readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Ends after so many messages; at Ctrl-C when left out. */
  readonly count: number | undefined;
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
}

/** Resolves when it has ended in order. */
export async function watchBroker(options: WatchOptions): Promise<void> {
  const { host, port, isSecure } = parse(options.url);
  const { ca, cert, key } = options.files;
  if (isSecure && (ca === undefined || cert === undefined || key === undefined))
    throw usageFailure("mqtts:// needs --ca, --cert and --key.");
  const address = await resolve(host);
  const clientIdentifier = `sealwire-open-${Math.random().toString(36).slice(2, 10)}`;
  let left = options.count ?? Number.POSITIVE_INFINITY;
  let stop: (() => void) | undefined;
  const interrupted = (): void => stop?.();
  const onMessage = (topic: string, payload: Uint8Array): void => {
    if (left <= 0) return;
    options.onMessage(topic, payload);
    if (--left <= 0) stop?.();
  };
  process.once("SIGINT", interrupted);
  try {
    const run = isSecure ? watchSecure : watchPlain;
    const target = { host, address, port, clientIdentifier, filter: options.filter, files: { ca, cert, key } };
    await run(target, onMessage, (end) => {
      stop = end;
      if (left <= 0) end();
    });
  } finally {
    process.off("SIGINT", interrupted);
  }
}

interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly clientIdentifier: string;
  readonly filter: string;
  readonly files: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
}

type OnMessage = (topic: string, payload: Uint8Array) => void;

async function watchSecure(target: Target, onMessage: OnMessage, ready: (stop: () => void) => void): Promise<void> {
  const { ca = "", cert = "", key = "" } = target.files;
  const { trustAnchors, ...credentials } = readCredentialFiles({ ca, cert, key });
  let lost: ((reason: string) => void) | undefined;
  const { host, address, port, clientIdentifier, filter } = target;
  const subscriber = await Subscriber.connect({
    host,
    address,
    port,
    clientIdentifier,
    topicFilters: [filter],
    trustAnchors,
    credentials,
    onMessage,
    onLost: (reason) => lost?.(reason),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      lost = (reason) => reject(connectionLost(reason));
      ready(resolve);
    });
  } finally {
    await subscriber.close();
  }
}

async function watchPlain(target: Target, onMessage: OnMessage, ready: (stop: () => void) => void): Promise<void> {
  const { address, port, clientIdentifier, filter } = target;
  let failed: ((error: unknown) => void) | undefined;
  const session = new MQTTSession({
    clientIdentifier,
    timer: {
      set: (callback, milliseconds) => setTimeout(callback, milliseconds),
      clear: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
    },
    ticks: () => performance.now(),
    version: 4,
    cleanStart: true,
    maximumMessageSize: 1_048_576,
    onMessage: ({ topic, payload }) => onMessage(topic, payload),
    onDisconnected: (error) => failed?.(error ?? connectionLost("it was closed")),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      failed = reject;
      session.connect({ address, port, socket: { io: createTCP(new SimulatedNetwork()) } });
      session.subscribe(filter, { qos: 1 }).then(() => ready(resolve), reject);
    });
    failed = undefined;
    await session.disconnect();
  } finally {
    session.close();
  }
}

function parse(url: string): { host: string; port: number; isSecure: boolean } {
  const match = /^(mqtts?):\/\/(\[[0-9a-fA-F:.]+\]|[^/:@?#\s]+)(?::(\d{1,5}))?\/?$/.exec(url);
  const isSecure = match?.[1] === "mqtts";
  const port = Number(match?.[3] ?? (isSecure ? 8883 : 1883));
  if (!match || port < 1 || port > 65_535)
    throw usageFailure("--broker must be mqtt://host:port or mqtts://host:port.");
  return { host: match[2]!.replace(/^\[|\]$/g, ""), port, isSecure };
}

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new CommandFailure(exitCodes.environment, "NAME_NOT_RESOLVED", `The name ${host} could not be resolved.`, {
      cause: error,
    });
  }
}

function connectionLost(reason: string): CommandFailure {
  return new CommandFailure(
    exitCodes.environment,
    "CONNECTION_LOST",
    `The connection to the broker was lost: ${reason}.`,
  );
}
