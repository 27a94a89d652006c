/** What a device keeps over sleep and power cuts, beside its credentials: encrypted, and never worth losing the link for. */
import type { Clock } from "../clock.js";
import type { Monitor } from "../monitor/index.js";
import type { KeyValueStorage, Platform } from "../platform.js";
import {
  EncryptedStore,
  keepProvenTime,
  openRootKey,
  readProvenTime,
  RETAINED_SECTION,
  RetainedStore,
  SealedBox,
  STORAGE_KEY,
  type RetainedSection,
  type RootKey,
} from "../storage/index.js";
import type { DeviceOptions } from "./device-options.js";
import type { DeviceReporter } from "./device-reporter.js";

/** What goes to retained memory before a sleep. */
export interface WakeState {
  readonly session: Uint8Array;
  readonly link: Uint8Array;
  readonly wake: Uint8Array | undefined;
}

export class DeviceMemory {
  readonly retained: RetainedStore | undefined;
  /** Its values are encrypted. */
  readonly storage: KeyValueStorage | undefined;
  readonly #platform: Platform;
  readonly #reporter: DeviceReporter;
  readonly #root: RootKey | undefined;

  constructor({ platform, monitor }: DeviceOptions, reporter: DeviceReporter) {
    this.#platform = platform;
    this.#reporter = reporter;
    this.#root = this.openRootKey();
    const box = this.#root && new SealedBox(platform.crypto, this.#root.key);
    this.retained = box && platform.retainedMemory && new RetainedStore(platform.retainedMemory, box);
    const { storage } = platform;
    this.storage = box && storage && new EncryptedStore(monitor ? counted(storage, monitor) : storage, box);
  }

  /** @returns where TLS sessions may lie. Where that is nowhere, what a firmware before left there is removed: it holds a key. */
  storageForSessions(allowed = true): KeyValueStorage | undefined {
    if (allowed) return this.storage;
    const { storage } = this.#platform;
    this.attempt("The TLS session of before could not be removed.", () => {
      if (storage?.read(STORAGE_KEY.tlsSession)) storage.delete(STORAGE_KEY.tlsSession);
    });
    return undefined;
  }

  get(section: RetainedSection): Uint8Array | undefined {
    return this.retained?.get(section);
  }

  /** The floor of the clock, from a power cut ago. */
  restoreTime(clock: Clock): void {
    clock.prove(readProvenTime(this.storage));
  }

  /** A verified server shows by its certificate that this time is past. */
  proveTime(clock: Clock, time: number | undefined): void {
    if (!clock.prove(time)) return;
    this.attempt("The proven time could not be stored.", () => keepProvenTime(this.storage, time!));
  }

  /** The MQTT session as it was before the sleep. It is used once: after a crash it would be the past, and messages would be sent again. */
  takeSession(): Uint8Array | undefined {
    return this.attempt("The MQTT session of before the sleep could not be read.", () => {
      const retained = this.get(RETAINED_SECTION.mqttSession);
      this.retained?.set(RETAINED_SECTION.mqttSession, undefined);
      this.retained?.commit();
      if (retained) return retained;
      const stored = this.storage?.read(STORAGE_KEY.mqttSession);
      if (stored) this.storage?.delete(STORAGE_KEY.mqttSession);
      return stored && new Uint8Array(stored);
    });
  }

  /** A device that cannot keep its session must sleep all the same, or its battery is gone as well. */
  keepForWake({ session, link, wake }: WakeState): void {
    this.attempt("The MQTT session could not be kept for after the sleep.", () => {
      this.retained?.set(RETAINED_SECTION.mqttSession, session, true);
      this.retained?.set(RETAINED_SECTION.link, link, true);
      this.retained?.set(RETAINED_SECTION.wake, wake, true);
      // It takes what the others leave, and is kept last.
      this.retained?.set(RETAINED_SECTION.log, undefined);
      const dropped = this.retained?.commit() ?? [RETAINED_SECTION.mqttSession];
      // Too much for retained memory: one write to flash is better than losing messages.
      if (dropped.includes(RETAINED_SECTION.mqttSession)) this.storage?.write(STORAGE_KEY.mqttSession, session);
    });
  }

  /**
   * Keeps the log in what the others leave of retained memory.
   * @param save gives the newest part of it that fits into so many bytes
   */
  keepLog(save: (maximum: number) => Uint8Array | undefined): void {
    const { retained } = this;
    if (!retained) return;
    this.attempt("The log could not be kept.", () => {
      retained.set(RETAINED_SECTION.log, undefined);
      retained.set(RETAINED_SECTION.log, save(retained.room));
      retained.commit();
    });
  }

  /** Forgets everything that is kept, the root secret of a device without a hardware one included. */
  wipe(): void {
    const { storage, retainedMemory } = this.#platform;
    this.attempt("Retained memory could not be wiped.", () => {
      retainedMemory?.write(0, new Uint8Array(retainedMemory.byteLength));
    });
    this.attempt("Storage could not be wiped.", () => {
      if (storage === undefined) return;
      const keys = [...{ [Symbol.iterator]: () => storage[Symbol.iterator]() }];
      for (const key of keys) if (key.startsWith(STORAGE_KEY.prefix) && !KEPT.includes(key)) storage.delete(key);
    });
  }

  close(): void {
    this.#root?.key.close();
  }

  private openRootKey(): RootKey | undefined {
    const { crypto, rootOfTrust, storage } = this.#platform;
    return this.attempt("The root key could not be opened: nothing will be kept.", () =>
      openRootKey(crypto, rootOfTrust, storage),
    );
  }

  private attempt<T>(message: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      // That costs what would be kept, not the link: a device with worn flash can still be reached, and replaced.
      this.#reporter.error(error, "STORAGE_FAILED", message);
      return undefined;
    }
  }
}

/** What a wipe must leave: without the floor, credentials that were wiped could be put back; under another root it could not be read. */
const KEPT: readonly string[] = [STORAGE_KEY.root, STORAGE_KEY.vaultFloor];

function counted(storage: KeyValueStorage, monitor: Monitor): KeyValueStorage {
  return {
    maximumKeyLength: storage.maximumKeyLength,
    maximumValueLength: storage.maximumValueLength,
    capacity: storage.capacity,
    read: (key) => storage.read(key),
    write: (key, value) => {
      monitor.storageWritten();
      storage.write(key, value);
    },
    delete: (key) => {
      monitor.storageWritten();
      return storage.delete(key);
    },
    [Symbol.iterator]: () => storage[Symbol.iterator](),
  };
}
