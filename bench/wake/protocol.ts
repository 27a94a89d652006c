/** What the process that is measured and the one that measures say to each other. */

export interface WakeSettings {
  readonly contestant: "sealwire" | "mqtt.js";
  readonly port: number;
  /** Folder of the device. */
  readonly folder: string;
  /** Milliseconds that one direction of the network takes: a DNS query takes two of them. */
  readonly delay: number;
  /** PEM. */
  readonly root: string;
  readonly certificate: string;
  readonly key: string;
}

/** One wake: from the start of the connection to the PUBACK. */
export interface WakeResult {
  readonly resumed: boolean;
  readonly dnsQueries: number;
  readonly milliseconds: number;
  readonly cpuMicroseconds: number;
}

export type FromWorker = { readonly kind: "acknowledged"; readonly result: WakeResult } | { readonly kind: "asleep" };

/** `wake`: once more. `sleep`: the counts were taken, say goodbye. */
export type ToWorker = "wake" | "sleep" | "end";
