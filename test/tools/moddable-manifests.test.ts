/** The manifests for the Moddable SDK, against the files that they name: what can be told without the SDK. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { packageFolder } from "../../tools/paths.js";

interface Manifest {
  readonly include?: string | readonly string[];
  readonly modules?: Readonly<Record<string, string | readonly string[]>>;
  readonly preload?: readonly string[];
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

/** Files, from the package's folder. */
const manifests = ["manifest.json"]
  .concat(
    ["hosts", "src", "examples", "test/moddable"].flatMap((folder) =>
      readdirSync(join(packageFolder, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith("manifest.json"))
        .map((name) => join(folder, name)),
    ),
    // Read by the XS host alone.
  )
  .filter((file) => file !== "hosts/xs/manifest.json");

const read = (file: string): Manifest => JSON.parse(readFileSync(join(packageFolder, file), "utf8")) as Manifest;
/** Paths of the SDK and of others are theirs. */
const isOurs = (path: string): boolean => path.startsWith(".");

/** Whether a path of a manifest, with or without an extension, or with a star at its end, names something. */
function names(folder: string, path: string): boolean {
  const full = join(packageFolder, folder, path);
  if (path.endsWith("/*")) return existsSync(dirname(full));
  return [full, ...[".js", ".c"].map((extension) => full + extension)].some((file) => existsSync(file));
}

describe("Manifests for the Moddable SDK", () => {
  it("are there for the package, its hosts, its optional rooms and every example", () => {
    for (const room of ["sealing", "permissions", "monitor", "websocket"])
      assert.ok(manifests.includes(`src/${room}/manifest.json`), room);
    for (const example of readdirSync(join(packageFolder, "examples"), { withFileTypes: true }))
      if (example.isDirectory()) assert.ok(manifests.includes(`examples/${example.name}/manifest.json`), example.name);
    assert.ok(manifests.length >= 16);
  });

  it("switch on NVS encryption with all that the ESP32's own configuration has, and their own lines after it", () => {
    const lines = (file: string): string[] =>
      readFileSync(join(packageFolder, "hosts/esp32", file), "utf8")
        .split("\n")
        .filter((line) => line.startsWith("CONFIG_"));
    const base = lines("sdkconfig/sdkconfig.defaults");
    assert.ok(base.length > 10);
    for (const kind of ["hmac", "flash-encryption"]) {
      const own = lines(`nvs-encryption/${kind}/sdkconfig.defaults`);
      assert.deepEqual(own.slice(0, base.length), base);
      assert.ok(own.slice(base.length).includes("CONFIG_NVS_ENCRYPTION=y"), kind);
    }
  });

  for (const file of manifests) {
    const folder = dirname(file);
    const { include, modules = {}, preload = [] } = read(file);

    it(`${file} names what is there`, () => {
      // An app's own modules are TypeScript, which the SDK compiles.
      const isApp = /^(examples|test)\//.test(file);
      const paths = [...listOf(include), ...Object.values(modules).flatMap(listOf)].filter(isOurs);
      const missing = paths.filter(
        (path) => !names(folder, path) && !(isApp && existsSync(join(packageFolder, folder, `${path}.ts`))),
      );
      assert.deepEqual(missing, []);
    });

    it(`${file} preloads modules that it has`, () => {
      assert.deepEqual(
        preload.filter((name) => !(name in modules)),
        [],
      );
    });
  }

  it("take every native file of hosts/mbedtls, each by its full name: there is TypeScript beside it", () => {
    const folder = "hosts/mbedtls";
    const named = Object.values(read(join(folder, "manifest.json")).modules ?? {})
      .flatMap(listOf)
      .filter((path) => path.startsWith("./"))
      .map((path) => path.slice(2));
    // Stands in for all of it where there is no library; and the library's configuration, which the compiler finds by itself.
    const others = ["absent.c", "sealwire_mbedtls_config.h", "sealwire_mbedtls_crypto_config.h"];
    const native = readdirSync(join(packageFolder, folder)).filter((name) => /\.(c|h|js)$/.test(name));
    assert.deepEqual(named.sort(), native.filter((name) => !others.includes(name)).sort());
  });

  it("take nothing that the SDK would have to compile from TypeScript", () => {
    const found = manifests
      .filter((file) => !/^(examples|test)\//.test(file))
      .flatMap((file) =>
        Object.values(read(file).modules ?? {})
          .flatMap(listOf)
          .filter(isOurs)
          .map((path) => join(packageFolder, dirname(file), path)),
      )
      .filter((path) =>
        path.endsWith("/*")
          ? readdirSync(dirname(path)).some((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
          : existsSync(`${path}.ts`),
      );
    assert.deepEqual(
      found.map((path) => relative(packageFolder, path)),
      [],
    );
  });
});
