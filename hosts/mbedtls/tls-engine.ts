/**
 * {@link TLSEngine} by Mbed TLS, shared by the hosts on the XS engine.
 *
 * The native engine does the work and calls nothing back. What it leads to is told in a later turn of the event loop, by a timer, in the
 * order open, session, readable, writable, drainable, and at last close or error. Bounds are said in tls-engine.h.
 */
import type {
  PlatformTimer,
  TLSEngine,
  TLSEngineOptions,
  TLSNegotiated,
  TLSVersion,
  TimerHandle,
} from "../../src/platform.js";
import { toTLSError } from "./tls-errors.js";
import { NativeTLS } from "./tls-native.js";
import { createNative } from "./tls-options.js";

/** Bits of the native status. */
const OPEN = 1;
const READABLE = 2;
const SESSION = 4;
const CLOSED = 8;
const FAILED = 16;
const UNSENT = 32;
const WORK = 64;

/** Bits of what was told, or is to be told. */
const TOLD_READABLE = 1;
const WRITTEN = 2;
const WAS_UNSENT = 4;
const OVER = 8;
const REFUSED = 16;
/** The next step is ours to ask for: room was made for what is to be sent, or the transport ended. */
const OURS = 32;
/** A step of the handshake waited for that. */
const BLOCKED = 64;
/** The handshake is done, and was told. */
const TOLD_OPEN = 128;

/** In methods and in functions of the module: a closure, or a private method, of each engine would cost the heap. */
export class MbedTLSEngine implements TLSEngine {
  readonly #options: TLSEngineOptions;
  readonly #timer: PlatformTimer;
  #native: NativeTLS | undefined;
  #handle: TimerHandle;
  #marks = 0;

  /** @throws SealwireError `INVALID_ARGUMENT`, `CRYPTO_INVALID`, `UNSUPPORTED` or `TLS_OUT_OF_MEMORY` */
  constructor(options: TLSEngineOptions, timer: PlatformTimer) {
    this.#options = options;
    this.#timer = timer;
    const native = createNative(options);
    const failure = toTLSError(native, options.serverName);
    if (failure) {
      native.close();
      throw failure;
    }
    this.#native = native;
  }

  /** Made anew each time. */
  get negotiated(): TLSNegotiated | undefined {
    return this.#native && (this.#marks & TOLD_OPEN) !== 0 ? negotiatedOf(this.#native) : undefined;
  }

  /** What the native ring takes. */
  get feedSize(): number {
    return 256;
  }

  /** What fits a segment of TCP on the smallest of chips. */
  get drainSize(): number {
    return 512;
  }

  feed(ciphertext: Uint8Array): number {
    const taken = this.#native?.feed(ciphertext) ?? ciphertext.byteLength;
    if (taken < ciphertext.byteLength) this.#marks |= REFUSED;
    this.schedule();
    return taken;
  }

  feedEnd(): void {
    this.#native?.feedEnd();
    this.#marks |= OURS;
    this.schedule();
  }

  drain(buffer: Uint8Array): number {
    const count = this.#native?.drain(buffer) ?? 0;
    if (count > 0) {
      if ((this.#marks & (TOLD_OPEN | BLOCKED)) !== 0) this.#marks |= OURS;
      this.schedule();
    }
    return count;
  }

  get unsent(): boolean {
    return (this.status & UNSENT) !== 0;
  }

  read(buffer: Uint8Array): number {
    const count = this.#native?.read(buffer) ?? 0;
    if (count > 0) {
      this.#marks &= ~TOLD_READABLE;
      this.schedule();
    }
    return count;
  }

  get readable(): number {
    return this.#native?.readable() ?? 0;
  }

  write(plaintext: Uint8Array): number {
    if ((this.#marks & TOLD_OPEN) === 0) return 0;
    const count = this.#native?.write(plaintext) ?? 0;
    this.#marks |= WRITTEN;
    this.schedule();
    return count;
  }

  get writable(): number {
    return (this.#marks & TOLD_OPEN) === 0 ? 0 : (this.#native?.writable() ?? 0);
  }

  step(): boolean {
    const more = this.work();
    if (!more && this.unsent) this.#marks |= BLOCKED;
    else this.#marks &= ~BLOCKED;
    this.schedule();
    return more;
  }

  get longestStep(): number | undefined {
    return this.#native?.number(13);
  }

  end(): void {
    this.#native?.end();
    this.schedule();
  }

  close(): void {
    const native = this.#native;
    this.#native = undefined;
    this.#timer.clear(this.#handle);
    this.#handle = undefined;
    native?.close();
  }

  private get status(): number {
    return this.#native?.status() ?? 0;
  }

  /** What of the status may still be told: nothing after the end. */
  private get live(): number {
    return (this.#marks & OVER) === 0 ? this.status : 0;
  }

  private work(): boolean {
    const options = this.#options;
    return this.#native?.step(options.trustAnchors, options.revocationLists, options.certificateChain) ?? false;
  }

  /** Sets the timer when there is something to tell, or to do that nobody else will ask for. */
  private schedule(): void {
    if (this.#handle !== undefined || this.#native === undefined) return;
    if (isDue(this.#native.status(), this.#marks, this.writable > 0))
      this.#handle = this.#timer.set(() => this.dispatch(), 0);
  }

  /** Calls what is due. Every callback may close the engine or make more things due. */
  private dispatch(): void {
    this.#handle = undefined;
    const isOurs = (this.#marks & (TOLD_OPEN | OURS)) !== 0;
    this.#marks &= ~OURS;
    if ((this.#marks & OVER) === 0 && isOurs && this.work() && (this.#marks & TOLD_OPEN) === 0) this.#marks |= OURS;
    const status = this.status;
    if (this.#native && (status & OPEN) !== 0 && (status & FAILED) === 0 && (this.#marks & TOLD_OPEN) === 0) {
      this.#marks |= TOLD_OPEN;
      this.#options.onOpen(negotiatedOf(this.#native));
    }
    while ((this.live & SESSION) !== 0) this.tellSession();
    if ((this.live & READABLE) !== 0 && (this.#marks & TOLD_READABLE) === 0) {
      this.#marks = (this.#marks | TOLD_READABLE) & ~REFUSED;
      this.#options.onReadable();
    }
    if ((this.#marks & (WRITTEN | OVER)) === WRITTEN && this.writable > 0) {
      this.#marks &= ~WRITTEN;
      this.#options.onWritable();
    }
    if (this.#native && this.unsent !== ((this.#marks & WAS_UNSENT) !== 0)) {
      this.#marks ^= WAS_UNSENT;
      this.#options.onDrainable();
    }
    this.dispatchEnd();
    this.schedule();
  }

  private dispatchEnd(): void {
    const native = this.#native;
    if (native === undefined || (this.#marks & OVER) !== 0) return;
    const status = native.status();
    const failure = (status & FAILED) !== 0 ? toTLSError(native, this.#options.serverName) : undefined;
    if (failure === undefined && (status & CLOSED) === 0) return;
    this.#marks |= OVER;
    if (failure) this.#options.onError(failure);
    else this.#options.onClose();
  }

  private tellSession(): void {
    const native = this.#native!;
    const lifetime = native.number(12);
    const extendedMasterSecret = native.number(8) === 1;
    const bytes = native.session();
    if (bytes === undefined) return;
    this.#options.onSession?.({
      protocol: protocolOf(native),
      bytes: new Uint8Array(bytes),
      lifetime: lifetime < 0 ? undefined : lifetime,
      extendedMasterSecret,
    });
  }
}

function isDue(status: number, marks: number, writable: boolean): boolean {
  const unsentChanged = ((status & UNSENT) !== 0) !== ((marks & WAS_UNSENT) !== 0);
  if ((marks & OVER) !== 0) return unsentChanged;
  if ((status & (SESSION | CLOSED | FAILED)) !== 0) return true;
  if ((status & OPEN) !== 0 && (marks & TOLD_OPEN) === 0) return true;
  if ((status & READABLE) !== 0 && (marks & TOLD_READABLE) === 0) return true;
  if (unsentChanged || (marks & OURS) !== 0) return true;
  // Whoever was told to read may be waiting to write an answer first. While nothing can be written it is a drain that makes room.
  if ((marks & WRITTEN) !== 0 && writable) return true;
  return (status & READABLE) === 0 && (status & WORK) !== 0 && (marks & TOLD_OPEN) !== 0;
}

function protocolOf(native: NativeTLS): TLSVersion {
  return native.number(6) === 3 ? "TLSv1.3" : "TLSv1.2";
}

function negotiatedOf(native: NativeTLS): TLSNegotiated {
  const resumed = native.number(7) === 1;
  const nextUpdate = native.number(11);
  return {
    protocol: protocolOf(native),
    cipherSuite: native.text(0) ?? "",
    applicationProtocol: native.text(1),
    resumed,
    extendedMasterSecret: native.number(8) === 1,
    chainNotAfter: resumed ? undefined : native.number(9),
    chainNotBefore: resumed ? undefined : native.number(10),
    revocationNextUpdate: nextUpdate === Infinity ? undefined : nextUpdate,
  };
}
