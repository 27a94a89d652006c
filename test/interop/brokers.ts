/** The brokers of the suite, and where they differ. A comment says why where one deviates from the standard. */
import type { ProtocolVersion } from "../../src/mqtt/index.js";
import { findMosquitto, installMosquitto } from "../../tools/brokers/index.js";
import type { BrokerUnderTest, Traits } from "./broker-under-test.js";
import { InteropMosquitto } from "./interop-mosquitto.js";
import { PlainAedes } from "./plain-aedes.js";

export interface BrokerEntry {
  readonly name: string;
  readonly make: () => BrokerUnderTest;
  /** Whether it is on this machine. */
  readonly installed: () => boolean;
  readonly install: string;
  /** The value of SEALWIRE_BROKERS that makes it a failure when it is missing; otherwise SEALWIRE_NO_SKIP=1 does. */
  readonly neededFor?: "all";
  readonly versions: readonly (readonly [ProtocolVersion, Traits])[];
}

/** What 3.1.1 and 5.0 say. */
const standard311: Traits = {
  granted: [0, 1, 2],
  keepsBareSessions: true,
  keepsCleanSessions: false,
  exactlyOnce: true,
  wrongUser: { code: "MQTT_NOT_AUTHORIZED", reasonCode: 5 },
  forbidden: 0x80,
  takeover: { code: "CONNECTION_LOST" },
};

const standard5: Traits = {
  ...standard311,
  keepsCleanSessions: true,
  wrongUser: { code: "MQTT_NOT_AUTHORIZED", reasonCode: 0x87 },
  forbidden: 0x87,
  takeover: { code: "MQTT_TAKEN_OVER", reasonCode: 0x8e },
};

export const brokers: readonly BrokerEntry[] = [
  {
    name: "aedes",
    make: () => new PlainAedes(),
    installed: () => true,
    install: "it comes with `npm ci`",
    versions: [
      [
        4,
        {
          ...standard311,
          keepsBareSessions: false,
          // aedes 1.2 publishes a message again whose PUBREL it had sent, and lets new messages overtake those that it queued.
          exactlyOnce: false,
          wrongUser: { code: "MQTT_BAD_CREDENTIALS", reasonCode: 4 },
        },
      ],
    ],
  },
  {
    name: "Mosquitto",
    make: () => new InteropMosquitto(),
    installed: () => findMosquitto() !== undefined,
    install: installMosquitto,
    versions: [
      // Mosquitto 2.0 grants subscriptions that its file of rules denies, and then delivers nothing.
      [4, { ...standard311, forbidden: 0 }],
      // And 2.0.11 closes the older connection without the DISCONNECT that it writes.
      [5, { ...standard5, forbidden: 0, takeover: { code: "CONNECTION_LOST" } }],
    ],
  },
];

/** Whether the suite runs with it. Throws when it is missing and must not be. */
export function available({ name, installed, install, neededFor }: BrokerEntry): boolean {
  if (installed()) return true;
  const { SEALWIRE_NO_SKIP, SEALWIRE_BROKERS } = process.env;
  if (neededFor === undefined ? SEALWIRE_NO_SKIP === "1" : SEALWIRE_BROKERS === neededFor)
    throw new Error(`${name} is not installed: ${install}.`);
  return false;
}
