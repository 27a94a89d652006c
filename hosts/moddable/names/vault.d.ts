export * from "../../../src/vault/index.js";
