/**
 * The firmware whose TLS is measured: see tls-budget.ts. A class in a module that is preloaded, as all code of a firmware can be that must
 * fit a small chip: its methods lie in flash, while a function of a module that is not preloaded takes the heap for good, six slots and
 * one for each variable and each import that it uses.
 */
import * as file from "../../../hosts/xs/native/file.js";
import { measure, print, setTimer, ticks } from "../../../hosts/xs/native/system.js";
import { createTLSEngine } from "../../../hosts/xs/tls.js";
import { toUTF8 } from "../../../src/bytes.js";
import { MQTTSession } from "../../../src/mqtt/index.js";
import type { Key, Platform, TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { Sealing } from "../../../src/sealing/index.js";
import { type SecureOptions, TLSSocket } from "../../../src/transport/index.js";

/** Milliseconds in which a ticket of TLS 1.3 must have come. */
const settling = 50;

/**
 * What goes over the connection: a byte and back; a durable session, and at last a message that is sealed where the session has just connected, deep
 * in a callback; the same with sealing that was opened at the start, as a firmware does that has little stack.
 */
export type BudgetMode = "echo" | "mqtt" | "sealed";

export class BudgetApp {
  private readonly platform: Platform;
  private readonly port: number;
  private readonly protocol: TLSVersion;
  private readonly mqtt: boolean;
  /** Ready before the device connects, where it is there. */
  private readonly sealing: Sealing | undefined;
  private readonly trustAnchors: readonly Uint8Array[];
  private readonly certificateChain: readonly Uint8Array[];
  private readonly privateKey: Key;
  /** The last session; its bytes are in retained memory. */
  private kept: TLSSessionData | undefined;
  private length = 0;
  private step = 0;
  protected link: TLSSocket | MQTTSession | undefined;

  constructor(platform: Platform, folder: string, port: number, protocol: TLSVersion, mode: BudgetMode) {
    // Where they lie: in flash.
    const read = (name: string): Uint8Array => new Uint8Array(file.map(`${folder}/${name}.der`)!);
    this.platform = platform;
    this.port = port;
    this.protocol = protocol;
    this.mqtt = mode !== "echo";
    this.trustAnchors = [read("root")];
    this.certificateChain = [read("device"), read("issuing")];
    this.privateKey = platform.crypto.importKey("private", read("key"));
    this.sealing = mode === "sealed" ? this.openSealing() : undefined;
    measure("TLS credentials", true);
  }

  /** Goes on when the byte, or CONNACK, came; when the ticket is there; when everything is gone. */
  next(): void {
    switch (this.step++) {
      case 0:
      case 3:
        if (this.mqtt) this.connectMQTT();
        else this.connect();
        break;
      case 1:
        measure("TLS full", true);
        setTimer(() => this.next(), settling);
        break;
      case 2:
        measure("TLS open", true);
        this.end();
        break;
      case 4:
        measure("TLS resumed", true);
        if (this.mqtt) this.sealAndPublish();
        else this.end();
        break;
      default:
        measure("TLS sealed publish", true);
        this.end();
    }
  }

  private end(): void {
    if (this.link instanceof TLSSocket) this.link.close();
    else void this.link!.disconnect();
  }

  private released(): void {
    if (this.step === 3) setTimer(() => this.next(), 0);
  }

  private secure(): SecureOptions {
    const { trustAnchors, certificateChain, privateKey, kept } = this;
    const session = kept && { ...kept, bytes: new Uint8Array(this.length) };
    if (session) this.platform.retainedMemory!.read(0, session.bytes);
    return {
      createTLSEngine,
      serverName: "localhost",
      time: { earliest: this.platform.time()!.now, latest: undefined },
      maximumVersion: this.protocol,
      trustAnchors,
      certificateChain,
      privateKey,
      session,
      onSession: (given) => this.keep(given),
    };
  }

  private keep(session: TLSSessionData): void {
    this.length = session.bytes.byteLength;
    this.platform.retainedMemory!.write(0, session.bytes);
    this.kept = { ...session, bytes: this.trustAnchors[0]! };
  }

  private connect(): void {
    let said = false;
    const socket: TLSSocket = new TLSSocket({
      address: "127.0.0.1",
      port: this.port,
      socket: { io: this.platform.tcp },
      timer: this.platform.timer,
      secure: () => this.secure(),
      onReleased: () => this.released(),
      onWritable: () => {
        if (!said) socket.write(Uint8Array.of(1));
        said = true;
      },
      onReadable: () => {
        socket.read();
        this.next();
      },
      onError: (error) => print(`failed: ${error?.message}`),
    });
    this.link = socket;
  }

  private connectMQTT(): void {
    const { timer, storage, tcp } = this.platform;
    const next = (): void => this.next();
    const session = ((this.link as MQTTSession | undefined) ??= new MQTTSession({
      clientIdentifier: "device",
      timer,
      ticks,
      durability: "power",
      storage,
      version: 4,
      maximumMessageSize: 1024,
      onConnected: next,
    }));
    this.link = session;
    session.connect({
      socket: {
        io: TLSSocket,
        socket: { io: tcp },
        timer,
        secure: () => this.secure(),
        onReleased: () => this.released(),
      },
      address: "127.0.0.1",
      port: this.port,
    });
  }

  private openSealing(): Sealing {
    const { crypto, storage } = this.platform;
    const sealing = new Sealing({ encoding: "compact" });
    const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(16))]]);
    sealing.open({ crypto, storage, secrets, clientIdentifier: "device" });
    return sealing;
  }

  protected sealAndPublish(): void {
    const sealed = (this.sealing ?? this.openSealing()).seal("telemetry", toUTF8("21.5 degrees"));
    void (this.link as MQTTSession).publish("telemetry", sealed, { qos: 1 }).then(() => this.next());
  }
}
