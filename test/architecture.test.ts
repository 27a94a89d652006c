/**
 * The rules of the house that the compiler does not hold: which part of `src/` may import which, and that nothing outside comes in.
 * Every import is read from the syntax tree: static, type-only, re-export, dynamic, `import type()`.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { includedRooms, optionalRooms } from "../tools/rooms.js";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const source = join(root, "src");

/** The leaves: everybody may import them. Their own order is in {@link allowed}. */
const leaves = ["errors", "platform", "bytes", "clock"];

/** For each room or file of `src/`, the others it may import. Optional rooms may be imported by `device` and `index` as types only. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  platform: ["errors"],
  bytes: ["errors", "platform"],
  clock: ["errors", "platform", "bytes"],
  cbor: leaves,
  cose: [...leaves, "cbor"],
  storage: leaves,
  transport: leaves,
  identity: leaves,
  tls: [...leaves, "storage", "cbor", "transport"],
  vault: [...leaves, "storage", "cbor"],
  mqtt: [...leaves, "storage", "transport"],
  link: [...leaves, "mqtt", "tls", "vault", "transport", "storage"],
  sealing: [...leaves, "storage", "cbor", "cose"],
  permissions: leaves,
  websocket: leaves,
  monitor: [...leaves, "storage", "cbor"],
  update: [...leaves, "storage", "cbor", "cose"],
  device: [...leaves, "device", "link", "mqtt", "tls", "identity", "vault", "transport", "storage"],
  index: [...leaves, "device", "vault"],
};

const handedIn = ["sealing", "permissions", "monitor", "websocket", "update"];

interface Manifest {
  readonly include?: readonly string[];
  readonly platforms?: Readonly<Record<string, { readonly include?: readonly string[] }>>;
}

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function importsOf(file: string, text = readFileSync(file, "utf8")): Import[] {
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined) return;
    assert.ok(
      ts.isStringLiteralLike(specifier),
      `${file}: an import whose module is not a plain string cannot be checked`,
    );
    imports.push({ file, specifier: specifier.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
      add(node.moduleReference.expression, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  return imports;
}

/** The room or top-level file of `src/` that a file belongs to; `undefined` outside. */
function roomOf(file: string): string | undefined {
  const [first] = relative(source, file).split(sep);
  if (first === "..") return undefined;
  return first?.replace(/\.(ts|js)$/, "");
}

/** What is wrong with an import, or `undefined`. */
function fault({ file, specifier, typeOnly }: Import): string | undefined {
  if (!specifier.startsWith(".")) return "no packages in src/";
  if (!specifier.endsWith(".js")) return "relative imports end in .js";
  const target = resolve(dirname(file), specifier);
  const from = roomOf(file) ?? "";
  const to = roomOf(target);
  if (to === undefined) return "nothing outside src/";
  if (from === to) return undefined;
  const rules = allowed[from];
  if (rules === undefined) return `${from} is not in the table of allowed imports`;
  if ((from === "device" || from === "index") && handedIn.includes(to))
    return typeOnly ? undefined : `${from} imports optional rooms as types only`;
  if (!rules.includes(to)) return `${from} must not import ${to}`;
  const isRoom = relative(source, target).includes(sep);
  return isRoom && !target.endsWith(`${sep}index.js`) ? "rooms import each other through index.js only" : undefined;
}

/** The modules of the first cycle of imports that exist at run time, or `undefined`. */
function cycleOf(imports: readonly Import[]): string[] | undefined {
  const edges = new Map<string, string[]>();
  for (const { file, specifier, typeOnly } of imports) {
    if (typeOnly || !specifier.startsWith(".")) continue;
    const target = resolve(dirname(file), specifier).replace(/\.js$/, ".ts");
    edges.set(file, [...(edges.get(file) ?? []), target]);
  }
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const target of edges.get(file) ?? []) {
      const cycle = visit(target);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}

describe("architecture", () => {
  const imports = filesOf(source).flatMap((file) => importsOf(file));

  it("holds the table of allowed imports in src/", () => {
    assert.ok(imports.length > 20, "src/ was not found");
    const faults = imports.flatMap((entry) => {
      const what = fault(entry);
      return what === undefined ? [] : [`${relative(root, entry.file)} imports "${entry.specifier}": ${what}`];
    });
    assert.deepEqual(faults, []);
  });

  it("has no cycles in src/", () => {
    assert.deepEqual(
      cycleOf(imports)?.map((file) => relative(root, file)),
      undefined,
    );
  });

  it("keeps portable tests portable: src/, test/support/ and the host by name", () => {
    const folders = [join(root, "test/src"), join(root, "test/support")];
    const faults = folders
      .flatMap(filesOf)
      .flatMap((file) => importsOf(file))
      .filter(({ file, specifier }) => {
        if (!specifier.startsWith(".")) return specifier !== "sealwire" && specifier !== "sealwire/host";
        const target = resolve(dirname(file), specifier);
        return ![source, ...folders].some((folder) => target.startsWith(folder + sep));
      })
      .map(({ file, specifier }) => `${relative(root, file)} imports "${specifier}"`);
    assert.deepEqual(faults, []);
  });

  it("keeps examples to what a device team imports", () => {
    const faults = filesOf(join(root, "examples"))
      .flatMap((file) => importsOf(file))
      .filter(({ specifier }) => !specifier.startsWith("sealwire") && !specifier.startsWith("./"));
    assert.deepEqual(faults, []);
  });

  it("names every folder of src/ in a manifest for firmware builds, where a glob is one folder deep: optional rooms in their own", () => {
    const modulesOf = (file: string, folder: string): Record<string, string> => {
      const { modules } = JSON.parse(readFileSync(join(root, file), "utf8")) as { modules: Record<string, string> };
      const own = Object.entries(modules).filter(([name]) => name.startsWith("sealwire/src/"));
      return Object.fromEntries(own.map(([name, path]) => [name, `./${join(folder, path)}`]));
    };
    const own = optionalRooms();
    const modules = Object.assign(
      modulesOf("manifest.json", "."),
      ...own.map((room) => modulesOf(`src/${room}/manifest.json`, `src/${room}`)),
    ) as Record<string, string>;
    const folders = [...new Set(filesOf(source).map((file) => relative(source, dirname(file))))];
    const expected = folders.map(
      (folder) => [join("sealwire/src", folder, "*"), `./${join("dist/src", folder, "*")}`] as const,
    );
    assert.deepEqual(modules, Object.fromEntries(expected));
  });

  it("has what a room imports at run time in the manifest that brings the room", () => {
    const own = optionalRooms();
    const faults = imports.flatMap(({ file, specifier, typeOnly }) => {
      const from = roomOf(file)!;
      const to = roomOf(resolve(dirname(file), specifier))!;
      if (typeOnly || from === to || !own.includes(to)) return [];
      const brings = own.includes(from) && includedRooms(join(source, from, "manifest.json")).includes(to);
      return brings ? [] : [`${relative(root, file)} imports ${to}`];
    });
    assert.deepEqual(faults, []);
  });

  it("leaves optional rooms out of the manifest that every app includes", () => {
    const included = (file: string): string[] => {
      const { include = [], platforms = {} } = JSON.parse(readFileSync(file, "utf8")) as Manifest;
      const files = [include, ...Object.values(platforms).map((platform) => platform.include ?? [])]
        .flat()
        .filter((path) => path.startsWith("."))
        .map((path) => join(dirname(file), path));
      return [...files, ...files.flatMap(included)];
    };
    const names = included(join(root, "manifest.json")).map((file) => relative(root, file));
    assert.ok(names.includes("hosts/moddable/manifest.json"), "the includes were not followed");
    assert.deepEqual(
      names.filter((name) => name.startsWith("src/")),
      [],
    );
  });

  it("has each example include the optional rooms that it imports, and no others", () => {
    const folder = join(root, "examples");
    for (const name of readdirSync(folder).filter((entry) => existsSync(join(folder, entry, "manifest.json")))) {
      const { include } = JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")) as Required<Manifest>;
      const imported = filesOf(join(folder, name)).flatMap((file) => importsOf(file));
      const used = (room: string): boolean => imported.some(({ specifier }) => specifier === `sealwire/${room}`);
      assert.deepEqual(
        handedIn.filter((room) => include.includes(`../../src/${room}/manifest.json`)),
        handedIn.filter(used),
        name,
      );
    }
  });

  describe("the check itself", () => {
    const at = (file: string, text: string): string[] =>
      importsOf(join(source, file), text).flatMap((entry) => fault(entry) ?? []);

    it("sees every kind of import", () => {
      for (const text of [
        'import x from "fs";',
        'import "fs";',
        'import type { X } from "fs";',
        'export * from "fs";',
        'export type { X } from "fs";',
        'const x = await import("fs");',
        'type X = import("fs").X;',
        'import x = require("fs");',
      ])
        assert.deepEqual(at("mqtt/client.ts", text), ["no packages in src/"], text);
    });

    it("refuses a forbidden edge, a way around index.js, a missing ending, a way out, and an unknown room", () => {
      assert.deepEqual(at("mqtt/client.ts", 'import "../tls/index.js";'), ["mqtt must not import tls"]);
      assert.deepEqual(at("tls/a.ts", 'import "../storage/keys.js";'), [
        "rooms import each other through index.js only",
      ]);
      assert.deepEqual(at("tls/a.ts", 'import "./b";'), ["relative imports end in .js"]);
      assert.deepEqual(at("tls/a.ts", 'import "../../hosts/node/index.js";'), ["nothing outside src/"]);
      assert.deepEqual(at("new/a.ts", 'import "../bytes.js";'), ["new is not in the table of allowed imports"]);
      assert.deepEqual(at("device.ts", 'import { S } from "./sealing/index.js";'), [
        "device imports optional rooms as types only",
      ]);
      assert.deepEqual(at("device.ts", 'import type { S } from "./sealing/index.js";'), []);
    });

    it("finds a cycle", () => {
      const a = importsOf(join(source, "a.ts"), 'import "./b.js";');
      const b = importsOf(join(source, "b.ts"), 'import "./c.js";');
      const c = importsOf(join(source, "c.ts"), 'export * from "./a.js";');
      assert.deepEqual(
        cycleOf([...a, ...b, ...c])?.map((file) => relative(source, file)),
        ["a.ts", "b.ts", "c.ts", "a.ts"],
      );
      assert.equal(cycleOf([...a, ...b]), undefined);
    });
  });
});
