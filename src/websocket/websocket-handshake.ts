/** The opening handshake of a WebSocket (RFC 6455 section 4), the client's half. */
import { fromUTF8, toUTF8, concat } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { sha1 } from "./sha1.js";

/** RFC 6455 section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export interface WebSocketRequest {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly protocol: string;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
}

/** @throws SealwireError `INVALID_ARGUMENT` for a part that would break the request's lines */
export function encodeRequest({ host, port, path, protocol, nonce }: WebSocketRequest): Uint8Array {
  if (!/^\/[\x21-\x7e]*$/.test(path))
    throw new SealwireError("INVALID_ARGUMENT", "The path of a WebSocket begins with / and has no spaces.");
  if (!/^[\w.:-]{1,255}$/.test(host)) throw new SealwireError("INVALID_ARGUMENT", "This is not a host name.");
  const name = host.includes(":") ? `[${host}]` : host;
  return toUTF8(
    `GET ${path} HTTP/1.1\r\nHost: ${name}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${base64(nonce)}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  );
}

/**
 * Checks the server's answer (RFC 6455 section 4.1, step 5).
 * @param head its status line and header fields, without the empty line
 * @throws SealwireError `CONNECTION_REFUSED`
 */
export function checkResponse(head: Uint8Array, { protocol, nonce }: WebSocketRequest): void {
  const [status = "", ...lines] = (fromUTF8(head) ?? "").split("\r\n");
  const code = /^HTTP\/1\.1 (\d{3})( |$)/.exec(status)?.[1];
  if (code === undefined) throw refused("The server does not speak HTTP.");
  if (code !== "101") {
    const why =
      code[0] === "3"
        ? ", a redirect: those are not followed"
        : code === "401" || code === "403"
          ? ": it does not let this device in"
          : "";
    throw refused(`The server answered the WebSocket with HTTP status ${code}${why}.`);
  }
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw refused("The server's answer to the WebSocket is malformed.");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields.set(name, fields.has(name) ? `${fields.get(name)!}, ${value}` : value);
  }
  const tokens = (name: string): string[] => (fields.get(name) ?? "").toLowerCase().split(/\s*,\s*/);
  if (fields.get("upgrade")?.toLowerCase() !== "websocket" || !tokens("connection").includes("upgrade"))
    throw refused("The server did not change to the WebSocket protocol.");
  const expected = base64(sha1(concat(toUTF8(base64(nonce)), toUTF8(GUID))));
  if (fields.get("sec-websocket-accept") !== expected)
    throw refused("The server's answer is not one to this WebSocket.");
  if (fields.get("sec-websocket-protocol") !== protocol)
    throw refused(`The server does not speak ${protocol} over WebSocket.`);
  // None was asked for, and with one the frames would mean something else.
  if (fields.has("sec-websocket-extensions"))
    throw refused("The server uses a WebSocket extension without being asked.");
}

function refused(message: string): SealwireError {
  return new SealwireError("CONNECTION_REFUSED", message);
}

/** RFC 4648 section 4. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.byteLength; i += 3) {
    const left = bytes.byteLength - i;
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]!;
    text += left > 1 ? ALPHABET[(group >> 6) & 63]! : "=";
    text += left > 2 ? ALPHABET[group & 63]! : "=";
  }
  return text;
}
