/** One life of the device, from power-on to loss of power, which may come at every operation on storage, transport or application. */
import { toBytes } from "../../src/bytes.js";
import type {
  BufferLike,
  KeyValueStorage,
  PlatformTimer,
  TimerHandle,
  Transport,
  TransportConstructor,
  TransportOptions,
} from "../../src/platform.js";

/** The power is gone: thrown through everything, like the end of the program. */
export class PowerLoss extends Error {}

/** Decides where the power fails. */
export interface Fate {
  /** Called at each operation, for "before" and "after" it. @returns whether the power fails here */
  strikes(operation: string): boolean;
}

export class Life {
  readonly #fate: Fate;
  readonly #onDeath: () => void;
  readonly #last = new Set<() => void>();
  #alive = true;

  constructor(fate: Fate, onDeath: () => void) {
    this.#fate = fate;
    this.#onDeath = onDeath;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The power may fail here. @throws PowerLoss when it does, or has */
  step(operation: string): void {
    if (this.#alive && this.#fate.strikes(operation)) this.end();
    if (!this.#alive) throw new PowerLoss();
  }

  /** The power fails now. */
  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#onDeath();
    for (const cleanUp of this.#last) cleanUp();
    this.#last.clear();
  }

  /** Does something when the power fails. @returns a function that calls it off */
  atEnd(cleanUp: () => void): () => void {
    this.#last.add(cleanUp);
    return () => void this.#last.delete(cleanUp);
  }

  /** Runs a callback of the world; what the dead do has no effect. */
  run(callback: () => void): void {
    if (!this.#alive) return;
    try {
      callback();
    } catch (error) {
      if (!(error instanceof PowerLoss) && !this.#isOver()) throw error;
    }
  }

  /** The compiler does not know that a callback may be the last. */
  #isOver(): boolean {
    return !this.#alive;
  }
}

/** Timers that end with the power. */
export class MortalTimer implements PlatformTimer {
  readonly #life: Life;
  readonly #timer: PlatformTimer;

  constructor(life: Life, timer: PlatformTimer) {
    this.#life = life;
    this.#timer = timer;
  }

  set(callback: () => void, milliseconds: number): TimerHandle {
    const handle = this.#timer.set(() => {
      callOff();
      this.#life.run(callback);
    }, milliseconds);
    const callOff = this.#life.atEnd(() => this.#timer.clear(handle));
    return { handle, callOff };
  }

  clear(timer: TimerHandle): void {
    const set = timer as { handle: TimerHandle; callOff: () => void } | undefined;
    set?.callOff();
    this.#timer.clear(set?.handle);
  }
}

/** What a storage keeps when the power is gone. */
export type Values = Map<string, Uint8Array>;

/** What a write of this key means to the session, in the terms of its table of keys. */
function meaningOf(key: string, overwrites: boolean): string {
  if (key.startsWith("sw.mq.o")) return overwrites ? "store release" : "store publication";
  if (key.startsWith("sw.mq.s")) return "store subscription";
  if (key === "sw.mq.in") return "store inbound state";
  return key === "sw.mq.id" ? "store identity" : `store ${key}`;
}

/** Storage that loses power before and after its writes. */
export class MortalStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength = 4000;
  readonly capacity = 1 << 20;
  readonly #life: Life;
  readonly #values: Values;

  constructor(life: Life, values: Values) {
    this.#life = life;
    this.#values = values;
  }

  read(key: string): ArrayBuffer | undefined {
    if (!this.#life.alive) throw new PowerLoss();
    return this.#values.get(key)?.slice().buffer;
  }

  write(key: string, value: BufferLike): void {
    const operation = meaningOf(key, this.#values.has(key));
    this.#life.step(`${operation}, before`);
    this.#values.set(key, toBytes(value).slice());
    this.#life.step(`${operation}, after`);
  }

  delete(key: string): boolean {
    if (!this.#values.has(key)) return false;
    const operation = key.startsWith("sw.mq.s") ? "remove subscription" : "remove publication";
    this.#life.step(`${operation}, before`);
    this.#values.delete(key);
    this.#life.step(`${operation}, after`);
    return true;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#values.keys();
  }
}

/** A transport class that loses power at its operations and callbacks. */
export function mortal(io: TransportConstructor, life: Life): TransportConstructor {
  return class implements Transport {
    readonly #inner: Transport;

    constructor(options: TransportOptions) {
      life.step("transport: open");
      this.#inner = new io({
        ...options,
        onReadable: (count) =>
          life.run(() => {
            life.step("transport: readable");
            options.onReadable?.(count);
          }),
        onWritable: (count) =>
          life.run(() => {
            life.step("transport: writable");
            options.onWritable?.(count);
          }),
        onError: (error) =>
          life.run(() => {
            life.step("transport: lost");
            options.onError?.(error);
          }),
      });
    }

    read(count?: number): ArrayBuffer | undefined;
    read(buffer: BufferLike): number | undefined;
    read(target?: number | BufferLike): ArrayBuffer | number | undefined {
      life.step("transport: read, before");
      const result = typeof target === "object" ? this.#inner.read(target) : this.#inner.read(target);
      life.step("transport: read, after");
      return result;
    }

    write(buffer: BufferLike): number {
      life.step("transport: write, before");
      const writable = this.#inner.write(buffer);
      life.step("transport: write, after");
      return writable;
    }

    close(): void {
      if (life.alive) life.step("transport: close");
      this.#inner.close();
    }
  };
}
