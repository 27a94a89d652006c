import type { Key } from "../../src/platform.js";

/** Certificates or lists, DER: plain arrays. They are read where they lie, again in later steps. */
type Views = readonly Uint8Array[];

/** A TLS client of Mbed TLS without I/O (tls-engine.h). Calls nothing back. All methods are harmless after `close()`. */
export class NativeTLS {
  /**
   * Options that cannot be used show as a failure: `number(0)` is not 0.
   * @param protocols with line feeds between them
   * @param revocation 0: off, 1: leaf, 2: chain
   * @param minimum 2 or 3: TLS 1.2 or 1.3
   * @param fragment 0 when none was asked for
   * @param latest NaN when it is not known
   * @throws TypeError when an argument is not of its type, or the key was closed
   */
  constructor(
    serverName: string,
    protocols: string,
    revocation: number,
    minimum: number,
    maximum: number,
    inputBuffer: number,
    fragment: number,
    earliest: number,
    latest: number,
    key: Key | undefined,
    session: Uint8Array | undefined,
    extendedMasterSecret: boolean,
    tickets: boolean,
    anchors: Views,
    lists: Views,
    chain: Views,
  );
  feed(bytes: Uint8Array): number;
  feedEnd(): void;
  drain(buffer: Uint8Array): number;
  read(buffer: Uint8Array): number;
  write(bytes: Uint8Array): number;
  readable(): number;
  writable(): number;
  /** @returns whether there is more to do at once */
  step(anchors: Views, lists: Views | undefined, chain: Views | undefined): boolean;
  end(): void;
  close(): void;
  /** Bits: 1 open, 2 readable, 4 session, 8 closed by the peer, 16 failed, 32 unsent, 64 a step may find something to do. */
  status(): number;
  /** The session that waits; its lifetime is to be asked for before. */
  session(): ArrayBuffer | undefined;
  /**
   * 0: failure, 1: its detail, 2: depth of the certificate, 3: its date, 4: the alert that came, 5: the library's error; 6: TLS 1.`n`,
   * 7: resumed, 8: extended master secret; 9, 10: notAfter and notBefore of the path, 11: nextUpdate of the lists, Infinity for none;
   * 12: lifetime of the session, -1 for none; 13: milliseconds of the longest step.
   */
  number(which: number): number;
  /** 0: cipher suite, 1: protocol of ALPN, 2: who the failure is about. */
  text(which: number): string | undefined;
}

/** A hash of the TLS library's and the engine's configuration, 8 hexadecimal digits. */
export function configuration(): string;
