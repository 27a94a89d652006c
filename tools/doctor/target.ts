/** What the doctor looks at: a broker, and the credentials of a device. */
import { once } from "node:events";
import * as net from "node:net";
import * as tls from "node:tls";
import { SealwireError } from "../../src/errors.js";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** PEM; the authorities of Node when left out. */
  readonly ca?: string | undefined;
  /** PEM of the revocation lists. */
  readonly revocationLists?: string | undefined;
  /** PEM of the device's certificate and those above it, and its key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly clientIdentifier: string;
  readonly userName?: string | undefined;
  readonly password?: string | undefined;
  readonly applicationProtocol?: string | undefined;
  /** Milliseconds for each step. */
  readonly timeout: number;
  readonly publish?: string | undefined;
  readonly subscribe?: string | undefined;
}

/**
 * Opens TLS without judging the certificate, which a check of its own does.
 * @throws what went wrong; SealwireError `TIMEOUT`
 */
export async function openTLS(
  target: Target,
  options: tls.ConnectionOptions & { readonly anonymous?: boolean } = {},
): Promise<tls.TLSSocket> {
  const { anonymous, ...more } = options;
  const socket = tls.connect({
    host: target.host,
    port: target.port,
    ...(net.isIP(target.host) === 0 && { servername: target.host }),
    ...(target.ca !== undefined && { ca: target.ca }),
    ...(target.applicationProtocol !== undefined && { ALPNProtocols: [target.applicationProtocol] }),
    ...(anonymous !== true && target.certificate !== undefined && { cert: target.certificate, key: target.key }),
    // Looked at by a check of its own, with better words; no password is sent before.
    rejectUnauthorized: false,
    ...more,
  });
  const timer = setTimeout(
    () => socket.destroy(new SealwireError("TIMEOUT", "There was no answer in time.")),
    target.timeout,
  );
  try {
    await once(socket, "secureConnect");
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  // What comes later is told by who uses it.
  socket.on("error", () => undefined);
  return socket;
}
