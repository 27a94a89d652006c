/**
 * {@link TLSEngine} by `node:tls` over a Duplex that moves bytes between queues: no socket, no I/O of its own.
 *
 * Bounds, in bytes: plaintext that waits to be read 32 K (half here, half in node's stream); ciphertext that waits to be
 * processed 64 K; ciphertext and plaintext that wait to be sent 16 K each, handshake messages aside, which OpenSSL bounds.
 * Callbacks are never called from inside a method: they come in a later turn, in the order open, session, readable,
 * writable, drainable, and at last close or error. `onReadable` is also called when `feed()` has room again after it took less
 * than it was given.
 */
import type { X509Certificate } from "node:crypto";
import { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { SealwireError, toSealwireError } from "../../../src/errors.js";
import type { TLSEngine, TLSEngineOptions, TLSNegotiated, TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { ByteQueue } from "../byte-queue.js";
import { type Certificate, readCertificate, requireOpenSSL } from "../x509/certificate.js";
import { toTLSError } from "./tls-errors.js";
import { type CheckedOptions, checkTLSOptions } from "./tls-engine-options.js";
import { RecordGuard } from "./tls-record-guard.js";
import { readSession } from "./tls-session.js";
import { verifyServer, type Verified } from "../x509/verify-path.js";

const ciphertextInBound = 65_536;
const plaintextInBound = 16_384;
const outBound = 16_384;
/** Sessions kept until they can be handed over; TLS 1.3 servers send two as a rule. */
const maximumWaitingSessions = 4;
/** Certificates looked at in what the server sent. */
const maximumPresented = 16;

/** What is moved at once, each way. */
const blockSize = 4096;

type State = "handshake" | "open" | "ended" | "failed" | "closed";

export class NodeTLSEngine implements TLSEngine {
  readonly #options: TLSEngineOptions;
  readonly #checked: CheckedOptions;
  readonly #guard: RecordGuard;
  readonly #wire: Duplex;
  readonly #tls: TLSSocket;
  readonly #plaintext = new ByteQueue();
  readonly #ciphertext = new ByteQueue();
  /** Acknowledges the last write of ciphertext, once there is room for the next. */
  #wireWritten: (() => void) | undefined;
  #state: State = "handshake";
  #negotiated: TLSNegotiated | undefined;
  #sessions: TLSSessionData[] = [];
  #failure: SealwireError | undefined;
  #peerClosed = false;
  #transportEnded = false;
  /** Everything that was fed is processed; what it leads to shows by the next turn. */
  #lastTurn = false;
  /** `feed()` took less than it was given. */
  #feedRefused = false;
  /** Something was written since `onWritable` was due. */
  #written = false;
  readonly #due = { scheduled: false, open: false, readable: false, writable: false, drainable: false };

  constructor(options: TLSEngineOptions) {
    this.#options = options;
    this.#checked = checkTLSOptions(options);
    this.#guard = new RecordGuard(this.#checked.inputBuffer);
    this.#wire = this.#createWire();
    this.#tls = connect({ ...this.#checked.connection, socket: this.#wire });
    this.#tls
      .on("error", (error: Error) => this.#fail(toTLSError(error)))
      .on("secureConnect", () => this.#attempt(() => this.#onSecureConnect()))
      .on("session", (bytes: Buffer) => this.#attempt(() => this.#onSession(bytes)))
      .on("data", (bytes: Buffer) => this.#onPlaintext(bytes))
      .on("drain", () => this.#signalWritable())
      .on("finish", () => {
        this.#due.drainable = true;
        this.#schedule();
      })
      .on("end", () => {
        this.#peerClosed = true;
        this.#schedule();
      });
  }

  get negotiated(): TLSNegotiated | undefined {
    return this.#negotiated;
  }

  get feedSize(): number {
    return blockSize;
  }

  get drainSize(): number {
    return blockSize;
  }

  feed(ciphertext: Uint8Array): number {
    if (this.#state === "closed" || this.#state === "failed") return ciphertext.byteLength;
    const waiting = this.#wire.readableLength + this.#tls.readableLength + this.#plaintext.byteLength;
    const count = Math.min(ciphertext.byteLength, Math.max(0, ciphertextInBound - waiting));
    this.#feedRefused = count < ciphertext.byteLength;
    if (count === 0) return 0;
    const bytes = Buffer.from(ciphertext.subarray(0, count));
    try {
      this.#guard.check(bytes);
    } catch (error) {
      this.#fail(error);
      return ciphertext.byteLength;
    }
    this.#wire.push(bytes);
    return count;
  }

  feedEnd(): void {
    this.#transportEnded = true;
    this.#schedule();
  }

  drain(buffer: Uint8Array): number {
    const count = this.#ciphertext.read(buffer);
    if (this.#ciphertext.byteLength < outBound) {
      const written = this.#wireWritten;
      this.#wireWritten = undefined;
      written?.();
    }
    this.#signalWritable();
    return count;
  }

  get unsent(): boolean {
    if (this.#state === "closed") return false;
    if (this.#ciphertext.byteLength > 0) return true;
    if (this.#state === "failed") return false;
    return this.#tls.writableLength > 0 || (this.#state === "ended" && !this.#tls.writableFinished);
  }

  read(buffer: Uint8Array): number {
    const count = this.#plaintext.read(buffer);
    if (this.#plaintext.byteLength < plaintextInBound && this.#tls.isPaused()) this.#tls.resume();
    if (count > 0 && this.#feedRefused) this.#due.readable = true;
    // What comes after the last byte (close) waits for it.
    if (count > 0) this.#schedule();
    return count;
  }

  get readable(): number {
    return this.#plaintext.byteLength;
  }

  write(plaintext: Uint8Array): number {
    const count = Math.min(plaintext.byteLength, this.writable);
    this.#written = true;
    if (count > 0) this.#tls.write(Buffer.from(plaintext.subarray(0, count)));
    return count;
  }

  get writable(): number {
    if (this.#state !== "open") return 0;
    return Math.max(0, outBound - this.#tls.writableLength - this.#ciphertext.byteLength);
  }

  step(): boolean {
    return false;
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#tls.end();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#plaintext.clear();
    this.#ciphertext.clear();
    this.#sessions = [];
    this.#tls.destroy();
    this.#wire.destroy();
  }

  #createWire(): Duplex {
    return new Duplex({
      read: () => {
        if (!this.#feedRefused) return;
        this.#feedRefused = false;
        this.#due.readable = true;
        this.#schedule();
      },
      write: (bytes: Buffer, _encoding, written) => {
        if (this.#state === "closed") {
          written();
          return;
        }
        this.#ciphertext.push(bytes);
        if (this.#ciphertext.byteLength < outBound) written();
        else this.#wireWritten = written;
        this.#due.drainable = true;
        this.#schedule();
      },
    }).on("error", (error) => this.#fail(error));
  }

  /** Verifies the server. Nothing was handed to the caller yet, and nothing of the caller's was sent. */
  #onSecureConnect(): void {
    if (this.#state !== "handshake")
      throw new SealwireError(
        "TLS_HANDSHAKE_FAILED",
        "The server asked for another handshake (renegotiation), which is refused.",
      );
    const protocol = this.#tls.getProtocol() as TLSVersion;
    const resumed = this.#tls.isSessionReused();
    const verified: Partial<Verified> = resumed
      ? {}
      : verifyServer(this.#presented(), complaintOf(this.#tls), this.#checked.policy);
    const current = this.#tls.getSession();
    this.#guard.protocol = protocol;
    this.#negotiated = {
      protocol,
      cipherSuite: this.#tls.getCipher().standardName,
      applicationProtocol: this.#tls.alpnProtocol || undefined,
      resumed,
      extendedMasterSecret: protocol === "TLSv1.3" || (current && readSession(current)?.extendedMasterSecret),
      chainNotAfter: verified.chainNotAfter,
      chainNotBefore: verified.chainNotBefore,
      revocationNextUpdate: verified.revocationNextUpdate,
    };
    this.#state = "open";
    this.#due.open = true;
    this.#schedule();
  }

  /** The certificates in the order they were sent. To be called once: node takes them out of OpenSSL's list. */
  #presented(): Certificate[] {
    const presented: Certificate[] = [];
    let next: X509Certificate | undefined = this.#tls.getPeerX509Certificate();
    while (next !== undefined && presented.length < maximumPresented) {
      try {
        const certificate = readCertificate(next.raw, next);
        requireOpenSSL(certificate);
        presented.push(certificate);
      } catch (error) {
        // A leaf that cannot be read is refused; further rubbish in the chain is left out.
        if (presented.length === 0)
          throw new SealwireError("TLS_CERTIFICATE_UNTRUSTED", "The server's certificate cannot be read.", {
            cause: error,
          });
      }
      next = next.issuerCertificate;
    }
    return presented;
  }

  #onSession(bytes: Buffer): void {
    const session = readSession(new Uint8Array(bytes));
    if (session === undefined || this.#options.onSession === undefined) return;
    this.#sessions.push(session);
    if (this.#sessions.length > maximumWaitingSessions) this.#sessions.shift();
    this.#schedule();
  }

  #onPlaintext(bytes: Buffer): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    this.#plaintext.push(bytes);
    if (this.#plaintext.byteLength >= plaintextInBound) this.#tls.pause();
    this.#due.readable = true;
    this.#schedule();
  }

  #signalWritable(): void {
    if (!this.#written || this.writable < outBound / 2) return;
    this.#written = false;
    this.#due.writable = true;
    this.#schedule();
  }

  #attempt(action: () => void): void {
    try {
      if (this.#state !== "closed" && this.#state !== "failed") action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    this.#state = "failed";
    this.#failure = toSealwireError(error, "TLS_HANDSHAKE_FAILED", "The TLS connection failed.");
    this.#plaintext.clear();
    this.#sessions = [];
    // An alert that OpenSSL queued is in the Duplex already, and stays drainable.
    this.#tls.destroy();
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due.scheduled || this.#state === "closed") return;
    this.#due.scheduled = true;
    setImmediate(() => {
      this.#due.scheduled = false;
      this.#dispatch();
    });
  }

  /** Calls what is due. Every callback may close the engine or make more things due. */
  #dispatch(): void {
    const options = this.#options;
    const due = this.#due;
    const isLive = (): boolean => this.#state !== "closed" && this.#state !== "failed";
    if (due.open && isLive()) {
      due.open = false;
      options.onOpen(this.#negotiated!);
    }
    while (this.#negotiated !== undefined && isLive() && this.#sessions.length > 0)
      options.onSession?.(this.#sessions.shift()!);
    if (due.readable && isLive() && this.#negotiated !== undefined) {
      due.readable = false;
      options.onReadable();
    }
    if (due.writable && isLive()) {
      due.writable = false;
      options.onWritable();
    }
    if (due.drainable && this.#state !== "closed") {
      due.drainable = false;
      options.onDrainable();
    }
    if (isLive() && this.#plaintext.byteLength === 0) this.#dispatchEnd();
    const failure = this.#failure;
    if (failure === undefined || this.#state === "closed") return;
    this.#failure = undefined;
    options.onError(failure);
  }

  /** Everything that came was read: tells of the end, if there is one. */
  #dispatchEnd(): void {
    if (this.#peerClosed) {
      // Nothing is told after the end, but what is still to be sent can be drained.
      this.#state = "failed";
      this.#options.onClose();
      return;
    }
    if (!this.#transportEnded || this.#wire.readableLength > 0 || this.#tls.readableLength > 0) return;
    if (this.#lastTurn)
      this.#fail(
        new SealwireError("CONNECTION_LOST", "The peer ended the connection without a goodbye (close_notify)."),
      );
    this.#lastTurn = true;
    this.#schedule();
  }
}

/** OpenSSL's verdict. Absent is good: `rejectUnauthorized: false` only keeps it from acting on it. */
function complaintOf(tls: TLSSocket): string | undefined {
  if (tls.authorized) return undefined;
  // A code at run time, though the types say Error.
  const complaint: unknown = tls.authorizationError;
  return typeof complaint === "string" ? complaint : "UNSPECIFIED";
}
