/**
 * Proves its private key in a TLS handshake, and gives connection and key up when the file `go-VERSION` is there, so that somebody can look
 * into the memory of the process. Arguments: a folder with DER files, the port of the server, the highest version.
 */
import { platform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print, setTimer } from "../../../hosts/xs/native/system.js";
import type { TLSVersion } from "../../../src/platform.js";
import { TLSSocket } from "../../../src/transport/index.js";

const folder = argument(0)!;
const version = argument(2) as TLSVersion;
const read = (name: string): Uint8Array => new Uint8Array(file.read(`${folder}/${name}.der`)!);
const der = read("key");
const privateKey = platform.crypto.importKey("private", der);
der.fill(0);
const [trustAnchors, certificateChain] = [[read("root")], [read("device"), read("issuing")]];
const now = platform.time()!.now;
let protocol = "";
let said = false;

const socket = new TLSSocket({
  address: "127.0.0.1",
  port: Number(argument(1)),
  socket: { io: platform.tcp },
  timer: platform.timer,
  secure: () => ({
    createTLSEngine: (options) => platform.createTLSEngine(options),
    serverName: "localhost",
    time: { earliest: now, latest: now },
    maximumVersion: version,
    trustAnchors,
    certificateChain,
    privateKey,
    onOpen: (negotiated) => (protocol = negotiated.protocol),
  }),
  onWritable: () => {
    if (!said) socket.write(Uint8Array.of(1));
    said = true;
  },
  onReadable: () => {
    socket.read();
    print(protocol);
    wait();
  },
  onError: (error) => print(`failed: ${error?.message}`),
  onReleased: () => {
    privateKey.close();
    print("closed");
    // Stays, to be looked at.
    setTimer(() => undefined, 60_000);
  },
});

function wait(): void {
  if (file.size(`${folder}/go-${version}`) >= 0) socket.close();
  else setTimer(wait, 5);
}
