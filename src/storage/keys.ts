/**
 * The one table of key names in persistent storage. At most 15 ASCII characters each, the limit of ESP-IDF's NVS, and all with a
 * common prefix: the storage may hold keys of the application too.
 */
export const STORAGE_KEY = {
  /** What all of them begin with. */
  prefix: "sw.",
  /** The stored root secret of a device without a hardware one. */
  root: "sw.root",
  /** The vault: two slots for the record of credentials, the pointer that says which is in force, and the version floor. */
  vaultSlotA: "sw.v.a",
  vaultSlotB: "sw.v.b",
  vaultPointer: "sw.v.p",
  vaultFloor: "sw.v.f",
  /** A private key that was born here and waits for its certificate. */
  vaultPendingKey: "sw.v.k",
  /** The latest time that was proven to be past. */
  time: "sw.time",
  /** The TLS session that is kept for the start after a power cut. */
  tlsSession: "sw.tls",
  /** The MQTT session of a sleeping device, when it does not fit into retained memory. */
  mqttSession: "sw.mqtt",
  /** The records of an MQTT session that survives loss of power all begin with this. */
  mqttPrefix: "sw.mq.",
  /** Client identifier, version, and what the server allows. */
  mqttIdentity: "sw.mq.id",
  /** Inbound state: identifiers of QoS 2 messages that were handled, and the application's mark. */
  mqttInbound: "sw.mq.in",
  /** Followed by a packet identifier in four hexadecimal digits: a publication that is not acknowledged. */
  mqttOutgoing: "sw.mq.o",
  /** Followed by two hexadecimal digits: a subscription that the server holds. */
  mqttSubscription: "sw.mq.s",
  /** The sequence numbers of sealed payloads that are reserved. */
  sealingCounter: "sw.se.c",
  /** Which sealed payloads were received. */
  sealingReplay: "sw.se.r",
} as const;

/**
 * The sections of retained memory, in order of priority: what matters most when not all of them fit. Numbers are part of the
 * format and never reused.
 */
export const RETAINED_SECTION = {
  tlsSessions: 1,
  mqttSession: 2,
  senderCounter: 3,
  replayMarks: 4,
  log: 5,
  link: 6,
  /** The last good address of the broker, and whether it takes pipelining. */
  wake: 7,
} as const;

export type RetainedSection = (typeof RETAINED_SECTION)[keyof typeof RETAINED_SECTION];
