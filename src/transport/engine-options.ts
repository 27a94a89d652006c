/** The options of a {@link TLSEngine} as a {@link TLSSocket} gives them. */
import { SealwireError } from "../errors.js";
import type { TLSEngine, TLSEngineOptions, TLSNegotiated, TLSSessionData } from "../platform.js";

/** Of {@link TLSEngineOptions} what the socket answers itself. */
type EngineCallback = "onOpen" | "onReadable" | "onWritable" | "onDrainable" | "onClose" | "onError";

/** What a connection needs to be secure. */
export interface SecureOptions extends Omit<TLSEngineOptions, EngineCallback> {
  readonly createTLSEngine: (options: TLSEngineOptions) => TLSEngine;
  /** The handshake is done and the server verified. What it throws ends the connection before a byte is written. */
  readonly onOpen?: ((negotiated: TLSNegotiated) => void) | undefined;
}

/** What the engine tells, to whom it belongs. */
export interface EngineOwner {
  opened(negotiated: TLSNegotiated, secure: SecureOptions): void;
  issued(session: TLSSessionData, secure: SecureOptions): void;
  tellReadable(): void;
  tellWritable(): void;
  drainable(): void;
  engineFailed(error: SealwireError): void;
  fail(error: SealwireError): void;
}

/**
 * What the engine is given: the options of the connection, and what it calls back. An object of a class, whose methods lie in flash: seven
 * closures and a copy of the options would cost the heap of a chip a kilobyte for as long as the connection lives.
 */
export class EngineOptions implements TLSEngineOptions {
  readonly #owner: EngineOwner;
  readonly #secure: SecureOptions;

  constructor(owner: EngineOwner, secure: SecureOptions) {
    this.#owner = owner;
    this.#secure = secure;
  }

  get trustAnchors(): TLSEngineOptions["trustAnchors"] {
    return this.#secure.trustAnchors;
  }

  get revocationLists(): TLSEngineOptions["revocationLists"] {
    return this.#secure.revocationLists;
  }

  get revocation(): TLSEngineOptions["revocation"] {
    return this.#secure.revocation;
  }

  get certificateChain(): TLSEngineOptions["certificateChain"] {
    return this.#secure.certificateChain;
  }

  get privateKey(): TLSEngineOptions["privateKey"] {
    return this.#secure.privateKey;
  }

  get serverName(): string {
    return this.#secure.serverName;
  }

  get applicationProtocols(): TLSEngineOptions["applicationProtocols"] {
    return this.#secure.applicationProtocols;
  }

  get minimumVersion(): TLSEngineOptions["minimumVersion"] {
    return this.#secure.minimumVersion;
  }

  get maximumVersion(): TLSEngineOptions["maximumVersion"] {
    return this.#secure.maximumVersion;
  }

  get maximumFragmentLength(): TLSEngineOptions["maximumFragmentLength"] {
    return this.#secure.maximumFragmentLength;
  }

  get inputBuffer(): TLSEngineOptions["inputBuffer"] {
    return this.#secure.inputBuffer;
  }

  get sessionTickets(): TLSEngineOptions["sessionTickets"] {
    return this.#secure.sessionTickets;
  }

  get time(): TLSEngineOptions["time"] {
    return this.#secure.time;
  }

  get session(): TLSEngineOptions["session"] {
    return this.#secure.session;
  }

  onOpen(negotiated: TLSNegotiated): void {
    this.#owner.opened(negotiated, this.#secure);
  }

  onSession(session: TLSSessionData): void {
    this.#owner.issued(session, this.#secure);
  }

  onReadable(): void {
    this.#owner.tellReadable();
  }

  onWritable(): void {
    this.#owner.tellWritable();
  }

  onDrainable(): void {
    this.#owner.drainable();
  }

  onClose(): void {
    this.#owner.fail(new SealwireError("CONNECTION_LOST", "The server closed the connection."));
  }

  onError(error: SealwireError): void {
    this.#owner.engineFailed(error);
  }
}
