/** What the process with the devices and the one with the broker say to each other. */
import type { Fault } from "./faults.js";
import type { StorageWear } from "./storage-wear.js";

export interface SoakSettings {
  readonly folder: string;
  readonly port: number;
  readonly wakes: number;
  /** Wakes between two samples of the heap. */
  readonly sampleEvery: number;
  /** Bytes of each wake that are kept for ever, to see the soak fail. */
  readonly leak: number;
  /** DER, hexadecimal. */
  readonly root: string;
  /** Certificate chain and private key of each device. */
  readonly sleeper: IssuedHex;
  readonly steady: IssuedHex;
  /** That sealed payloads are encrypted under. */
  readonly secret: string;
}

export interface IssuedHex {
  readonly certificateChain: readonly string[];
  readonly privateKey: string;
}

export interface DeviceCounts {
  /** Readings that the sleeping device published, and that were acknowledged in the same wake. */
  readonly published: number;
  readonly acknowledged: number;
  /** That the flash was too full to seal: they were published in a later wake. */
  readonly putOff: number;
  readonly resumed: number;
  readonly full: number;
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  readonly wear: StorageWear;
  /** Readings of the device that stays up, its connections, and how they were made. */
  readonly steady: { readonly published: number; readonly resumed: number; readonly full: number };
  /** Failures that nobody injected. */
  readonly errors: readonly string[];
}

export type FromDevices =
  | { readonly kind: "sample"; readonly wake: number; readonly bytes: number }
  | { readonly kind: "restart broker" }
  | { readonly kind: "done"; readonly counts: DeviceCounts };

export type ToDevices = "broker restarted" | "end";
