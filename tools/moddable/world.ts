/** Where a simulated device is tried: a PKI, a Mosquitto that wants client certificates, a device folder with a provisioning record. */
import { createPlatform } from "../../hosts/node/index.js";
import { clientIdentifier } from "../../src/identity/index.js";
import { localHost, loopback, MosquittoBroker, type TLSVersionRange } from "../brokers/index.js";
import type { Cleanup } from "../cleanup.js";
import { DevelopmentPKI } from "../pki/index.js";
import { BackEnd } from "../simulate/back-end.js";
import { provision } from "../simulate/provision.js";

export interface World {
  readonly broker: MosquittoBroker;
  /** Lines of the broker's log. */
  readonly log: string[];
  /** The device's folder. */
  readonly folder: string;
  readonly clientIdentifier: string;
}

/** @throws CommandFailure when Mosquitto is not installed */
export async function openWorld(cleanup: Cleanup, versions: TLSVersionRange): Promise<World> {
  const pki = await DevelopmentPKI.open({
    folder: cleanup.temporaryFolder("sealwire-certs-"),
    names: [localHost, loopback],
  });
  const log: string[] = [];
  const broker = new MosquittoBroker({
    server: pki.server,
    root: pki.root,
    revocationLists: pki.revocationLists,
    versions,
    program: process.env["SEALWIRE_MOSQUITTO"],
    onLog: (line) => log.push(line),
  });
  cleanup.add(() => broker.stop());
  await broker.start();
  const folder = cleanup.temporaryFolder("sealwire-device-");
  const identifier = clientIdentifier(createPlatform({ folder }).mac());
  provision({
    folder,
    broker: { host: broker.host, port: broker.port },
    trustAnchors: [pki.root],
    revocationLists: pki.revocationLists,
    credentials: await pki.device(identifier),
    payloadSecret: BackEnd.newSecret(),
    versions,
  });
  return { broker, log, folder, clientIdentifier: identifier };
}
