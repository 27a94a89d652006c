/** The modules of the Moddable SDK as far as they are used here: `embedded:io/socket/tcp`, `net`, `time`, `timer`. */

/** The address of a name by the system's own resolver (lwIP's on a chip, with the DNS servers that DHCP named). */
export const Net: {
  /** `IP` and `MAC`, as text; `undefined` when there is none. */
  get(name: "IP" | "MAC"): string | undefined;
  /** `address` is `undefined` when the name could not be resolved. */
  resolve(host: string, callback: (host: string, address: string | undefined) => void): void;
};

export interface TCPOptions {
  readonly address: string;
  readonly port: number;
  readonly nodelay: boolean;
  readonly onReadable: (count: number) => void;
  readonly onWritable: (count: number) => void;
  readonly onError: () => void;
}

/** ECMA-419 TCP socket with format `"buffer"`. */
export class TCP {
  /** @throws Error when the address cannot be parsed, or there are no sockets left */
  constructor(options: TCPOptions);
  /** @throws Error for a count of 0, or more than there is */
  read(count: number): ArrayBuffer | undefined;
  /** @returns what can be written now; `undefined` when the connection just failed */
  write(buffer: ArrayBuffer | Uint8Array): number | undefined;
  close(): void;
}

export const Time: {
  /** Seconds since 1970. */
  set(seconds: number): void;
  /** Milliseconds from any beginning: 32 bits on a chip. */
  readonly ticks: number;
  delta(start: number, end: number): number;
};

export const Timer: {
  set(callback: () => void, milliseconds: number): object;
  /** Harmless for a timer that fired. */
  clear(timer: object | undefined): void;
};
