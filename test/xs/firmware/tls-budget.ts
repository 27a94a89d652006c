/**
 * Fixture: mutual TLS, in the steps of `npm run budget`, measured by the host program: a full handshake, the open connection once its
 * ticket came, a resumed handshake. With `mqtt` as the third argument a durable session runs over it, else a word goes out and back.
 * Written as a firmware for a small chip is: callbacks, and no `await` at the top, which would keep the module's frame for ever.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, measure, print, resetPeaks, setTimer } from "../../../hosts/xs/native/system.js";
import { MQTTSession } from "../../../src/mqtt/index.js";
import type { TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { type SecureOptions, TLSSocket } from "../../../src/transport/index.js";

const folder = argument(0)!;
const port = Number(argument(1));
const mqtt = argument(2) === "mqtt";
const protocol = argument(3) as TLSVersion;
const address = "127.0.0.1";
/** In which a ticket of TLS 1.3 must have come. */
const settling = 50;

function step(name: string): void {
  measure(name);
  resetPeaks();
}

function certificate(name: string): Uint8Array {
  return new Uint8Array(file.read(`${folder}/${name}.der`)!);
}

const platform = createPlatform({ folder: `${folder}/${argument(4)}` });
const timer = platform.timer;
step("modules loaded");

const trustAnchors = [certificate("root")];
const certificateChain = [certificate("device"), certificate("issuing")];
const privateKey = platform.crypto.importKey("private", certificate("key"));
let session: TLSSessionData | undefined;
let resumes = false;
step("TLS credentials");

/** Options of a connection: the same objects each time, as a device has them. */
function secure(): SecureOptions {
  return {
    createTLSEngine: (options) => platform.createTLSEngine(options),
    serverName: "localhost",
    time: { earliest: platform.time()!.now, latest: platform.time()!.now },
    maximumVersion: protocol,
    trustAnchors,
    certificateChain,
    privateKey,
    session,
    onOpen: (negotiated) => (resumes = negotiated.resumed),
    onSession: (given) => (session = given),
  };
}

function connected(): void {
  if (resumes) {
    step("TLS resumed");
    print("resumed");
    close();
    return;
  }
  step("TLS full");
  setTimer(opened, settling);
}

function opened(): void {
  step("TLS open");
  close();
}

let socket: TLSSocket | undefined;
let said = false;
let durable: MQTTSession | undefined;

function say(): void {
  if (!said) socket!.write(Uint8Array.of(1));
  said = true;
}

function heard(): void {
  socket!.read();
  connected();
}

function connect(): void {
  said = false;
  socket = new TLSSocket({
    address,
    port,
    socket: { io: platform.tcp },
    timer,
    secure,
    onWritable: say,
    onReadable: heard,
    onError: (error) => print(`failed: ${error?.message}`),
    onReleased: released,
  });
}

function connectMQTT(): void {
  durable ??= new MQTTSession({
    clientIdentifier: "device",
    timer,
    ticks: () => platform.ticks(),
    durability: "power",
    storage: platform.storage,
    version: 4,
    maximumMessageSize: 1024,
    onConnected: connected,
    onError: (error) => print(`failed: ${error.message}`),
  });
  durable.connect({
    socket: { io: TLSSocket, socket: { io: platform.tcp }, timer, secure, onReleased: released },
    address,
    port,
  });
}

function close(): void {
  if (mqtt) void durable!.disconnect();
  else socket!.close();
}

function released(): void {
  if (!resumes) setTimer(mqtt ? connectMQTT : connect, 0);
}

if (mqtt) connectMQTT();
else connect();
