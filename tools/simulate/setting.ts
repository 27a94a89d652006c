/** Sets the scene: credentials, a broker, the network before it. Everything is taken down by the cleanup. */
import { isIP } from "node:net";
import type { Alarm } from "../alarm.js";
import {
  type Broker,
  EmbeddedBroker,
  ExternalBroker,
  type LocalBrokerOptions,
  localHost,
  loopback,
  MosquittoBroker,
} from "../brokers/index.js";
import type { Cleanup } from "../cleanup.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { developmentPKIFolder, shownPath } from "../paths.js";
import { type Credentials, DevelopmentPKI, type PublicKey, readCredentialFiles, toEntry } from "../pki/index.js";
import type { Narrator } from "./narrator.js";
import type { SimulateOptions } from "./options.js";
import { Tap } from "./tap.js";

/** What the device is to meet. */
export interface Setting {
  readonly broker: Broker;
  /** The network before the broker; `undefined` where it cannot be put there. */
  readonly tap: Tap | undefined;
  readonly trustAnchors: readonly Uint8Array[];
  readonly revocationLists: readonly Uint8Array[] | undefined;
  /** Credentials for a client. */
  readonly credentials: (clientIdentifier: string) => Promise<Credentials>;
  /** Signs a key of a device; `undefined` where the authority is not ours. */
  readonly sign:
    | ((
        clientIdentifier: string,
        publicKey: PublicKey,
      ) => Promise<Pick<Credentials, "certificateChain"> & { readonly serialNumber: string }>)
    | undefined;
}

export interface SettingContext {
  readonly options: SimulateOptions;
  readonly cleanup: Cleanup;
  readonly alarm: Alarm;
  readonly narrator: Narrator;
  readonly onLog: (line: string) => void;
}

/** @throws CommandFailure that says what is missing or in the way */
export async function prepareSetting(context: SettingContext): Promise<Setting> {
  const { cleanup, narrator, options } = context;
  const prepared = options.broker.kind === "external" ? external(context) : await local(context);
  const { broker } = prepared;
  cleanup.add(() => broker.stop());
  await broker.start();
  const tap = isReachedByName(broker)
    ? new Tap({ target: { address: broker.address, port: broker.port }, address: loopback })
    : undefined;
  if (tap) {
    cleanup.add(() => tap.stop());
    await tap.start();
  }
  const { minimum, maximum } = options.versions;
  const versions = minimum === maximum ? minimum : `${minimum} to ${maximum}`;
  narrator.fact(
    "Broker",
    options.broker.kind === "external"
      ? `${broker.name}, ${versions}`
      : `${broker.name} at ${broker.host}:${broker.port}, ${versions}, client certificates required`,
  );
  return { ...prepared, tap };
}

/** The device looks a name up, so it can be led through the tap; an address it takes as it is. */
function isReachedByName(broker: Broker): boolean {
  return isIP(broker.host) === 0;
}

type Prepared = Omit<Setting, "tap">;

async function local({ options, cleanup, alarm, narrator, onLog }: SettingContext): Promise<Prepared> {
  const folder = options.certs ?? developmentPKIFolder() ?? cleanup.temporaryFolder("sealwire-certs-");
  const pki = await DevelopmentPKI.open({ folder, names: [localHost, loopback, "::1"] });
  narrator.fact("PKI", `${shownPath(folder)}: root, issuing authority, broker and device certificates, all P-256`);
  const { port } = options.broker;
  const brokerOptions: LocalBrokerOptions = {
    server: pki.server,
    root: pki.root,
    revocationLists: pki.revocationLists,
    versions: options.versions,
    port,
    onLog,
    onExit: (reason) =>
      alarm.ring(new CommandFailure(exitCodes.environment, "CONNECTION_LOST", `The broker ended: ${reason}`)),
  };
  const broker =
    options.broker.kind === "mosquitto"
      ? new MosquittoBroker({ ...brokerOptions, program: process.env["SEALWIRE_MOSQUITTO"] })
      : new EmbeddedBroker(brokerOptions);
  return {
    broker,
    trustAnchors: [pki.root],
    revocationLists: pki.revocationLists,
    credentials: (clientIdentifier) => pki.device(clientIdentifier),
    sign: async (clientIdentifier, publicKey) => {
      const certificateChain = await pki.sign(clientIdentifier, publicKey);
      return { certificateChain, serialNumber: toEntry("device", certificateChain[0]!).serialNumber };
    },
  };
}

function external({ options, narrator }: SettingContext): Prepared {
  if (options.broker.kind !== "external") throw new TypeError("not an external broker");
  const { host, port, ca } = options.broker;
  const { trustAnchors, ...credentials } = readCredentialFiles(options.broker);
  narrator.fact("PKI", `yours: ${shownPath(ca)}`);
  return {
    broker: new ExternalBroker(host, port),
    trustAnchors,
    revocationLists: undefined,
    credentials: () => Promise.resolve(credentials),
    sign: undefined,
  };
}
