/**
 * TLS handshakes on XS: full and resumed in turn, each to its end with a word there and back. Arguments: a folder with DER files and for the
 * device's own, a port, the version, how many of each. Prints the processor time of each, and the longest step of each full one.
 */
import { createPlatform } from "../../hosts/xs/index.js";
import * as file from "../../hosts/xs/native/file.js";
import { argument, collect, cpu } from "../../hosts/xs/native/system.js";
import type { TLSEngine, TLSSessionData, TLSVersion } from "../../src/platform.js";
import { TLSSocket } from "../../src/transport/index.js";

/** What one connection cost, in milliseconds. */
export interface Handshake {
  readonly resumed: boolean;
  readonly cpu: number;
  readonly longestStep: number;
}

const folder = argument(0)!;
const port = Number(argument(1));
const protocol = argument(2) as TLSVersion;
const count = Number(argument(3));
const platform = createPlatform({ folder: `${folder}/device` });
const read = (name: string): Uint8Array => new Uint8Array(file.read(`${folder}/${name}.der`)!);
const trustAnchors = [read("root")];
const certificateChain = [read("device"), read("issuing")];
const privateKey = platform.crypto.importKey("private", read("key"));
let session: TLSSessionData | undefined;

function connect(resumes: boolean): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    let engine: TLSEngine | undefined;
    let opened: Handshake | undefined;
    let written = false;
    // Nothing of the connection before is to be cleaned up in the time of this one.
    collect();
    const begin = cpu();
    const socket = new TLSSocket({
      address: "127.0.0.1",
      port,
      socket: { io: platform.tcp },
      timer: platform.timer,
      secure: () => ({
        createTLSEngine: (options) => (engine = platform.createTLSEngine(options)),
        serverName: "localhost",
        time: { earliest: platform.time()!.now, latest: platform.time()!.now },
        minimumVersion: protocol,
        maximumVersion: protocol,
        trustAnchors,
        certificateChain,
        privateKey,
        session: resumes ? session : undefined,
        onOpen: ({ resumed }) => {
          opened = { resumed, cpu: cpu() - begin, longestStep: engine?.longestStep ?? NaN };
        },
        onSession: (given) => (session = given),
      }),
      onWritable: () => {
        if (!written) socket.write(Uint8Array.of(120));
        written = true;
      },
      onReadable: () => {
        socket.read();
        // Tickets of TLS 1.3 came before the word.
        socket.close();
      },
      onError: (error) => reject(error!),
      onReleased: () => resolve(opened!),
    });
  });
}

await connect(false);
const handshakes: Handshake[] = [];
for (let i = 0; i < count; i++) handshakes.push(await connect(false), await connect(true));
platform.log(JSON.stringify(handshakes));
