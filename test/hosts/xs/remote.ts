/** TLS connections of a firmware on the XS host, commanded from a test: see `test/xs/firmware/tls-client.ts`. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostProgram, root, type Variant } from "../../../tools/xs/paths.js";
import type { ErrorCode } from "../../../src/errors.js";
import type { TLSEngineOptions, TLSNegotiated, TLSSessionData } from "../../../src/platform.js";

/** What a test says of a connection; the callbacks are the firmware's. */
export type RemoteOptions = Omit<
  TLSEngineOptions,
  "onOpen" | "onReadable" | "onWritable" | "onDrainable" | "onClose" | "onError" | "onSession" | "privateKey"
> & {
  readonly privateKey?: Uint8Array;
  /** Offers the session that the firmware's storage has under this key, and writes there each that is issued. */
  readonly kept?: string;
  /** What `certificateChain` holds as soon as the engine was made with it. */
  readonly exchanged?: readonly Uint8Array[];
};

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: string;
}

export interface MemoryFigures {
  readonly now: number;
  readonly peak: number;
  readonly blocks: number;
}

interface Event {
  readonly id: number;
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** Changes what comes from the server on its way to the firmware. */
export type Tamper = (bytes: Buffer) => Buffer[];

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

async function until(condition: () => boolean, what: () => string, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One connection. */
export class RemoteClient {
  readonly events: Event[] = [];
  /** Bytes on the wire, and what the firmware sent first and last, when there is a proxy. */
  readonly wire = { sent: 0, received: 0, first: Buffer.alloc(0) as Buffer, last: Buffer.alloc(0) as Buffer };
  readonly #device: RemoteDevice;
  readonly #id: number;
  #proxy: Server | undefined;
  #sockets: Socket[] = [];

  constructor(device: RemoteDevice, id: number) {
    this.#device = device;
    this.#id = id;
  }

  /** Puts a proxy between the firmware and the server. @returns its port */
  async proxy(
    port: number,
    tamper: Tamper = (bytes) => [bytes],
    outward: (bytes: Buffer) => Buffer = (bytes) => bytes,
  ): Promise<number> {
    this.#proxy = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      this.#sockets.push(near, far);
      near.setNoDelay(true).on("error", () => undefined);
      far.setNoDelay(true).on("error", () => undefined);
      near.on("data", (bytes: Buffer) => {
        if (this.wire.sent === 0) this.wire.first = bytes;
        const changed = this.wire.sent === 0 ? outward(bytes) : bytes;
        this.wire.sent += bytes.byteLength;
        this.wire.last = bytes;
        far.write(changed);
      });
      far.on("data", (bytes: Buffer) => {
        this.wire.received += bytes.byteLength;
        for (const part of tamper(bytes)) near.write(part);
      });
      near.on("close", () => far.destroy());
      far.on("end", () => near.end());
      far.on("close", () => near.end());
    });
    await new Promise<void>((resolve) => this.#proxy!.listen(0, "127.0.0.1", resolve));
    return (this.#proxy.address() as AddressInfo).port;
  }

  has(event: string): boolean {
    return this.events.some((entry) => entry.event === event);
  }

  find(event: string): Event | undefined {
    return this.events.find((entry) => entry.event === event);
  }

  until(condition: () => boolean): Promise<void> {
    return until(
      () => condition() || this.has("error") || this.#device.ended,
      () => `what should be; there came ${JSON.stringify(this.events).slice(0, 1000)}`,
      5000,
    );
  }

  async wait(event: string, milliseconds = 5000): Promise<Event> {
    const show = (): string => `${event}; there came ${JSON.stringify(this.events).slice(0, 1000)}`;
    await until(() => this.has(event) || this.#device.ended, show, milliseconds);
    const found = this.find(event);
    if (found === undefined) throw new Error(`${show()}; the firmware ended: ${this.#device.errors}`);
    return found;
  }

  /** The first of the two. */
  async outcome(milliseconds = 5000): Promise<Refusal | TLSNegotiated> {
    await until(
      () => this.has("open") || this.has("error") || this.#device.ended,
      () => `the end of the handshake; there came ${JSON.stringify(this.events).slice(0, 1000)}`,
      milliseconds,
    );
    if (this.#device.ended) throw new Error(`the firmware ended: ${this.#device.errors}`);
    const open = this.find("open");
    return (open ? open["negotiated"] : this.find("error")) as Refusal | TLSNegotiated;
  }

  async opened(): Promise<TLSNegotiated> {
    const outcome = await this.outcome();
    if ("code" in outcome) throw new Error(`${outcome.code}: ${outcome.message} (${outcome.cause})`);
    return outcome;
  }

  async failed(): Promise<Refusal> {
    return (await this.wait("error")) as unknown as Refusal;
  }

  get sessions(): TLSSessionData[] {
    return this.events
      .filter(({ event }) => event === "session")
      .map(({ session }) => session as Omit<TLSSessionData, "bytes"> & { bytes: string })
      .map((session) => ({ ...session, bytes: new Uint8Array(Buffer.from(session.bytes, "hex")) }));
  }

  async session(): Promise<TLSSessionData> {
    await this.wait("session");
    return this.sessions.at(-1)!;
  }

  get text(): string {
    return this.events
      .filter(({ event }) => event === "text")
      .map(({ text }) => text as string)
      .join("");
  }

  async untilText(text: string): Promise<void> {
    await until(
      () => this.text === text || this.has("error"),
      () => `${text.slice(0, 100)}, got ${this.text.length} bytes: ${this.text.slice(0, 100)}`,
      5000,
    );
    if (this.text !== text)
      throw new Error(
        `expected ${text.slice(0, 100)}, got ${this.text.slice(0, 100)} and ${JSON.stringify(this.find("error"))}`,
      );
  }

  write(text: string): void {
    this.#device.command({ op: "write", id: this.#id, text });
  }

  async close(): Promise<void> {
    this.#device.command({ op: "end", id: this.#id });
    if (this.has("engine")) await this.wait("released");
    this.cut();
  }

  /** As a power cut of the network: nothing is said. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#proxy?.close();
  }
}

/** The firmware. */
export class RemoteDevice {
  errors = "";
  ended = false;
  readonly #variant: Variant;
  readonly #folder = mkdtempSync(join(tmpdir(), "sealwire-tls-"));
  readonly #clients = new Map<number, RemoteClient>();
  #server: Server | undefined;
  #control: Socket | undefined;
  #child: ChildProcess | undefined;
  #next = 1;

  constructor(variant: Variant) {
    this.#variant = variant;
  }

  async start(host: readonly string[] = []): Promise<void> {
    this.#server = createServer((socket) => {
      this.#control = socket.setNoDelay(true);
      let text = "";
      socket.on("error", () => undefined);
      socket.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
          const event = JSON.parse(text.slice(0, end)) as Event;
          text = text.slice(end + 1);
          this.#clients.get(event.id)?.events.push(event);
        }
      });
    });
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    await this.#launch(host);
  }

  /** Cuts its power, and starts it again with what it stored. */
  async restart(host: readonly string[] = []): Promise<void> {
    const closed = once(this.#child!, "close");
    this.#child!.kill("SIGKILL");
    await closed;
    this.#control!.destroy();
    this.#control = undefined;
    this.ended = false;
    await this.#launch(host);
  }

  async #launch(host: readonly string[]): Promise<void> {
    const { port } = this.#server!.address() as AddressInfo;
    const module = join(root, "dist", "test", "xs", "firmware", "tls-client.js");
    const parameters = [...host, module, "--", String(port), join(this.#folder, "device")];
    this.#child = spawn(hostProgram(this.#variant), parameters, { stdio: ["ignore", "inherit", "pipe"] });
    this.#child.stderr!.setEncoding("utf8").on("data", (part: string) => (this.errors += part));
    this.#child.on("close", () => (this.ended = true));
    await until(
      () => this.#control !== undefined || this.ended,
      () => `the firmware: ${this.errors}`,
      20_000,
    );
    if (this.ended) throw new Error(`the firmware ended: ${this.errors}`);
  }

  stop(): void {
    this.#child?.kill("SIGKILL");
    this.#control?.destroy();
    this.#server?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  command(command: object): void {
    this.#control!.write(`${JSON.stringify(command)}\n`);
  }

  /** @param outward changes the firmware's first words, a ClientHello */
  async connect(
    port: number,
    options: RemoteOptions,
    tamper?: Tamper | "watch",
    outward?: (bytes: Buffer) => Buffer,
  ): Promise<RemoteClient> {
    const id = this.#next++;
    const client = new RemoteClient(this, id);
    this.#clients.set(id, client);
    const target =
      tamper === undefined ? port : await client.proxy(port, tamper === "watch" ? undefined : tamper, outward);
    const { trustAnchors, revocationLists, certificateChain, privateKey, session, exchanged } = options;
    this.command({
      op: "start",
      id,
      port: target,
      options: {
        ...options,
        trustAnchors: trustAnchors.map(hex),
        revocationLists: revocationLists?.map(hex),
        certificateChain: certificateChain?.map(hex),
        exchanged: exchanged?.map(hex),
        privateKey: privateKey && hex(privateKey),
        session: session && { ...session, bytes: hex(session.bytes) },
      },
    });
    return client;
  }

  /** Native memory, and the peak since the last time that this was asked. */
  async memory(): Promise<MemoryFigures> {
    return (await this.#ask({ op: "memory" }, "memory")) as unknown as MemoryFigures;
  }

  async cap(bytes: number): Promise<void> {
    await this.#ask({ op: "cap", bytes }, "capped");
  }

  /** Lets the n-th allocation from now fail, alone or with all after it. @returns how many were left of the count of before */
  async failAllocation(count: number, how: "once" | "stays" = "once"): Promise<number> {
    return (await this.#ask({ op: "fail", bytes: count, text: how }, "failing"))["left"] as number;
  }

  async #ask(command: object, event: string): Promise<Event> {
    const id = this.#next++;
    const client = new RemoteClient(this, id);
    this.#clients.set(id, client);
    this.command({ ...command, id });
    return client.wait(event);
  }
}
