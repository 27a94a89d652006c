/** What a MAC address must be to identify a device. */
import { SealwireError } from "../errors.js";

/** @throws SealwireError `IDENTITY_MAC_INVALID` when it is missing, all zeros, all ones, or a multicast address */
export function requireUnicast(mac: Uint8Array): void {
  const invalid = (what: string): SealwireError =>
    new SealwireError("IDENTITY_MAC_INVALID", `The MAC address cannot identify this device: ${what}.`);
  if (mac.byteLength !== 6) throw invalid(`it has ${mac.byteLength} bytes instead of 6`);
  if (mac.every((byte) => byte === 0x00)) throw invalid("it is all zeros");
  if (mac.every((byte) => byte === 0xff)) throw invalid("it is all ones");
  if ((mac[0]! & 1) !== 0) throw invalid("it is a multicast address");
}
