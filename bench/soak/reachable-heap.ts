/**
 * What a program keeps, in bytes: everything that can be reached from its roots. What V8 reports as in use has steps of some ten kilobytes in it which nothing
 * keeps (gaps left between objects, by where they happened to lie), and one of them late in a short soak looks like a leak.
 */
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { getHeapSnapshot } from "node:v8";

declare const gc: () => void;

/** Of V8's heap snapshot format, what is read here: nodes lie in one array, a fixed number of fields each. */
interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[]; readonly node_types: [string[]] } };
  readonly nodes: readonly number[];
}

/** Left out are bytecode and what V8 notes about it: 34 KB of them came with a path that a fault took on the last day for the first time. */
const MACHINERY = new Set(["code", "object shape"]);

/**
 * It takes about a third of a second. Needs `--expose-gc`.
 *
 * @throws Error when this version of V8 writes another format
 */
export async function reachableBytes(): Promise<number> {
  // Node frees handles and runs finalizers in turns of their own.
  for (let i = 0; i < 3; i++) {
    gc();
    await nextTurn();
  }
  // Memory of OpenSSL and of handles, which no snapshot shows.
  const { external, arrayBuffers } = process.memoryUsage();
  const { snapshot, nodes } = JSON.parse(await text(getHeapSnapshot())) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  if (type < 0 || size < 0) throw new Error("V8 writes its heap snapshots in a format that is not known here.");
  let bytes = external - arrayBuffers;
  for (let at = 0; at < nodes.length; at += fields.length)
    if (!MACHINERY.has(types[0][nodes[at + type]!]!)) bytes += nodes[at + size]!;
  return bytes;
}
