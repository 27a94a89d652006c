/** Fixture: does what its arguments say with the platform, and prints a line of JSON for each. */
import { platform } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";
import { SealwireError } from "../../../src/errors.js";
import type { TransportOptions } from "../../../src/platform.js";

const print = (value: unknown): void => platform.log(JSON.stringify(value));
const list = (bytes: Uint8Array): number[] => Array.from(bytes);
const code = (error: unknown): string => (error instanceof SealwireError ? error.code : String(error));
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => void platform.timer.set(resolve, milliseconds));

function resolveName(host: string): Promise<string> {
  return new Promise((resolve) => {
    const resolver = new platform.resolver({});
    resolver.resolve({
      host,
      onResolved: (_, address) => resolve(address),
      onError: (error) => resolve(code(error)),
    });
  });
}

/** Sends `ping` and gives what comes back, or the code of the error. */
function echo(address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let sent = false;
    const options: TransportOptions = {
      address,
      port,
      onWritable: () => {
        if (!sent) socket.write(Uint8Array.of(112, 105, 110, 103));
        sent = true;
      },
      onReadable: () => {
        resolve(String.fromCharCode(...new Uint8Array(socket.read()!)));
        socket.close();
      },
      onError: (error) => resolve(code(error)),
    };
    const socket = new platform.tcp(options);
  });
}

/** Stays connected until the connection ends. */
function hold(address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    new platform.tcp({
      address,
      port,
      onWritable: () => print("connected"),
      onError: (error) => resolve(code(error)),
    } satisfies TransportOptions);
  });
}

function attempt(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return code(error);
  }
}

const commands: Record<string, (...parameters: string[]) => unknown> = {
  wake: () => platform.wakeCause,
  mac: () => list(platform.mac()),
  resolve: (host) => resolveName(host),
  echo: (address, port) => echo(address, Number(port)),
  hold: (address, port) => hold(address, Number(port)),
  sleep: (milliseconds) => platform.sleep(Number(milliseconds)),
  restart: () => platform.restart(),
  retain: (offset, ...bytes) =>
    attempt(() => platform.retainedMemory!.write(Number(offset), Uint8Array.from(bytes, Number))),
  retained: (offset, count) =>
    attempt(() => {
      const bytes = new Uint8Array(Number(count));
      platform.retainedMemory!.read(Number(offset), bytes);
      return list(bytes);
    }),
  memory: () => platform.retainedMemory?.byteLength ?? "none",
  count: () => attempt(() => platform.counter?.increment() ?? "none"),
  counted: () => attempt(() => platform.counter?.read() ?? "none"),
  trust: () => attempt(() => (platform.rootOfTrust ? list(platform.rootOfTrust.hmac(Uint8Array.of(1))) : "none")),
  observe: (milliseconds) => {
    platform.network!.observe((up) => print(up ? "up" : "down"));
    return pause(Number(milliseconds));
  },
  network: () => (platform.network!.up ? "up" : "down"),
  provisioning: () => {
    const record = platform.provisioning?.read();
    return record ? list(record) : "none";
  },
  erase: () => platform.provisioning?.erase(),
  pause: (milliseconds) => pause(Number(milliseconds)),
};

/** Commands stand one per argument, with their parameters after spaces. */
for (let i = 0; ; i++) {
  const line = argument(i);
  if (line === undefined) break;
  const [name, ...parameters] = line.split(" ");
  const result = await commands[name!]!(...parameters);
  if (result !== undefined) print(result);
}
