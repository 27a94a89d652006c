/** The brokers of the suite, and where they differ. A comment says why where one deviates from the standard. */
import type { ProtocolVersion } from "../../src/mqtt/index.js";
import { findMosquitto, installMosquitto } from "../../tools/brokers/index.js";
import type { BrokerUnderTest, Login, Traits } from "./broker-under-test.js";
import { Ejabberd } from "./ejabberd.js";
import { InteropMosquitto } from "./interop-mosquitto.js";
import { PlainAedes } from "./plain-aedes.js";
import { RabbitMQ } from "./rabbitmq.js";

export interface BrokerEntry {
  readonly name: string;
  readonly make: () => BrokerUnderTest;
  /** Whom devices say they are, where it wants to know. */
  readonly login?: Login;
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
  publishQoS: 2,
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
          version5: { code: "MQTT_VERSION_REFUSED", reasonCode: 1 },
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
  {
    name: "ejabberd",
    make: () => new Ejabberd(),
    installed: () => Ejabberd.installed(),
    install: "install it with `sudo apt-get install ejabberd` (Debian, Ubuntu)",
    neededFor: "all",
    login: { user: "device", password: "device" },
    // A user belongs to one of its hosts; it calls a host that it does not serve unavailable.
    versions: [
      [
        4,
        {
          ...standard311,
          wrongUser: { code: "MQTT_SERVER_UNAVAILABLE", reasonCode: 3 },
          // It answers with 0x8F, a code of 5.0 that 3.1.1 reserves [MQTT-3.9.3-2].
          forbidden: 0x8f,
        },
      ],
      [5, { ...standard5, wrongUser: { code: "MQTT_SERVER_UNAVAILABLE", reasonCode: 0x88 }, forbidden: 0x8f }],
    ],
  },
  {
    name: "RabbitMQ",
    make: () => new RabbitMQ(),
    installed: () => RabbitMQ.installed(),
    install: "install it with `sudo apt-get install rabbitmq-server` (Debian, Ubuntu)",
    neededFor: "all",
    // As Debian 12 has it, 3.10.
    versions: [
      [
        4,
        {
          ...standard311,
          // It grants QoS 1 for QoS 2, and answers a publication with QoS 2 by PUBACK.
          granted: [0, 1, 1],
          publishQoS: 1,
          // A message that was not acknowledged when the connection broke comes again, as it may with QoS 1.
          exactlyOnce: false,
          keepsBareSessions: false,
          wrongUser: { code: "MQTT_BAD_CREDENTIALS", reasonCode: 4 },
          // 3.1.1 has 0x80 for that.
          forbidden: { code: "CONNECTION_LOST" },
          // Not even a CONNACK with return code 1 [MQTT-3.1.2-2].
          version5: { code: "CONNECTION_LOST" },
        },
      ],
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
