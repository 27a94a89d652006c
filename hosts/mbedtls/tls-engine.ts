/**
 * {@link TLSEngine} by Mbed TLS, shared by the hosts on the XS engine.
 *
 * The native engine does the work and calls nothing back. What it leads to is told in a later turn of the event loop, by a timer, in the
 * order open, session, readable, writable, drainable, and at last close or error. Bounds are said in tls-engine.h.
 */
import type { PlatformTimer, TLSEngine, TLSEngineOptions, TLSNegotiated, TimerHandle } from "../../src/platform.js";
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

export class MbedTLSEngine implements TLSEngine {
  readonly #options: TLSEngineOptions;
  readonly #timer: PlatformTimer;
  readonly #turn: () => void;
  #native: NativeTLS | undefined;
  #handle: TimerHandle;
  #negotiated: TLSNegotiated | undefined;
  #marks = 0;

  /** @throws SealwireError `INVALID_ARGUMENT`, `CRYPTO_INVALID`, `UNSUPPORTED` or `TLS_OUT_OF_MEMORY` */
  constructor(options: TLSEngineOptions, timer: PlatformTimer) {
    this.#options = options;
    this.#timer = timer;
    this.#turn = () => {
      this.#handle = undefined;
      this.#dispatch();
    };
    const native = createNative(options);
    const failure = toTLSError(native, options.serverName);
    if (failure) {
      native.close();
      throw failure;
    }
    this.#native = native;
  }

  get negotiated(): TLSNegotiated | undefined {
    return this.#negotiated;
  }

  feed(ciphertext: Uint8Array): number {
    const taken = this.#native?.feed(ciphertext) ?? ciphertext.byteLength;
    if (taken < ciphertext.byteLength) this.#marks |= REFUSED;
    this.#schedule();
    return taken;
  }

  feedEnd(): void {
    this.#native?.feedEnd();
    this.#marks |= OURS;
    this.#schedule();
  }

  drain(buffer: Uint8Array): number {
    const count = this.#native?.drain(buffer) ?? 0;
    if (count > 0) {
      if (this.#negotiated !== undefined || (this.#marks & BLOCKED) !== 0) this.#marks |= OURS;
      this.#schedule();
    }
    return count;
  }

  get unsent(): boolean {
    return ((this.#native?.status() ?? 0) & UNSENT) !== 0;
  }

  read(buffer: Uint8Array): number {
    const count = this.#native?.read(buffer) ?? 0;
    if (count > 0) {
      this.#marks &= ~TOLD_READABLE;
      this.#schedule();
    }
    return count;
  }

  get readable(): number {
    return this.#native?.readable() ?? 0;
  }

  write(plaintext: Uint8Array): number {
    if (this.#negotiated === undefined) return 0;
    const count = this.#native?.write(plaintext) ?? 0;
    this.#marks |= WRITTEN;
    this.#schedule();
    return count;
  }

  get writable(): number {
    return this.#negotiated === undefined ? 0 : (this.#native?.writable() ?? 0);
  }

  step(): boolean {
    const more = this.#work();
    if (!more && this.unsent) this.#marks |= BLOCKED;
    else this.#marks &= ~BLOCKED;
    this.#schedule();
    return more;
  }

  get longestStep(): number | undefined {
    return this.#native?.number(13);
  }

  end(): void {
    this.#native?.end();
    this.#schedule();
  }

  close(): void {
    const native = this.#native;
    this.#native = undefined;
    this.#timer.clear(this.#handle);
    this.#handle = undefined;
    native?.close();
  }

  #work(): boolean {
    const { trustAnchors, revocationLists = [], certificateChain = [] } = this.#options;
    return this.#native?.step(trustAnchors, revocationLists, certificateChain) ?? false;
  }

  /** Sets the timer when there is something to tell, or to do that nobody else will ask for. */
  #schedule(): void {
    if (this.#handle !== undefined || this.#native === undefined) return;
    if (this.#isDue(this.#native.status())) this.#handle = this.#timer.set(this.#turn, 0);
  }

  #isDue(status: number): boolean {
    const marks = this.#marks;
    if ((marks & OVER) !== 0) return ((status & UNSENT) !== 0) !== ((marks & WAS_UNSENT) !== 0);
    if ((status & (SESSION | CLOSED | FAILED)) !== 0) return true;
    if ((status & OPEN) !== 0 && this.#negotiated === undefined) return true;
    if ((status & READABLE) !== 0) return (marks & TOLD_READABLE) === 0;
    if (((status & UNSENT) !== 0) !== ((marks & WAS_UNSENT) !== 0)) return true;
    return (marks & (WRITTEN | OURS)) !== 0 || ((status & WORK) !== 0 && this.#negotiated !== undefined);
  }

  /** Calls what is due. Every callback may close the engine or make more things due. */
  #dispatch(): void {
    const { onOpen, onReadable, onWritable, onDrainable } = this.#options;
    const live = (): NativeTLS | undefined => ((this.#marks & OVER) === 0 ? this.#native : undefined);
    const isOurs = this.#negotiated !== undefined || (this.#marks & OURS) !== 0;
    this.#marks &= ~OURS;
    if (live() && isOurs && this.#work() && this.#negotiated === undefined) this.#marks |= OURS;
    const status = this.#native?.status() ?? 0;
    if ((status & OPEN) !== 0 && (status & FAILED) === 0 && this.#negotiated === undefined) onOpen(this.#negotiate());
    while (((live()?.status() ?? 0) & SESSION) !== 0) this.#tellSession();
    if (((live()?.status() ?? 0) & READABLE) !== 0 && (this.#marks & TOLD_READABLE) === 0) {
      this.#marks = (this.#marks | TOLD_READABLE) & ~REFUSED;
      onReadable();
    }
    if ((this.#marks & WRITTEN) !== 0 && (live()?.writable() ?? 0) > 0) {
      this.#marks &= ~WRITTEN;
      onWritable();
    }
    const unsent = this.unsent;
    if (this.#native && unsent !== ((this.#marks & WAS_UNSENT) !== 0)) {
      this.#marks ^= WAS_UNSENT;
      onDrainable();
    }
    this.#dispatchEnd();
    this.#schedule();
  }

  #dispatchEnd(): void {
    const native = this.#native;
    if (native === undefined || (this.#marks & OVER) !== 0) return;
    const status = native.status();
    const failure = (status & FAILED) !== 0 ? toTLSError(native, this.#options.serverName) : undefined;
    if (failure === undefined && (status & CLOSED) === 0) return;
    this.#marks |= OVER;
    if (failure) this.#options.onError(failure);
    else this.#options.onClose();
  }

  #tellSession(): void {
    const native = this.#native!;
    const lifetime = native.number(12);
    const extendedMasterSecret = native.number(8) === 1;
    const bytes = native.session();
    if (bytes === undefined) return;
    this.#options.onSession?.({
      protocol: native.number(6) === 3 ? "TLSv1.3" : "TLSv1.2",
      bytes: new Uint8Array(bytes),
      lifetime: lifetime < 0 ? undefined : lifetime,
      extendedMasterSecret,
    });
  }

  #negotiate(): TLSNegotiated {
    const native = this.#native!;
    const resumed = native.number(7) === 1;
    const nextUpdate = native.number(11);
    return (this.#negotiated = {
      protocol: native.number(6) === 3 ? "TLSv1.3" : "TLSv1.2",
      cipherSuite: native.text(0) ?? "",
      applicationProtocol: native.text(1),
      resumed,
      extendedMasterSecret: native.number(8) === 1,
      chainNotAfter: resumed ? undefined : native.number(9),
      chainNotBefore: resumed ? undefined : native.number(10),
      revocationNextUpdate: nextUpdate === Infinity ? undefined : nextUpdate,
    });
  }
}
