/**
 * Where the state of a session lives: in storage (`"power"`), in a block of bytes (`"sleep"`), or nowhere.
 *
 * Every change that must survive is one write of one key, and storage keeps either the old or the new value of a key: so whichever write
 * power fails at, what is read back is a state that the session was in.
 */
import { equal } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { BufferLike, KeyValueStorage } from "../platform.js";
import { STORAGE_KEY } from "../storage/index.js";
import { IdentifierSet } from "./identifier-set.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import {
  RECORD,
  corrupt,
  decodeInbound,
  decodeMessage,
  decodeSession,
  decodeSubscription,
  encodeInbound,
  encodeMessage,
  encodeSession,
  encodeSubscription,
  type ExpiryClock,
  type StoredSession,
  type StoredSubscription,
} from "./session-records.js";

/** Begins what `save()` returns: format and its version. */
const SAVED_MAGIC = 0x5371;
/** Kind and length of a record in `save()`, and its packet identifier. */
const SAVED_HEAD = 6;
/** Damaged or surplus keys that are removed at one start; the rest waits for the next. */
const MAXIMUM_REMOVALS = 64;

/** What was found. */
export interface RestoredState {
  /** Of both states, in the order of their sequence numbers. */
  messages: OutgoingMessage[];
  handled: IdentifierSet;
  mark: Uint8Array | undefined;
  /** Whether there was a mark, and it was damaged. */
  markLost?: true;
  /** With the index each has in storage. */
  subscriptions: { index: number; subscription: StoredSubscription }[];
  session: StoredSession | undefined;
  /** Records that were damaged and dropped. */
  damaged: number;
  /** Messages beyond the queue's bound, dropped. */
  surplus: number;
}

/** What {@link SessionStore.save} puts together. */
export interface SavedParts {
  readonly messages: Iterable<OutgoingMessage>;
  readonly handled: IdentifierSet | undefined;
  readonly mark: Uint8Array | undefined;
  readonly subscriptions: readonly StoredSubscription[];
  readonly session: StoredSession;
}

export class SessionStore {
  /** For the state as a whole. */
  private readonly storage: KeyValueStorage | undefined;
  /** For the application's mark alone. */
  declare private readonly markStorage: KeyValueStorage | undefined;
  private readonly clock: ExpiryClock;

  /**
   * Without `storage` nothing is written.
   * @param whole whether all of the state is kept there; only the application's mark, if not
   */
  constructor(storage: KeyValueStorage | undefined, clock: ExpiryClock, whole: boolean) {
    if (storage && storage.maximumKeyLength < 11)
      throw new SealwireError("INVALID_ARGUMENT", "The option storage must allow keys of 11 bytes.");
    if (whole) this.storage = storage;
    else this.markStorage = storage;
    this.clock = clock;
  }

  /** Whether changes are written as they happen. */
  get durable(): boolean {
    return this.storage !== undefined;
  }

  /** Stores a publication, or that it was released. One write. */
  writeMessage(message: OutgoingMessage): void {
    if (!this.storage) return;
    this.write(keyOfMessage(message.id), encodeMessage(message, this.clock));
    message.stored = true;
  }

  /** Removes what {@link writeMessage} stored. One write, none when nothing was stored. */
  deleteMessage(message: OutgoingMessage): void {
    if (!message.stored) return;
    message.stored = false;
    this.delete(keyOfMessage(message.id));
  }

  /** @throws SealwireError `STORAGE_CORRUPT` when the payload is no longer what was stored */
  readPayload(message: OutgoingMessage): Uint8Array {
    const bytes = this.storage?.read(keyOfMessage(message.id));
    if (bytes === undefined) throw corrupt();
    const stored = decodeMessage(new Uint8Array(bytes), message.id, this.clock, true);
    if (stored.payload?.byteLength !== message.byteLength || stored.topic !== message.topic) throw corrupt();
    return stored.payload;
  }

  /** Stores inbound state. One write. */
  writeInbound(handled: IdentifierSet | undefined, mark: Uint8Array | undefined): void {
    if (this.storage) this.write(STORAGE_KEY.mqttInbound, encodeInbound(handled, mark));
  }

  /** As {@link writeInbound}, for a message with a mark: that is kept even where the rest of the state is not. */
  writeMark(handled: IdentifierSet | undefined, mark: Uint8Array): void {
    const { markStorage } = this;
    if (markStorage) this.write(STORAGE_KEY.mqttInbound, encodeInbound(undefined, mark), markStorage);
    else this.writeInbound(handled, mark);
  }

  /** Removes the mark that {@link writeMark} stored, or what is left of it. One write. */
  deleteMark(handled: IdentifierSet | undefined): void {
    const storage = this.markStorage ?? this.storage;
    if (!storage) return;
    if (this.storage && handled && handled.size > 0) this.writeInbound(handled, undefined);
    else this.delete(STORAGE_KEY.mqttInbound, storage);
  }

  writeSubscription(index: number, subscription: StoredSubscription): void {
    if (this.storage) this.write(keyOfSubscription(index), encodeSubscription(subscription));
  }

  deleteSubscription(index: number): void {
    if (this.storage) this.delete(keyOfSubscription(index));
  }

  /** Stores the session's own record, if it differs from what is there. */
  writeSession(session: StoredSession): void {
    if (!this.storage) return;
    // Certain or not is known only while the program runs: after a restart without save() it is uncertain.
    const record = encodeSession({ ...session, uncertain: true });
    const present = this.storage.read(STORAGE_KEY.mqttIdentity);
    if (present && equal(new Uint8Array(present), record)) return;
    this.write(STORAGE_KEY.mqttIdentity, record);
  }

  /** All state as one block. QoS 0 is not in it: it promises nothing. */
  save(parts: SavedParts): Uint8Array {
    const records: { id: number; bytes: Uint8Array }[] = [{ id: 0, bytes: encodeSession(parts.session) }];
    records.push({ id: 0, bytes: encodeInbound(parts.handled, parts.mark) });
    for (const subscription of parts.subscriptions) records.push({ id: 0, bytes: encodeSubscription(subscription) });
    for (const message of parts.messages) {
      if (message.id === 0) continue;
      // In storage the payload is safe anyway, but this block must stand for itself.
      const held = message.payload;
      if (message.stored && message.state === "publish" && !message.source && message.reference === undefined)
        message.payload ??= this.readPayload(message);
      records.push({ id: message.id, bytes: encodeMessage(message, this.clock) });
      message.payload = held;
    }
    let byteLength = 2;
    for (const record of records) byteLength += SAVED_HEAD + record.bytes.byteLength;
    const saved = new Uint8Array(byteLength);
    const view = new DataView(saved.buffer);
    view.setUint16(0, SAVED_MAGIC);
    let offset = 2;
    for (const { id, bytes } of records) {
      view.setUint32(offset, bytes.byteLength);
      view.setUint16(offset + 4, id);
      saved.set(bytes, offset + SAVED_HEAD);
      offset += SAVED_HEAD + bytes.byteLength;
    }
    return saved;
  }

  /**
   * Reads what an earlier life of the session left. A damaged record is dropped and counted.
   * @param maximumMessages messages beyond this are dropped, the newest first
   * @param saved a block from {@link save}; used instead of storage
   */
  load(maximumMessages: number, saved: Uint8Array | undefined): RestoredState {
    const state = emptyState();
    if (saved) this.loadSaved(state, saved);
    else if (this.storage) this.loadStorage(state, maximumMessages);
    if (this.markStorage && !state.mark) this.loadMark(state, this.markStorage);
    state.messages.sort(bySequence);
    if (state.messages.length > maximumMessages) {
      for (const message of state.messages.splice(maximumMessages)) {
        state.surplus++;
        try {
          this.deleteMessage(message);
        } catch {
          // It is met again at the next start.
        }
      }
    }
    return state;
  }

  /** Removes what was found. What cannot be removed is met again at the next start. */
  erase(state: RestoredState): void {
    if (!this.storage) return;
    const keys: string[] = [STORAGE_KEY.mqttIdentity, STORAGE_KEY.mqttInbound];
    for (const message of state.messages) keys.push(keyOfMessage(message.id));
    for (const { index } of state.subscriptions) keys.push(keyOfSubscription(index));
    // The session's own record last: as long as it is there, the rest is known to be foreign.
    for (const key of keys.reverse()) this.delete(key);
  }

  private loadStorage(state: RestoredState, maximumMessages: number): void {
    const storage = this.storage!;
    const removals: string[] = [];
    for (const key of storage) {
      if (!key.startsWith(STORAGE_KEY.mqttPrefix)) continue;
      try {
        this.loadKey(state, key, storage);
      } catch {
        // Damaged, forged, or of another device.
        state.damaged++;
        // That stays until somebody took note: if power failed before that, nobody would ever know.
        if (key === STORAGE_KEY.mqttInbound) state.markLost = true;
        else if (removals.length < MAXIMUM_REMOVALS) removals.push(key);
      }
      // Whoever fills the storage must not fill the memory.
      if (state.messages.length >= 2 * maximumMessages + MAXIMUM_REMOVALS) {
        state.messages.sort(bySequence);
        for (const message of state.messages.splice(maximumMessages)) {
          state.surplus++;
          if (removals.length < MAXIMUM_REMOVALS) removals.push(keyOfMessage(message.id));
        }
      }
    }
    for (const key of removals) {
      try {
        storage.delete(key);
      } catch {
        // It is met again at the next start.
      }
    }
  }

  private loadMark(state: RestoredState, storage: KeyValueStorage): void {
    try {
      const bytes = storage.read(STORAGE_KEY.mqttInbound);
      if (bytes) state.mark = decodeInbound(new Uint8Array(bytes), new IdentifierSet());
    } catch {
      state.damaged++;
      state.markLost = true;
    }
  }

  private loadKey(state: RestoredState, key: string, storage: KeyValueStorage): void {
    const read = (): Uint8Array => {
      const value = storage.read(key);
      if (value === undefined) throw corrupt();
      return new Uint8Array(value);
    };
    if (key === STORAGE_KEY.mqttIdentity) state.session = decodeSession(read());
    else if (key === STORAGE_KEY.mqttInbound) state.mark = decodeInbound(read(), state.handled);
    else if (key.startsWith(STORAGE_KEY.mqttOutgoing)) {
      const id = numberAtEnd(key, STORAGE_KEY.mqttOutgoing, 4);
      const message = decodeMessage(read(), id, this.clock, false);
      message.stored = true;
      // It was stored before it left, if it left: that is not known.
      message.sent = true;
      state.messages.push(message);
    } else if (key.startsWith(STORAGE_KEY.mqttSubscription)) {
      const index = numberAtEnd(key, STORAGE_KEY.mqttSubscription, 2);
      state.subscriptions.push({ index, subscription: decodeSubscription(read()) });
    }
    // Other keys are of a later version of this firmware, which may come back.
  }

  private loadSaved(state: RestoredState, saved: Uint8Array): void {
    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
    if (saved.byteLength < 2 || view.getUint16(0) !== SAVED_MAGIC) {
      state.damaged++;
      return;
    }
    let offset = 2;
    while (offset < saved.byteLength) {
      const byteLength = offset + SAVED_HEAD <= saved.byteLength ? view.getUint32(offset) : saved.byteLength;
      const end = offset + SAVED_HEAD + byteLength;
      if (end > saved.byteLength) {
        state.damaged++;
        return;
      }
      try {
        this.loadRecord(state, view.getUint16(offset + 4), saved.subarray(offset + SAVED_HEAD, end));
      } catch {
        state.damaged++;
        if (saved[offset + SAVED_HEAD] === RECORD.inbound) state.markLost = true;
      }
      offset = end;
    }
  }

  private loadRecord(state: RestoredState, id: number, bytes: Uint8Array): void {
    switch (bytes[0]) {
      case RECORD.session:
        state.session = decodeSession(bytes);
        break;
      case RECORD.inbound:
        state.mark = decodeInbound(bytes, state.handled);
        break;
      case RECORD.subscription:
        state.subscriptions.push({ index: state.subscriptions.length, subscription: decodeSubscription(bytes) });
        break;
      default:
        state.messages.push(decodeMessage(bytes, id, this.clock, true));
    }
  }

  private write(key: string, value: BufferLike, storage = this.storage!): void {
    if (value.byteLength > storage.maximumValueLength)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `The storage holds values of at most ${storage.maximumValueLength} bytes; publish from a source that can be read again.`,
      );
    try {
      storage.write(key, value);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "The storage could not write the state of the MQTT session.");
    }
  }

  private delete(key: string, storage = this.storage): void {
    try {
      storage?.delete(key);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "The storage could not remove a record of the MQTT session.");
    }
  }
}

export function emptyState(): RestoredState {
  return {
    messages: [],
    handled: new IdentifierSet(),
    mark: undefined,
    subscriptions: [],
    session: undefined,
    damaged: 0,
    surplus: 0,
  };
}

function bySequence(a: OutgoingMessage, b: OutgoingMessage): number {
  return a.sequence - b.sequence;
}

function keyOfMessage(id: number): string {
  return STORAGE_KEY.mqttOutgoing + (0x1_0000 + id).toString(16).slice(1);
}

function keyOfSubscription(index: number): string {
  return STORAGE_KEY.mqttSubscription + (0x100 + index).toString(16).slice(1);
}

/** @throws SealwireError `STORAGE_CORRUPT` unless the key is the prefix and so many lower-case hexadecimal digits */
function numberAtEnd(key: string, prefix: string, digits: number): number {
  const text = key.slice(prefix.length);
  if (text.length !== digits || !/^[0-9a-f]+$/.test(text)) throw corrupt();
  return Number.parseInt(text, 16);
}
