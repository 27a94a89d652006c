/** The least of an MQTT server: it accepts, counts and acknowledges. What it costs itself is in another process than what is measured. */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

const type = { connect: 1, publish: 3, disconnect: 14 } as const;

export class Sink {
  readonly #server: Server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  /** Publications that arrived. */
  received = 0;

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    let rest: Buffer = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (chunk) => {
      const bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      const answers: number[] = [];
      let offset = 0;
      // All packets of the bench have a remaining length of one byte.
      while (offset + 2 <= bytes.byteLength && offset + 2 + bytes[offset + 1]! <= bytes.byteLength) {
        const end = offset + 2 + bytes[offset + 1]!;
        const first = bytes[offset]!;
        if (bytes[offset + 1]! > 127) throw new Error("A packet of the bench is too long.");
        if (first >> 4 === type.connect) answers.push(0x20, 2, 0, 0);
        else if (first >> 4 === type.disconnect) socket.end();
        else if (first >> 4 === type.publish) {
          this.received++;
          const id = offset + 4 + bytes.readUInt16BE(offset + 2);
          if ((first >> 1) & 3) answers.push(0x40, 2, bytes[id]!, bytes[id + 1]!);
        }
        offset = end;
      }
      rest = bytes.subarray(offset);
      if (answers.length > 0 && socket.writable) socket.write(Buffer.from(answers));
    });
  }
}
