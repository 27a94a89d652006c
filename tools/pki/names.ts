/** Names that certificates are issued for. */
import { isIP } from "node:net";
import { usageFailure } from "../failure.js";

/** Names files and topics, too. */
export function checkClientIdentifier(clientIdentifier: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(clientIdentifier))
    throw usageFailure(
      "A client identifier must be 1 to 64 letters, digits, dots, hyphens or underscores, the first a letter or digit.",
    );
}

export function checkServerName(name: string): void {
  const labels = name.replace(/^\*\./, "").split(".");
  const isName = name.length <= 253 && labels.every((label) => /^[A-Za-z0-9_-]{1,63}$/.test(label));
  if (isIP(name) === 0 && !isName)
    throw usageFailure(`"${name.slice(0, 60)}" is neither a DNS name nor an IP address.`);
}
