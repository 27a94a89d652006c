/** End-to-end protection of payloads: what a broker cannot read, forge, replay or misroute. */
export { externalData, signedData, type Purpose } from "./additional-data.js";
export { readEnvelope, type Encoding, type Envelope } from "./envelope.js";
export {
  deriveDeviceSecret,
  deriveDeviceSecretBytes,
  deriveSenderKeys,
  encodeIDContext,
  epochOf,
  oscoreInfo,
  type DeriveOptions,
  type SenderKeys,
} from "./key-schedule.js";
export {
  Opener,
  type Delivered,
  type DeliveryFlags,
  type Duplicate,
  type OpenerOptions,
  type Refused,
  type SealedBy,
  type Unsealed,
} from "./opener.js";
export { ReplayStore, type ReplayState, type ReplayStoreOptions } from "./replay-store.js";
export type { AfterRestart } from "./replay-table.js";
export { ReplayWindow, type Seen } from "./replay-window.js";
export { Sealer, type SealerOptions, type SequenceSource } from "./sealer.js";
export type { SealingOpenOptions, SealingOptions } from "./sealing-options.js";
export { Sealing, type SealingStatus, type SealOptions, type StreamOptions, type UnsealOptions } from "./sealing.js";
export { EpochSecrets, FleetSecrets, type SecretSource } from "./secrets.js";
export { SenderCounter, type RetainedCounter, type SenderCounterOptions } from "./sender-counter.js";
export type { Signing } from "./signature.js";
export { StreamOpener, type OpenedStream, type StreamOpenerOptions } from "./stream-opener.js";
export { StreamSealer, type StreamSealerOptions } from "./stream-sealer.js";
